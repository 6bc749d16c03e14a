"""What `Product` and `Components` share: families made of member families.

A composite lays its members out over the columns or over the components and delegates everything
else. Its parameters are the members' parameters, under the composite's names and with their own
extent, so that the mixture, the engines and the store treat them like any other.
"""

from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.families.base import ExponentialFamily, Family


@dataclass(frozen=True)
class Part:
    """One member in its place.

    names: its own name of each field -> the field's name in theta. owners: the components it covers;
    columns: the columns it covers (None for all). axis, part: what its component and feature axes
    are called; label: what prefixes its names.
    """

    family: Family
    names: dict
    label: str
    owners: tuple | None = None
    columns: tuple | None = None
    axis: str = ""
    part: str = ""

    def own(self, theta):
        """The member's theta under its own names."""
        return {own: theta[name] for own, name in self.names.items()}

    def outside(self, theta):
        """A theta of the member under the composite's names."""
        return {self.names[own]: value for own, value in theta.items()}

    def seen(self, x):
        """The columns of x (or the entries of a (d,) array) that it covers."""
        return x if self.columns is None else x[..., list(self.columns)]

    def places(self, columns):
        """Which of the member's own columns are among these of the composite, as indices."""
        if self.columns is None:
            return np.asarray(columns)
        return np.array([i for i, j in enumerate(self.columns) if j in set(np.asarray(columns).tolist())], dtype=int)

    def within(self, owners, columns):
        """Components and columns counted within the member, as the composite counts them."""
        if self.owners is not None:
            owners = self.owners
        if self.columns is not None:
            columns = self.columns if columns is None else tuple(self.columns[j] for j in columns)
        return owners, columns

    def place(self, p):
        """A parameter of the member as a parameter of the composite."""
        owners, columns = self.within(p.owners, p.columns)
        path = ".".join(word for word in (self.part, p.part) if word)
        return replace(p, name=self.names[p.name], owners=owners, columns=columns, axis=self.axis or p.axis, part=path)


@dataclass(frozen=True, eq=False, init=False)
class Composite(ExponentialFamily):
    """A family made of members; an exponential family if every member is one."""

    members: tuple

    # ---- what a final class says ------------------------------------------------------------

    @property
    @abstractmethod
    def parts(self):
        """The members in their places."""

    @abstractmethod
    def assemble(self, xp, x, theta, reading):
        """log f_k(x_i), (n, K), of reading(member, its columns of x, its theta); `xp` is numpy or pytensor.tensor."""

    @abstractmethod
    def rebuilt(self, families):
        """The same composite of other member families, in order."""

    # ---- what follows -----------------------------------------------------------------------

    @property
    def exponential(self):
        """Whether every member is an exponential family."""
        return all(part.family.exponential for part in self.parts)

    @cached_property
    def parameters(self):
        """The members' parameters by their names in theta."""
        placed = [part.place(p) for part in self.parts for p in part.family.parameters.values()]
        found = Counter(p.name for p in placed)
        for name, count in found.items():
            if count > 1 or name == "weight":
                raise InputError(
                    f"{type(self).__name__}(...): a field cannot be called {name!r}, which is taken; rename that part."
                )
        return {p.name: p for p in placed}

    def bind(self, names):
        picked = [names if part.columns is None else [names[j] for j in part.columns] for part in self.parts]
        return self.rebuilt([part.family.bind(n) for part, n in zip(self.parts, picked, strict=True)])

    def resolve(self, x):
        return self.rebuilt([part.family.resolve(part.seen(x)) for part in self.parts])

    def check(self, x, names):
        for part in self.parts:
            part.family.check(part.seen(x), names if part.columns is None else [names[j] for j in part.columns])

    def scope(self, name, theta):
        for part in self.parts:
            for own, full in part.names.items():
                if full == name:
                    known = {o: theta[f] for o, f in part.names.items() if f in theta}
                    return part.family.scope(own, known)
        raise KeyError(name)

    def resolved(self, theta):
        return all(part.family.resolved(part.own(theta)) for part in self.parts)

    def atoms(self, d):
        out = np.zeros(d, dtype=bool)
        for part in self.parts:
            at = list(range(d) if part.columns is None else part.columns)
            out[at] |= part.family.atoms(len(at))
        return out

    def continuous(self, d):
        out = np.zeros(d, dtype=bool)
        for part in self.parts:
            at = list(range(d) if part.columns is None else part.columns)
            out[at] |= part.family.continuous(len(at))
        return out

    def movable(self, d):
        out = np.ones(d, dtype=bool)
        for part in self.parts:
            at = list(range(d) if part.columns is None else part.columns)
            out[at] &= part.family.movable(len(at))
        return out

    def moved(self, by):
        families = [part.family.moved(part.seen(by)) for part in self.parts]
        return None if None in families else self.rebuilt(families)

    def log_prior(self, theta):
        terms = {}
        for part in self.parts:
            terms |= part.outside(part.family.log_prior(part.own(theta)))
        return terms

    def draw_prior(self, rng, K, d):
        theta = {}
        for part in self.parts:
            k = K if part.owners is None else len(part.owners)
            theta |= part.outside(part.family.draw_prior(rng, k, d if part.columns is None else len(part.columns)))
        return theta

    def logpdf(self, x, **theta):
        return self.assemble(np, x, theta, lambda family, rows, own: family.logpdf(rows, **own))

    def dist(self, **theta):
        raise InputError(
            f"{type(self).__name__}(...).dist: a family of several members has no single PyMC distribution; "
            "use the members' own."
        )

    # ---- missing cells ------------------------------------------------------------------------

    @property
    def marginalises(self):
        """Whether every member can leave out cells."""
        return all(part.family.marginalises for part in self.parts)

    def log_density(self, x, theta):
        return self.assemble(np, x, theta, lambda family, rows, own: family.log_density(rows, own))

    def restrict(self, theta, columns):
        out = {}
        for part in self.parts:
            own = part.places(columns)
            if len(own):
                out |= part.outside(part.family.restrict(part.own(theta), own))
        return {name: out[name] for name in theta if name in out}

    def reported(self, theta):
        found = [
            (part, name, value, *part.within(owners, columns))
            for part in self.parts
            for name, value, owners, columns in part.family.reported(part.own(theta))
        ]
        taken = Counter([name for _, name, *_ in found] + list(self.parameters))
        return [(self.full_name(p, name, taken[name] > 1), *rest) for p, name, *rest in found]

    @abstractmethod
    def full_name(self, part, name, clash):
        """What a name of a member is called outside; `clash` where another member has it too."""

    def derived(self, theta):
        return {name: value for name, value, _, _ in self.reported(theta)}

    def widths(self, theta):
        """The number of features of each member, its constant included."""
        return [part.family.natural(np, **part.own(theta)).shape[1] for part in self.parts]

    def mode(self, stats, **theta):
        """Each member's own M-step on its share of the statistics."""
        new = {}
        for part, share in zip(self.parts, self.shares(stats, theta), strict=True):
            new |= part.outside(part.family.mode(share, **part.own(theta)))
        return {name: new[name] for name in theta}

    def conditional(self, stats, rng, **theta):
        """Each member's own Gibbs step on its share of the statistics."""
        new = {}
        for part, share in zip(self.parts, self.shares(stats, theta), strict=True):
            own = part.family.conditional(share, rng, **part.own(theta))
            if own is None:
                return None
            new |= part.outside(own)
        return {name: new[name] for name in theta}

    @abstractmethod
    def shares(self, stats, theta):
        """The statistics (K, F) that belong to each member."""

    def update(self, x, r, theta):
        new = {}
        for part in self.parts:
            rows = r if part.owners is None else r[:, list(part.owners)]
            new |= part.outside(part.family.update(part.seen(x), rows, part.own(theta)))
        return {name: new[name] for name in theta}


def same_family(a, b):
    """Whether two families say the same: one class, and equal priors, switches and members."""
    if isinstance(a, Family):
        same = type(a) is type(b)
        return same and all(same_family(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, tuple | list):
        return type(a) is type(b) and len(a) == len(b) and all(map(same_family, a, b))
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b


def member_of_a_composite(value, where):
    """`value` if it is a Family that may be a member, else InputError."""
    if not isinstance(value, Family):
        raise InputError(f"{where}: expected a family such as bm.Gaussian(), got {value!r}.")
    if value.count is not None:
        raise InputError(
            f"{where}: bm.Components cannot be a member of another family; put the other family inside of it instead."
        )
    return value
