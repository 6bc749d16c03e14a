"""The compiled Gibbs sweeps draw what the NumPy sweep draws, number for number, from the same generator."""

from threading import Event

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.em import kernel
from bayesmix.em.kernel import Problem
from bayesmix.mcmc import gibbs_rows, gibbs_steps
from bayesmix.mcmc.gibbs_whole import Whole

SWEEPS = 30


def rows(d, n=150, seed=0):
    """Two overlapping clusters far from the origin, in units of unlike size."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) + 2.5 * (rng.random((n, 1)) < 0.4)
    return 1000 + x * np.geomspace(1, 30, d)


def both(model, data, sweeps=SWEEPS, seed=1, theta=None):
    """(compiled, NumPy) draws of one chain, each a dict field -> (sweeps, ...)."""
    model = model.resolve(data)
    problem = Problem.of(model, data)
    whole = Whole.of(problem)
    assert whole is not None, "the compiled sweeps should serve this model"
    theta = problem.inward(theta or model.draw_prior(np.random.default_rng(seed), data.d))
    fast, _ = whole.chain(theta, np.random.default_rng(seed), sweeps, Event())
    rng, slow = np.random.default_rng(seed), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "COMPILED", False)
        for _ in range(sweeps):
            theta = gibbs_steps.sweep(problem, theta, rng)
            slow.append(theta)
    return fast, {name: np.stack([t[name] for t in slow]) for name in theta}


def agree(fast, slow, tolerance=1e-9):
    assert set(fast) == set(slow)
    for name, value in slow.items():
        assert fast[name].shape == value.shape
        np.testing.assert_allclose(fast[name], value, rtol=tolerance, atol=tolerance * abs(value).max(), err_msg=name)


MODELS = {
    "normal mean, own variances": (bm.Gaussian(mean=bm.Normal(1000, 20), var=bm.InverseGamma(3, 2)), 2),
    "shared variance": (bm.Gaussian(mean=bm.Normal(1000, 20), var=bm.InverseGamma(3, 2), shared=True), 2),
    "isotropic variance": (bm.Gaussian(mean=bm.Normal(1000, 20), var=bm.InverseGamma(3, 2), isotropic=True), 2),
    "normal-inverse-gamma": (bm.Gaussian(mean=bm.ConjugateNormal(1000, 0.1), var=bm.InverseGamma(3, 2)), 1),
    "known sd": (bm.Gaussian(mean=bm.Normal(1000, 20), sd=bm.Fixed(2.0)), 1),
    "known means": (bm.Gaussian(mean=bm.Fixed([[1000.0], [1002.0], [1004.0]]), var=bm.InverseGamma(3, 2)), 1),
    "normal mean, own covariances": (bm.MvGaussian(mean=bm.Normal(1000, 20), cov=bm.InverseWishart(5, 1.0)), 3),
    "shared covariance": (bm.MvGaussian(mean=bm.Normal(1000, 20), cov=bm.InverseWishart(5, 1.0), shared=True), 2),
    "normal-inverse-Wishart": (bm.MvGaussian(mean=bm.ConjugateNormal(1000, 0.1), cov=bm.InverseWishart(5, 1.0)), 2),
    "known covariance": (bm.MvGaussian(mean=bm.Normal(1000, 20), cov=bm.Fixed(np.diag([1.0, 900.0]))), 2),
    "known mean, own covariances": (bm.MvGaussian(mean=bm.Fixed(1001.0), cov=bm.InverseWishart(5, 1.0)), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_whole_sweeps_draw_the_same_numbers(name):
    family, d = MODELS[name]
    agree(*both(bm.Mixture(family, 3, weight=bm.Dirichlet([1.0, 2.0, 3.0])), bm.Data(rows(d))))


def test_labels_floors_and_orders():
    x = rows(2)
    label = np.full(len(x), -1)
    label[:20] = np.arange(20) % 3
    family = bm.MvGaussian(mean=bm.Normal(1000, 20), cov=bm.InverseWishart(4, 1.0))
    agree(*both(bm.Mixture(family, 3, constraints=bm.MinWeight(0.05)), bm.Data(x, label=label)))
    agree(*both(bm.Mixture(family, 2, constraints=(bm.Order("mean", by=0), bm.MinWeight(0.3))), bm.Data(x)))
    agree(*both(bm.Mixture(family, 2, weight=bm.Fixed([0.4, 0.6])), bm.Data(x)))
    agree(*both(bm.Mixture(family, 1), bm.Data(x)))


def test_weights_that_redrawing_cannot_lift_are_finished_in_python(monkeypatch):
    calls = []
    exchange = gibbs_steps.exchange
    for module in ("gibbs_steps", "gibbs_whole"):
        monkeypatch.setattr(f"bayesmix.mcmc.{module}.exchange", lambda *a: calls.append(0) or exchange(*a))
    family = bm.Gaussian(mean=bm.Normal(1000, 20), var=bm.InverseGamma(3, 2))
    start = {"weight": np.full(3, 1 / 3), "mean": np.array([[990.0], [1000], [1001]]), "var": np.ones((3, 1))}
    fast, slow = both(bm.Mixture(family, 3, constraints=bm.MinWeight(0.32)), bm.Data(rows(1)), theta=start)
    agree(fast, slow)
    assert len(calls) > SWEEPS  # in most sweeps of either


def test_components_too_narrow_for_moments_about_the_centre_are_finished_in_python():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1e-7, 40), rng.normal(5, 1e-7, 40)])
    family = bm.Gaussian(mean=bm.Normal(0, 5), var=bm.InverseGamma(3, 1e-14))
    start = {"weight": np.full(2, 0.5), "mean": np.array([[0.0], [5.0]]), "var": np.full((2, 1), 1e-14)}
    model, data = bm.Mixture(family, 2), bm.Data(x)
    problem = Problem.of(model.resolve(data), data)
    assert problem.rough(problem.mixture.family.natural(np, **problem.mixture.own(problem.inward(start)))).all()
    agree(*both(model, data, theta=start))


def test_a_scatter_that_rounding_left_singular_is_finished_in_python():
    x = rows(1)
    x = np.concatenate([x, 2 * x], axis=1)  # a line
    family = bm.MvGaussian(mean=bm.Normal(1000, 2000), cov=bm.InverseWishart(4, 1e-11))
    agree(*both(bm.Mixture(family, 1), bm.Data(x)), tolerance=1e-3)  # the covariance is known no better than that


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize(
    "family",
    [
        bm.Gaussian(mean=bm.Normal(0, 9), sd=bm.Uniform(0, 50)),
        bm.Bernoulli(prob=bm.Beta(1, 1)),
        bm.Poisson(rate=bm.Gamma(1, 0.2)),
        bm.Categorical(),
        bm.Product(a=(bm.Gaussian(), [0]), b=(bm.Poisson(), [1])),
    ],
    ids=lambda f: type(f).__name__,
)
def test_the_pass_over_the_rows_draws_the_same_numbers(family, labelled):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 2, (400, 2)).astype(float)
    if isinstance(family, bm.Gaussian):
        x = x * 4 + rng.standard_normal(x.shape)
    label = rng.integers(-1, 3, len(x)) if labelled else None
    data = bm.Data(x, label=label)
    model = bm.Mixture(family, 3).resolve(data)
    problem = Problem.of(model, data)
    assert Whole.of(problem) is None
    theta = problem.inward(model.draw_prior(rng, 2))
    W = problem.mixture.family.natural(np, **problem.mixture.own(theta))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "COMPILED", False)
        one, two = np.random.default_rng(4), np.random.default_rng(4)
        slow, counts = gibbs_steps.allocate(problem, theta, one)
    fast, own = gibbs_rows.allocate(problem, W, problem.log_weight(theta), two)
    np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=1e-12 * abs(slow).max())
    np.testing.assert_array_equal(own, counts)
    assert one.random() == two.random()  # and as many of them


def test_a_component_of_probability_zero_is_never_drawn():
    class Zero:
        def random(self, n=None):
            return 0.0 if n is None else np.zeros(n)

    p = np.array([[0.0, 0.5], [1.0, 0.5]])
    np.testing.assert_array_equal(gibbs_steps.draw_z(p, Zero()), [1, 1])
    problem = Problem.of(bm.Mixture(bm.Poisson(), 2).resolve(d := bm.Data([1.0, 5.0], label=[1, 0])), d)
    theta = {"weight": np.array([1e-300, 1.0]), "rate": np.array([[50.0], [1.0]])}
    W = problem.mixture.family.natural(np, **problem.mixture.own(theta))
    for seed in range(20):
        stats, _ = gibbs_rows.allocate(problem, W, problem.log_weight(theta), np.random.default_rng(seed))
        np.testing.assert_array_equal(stats[:, 1], [5.0, 1.0])


def test_draws_do_not_depend_on_workers():
    data = bm.Data(rows(2, n=400))
    model = bm.Mixture(bm.MvGaussian(mean=bm.Normal(1000, 20), cov=bm.InverseWishart(4, 1.0)), 2)
    fits = [
        bm.fit_mcmc(model, data, sampler="gibbs", draws=40, tune=10, start="prior", seed=5, workers=w) for w in (1, 3)
    ]
    np.testing.assert_array_equal(fits[0].draws["cov"], fits[1].draws["cov"])
