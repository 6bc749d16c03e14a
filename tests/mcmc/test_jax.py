"""The Ops in JAX and NumPyro as a sampler; skipped where `bayesmix[jax]` is not installed, but for its refusal."""

from importlib.util import find_spec

import arviz as az
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

import bayesmix as bm
import cases
from bayesmix.mcmc import numpyro
from bayesmix.mcmc.mix_op import MixRows, MixSum
from bayesmix.mcmc.samplers import unconstrained_start
from bayesmix.spec.matrix_ops import CovarianceOfFactor, CovarianceOfFactorSlope, Precision, PrecisionSlope

with_jax = pytest.mark.skipif(
    find_spec("jax") is None or find_spec("numpyro") is None,
    reason='JAX and NumPyro are not installed: pip install -e ".[jax]"',
)
EXTRAS = {c.id: c for c in cases.extras()}


def test_without_numpyro_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(numpyro, "find_spec", lambda name: None)
    with pytest.raises(bm.InputError, match=r'pip install "bayesmix\[jax\]"'):
        bm.fit_mcmc(bm.Mixture(bm.Gaussian(), 2), bm.Data([0.0, 1.0, 2.0]), sampler="numpyro")


def inputs(op):
    """Values for an Op: two 3 x 3 matrices, or three components of four features on five rows."""
    rng = np.random.default_rng(0)
    u, g = rng.normal(size=(2, 6)), rng.normal(size=(2, 3, 3))
    V = np.stack([a @ a.T + np.eye(3) for a in g])
    label = np.zeros((3, 5))
    label[1, 2] = -1e30
    mix = (rng.normal(size=(4, 5)), rng.normal(size=(3, 4)), label, rng.normal(size=5), rng.uniform(0, 2, 5))
    return {MixRows: mix, MixSum: mix, Precision: (V,), PrecisionSlope: (np.linalg.inv(V), g, rng.normal(size=2)),
            CovarianceOfFactor: (u,), CovarianceOfFactorSlope: (u, g)}[type(op)]  # fmt: skip


@with_jax
@pytest.mark.certify
@pytest.mark.parametrize(
    "op",
    [MixRows(), MixSum(), Precision(), PrecisionSlope(), CovarianceOfFactor(3), CovarianceOfFactorSlope(3)],
    ids=lambda op: type(op).__name__,
)
def test_each_op_gives_numpys_numbers(op):
    from pytensor.link.jax.dispatch import jax_funcify

    from bayesmix.mcmc.jax_forms import register

    register()

    values = inputs(op)
    symbols = [pt.tensor(f"v{i}", dtype="float64", shape=v.shape) for i, v in enumerate(values)]
    out = op(*symbols)
    many = isinstance(out, list)
    want = pytensor.function(symbols, out, mode="FAST_COMPILE")(*values)
    got = jax_funcify(op)(*values)
    for a, b in zip(got if many else [got], want if many else [want], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@with_jax
@pytest.mark.certify
@pytest.mark.parametrize("d", [1, 2, 6, 7])
def test_inverses_are_those_of_numpy_written_out_or_not(d):
    from jax.test_util import check_grads

    from bayesmix.mcmc.jax_forms import WRITTEN_OUT, inverse, precision_in_jax

    assert 2 < WRITTEN_OUT < 7
    a = np.random.default_rng(d).normal(size=(3, d, d))
    V = a @ np.swapaxes(a, 1, 2) + np.eye(d)
    P, log_det = inverse(V)
    np.testing.assert_allclose(P, np.linalg.inv(V), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(V)[1], rtol=1e-12)
    symmetric = precision_in_jax(Precision())
    check_grads(lambda a: symmetric(a + a.swapaxes(1, 2) + 2 * d * np.eye(d)), (a,), 1, ["rev"])
    V[1] -= 100 * np.eye(d)
    P, log_det = inverse(V)
    assert np.isnan(P[1]).any() and np.isnan(log_det[1]) and np.isfinite(P[0]).all() and np.isfinite(log_det[2])


def by_jax_and_by_pytensor(case, seed):
    """((logp, gradient) by JAX's own differentiation, the same by PyTensor) at a prior draw."""
    import jax
    from pymc.blocking import RaveledVars

    model, spec = case.model.to_pymc(case.data), case.model.resolve(case.data)
    u = unconstrained_start(model, spec.draw_prior(np.random.default_rng(seed), case.data.d))
    start = model.initial_point()
    info = tuple((v.name, start[v.name].shape, start[v.name].size, start[v.name].dtype) for v in model.value_vars)
    value, slope = model.logp_dlogp_function(ravel_inputs=True, mode="FAST_COMPILE")(RaveledVars(u, info))
    minus, downhill = jax.value_and_grad(numpyro.potential_of(model))(jax.numpy.asarray(u))
    return (-float(minus), -np.asarray(downhill)), (float(value), slope)


MODELS = [cases.make(kind, 2, labels="some", order="transform", floor="soft") for kind in cases.KINDS]
MODELS += [EXTRAS[name] for name in ("zero_inflated", "mixed_types", "unlike_products", "classes")]


@with_jax
@pytest.mark.certify
@pytest.mark.parametrize("case", MODELS, ids=cases.name)
def test_log_posterior_and_gradient_are_those_of_pytensor(case):
    for seed in (0, 1):
        (value, slope), (want, want_slope) = by_jax_and_by_pytensor(case, seed)
        assert value == pytest.approx(want, rel=1e-9)
        np.testing.assert_allclose(slope, want_slope, rtol=1e-9, atol=1e-9 * np.abs(want_slope).max())


@with_jax
@pytest.mark.certify
def test_numpyro_reproduces_the_exact_posterior_a1(golden):
    c = next(c for c in golden("exact_tiny") if c["name"].startswith("A1"))
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), sd=bm.Fixed(1)), 2)
    fit = bm.fit_mcmc(model, bm.Data(c["y"]), draws=2500, tune=1000, seed=21, sampler="numpyro")
    assert fit.settings["sampler"] == "numpyro" and fit.shape == (4, 2500)
    assert not fit.groups["sample_stats"]["diverging"].values.any()
    means = np.sort(fit.draws["mean"][..., 0], axis=-1)
    for k in range(2):
        mcse, sd = float(az.mcse(means[..., k])), c["ordered_mean_posterior_sd"][k]
        assert mcse <= 0.02 * sd
        assert abs(means[..., k].mean() - c["ordered_mean_posterior_mean"][k]) <= 5 * mcse


@with_jax
@pytest.mark.certify
def test_numpyro_gives_the_same_draws_again(golden):
    c = next(c for c in golden("exact_tiny") if c["name"].startswith("A1"))
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), sd=bm.Fixed(1)), 2)
    one, two, single = (
        bm.fit_mcmc(model, bm.Data(c["y"]), draws=30, tune=50, chains=n, seed=5, sampler="numpyro") for n in (2, 2, 1)
    )
    np.testing.assert_array_equal(one.draws["mean"], two.draws["mean"])
    assert single.shape == (1, 30)
