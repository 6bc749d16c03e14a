"""The marginal step of Gibbs: its density, its exact posteriors, when it is taken, and who is refused."""

import numpy as np
import pytest
from numba import njit

import bayesmix as bm
from bayesmix.em.kernel import Problem
from bayesmix.mcmc import gibbs_marginal, proposal
from bayesmix.mcmc.gibbs_whole import Whole
from tests.mcmc.posteriors import case, exact, mcse, near
from tests.mcmc.test_exact import case as tiny
from tests.mcmc.test_exact import known_sd, within
from tests.mcmc.test_gibbs_compiled import MODELS, rows

PARTS = ("owners", "coordinates", "draw_q", "density", "log_prior", "log_q", "copy")
CALLED = {name: njit(getattr(gibbs_marginal, name).py_func, error_model="numpy") for name in PARTS}  # from Python


def overlapping(n=200, gap=1.8, seed=0):
    """Rows around two centres that few would tell apart."""
    rng = np.random.default_rng(seed)
    return bm.Data(gap * rng.integers(2, size=n) + rng.normal(size=n))


def one_d(K=2, constraints=()):
    family = bm.Gaussian(mean=bm.Normal(0, 3), var=bm.InverseGamma(3, 1))
    return bm.Mixture(family, K, weight=bm.Dirichlet(2.0), constraints=constraints)


def gibbs(model, data, **options):
    options = {"draws": 1000, "tune": 100, "chains": 4, "seed": 5, "marginal_steps": True} | options
    return bm.fit_mcmc(model, data, sampler="gibbs", **options)


def prepared(model, data):
    """(the Whole, the best optimum, the Laplace proposal) of a model."""
    model = model.resolve(data)
    problem, em = Problem.of(model, data), bm.fit_em(model, data, seed=0, restarts=3)
    return Whole.of(problem), em.optima[0], proposal.first(problem, em.optima[0])


def density(whole, q, v, home):
    """(log density at v, theta there in centred coordinates): component k under the label home[k]."""
    problem, inner = whole.problem, whole.problem.central
    K, wide = problem.mixture.components, -(-problem.feature_count // 4) * 4
    state = whole.state(inner)
    value = CALLED["density"](
        whole.kind, *whole.rows, whole.numbers, q, v, home, np.random.default_rng(0), *state,
        np.empty((K + K % 2) * wide), np.zeros((K + K % 2) * wide), np.empty((wide + K + K % 2 + 2) * 136),
    )  # fmt: skip
    return value, state.theta(whole.scale)


SERVED = [name for name in MODELS if name not in ("known means", "known mean, own covariances")]


@pytest.mark.parametrize("name", SERVED)
def test_the_density_is_that_of_the_model_in_unconstrained_coordinates(name):
    """Against log likelihood + log prior + log Jacobian of the specification, whose constants drop out of a step."""
    family, d = MODELS[name]
    whole, _, q = prepared(bm.Mixture(family, 2, weight=bm.Dirichlet([2.0, 2.0])), bm.Data(rows(d)))
    problem, rng, off, home = whole.problem, np.random.default_rng(1), [], np.arange(2)
    for _ in range(6):
        v = np.empty(len(q.centre))
        CALLED["draw_q"](q._replace(factor=0.5 * q.factor), rng, v)
        value, theta = density(whole, q, v, home)
        model, back = problem.mixture, np.empty(len(v))
        u = model.vector(theta)
        truth = problem.e_step(theta).log_likelihood + sum(model.log_prior(theta).values())
        off.append(value - truth - model.log_jacobian(u, theta))
        state = whole.state(theta)
        CALLED["coordinates"](whole.kind, whole.numbers, state.weight, state.mean, state.scale, home, back)
        np.testing.assert_allclose(back, v, rtol=1e-9, atol=1e-9)
    off = np.array(off)[np.isfinite(off)]
    assert len(off) >= 3
    np.testing.assert_allclose(off, off[0], atol=1e-9 * (1 + abs(truth)))


def test_the_density_is_the_same_under_all_labels_and_nothing_out_of_order():
    whole, _, q = prepared(one_d(3), overlapping())
    v = q.centre.copy()
    value, theta = density(whole, q, v, np.arange(3))
    for perm in ([1, 2, 0], [2, 1, 0]):
        there, other = density(whole, q, v, np.array(perm))
        assert abs(there - value) <= 1e-9 * abs(value)
        np.testing.assert_allclose(other["mean"][perm], theta["mean"])
        home = np.empty(3, dtype=np.int64)
        CALLED["owners"](q, other["mean"], home)
        np.testing.assert_array_equal(home, perm)
    means = v[2:5].copy()
    v[2:5] = means[[1, 0, 2]]
    assert density(whole, q, v, np.arange(3))[0] == -np.inf


def test_the_laplace_proposal_has_its_centre_at_the_optimum():
    for model, d in ((MODELS["normal-inverse-gamma"][0], 1), (MODELS["normal mean, own covariances"][0], 3)):
        whole, optimum, q = prepared(bm.Mixture(model, 2), bm.Data(rows(d)))
        _, theta = density(whole, q, q.centre, np.arange(2))
        np.testing.assert_allclose(whole.problem.mixture.vector(theta), optimum.u, rtol=1e-9, atol=1e-9)


def test_the_acceptance_rate_of_importance_weights():
    """w = 1 always moves; w in {0, 1} moves whenever the proposal has weight (the chain is never where it has none)."""
    assert proposal.acceptance(np.ones(50)) == pytest.approx(1.0)
    assert proposal.acceptance(np.repeat([0.0, 1.0], 500)) == pytest.approx(0.5)


def drawn(model, data, draws=25_000, chains=4, tune=200):
    """field -> (chain, draw, ...) with the marginal step in every sweep, without what `fit_mcmc` adds."""
    whole, optimum, _ = prepared(model, data)
    q, said = proposal.marginal(whole, optimum, np.random.default_rng(0), True)
    assert said.startswith("yes")
    problem, parts = whole.problem, []
    for seed in range(chains):
        theta = problem.inward(problem.mixture.draw_prior(np.random.default_rng(seed), data.d))
        fields, accepted = whole.chain(theta, np.random.default_rng(100 + seed), tune + draws, proposal=q)
        assert accepted.mean() > 0.1
        parts.append(problem.outward({name: value[tune:] for name, value in fields.items()}))
    return {name: np.stack([p[name] for p in parts]) for name in parts[0]}


@pytest.mark.parametrize("letter", ["A", *(pytest.param(name, marks=pytest.mark.certify) for name in "BS")])
def test_exact_posteriors(golden, letter):
    c, model, data = case(golden, letter)
    exact(model, data, drawn(model, data), c, step=60)


@pytest.mark.certify
def test_b1_as_an_inverse_wishart(golden):
    c, _, data = case(golden, "B")
    mean = bm.ConjugateNormal(c["m0"], c["kappa0"])
    model = bm.Mixture(bm.MvGaussian(mean=mean, cov=bm.InverseWishart(2 * c["a0"], [[2 * c["b0"]]])), 2)
    fields = drawn(model, data)
    exact(model, data, fields | {"var": fields["cov"][..., 0]}, c, step=60)


def test_hard_constraints_on_a1(golden):
    c, floor = tiny(golden, "A1"), 0.1
    truth = golden("exact_potentials_A1")["order_and_wmin_0_1"]
    fit = gibbs(known_sd(c, (bm.Order("mean"), bm.MinWeight(floor))), bm.Data(c["y"]), draws=8000)
    mean, w = fit.draws["mean"][..., 0], fit.draws["weight"][..., 0]
    assert (np.diff(mean, axis=-1) > 0).all() and ((w >= floor) & (w <= 1 - floor)).all()
    for k in range(2):
        within(mean[..., k], truth[f"mu{k}"], truth[f"sd{k}"], f"mean {k}")
    within(w, truth["w0"], truth["sdw"], "weight 0")


def by_steps_alone(model, data, draws, monkeypatch, forget):
    """Ordered means of a chain of marginal steps, without a sweep; `forget`: without the density of the proposal."""
    whole, optimum, _ = prepared(model, data)
    q, rng = proposal.marginal(whole, optimum, np.random.default_rng(0), True)[0], np.random.default_rng(1)
    state, K = whole.state(whole.problem.inward(optimum.theta)), 2
    wide = -(-whole.problem.feature_count // 4) * 4
    stats, W, scratch = np.empty(K * wide), np.zeros(K * wide), np.empty((wide + K + 2) * 136)
    for name, function in CALLED.items():
        monkeypatch.setattr(gibbs_marginal, name, function)
    if forget:
        monkeypatch.setattr(gibbs_marginal, "log_q", lambda q, v: 0.0)
    kept, home = np.empty((1, draws, 2)), np.arange(K)
    v = np.empty(len(q.centre))
    for s in range(draws):
        CALLED["owners"](q, state.mean, home)
        CALLED["coordinates"](whole.kind, whole.numbers, state.weight, state.mean, state.scale, home, v)
        here = whole.problem.e_step(state.theta(whole.scale)).log_likelihood
        gibbs_marginal.marginal_step.py_func(
            whole.kind, *whole.rows, whole.numbers, q, rng, here, *state, stats, W, scratch
        )
        kept[0, s] = np.sort(whole.problem.outward(state.theta(whole.scale))["mean"][:, 0])
    return kept


def test_the_step_alone_leaves_the_posterior_as_it_is_and_without_its_proposal_does_not(golden, monkeypatch):
    c, model, data = case(golden, "A")
    truth, sd = (np.array(c[f"ordered_mean_posterior_{name}"]) for name in ("mean", "sd"))
    means = by_steps_alone(model, data, 2000, monkeypatch, False)
    near(means, truth, "ordered means")
    near((means - truth) ** 2, sd**2, "their variance")
    means = by_steps_alone(model, data, 2000, monkeypatch, True)
    with pytest.raises(AssertionError, match="against"):  # negative control
        near((means - truth) ** 2, sd**2, "their variance")


def test_it_is_taken_where_groups_overlap_and_left_where_they_do_not():
    """One seed's pilot, but far from the line: Gibbs alone is worth .04 of a draw here, and .6 there."""
    near_by = gibbs(one_d(), overlapping(), draws=50, marginal_steps=None)
    assert near_by.settings["marginal_steps"].startswith("yes: a step is worth")
    apart = gibbs(one_d(), overlapping(gap=8), draws=50, marginal_steps=None)
    assert apart.settings["marginal_steps"].startswith("no: a sweep of Gibbs alone is worth")
    assert "marginal_accepted" not in apart.tree["sample_stats"]


def test_what_the_importance_weights_promise_is_tried(monkeypatch):
    """Two features: for some seeds the weights promise an acceptance of .1 and more, where chains have .002."""
    rng, noise = np.random.default_rng(0), np.random.default_rng(1)
    x = 0.5 * (rng.normal(scale=3, size=(2, 2))[rng.integers(2, size=300)] + rng.normal(size=(300, 2)))
    x += noise.normal(size=x.shape)
    family = bm.MvGaussian(mean=bm.Normal(0, 2), cov=bm.InverseWishart(4, 0.5 * np.eye(2)))
    data = bm.Data((x - x.mean(axis=0)) / x.std(axis=0))
    model = bm.Mixture(family, 2, weight=bm.Dirichlet(2.0)).resolve(data)
    whole, optimum = Whole.of(Problem.of(model, data)), bm.fit_em(model, data, seed=0).optima[0]

    def decided():
        return [proposal.marginal(whole, optimum, np.random.default_rng(seed))[1][:3] for seed in (1, 2, 4)]

    assert decided() == ["no:"] * 3
    monkeypatch.setattr(proposal, "moved", lambda *_: 1.0)  # negative control: the weights alone
    assert decided().count("yes") >= 2


@pytest.mark.certify
def test_effective_draws_where_groups_overlap():
    """The chains' means of the smaller weight scatter at most .6 as much, as with three times the draws."""
    x = overlapping(500, gap=2).x
    whole, optimum, _ = prepared(one_d(), bm.Data((x - x.mean()) / x.std()))
    q, _ = proposal.marginal(whole, optimum, np.random.default_rng(0), True)
    theta, spread = whole.problem.inward(optimum.theta), []
    for one in (q, None):
        chains = [whole.chain(theta, np.random.default_rng(s), 2000, proposal=one)[0]["weight"] for s in range(24)]
        spread.append(np.std([w.min(axis=1).mean() for w in chains]))
    assert spread[0] < 0.6 * spread[1], spread


def test_draws_do_not_depend_on_workers():
    em = bm.fit_em(one_d(), overlapping(), seed=0, restarts=3)
    fits = [gibbs(one_d(), overlapping(), draws=30, tune=5, workers=w, start=em) for w in (1, 3)]
    never = gibbs(one_d(), overlapping(), draws=30, tune=5, marginal_steps=False, start=em)
    assert never.settings["marginal_steps"] == "no: not wanted"
    assert not np.array_equal(never.draws["mean"], fits[0].draws["mean"])
    np.testing.assert_array_equal(fits[0].draws["mean"], fits[1].draws["mean"])


def test_it_is_refused_openly():
    with pytest.raises(bm.InputError, match="known means have no order"):
        family = bm.Gaussian(mean=bm.Fixed(0.0), var=bm.InverseGamma(3, 1))
        gibbs(bm.Mixture(family, 2), overlapping())
    with pytest.raises(bm.InputError, match="needs an EM optimum"):
        gibbs(one_d(), overlapping(), start="prior")
    with pytest.raises(bm.InputError, match="Gaussian components"):
        gibbs(bm.Mixture(bm.Poisson(), 2), bm.Data([1.0, 2, 3, 9, 12]))
    with pytest.raises(bm.InputError, match="only sampler"):
        bm.fit_mcmc(one_d(), overlapping(), marginal_steps=True)
    said = gibbs(one_d(), overlapping(), start="prior", draws=5, tune=1, marginal_steps=None).settings["marginal_steps"]
    assert said == "no: the step needs an EM optimum to begin from"


@pytest.mark.certify
@pytest.mark.parametrize("K", [2, 3])
def test_with_and_without_it_the_posterior_is_the_same(K):
    """Two features, full covariances, some labels: sorted weights, density at rows, log likelihood, within MCSE."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(150, 2)) + 3 * rng.integers(K, size=150)[:, None] * np.array([1, 0.3])
    label = np.where(rng.random(150) < 0.1, (x[:, 0] > 1.5).astype(int), -1) if K == 2 else None
    family = bm.MvGaussian(mean=bm.Normal(0, 5), cov=bm.InverseWishart(5, np.eye(2)))
    model, data = bm.Mixture(family, K, weight=bm.Dirichlet(3.0)), bm.Data(x, label=label)
    fits = [gibbs(model, data, draws=10_000, seed=s, marginal_steps=m) for s, m in ((1, True), (2, False))]
    assert fits[0].tree["sample_stats"]["marginal_accepted"].values.mean() > 0.03
    for read in (
        lambda f: np.sort(f.draws["weight"], axis=-1),
        lambda f: f.tree["sample_stats"]["total_log_likelihood"].values,
        lambda f: np.sort(f.draws["mean"][..., 0], axis=-1),
    ):
        a, b = (read(f) for f in fits)
        near(a, b.mean(axis=(0, 1)), "with and without", error=mcse(b))
