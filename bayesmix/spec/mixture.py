"""The specification: a finite mixture, written once and read by both engines."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import factorial, prod

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.constraints import Constraint
from bayesmix.spec.families.base import Family, Parameter
from bayesmix.spec.missing import filled, observed
from bayesmix.spec.priors import Dirichlet, Fixed, Flat, Prior
from bayesmix.spec.special import logsumexp
from bayesmix.spec.supports import simplex


@dataclass(frozen=True, eq=False)
class Mixture:
    """p(x_i, label_i | theta) = sum_k w_k f_k(x_i | theta_k) p(label_i | k), with priors and constraints.

    family: a `Family` whose fields hold the priors of its parameters.
    components: the number K >= 1 of components; `Components(...)` as the family says it itself.
    weight: the prior of the mixing weights, a `Dirichlet` (default: Dirichlet(1), uniform) or `Fixed`.
    constraints: `Order` and `MinWeight` instances.
    classes: for labelled data with several components per class, the class of each component,
        such as [0, 0, 1]; by default component k is class k.

    theta is a dict of arrays, component axis first: `weight` (K,), then the family's fields.
    """

    family: Family
    components: int | None = None
    weight: Prior = Dirichlet(1.0)
    constraints: tuple = ()
    classes: tuple | None = None

    def __post_init__(self):
        if not isinstance(self.family, Family):
            raise InputError(f"Mixture(family, ...): expected a family such as bm.Gaussian(), got {self.family!r}.")
        if not self.family.alone:
            raise InputError(
                f"Mixture({type(self.family).__name__}(...)): it has no density and stands only inside bm.Components, "
                "as in bm.Components(bm.PointMass(0), bm.Poisson())."
            )
        K = self.family.count if self.components is None else self.components
        if self.family.count not in (None, K):
            raise InputError(
                f"Mixture(components={K!r}): the family has {self.family.count} components; leave `components` out."
            )
        if isinstance(K, bool) or not isinstance(K, int | np.integer) or K < 1:
            raise InputError(f"Mixture(components=...): expected a whole number of at least 1, got {K!r}.")
        if not isinstance(self.weight, Prior) or not (
            isinstance(self.weight, Fixed | Flat) or self.weight.support is simplex
        ):
            raise InputError(
                f"Mixture(weight=...): expected bm.Dirichlet(...), bm.Fixed(...) or bm.Flat(), got {self.weight!r}."
            )
        constraints = (self.constraints,) if isinstance(self.constraints, Constraint) else tuple(self.constraints)
        for c in constraints:
            if not isinstance(c, Constraint):
                raise InputError(f"Mixture(constraints=...): expected bm.Order or bm.MinWeight, got {c!r}.")
        known = list(self.parameters)
        for field in {c.field for c in constraints}:
            if field not in known:
                raise InputError(f"Mixture(constraints=...): the model has no field {field!r}; it has {known}.")
            same = [type(c) for c in constraints if c.field == field and c.enforce == "transform"]
            if len(same) != len(set(same)):
                raise InputError(
                    f"Mixture(constraints=...): two constraints of one kind on {field!r} cannot both be transforms; "
                    'write enforce="potential" for one of them.'
                )
        object.__setattr__(self, "components", int(K))
        object.__setattr__(self, "constraints", constraints)
        if self.classes is not None:
            classes = tuple(int(c) for c in self.classes)
            if len(classes) != K or sorted(set(classes)) != list(range(max(classes) + 1)):
                raise InputError(
                    f"Mixture(classes=...): expected the class 0, 1, ... of each of the {K} components, "
                    f"got {self.classes}."
                )
            object.__setattr__(self, "classes", classes)

    # ---- what there is ----------------------------------------------------------------------

    @cached_property
    def parameters(self):
        """All fields by name, `weight` first."""
        weight = Parameter("weight", self.weight, (), simplex, shared=False, isotropic=False, own="weight")
        return {"weight": weight, **self.family.parameters}

    def field_shape(self, name, d):
        """Full shape of a field for d features."""
        if name == "weight":
            return (self.components,)
        return self.parameters[name].shape(self.components, d)

    def dims(self, name):
        """Names of a field's axes, for xarray and PyMC; an axis that is shared has a name of its own."""
        return self.parameters[name].axes()

    def coords(self, data):
        """Coordinates of all axes that `dims` may name, and of the rows."""
        out = {"component": list(range(self.components)), "feature": list(data.names), "obs": list(range(data.n))}
        for p in self.parameters.values():
            first, *features = p.axes()
            out[first] = ["all"] if p.shared else p.covers(self.components).tolist()
            names = ["all"] if p.isotropic else [data.names[j] for j in p.features(data.d)]
            for axis, dim in zip(features, p.dims, strict=True):
                out[axis] = list(range(p.sizes[dim])) if dim in p.sizes else names
        return out

    def is_constant(self, name):
        """Whether a field has no degree of freedom: Fixed, or the weight of a single component."""
        return not self.parameters[name].free or (name == "weight" and self.components == 1)

    def df(self, d):
        """Number of free parameters for d features."""
        return (0 if self.is_constant("weight") else self.components - 1) + sum(
            p.free_count(self.components, d) for p in self.family.parameters.values()
        )

    @property
    def component_classes(self):
        """(K,) class index of each component."""
        return np.arange(self.components) if self.classes is None else np.array(self.classes)

    def class_names(self, data):
        """Names of the classes: the recorded ones, then numbers for components nobody labelled."""
        count = int(self.component_classes.max()) + 1
        named = [str(c) for c in data.classes] if self.log_label(data) is not None else []
        return tuple(named[:count] + [str(c) for c in range(len(named), count)])

    # ---- when the spec meets the data -------------------------------------------------------

    def resolve(self, data):
        """The same model with every left-out choice made explicit from the data, and all checks done.

        Raises InputError with one sentence where model and data do not fit together.
        """
        self.check_missing(data)
        family = self.family.bind(data.names)
        if family.columns not in (None, data.d):
            raise InputError(f"{type(family).__name__}(): expected {family.columns} column(s), got {data.d}.")
        if data.d < family.least_columns:
            raise InputError(
                f"{type(family).__name__}(): expected at least {family.least_columns} columns, got {data.d}; "
                "choose a family for single columns."
            )
        family.check(filled(data.x), data.names)
        flat = [n for n, p in self.family.parameters.items() if isinstance(p.prior, Flat)]
        if flat and self.components > data.n:
            raise InputError(
                f"Mixture(components={self.components}): there are only {data.n} rows, and `{flat[0]}` has a Flat "
                "prior; use fewer components or proper priors."
            )
        weight = self.weight
        if isinstance(weight, Flat):
            weight = Flat("simplex", Dirichlet(1.0))
        full = replace(self, family=family.resolve(observed(data.x)), weight=weight)
        theta = full.draw_unconstrained(np.random.default_rng(0), data.d)
        for name, p in full.parameters.items():
            if not p.free and not p.support.contains(theta[name]):
                raise InputError(f"{name}=Fixed(...): expected {p.support} values, got {theta[name].tolist()}.")
        full = replace(full, constraints=tuple(c.resolve(full, data) for c in self.constraints))
        allowed = full.log_allowed(data)
        if allowed is not None and (allowed == -np.inf).all(axis=1).any():
            row = int((allowed == -np.inf).all(axis=1).argmax())
            raise InputError(
                f"Data(label=...): row {row}, {dict(zip(data.names, data.x[row].tolist(), strict=True))}, is labelled "
                "with a class whose components cannot produce it; correct the label or the family."
            )
        full._check_order_against_labels(data)
        return full

    def check_missing(self, data):
        """Raise InputError if x has missing cells and the family cannot sum over them, or a column has nothing else."""
        gaps = np.isnan(data.x)
        if gaps.any() and not self.family.marginalises:
            row = int(np.flatnonzero(gaps.any(axis=1))[0])
            raise InputError(
                f"Data(x=...): row {row} has a missing cell, and {type(self.family).__name__} does not support missing "
                "cells; drop or fill these rows."
            )
        if gaps.all(axis=0).any():
            raise InputError(
                f"Data(x=...): all cells of column {data.names[int(gaps.all(axis=0).argmax())]!r} are missing; "
                "leave that column out."
            )

    def _check_order_against_labels(self, data):
        """Labelled class means that contradict a hard order by more than 5 standard errors."""
        label = self.log_label(data)
        if label is None or data.label.ndim == 2:
            return
        for order in self.constraints:
            p = self.parameters[order.field]
            if order.symmetric or not order.hard or not p.expectation:
                continue
            means, j = [], p.features(data.d)[order.by]
            for k in p.covers(self.components):
                rows = np.flatnonzero(np.isfinite(label[:, k]) & (np.isinf(label).sum(axis=1) == self.components - 1))
                x = data.x[rows, j]
                x = x[~np.isnan(x)]
                if len(rows) > 1:
                    means.append((k, x.mean(), x.std(ddof=1) / np.sqrt(len(rows))))
            for (first, a, sa), (k, b, sb) in pairwise(means):
                if a - b > 5 * np.hypot(sa, sb):
                    raise InputError(
                        f"Order({order.field!r}): the labelled rows contradict the order, since class {first} has mean "
                        f"{a:.4g} and class {k} has mean {b:.4g} in {data.names[j]!r}; relabel the classes "
                        "or drop the constraint."
                    )

    def log_label(self, data):
        """log p(label_i | component k), (n, K): 0 where allowed, -inf where excluded; None when nothing is labelled."""
        label, classes = data.label, self.component_classes
        if label is None or not data.is_labelled:
            return None
        count = int(classes.max()) + 1
        if label.ndim == 2:
            if label.shape[1] != count:
                raise InputError(
                    f"Data(label=...): expected {count} columns, one per class, got {label.shape[1]}; "
                    "give p(reported label | component) for each."
                )
            with np.errstate(divide="ignore"):
                return np.log(label[:, classes])
        if label.max() >= count:
            row = int(np.argmax(label))
            raise InputError(
                f"Data(label=...): expected labels in 0..{count - 1} (or -1 for unknown), got {label[row]} in row "
                f"{row}; raise `components` or correct the label."
            )
        allowed = (label[:, None] == classes) | (label[:, None] < 0)
        return np.where(allowed, 0.0, -np.inf)

    def log_allowed(self, data):
        """`log_label` plus -inf where the family excludes a row whatever theta is (n, K); None if nothing is."""
        label, mask = self.log_label(data), self.family.mask(data.x, self.components)
        return mask if label is None else label if mask is None else label + mask

    # ---- the density ------------------------------------------------------------------------

    def log_joint(self, x, theta, log_label=None):
        """log w_k + log f_k(x_i) + log_label_ik: (n, K), by the families' accurate `logpdf`; NaN cells summed out."""
        with np.errstate(divide="ignore"):
            out = np.log(theta["weight"]) + self.family.log_density(x, self.own(theta))
        return out if log_label is None else out + log_label

    def log_prior(self, theta):
        """log p(theta) as named terms: `weight`, one per field, one per constraint; Fixed fields have none."""
        terms = (
            {} if self.is_constant("weight") else {"weight": float(np.sum(self.weight.logp(theta["weight"], theta)))}
        )
        terms |= self.family.log_prior(self.own(theta))
        return terms | {c.name: c.logp(theta) for c in self.constraints}

    def log_posterior(self, data, theta):
        """The log posterior as a dict of named terms, all constants kept, no Jacobian; its sum is the objective.

        theta: dict of arrays, component axis first. The term `x` is the row-weighted log likelihood.
        """
        model = self.resolve(data)
        rows = logsumexp(model.log_joint(data.x, theta, model.log_label(data)), axis=1)
        return {**model.log_prior(theta), "x": float(data.row_weight @ rows)}

    def own(self, theta):
        """The family's part of theta."""
        return {name: theta[name] for name in self.family.parameters}

    # ---- prior draws ------------------------------------------------------------------------

    def draw_unconstrained(self, rng, d):
        """One prior draw of theta that ignores the constraints."""
        weight = np.ones(1) if self.components == 1 else self.weight.draw(rng, (self.components,), {})
        return {"weight": weight, **self.family.draw_prior(rng, self.components, d)}

    def draw_prior(self, rng, d, tries=100_000):
        """One prior draw of theta that obeys the constraints (sorted where that is exact, else rejected)."""
        blocks = self.prior_blocks(d)
        parts = {"weight": [], "family": []}
        for c in self.constraints:
            parts["weight" if c.field == "weight" else "family"].append(c)
        theta = {}
        for part, constraints in parts.items():
            for _ in range(tries):
                fresh = self.draw_unconstrained(rng, d)
                fresh = {"weight": fresh["weight"]} if part == "weight" else self.own(fresh)
                for c in constraints:
                    if c.hard:
                        fresh = self.permute(fresh, self.sorting(c, fresh, blocks))
                log_keep = sum(c.logp(fresh) for c in constraints)
                if log_keep == 0 or np.log(rng.random()) < log_keep:
                    theta |= fresh
                    break
            else:
                raise InputError(
                    f"Mixture(constraints=...): no draw of the prior in {tries} obeyed {constraints}; "
                    "the constraint and the prior contradict each other."
                )
        return theta

    # ---- symmetry, decided in one place -----------------------------------------------------

    @cached_property
    def idle(self):
        """Components with nothing to estimate, beside others that have something: noise, point masses."""
        busy = set()
        for p in self.family.parameters.values():
            busy |= set(p.covers(self.components).tolist()) if p.free else set()
        return [k for k in range(self.components) if k not in busy] if busy else []

    def permute(self, theta, perm):
        """theta with new component k holding old component perm[k]; shared fields stay."""
        perm, out = np.asarray(perm), {}
        for name, value in theta.items():
            at = self.parameters[name].covers(self.components) if name in self.parameters else np.arange(len(perm))
            local = perm[at] - at[0]
            if not ((local >= 0) & (local < len(at))).all():
                raise InputError(
                    f"permute(perm={perm.tolist()}): components of unlike members cannot change places; permute within "
                    "the members."
                )
            out[name] = value if len(value) == 1 else value[local]
        return out

    def apart(self, theta, j, k):
        """How far the parameters of two components differ, relative to their field's size; weights aside.

        Infinite for components of unlike members, or without parameters of their own.
        """
        member, gaps = self.family.member_of(self.components), []
        for name, p in self.family.parameters.items():
            at = p.covers(self.components)
            if len(theta[name]) > 1 and member[j] == member[k] and at[0] <= j <= at[-1]:
                size = np.abs(theta[name]).max()
                gap = np.abs(theta[name][j - at[0]] - theta[name][k - at[0]]).max()
                gaps.append(gap / size if size > 0 else 0.0)
        return max(gaps, default=np.inf)

    def sorting(self, constraint, theta, blocks):
        """The permutation that puts exchangeable components into the order of a constraint.

        The identity if it orders nothing, or components that are not exchangeable (`blocks`).
        """
        perm = np.arange(self.components)
        if not constraint.symmetric:
            at = self.parameters[constraint.field].covers(self.components)
            if any(set(at.tolist()) <= set(block) for block in blocks):
                perm[at] = at[np.argsort(constraint.coordinate(theta), kind="stable")]
        return perm

    def prior_blocks(self, d):
        """Components whose exchange leaves the unconstrained prior unchanged, as tuples of indices."""
        return self.blocks_given(d, None)

    def blocks(self, data):
        """Exchangeable blocks: same priors and same columns of log_label, as tuples of indices."""
        return self.blocks_given(data.d, self.log_label(data))

    def relabelings(self, data):
        """Number of relabelings that leave the posterior unchanged: prod |block|!, ordered blocks left out."""
        return self.relabelings_given(self.blocks(data))

    def relabelings_given(self, blocks):
        """`relabelings` for given blocks."""
        return prod(factorial(len(b)) for b in self.free_blocks(blocks))

    def free_blocks(self, blocks):
        """The blocks with those that an order breaks taken apart: what may be relabelled."""
        ordered = {
            int(k)
            for c in self.constraints
            if not c.symmetric
            for k in self.parameters[c.field].covers(self.components)
        }
        out = []
        for block in blocks:
            out += [(k,) for k in block] if ordered & set(block) else [block]
        return tuple(out)

    def blocks_given(self, d, log_label):
        """`blocks` for d features and a given log_label."""
        rng = np.random.default_rng(0)
        draws = [self.draw_unconstrained(rng, d) for _ in range(3)]
        blocks = []
        for k in range(self.components):
            for block in blocks:
                if self._exchangeable(block[0], k, draws, log_label):
                    block.append(k)
                    break
            else:
                blocks.append([k])
        return tuple(tuple(b) for b in blocks)

    def _exchangeable(self, j, k, draws, log_label):
        member = self.family.member_of(self.components)
        if member[j] != member[k]:
            return False
        if log_label is not None and not np.array_equal(log_label[:, j], log_label[:, k]):
            return False
        swap = np.arange(self.components)
        swap[[j, k]] = k, j
        free = replace(self, constraints=())
        for theta in draws:
            other = self.permute(theta, swap)
            fixed = [n for n, p in self.parameters.items() if not p.free]
            if not all(np.array_equal(theta[n], other[n]) for n in fixed):
                return False
            a, b = sum(free.log_prior(theta).values()), sum(free.log_prior(other).values())
            if not abs(a - b) <= 1e-10 * max(1.0, abs(a)):
                return False
        return True

    # ---- unconstrained coordinates ----------------------------------------------------------

    def vector(self, theta):
        """Unconstrained coordinates u (df,) of theta, weights first."""
        head = np.empty(0) if self.is_constant("weight") else simplex.to_real(theta["weight"])
        return np.concatenate([head, self.family.vector(self.own(theta))])

    def from_vector(self, u, like):
        """theta at u; Fixed fields and shapes come from the theta `like`."""
        at = 0 if self.is_constant("weight") else self.components - 1
        weight = simplex.from_real(u[:at], (self.components,)) if at else like["weight"]
        return {"weight": weight, **self.family.from_vector(u[at:], self.own(like))}

    def log_jacobian(self, u, like):
        """log |d theta / d u|."""
        at = 0 if self.is_constant("weight") else self.components - 1
        head = simplex.log_jacobian(u[:at], (self.components,)) if at else 0.0
        return head + self.family.log_jacobian(u[at:], self.own(like))

    def units(self, theta, sd):
        """The natural size of each coordinate of u: the columns' sd (d,) for what is in units of x, else 1.

        In units of x are the family's location field and the off-diagonal of a covariance's factor;
        logarithms, logits and weights have no unit.
        """
        ones = np.ones(0 if self.is_constant("weight") else self.components - 1)
        parts = [ones]
        for name, p in self.family.parameters.items():
            if p.free:
                shape, own = theta[name].shape, sd[p.features(len(sd))]
                if p.moves:
                    parts.append(np.broadcast_to(own, shape).ravel())
                else:
                    parts.append(p.support.units(shape, own).ravel())
        return np.concatenate(parts)

    def moved(self, by):
        """The same model for x + by ((d,)), or None if its location prior cannot say it."""
        family = self.family.moved(by)
        return None if family is None else replace(self, family=family)

    def unbounded(self, data):
        """One sentence for each reason why this log posterior may have no maximum."""
        notes = []
        for name, p in self.parameters.items():
            if p.free and not p.prior.bounded:
                notes.append(
                    f"The prior of `{name}`, {p.prior!r}, is unbounded at its edge: EM reports interior optima only."
                )
            scale = p.own in ("var", "sd", "cov", "scale") and not self.is_constant(name)
            if scale and not p.prior.vanishes_at_zero and not (p.shared and data.n > data.d):
                notes.append(
                    f"The prior of `{name}`, {p.prior!r}, lets a component collapse onto one row, where the density "
                    "has no bound: EM reports interior optima only."
                )
            if name == "shape" and isinstance(p.prior, Flat) and not p.shared:
                notes.append(
                    "The prior of `shape` is Flat, which lets a component collapse onto one value, where the density "
                    "has no bound: EM reports interior optima only."
                )
        return notes

    def to_pymc(self, data, latent="marginal"):
        """The model as a plain `pm.Model`, to read, sample and extend; latent="explicit" keeps z as a variable."""
        from bayesmix.mcmc.pymc_model import to_pymc

        return to_pymc(self, data, latent)
