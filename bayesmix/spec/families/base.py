"""What every family is: a frozen dataclass whose fields are its parameters' priors.

A family says how one row x is distributed given the parameters of one component. `Family` asks for
`logpdf`, `dist` and `draw`; `ExponentialFamily` adds `sufficient`, `natural`, `base`, through which
EM, Gibbs and NUTS share one kernel. Names, shapes, log prior, prior draws, the count of free
parameters and the numeric M-step are derived here, once.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.climb import climb
from bayesmix.spec.priors import (
    Beta,
    Dirichlet,
    Fixed,
    Flat,
    FromData,
    HalfNormal,
    InverseWishart,
    Normal,
    Prior,
)


def parameter(*dims, support=supports.real, optional=False, pooled=False):
    """A dataclass field for one parameter.

    `dims` are the axes after the component axis ("feature", or "feature", "feature" for a matrix).
    `optional` parameters are absent unless given; a left-out one is otherwise derived from the data.
    `pooled` marks the fields to which a family's `shared` and `isotropic` switches apply.
    """
    metadata = {"dims": dims, "support": support, "pooled": pooled}
    return field(default=None if optional else FromData(), metadata=metadata)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a family instance: its prior, its axes and where it lives."""

    name: str
    prior: Prior
    dims: tuple
    support: supports.Support
    shared: bool
    isotropic: bool

    def shape(self, K, d):
        """Full shape, component axis first; a shared or isotropic axis has length 1."""
        return (1 if self.shared else K, *((1 if self.isotropic else d) for _ in self.dims))

    @property
    def free(self):
        return not isinstance(self.prior, Fixed)

    def free_count(self, K, d):
        """Number of unconstrained coordinates."""
        return int(np.prod(self.support.free(self.shape(K, d)))) if self.free else 0


@dataclass(frozen=True, eq=False)
class Family(ABC):
    """How a row of x, shape (d,), is distributed in each of K components."""

    location = None  # the field that moves with the data when x gets another origin, if there is one
    expectation = None  # the field that is E[x] in each component, if there is one
    columns = None  # the number of columns d the family asks for, None for any

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            if "support" not in f.metadata or value is None:
                continue
            if not isinstance(value, Prior):
                raise InputError(
                    f"{type(self).__name__}({f.name}=...): expected a prior such as bm.Normal(0, 1), "
                    f"got {value!r}; write bm.Fixed({value!r}) for a known constant."
                )
            if not isinstance(value, Fixed | Flat | FromData):
                want, have = f.metadata["support"], value.support
                inside = want is supports.positive and have is supports.unit
                if want is not have and not inside:
                    raise InputError(
                        f"{type(self).__name__}({f.name}={value!r}): the parameter is {want}, the prior is on {have}; "
                        f"choose a prior on {want} values."
                    )

    # ---- what a newcomer writes -------------------------------------------------------------

    @abstractmethod
    def logpdf(self, x, **theta):
        """log f_k(x_i): (n, d), (K, ...) -> (n, K). NumPy, written for accuracy: the oracle."""

    @abstractmethod
    def dist(self, **theta):
        """PyMC's own distribution, batch (K,), or (K, d) whose features are summed."""

    @abstractmethod
    def draw(self, z, rng, **theta):
        """One row for each allocation: (n,) -> (n, d)."""

    def check(self, x, names):
        """Raise InputError where x (n, d) is outside the family's sample space."""

    def default(self, name, x):
        """The prior of a parameter that was left out, from the scale of the data x (n, d) alone.

        mean ~ Normal(column mean, 2 sd); scales ~ HalfNormal(2 sd); probabilities ~ Beta(2, 2);
        covariances ~ InverseWishart(d + 2, diag(sd^2) / 2), with sd the columns' standard deviation.
        It moves and stretches with the data and looks at neither K nor the labels.
        """
        sd = self.scale(name, x)
        support = self.parameters[name].support
        if support is supports.real:
            return Normal(x.mean(axis=0), 2 * sd)
        if support is supports.positive:
            return HalfNormal(2 * self.pooled_scale(name, sd))
        if support is supports.unit:
            return Beta(2.0, 2.0)
        if support is supports.simplex:
            return Dirichlet(2.0)
        return InverseWishart(x.shape[1] + 2, np.diag(sd**2) / 2)

    def update(self, x, r, theta):
        """M-step from weighted responsibilities r (n, K): theta that does not lower Q.

        Q(theta) = sum_ik r_ik log f_k(x_i | theta_k) + log prior(theta), maximised numerically in
        unconstrained coordinates; the old theta comes back if it failed to rise.
        """
        return self.maximise(lambda t: float(_dot(r, self.logpdf(x, **t)) + sum(self.log_prior(t).values())), theta)

    def derived(self, theta):
        """Reported quantities that are functions of theta, by name, component axis first.

        Fields may have further axes (chain, draw) in front: count axes from the end.
        """
        return {}

    # ---- derived from the above -------------------------------------------------------------

    @cached_property
    def parameters(self):
        """The parameters of this instance by name, in the order of their declaration."""
        shared, isotropic = getattr(self, "shared", False), getattr(self, "isotropic", False)
        return {
            f.name: Parameter(
                f.name,
                getattr(self, f.name),
                f.metadata["dims"],
                f.metadata["support"],
                shared and f.metadata["pooled"],
                isotropic and f.metadata["pooled"],
            )
            for f in fields(self)
            if "support" in f.metadata and getattr(self, f.name) is not None
        }

    @cached_property
    def order(self):
        """Parameter names, those whose prior reads another field last."""
        return sorted(self.parameters, key=lambda name: self.parameters[name].prior.reads_scale)

    def resolve(self, x):
        """The same family with every left-out prior replaced by explicit numbers."""
        given = {}
        for name, p in self.parameters.items():
            if isinstance(p.prior, FromData):
                given[name] = self.default(name, x)
            elif isinstance(p.prior, Flat):
                given[name] = Flat(p.support.name, self.default(name, x))
        return replace(self, **given)

    def scale(self, name, x):
        """Column standard deviations (d,), or one sentence on why a prior must be given."""
        sd = x.std(axis=0)
        flat = np.flatnonzero(~(sd > 1e-14 * np.abs(x).max(axis=0)))
        if len(flat):
            raise InputError(
                f"{type(self).__name__}({name}=...): column {flat[0]} is constant, so its scale says nothing; "
                f"a proper prior with explicit numbers is needed for `{name}` (neither left out nor Flat)."
            )
        return sd

    def pooled_scale(self, name, sd):
        return np.array([np.sqrt(np.mean(sd**2))]) if self.parameters[name].isotropic else sd

    def log_prior(self, theta):
        """log p(field | other fields) by name, the Fixed fields left out."""
        return {name: float(np.sum(p.prior.logp(theta[name], theta))) for name, p in self.parameters.items() if p.free}

    def draw_prior(self, rng, K, d):
        """One draw of all parameters."""
        theta = {}
        for name in self.order:
            p = self.parameters[name]
            theta[name] = p.prior.draw(rng, p.shape(K, d), theta)
        return {name: theta[name] for name in self.parameters}

    def start(self, K, d):
        """A central theta, the mean of 200 prior draws: where the first M-step starts from."""
        rng = np.random.default_rng(0)
        draws = [self.draw_prior(rng, K, d) for _ in range(200)]
        return {name: np.mean([t[name] for t in draws], axis=0) for name in self.parameters}

    def moved(self, by):
        """The same belief about x + by ((d,)), or None if the location prior cannot say it."""
        if self.location is None:
            return None
        prior = getattr(self, self.location).shifted(by)
        return None if prior is None else replace(self, **{self.location: prior})

    def vector(self, theta):
        """Unconstrained coordinates u of the free parameters, one flat array."""
        free = [p for p in self.parameters.values() if p.free]
        return np.concatenate([np.ravel(p.support.to_real(theta[p.name])) for p in free] or [np.empty(0)])

    def from_vector(self, u, like):
        """theta at u; Fixed fields and shapes are taken from the theta `like`."""
        theta, at = dict(like), 0
        for p in self.parameters.values():
            if p.free:
                shape = like[p.name].shape
                size = int(np.prod(p.support.free(shape)))
                theta[p.name] = p.support.from_real(u[at : at + size].reshape(p.support.free(shape)), shape)
                at += size
        return theta

    def log_jacobian(self, u, like):
        """log |d theta / d u|."""
        total, at = 0.0, 0
        for p in self.parameters.values():
            if p.free:
                shape = like[p.name].shape
                size = int(np.prod(p.support.free(shape)))
                total += p.support.log_jacobian(u[at : at + size].reshape(p.support.free(shape)), shape)
                at += size
        return total

    def maximise(self, objective, theta):
        """theta after a numeric ascent of objective(theta), or the old theta if it failed to rise."""
        u = self.vector(theta)
        best = climb(lambda v: objective(self.from_vector(v, theta)), u)
        return theta if best is None else self.from_vector(best, theta)


class ExponentialFamily(Family):
    """log f_k(x) = natural(theta)_k . sufficient(x) + base(x).

    The first feature is the constant 1 and carries the log normaliser, so that the E-step is one
    product Phi W^T and the statistics of the M-step are one product r^T Phi.

    `features` tells the compiled kernel that it may build Phi itself, from x, in the cache: "linear" [1, x],
    "diagonal" [1, x, x^2] or "full" [1, x, x_i x_j for i <= j]; None for anything else.
    """

    features = None

    @abstractmethod
    def sufficient(self, x):
        """Phi(x): (n, d) -> (n, F), first column 1."""

    @abstractmethod
    def natural(self, xp, **theta):
        """W(theta): (K, F). `xp` is numpy or pytensor.tensor."""

    def base(self, x):
        """The part of log f that no parameter touches: (n,)."""
        return np.zeros(len(x))

    def mode(self, stats, **theta):
        """M-step: the maximum of <stats, W(theta)> + log prior(theta), stats = r^T Phi of shape (K, F).

        Numeric here; families override it where their priors are conjugate.
        """
        return self.maximise(lambda t: self.expected(stats, t), theta)

    def expected(self, stats, theta):
        """Q(theta) = <stats, W(theta)> + log prior(theta), without the base term; -inf outside."""
        with np.errstate(all="ignore"):
            return float(_dot(stats, self.natural(np, **theta)) + sum(self.log_prior(theta).values()))

    def update(self, x, r, theta):
        return self.mode(r.T @ self.sufficient(x), **theta)


def _dot(a, b):
    """Sum of a * b where a zero weight silences an infinite density."""
    return float(np.sum(np.where(a == 0, 0.0, a * np.where(a == 0, 0.0, b))))


def families():
    """Every concrete family that has been imported, by name (the CLI, tests and docs read this)."""
    found, queue = {}, [Family]
    while queue:
        cls = queue.pop()
        queue.extend(cls.__subclasses__())
        if not getattr(cls, "__abstractmethods__", None) and cls not in (Family, ExponentialFamily):
            found[cls.__name__] = cls
    return dict(sorted(found.items()))


Theta = Mapping[str, np.ndarray]
