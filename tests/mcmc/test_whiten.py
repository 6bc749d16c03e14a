"""Laplace whitening on densities that are known, and through nutpie."""

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.mcmc.whiten import laplace, units, whitening

SCALES = np.array([1e-6, 1.0, 1e4, 3.0])


def normal(seed=0):
    """A correlated normal whose coordinates differ in scale by ten orders: mean, covariance, and its gradient."""
    rng = np.random.default_rng(seed)
    root = np.linalg.qr(rng.normal(size=(4, 4)))[0] * [3.0, 1.0, 0.5, 0.2]
    cov = root @ root.T * np.outer(SCALES, SCALES)
    mean, precision = rng.normal(size=4) * SCALES, np.linalg.inv(cov)
    return mean, cov, lambda u: (-0.5 * (u - mean) @ precision @ (u - mean), -precision @ (u - mean))


def test_a_normal_is_found_exactly():
    """Newton needs one step, and C C^T is the covariance up to the rounding of the differences."""
    mean, cov, density = normal()
    mode, factor = laplace(density, mean + 2 * SCALES)
    np.testing.assert_allclose(mode / SCALES, mean / SCALES, atol=1e-5)
    np.testing.assert_allclose(factor @ factor.T / np.outer(SCALES, SCALES), cov / np.outer(SCALES, SCALES), rtol=1e-5)


def test_units_are_the_conditional_standard_deviations():
    mean, cov, density = normal()
    np.testing.assert_allclose(units(density, mean), 1 / np.sqrt(np.diag(np.linalg.inv(cov))), rtol=1e-5)


def test_a_skewed_density_is_climbed_to_its_mode():
    """log Gamma: log density 5 u - 5 e^u, mode 0, curvature 5, from far away on the flat side and on the steep one."""

    def density(u):
        with np.errstate(over="ignore"):
            return float(np.sum(5 * u - 5 * np.exp(u))), 5 - 5 * np.exp(u)

    for start in (-3.0, 3.0):
        mode, factor = laplace(density, np.full(2, start))
        np.testing.assert_allclose(mode, 0, atol=0.02)  # a decrement of 1e-3 nats is sqrt(2e-3 / 5) at most
        np.testing.assert_allclose(factor @ factor.T, np.eye(2) / 5, atol=0.01)


def test_a_saddle_still_gives_a_factor():
    """A negative curvature counts by its size, and the flattest direction is kept finite."""
    H = np.diag([1.0, -4.0, 0.0])
    _, factor = laplace(lambda u: (-0.5 * u @ H @ u, -H @ u), np.zeros(3))
    assert np.isfinite(factor).all() and np.linalg.matrix_rank(factor) == 3


def test_chains_at_one_optimum_share_its_whitening():
    _, _, density = normal()
    points = [np.zeros(4), np.ones(4), np.zeros(4)]
    (a, _), (b, _), (c, _) = whitening(density, points)
    assert a is c and a is not b


@pytest.mark.certify
def test_whitened_draws_have_the_same_posterior(monkeypatch, faithful_model, faithful, faithful_em, faithful_mcmc):
    """NUTS in whitened coordinates and in plain ones: means within 5 MCSE, at no loss of effective draws."""
    from arviz_stats import ess

    from bayesmix.mcmc import samplers

    monkeypatch.setattr(samplers, "LARGE", 5)
    fit = bm.fit_mcmc(faithful_model, faithful, start=faithful_em, seed=3)
    assert fit.settings["whitened"] == "Laplace" and "whitened" not in faithful_mcmc.settings
    assert fit.settings["target_accept"] == 0.8
    for name in ("weight", "mean", "cov"):
        a, b = (f.tree["posterior"].to_dataset()[[name]] for f in (fit, faithful_mcmc))
        error = np.sqrt(sum(v.var(("chain", "draw"), ddof=1)[name] / ess(v)[name] for v in (a, b)))
        gap = abs(a[name].mean(("chain", "draw")) - b[name].mean(("chain", "draw")))
        assert (gap <= 5 * error).all()
        assert (ess(a)[name] > 1000).all()


@pytest.mark.certify
def test_the_callback_is_nutpies_own_bridge(faithful_model, faithful, faithful_em):
    """Same seed, same start: the first draws by address and by nutpie's compiled bridge are the same."""
    import dataclasses

    import nutpie

    from bayesmix.mcmc.callback import density
    from bayesmix.mcmc.samplers import hush, natural, unconstrained_start

    model = faithful_model.to_pymc(faithful)
    start = unconstrained_start(model, faithful_em.best)
    own, back = density(model, len(start)).chain(start)
    import warnings

    with warnings.catch_warnings():
        hush()
        bridge = dataclasses.replace(nutpie.compile_pymc_model(model), initial_point_func=lambda _seed: start.copy())
        how = {"draws": 5, "tune": 5, "chains": 1, "cores": 1, "seed": 1, "progress_bar": False, "save_warmup": False}
        a, b = nutpie.sample(own, **how), nutpie.sample(bridge, **how)
    fields = natural(model, back(a["posterior"]["z"].values[0]))
    np.testing.assert_array_equal(a["sample_stats"]["n_steps"], b["sample_stats"]["n_steps"])
    for name, value in fields.items():
        np.testing.assert_allclose(value, b["posterior"][name].values[0], rtol=1e-6)


def test_a_graph_is_compiled_once_and_kept_on_disk():
    """Without the function that PyTensor puts around it; the second time it comes from the disk, the same."""
    import pymc as pm
    import pytensor

    from bayesmix.mcmc.callback import unwrapped

    with pm.Model() as model:
        pm.Normal("v", 1.0, 2.0, shape=2)
    values = []
    for _ in range(2):
        function = model.logp_dlogp_function(ravel_inputs=True)._pytensor_function
        graph = unwrapped(function.vm.jit_fn)
        values.append(graph(np.array([3.0, 1.0])))
        assert not function.vm.jit_fn.signatures
    assert graph.stats.cache_hits
    (value, slope), again = values
    np.testing.assert_allclose(value, -0.5 - 2 * np.log(2.0) - np.log(2 * np.pi))
    np.testing.assert_allclose(slope, [-0.5, 0.0])
    np.testing.assert_array_equal(slope, again[1])
    with pytensor.config.change_flags(numba__cache=False):
        function = model.logp_dlogp_function(ravel_inputs=True)._pytensor_function
        assert unwrapped(function.vm.jit_fn) is function.vm.jit_fn  # nothing is kept: nothing is around it
