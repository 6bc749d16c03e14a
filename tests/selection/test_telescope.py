"""The posterior of K and of the occupied components, against exact enumeration."""

import numpy as np
import pytest
from scipy.special import softmax

import bayesmix as bm
from bayesmix.em import kernel
from bayesmix.selection.occupied import occupation
from bayesmix.selection.telescope import Link
from tests.diagnostics.test_bridge import model_of
from tests.hierarchy import Hierarchy

Y = np.array([-1.9, -1.6, -1.1, 0.4, 2.2, 2.9, 3.3, 5.0])


def agree(found, se, exact, largest=0.02):
    assert (se <= largest).all() and se.max() > 0
    assert (abs(found - exact) <= 5 * se + 1e-12).all(), (found, exact, se)


class Case:
    """K = 1, 2, 3 and 5 under unequal prior probabilities, the variances' scale unknown; the exact answer."""

    truth, possible, prior = Hierarchy(e=0.7), [1, 2, 3, 5], np.array([0.4, 0.3, 0.2, 0.1])

    def __init__(self):
        exact = [self.truth.exact(Y, K) for K in self.possible]
        log_z = np.array([e["log_evidence"] for e in exact])
        self.p, self.equal = softmax(np.log(self.prior) + log_z), softmax(log_z)
        self.filled = sum(
            q * np.pad(e["occupied"], (0, 5 - len(e["occupied"]))) for q, e in zip(self.p, exact, strict=True)
        )

    def sampled(self, **options):
        return bm.telescope(self.truth.model(2), bm.Data(Y), self.possible, self.prior, **options)


@pytest.mark.certify
def test_compiled_sweeps_have_the_exact_posterior():
    case = Case()
    found = case.sampled(draws=50_000, tune=200, seed=4)
    agree(found.probability, found.se, case.p, 0.005)
    agree(found.occupied, found.occupied_se, case.filled, 0.005)
    counted = np.array([(found.draws == K).mean() for K in case.possible])
    assert abs(counted - case.p).max() < 0.03  # the counts of K say the same, less smoothly
    with pytest.raises(AssertionError):  # negative control: equal prior probabilities are another posterior
        agree(found.probability, found.se, case.equal, 0.005)


def test_plain_sweeps_have_the_exact_posterior(monkeypatch):
    monkeypatch.setattr(kernel, "COMPILED", False)
    case = Case()
    found = case.sampled(draws=300, tune=50, seed=4)
    assert found.components == (1, 2, 3, 5) and found.draws.shape == (4, 300)
    agree(found.probability, found.se, case.p, 0.1)
    agree(found.occupied, found.occupied_se, case.filled, 0.1)
    assert "effective draws" in found.summary() and list(found.table()["se"]) == list(found.se)


@pytest.mark.certify
@pytest.mark.parametrize("mean", [bm.Normal([0.0, 1.0], [2.0, 3.0]), bm.ConjugateNormal([0.0, 1.0], 0.3)])
@pytest.mark.parametrize("scale", [1.5, bm.Gamma([1.0, 2.0], 1.0)], ids=["known", "unknown"])
def test_compiled_and_plain_sweeps_agree(monkeypatch, mean, scale):
    """Two features, two chains of sampling code, one posterior."""
    x = np.random.default_rng(0).normal([[0.0, 1.0]] * 6 + [[3.0, 2.0]] * 6)
    model = bm.Mixture(bm.Gaussian(mean=mean, var=bm.InverseGamma([2.0, 3.0], scale)), 2)
    fast = bm.telescope(model, bm.Data(x), range(1, 5), draws=20_000, seed=1)
    monkeypatch.setattr(kernel, "COMPILED", False)
    slow = bm.telescope(model, bm.Data(x), range(1, 5), draws=4000, seed=2)
    se = np.hypot(fast.se, slow.se)
    assert (se < 0.03).all() and (abs(fast.probability - slow.probability) < 5 * se).all()


def test_a_seed_repeats(monkeypatch):
    monkeypatch.setattr(kernel, "COMPILED", False)
    a, b = (bm.telescope(Hierarchy().model(2), bm.Data(Y), range(1, 4), draws=20, tune=5, seed=1) for _ in range(2))
    assert np.array_equal(a.draws, b.draws)


def test_the_link_is_a_ratio_of_evidences():
    """p(K | K+) by hand at n = 3, e = 1, K in {1, 2}: one filled component has 1 against 2 * 2! 1!... / 4!."""
    link = Link.of(np.array([1, 2]), np.log([0.5, 0.5]), 1.0, 3)
    # p(C | K) = K!/(K - K+)! Gamma(K)/Gamma(3 + K) prod Gamma(n_k + 1): K = 1: 1/6 * 6 = 1; K = 2: 2/24 * 6 = 1/2
    assert np.exp(link.log_p[0]) == pytest.approx([2 / 3, 1 / 3])
    assert np.exp(link.log_p[1]) == pytest.approx([0, 1])


@pytest.mark.parametrize(
    "what",
    [
        lambda m, d: bm.telescope(m, d, components=[]),
        lambda m, d: bm.telescope(m, d, components=[1, 2], prior=[1.0]),
        lambda m, d: bm.telescope(bm.Mixture(m.family, 2, constraints=bm.Order("mean")), d),
        lambda m, d: bm.telescope(m, bm.Data(d.x, label=[0, 1, *[-1] * 6])),
        lambda m, d: bm.telescope(bm.Mixture(m.family, 2, weight=bm.Dirichlet([1.0, 2.0])), d),
        lambda m, d: bm.telescope(bm.Mixture(bm.Components((bm.Gaussian(), 2), bm.UniformComponent())), d),
        lambda m, d: bm.telescope(m, d, draws=0),
    ],
)
def test_what_telescope_refuses(what):
    with pytest.raises(bm.InputError, match=r"telescope\("):
        what(Hierarchy().model(2), bm.Data(Y))


def test_occupation_by_counting(rng):
    """All K^n allocations of three rows, weighted."""
    r = rng.dirichlet(np.ones(3), size=(5, 3))  # (draws, n, K)
    exact = np.zeros((5, 3))
    for z in np.ndindex(3, 3, 3):
        exact[:, len(set(z)) - 1] += r[:, 0, z[0]] * r[:, 1, z[1]] * r[:, 2, z[2]]
    assert occupation(np.swapaxes(r, 1, 2)) == pytest.approx(exact, abs=1e-14)
    assert occupation(np.eye(4)[None, :, :]) == pytest.approx(np.array([[0, 0, 0, 1.0]]))


@pytest.mark.parametrize("name", ["A1", "B1", pytest.param("C1", marks=pytest.mark.certify)])
def test_occupied_is_exact(golden, name):
    model, data, c = model_of(golden, name)
    fit = bm.fit_mcmc(model, data, sampler="gibbs", draws=1500, tune=200, start="prior", seed=8, progress=False)
    found = bm.occupied(fit)
    agree(found.probability, found.se, np.array(c["p_occupied"]))
    assert found.probability.sum() == pytest.approx(1)
    assert found.mode == 2 and found.mean == pytest.approx(1 + found.probability[1])
    with pytest.raises(AssertionError):  # negative control
        agree(found.probability, found.se, np.array(c["p_occupied"])[::-1])


@pytest.mark.certify
def test_occupied_of_a_sparse_mixture():
    """Six components under Dirichlet(.1), the number of occupied ones by enumeration."""
    truth = Hierarchy(e=0.1)
    fit = bm.fit_mcmc(truth.model(6), bm.Data(Y), sampler="gibbs", draws=2500, start="prior", seed=2, progress=False)
    found = bm.occupied(fit)
    agree(found.probability, found.se, truth.exact(Y, 6)["occupied"])
    assert "occupied" in found.summary() and list(found.table().index) == [1, 2, 3, 4, 5, 6]


def test_what_occupied_refuses(rng):
    with pytest.raises(bm.InputError, match="expected an MCMC fit"):
        bm.occupied("fit")
