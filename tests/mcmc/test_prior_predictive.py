"""Prior and prior predictive draws under constraints that cut the prior to a few percent, against exact laws."""

import arviz as az
import numpy as np
import pytest
from scipy import stats

import bayesmix as bm

DRAWS = 300
X = np.zeros((50, 1))
X[0, 0] = 1.0


def hard(enforce="transform"):
    """P(mean_0 < mean_1) = Phi(-2 / sqrt 2) = 7.9 %; P(every weight >= .25) = (1 - .75)^2 = 6.3 % for K = 3."""
    means = bm.Mixture(
        bm.Gaussian(mean=bm.Normal([2.0, 0.0], 1.0), sd=bm.Fixed(0.5)), 2, constraints=bm.Order("mean", enforce=enforce)
    )
    floor = bm.Mixture(
        bm.Gaussian(mean=bm.Fixed([-5.0, 0.0, 5.0]), sd=bm.Fixed(0.1)),
        3,
        constraints=bm.MinWeight(0.25, enforce=enforce),
    )
    return means, floor


@pytest.mark.parametrize("enforce", ["transform", pytest.param("potential", marks=pytest.mark.certify)])
def test_draws_have_the_truncated_law(enforce):
    means, floor = hard(enforce)
    tree = bm.sample_prior_predictive(means, bm.Data(X), draws=DRAWS, seed=1)
    mean = tree["prior"]["mean"].values[0, :, :, 0]
    gap, total = mean[:, 1] - mean[:, 0], mean.sum(axis=1)
    # the gap is N(-2, 2) cut off at 0; the sum is independent of it, and stays N(2, 2)
    assert stats.kstest(gap, stats.truncnorm(2 / np.sqrt(2), np.inf, loc=-2, scale=np.sqrt(2)).cdf).pvalue > 1e-6
    assert stats.kstest(total, stats.norm(2, np.sqrt(2)).cdf).pvalue > 1e-6
    assert stats.kstest(gap, stats.halfnorm(scale=np.sqrt(2)).cdf).pvalue < 1e-6  # negative control: sorted draws
    free = (
        bm.sample_prior_predictive(floor, bm.Data(X), draws=DRAWS, seed=2)["prior"]["weight"].values[0] - 0.25
    ) / 0.25
    assert free.min() >= 0
    for k in range(3):  # uniform on the simplex: each coordinate is Beta(1, 2)
        assert stats.kstest(free[:, k], stats.beta(1, 2).cdf).pvalue > 1e-6


def test_rows_come_from_the_draws_of_theta():
    means, floor = hard()
    tree = bm.sample_prior_predictive(floor, bm.Data(X), draws=DRAWS, seed=3)
    x, weight = tree["prior_predictive"]["x"].values[0, :, :, 0], tree["prior"]["weight"].values[0]
    for k, centre in enumerate((-5.0, 0.0, 5.0)):
        share = (np.abs(x - centre) < 1).mean(axis=1)
        se = np.sqrt(0.5 * 0.5 / 50 / DRAWS)  # of the mean over the draws of binomial shares about their weights
        assert abs((share - weight[:, k]).mean()) <= 5 * se
    tree = bm.sample_prior_predictive(means, bm.Data(X), draws=DRAWS, seed=4)
    x, theta = tree["prior_predictive"]["x"].values[0, :, :, 0], tree["prior"]
    expected = (theta["weight"].values[0] * theta["mean"].values[0, :, :, 0]).sum(axis=1)
    away = x.mean(axis=1) - expected
    assert abs(away.mean()) <= 5 * away.std(ddof=1) / np.sqrt(DRAWS)


def test_labels_bind_and_axes_are_named():
    model = bm.Mixture(bm.Gaussian(mean=bm.Fixed([[-5.0], [5.0]]), sd=bm.Fixed(0.1)), 2)
    data = bm.Data([0.0, 1.0, 2.0], label=[0, 1, -1], names=["height"])
    tree = bm.sample_prior_predictive(model, data, draws=40, seed=5)
    x = tree["prior_predictive"]["x"]
    assert x.dims == ("chain", "draw", "obs", "feature") and list(x["feature"].values) == ["height"]
    assert (x.values[..., 0, 0] < 0).all() and (x.values[..., 1, 0] > 0).all()
    assert 0 < (x.values[..., 2, 0] > 0).mean() < 1
    assert tree["prior"]["mean"].dims == ("chain", "draw", "component", "feature")
    again = bm.sample_prior_predictive(model, data, draws=40, seed=5)
    np.testing.assert_array_equal(x.values, again["prior_predictive"]["x"].values)
    assert az.summary(tree, group="prior", var_names=["weight"], kind="stats").shape[0] == 2
    with pytest.raises(bm.InputError, match="whole number of at least 1"):
        bm.sample_prior_predictive(model, data, draws=0)


def test_pymcs_forward_sampling_ignores_the_transform():
    """What to_pymc's docstring says of PyMC; should PyMC learn to obey transforms, this fails and the words change."""
    import pymc as pm

    means, _ = hard()
    model = means.to_pymc(bm.Data(X))
    with model:
        drawn = pm.draw(model["mean"], draws=200, random_seed=1, mode="FAST_COMPILE")[:, :, 0]
    assert (drawn[:, 1] < drawn[:, 0]).mean() > 0.8


@pytest.mark.certify
@pytest.mark.parametrize("latent", ["marginal", "explicit"])
def test_pymcs_posterior_predictive_takes_theta_from_the_posterior(latent):
    """Two components far apart and known weights: x follows each draw of theta, and z where it is explicit."""
    import pymc as pm
    import xarray as xr

    model = bm.Mixture(bm.Gaussian(mean=bm.Normal([2.0, 0.0], 1.0), sd=bm.Fixed(0.01)), 2, weight=bm.Fixed(0.5),
                       constraints=bm.Order("mean"))  # fmt: skip
    rng, draws = np.random.default_rng(6), 60
    mean = np.sort(rng.normal(size=(1, draws, 2, 1)), axis=2) + np.array([[-10.0], [10.0]])
    posterior = {"mean": (("chain", "draw", "component", "feature"), mean)}
    z = rng.integers(2, size=(1, draws, 50))
    if latent == "explicit":
        posterior["z"] = (("chain", "draw", "obs"), z)
    coords = {"component": [0, 1], "feature": ["x0"]} | ({"obs": np.arange(50)} if latent == "explicit" else {})
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(posterior, coords=coords)})
    with model.to_pymc(bm.Data(X), latent=latent):
        drawn = pm.sample_posterior_predictive(
            tree, progressbar=False, random_seed=1, compile_kwargs={"mode": "FAST_COMPILE"}
        )
    x = drawn["posterior_predictive"]["x"].values[0, :, :, 0]
    side = (x > 0).astype(int)
    assert np.abs(x - np.take_along_axis(mean[0, :, :, 0], side, axis=1)).max() < 0.1
    if latent == "explicit":
        np.testing.assert_array_equal(side, z[0])
    else:
        assert abs(side.mean() - 0.5) <= 5 * 0.5 / np.sqrt(side.size)
