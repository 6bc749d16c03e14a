"""Families side by side: mixed data types."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.families.composite import Composite, Part, member_of_a_composite
from bayesmix.spec.families.hierarchical import hierarchical


@dataclass(frozen=True, eq=False, init=False)
class Product(Composite):
    """x | z = k has independent parts, each with its own family over its own columns.

    log f_k(x) = sum over parts of log f_k^part(x[columns of the part]). Each part is given by name as
    (family, columns), the columns by name or index; every column belongs to exactly one part. The
    fields of part `a` are called `a.mean`, `a.var`, and so on.

    >>> import bayesmix as bm
    >>> family = bm.Product(a=(bm.Gaussian(), ["height"]), b=(bm.Poisson(), ["visits", "children"]))
    >>> list(bm.Mixture(family, 3).parameters)
    ['weight', 'a.mean', 'a.var', 'b.rate']

    References: Hunt & Jorgensen (1999), Aust. N. Z. J. Stat. 41:154-171 (mixed data under local independence).
    """

    def __init__(self, members=None, /, **parts):
        given = [(name, *_pair(name, part)) for name, part in parts.items()] if members is None else members
        kept = []
        for name, family, columns in given:
            where = f"Product({name}=(family, columns))"
            columns = (columns,) if isinstance(columns, str | int | np.integer) else tuple(columns)
            columns = tuple(c if isinstance(c, str) else int(c) for c in columns)
            if name == "all" or "." in name:
                raise InputError(f"{where}: a part cannot be called {name!r}; give it another name.")
            if not columns:
                raise InputError(f"{where}: expected at least one column; name one or leave the part out.")
            kept.append((name, hierarchical(member_of_a_composite(family, where)), columns))
        if not kept:
            raise InputError('Product(): expected parts such as a=(bm.Gaussian(), ["x1"]), got none.')
        taken = [c for _, _, columns in kept for c in columns]
        twice = [c for c in taken if taken.count(c) > 1]
        if twice:
            raise InputError(f"Product(...): the column {twice[0]!r} is used twice; give each column to one part.")
        object.__setattr__(self, "members", tuple(kept))

    @property
    def columns(self):
        """The number of columns of all parts."""
        return sum(len(columns) for _, _, columns in self.members)

    @property
    def alone(self):
        """Whether every part can stand alone."""
        return all(family.alone for _, family, _ in self.members)

    @property
    def discrete(self):
        """Whether every part takes whole numbers only."""
        return all(family.discrete for _, family, _ in self.members)

    @cached_property
    def parts(self):
        """The members in their columns."""
        return tuple(
            Part(family, {n: f"{name}.{n}" for n in family.parameters}, name, columns=columns, part=name)
            for name, family, columns in self.members
        )

    def bind(self, names):
        """The same product with every column as an index; raises InputError unless each is used once."""
        names, bound = list(names), []
        for name, family, columns in self.members:
            for c in columns:
                if (c not in names) if isinstance(c, str) else not 0 <= c < len(names):
                    raise InputError(
                        f"Product({name}=(..., {list(columns)})): there is no column {c!r}; the data have {names}."
                    )
            at = tuple(names.index(c) if isinstance(c, str) else c for c in columns)
            bound.append((name, family.bind([names[j] for j in at]), at))
        taken = [j for _, _, at in bound for j in at]
        for j, column in enumerate(names):
            if taken.count(j) != 1:
                what = "used twice" if taken.count(j) else "not used"
                raise InputError(
                    f"Product(...): the column {column!r} is {what}; every column of the data belongs to exactly one "
                    "part (select columns when you make the Data)."
                )
        return Product(bound)

    def rebuilt(self, families):
        return Product([(name, f, columns) for (name, _, columns), f in zip(self.members, families, strict=True)])

    def full_name(self, part, name, clash):
        return f"{part.label}.{name}"

    def assemble(self, xp, x, theta, reading):
        return sum(reading(part.family, x[:, list(part.columns)], part.own(theta)) for part in self.parts)

    def draw(self, z, rng, **theta):
        x = np.empty((len(z), self.columns))
        for part in self.parts:
            x[:, list(part.columns)] = part.family.draw(z, rng, **part.own(theta))
        return x

    def mask(self, x, K):
        masks = [part.family.mask(part.seen(x), K) for part in self.parts]
        return sum(m for m in masks if m is not None) if any(m is not None for m in masks) else None

    def sufficient(self, x):
        """[1, the parts' features without their constants]."""
        phi = [part.family.sufficient(part.seen(x))[:, 1:] for part in self.parts]
        return np.concatenate([np.ones((len(x), 1)), *phi], axis=1)

    def base(self, x):
        return sum(part.family.base(part.seen(x)) for part in self.parts)

    def natural(self, xp, **theta):
        """[the sum of the parts' constants, the parts' other weights]."""
        W = [part.family.natural(xp, **part.own(theta)) for part in self.parts if part.names]
        if not W:
            return self.parts[0].family.natural(xp)
        return xp.concatenate([sum(w[:, :1] for w in W), *(w[:, 1:] for w in W)], axis=1)

    def shares(self, stats, theta):
        out, at = [], 1
        for width in self.widths(theta):
            out.append(np.concatenate([stats[:, :1], stats[:, at : at + width - 1]], axis=1))
            at += width - 1
        return out

    # ---- missing cells ------------------------------------------------------------------------

    def marginal(self, columns):
        at, kept = {int(j): i for i, j in enumerate(columns)}, []
        for part, (name, family, own) in zip(self.parts, self.members, strict=True):
            places = part.places(columns)
            if len(places):
                kept.append((name, family.marginal(places), tuple(at[own[i]] for i in places)))
        return Product(kept)

    def complete_stats(self, stats, seen, theta, variance=True):
        columns = np.flatnonzero(seen)
        some = self.marginal(columns) if len(columns) else None
        shares = some.shares(stats, self.restrict(theta, columns)) if some is not None else []
        found = dict(zip([part.label for part in some.parts] if some is not None else [], shares, strict=True))
        out = [stats[:, :1]]
        for part in self.parts:
            share = found.get(part.label, stats[:, :1])
            out.append(part.family.complete_stats(share, part.seen(np.asarray(seen)), part.own(theta), variance)[:, 1:])
        return np.concatenate(out, axis=1)

    def expected_row(self, theta):
        K = max(len(part.family.expected_row(part.own(theta))) for part in self.parts)
        out = np.empty((K, self.columns))
        for part in self.parts:
            out[:, list(part.columns)] = part.family.expected_row(part.own(theta))
        return out

    def fill(self, x, theta):
        found = [(list(part.columns), part.family.fill(part.seen(x), part.own(theta))) for part in self.parts]
        out = np.empty((max(len(f) for _, f in found), *x.shape))
        for columns, part in found:
            out[:, :, columns] = part
        return out

    def draw_missing(self, x, z, rng, theta):
        out = np.array(x)
        for part in self.parts:
            out[:, list(part.columns)] = part.family.draw_missing(part.seen(x), z, rng, part.own(theta))
        return out


def _pair(name, part):
    if not isinstance(part, tuple | list) or len(part) != 2:
        raise InputError(
            f'Product({name}=...): expected (family, columns) such as (bm.Gaussian(), ["x1"]), got {part!r}.'
        )
    return part
