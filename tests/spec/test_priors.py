"""Every prior: its density against SciPy and PyMC, its draws, its shapes and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import bayesmix as bm
from bayesmix.spec import supports
from bayesmix.spec.priors import KERNELS, FromData, spread
from newcomers import Weibull

K, D = 3, 2
PER_FEATURE, PER_COMPONENT = np.array([1.0, 2.5]), np.array([[0.5], [1.0], [2.0]])
FULL = np.array([[0.5, 1.0], [1.5, 2.0], [2.5, 3.0]])
SCALE = np.array([[2.0, 0.3], [0.3, 1.0]])
SCALES = np.stack([SCALE, np.eye(2), 3 * SCALE])

# name -> (prior, SciPy's frozen distribution of the full (K, D) field)
SCALARS = {
    "Normal": (bm.Normal(PER_FEATURE, PER_COMPONENT), stats.norm(PER_FEATURE, PER_COMPONENT)),
    "HalfNormal": (bm.HalfNormal(FULL), stats.halfnorm(scale=FULL)),
    "Uniform": (
        bm.Uniform(-PER_FEATURE, PER_COMPONENT),
        stats.uniform(-PER_FEATURE, PER_COMPONENT + PER_FEATURE),
    ),
    "Gamma": (bm.Gamma(PER_COMPONENT, FULL), stats.gamma(PER_COMPONENT, scale=1 / FULL)),
    "Exponential": (bm.Exponential(FULL), stats.expon(scale=1 / FULL)),
    "LogNormal": (bm.LogNormal(0.3, PER_FEATURE / 3), stats.lognorm(PER_FEATURE / 3, scale=np.exp(0.3))),
    "InverseGamma": (bm.InverseGamma(4 + FULL, PER_FEATURE), stats.invgamma(4 + FULL, scale=PER_FEATURE)),
    "Beta": (bm.Beta(FULL, PER_FEATURE), stats.beta(FULL, PER_FEATURE)),
    "Weibull": (Weibull(1 + PER_FEATURE, FULL), stats.weibull_min(1 + PER_FEATURE, scale=FULL)),
}
VAR = np.array([[0.5, 1.0], [2.0, 1.5], [1.0, 3.0]])
# name -> (prior, theta it reads, shape of the field, number of events)
JOINT = {
    "Dirichlet": (bm.Dirichlet([0.7, 1.0, 2.5]), {}, (K,), 1),
    "DirichletNumber": (bm.Dirichlet(2.0), {}, (K,), 1),
    "InverseWishart": (bm.InverseWishart([7.0, 8.0, 9.5], SCALES), {}, (K, D, D), K),
    "InverseWishartShared": (bm.InverseWishart(7.0, 2.0), {}, (1, D, D), 1),
    "ConjugateVar": (bm.ConjugateNormal(PER_FEATURE, 0.3), {"var": VAR}, (K, D), K),
    "ConjugateSd": (bm.ConjugateNormal(FULL, [0.3, 1.0, 2.0]), {"sd": VAR[:1]}, (K, D), K),
    "ConjugateCov": (bm.ConjugateNormal(PER_FEATURE, [0.3, 1.0, 2.0]), {"cov": SCALES}, (K, D), K),
    "ConjugateSharedCov": (bm.ConjugateNormal(FULL, 0.5), {"cov": SCALE[None]}, (K, D), K),
    "FlatReal": (bm.Flat("real", bm.Normal(0, 1)), {}, (K, D), 0),
    "FlatPositive": (bm.Flat("positive", bm.HalfNormal(1)), {}, (K, D), 0),
    "FlatSimplex": (bm.Flat("simplex", bm.Dirichlet(1.0)), {}, (K,), 0),
    "FlatMatrix": (bm.Flat("positive definite", bm.InverseWishart(6, 1.0)), {}, (K, D, D), 0),
}
EVERY = {n: (p, {}, (K, D), K * D) for n, (p, _) in SCALARS.items()} | JOINT


def scipy_logp(name, prior, value, theta):
    """An independent log density of a joint prior, by SciPy."""
    if name.startswith("Dirichlet"):
        return stats.dirichlet(np.broadcast_to(prior.concentration, K)).logpdf(value)
    if name.startswith("InverseWishart"):
        df, scale = (
            np.broadcast_to(prior.df, len(value)),
            prior.scale if prior.scale.ndim else prior.scale * np.eye(D),
        )
        scale = np.broadcast_to(scale, value.shape)
        return np.array([stats.invwishart(f, s).logpdf(v) for f, s, v in zip(df, scale, value, strict=True)])
    if name.startswith("Conjugate"):
        kappa, mean = np.broadcast_to(prior.kappa, K), np.broadcast_to(prior.mean, (K, D))
        if "cov" in theta:
            cov = np.broadcast_to(theta["cov"], (K, D, D))
        else:
            var = theta["var"] if "var" in theta else theta["sd"] ** 2
            cov = np.stack([np.diag(v) for v in np.broadcast_to(var, (K, D))])
        return np.array(
            [stats.multivariate_normal(m, c / q).logpdf(v) for m, c, q, v in zip(mean, cov, kappa, value, strict=True)]
        )
    return 0.0


def draws(name, n, seed=1):
    prior, theta, shape, _ = EVERY[name]
    rng = np.random.default_rng(seed)
    return np.stack([prior.draw(rng, shape, theta) for _ in range(n)])


# ---- the density -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCALARS)
def test_logp_is_scipys(name):
    prior, oracle = SCALARS[name]
    for value in draws(name, 20):
        logp = prior.logp(value, {})
        assert logp.shape == (K, D)
        np.testing.assert_allclose(logp, oracle.logpdf(value), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", JOINT)
def test_joint_logp_is_scipys(name):
    prior, theta, shape, events = JOINT[name]
    for value in draws(name, 20):
        assert value.shape == shape
        logp = prior.logp(value, theta)
        assert np.size(logp) == max(events, 1)
        np.testing.assert_allclose(logp, scipy_logp(name, prior, value, theta), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", EVERY)
def test_draws_lie_in_the_support(name):
    prior, theta, shape, _ = EVERY[name]
    for value in draws(name, 50):
        assert value.shape == shape and value.dtype == np.float64
        assert prior.support.contains(value) and np.isfinite(prior.logp(value, theta)).all()


@pytest.mark.parametrize("name", SCALARS)
def test_draws_have_the_right_moments(name):
    """Mean and variance of 4000 draws: within 5.5 standard errors of SciPy's, 18 comparisons in all."""
    oracle, value = SCALARS[name][1], draws(name, 4000)
    mean, var, n = oracle.mean(), oracle.var(), len(value)
    assert (np.abs(value.mean(axis=0) - mean) <= 5.5 * np.sqrt(var / n)).all()
    fourth = np.mean((value - value.mean(axis=0)) ** 4, axis=0)
    assert (np.abs(value.var(axis=0) - var) <= 8 * np.sqrt(fourth / n)).all()


@pytest.mark.parametrize("name", [n for n in JOINT if not n.startswith("Flat")])
def test_joint_draws_have_the_right_mean(name):
    prior, theta, shape, _ = JOINT[name]
    value = draws(name, 4000)
    if name.startswith("Dirichlet"):
        a = np.broadcast_to(prior.concentration, K)
        mean = a / a.sum()
    elif name.startswith("InverseWishart"):
        scale = prior.scale if prior.scale.ndim else prior.scale * np.eye(D)
        mean = scale / (np.reshape(prior.df, (-1, 1, 1)) - D - 1)
    else:
        mean = np.broadcast_to(prior.mean, shape)
        spread_of = value.var(axis=0)
        var = theta.get("var", theta.get("sd", 0.0) ** 2 if "sd" in theta else None)
        var = np.diagonal(theta["cov"], axis1=-2, axis2=-1) if var is None else var
        exact = var / np.reshape(prior.kappa, (-1, 1))
        assert (np.abs(spread_of / exact - 1) <= 6 * np.sqrt(2 / 4000)).all()
    assert (np.abs(value.mean(axis=0) - mean) <= 5.5 * value.std(axis=0) / np.sqrt(4000)).all()


def test_inverse_wishart_draws_have_the_right_spread():
    """Var(V_ii) = 2 S_ii^2 / ((nu - d - 1)^2 (nu - d - 3)): a wrong factor keeps only the mean."""
    rng, nu = np.random.default_rng(2), 14.0
    prior = bm.InverseWishart(nu, SCALE)
    value = np.stack([prior.draw(rng, (1, D, D), {})[0] for _ in range(4000)])
    for i in range(D):
        exact = 2 * SCALE[i, i] ** 2 / ((nu - D - 1) ** 2 * (nu - D - 3))
        v = value[:, i, i]
        se = np.sqrt(np.mean((v - v.mean()) ** 4) / 4000)
        assert abs(v.var() - exact) <= 5.5 * se


@pytest.fixture(scope="module")
def pymc_logp():
    """name -> (value, total log density there) according to PyMC, one compiled function for all."""
    import pymc as pm
    import pytensor

    values = {name: draws(name, 1, seed=5)[0] for name in EVERY}
    with pm.Model(coords={"k": range(K), "one": range(1), "j": range(D), "j2": range(D)}):
        terms = []
        for name, (prior, theta, shape, _) in EVERY.items():
            dims = ("one" if shape[0] == 1 else "k", "j", "j2")[: len(shape)]
            rv = prior.rv(name, theta, dims)
            terms.append(pm.logp(rv, values[name].astype(np.float64)).sum())
        found = pytensor.function([], terms, mode="FAST_COMPILE", on_unused_input="ignore")()
    return {name: (values[name], float(f)) for name, f in zip(EVERY, found, strict=True)}


@pytest.mark.parametrize("name", EVERY)
def test_rv_is_the_same_density(name, pymc_logp):
    prior, theta, _, _ = EVERY[name]
    value, total = pymc_logp[name]
    ours = float(np.sum(prior.logp(value, theta)))
    assert total == pytest.approx(ours, rel=1e-10, abs=1e-10)
    number = next(
        (f for f in ("sd", "rate", "scale", "kappa", "a", "concentration", "upper") if hasattr(prior, f)),
        None,
    )
    if number and name not in ("DirichletNumber",):  # negative control: 1e-5 in one hyperparameter shows
        other = replace(prior, **{number: getattr(prior, number) * (1 + 1e-5)})
        assert abs(float(np.sum(other.logp(value, theta))) - ours) > 1e-9 * max(1, abs(ours))


def test_outside_the_support_there_is_nothing():
    assert bm.HalfNormal(1.0).logp(np.array([-0.1]), {}) == -np.inf
    assert bm.Exponential(1.0).logp(np.array([-0.1]), {}) == -np.inf
    assert bm.Uniform(0, 1).logp(np.array([1.1]), {}) == -np.inf
    assert (bm.InverseWishart(4, 1.0).logp(np.array([[[1.0, 2.0], [2.0, 1.0]]]), {}) == -np.inf).all()


# ---- hyperparameters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given,shape,expected",
    [
        (2.0, (3, 2), np.full((3, 2), 2.0)),
        ([1.0, 2.0], (3, 2), [[1.0, 2.0]] * 3),  # one per feature
        ([[1.0], [2.0], [3.0]], (3, 2), [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]),  # one per component
        ([1.0, 2.0, 3.0], (3, 1), [[1.0], [2.0], [3.0]]),  # d = 1: per component
        ([1.0], (3, 1), [[1.0]] * 3),
        ([1.0, 2.0, 3.0], (3,), [1.0, 2.0, 3.0]),
        ([1.0, 2.0], (2, 2), [[1.0, 2.0]] * 2),  # K = d: NumPy's rule, per feature
    ],
)
def test_broadcasting(given, shape, expected):
    np.testing.assert_array_equal(spread(given, shape), expected)


@pytest.mark.parametrize("given,shape", [([1.0, 2.0, 3.0], (4, 2)), ([1.0, 2.0], (3,)), (np.ones((2, 3)), (3, 2))])
def test_a_wrong_shape_is_refused(given, shape):
    with pytest.raises(bm.InputError, match="does not broadcast"):
        bm.Normal(given, 1.0).logp(np.zeros(shape), {})


def test_numbers_are_float64():
    """PyTensor stores the literal 10 as int8 and 10.0 as float32."""
    for prior in (bm.Normal(10, 1), bm.Normal(np.float32(10), np.int8(1)), bm.Normal([10], [1])):
        assert prior.mean.dtype == np.float64 and prior.sd.dtype == np.float64
        assert not prior.mean.flags.writeable
    given = np.array([1.0, 2.0])
    prior = bm.Normal(given, 1)
    given[0] = 9.0
    assert prior.mean[0] == 1.0  # nothing passed in is shared


@pytest.mark.parametrize(
    "make,word",
    [
        (lambda: bm.Normal(0, 0), "sd"),
        (lambda: bm.Normal(0, [1.0, -1.0]), "sd"),
        (lambda: bm.Normal(np.nan, 1), "mean"),
        (lambda: bm.Normal("zero", 1), "mean"),
        (lambda: bm.Normal([1.0, [2.0]], 1), "mean"),
        (lambda: bm.HalfNormal(-1), "sd"),
        (lambda: bm.Uniform(1, 1), "lower < upper"),
        (lambda: bm.Uniform(0, np.inf), "upper"),
        (lambda: bm.Gamma(0, 1), "shape"),
        (lambda: bm.Gamma(1, -1), "rate"),
        (lambda: bm.Exponential(0), "rate"),
        (lambda: bm.LogNormal(0, 0), "sd"),
        (lambda: bm.InverseGamma(-1, 1), "shape"),
        (lambda: bm.Beta(1, 0), "b"),
        (lambda: bm.Dirichlet(0), "concentration"),
        (lambda: bm.Dirichlet([1.0, -1.0]), "concentration"),
        (lambda: bm.ConjugateNormal(0, 0), "kappa"),
        (lambda: bm.InverseWishart(3, [[1.0, 2.0], [2.0, 1.0]]), "positive definite"),
        (lambda: bm.InverseWishart(3, [[1.0, 0.5], [0.2, 1.0]]), "positive definite"),
        (lambda: bm.InverseWishart(3, -1.0), "positive definite"),
        (lambda: bm.InverseWishart(1.0, np.eye(2)).logp(np.eye(2)[None], {}), "d - 1"),
        (lambda: bm.Fixed(np.inf), "value"),
        (lambda: FromData().logp(0.0, {}), "resolve"),
    ],
)
def test_bad_hyperparameters(make, word):
    with pytest.raises(bm.InputError, match=word):
        make()


# ---- what else a prior says of itself ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "prior",
    [bm.Normal(1, 2), bm.Uniform(-1, 2), bm.ConjugateNormal([1.0, 2.0], 0.5), bm.Fixed(3.0)],
    ids=repr,
)
def test_shifted(prior):
    by = np.array([10.0, -3.0])
    value, theta = np.array([[0.5, 1.5], [1.0, 0.2]]), {"var": np.array([[1.0, 2.0]])}
    np.testing.assert_allclose(prior.shifted(by).logp(value + by, theta), prior.logp(value, theta), rtol=1e-12)


def test_what_cannot_be_shifted_says_so():
    assert bm.HalfNormal(1).shifted(np.ones(2)) is None and bm.Gamma(1, 1).shifted(np.ones(1)) is None
    assert bm.Flat("real", bm.Normal(0, 1)).shifted(np.ones(2)).proxy == bm.Normal([1.0, 1.0], 1.0)


def kernel_terms(kernel, value):
    """The sufficient terms of each kernel, as the table in spec/priors/base.py writes them."""
    return {
        "normal": lambda t, s: -0.5 * t * value**2 + s * value,
        "inverse gamma": lambda a, b: -a * np.log(value) - b / value,
        "scale": lambda a, b, c: -a * np.log(value) - b / value**2 - c * value**2,
        "gamma": lambda a, b: a * np.log(value) - b * value,
        "beta": lambda a, b: a * np.log(value) + b * np.log1p(-value),
    }[kernel]


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("kernel", ["normal", "inverse gamma", "scale", "gamma", "beta"])
def test_conjugate_kernels(name, kernel):
    """Where a prior claims a kernel, its log density differs from the kernel by a constant."""
    prior = SCALARS[name][0]
    numbers = prior.conjugate(kernel, (K, D))
    if numbers is None:
        return
    assert len(numbers) == KERNELS[kernel]
    a, b = draws(name, 2, seed=8)
    if kernel == "beta" or (prior.support is supports.real and kernel != "normal"):
        a, b = (np.clip(np.abs(v) / 4, 1e-3, PER_COMPONENT - 1e-3) for v in (a, b))  # inside a Uniform's interval
        if name == "Beta":
            a, b = draws(name, 2, seed=8)
    np.testing.assert_allclose(
        kernel_terms(kernel, a)(*numbers) - kernel_terms(kernel, b)(*numbers),
        prior.logp(a, {}) - prior.logp(b, {}),
        rtol=1e-9,
        atol=1e-9,
    )


def test_the_kernels_that_em_relies_on_are_claimed():
    claims = {
        "Normal": "normal", "InverseGamma": "inverse gamma", "HalfNormal": "scale", "Gamma": "gamma",
        "Exponential": "gamma", "Beta": "beta",
    }  # fmt: skip
    for name, kernel in claims.items():
        assert SCALARS[name][0].conjugate(kernel, (K, D)) is not None
    assert bm.LogNormal(0, 1).conjugate("scale", (K, D)) is None


def test_joint_kernels():
    dirichlet, (a, b) = JOINT["Dirichlet"][0], draws("Dirichlet", 2)
    (count,) = dirichlet.conjugate("dirichlet", (K,))
    assert count @ (np.log(a) - np.log(b)) == pytest.approx(dirichlet.logp(a, {}) - dirichlet.logp(b, {}), rel=1e-10)
    prior, (a, b) = JOINT["InverseWishart"][0], draws("InverseWishart", 2)
    power, scale = prior.conjugate("inverse wishart", (K, D, D))

    def kernel(v):
        return -0.5 * power * np.linalg.slogdet(v)[1] - 0.5 * np.trace(scale @ np.linalg.inv(v), axis1=1, axis2=2)

    np.testing.assert_allclose(kernel(a) - kernel(b), prior.logp(a, {}) - prior.logp(b, {}), rtol=1e-9)


def test_bounded():
    bounded = {bm.Gamma(1, 1): True, bm.Gamma(0.9, 1): False, bm.Beta(1, 1): True, bm.Beta(2, 0.5): False,
               bm.Dirichlet(1): True, bm.Dirichlet([1.0, 0.5]): False, bm.Normal(0, 1): True}  # fmt: skip
    assert {p: p.bounded for p in bounded} == bounded
    assert bm.InverseGamma(2, 1).vanishes_at_zero and not bm.HalfNormal(1).vanishes_at_zero


def test_equality_and_text():
    assert bm.Normal(0, [1, 2]) == bm.Normal([0.0], [1.0, 2.0]) or bm.Normal(0, [1, 2]) == bm.Normal(0.0, [1.0, 2.0])
    assert bm.Normal(0, 1) != bm.Normal(0, 2) and bm.Normal(0, 1) != bm.LogNormal(0, 1)
    assert len({bm.Normal(0, 1), bm.Normal(0.0, 1.0)}) == 1
    assert repr(bm.Normal([1, 2], 3)) == "Normal(mean=[1., 2.], sd=3)"
