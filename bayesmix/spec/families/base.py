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
from bayesmix.spec.missing import patterns
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
    Uniform,
)


def parameter(*dims, support=supports.real, optional=False, pooled=False, constant=False):
    """A dataclass field for one parameter.

    `dims` are the axes after the component axis ("feature", or "feature", "feature" for a matrix).
    `optional` parameters are absent unless given; a left-out one is otherwise derived from the data.
    An axis that is not a feature gets its length from the family's `sizes`.
    `pooled` marks the fields to which a family's `shared` and `isotropic` switches apply; a name stands
    for another switch of the family by which all components share this field. `constant` marks
    those that are known and never estimated, for which a number stands for `Fixed`.
    """
    metadata = {"dims": dims, "support": support, "pooled": pooled, "constant": constant}
    return field(default=None if optional else FromData(), metadata=metadata)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a family instance: its prior, its axes, where it lives, and what it covers.

    `own` is its name within its own family, `name` its name in theta: they differ in a composite
    family, whose parameters cover some of the components (`owners`) or of the columns (`columns`;
    None for all), with axes named after the member (`axis`) and the part (`part`).
    """

    name: str
    prior: Prior
    dims: tuple
    support: supports.Support
    shared: bool
    isotropic: bool
    sizes: Mapping = field(default_factory=dict)  # lengths of the axes that are not features
    own: str = ""
    moves: bool = False  # whether it moves with the origin of x
    expectation: bool = False  # whether it is E[x] in each component
    owners: tuple | None = None
    columns: tuple | None = None
    axis: str = ""
    part: str = ""

    def covers(self, K):
        """(m,) the components that it belongs to, an increasing run."""
        return np.arange(K) if self.owners is None else np.array(self.owners)

    def features(self, d):
        """(m,) the columns of x that its feature axis stands for."""
        return np.arange(d) if self.columns is None else np.array(self.columns)

    def shape(self, K, d):
        """Full shape, component axis first; a shared or isotropic axis has length 1."""
        K = K if self.owners is None else len(self.owners)
        d = d if self.columns is None else len(self.columns)
        return (1 if self.shared else K, *(self.sizes.get(dim, 1 if self.isotropic else d) for dim in self.dims))

    def axes(self):
        """Names of its axes; an axis that is shared, or that is a member's own, has a name of its own."""
        first = "component_all" if self.shared else f"component_{self.axis}" if self.axis else "component"
        part = f"_{self.part}" if self.part else ""
        ends = "_all" if self.isotropic else part
        features = (f"feature{'' if i == 0 else i + 1}{ends}" for i in range(len(self.dims)))
        return (first, *(f"{dim}{part}" if dim in self.sizes else next(features) for dim in self.dims))

    @property
    def free(self):
        return not isinstance(self.prior, Fixed)

    def free_count(self, K, d):
        """Number of unconstrained coordinates."""
        return int(np.prod(self.support.free(self.shape(K, d)))) if self.free else 0


@dataclass(frozen=True, eq=False)
class Family(ABC):
    """How a row of x, shape (d,), is distributed in each of K components."""

    location = None  # the field (or tuple of fields) that moves with x when x gets another origin, if any
    expectation = None  # the field that is E[x] in each component, if there is one
    columns = None  # the number of columns d the family asks for, None for any
    least_columns = 1  # the smallest number of columns that makes sense
    count = None  # the number of components that the family itself settles, None for any
    exponential = False  # whether it has `sufficient` and `natural`
    features = None  # which features the compiled kernel builds itself, see ExponentialFamily
    alone = True  # whether it can be the family of a mixture by itself
    independent = False  # whether the features are independent given the component

    @property
    def sizes(self):
        """Lengths of the parameter axes that are not features, by name."""
        return {}

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            if "support" not in f.metadata or value is None:
                continue
            if f.metadata["constant"]:
                value = value if isinstance(value, Prior) else Fixed(value)
                object.__setattr__(self, f.name, value)
                if not isinstance(value, Fixed | FromData):
                    raise InputError(
                        f"{type(self).__name__}({f.name}={value!r}): expected a known constant, a number or "
                        "bm.Fixed(...); this parameter is not estimated."
                    )
            if not isinstance(value, Prior):
                raise InputError(
                    f"{type(self).__name__}({f.name}=...): expected a prior such as bm.Normal(0, 1), "
                    f"got {value!r}; write bm.Fixed({value!r}) for a known constant."
                )
            if not isinstance(value, Fixed | Flat | FromData):
                want, have = f.metadata["support"], value.support
                inside = want is supports.positive and have is supports.unit
                inside |= want is supports.real and isinstance(value, Uniform)  # wherever its interval lies
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
        simplexes ~ Dirichlet(2); covariances ~ InverseWishart(d + 2, diag(sd^2) / 2), with sd the columns'
        standard deviation. It moves and stretches with the data and looks at neither K nor the labels.
        """
        support = self.parameters[name].support
        if support is supports.unit:
            return Beta(2.0, 2.0)
        if support is supports.simplex:
            return Dirichlet(2.0)
        sd = self.column_sd(name, x)
        if support is supports.real:
            return Normal(x.mean(axis=0), 2 * sd)
        if support is supports.positive:
            return HalfNormal(2 * self.pooled_scale(name, sd))
        return InverseWishart(x.shape[1] + 2, np.diag(sd**2) / 2)

    def update(self, x, r, theta):
        """M-step from weighted responsibilities r (n, K): theta that does not lower Q.

        Q(theta) = sum_ik r_ik log f_k(x_i | theta_k) + log prior(theta), maximised numerically in
        unconstrained coordinates; the old theta comes back if it failed to rise.
        """
        return self.maximise(lambda t: self.complete(x, r, t), theta)

    def complete(self, x, r, theta):
        """Q(theta) = sum_ik r_ik log f_k(x_i | theta_k) + log prior(theta); r = 0 silences any density."""
        return float(_dot(r, self.log_density(x, theta)) + sum(self.log_prior(theta).values()))

    def not_lower(self, x, r, old, new):
        """`new` unless Q fell, by more than rounding, from its value at `old`: then the numeric step from there."""
        with np.errstate(all="ignore"):
            before, after = self.complete(x, r, old), self.complete(x, r, new)
        fell = not after >= before - 1e-13 * max(1.0, abs(before))
        return Family.update(self, x, r, old) if fell else new

    def resolved(self, theta):
        """Whether no component has shrunk below what its statistics can resolve (False: it collapsed)."""
        return True

    def mask(self, x, K):
        """Where f_k(x_i) is zero whatever theta is: (n, K) of 0 and -inf, or None if that is nowhere."""
        return None

    def derived(self, theta):
        """Reported quantities that are functions of theta, by name, component axis first.

        Fields may have further axes (chain, draw) in front: count axes from the end.
        """
        return {}

    # ---- missing cells: what a family says of some of its columns -----------------------------
    # A family with `independent = True` need not write any of these.

    @property
    def marginalises(self):
        """Whether the density of some of the columns is known, so that cells may be missing."""
        return self.independent

    def marginal(self, columns):
        """The family of x[:, columns] alone (its densities; the priors stay those of all columns)."""
        return self

    def restrict(self, theta, columns):
        """theta of x[:, columns] alone: every feature axis indexed; NumPy and PyTensor alike."""
        out = {}
        for name, p in self.parameters.items():
            out[name] = theta[name]
            for axis, dim in enumerate(p.dims, start=1):
                if dim == "feature" and not p.isotropic:
                    out[name] = out[name][(slice(None),) * axis + (columns,)]
        return out

    def log_density(self, x, theta):
        """log f_k of the observed cells of each row, missing ones integrated out: (n, K); `logpdf` if none is NaN."""
        if not np.isnan(x).any():
            return self.logpdf(x, **theta)
        d, out = x.shape[1], 0.0
        if self.independent:
            groups = [(np.flatnonzero(~np.isnan(x[:, j])), np.array([j])) for j in range(d)]
        else:
            groups = patterns(x)
        for rows, columns in groups:
            if len(columns) and len(rows):
                part = self.marginal(columns).logpdf(x[np.ix_(rows, columns)], **self.restrict(theta, columns))
                out = out if np.ndim(out) else np.zeros((len(x), part.shape[1]))
                out[rows] += part
        return out if np.ndim(out) else np.zeros((len(x), 1))

    def update_missing(self, x, r, theta):
        """`update` where x has missing cells: the numeric M-step on the observed ones."""
        return Family.update(self, x, r, theta)

    def expected_row(self, theta):
        """E[x] under each component: (K, d)."""
        if self.expectation is None:
            raise InputError(
                f"{type(self).__name__}(): the mean of a row is not known for this family, so a missing cell cannot be "
                'filled with it; leave out impute="mean" and do not call impute().'
            )
        return theta[self.expectation]

    def fill(self, x, theta):
        """x with E[missing cells | observed cells, component] in its gaps: (n, d) -> (K, n, d)."""
        return np.where(np.isnan(x), self.expected_row(theta)[:, None, :], x)

    def draw_missing(self, x, z, rng, theta):
        """x with a draw from p(missing cells | observed cells, z) in its gaps: (n, d)."""
        return np.where(np.isnan(x), self.draw(z, rng, **theta), x)

    # ---- derived from the above -------------------------------------------------------------

    @cached_property
    def parameters(self):
        """The parameters of this instance by name, in the order of their declaration."""

        def switch(pooled, name):
            return bool(pooled) and getattr(self, name if pooled is True else pooled, False)

        return {
            f.name: Parameter(
                f.name,
                getattr(self, f.name),
                f.metadata["dims"],
                f.metadata["support"],
                switch(f.metadata["pooled"], "shared"),
                f.metadata["pooled"] is True and getattr(self, "isotropic", False),
                self.sizes,
                own=f.name,
                moves=f.name in self._locations,
                expectation=f.name == self.expectation,
            )
            for f in fields(self)
            if "support" in f.metadata and getattr(self, f.name) is not None
        }

    @property
    def _locations(self):
        return (self.location,) if isinstance(self.location, str) else tuple(self.location or ())

    @cached_property
    def discrete(self):
        """Whether x takes whole numbers only: a row of halves is outside the sample space."""
        d = self.columns or 1
        try:
            self.check(np.full((1, d), 0.5), [f"x{j}" for j in range(d)])
        except InputError:
            return True
        return False

    def atoms(self, d):
        """(d,) the columns in which it is a point mass."""
        return np.zeros(d, dtype=bool)

    def continuous(self, d):
        """(d,) the columns in which it has a density."""
        return np.full(d, not self.discrete)

    def bind(self, names):
        """The same family with columns that were given by name as indices."""
        return self

    def member_of(self, K):
        """(K,) the member each component belongs to: zeros, but in a family of unlike members."""
        return np.zeros(K, dtype=np.int64)

    def scope(self, name, theta):
        """theta as the prior of the field `name` sees it: by the names of its own family."""
        return theta

    def reported(self, theta):
        """`derived` as (name, value, components, columns), the last two None for all."""
        return [(name, value, None, None) for name, value in self.derived(theta).items()]

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

    def column_sd(self, name, x):
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

    def movable(self, d):
        """(d,) the columns in which x may get another origin: where `moved` can say the same belief."""
        priors = [getattr(self, name).shifted(np.zeros(d)) for name in self._locations]
        return np.full(d, bool(priors) and None not in priors)

    def moved(self, by):
        """The same belief about x + by ((d,)), or None if the location prior cannot say it."""
        if not np.any(by):
            return self
        priors = {name: getattr(self, name).shifted(by) for name in self._locations}
        return replace(self, **priors) if priors and None not in priors.values() else None

    def shift(self, theta, by):
        """theta with the fields that move with x moved by `by` ((d,), NumPy or PyTensor)."""
        out = dict(theta)
        for name, p in self.parameters.items():
            if p.moves:
                out[name] = theta[name] + (by if p.columns is None else by[list(p.columns)])
        return out

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

    exponential = True

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

    def conditional(self, stats, rng, **theta):
        """A draw of theta given the allocations, stats = z^T Phi (K, F): one Gibbs step from the old theta.

        None where the priors are not conditionally conjugate; families override it. What is Fixed stays.
        """
        return None if any(p.free for p in self.parameters.values()) else dict(theta)

    def expected(self, stats, theta):
        """Q(theta) = <stats, W(theta)> + log prior(theta), without the base term; -inf outside."""
        with np.errstate(all="ignore"):
            try:
                return float(_dot(stats, self.natural(np, **theta)) + sum(self.log_prior(theta).values()))
            except np.linalg.LinAlgError:
                return -np.inf  # rounding left no positive definite matrix

    def update(self, x, r, theta):
        return self.mode(r.T @ self.sufficient(x), **theta)

    # ---- missing cells ------------------------------------------------------------------------

    def expected_sufficient(self, theta):
        """E[Phi(x)] under each component: (K, F). Asked for only where cells are missing."""
        raise InputError(
            f"{type(self).__name__}(): it does not say what its sufficient statistics are on average "
            "(`expected_sufficient`), so missing cells are not supported; drop or fill these rows."
        )

    def slots(self, d):
        """(d, q): the features of Phi that belong to each column, in the order of the column's own Phi.

        For independent features; here [1, first statistic of all columns, second statistic of all columns, ...].
        """
        q = self.sufficient(np.ones((1, 1))).shape[1] - 1
        return 1 + np.arange(d)[:, None] + d * np.arange(q)

    def complete_stats(self, stats, seen, theta, variance=True):
        """Expected statistics of complete rows from those of the observed cells: (K, F_seen) -> (K, F).

        E[r^T Phi(x) | observed cells, theta], affine in `stats`. seen: (d,) which columns were observed.
        variance=False: Phi(E[x | ...]) instead, the shortcut that takes an imputed mean for an observation.
        Here for independent features: a missing column's statistics are n_k E[phi | theta_k].
        """
        mean = self.expected_sufficient(theta) if variance else self.sufficient(self.expected_row(theta))
        out = stats[:, :1] * mean
        columns = np.flatnonzero(seen)
        out[:, self.slots(len(seen))[columns]] = stats[:, self.slots(len(columns))]
        return out


def _dot(a, b):
    """Sum of a * b where a zero weight silences an infinite density."""
    return float(np.sum(np.where(a == 0, 0.0, a * np.where(a == 0, 0.0, b))))


def families():
    """Every concrete family that can stand alone, by name (the CLI, tests and docs read this)."""
    found, queue = {}, [Family]
    while queue:
        cls = queue.pop()
        queue.extend(cls.__subclasses__())
        concrete = not getattr(cls, "__abstractmethods__", None) and not cls.__name__.startswith("_")
        if concrete and cls.alone is True:
            found[cls.__name__] = cls
    return dict(sorted(found.items()))


Theta = Mapping[str, np.ndarray]
