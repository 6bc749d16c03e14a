"""Gibbs, the second engine: its steps, constraints, row weights, relabelling, refusals (posteriors: `test_six`)."""

import arviz as az
import numpy as np
import pytest
from scipy import stats

import bayesmix as bm
from bayesmix.em.kernel import Problem
from bayesmix.mcmc.gibbs_steps import sorted_away
from bayesmix.spec.truncated import draw_beta, draw_gamma, draw_inverse_gamma, draw_normal
from tests.mcmc.posteriors import near
from tests.mcmc.test_exact import case, known_sd, soft_quadrature, within


def gibbs(model, data, **options):
    options = {"draws": 3000, "tune": 200, "chains": 4, "start": "prior", "seed": 5} | options
    return bm.fit_mcmc(model, data, sampler="gibbs", **options)


@pytest.mark.parametrize("floor", [0.1, pytest.param(0.3, marks=pytest.mark.certify)])
def test_hard_constraints_on_a1(golden, floor):
    c = case(golden, "A1")
    exact = golden("exact_potentials_A1")[f"order_and_wmin_0_{floor * 10:.0f}"]
    fit = gibbs(known_sd(c, (bm.Order("mean"), bm.MinWeight(floor))), bm.Data(c["y"]), draws=4000)
    mean, w = fit.draws["mean"][..., 0], fit.draws["weight"][..., 0]
    assert (np.diff(mean, axis=-1) > 0).all() and ((w >= floor) & (w <= 1 - floor)).all()
    for k in range(2):
        within(mean[..., k], exact[f"mu{k}"], exact[f"sd{k}"], f"mean {k}")
    within(w, exact["w0"], exact["sdw"], "weight 0")


def test_weights_under_a_floor_that_redrawing_cannot_meet():
    """Five components, floor .19: the simplex left is tiny, so pairs of weights move; against rejection-free truth."""
    from bayesmix.mcmc.gibbs_steps import draw_weight

    floor, K, a = 0.19, 5, 3.0
    model = bm.Mixture(bm.Poisson(), K, weight=bm.Dirichlet(a), constraints=(bm.MinWeight(floor),))
    rng = np.random.default_rng(0)
    w, kept = np.full(K, 1 / K), []
    counts = np.array([40.0, 5, 5, 5, 5])
    for _ in range(3000):
        w = draw_weight(model, counts, w, list(model.constraints), rng)
        kept.append(w)
    kept = np.array(kept)
    assert kept.min() >= floor - 1e-12
    np.testing.assert_allclose(kept.sum(axis=1), 1.0, rtol=1e-12)
    # importance sampling on w = floor + (1 - K floor) v, v uniform on the simplex
    v = floor + (1 - K * floor) * rng.dirichlet(np.ones(K), size=400_000)
    log_p = ((counts + a - 1) * np.log(v)).sum(axis=1)
    p = np.exp(log_p - log_p.max())
    truth = (p[:, None] * v).sum(axis=0) / p.sum()
    error = np.sqrt((p[:, None] ** 2 * (v - truth) ** 2).sum(axis=0)) / p.sum()
    batches = kept.reshape(100, 30, K).mean(axis=1)
    mcse = np.hypot(batches.std(axis=0, ddof=1) / 10, error)
    assert (abs(kept.mean(axis=0) - truth) <= 5 * mcse).all()


@pytest.mark.certify
def test_soft_constraints_on_a1(golden):
    c = case(golden, "A1")
    soft = (bm.Order("mean", enforce="soft", width=0.5), bm.MinWeight(0.2, enforce="soft", width=0.05))
    exact = soft_quadrature(np.array(c["y"]), c["s0"], 0.5, 0.2, 0.05)
    fit = gibbs(known_sd(c, soft), bm.Data(c["y"]))
    within(fit.draws["mean"][..., 0, 0], *exact["mu0"], "mu0")
    within(fit.draws["mean"][..., 1, 0], *exact["mu1"], "mu1")
    within(fit.draws["weight"][..., 0], *exact["w0"], "w0")


def test_a_soft_order_does_not_hold_chains_under_other_names(golden):
    """Names that the order finds unlikely are left at once: runs of such draws are short, not hundreds long."""
    c = case(golden, "A1")
    model = known_sd(c, (bm.Order("mean", enforce="soft", width=2.0),))
    mean = gibbs(model, bm.Data(c["y"]), draws=1500, chains=2).draws["mean"][..., 0]
    free = gibbs(known_sd(c), bm.Data(c["y"]), draws=1500, chains=2, permutation_moves=True).draws["mean"][..., 0]
    keep = 1 / (1 + np.exp((free[..., 0] - free[..., 1]) / 2.0))  # reweighting says how often they are the other way
    truth = keep[free[..., 0] > free[..., 1]].sum() / keep.sum()
    other = mean[..., 0] > mean[..., 1]
    assert truth > 0.05 and abs(other.mean() - truth) < 5 * np.hypot(*(np.sqrt(truth / n) for n in (600, 600)))
    assert (np.diff(other.astype(int), axis=1) != 0).mean() > 0.05


def test_two_orders_hold_together(golden):
    """Sorting by one would undo the other: both are imposed, and the posterior is the free one's part that obeys."""
    c = case(golden, "A1")
    orders = (bm.Order("mean"), bm.Order("weight"))
    draws = gibbs(known_sd(c, orders), bm.Data(c["y"]), draws=1500, chains=2).draws
    mean, w = draws["mean"][..., 0], draws["weight"]
    assert (mean[..., 0] < mean[..., 1]).all() and (w[..., 0] < w[..., 1]).all()
    free = gibbs(known_sd(c), bm.Data(c["y"]), draws=3000, chains=2, permutation_moves=True).draws
    obeys = (np.diff(free["mean"][..., 0]) > 0)[..., 0] & (np.diff(free["weight"]) > 0)[..., 0]
    for ours, theirs in ((mean[..., 0], free["mean"][..., 0, 0][obeys]), (w[..., 0], free["weight"][..., 0][obeys])):
        error = np.hypot(float(az.mcse(ours)), theirs.std() / np.sqrt(len(theirs) / 10))
        assert abs(ours.mean() - theirs.mean()) < 5 * error


def test_orders_of_different_components_are_each_sorted_away():
    """Two pairs, each in its own order: neither undoes the other, so no draw has to be rejected."""
    pairs = bm.Components((bm.Gaussian(mean=bm.Normal(0, 3), sd=bm.Fixed(1)), 2), (bm.Poisson(rate=bm.Gamma(2, 1)), 2))
    model = bm.Mixture(pairs, constraints=(bm.Order("mean"), bm.Order("rate")))
    data = bm.Data(np.array([0.0, 1, 4, 7, 2, 9]))
    problem = Problem.of(model.resolve(data), data)
    assert [sorted_away(problem, c) for c in problem.mixture.constraints] == [True, True]
    draws = gibbs(model, data, draws=100, chains=2).draws
    assert all((np.diff(draws[name][..., 0]) > 0).all() for name in ("mean", "rate"))


def test_permutation_moves_visit_every_labelling(golden):
    c = case(golden, "A1")
    fit = gibbs(known_sd(c), bm.Data(c["y"]), permutation_moves=True, draws=500, start=None)
    first = fit.draws["mean"][..., 0, 0] < fit.draws["mean"][..., 1, 0]
    assert abs(first.mean() - 0.5) < 5 * 0.5 / np.sqrt(first.size)  # the moves make it an independent coin
    relabelled = fit.relabelled["mean"][..., 0]
    assert (relabelled[..., 0] < relabelled[..., 1]).mean() > 0.95 or (
        relabelled[..., 0] > relabelled[..., 1]
    ).mean() > 0.95


@pytest.mark.certify
def test_integer_weights_are_repeated_rows():
    """Sampling a row of weight m as m rows with allocations of their own."""
    x, m = np.array([-1.0, 0.2, 3.0, 4.0]), np.array([2, 1, 3, 1])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), var=bm.InverseGamma(3, 2)), 2, constraints=(bm.Order("mean"),))
    a = gibbs(model, bm.Data(x, weight=m.astype(float)), seed=1)
    b = gibbs(model, bm.Data(np.repeat(x, m)), seed=2)
    import arviz as az

    for name in ("mean", "var"):
        u, v = (f.draws[name][..., 0, 0] for f in (a, b))
        assert abs(u.mean() - v.mean()) <= 5 * np.hypot(float(az.mcse(u)), float(az.mcse(v)))


def test_same_seed_same_draws():
    data = bm.Data(np.random.default_rng(0).poisson([2, 9], (40, 2)).ravel())
    model = bm.Mixture(bm.Poisson(), 2)
    a, b, c = (gibbs(model, data, draws=50, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(a.draws["rate"], b.draws["rate"])
    assert not np.array_equal(a.draws["rate"], c.draws["rate"])


def test_lecture_priors_uniform_on_the_sd():
    """sd ~ U(0, 2): the truncated step keeps inside, and its law is the conditional one."""
    rng = np.random.default_rng(0)
    x = rng.normal(1.0, 1.5, 12)
    family = bm.Gaussian(mean=bm.Fixed(1.0), sd=bm.Uniform(0, 2))
    stat = (np.ones((1, 12)) @ family.sufficient(x[:, None])).repeat(5000, axis=0)
    theta = {"mean": np.ones((5000, 1)), "sd": np.ones((5000, 1))}
    draws = family.conditional(stat, rng, **theta)["sd"].ravel()
    grid = np.linspace(1e-3, 2, 4001)
    log_p = -12 * np.log(grid) - ((x - 1) ** 2).sum() / (2 * grid**2)
    cdf = np.cumsum(np.exp(log_p - log_p.max()))
    assert stats.kstest(draws, lambda v: np.interp(v, grid, cdf / cdf[-1])).pvalue > 1e-4
    assert draws.max() <= 2


CONDITIONALS = {
    "poisson": (bm.Poisson(rate=bm.Gamma(2, 1)), "rate", [0.0, 3, 1, 2], np.linspace(1e-4, 12, 4001)),
    "uniform rate": (bm.Poisson(rate=bm.Uniform(0.5, 2)), "rate", [0.0, 3, 1, 2], np.linspace(0.5, 2, 4001)),
    "bernoulli": (bm.Bernoulli(prob=bm.Beta(2, 3)), "prob", [0.0, 1, 1, 1], np.linspace(1e-6, 1 - 1e-6, 4001)),
    "exponential": (bm.ExponentialComponent(rate=bm.Gamma(2, 1)), "rate", [0.3, 2, 1], np.linspace(1e-4, 12, 4001)),
    "mean": (bm.Gaussian(mean=bm.Normal(1, 2), var=bm.Fixed(0.5)), "mean", [0.3, 2, 1], np.linspace(-4, 6, 4001)),
    "uniform mean": (bm.Gaussian(mean=bm.Uniform(1.5, 3), var=bm.Fixed(0.5)), "mean", [0.3, 2, 1],
                     np.linspace(1.5, 3, 4001)),
    "variance": (bm.Gaussian(mean=bm.Fixed(1.0), var=bm.InverseGamma(3, 2)), "var", [0.3, 2, 1],
                 np.geomspace(1e-3, 300, 4001)),
    "lognormal": (bm.LogNormalComponent(mean=bm.Fixed(0.0), var=bm.InverseGamma(3, 2)), "var", [0.3, 2, 1],
                  np.geomspace(1e-3, 300, 4001)),
}  # fmt: skip


@pytest.mark.parametrize("name", CONDITIONALS)
def test_conditionals_follow_the_density_they_come_from(name):
    """Draws of the only parameter, given all rows, against exp(<stats, W> + log prior) on a grid."""
    family, field, x, grid = CONDITIONALS[name]
    x = np.array(x)[:, None]
    stat = (np.ones((1, len(x))) @ family.sufficient(x)).repeat(4000, axis=0)
    start = family.draw_prior(np.random.default_rng(0), 4000, 1)
    draws = family.conditional(stat, np.random.default_rng(1), **start)[field].ravel()
    log_p = [family.expected(stat[:1], {n: np.full((1, 1), g) if n == field else v[:1] for n, v in start.items()})
             for g in grid]  # fmt: skip
    p = np.exp(np.array(log_p) - np.max(log_p))
    cdf = np.concatenate([[0], np.cumsum(0.5 * (p[1:] + p[:-1]) * np.diff(grid))])
    assert stats.kstest(draws, lambda v: np.interp(v, grid, cdf / cdf[-1])).pvalue > 1e-4


@pytest.mark.parametrize(
    ("family", "x"),
    [(bm.Categorical(), [[0], [2], [1], [2], [2]]), (bm.Multinomial(), [[1, 2, 3], [0, 4, 1]])],
    ids=["categorical", "multinomial"],
)
def test_simplex_conditionals_have_dirichlet_moments(family, x):
    x = np.array(x, dtype=float)
    family = family.resolve(x)
    stat = (np.ones((1, len(x))) @ family.sufficient(x)).repeat(20_000, axis=0)
    start = family.draw_prior(np.random.default_rng(0), 20_000, x.shape[1])
    draws = family.conditional(stat, np.random.default_rng(1), **start)["prob"].reshape(20_000, -1)
    counts = np.bincount(x[:, 0].astype(int), minlength=3) if x.shape[1] == 1 else x.sum(axis=0)
    a = counts + np.broadcast_to(family.prob.concentration, 3)
    assert (abs(draws.mean(axis=0) - a / a.sum()) < 5 * draws.std(axis=0) / np.sqrt(len(draws))).all()


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (lambda rng: draw_normal(rng, np.zeros(4000), 1.0, (4.0, 5.0)), stats.truncnorm(4, 5)),
        (lambda rng: draw_normal(rng, np.full(4000, 2.0), 1.0, (-np.inf, 1.0)), stats.truncnorm(-np.inf, -1, loc=2)),
    ],
)
def test_truncated_normal(draw, law):
    assert stats.kstest(draw(np.random.default_rng(0)), law.cdf).pvalue > 1e-4


def test_truncated_gamma_beta_and_inverse_gamma():
    rng, n = np.random.default_rng(1), 4000

    def inside(law, low, high):
        return lambda v: (law.cdf(v) - law.cdf(low)) / (law.cdf(high) - law.cdf(low))

    g = draw_gamma(rng, np.full(n, 2.0), 3.0, (1.0, 2.0))
    assert stats.kstest(g, inside(stats.gamma(2, scale=1 / 3), 1, 2)).pvalue > 1e-4
    b = draw_beta(rng, np.full(n, 2.0), 5.0, (0.3, 0.6))
    assert stats.kstest(b, inside(stats.beta(2, 5), 0.3, 0.6)).pvalue > 1e-4
    v = draw_inverse_gamma(rng, np.full(n, 2.0), 3.0, (0.5, 4.0))
    assert stats.kstest(v, inside(stats.invgamma(2, scale=3), 0.5, 4)).pvalue > 1e-4


@pytest.mark.parametrize(
    ("model", "weight", "says"),
    [
        (bm.Mixture(bm.Gaussian(mean=bm.Flat()), 2), None, "Flat"),
        (bm.Mixture(bm.Gaussian(sd=bm.HalfNormal(1)), 2), None, "conjugate"),
        (bm.Mixture(bm.Gaussian(), 2), [1.5, 1, 1, 1], "whole numbers"),
    ],
)
def test_what_gibbs_refuses(model, weight, says):
    with pytest.raises(bm.InputError, match=says):
        gibbs(model, bm.Data([1.0, 2.0, 3.0, 5.0], weight=weight), draws=10)


def against_the_priors(monkeypatch, whole_tries, draws):
    """Draws (1, draws, 2) of two ordered means, whose priors would have them the other way round."""
    from bayesmix.em.kernel import Problem
    from bayesmix.mcmc import gibbs_steps

    monkeypatch.setattr(gibbs_steps, "WHOLE_TRIES", whole_tries)
    family = bm.Gaussian(mean=bm.Normal([[1.0], [-1.0]], 0.5), sd=bm.Fixed(1.0))
    data = bm.Data([0.1, -0.1, 0.1, -0.1], label=[0, 0, 1, 1])
    problem = Problem.of(bm.Mixture(family, 2, constraints=bm.Order("mean")).resolve(data), data)
    stats_, _ = problem.statistics(np.array([0, 0, 1, 1]))
    theta = problem.inward({"weight": np.full(2, 0.5), "mean": np.array([[-0.1], [0.1]]), "sd": np.ones((2, 1))})
    rng, mean = np.random.default_rng(8), np.empty((1, draws, 2))
    for s in range(draws):
        theta = theta | gibbs_steps.draw_family(problem, stats_, theta, rng)
        mean[0, s] = problem.outward(theta)["mean"][:, 0]
    return mean


def test_where_redrawing_all_means_does_not_do_they_are_redrawn_one_by_one(monkeypatch):
    mean = against_the_priors(monkeypatch, 1, 30)[0]
    assert (mean[:, 0] <= mean[:, 1]).all()
    assert (np.diff(mean, axis=0) != 0).mean() > 0.5


@pytest.mark.certify
@pytest.mark.parametrize("way", ["all at once", "one by one"])
def test_an_order_against_the_priors_has_its_exact_posterior(way, monkeypatch):
    """All labels known, so the means are normal but for the order; their priors would have it the other way round.

    mean_1 - mean_0 is a normal cut at zero, of which one draw in a hundred is above; the sum is not touched.
    """
    mean = against_the_priors(monkeypatch, 1 if way == "one by one" else 10_000, 2500 if way == "one by one" else 500)
    gap, sd = mean[..., 1] - mean[..., 0], np.sqrt(2 / 6)  # prior precision 4, two rows: 6
    law = stats.truncnorm(4 / 3 / sd, np.inf, loc=-4 / 3, scale=sd)
    assert (gap > 0).all()
    near(gap, law.mean(), "the gap")
    near((gap - law.mean()) ** 2, law.var(), "its variance")
    near(mean.sum(axis=-1), 0.0, "the sum")
    with pytest.raises(AssertionError):  # negative control
        near(gap, stats.halfnorm(scale=sd).mean(), "the gap")


def test_permutation_moves_belong_to_gibbs():
    with pytest.raises(bm.InputError, match="only sampler"):
        bm.fit_mcmc(bm.Mixture(bm.Poisson(), 2), bm.Data([1.0, 2, 3]), permutation_moves=True, start="prior")


@pytest.mark.parametrize("joint", [False, True], ids=["scale first", "together"])
def test_what_an_order_forbids_is_redrawn_given_what_was_drawn_before_it(joint):
    """A mean drawn given its variance is redrawn given the same variance; a pair drawn together goes together.

    (To redraw both in the first case would favour variances under which the order is likely: not a Gibbs step.)
    """
    from bayesmix.em.kernel import Problem
    from bayesmix.mcmc import gibbs_steps

    prior = bm.ConjugateNormal([[0.0], [0.1]], 0.1) if joint else bm.Normal([[0.0], [0.1]], 3.0)
    family = bm.Gaussian(mean=prior, var=bm.InverseGamma(3, 2))
    data = bm.Data(np.array([1.0, 2.5, 3.0, -0.5, 0.0, 2.0]), label=[0, 0, 0, 1, 1, 1])
    problem = Problem.of(bm.Mixture(family, 2, constraints=bm.Order("mean")).resolve(data), data)
    stats, _ = problem.statistics(np.repeat([0, 1], 3))
    theta = {"weight": np.full(2, 0.5), "mean": np.array([[-1.0], [1.0]]), "var": np.ones((2, 1))}
    same = []
    for seed in range(40):
        first = problem.mixture.family.conditional(stats, np.random.default_rng(seed), **problem.mixture.own(theta))
        drawn = gibbs_steps.draw_family(problem, stats, theta, np.random.default_rng(seed))
        assert drawn["mean"][0, 0] <= drawn["mean"][1, 0]
        if first["mean"][0, 0] > first["mean"][1, 0]:
            same.append((drawn["var"] == first["var"]).all())
    assert len(same) > 10
    assert not any(same) if joint else all(same)
