"""What every family is: a frozen dataclass whose fields are its parameters' priors.

A family says how one row x is distributed given the parameters of one component: `logpdf`, `dist` and `draw`.
Names, shapes, log prior, prior draws, the count of free parameters and the numeric M-step are derived here, once.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.families.base.coordinates import Coordinates
from bayesmix.spec.families.base.incomplete import Incomplete
from bayesmix.spec.families.base.parameter import Parameter
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


@dataclass(frozen=True, eq=False)
class Family(Incomplete, Coordinates, ABC):
    """How a row of x, shape (d,), is distributed in each of K components."""

    location = None  # the field (or tuple of fields) that moves with x when x gets another origin, if any
    columns = None  # the number of columns d the family asks for, None for any
    least_columns = 1  # the smallest number of columns that makes sense
    count = None  # the number of components that the family itself settles, None for any
    exponential = False  # whether it has `sufficient` and `natural`
    features = None  # which features the compiled kernel builds itself, see ExponentialFamily
    alone = True  # whether it can be the family of a mixture by itself

    @property
    def title(self):
        """What it is called."""
        return type(self).__name__

    @property
    def headline(self):
        """What it says of a row, in one line."""
        return next(iter((type(self).__doc__ or "").strip().splitlines()), "")

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

    def update_missing(self, x, r, theta):
        """`update` where x has missing cells: the numeric M-step on the observed ones."""
        return Family.update(self, x, r, theta)

    def complete(self, x, r, theta):
        """Q(theta) = sum_ik r_ik log f_k(x_i | theta_k) + log prior(theta); r = 0 silences any density."""
        return float(dot(r, self.log_density(x, theta)) + sum(self.log_prior(theta).values()))

    def not_lower(self, x, r, old, new, height=None):
        """`new` unless Q fell, by more than rounding, from its value at `old`: then the numeric step from there.

        height: Q as a function of theta, where the family has a faster one than `complete`.
        """
        height = height or (lambda theta: self.complete(x, r, theta))
        with np.errstate(all="ignore"):
            before, after = height(old), height(new)
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

    def pool(self, name, K):
        """The fields that hold this parameter in all members that are alike, and the components that they cover."""
        return (name,), self.parameters[name].covers(K)

    def scope(self, name, theta):
        """theta as the prior of the field `name` sees it: by the names of its own family."""
        return theta

    def reported(self, theta):
        """`derived` as (name, value, components, columns), the last two None for all."""
        return [(name, value, None, None) for name, value in self.derived(theta).items()]

    @cached_property
    def order(self):
        """Parameter names, those whose prior reads other fields last."""
        return sorted(self.parameters, key=lambda name: self.parameters[name].prior.turn)

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
        terms = {name: p.prior.logp(theta[name], theta) for name, p in self.parameters.items() if p.free}
        return {name: term if isinstance(term, float) else float(np.sum(term)) for name, term in terms.items()}

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


def dot(a, b):
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
