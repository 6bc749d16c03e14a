"""Log evidence by bridge sampling: the exact values, under constraints too, and when it refuses."""

import math
from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from scipy.special import betaln, gammaln

import bayesmix as bm
from bayesmix.diagnostics import bridge
from bayesmix.spec.normaliser import all_above, increasing, log_normaliser
from tests.mcmc.test_exact import case, known_sd

Z1 = [0, 0, 3, 0, 5, 0, 2, 0, 4, 1, 0, 2]  # only n, the zeros, the sum and prod x! enter
SOUND = SimpleNamespace(verdicts=("sound",))


def model_of(golden, name, constraints=()):
    c = case(golden, name)
    x = np.array(c["X"] if "X" in c else c["y"], dtype=float)
    if name == "A1":
        return known_sd(c, constraints), bm.Data(x), c
    if name == "B1":
        family = bm.Gaussian(mean=bm.ConjugateNormal(c["m0"], c["kappa0"]), var=bm.InverseGamma(c["a0"], c["b0"]))
        return bm.Mixture(family, 2, constraints=constraints), bm.Data(x), c
    if name == "C1":
        family = bm.Bernoulli(prob=bm.Beta(c["beta_a"], c["beta_b"]))
    elif name == "D1":
        family = bm.Poisson(rate=bm.Gamma(c["gamma_shape"], c["gamma_rate"]))
    elif name == "S1":
        family = bm.Gaussian(mean=bm.Normal(np.array(c["m0"])[:, None], c["s0"]), sd=bm.Fixed(c["sigma_known"]))
        return bm.Mixture(family, 2), bm.Data(x, label=c["labels"]), c
    return bm.Mixture(family, c["K"], constraints=constraints), bm.Data(x), c


def evidence(model, data, draws=2500, **options):
    options = {"start": "prior", "seed": 3, "tune": 300, "chains": 4} | options
    fit = bm.fit_mcmc(model, data, sampler="gibbs", draws=draws, **options)
    return bm.log_evidence(fit, diagnosis=SOUND, seed=1)


def agrees(found, exact):
    assert found.ok, found
    assert found.se < 0.05
    assert abs(found.value - exact) < 4 * found.se, (found, exact)


@pytest.mark.parametrize(
    "name", ["A1", *(pytest.param(n, marks=pytest.mark.certify) for n in ("B1", "C1", "D1", "S1"))]
)
def test_exact_evidence(golden, name):
    model, data, c = model_of(golden, name)
    agrees(evidence(model, data), c.get("log_marginal_likelihood", c.get("log_p_y_and_labels")))


def zero_inflated(golden):
    """The model, the data and the exact log evidence of Z1."""
    c = case(golden, "Z1")
    rate = bm.Gamma(c["gamma_shape"], c["gamma_rate"])
    model = bm.Mixture(
        bm.Components(bm.PointMass(0), bm.Poisson(rate=rate)), weight=bm.Dirichlet([c["beta_a"], c["beta_b"]])
    )
    return model, bm.Data(np.array(Z1, dtype=float)), c["log_marginal_likelihood"]


@pytest.mark.certify
def test_zero_inflated_poisson(golden):
    model, data, exact = zero_inflated(golden)
    agrees(evidence(model, data), exact)


@pytest.mark.certify
@pytest.mark.parametrize(
    "name,order", [("A1", bm.Order("mean")), ("C1", bm.Order("prob", by=0)), ("D1", bm.Order("rate"))]
)
def test_an_order_leaves_the_evidence_unchanged(golden, name, order):
    model, data, c = model_of(golden, name, (order,))
    agrees(evidence(model, data), c["log_marginal_likelihood"])


def log_group(c, name, rows):
    """log p(rows | they share one component), its parameters integrated out."""
    n = len(rows)
    if name == "A1":
        cov = np.full((n, n), c["s0"] ** 2) + np.eye(n) * c["sigma_known"] ** 2
        return stats.multivariate_normal(np.full(n, c["m0"]), cov).logpdf(rows) if n else 0.0
    if name == "C1":
        a, b, ones = c["beta_a"], c["beta_b"], rows.sum(axis=0)
        return float((betaln(a + ones, b + n - ones) - betaln(a, b)).sum())
    shape, rate, total = c["gamma_shape"], c["gamma_rate"], rows.sum()
    own = shape * np.log(rate) - gammaln(shape) + gammaln(shape + total) - (shape + total) * np.log(rate + n)
    return own - gammaln(rows + 1).sum()


def floor_evidence(c, name, floor):
    """log p(y | both weights >= floor) by enumeration: the weights' integral is an incomplete beta function."""
    rows, total = np.array(c["X"] if "X" in c else c["y"], dtype=float), []
    mass = np.log(1 - 2 * floor)  # of Dirichlet(1, 1)
    for z in product((0, 1), repeat=len(rows)):
        z = np.array(z)
        a, b = 1 + (z == 0).sum(), 1 + (z == 1).sum()
        inside = stats.beta(a, b).cdf(1 - floor) - stats.beta(a, b).cdf(floor)
        weights = betaln(a, b) + np.log(inside) - mass
        total.append(weights + sum(log_group(c, name, rows[z == k]) for k in (0, 1)))
    return np.logaddexp.reduce(total)


@pytest.mark.parametrize("name", ["A1", "C1", "D1"])
def test_the_enumeration_under_a_floor_ends_at_the_stored_evidence(name, golden):
    """The oracle itself: a floor of nothing is no floor."""
    c = case(golden, name)
    assert floor_evidence(c, name, 1e-12) == pytest.approx(c["log_marginal_likelihood"], abs=1e-9)


@pytest.mark.certify
@pytest.mark.parametrize(
    "name,order,floor",
    [
        ("A1", bm.Order("mean"), 0.1),
        ("A1", bm.Order("mean"), 0.3),
        ("C1", bm.Order("prob", by=0), 0.2),
        ("D1", bm.Order("rate"), 0.3),
    ],
)
def test_a_floor_under_the_weights(golden, name, order, floor):
    model, data, c = model_of(golden, name, (order, bm.MinWeight(floor)))
    agrees(evidence(model, data), floor_evidence(c, name, floor))


@pytest.mark.certify
@pytest.mark.parametrize("K,exact,error", [(1, -246.10614993690842, 0.0), (2, -232.885, 0.0007), (3, -226.789, 0.0002)])
def test_galaxies(K, exact, error):
    family = bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20))
    found = evidence(bm.Mixture(family, K), bm.datasets.galaxies(), draws=10_000, permutation_moves=True)
    assert found.ok and found.se < 0.05, found
    assert abs(found.value - exact) < min(0.05, 4 * np.hypot(found.se, error) + 1e-3), found


@pytest.mark.certify
def test_nuts_chains_that_stay_in_different_modes_are_refused():
    """Three groups for two components: two and two chains of NUTS in the two ways to join neighbours, 4 nats apart."""
    rng = np.random.default_rng(3)
    data = bm.Data(np.concatenate([rng.normal(centre, 1, 40) for centre in (0, 10, 20)]))
    family = bm.Gaussian(mean=bm.Normal(10, 10), var=bm.InverseGamma(2, 5))
    em = bm.fit_em(bm.Mixture(family, 2, weight=bm.Dirichlet(2.0)), data, restarts=30, seed=1)
    start = [em.optima[i].theta for i in (0, 0, 1, 1)]
    found = bm.log_evidence(bm.fit_mcmc(em.mixture, data, start=start, tune=200, draws=300, chains=4, seed=1))
    assert not found.ok and "several modes" in found.reason


@pytest.mark.certify
def test_labels_need_not_switch(golden):
    """Draws of one labelling only, and the same with labels exchanged at random, give the same number."""
    model, data, c = model_of(golden, "A1")
    fit = bm.fit_mcmc(model, data, sampler="gibbs", draws=1500, start="prior", seed=3)
    order = np.argsort(fit.draws["mean"][..., 0], axis=-1)
    sorted_ = {name: np.take_along_axis(v, order.reshape(*order.shape, *[1] * (v.ndim - 3)), axis=2)
               for name, v in fit.draws.items() if v.shape[2] == 2}  # fmt: skip
    one = replace(fit, draws=fit.draws | sorted_, permutation=np.broadcast_to([0, 1], fit.permutation.shape).copy())
    agrees(bm.log_evidence(one, diagnosis=SOUND), c["log_marginal_likelihood"])


def test_the_bridge_of_two_gaussians_is_exact_and_its_error_is_honest():
    """Z of exp(3) N(0, 1) against a proposal N(.3, 1.2^2): within 4 se each time, and the se is right on average."""
    values, errors = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        p, q = rng.normal(size=(4, 500)), rng.normal(0.3, 1.2, 2000)
        ratio = lambda x: 3 + stats.norm(0, 1).logpdf(x) - stats.norm(0.3, 1.2).logpdf(x)  # noqa: E731
        value, se = bridge.solve(ratio(p), ratio(q))
        values.append(value)
        errors.append(se)
    z = (np.array(values) - 3) / errors
    assert np.abs(z).max() < 4 and 0.6 < z.std() < 1.5


def test_importance_sampling_has_an_error_only_where_many_draws_carry_the_weight():
    """E_q[p*/q] of exp(3) N(0, 1) under N(.3, 1.2^2), within 4 se; one draw with all the weight has no error."""
    x = np.random.default_rng(1).normal(0.3, 1.2, 4000)
    value, se = bridge.weighed(3 + stats.norm(0, 1).logpdf(x) - stats.norm(0.3, 1.2).logpdf(x))
    assert 0 < se < 0.02 and abs(value - 3) < 4 * se
    assert bridge.weighed(np.append(np.full(3000, -50.0), 0.0))[1] == np.inf
    assert bridge.weighed(np.full(10, -np.inf)) == (-np.inf, np.inf)


def in_two_modes(first, chains=4):
    """Two components for three groups, in mirror symmetry: one of them holds the middle group too, on either side.

    The first `first` chains sit where it is the left one, the others in the mirror image, which none ever leaves. Both
    hold half of the posterior.
    """
    data = bm.Data(np.concatenate([np.linspace(-1, 1, 10) + m for m in (0.0, 9.0, 18.0)])[:, None])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(9, 9), sd=bm.Fixed(1.0)), 2)
    left = {"weight": np.array([0.66, 0.34]), "mean": np.array([[4.5], [18.0]]), "sd": np.array([[1.0]] * 2)}
    right = {"weight": np.array([0.34, 0.66]), "mean": np.array([[0.0], [13.5]]), "sd": np.array([[1.0]] * 2)}
    starts = [left] * first + [right] * (chains - first)
    fit = bm.fit_mcmc(
        model, data, sampler="gibbs", draws=1000, tune=50, start=starts, chains=chains, seed=3, progress=False
    )
    finding = SimpleNamespace(name="several modes", verdict="undecided")
    region = np.repeat([0, 1], [first, chains - first])[:, None]
    evidence = SimpleNamespace(matching=SimpleNamespace(region=region))
    return fit, SimpleNamespace(verdicts=("undecided",), findings=(finding,), evidence=evidence)


def test_shares_that_are_not_known_do_not_enter():
    """Three chains of four in a mode that holds half: the evidence is that of one mode plus log 2, all the same.

    By importance sampling, and by the bridge too: it weighs draws by their effective number, which is next to nothing
    where chains disagree.
    """
    one, _ = in_two_modes(4)
    half = bm.log_evidence(one, diagnosis=SOUND)
    fit, seldom = in_two_modes(3)
    for diagnosis in (seldom, SOUND):
        found = bm.log_evidence(fit, diagnosis=diagnosis)
        assert half.ok and found.ok and found.se < 0.05, (half, found)
        assert abs(found.value - half.value - np.log(2)) < 4 * np.hypot(half.se, found.se)
        assert found.value - half.value > 5 * np.hypot(half.se, found.se)  # negative control: one mode is not enough


def test_where_importance_sampling_fails_the_share_itself_is_the_error(monkeypatch):
    fit, seldom = in_two_modes(3)
    trusting = bm.log_evidence(fit, diagnosis=SOUND)
    monkeypatch.setattr(bridge, "weighed", lambda l2: (0.0, np.inf))
    found = bm.log_evidence(fit, diagnosis=seldom)
    assert found.value == trusting.value
    assert found.se == pytest.approx(np.hypot(trusting.se, np.log(1.25)))


@pytest.mark.parametrize("verdict", ["several modes", "not converged"])
def test_it_refuses_draws_that_do_not_stand_for_the_posterior(golden, verdict):
    model, data, _ = model_of(golden, "A1")
    fit = bm.fit_mcmc(model, data, sampler="gibbs", draws=200, start="prior", seed=3)
    found = bm.log_evidence(fit, diagnosis=SimpleNamespace(verdicts=(verdict,)))
    assert not found.ok and verdict in found.reason and "not to be used" in repr(found)


def test_wrong_input(golden):
    em = bm.fit_em(bm.Mixture(bm.Gaussian(), 2), bm.datasets.galaxies(), restarts=1, seed=1)
    with pytest.raises(bm.InputError, match="expected an MCMC fit"):
        bm.log_evidence(em)
    model, data, _ = model_of(golden, "A1")
    fit = bm.fit_mcmc(model, data, sampler="gibbs", draws=20, start="prior", seed=3)
    flat = replace(fit, mixture=replace(fit.mixture, weight=bm.Flat()))
    with pytest.raises(bm.InputError, match="'weight' is Flat"):
        bm.log_evidence(flat)


# ---- the constraints' prior mass ---------------------------------------------------------------


def resolved(constraints, concentration=1.0, K=2, mean=None):
    family = bm.Gaussian(mean=mean or bm.Normal(0, 3), sd=bm.Fixed(1.0))
    model = bm.Mixture(family, K, weight=bm.Dirichlet(concentration), constraints=constraints)
    return model.resolve(bm.Data(np.arange(10.0)))


def test_prior_mass_in_closed_form():
    assert log_normaliser(resolved(()), 1) == (0.0, 0.0)
    assert log_normaliser(resolved(bm.Order("mean"), K=3), 1) == (-np.log(6), 0.0)
    value, se = log_normaliser(resolved((bm.Order("mean"), bm.MinWeight(0.1)), 1.0, 3), 1)
    assert se == 0 and value == pytest.approx(-np.log(6) + 2 * np.log(0.7), abs=1e-12)
    value, se = log_normaliser(resolved(bm.MinWeight(0.2), [2.0, 5.0]), 1)
    assert se == 0 and value == pytest.approx(np.log(stats.beta(2, 5).cdf(0.8) - stats.beta(2, 5).cdf(0.2)), abs=1e-12)


def test_the_mass_of_a_floor_by_quadrature():
    """Known for concentration 1; Dirichlets are the same in any order; and prior draws agree."""
    for K, floor in ((1, 0.3), (2, 0.1), (3, 0.3), (5, 0.1), (10, 0.01)):
        assert all_above(np.ones(K), floor) == pytest.approx((1 - K * floor) ** (K - 1), rel=1e-9)
    orders = [all_above(np.array(a), 0.01) for a in ((0.3, 0.5, 4.0), (4.0, 0.3, 0.5), (0.5, 4.0, 0.3))]
    assert orders == pytest.approx([orders[0]] * 3, rel=1e-9)
    n = 100_000
    share = (np.random.default_rng(1).dirichlet((0.3, 0.5, 4.0), n).min(axis=1) >= 0.01).mean()
    assert abs(share - orders[0]) < 5 * np.sqrt(orders[0] * (1 - orders[0]) / n)
    value, se = log_normaliser(resolved((bm.Order("weight"), bm.MinWeight(0.05)), 2.0, 3), 1)
    assert se == 0 and value == pytest.approx(np.log(all_above(np.full(3, 2.0), 0.05) / 6), abs=1e-12)


@pytest.mark.parametrize("K", [2, 3, 6])
def test_the_mass_of_an_order_by_quadrature(K):
    """Exchangeable components have mass 1 / K!; the order of K does not matter to a chain of far-apart means."""
    assert increasing(np.zeros(K), np.full(K, 2.0)) == pytest.approx(1 / math.factorial(K), rel=1e-9)
    assert increasing(np.arange(K) * 40.0, np.ones(K)) == pytest.approx(1.0, abs=1e-9)
    assert increasing(np.arange(K)[::-1] * 40.0, np.ones(K)) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("mean,sd", [((165, 178), (20, 20)), ((0, 3), (0.1, 10)), ((2, 1), (1, 0.02))])
def test_the_mass_of_an_order_of_two_is_the_normal_integral(mean, sd):
    found = increasing(np.array(mean, dtype=float), np.array(sd, dtype=float))
    assert found == pytest.approx(stats.norm.cdf((mean[1] - mean[0]) / np.hypot(*sd)), rel=1e-8)


def test_the_mixture_knows_its_prior_mass():
    """The lecture's centres N([165, 178], 20) are in order with probability .677, and both floors of .1 leave .8."""
    family = bm.Gaussian(mean=bm.Normal([[165], [178]], 20), sd=bm.Uniform(0, 100))
    model = bm.Mixture(family, 2, constraints=(bm.Order("mean"), bm.MinWeight(0.1)))
    exact = stats.norm.logcdf(13 / np.hypot(20, 20)) + np.log(0.8)
    assert model.log_normaliser == pytest.approx(exact, abs=1e-9)
    assert model.resolve(bm.datasets.davis(("height",))).log_normaliser == pytest.approx(exact, abs=1e-9)
    assert bm.Mixture(family, 2).log_normaliser == 0.0
    with pytest.raises(bm.InputError, match="leaves names or priors to the data"):
        bm.Mixture(bm.Gaussian(), 2, constraints=bm.Order("mean")).log_normaliser  # noqa: B018


def test_the_prior_mass_where_a_column_is_named():
    """Of exchangeable components any column gives 1/K!; of others the mass depends on which one it is."""
    both = (bm.Order("mean", by="waiting"), bm.MinWeight(0.1))
    family = bm.MvGaussian(mean=bm.Normal([3.5, 70], [1, 15]), cov=bm.InverseWishart(4, [[0.4, 0], [0, 80]]))
    assert bm.Mixture(family, 3, constraints=both).log_normaliser == pytest.approx(2 * np.log(0.7) - np.log(6))
    unlike = bm.Gaussian(mean=bm.Normal([[0, 0], [1, 5]], 1), var=bm.Fixed(1))
    with pytest.raises(bm.InputError, match="leaves names or priors to the data"):
        bm.Mixture(unlike, 2, constraints=both).log_normaliser  # noqa: B018


def test_prior_mass_by_draws():
    """A soft order has no closed form here; the same of far-apart means is nearly certain."""
    soft = bm.Order("mean", enforce="soft", width=0.5)
    value, se = log_normaliser(resolved(soft, mean=bm.Normal([[0], [100]], 1)), 1, draws=2000)
    assert se < 1e-9 and value == pytest.approx(0.0, abs=1e-9)
    value, se = log_normaliser(resolved(soft, K=2), 1, draws=2000)
    assert 0 < se < 0.05 and abs(value - np.log(0.5)) < 5 * se  # sigmoid(v) + sigmoid(-v) = 1
