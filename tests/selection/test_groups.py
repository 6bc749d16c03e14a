"""Groups in use: the counting in one draw, the average over candidates, and its errors."""

from itertools import permutations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import comb
from scipy.stats import beta

import bayesmix as bm
from bayesmix.diagnostics import components
from bayesmix.selection.counting import usual_prior
from bayesmix.selection.groups import Groups, errors, groups_of, in_use, least_told, pooled


def responsibilities(rng, draws, K, n):
    """Made-up weighted responsibilities (draws, K, n)."""
    r = rng.dirichlet(np.full(K, 0.3), size=(draws, n)).transpose(0, 2, 1)
    return r * rng.uniform(0.5, 2.0, size=n)


def one_by_one(r):
    """The same count by the measure that `bm.diagnose` takes of one draw, r (n, K)."""
    r = [column for column in r.T if column.sum() >= components.EMPTY]
    while len(r) > 1:
        told = {}
        for j in range(len(r)):
            for k in range(j):
                pair = np.stack([r[j], r[k]], axis=1)
                told[j, k] = components.least_told(pair, pair.sum(axis=0))
        (j, k), least = min(told.items(), key=lambda item: item[1])
        if least >= components.TWINS:
            break
        r[k] = r[k] + r[j]
        del r[j]
    return len(r)


def test_twins_are_joined_until_all_groups_are_told_apart(rng):
    r = responsibilities(rng, 200, 4, 12)
    r[:60, 1] = r[:60, 0]  # twins
    r[30:90, 3] *= 1e-3  # and empty ones
    found = in_use(r)
    assert found.tolist() == [one_by_one(draw.T) for draw in r]
    assert set(found) >= {2, 3, 4}


def test_the_measure_is_the_one_of_the_diagnosis(rng):
    r = responsibilities(rng, 50, 3, 10)
    exact = [components.least_told(draw.T, draw.sum(axis=1)) for draw in r]
    assert least_told(r)[0] == pytest.approx(exact, rel=1e-12, abs=1e-12)


def test_names_do_not_count(rng):
    r = responsibilities(rng, 40, 4, 12)
    r[:20, 2] = r[:20, 0]
    for perm in permutations(range(4)):
        assert np.array_equal(in_use(r[:, perm]), in_use(r))


def test_a_chain_of_neighbours_is_joined_only_as_far_as_it_is_one():
    """Three groups on a line, each hardly told from the next: two are joined, the third is told from their union."""
    x = np.linspace(-5, 7, 600)
    rows = np.exp(-0.5 * (x - np.array([[0.0], [0.7], [1.4]])) ** 2)  # expected rows of each along the line, n f_k(x)
    assert least_told(rows[None, :2])[0] < components.TWINS and least_told(rows[None, 1:])[0] < components.TWINS
    assert in_use(rows[None]) == 2 and in_use(rows[None, :2]) == 1


def test_the_prior_is_a_beta_mixture_of_geometric_numbers():
    """K - 1 given p is negative binomial with one success, p (1 - p)^(K - 1), and p is Beta(4, 3)."""
    exact = [quad(lambda p, k=k: beta(4, 3).pdf(p) * comb(k, k) * p * (1 - p) ** k, 0, 1)[0] for k in range(5)]
    assert exact[0] == pytest.approx(4 / 7, rel=1e-9)
    assert usual_prior(range(1, 6)) == pytest.approx(np.array(exact) / sum(exact), rel=1e-9)
    assert usual_prior([2, 4]) == pytest.approx(np.array([exact[1], exact[3]]) / (exact[1] + exact[3]), rel=1e-9)


def test_candidates_are_averaged_by_prior_times_evidence():
    one = Groups(np.array([1.0]), np.zeros(1))
    two = Groups(np.array([0.25, 0.75]), np.zeros(2))
    found = pooled([one, two], [-40.0, -39.0], [0.0, 0.0], np.array([0.75, 0.25]))
    p = 3 * np.exp(-1) / (3 * np.exp(-1) + 1)  # of the first
    assert found.probability == pytest.approx([p + (1 - p) / 4, (1 - p) * 3 / 4], rel=1e-12)
    assert (found.se == 0).all()


def test_the_error_of_the_average_is_that_of_its_sources():
    """The delta method: derivatives by central differences, every evidence and every probability for itself."""
    own, log_z, prior = (
        np.array([[1, 0, 0], [0.3, 0.7, 0], [0.1, 0.5, 0.4]]),
        np.array([-1.0, 0.0, 0.3]),
        [0.5, 0.3, 0.2],
    )
    own_se, se = np.array([[0, 0, 0], [0.01, 0.02, 0], [0.01, 0.01, 0.03]]), np.array([0.01, 0.02, 0.015])

    def average(by):
        groups = [Groups(p, s) for p, s in zip(own + by[3:].reshape(3, 3) * own_se, own_se, strict=True)]
        return pooled(groups, log_z + by[:3] * se, se, np.array(prior))

    h = 1e-4
    slopes = np.array([(average(h * e).probability - average(-h * e).probability) / (2 * h) for e in np.eye(12)])
    assert average(np.zeros(12)).se == pytest.approx(np.sqrt((slopes**2).sum(axis=0)), rel=1e-6)


def test_the_credible_numbers_are_the_fewest():
    found = Groups(np.array([0.02, 0.6, 0.3, 0.08]), np.zeros(4))
    assert found.order == [2, 3, 4, 1]
    assert found.credible(0.6) == (2,) and found.credible(0.61) == (2, 3) and found.credible(0.95) == (2, 3, 4)
    assert found.credible(1.0) == (1, 2, 3, 4)
    assert found.at_most(2) == pytest.approx(0.62) and found.of(3) == (0.3, 0.0) and found.of(5) == (0.0, 0.0)


def test_chains_that_never_change_but_differ_have_an_error():
    value = np.repeat([0.0, 0.0, 1.0, 1.0], 50).reshape(4, 50, 1)
    assert errors(value)[0] >= 0.5 / np.sqrt(3) * (1 - 1e-12)  # the spread between four chains
    assert errors(np.ones((4, 50, 1)))[0] == 0.0


def test_the_groups_of_a_fit():
    """Three groups far apart under two components, under three, and under four, one of which must be to spare."""
    data = bm.Data(np.concatenate([np.linspace(-1, 1, 20) + m for m in (0.0, 12.0, 24.0)])[:, None])
    for K, least in ((2, 1.0), (3, 1.0), (4, 0.5)):
        model = bm.Mixture(bm.Gaussian(mean=bm.Normal(12, 12), sd=bm.Fixed(1.0)), K)
        em = bm.fit_em(model, data, restarts=10, start="rows", seed=1)
        fit = bm.fit_mcmc(model, data, sampler="gibbs", start=em, draws=200, tune=50, chains=2, seed=2)
        found = groups_of(fit)
        assert len(found.probability) == K and found.probability.sum() == pytest.approx(1.0)
        assert found.probability[min(K, 3) - 1] >= least, found
