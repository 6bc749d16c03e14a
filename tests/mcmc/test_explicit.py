"""The model with its allocations written out: summed over every z it is the marginal model, to rounding."""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import arviz as az
import numpy as np
import pytest
from scipy.special import logsumexp

import bayesmix as bm
import cases
from bayesmix.mcmc.explicit import first_allocations

EXTRAS = {c.id: c for c in cases.extras()}


def few(case, n=5):
    """The case with its first n rows, so that all K^n allocations can be visited."""
    data = case.data
    label = None if data.label is None else data.label[:n]
    return case.model, bm.Data(data.x[:n], label=label)


def at_random(model, seed):
    """A point of the unconstrained coordinates, and z as the model starts it."""
    rng = np.random.default_rng(seed)
    start = model.initial_point()
    return {v.name: start[v.name] if v.name == "z" else rng.normal(size=start[v.name].shape) for v in model.value_vars}


def both(spec, data, points=2):
    """[(log sum_z p(theta, z, x), the same without its largest term, log p(theta, x))] where a prior puts mass."""
    explicit, marginal = spec.to_pymc(data, latent="explicit"), spec.to_pymc(data)
    joint = explicit.compile_logp(jacobian=False, mode="FAST_COMPILE")
    summed = marginal.compile_logp(jacobian=False, mode="FAST_COMPILE")
    out, seed = [], 0
    while len(out) < points:
        point, seed = at_random(explicit, seed), seed + 1
        z = point.pop("z", np.empty(0, dtype=int))
        if summed(point) == -np.inf:
            continue  # a hard potential cuts this point off
        grid = product(range(spec.components), repeat=z.size)
        terms = np.array([joint(dict(point, z=np.array(v)) if z.size else point) for v in grid])
        rest = logsumexp(np.delete(terms, terms.argmax())) if z.size else -np.inf
        out.append((logsumexp(terms), rest, summed(point)))
    return out


def gappy():
    case = cases.make("mvgaussian", 2, labels="some", order="potential", floor="transform")
    x = np.array(case.data.x)
    x[0, 1] = x[2, 0] = x[4, 1] = np.nan
    return replace(case, data=bm.Data(x, label=np.where(np.arange(len(x)) < 2, case.data.label, -1)))


def sets_of_classes():
    """Rows that may come from either component of class 0, from that of class 1, or from any."""
    case = EXTRAS["classes"]
    return replace(case, data=bm.Data(case.data.x, label=[0, 1, -1, 0, -1] + [-1] * 7))


CASES = {
    "soft labels": cases.make("poisson", 1, labels="soft", order="soft", floor="potential"),
    "missing cells": gappy(),
    "zero inflated": EXTRAS["zero_inflated"],
}
MORE = {"plain": cases.make("gaussian_var", 1), "all labels": cases.make("bernoulli", 2, labels="all"),
        "sets of classes": sets_of_classes()} | {
    name: EXTRAS[name] for name in ("noise_component", "mixed_types", "unlike_products", "fixed_weight", "left_out_t")
}  # fmt: skip


def agree(case):
    for total, without_one, marginal in both(*few(case)):
        assert total == pytest.approx(marginal, rel=1e-12, abs=1e-10)
        assert abs(without_one - marginal) > 1e-6  # negative control: every allocation counts


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_summed_over_z_it_is_the_marginal_model(case):
    agree(case)


@pytest.mark.certify
@pytest.mark.parametrize("kind", cases.KINDS)
@pytest.mark.parametrize("labels", cases.LABELS)
def test_summed_over_z_it_is_the_marginal_model_for_every_family(kind, labels):
    agree(cases.make(kind, 2, labels=labels, order="transform", floor="transform"))


@pytest.mark.certify
@pytest.mark.parametrize("case", MORE.values(), ids=MORE)
def test_summed_over_z_it_is_the_marginal_model_in_other_cases(case):
    agree(case)


def test_what_is_free_and_what_is_observed():
    x = cases.rows("gaussian_var", 1, 2)[0]
    spec = bm.Mixture(cases.family("gaussian_var", 1), 2)
    for label, free, seen in (
        (None, ["weight", "mean", "var", "z"], ["x"]),
        ([0, 1] * 6, ["weight", "mean", "var"], ["z_labelled", "x"]),
        ([0, 1] + [-1] * 10, ["weight", "mean", "var", "z"], ["z_labelled", "x"]),
    ):
        model = spec.to_pymc(bm.Data(x, label=label), latent="explicit")
        assert [v.name for v in model.free_RVs] == free
        assert [v.name for v in model.observed_RVs] == seen
        rows = model.logp(vars=[model["x"]], sum=False)[0]
        assert rows.ndim == 1  # one value per row
    assert list(model.coords["obs_unlabelled"]) == list(range(2, 12))


def test_every_start_is_allowed():
    case = cases.make("gaussian_var", 1, labels="some")
    for data in (case.data, bm.Data(case.data.x), EXTRAS["zero_inflated"].data):
        spec = EXTRAS["zero_inflated"].model if data is EXTRAS["zero_inflated"].data else case.model
        z, allowed = first_allocations(spec, data), spec.log_allowed(data)
        assert allowed is None or np.isfinite(allowed[np.arange(data.n), z]).all()
        if allowed is None:  # by rank, in equal parts
            np.testing.assert_array_equal(np.bincount(z), [4, 4, 4])


def test_what_is_refused():
    x = cases.rows("gaussian_var", 1, 2)[0]
    spec = bm.Mixture(cases.family("gaussian_var", 1), 2)
    with pytest.raises(bm.InputError, match="share one z"):
        spec.to_pymc(bm.Data(x, weight=np.full(12, 2.0)), latent="explicit")
    with pytest.raises(bm.InputError, match="share one z"):
        bm.fit_mcmc(spec, bm.Data(x, weight=np.full(12, 2.0)), sampler="explicit")
    with pytest.raises(bm.InputError, match='"marginal" or "explicit"'):
        spec.to_pymc(bm.Data(x), latent="both")
    spec.to_pymc(bm.Data(x, weight=np.ones(12)), latent="explicit")  # weights that say nothing


def test_what_it_costs_is_said():
    """From made-up chains: 2000 independent draws in 500 seconds."""
    import xarray as xr

    from bayesmix.mcmc.explicit_chains import cost

    rng = np.random.default_rng(0)
    stats = xr.Dataset({"seconds": (("chain", "draw"), np.full((4, 500), 0.25))})
    fit = SimpleNamespace(log_posteriors=rng.normal(size=(4, 500)), groups={"sample_stats": stats})
    said = cost(fit)
    assert "500 s of sampling" in said and said.endswith(".")
    effective = float(said.split(" gave ")[1].split()[0])
    assert 1500 < effective < 2600
    assert float(said.split(" a second")[0].split()[-1]) == pytest.approx(effective / 500, rel=0.05)


@pytest.mark.certify
def test_it_reproduces_the_exact_posterior_a1(golden):
    """Eight rows, two components: few enough for z to mix."""
    c = next(c for c in golden("exact_tiny") if c["name"].startswith("A1"))
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), sd=bm.Fixed(1)), 2)
    fit = bm.fit_mcmc(model, bm.Data(c["y"]), draws=5000, tune=1000, seed=31, sampler="explicit")
    assert fit.settings["latent"] == "explicit" and set(fit.draws) == {"weight", "mean", "sd"}
    means = np.sort(fit.draws["mean"][..., 0], axis=-1)
    for k in range(2):
        mcse, sd = float(az.mcse(means[..., k])), c["ordered_mean_posterior_sd"][k]
        assert mcse <= 0.02 * sd
        assert abs(means[..., k].mean() - c["ordered_mean_posterior_mean"][k]) <= 5 * mcse
    assert fit.groups["sample_stats"]["seconds"].shape == fit.shape
