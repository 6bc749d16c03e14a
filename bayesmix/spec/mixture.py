"""The specification: a finite mixture, written once and read by both engines."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bayesmix.data.data import Data
from bayesmix.errors import InputError
from bayesmix.spec.constraints import Constraint
from bayesmix.spec.coordinates import Coordinates
from bayesmix.spec.families.base import Family, Parameter
from bayesmix.spec.families.hierarchical import hierarchical
from bayesmix.spec.meeting import Meeting
from bayesmix.spec.normaliser import features, log_normaliser
from bayesmix.spec.priors import Dirichlet, Fixed, Flat, Prior
from bayesmix.spec.special import logsumexp
from bayesmix.spec.supports import simplex
from bayesmix.spec.symmetry import Symmetry

ROUNDING = 1e-3  # by which weights that were rounded in print may miss one


@dataclass(frozen=True, eq=False)
class Mixture(Meeting, Symmetry, Coordinates):
    """p(x_i, label_i | theta) = sum_k w_k f_k(x_i | theta_k) p(label_i | k), with priors and constraints.

    family: a `Family` whose fields hold the priors of its parameters.
    components: the number K >= 1 of components; `Components(...)` as the family says it itself.
    weight: the prior of the mixing weights, a `Dirichlet` (default: Dirichlet(1), uniform) or `Fixed`.
    constraints: `Order` and `MinWeight` instances.
    classes: for labelled data with several components per class, the class of each component,
        such as [0, 0, 1]; by default component k is class k.

    theta is a dict of arrays, component axis first: `weight` (K,), then the family's fields. A positive number in
    a field's prior may itself be a prior, as in Gaussian(var=InverseGamma(2, Gamma(0.2, 0.1))): then it is a field
    too, here `var_scale` (1, d), shared by the components.
    """

    family: Family
    components: int | None = None
    weight: Prior = Dirichlet(1.0)
    constraints: tuple = ()
    classes: tuple | None = None

    def __post_init__(self):
        if not isinstance(self.family, Family):
            raise InputError(f"Mixture(family, ...): expected a family such as bm.Gaussian(), got {self.family!r}.")
        object.__setattr__(self, "family", hierarchical(self.family))
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

    @cached_property
    def idle(self):
        """Components with nothing to estimate, beside others that have something: noise, point masses."""
        busy = set()
        for p in self.family.parameters.values():
            busy |= set(p.covers(self.components).tolist()) if p.free else set()
        return [k for k in range(self.components) if k not in busy] if busy else []

    @cached_property
    def log_normaliser(self):
        """log of the prior probability that all constraints hold: 0 without any.

        The log posterior is not renormalised for constraints; evidence given them divides by this. Exact, or the
        mean over 50 000 prior draws of a fixed stream (`spec.normaliser.log_normaliser` gives its error too).
        """
        return log_normaliser(self, features(self))[0]

    # ---- the density ------------------------------------------------------------------------

    def log_joint(self, x, theta, log_label=None):
        """log w_k + log f_k(x_i) + log_label_ik: (n, K), by the families' accurate `logpdf`; NaN cells summed out."""
        with np.errstate(divide="ignore"):
            out = np.log(theta["weight"]) + self.family.log_density(x, self.own(theta))
        return out if log_label is None else out + log_label

    def responsibilities(self, x, theta, log_label=None):
        """p(z_i = k | x_i, theta), and the label if `log_label` is given: (n, K), rows summing to one."""
        joint = self.log_joint(x, theta, log_label)
        return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))

    def log_prior(self, theta):
        """log p(theta) as named terms: `weight`, one per field, one per constraint; Fixed fields have none."""
        terms = {}
        if not self.is_constant("weight"):
            term = self.weight.logp(theta["weight"], theta)
            terms["weight"] = term if isinstance(term, float) else float(np.sum(term))
        terms |= self.family.log_prior(self.own(theta))
        return terms | {c.name: c.logp(theta) for c in self.constraints}

    def log_posterior(self, data, theta):
        """The log posterior as a dict of named terms, all constants kept, no Jacobian; its sum is the objective.

        The term `x` is the row-weighted log likelihood; outside its support a density is 0 and its term -inf.

        Args:
            data: a `Data`, or anything that `Data(x)` takes.
            theta: dict of arrays (or lists), component axis first; (K,) will do for (K, 1).

        Raises:
            InputError: a field is missing or has another shape, or weights do not sum to one.
        """
        data = data if isinstance(data, Data) else Data(data)
        model = self.resolve(data)
        theta = model.in_full(theta, data.d, "log_posterior(theta=...)")
        with np.errstate(invalid="ignore"):
            rows = logsumexp(model.log_joint(data.x, theta, model.log_label(data)), axis=1)
            terms = {**model.log_prior(theta), "x": float(data.row_weight @ rows)}
        outside = {name for name, p in model.parameters.items() if not p.support.contains(theta[name])}
        nothing = outside | {"x"} if outside else ()
        return {name: -np.inf if name in nothing and np.isnan(value) else value for name, value in terms.items()}

    def in_full(self, theta, d, where):
        """theta as fresh float64 arrays of the fields' full shapes; `where` names the argument in the error.

        Fixed fields may be left out. Raises InputError where another field is missing, has another shape, or should
        sum to one and does not.
        """
        wanted, out = {name: self.field_shape(name, d) for name in self.parameters}, {}
        for name, shape in wanted.items():
            prior = self.parameters[name].prior
            if name not in theta and not isinstance(prior, Fixed):
                raise InputError(f"{where}: the field {name!r} is missing; expected {list(wanted)}.")
            out[name] = np.array(theta[name] if name in theta else prior.draw(None, shape, {}), dtype=np.float64)
            if len(shape) == 2 and shape[1] == 1 and out[name].shape == shape[:1]:
                out[name] = out[name][:, None]  # one number per component, as hyperparameters may be given
            if out[name].shape != shape:
                raise InputError(f"{where}: expected {name!r} of shape {shape}, got {out[name].shape}.")
            total = out[name].sum(axis=-1)
            if self.parameters[name].support is simplex and not np.allclose(total, 1, rtol=0, atol=ROUNDING):
                raise InputError(f"{where}: expected {name!r} to sum to 1, got {total}; divide it by its sum.")
        return out

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

    # ---- the same model, for others to read -------------------------------------------------

    def moved(self, by):
        """The same model for x + by ((d,)), or None if its location prior cannot say it."""
        family = self.family.moved(by)
        return None if family is None else replace(self, family=family)

    def to_pymc(self, data, latent="marginal"):
        """The model as a plain `pm.Model`, to read, sample and extend; latent="explicit" keeps z as a variable."""
        from bayesmix.mcmc.pymc_model import to_pymc

        return to_pymc(self, data, latent)
