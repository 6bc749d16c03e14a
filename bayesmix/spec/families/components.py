"""Unlike members: components of different families."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.families.base import ExponentialFamily, Family
from bayesmix.spec.families.composite import Composite, Part, member_of_a_composite, same_family
from bayesmix.spec.families.hierarchical import hierarchical


@dataclass(frozen=True, eq=False, init=False)
class Components(Composite):
    """x | z = k ~ the member that owns component k: a contiguous block of components for each member.

    `Components((MvGaussian(), 3), UniformComponent())` is three Gaussians and a noise component;
    `Components(PointMass(0), Poisson())` is the zero-inflated Poisson. A member is a family (one
    component) or (family, number of components). Field names stay plain where only one member has
    them; else the lower-case name of the member's class goes in front (`gaussian.mean`), with a
    number where the class occurs twice (`gaussian1.mean`, `gaussian2.mean`).

    >>> import bayesmix as bm
    >>> model = bm.Mixture(bm.Components((bm.MvGaussian(), 3), bm.UniformComponent()))
    >>> model.components, list(model.parameters)
    (4, ['weight', 'mean', 'cov', 'lower', 'upper'])

    References: Banfield & Raftery (1993), Biometrics 49:803-821 (noise); Lambert (1992),
    Technometrics 34:1-14 (zero inflation).
    """

    def __init__(self, *members):
        if len(members) == 1 and isinstance(members[0], list):
            members = members[0]
        kept = []
        for i, member in enumerate(members):
            where = f"Components(...), member {i}"
            family, count = member if isinstance(member, tuple | list) and len(member) == 2 else (member, 1)
            if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
                raise InputError(f"{where}: expected (family, number of components), got {member!r}.")
            kept.append((hierarchical(member_of_a_composite(family, where)), int(count)))
        if not kept:
            raise InputError("Components(): expected members such as (bm.MvGaussian(), 3), got none.")
        object.__setattr__(self, "members", tuple(kept))
        if not any(isinstance(family, Composite) for family, _ in kept):
            self._check_kinds(1)  # a Product's columns may still be names: it waits for the data

    @property
    def count(self):
        """The number of components of all members."""
        return sum(count for _, count in self.members)

    @property
    def columns(self):
        """The number of columns that the members ask for, None for any."""
        return next((family.columns for family, _ in self.members if family.columns is not None), None)

    @property
    def alone(self):
        """Always: here a member without a density has company."""
        return True

    @property
    def discrete(self):
        """Whether every member takes whole numbers only."""
        return all(family.discrete for family, _ in self.members)

    @cached_property
    def parts(self):
        """The members in their blocks of components."""
        classes = Counter(family.title.lower() for family, _ in self.members)
        fields = Counter(name for family, _ in self.members for name in family.parameters)
        seen, at, out = Counter(), 0, []
        for family, count in self.members:
            label = family.title.lower()
            seen[label] += 1
            label += str(seen[label]) if classes[label] > 1 else ""
            owners = tuple(range(at, at + count))
            names = {n: f"{label}.{n}" if fields[n] > 1 else n for n in family.parameters}
            own_axis = len(self.members) > 1
            out.append(Part(family, names, label, owners if own_axis else None, axis=label if own_axis else ""))
            at += count
        return tuple(out)

    def member_of(self, K):
        """(K,) the first of the members that are like the one each component belongs to."""
        return np.repeat([group[0] for group in self._alike], [count for _, count in self.members])

    def pool(self, name, K):
        i = next(i for i, part in enumerate(self.parts) if name in part.names.values())
        own = next(own for own, full in self.parts[i].names.items() if full == name)
        parts = [self.parts[j] for j in self._alike[i]]
        return tuple(p.names[own] for p in parts), np.concatenate(
            [self.parameters[p.names[own]].covers(K) for p in parts]
        )

    @cached_property
    def _alike(self):
        """For each member, the members that say the same of components of their own: listed apart, yet one."""
        families = [family for family, _ in self.members]
        pooled = [any(p.shared for p in family.parameters.values()) for family in families]
        return [
            [j for j, g in enumerate(families) if i == j or (not pooled[i] and not pooled[j] and same_family(f, g))]
            for i, f in enumerate(families)
        ]

    def bind(self, names):
        for family, _ in self.members:
            if family.columns not in (None, len(names)):
                raise InputError(f"{type(family).__name__}(): expected {family.columns} column(s), got {len(names)}.")
        bound = super().bind(names)
        bound._check_kinds(len(names))
        return bound

    def _check_kinds(self, d):
        """A point mass and a density cannot be compared."""
        atoms = [i for i, (f, _) in enumerate(self.members) if f.atoms(d).any()]
        for i in atoms:
            for family, _ in self.members:
                if (self.members[i][0].atoms(d) & family.continuous(d)).any():
                    raise InputError(
                        f"Components(...): PointMass cannot stand beside {type(family).__name__}, which has a density: "
                        "a single value has no probability there; put it beside a family of counts, or leave it out."
                    )

    def rebuilt(self, families):
        return Components(*((f, count) for (_, count), f in zip(self.members, families, strict=True)))

    def full_name(self, part, name, clash):
        return f"{part.label}.{name}" if clash else name

    def check(self, x, names):
        super().check(x, names)
        mask = self.mask(x, self.count)
        if mask is not None and np.isinf(mask).all(axis=1).any():
            i = int(np.isinf(mask).all(axis=1).argmax())
            raise InputError(
                f"Components(...): row {i}, {dict(zip(names, x[i].tolist(), strict=True))}, lies outside every "
                "component; widen the bounds or add a component that covers it."
            )

    def resolve(self, x):
        full = super().resolve(x)
        full.check(x, [f"x{j}" for j in range(x.shape[1])])  # the bounds are known only now
        return full

    def assemble(self, xp, x, theta, reading):
        read = [reading(part.family, x, part.own(theta)) for part in self.parts]
        blocks = [r + xp.zeros((1, count)) for r, (_, count) in zip(read, self.members, strict=True)]
        return xp.concatenate(blocks, axis=1)

    def draw(self, z, rng, **theta):
        x, at = None, 0
        for part, (_, count) in zip(self.parts, self.members, strict=True):
            rows = np.flatnonzero((z >= at) & (z < at + count))
            if len(rows):
                drawn = part.family.draw(z[rows] - at, rng, **part.own(theta))
                x = np.empty((len(z), drawn.shape[1])) if x is None else x
                x[rows] = drawn
            at += count
        return x

    def mask(self, x, K):
        masks = [part.family.mask(x, count) for part, (_, count) in zip(self.parts, self.members, strict=True)]
        if all(m is None for m in masks):
            return None
        blocks = [
            np.zeros((len(x), count)) if m is None else np.broadcast_to(m, (len(x), count))
            for m, (_, count) in zip(masks, self.members, strict=True)
        ]
        return np.concatenate(blocks, axis=1)

    def sufficient(self, x):
        """[1, for each member its features without the constant, and its base where it has one]."""
        phi = [np.ones((len(x), 1))]
        for family, _ in self.members:
            phi.append(family.sufficient(x)[:, 1:])
            if _has_base(family):
                phi.append(family.base(x)[:, None])
        return np.concatenate(phi, axis=1)

    def natural(self, xp, **theta):
        """Each member's weights in its own features, one for its base, zero elsewhere."""
        constant, own = [], []
        for part, (_, count) in zip(self.parts, self.members, strict=True):
            W = part.family.natural(xp, **part.own(theta)) + xp.zeros((count, 1))
            constant.append(W[:, :1])
            own.append(W[:, 1:])
            if _has_base(part.family):
                own[-1] = xp.concatenate([own[-1], xp.ones((count, 1))], axis=1)
        rows = []
        for i, (_, count) in enumerate(self.members):
            row = [w if i == j else xp.zeros((count, w.shape[1])) for j, w in enumerate(own)]
            rows.append(xp.concatenate([constant[i], *row], axis=1))
        return xp.concatenate(rows, axis=0)

    def shares(self, stats, theta):
        out, at, row = [], 1, 0
        for width, (family, count) in zip(self.widths(theta), self.members, strict=True):
            own = stats[row : row + count]
            out.append(np.concatenate([own[:, :1], own[:, at : at + width - 1]], axis=1))
            at += width - 1 + _has_base(family)
            row += count
        return out

    # ---- missing cells ------------------------------------------------------------------------

    def marginal(self, columns):
        return self.rebuilt([family.marginal(columns) for family, _ in self.members])

    def complete_stats(self, stats, seen, theta, variance=True):
        """Each member's own, in its components and features; what other members' features hold is not asked for."""
        columns = np.flatnonzero(seen)
        widths = [1] * len(self.members)
        if len(columns):
            widths = self.marginal(columns).widths(self.restrict(theta, columns))
        blocks, row, at = [], 0, 1
        for part, (family, count), width in zip(self.parts, self.members, widths, strict=True):
            rows = stats[row : row + count]
            share = np.concatenate([rows[:, :1], rows[:, at : at + width - 1]], axis=1)
            whole = family.complete_stats(share, seen, part.own(theta), variance)[:, 1:]
            base = []
            if _has_base(family):
                base = [rows[:, at + width - 1 : at + width] if len(columns) else np.zeros((count, 1))]
            blocks.append(np.concatenate([whole, *base], axis=1))
            at, row = at + width - 1 + _has_base(family), row + count
        out, row, at = np.zeros((self.count, 1 + sum(b.shape[1] for b in blocks))), 0, 1
        out[:, 0] = stats[:, 0]
        for block in blocks:
            out[row : row + len(block), at : at + block.shape[1]] = block
            row, at = row + len(block), at + block.shape[1]
        return out

    def expected_row(self, theta):
        rows = [
            family.expected_row(part.own(theta)) for part, (family, _) in zip(self.parts, self.members, strict=True)
        ]
        return np.concatenate(
            [np.broadcast_to(r, (n, r.shape[1])) for r, (_, n) in zip(rows, self.members, strict=True)]
        )

    def fill(self, x, theta):
        found = [family.fill(x, part.own(theta)) for part, (family, _) in zip(self.parts, self.members, strict=True)]
        return np.concatenate(
            [np.broadcast_to(f, (n, *x.shape)) for f, (_, n) in zip(found, self.members, strict=True)]
        )

    def draw_missing(self, x, z, rng, theta):
        out, at = np.array(x), 0
        for part, (family, count) in zip(self.parts, self.members, strict=True):
            rows = np.flatnonzero((z >= at) & (z < at + count))
            if len(rows):
                out[rows] = family.draw_missing(x[rows], z[rows] - at, rng, part.own(theta))
            at += count
        return out


def _has_base(family: Family):
    """Whether the family's `base` can differ from zero."""
    if isinstance(family, Composite):
        return any(_has_base(part.family) for part in family.parts)
    return type(family).base is not ExponentialFamily.base
