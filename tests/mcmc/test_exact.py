"""NUTS reproduces posteriors known exactly, by enumeration and by quadrature."""

import arviz as az
import numpy as np
import pytest

import bayesmix as bm

DRAWS = 2500


def within(value, truth, sd, what):
    """|mean - truth| <= 5 MCSE, with MCSE <= 2 % of the posterior sd."""
    mcse = float(az.mcse(np.asarray(value)))
    assert mcse <= 0.02 * sd, f"{what}: MCSE {mcse:.4g} is more than 2 % of the sd {sd:.4g}"
    assert abs(value.mean() - truth) <= 5 * mcse, f"{what}: {value.mean():.5f} against {truth:.5f}, MCSE {mcse:.5f}"


def case(golden, prefix):
    return next(c for c in golden("exact_tiny") if c["name"].startswith(prefix))


def known_sd(c, constraints=()):
    family = bm.Gaussian(mean=bm.Normal(np.array(c["m0"]), c["s0"]), sd=bm.Fixed(c["sigma_known"]))
    return bm.Mixture(family, c["K"], weight=bm.Dirichlet(1.0), constraints=constraints)


def co_clustering_agrees(fit, c):
    """P(z_i = z_j): per-draw r_i . r_j has the exact matrix as its mean."""
    exact = np.array(c["coclustering"])
    n, (chains, draws) = len(exact), fit.shape
    pairs = np.triu_indices(n, 1)
    together = np.empty((chains, draws, len(pairs[0])))
    for ch, s in np.ndindex(chains, draws):
        r = fit._responsibilities(fit.theta(ch, s), fit.data.x)
        together[ch, s] = (r @ r.T)[pairs]
    mcse = np.array([float(az.mcse(together[..., p])) for p in range(together.shape[-1])])
    assert (abs(together.mean(axis=(0, 1)) - exact[pairs]) <= 5 * mcse + 1e-12).all()
    np.testing.assert_allclose(fit.co_clustering()[pairs], together.mean(axis=(0, 1)), atol=1e-12)


@pytest.mark.certify  # a minute of compilation; by Gibbs it is in the ordinary run
def test_a1_normal_with_known_variance(golden):
    c = case(golden, "A1")
    fit = bm.fit_mcmc(known_sd(c), bm.Data(c["y"]), draws=DRAWS, tune=1000, seed=11)
    means = np.sort(fit.draws["mean"][..., 0], axis=-1)
    for k in range(2):
        within(means[..., k], c["ordered_mean_posterior_mean"][k], c["ordered_mean_posterior_sd"][k], f"mean {k}")
    w = fit.draws["weight"]
    within((w**2).sum(axis=-1), c["E_sum_w2"], (w**2).sum(axis=-1).std(), "sum w^2")
    co_clustering_agrees(fit, c)


@pytest.mark.certify
def test_b1_normal_inverse_gamma(golden):
    c = case(golden, "B1")
    family = bm.Gaussian(mean=bm.ConjugateNormal(c["m0"], c["kappa0"]), var=bm.InverseGamma(c["a0"], c["b0"]))
    fit = bm.fit_mcmc(bm.Mixture(family, 2), bm.Data(c["y"]), draws=2 * DRAWS, tune=1000, seed=12, start="prior")
    means = np.sort(fit.draws["mean"][..., 0], axis=-1)
    for k in range(2):
        within(means[..., k], c["ordered_mean_posterior_mean"][k], c["ordered_mean_posterior_sd"][k], f"mean {k}")
    w, var = fit.draws["weight"], fit.draws["var"][..., 0]
    within((w * var).sum(axis=-1), c["E_sum_w_sigma2"], (w * var).sum(axis=-1).std(), "sum w sigma^2")
    co_clustering_agrees(fit, c)


@pytest.mark.certify
def test_s1_semi_supervised(golden):
    c = case(golden, "S1")
    family = bm.Gaussian(mean=bm.Normal(np.array(c["m0"])[:, None], c["s0"]), sd=bm.Fixed(c["sigma_known"]))
    fit = bm.fit_mcmc(bm.Mixture(family, 2), bm.Data(c["y"], label=c["labels"]), draws=DRAWS, tune=1000, seed=13)
    for k in range(2):
        within(fit.draws["mean"][..., k, 0], c["mu_mean"][k], c["mu_sd"][k], f"mean {k}")
        within(fit.draws["weight"][..., k], c["w_mean"][k], c["w_sd"][k], f"weight {k}")
    r = np.array([fit._responsibilities(t, fit.data.x, fit._log_label) for t in fit.thetas()])[..., 0]
    r = r.reshape(*fit.shape, -1)
    mcse = np.array([float(az.mcse(r[..., i])) if np.ptp(r[..., i]) > 0 else 0.0 for i in range(r.shape[-1])])
    assert (abs(r.mean(axis=(0, 1)) - np.array(c["p_z"])[:, 0]) <= 5 * mcse + 1e-12).all()
    assert (fit.permutation == np.arange(2)).all()  # labelled components do not move


@pytest.mark.parametrize(
    ("how", "floor"),
    [
        pytest.param("transform", 0.1, marks=pytest.mark.certify),
        pytest.param("potential", 0.1, marks=pytest.mark.certify),
        pytest.param("transform", 0.3, marks=pytest.mark.certify),
        pytest.param("potential", 0.3, marks=pytest.mark.certify),
    ],
)
def test_hard_constraints_on_a1(golden, how, floor):
    c = case(golden, "A1")
    exact = golden("exact_potentials_A1")[f"order_and_wmin_0_{floor * 10:.0f}"]
    constraints = (bm.Order("mean", enforce=how), bm.MinWeight(floor, enforce=how))
    draws = DRAWS if how == "transform" else 2 * DRAWS
    fit = bm.fit_mcmc(known_sd(c, constraints), bm.Data(c["y"]), draws=draws, tune=1000, seed=14)
    mean, w = fit.draws["mean"][..., 0], fit.draws["weight"][..., 0]
    assert (np.diff(mean, axis=-1) > 0).all()
    assert ((w >= floor) & (w <= 1 - floor)).all()
    for k in range(2):
        within(mean[..., k], exact[f"mu{k}"], exact[f"sd{k}"], f"mean {k}")
    within(w, exact["w0"], exact["sdw"], "weight 0")
    divergent = fit.groups["sample_stats"]["diverging"].values.mean()
    if how == "transform":
        assert divergent < 1e-3
    else:
        assert divergent > 0.01  # the wall: what `diagnose` reports as such


@pytest.mark.certify
def test_soft_constraints_on_a1_are_their_own_posterior(golden):
    c = case(golden, "A1")
    width, floor_width = 0.5, 0.05
    constraints = (
        bm.Order("mean", enforce="soft", width=width),
        bm.MinWeight(0.2, enforce="soft", width=floor_width),
    )
    exact = soft_quadrature(np.array(c["y"]), c["s0"], width, 0.2, floor_width)
    fit = bm.fit_mcmc(known_sd(c, constraints), bm.Data(c["y"]), draws=DRAWS, tune=1000, seed=15)
    values = {
        "mu0": fit.draws["mean"][..., 0, 0],
        "mu1": fit.draws["mean"][..., 1, 0],
        "w0": fit.draws["weight"][..., 0],
    }
    for name, value in values.items():
        within(value, *exact[name], name)
    hard = golden("exact_potentials_A1")["order_and_wmin_0_1"]
    assert abs(exact["w0"][0] - hard["w0"]) > 1e-3  # another posterior, and told apart


def soft_quadrature(y, s0, width, floor, floor_width):
    """Posterior mean and sd of mu0, mu1, w0 under the soft walls, on a grid (error far below the MCSE)."""
    mu = np.linspace(-9, 11, 401)
    w = np.linspace(0.0025, 0.9975, 200)
    phi = np.exp(-0.5 * (y[:, None] - mu) ** 2)  # (n, grid)
    log_prior = -0.5 * (mu / s0) ** 2
    sigmoid = lambda t: -np.logaddexp(0, -t)  # noqa: E731
    order = sigmoid((mu[None, :] - mu[:, None]) / width)
    mass, out = 0.0, np.zeros((3, 2))
    for weight in w:
        like = np.ones((len(mu), len(mu)))
        for row in phi:
            like *= weight * row[:, None] + (1 - weight) * row[None, :]
        wall = sigmoid((weight - floor) / floor_width) + sigmoid((1 - weight - floor) / floor_width)
        p = like * np.exp(log_prior[:, None] + log_prior[None, :] + order + wall)
        total = p.sum()
        mass += total
        out[0] += (p.sum(axis=1) * mu).sum(), (p.sum(axis=1) * mu**2).sum()
        out[1] += (p.sum(axis=0) * mu).sum(), (p.sum(axis=0) * mu**2).sum()
        out[2] += weight * total, weight**2 * total
    out /= mass
    return {n: (m, float(np.sqrt(q - m**2))) for n, (m, q) in zip(("mu0", "mu1", "w0"), out, strict=True)}
