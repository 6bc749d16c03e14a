"""Priors: one small class each, with a NumPy reading (`logp`), a PyMC reading (`rv`) and draws.

Hyperparameters broadcast to the full shape of the field, (K,) or (K, d) or (K, d, d), by NumPy's
rules: a (d,) array is per feature, a (K, 1) array per component; at d = 1 a (K,) array is per component.
Each is cast to float64 once, here: PyTensor stores the literal 10 as int8 and 10.0 as float32.

A prior may name the kernel in which it is conjugate, log p(v) = sum_j a_j t_j(v) + const:

    kernel             log p(v) up to a constant                 `conjugate` returns
    "normal"           -t v^2 / 2 + s v                          (t, s)
    "inverse gamma"    -a log v - b / v                          (a, b)
    "scale"            -a log v - b / v^2 - c v^2                (a, b, c)
    "gamma"            a log v - b v                             (a, b)
    "beta"             a log v + b log(1 - v)                    (a, b)
    "dirichlet"        sum_k a_k log v_k                         (a,)
    "inverse wishart"  -(a/2) log|V| - tr(S V^-1) / 2            (a, S)

M-steps and Gibbs steps add these numbers to the statistics of the data; a prior without them is
maximised numerically instead.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields, replace

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.matrices import precision_and_log_det
from bayesmix.spec.special import betaln, gammaln, multigammaln

LOG_2PI = float(np.log(2 * np.pi))
KERNELS = {
    "normal": 2,
    "inverse gamma": 2,
    "scale": 3,
    "gamma": 2,
    "beta": 2,
    "dirichlet": 1,
    "inverse wishart": 2,
}


def spread(hyper, shape):
    """The hyperparameter broadcast to the full shape of its field (rule at the top of this file)."""
    hyper = np.asarray(hyper, dtype=np.float64)
    if len(shape) == 2 and shape[1] == 1 and hyper.ndim == 1 and hyper.shape[0] == shape[0]:
        hyper = hyper[:, None]
    try:
        return np.broadcast_to(hyper, shape)
    except ValueError:
        raise InputError(
            f"a prior's array of shape {hyper.shape} does not broadcast to the parameter's shape {tuple(shape)} "
            "(components first): give a number, one value per feature (d,), or one per component (K, 1)."
        ) from None


def dim_shape(dims):
    """The shape that these dims have in the PyMC model now being built."""
    import pymc as pm

    model = pm.modelcontext(None)
    return tuple(len(model.coords[dim]) for dim in dims)


@dataclass(frozen=True, eq=False)
class Prior(ABC):
    """What is believed of one parameter before the data: a density in its natural coordinate."""

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            if f.metadata.get("plain") or value is None:
                continue
            try:
                value = np.array(value, dtype=np.float64)
            except (TypeError, ValueError):
                raise InputError(
                    f"{type(self).__name__}({f.name}=...): expected a number or an array of numbers, got {value!r}."
                ) from None
            if not np.isfinite(value).all():
                raise InputError(f"{type(self).__name__}({f.name}=...): expected finite numbers, got {value.tolist()}.")
            if f.metadata.get("positive") and not (value > 0).all():
                raise InputError(
                    f"{type(self).__name__}({f.name}=...): expected positive numbers, got {value.tolist()}."
                )
            value.flags.writeable = False
            object.__setattr__(self, f.name, value)

    support = supports.real  # where the value lives
    reads_scale = False  # True if the density also depends on the family's scale field

    @abstractmethod
    def logp(self, value, theta):
        """Log density of each event of `value` (components first), all constants kept."""

    @abstractmethod
    def rv(self, name, theta, dims):
        """The PyMC random variable of this name and these dims, inside a model context."""

    @abstractmethod
    def draw(self, rng, shape, theta):
        """One draw of the whole field, an array of this shape."""

    @property
    def bounded(self):
        """Whether the density is bounded above (False: the log posterior may have no maximum)."""
        return True

    @property
    def vanishes_at_zero(self):
        """Whether it falls faster than any power at 0, and so keeps a scale from collapsing."""
        return False

    @property
    def interval(self):
        """The hard bounds (lower, upper) inside the support, infinite when there are none."""
        return -np.inf, np.inf

    def conjugate(self, kernel, shape):
        """Natural parameters in the named kernel for a field of this shape, or None."""
        return None

    def shifted(self, by):
        """The same belief about value + by ((d,), or (K, d)), or None if that is not expressible."""
        return None

    def __repr__(self):
        shown = ", ".join(f"{f.name}={_show(getattr(self, f.name))}" for f in fields(self) if f.repr)
        return f"{type(self).__name__}({shown})"

    def __eq__(self, other):
        return type(self) is type(other) and all(
            _same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)
        )

    def __hash__(self):
        return hash(repr(self))


def _show(value):
    if not isinstance(value, np.ndarray):
        return repr(value)
    return np.array2string(value, separator=", ", precision=6) if value.ndim else f"{value:.6g}"


def _same(a, b):
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return a == b


def hyper(default=..., positive=False):
    """A hyperparameter: a number or an array, cast to float64."""
    metadata = {"positive": positive}
    return field(metadata=metadata) if default is ... else field(default=default, metadata=metadata)


@dataclass(frozen=True, eq=False, repr=False)
class FromData(Prior):
    """A prior left out: replaced by the family's data-scaled default before anything is computed."""

    def logp(self, value, theta):
        raise InputError("a prior that was left out has no density yet: call mixture.resolve(data) first.")

    rv = draw = logp


@dataclass(frozen=True, eq=False, repr=False)
class Fixed(Prior):
    """A constant: the parameter stays in theta, with no log-prior term, no degree of freedom, no RV."""

    value: np.ndarray = hyper()

    def logp(self, value, theta):
        return 0.0

    def rv(self, name, theta, dims):
        return spread(self.value, dim_shape(dims))

    def draw(self, rng, shape, theta):
        return np.array(spread(self.value, shape))

    def shifted(self, by):
        return Fixed(_plus(self.value, by))


@dataclass(frozen=True, eq=False, repr=False)
class Flat(Prior):
    """Density 1 on the whole support: maximum likelihood for EM, an improper prior for MCMC.

    `on` (the support) and `proxy` (a data-scaled proper prior that prior draws come from instead)
    are filled in when the specification meets the data.
    """

    on: str = field(default="", metadata={"plain": True})
    proxy: Prior | None = field(default=None, repr=False, metadata={"plain": True})

    @property
    def support(self):
        return supports.SUPPORTS[self.on]

    def logp(self, value, theta):
        return 0.0

    def rv(self, name, theta, dims):
        import pymc as pm
        import pytensor.tensor as pt

        shape = dim_shape(dims)
        event = self.support.event_ndim
        start = self.proxy.draw(np.random.default_rng(0), shape, {})
        core = ",".join("abc"[:event])
        return pm.CustomDist(
            name,
            start,
            logp=lambda value, _: pt.zeros(value.shape[: value.ndim - event]),
            support_point=lambda rv, size, start: start,
            signature=f"({core})->({core})",
            dims=dims,
            default_transform=self.support.transform(shape),
        )

    def draw(self, rng, shape, theta):
        return self.proxy.draw(rng, shape, theta)

    def conjugate(self, kernel, shape):
        return (0.0,) * KERNELS[kernel]

    def shifted(self, by):
        return replace(self, proxy=self.proxy.shifted(by) if self.proxy else None)


def _plus(value, by):
    """A hyperparameter moved by (d,), or by (K, d), one step per component."""
    return (spread(value, by.shape) if by.ndim == 2 else value) + by


@dataclass(frozen=True, eq=False, repr=False)
class Normal(Prior):
    """v ~ N(mean, sd^2), independently."""

    mean: np.ndarray = hyper()
    sd: np.ndarray = hyper(positive=True)

    def logp(self, value, theta):
        mean, sd = spread(self.mean, value.shape), spread(self.sd, value.shape)
        return -0.5 * ((value - mean) / sd) ** 2 - np.log(sd) - 0.5 * LOG_2PI

    def rv(self, name, theta, dims):
        import pymc as pm

        shape = dim_shape(dims)
        return pm.Normal(name, spread(self.mean, shape), spread(self.sd, shape), dims=dims)

    def draw(self, rng, shape, theta):
        return rng.normal(spread(self.mean, shape), spread(self.sd, shape))

    def conjugate(self, kernel, shape):
        if kernel != "normal":
            return None
        precision = 1 / spread(self.sd, shape) ** 2
        return precision, precision * spread(self.mean, shape)

    def shifted(self, by):
        return Normal(_plus(self.mean, by), self.sd)


@dataclass(frozen=True, eq=False, repr=False)
class ConjugateNormal(Prior):
    """mean_k | scale_k ~ N(mean, scale_k / kappa): kappa pseudo-observations at `mean`.

    Reads the family's scale: `cov` (normal-inverse-Wishart), `var` or `sd`^2 (normal-inverse-gamma), or the
    `scale` of a t, a matrix or the square of a number.

    References: Fraley & Raftery (2007), J. Classification 24:155-181, eq. (7).
    """

    mean: np.ndarray = hyper()
    kappa: np.ndarray = hyper(positive=True)

    reads_scale = True

    def logp(self, value, theta):
        kappa = spread(self.kappa, value.shape[:1])[:, None]
        y = np.sqrt(kappa) * (value - spread(self.mean, value.shape))
        d = value.shape[-1]
        cov = _cov(theta)
        if cov is not None:
            factor = np.broadcast_to(np.linalg.cholesky(cov), (len(value), d, d))
            z = np.linalg.solve(factor, y[..., None])[..., 0]
            log_det = np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
        else:
            sd = np.broadcast_to(_sd(theta, np), value.shape)
            z = y / sd
            log_det = np.log(sd).sum(axis=-1)
        return -0.5 * (z**2).sum(axis=-1) - log_det + 0.5 * d * (np.log(kappa[:, 0]) - LOG_2PI)

    def rv(self, name, theta, dims):
        import pymc as pm
        import pytensor.tensor as pt

        shape = dim_shape(dims)
        mean, root = spread(self.mean, shape), np.sqrt(spread(self.kappa, shape[:1]))
        cov = _cov(theta)
        if cov is not None:
            chol = pt.linalg.cholesky(cov) / root[:, None, None]
            return pm.MvNormal(name, mean, chol=chol, dims=dims)
        return pm.Normal(name, mean, _sd(theta, pt) / root[:, None], dims=dims)

    def draw(self, rng, shape, theta):
        root = np.sqrt(spread(self.kappa, shape[:1]))[:, None]
        z = rng.standard_normal(shape)
        cov = _cov(theta)
        if cov is not None:
            z = (np.linalg.cholesky(cov) @ z[..., None])[..., 0]
        else:
            z = z * _sd(theta, np)
        return spread(self.mean, shape) + z / root

    def shifted(self, by):
        return ConjugateNormal(_plus(self.mean, by), self.kappa)


def _sd(theta, xp):
    if "scale" in theta:
        return theta["scale"]
    return theta["sd"] if "sd" in theta else xp.sqrt(theta["var"])


def _cov(theta):
    """The matrix among the scales, or None."""
    found = theta.get("cov", theta.get("scale"))
    return found if found is not None and found.ndim == 3 else None


@dataclass(frozen=True, eq=False, repr=False)
class HalfNormal(Prior):
    """v = |e|, e ~ N(0, sd^2)."""

    sd: np.ndarray = hyper(positive=True)

    support = supports.positive

    def logp(self, value, theta):
        sd = spread(self.sd, value.shape)
        inside = np.where(value >= 0, 0.0, -np.inf)
        return inside - 0.5 * (value / sd) ** 2 - np.log(sd) + 0.5 * np.log(2 / np.pi)

    def rv(self, name, theta, dims):
        import pymc as pm

        return pm.HalfNormal(name, spread(self.sd, dim_shape(dims)), dims=dims)

    def draw(self, rng, shape, theta):
        return np.abs(rng.normal(0, spread(self.sd, shape)))

    def conjugate(self, kernel, shape):
        return (0.0, 0.0, 0.5 / spread(self.sd, shape) ** 2) if kernel == "scale" else None


@dataclass(frozen=True, eq=False, repr=False)
class Uniform(Prior):
    """v ~ U(lower, upper)."""

    lower: np.ndarray = hyper()
    upper: np.ndarray = hyper()

    def __post_init__(self):
        super().__post_init__()
        if not (self.lower < self.upper).all():
            raise InputError(f"Uniform(lower, upper): expected lower < upper, got {self.lower} and {self.upper}.")

    @property
    def support(self):
        if (self.lower >= 0).all():
            return supports.unit if (self.upper <= 1).all() else supports.positive
        return supports.real

    @property
    def interval(self):
        return self.lower, self.upper

    def logp(self, value, theta):
        lower, upper = spread(self.lower, value.shape), spread(self.upper, value.shape)
        return np.where((value >= lower) & (value <= upper), -np.log(upper - lower), -np.inf)

    def rv(self, name, theta, dims):
        import pymc as pm

        shape = dim_shape(dims)
        return pm.Uniform(name, spread(self.lower, shape), spread(self.upper, shape), dims=dims)

    def draw(self, rng, shape, theta):
        return rng.uniform(spread(self.lower, shape), spread(self.upper, shape))

    def conjugate(self, kernel, shape):
        return (0.0,) * KERNELS[kernel] if kernel in ("normal", "inverse gamma", "scale", "gamma", "beta") else None

    def shifted(self, by):
        return Uniform(_plus(self.lower, by), _plus(self.upper, by))


@dataclass(frozen=True, eq=False, repr=False)
class Gamma(Prior):
    """v ~ Gamma(shape, rate), mean shape / rate."""

    shape: np.ndarray = hyper(positive=True)
    rate: np.ndarray = hyper(positive=True)

    support = supports.positive

    def logp(self, value, theta):
        a, b = spread(self.shape, value.shape), spread(self.rate, value.shape)
        return a * np.log(b) - gammaln(a) + _xlogy(a - 1, value) - b * value

    def rv(self, name, theta, dims):
        import pymc as pm

        full = dim_shape(dims)
        return pm.Gamma(name, alpha=spread(self.shape, full), beta=spread(self.rate, full), dims=dims)

    def draw(self, rng, shape, theta):
        return rng.gamma(spread(self.shape, shape), 1 / spread(self.rate, shape))

    @property
    def bounded(self):
        return bool((self.shape >= 1).all())

    def conjugate(self, kernel, shape):
        return (spread(self.shape, shape) - 1, spread(self.rate, shape)) if kernel == "gamma" else None


@dataclass(frozen=True, eq=False, repr=False)
class Exponential(Prior):
    """v ~ Exponential(rate), mean 1 / rate."""

    rate: np.ndarray = hyper(positive=True)

    support = supports.positive

    def logp(self, value, theta):
        rate = spread(self.rate, value.shape)
        return np.where(value >= 0, np.log(rate) - rate * value, -np.inf)

    def rv(self, name, theta, dims):
        import pymc as pm

        return pm.Exponential(name, spread(self.rate, dim_shape(dims)), dims=dims)

    def draw(self, rng, shape, theta):
        return rng.exponential(1 / spread(self.rate, shape))

    def conjugate(self, kernel, shape):
        return (0.0, spread(self.rate, shape)) if kernel == "gamma" else None


@dataclass(frozen=True, eq=False, repr=False)
class LogNormal(Prior):
    """log v ~ N(mean, sd^2)."""

    mean: np.ndarray = hyper()
    sd: np.ndarray = hyper(positive=True)

    support = supports.positive

    def logp(self, value, theta):
        mean, sd = spread(self.mean, value.shape), spread(self.sd, value.shape)
        log_value = np.log(value)
        return -0.5 * ((log_value - mean) / sd) ** 2 - np.log(sd) - 0.5 * LOG_2PI - log_value

    def rv(self, name, theta, dims):
        import pymc as pm

        shape = dim_shape(dims)
        return pm.LogNormal(name, spread(self.mean, shape), spread(self.sd, shape), dims=dims)

    def draw(self, rng, shape, theta):
        return rng.lognormal(spread(self.mean, shape), spread(self.sd, shape))

    @property
    def vanishes_at_zero(self):
        return True


@dataclass(frozen=True, eq=False, repr=False)
class InverseGamma(Prior):
    """1/v ~ Gamma(shape, rate=scale): density proportional to v^-(shape + 1) exp(-scale / v)."""

    shape: np.ndarray = hyper(positive=True)
    scale: np.ndarray = hyper(positive=True)

    support = supports.positive

    def logp(self, value, theta):
        a, b = spread(self.shape, value.shape), spread(self.scale, value.shape)
        return a * np.log(b) - gammaln(a) - (a + 1) * np.log(value) - b / value

    def rv(self, name, theta, dims):
        import pymc as pm

        full = dim_shape(dims)
        return pm.InverseGamma(name, alpha=spread(self.shape, full), beta=spread(self.scale, full), dims=dims)

    def draw(self, rng, shape, theta):
        return spread(self.scale, shape) / rng.gamma(spread(self.shape, shape))

    @property
    def vanishes_at_zero(self):
        return True

    def conjugate(self, kernel, shape):
        return (spread(self.shape, shape) + 1, spread(self.scale, shape)) if kernel == "inverse gamma" else None


@dataclass(frozen=True, eq=False, repr=False)
class Beta(Prior):
    """v ~ Beta(a, b), mean a / (a + b)."""

    a: np.ndarray = hyper(positive=True)
    b: np.ndarray = hyper(positive=True)

    support = supports.unit

    def logp(self, value, theta):
        a, b = spread(self.a, value.shape), spread(self.b, value.shape)
        return _xlogy(a - 1, value) + _xlogy(b - 1, 1 - value) - betaln(a, b)

    def rv(self, name, theta, dims):
        import pymc as pm

        shape = dim_shape(dims)
        return pm.Beta(name, alpha=spread(self.a, shape), beta=spread(self.b, shape), dims=dims)

    def draw(self, rng, shape, theta):
        return rng.beta(spread(self.a, shape), spread(self.b, shape))

    @property
    def bounded(self):
        return bool((self.a >= 1).all() and (self.b >= 1).all())

    def conjugate(self, kernel, shape):
        return (spread(self.a, shape) - 1, spread(self.b, shape) - 1) if kernel == "beta" else None


@dataclass(frozen=True, eq=False, repr=False)
class Dirichlet(Prior):
    """w ~ Dirichlet(concentration): a number (the same for every component) or one per component."""

    concentration: np.ndarray = hyper(positive=True)

    support = supports.simplex

    def logp(self, value, theta):
        a = spread(self.concentration, value.shape)
        return gammaln(a.sum(axis=-1)) - gammaln(a).sum(axis=-1) + _xlogy(a - 1, value).sum(axis=-1)

    def rv(self, name, theta, dims):
        import pymc as pm

        return pm.Dirichlet(name, spread(self.concentration, dim_shape(dims)), dims=dims)

    def draw(self, rng, shape, theta):
        g = rng.gamma(spread(self.concentration, shape))
        return g / g.sum(axis=-1, keepdims=True)

    @property
    def bounded(self):
        return bool((self.concentration >= 1).all())

    def conjugate(self, kernel, shape):
        return (spread(self.concentration, shape) - 1,) if kernel == "dirichlet" else None


@dataclass(frozen=True, eq=False, repr=False)
class InverseWishart(Prior):
    """V ~ inverse-Wishart(df, scale): density proportional to |V|^-(df + d + 1)/2 exp(-tr(scale V^-1) / 2).

    Mean scale / (df - d - 1) for df > d + 1, mode scale / (df + d + 1). `df` is a number or (K,),
    `scale` (d, d) or (K, d, d); a number stands for that multiple of the identity.

    References: Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), appendix A.
    """

    df: np.ndarray = hyper(positive=True)
    scale: np.ndarray = hyper()

    support = supports.positive_definite

    def __post_init__(self):
        super().__post_init__()
        scale = self.scale if self.scale.ndim >= 2 else self.scale.reshape(1, 1)
        if not np.allclose(scale, np.swapaxes(scale, -1, -2)) or not self.support.contains(scale):
            raise InputError(
                f"InverseWishart(scale=...): expected a positive definite matrix, got {self.scale.tolist()}."
            )

    def _full(self, shape):
        """df (K,) and scale (K, d, d)."""
        d = shape[-1]
        scale = self.scale * np.eye(d) if self.scale.ndim < 2 else self.scale
        if (self.df <= d - 1).any():
            raise InputError(f"InverseWishart(df=...): expected more than d - 1 = {d - 1}, got {self.df}.")
        return spread(self.df, shape[:-2]), spread(scale, shape)

    def logp(self, value, theta):
        d = value.shape[-1]
        df, scale = self._full(value.shape)
        try:
            factor = np.linalg.cholesky(value)
        except np.linalg.LinAlgError:
            return np.full(value.shape[:-2], -np.inf)  # outside the support, if only by rounding
        log_det = 2 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
        m = np.linalg.solve(factor, np.linalg.cholesky(scale))  # tr(S V^-1) = |L^-1 L_S|_F^2
        return (
            0.5 * df * np.linalg.slogdet(scale)[1]
            - 0.5 * df * d * np.log(2)
            - multigammaln(df / 2, d)
            - 0.5 * (df + d + 1) * log_det
            - 0.5 * (m**2).sum(axis=(-2, -1))
        )

    def rv(self, name, theta, dims):
        import pymc as pm

        shape = dim_shape(dims)
        df, scale = self._full(shape)
        return pm.CustomDist(
            name,
            df,
            scale,
            logp=_inverse_wishart_logp,
            random=lambda df, scale, rng=None, size=None: draw_inverse_wishart(rng, df, scale, size),
            support_point=lambda rv, size, df, scale: scale / (df + shape[-1] + 1)[..., None, None],
            signature="(),(d,e)->(d,e)",
            dims=dims,
            default_transform=self.support.transform(shape),
        )

    def draw(self, rng, shape, theta):
        df, scale = self._full(shape)
        return draw_inverse_wishart(rng, df, scale)

    @property
    def vanishes_at_zero(self):
        return True

    def conjugate(self, kernel, shape):
        if kernel != "inverse wishart":
            return None
        df, scale = self._full(shape)
        return df + shape[-1] + 1, scale


def _inverse_wishart_logp(value, df, scale):
    """The same density in PyTensor, from the entries of V^-1."""
    import pytensor.tensor as pt

    d = int(value.type.shape[-1] or scale.type.shape[-1])
    P, log_det = precision_and_log_det(pt, value)
    scale_log_det = precision_and_log_det(pt, scale)[1]
    trace = (scale * P).sum(axis=(1, 2))
    # written out, since PyMC's multigammaln mistakes a batch of df for its own index
    log_gamma = 0.25 * d * (d - 1) * np.log(np.pi) + sum(pt.gammaln(0.5 * (df - j)) for j in range(d))
    return (
        0.5 * df * scale_log_det - 0.5 * df * d * np.log(2.0) - log_gamma - 0.5 * (df + d + 1) * log_det - 0.5 * trace
    )


def draw_inverse_wishart(rng, df, scale, size=None):
    """Draws for df (K,) and scale (K, d, d).

    V = M M', M = L A^-T with L L' = scale and A the Bartlett factor of a Wishart(df, I).
    """
    df, scale = np.asarray(df), np.asarray(scale)
    batch = np.broadcast_shapes(df.shape, scale.shape[:-2], tuple(size or ()))
    d = scale.shape[-1]
    A = np.zeros((*batch, d, d))
    i, j = np.tril_indices(d, -1)
    A[..., i, j] = rng.standard_normal((*batch, len(i)))
    k = np.arange(d)
    A[..., k, k] = np.sqrt(rng.chisquare(np.broadcast_to(df, batch)[..., None] - k))
    M = np.linalg.cholesky(scale) @ np.swapaxes(np.linalg.inv(A), -1, -2)
    return M @ np.swapaxes(M, -1, -2)


def _xlogy(a, v):
    """a log v with 0 log 0 = 0 and no warning at the edge."""
    with np.errstate(divide="ignore"):
        return np.where(a == 0, 0.0, a * np.log(np.where((a == 0) & (v == 0), 1.0, v)))
