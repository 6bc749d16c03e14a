"""The point estimate of a partition: exact minima by enumerating all set partitions, and the search on larger data."""

import numpy as np
import pytest
from scipy.special import gammaln

import bayesmix as bm
from bayesmix import partition as search


def set_partitions(n):
    """All partitions of n rows as labels, (Bell number, n): restricted growth strings."""
    rows = [[0]]
    for _ in range(n - 1):
        rows = [[*r, k] for r in rows for k in range(max(r) + 2)]
    return np.array(rows)


def expected_losses(partitions, z, share, loss):
    """Expected loss of each partition, from its definition: pairs of rows, or entropies of the joint table."""
    out, n = np.zeros(len(partitions)), partitions.shape[1]
    same = partitions[:, :, None] == partitions[:, None, :]
    member = (partitions[:, :, None] == np.arange(n)).astype(float)  # (partitions, rows, clusters)
    for one, p in zip(z, share, strict=True):
        if loss == "binder":
            out += p * (same != (one[:, None] == one)).sum(axis=(1, 2)) / 2
        else:
            table = np.einsum("pic,ik->pck", member, one[:, None] == np.arange(one.max() + 1)) / n
            out += p * (2 * entropy(table) - entropy(table.sum(axis=1)) - entropy(table.sum(axis=2)))
    return out


def entropy(q):
    q = q.reshape(len(q), -1)
    return -(q * np.log(np.where(q > 0, q, 1.0))).sum(axis=1)


def exact_posterior(c):
    """All K^n allocations of A1 and their probabilities: sigma known, mu ~ N(m0, s0^2), w integrated out."""
    y, n, K = np.array(c["y"]), len(c["y"]), c["K"]
    z = np.stack(np.meshgrid(*[np.arange(K)] * n, indexing="ij"), axis=-1).reshape(-1, n)
    log_p = np.zeros(len(z))
    for k in range(K):
        here = z == k
        m, s = here.sum(axis=1), (here * (y - np.array(c["m0"])[k])).sum(axis=1)
        ratio = 1 + m * c["s0"] ** 2 / c["sigma_known"] ** 2
        log_p += gammaln(m + 1.0) - 0.5 * np.log(ratio)
        log_p += 0.5 * s**2 * c["s0"] ** 2 / c["sigma_known"] ** 4 / ratio
    p = np.exp(log_p - log_p.max())
    return z, p / p.sum()


@pytest.fixture(scope="module")
def a1(golden):
    c = next(c for c in golden("exact_tiny") if c["name"].startswith("A1"))
    c = {**c, "m0": np.broadcast_to(c["m0"], c["K"])}
    z, share = exact_posterior(c)
    pairs = np.einsum("t,tij->ij", share, z[:, :, None] == z[:, None, :])
    np.testing.assert_allclose(pairs, c["coclustering"], atol=1e-9)  # the golden posterior
    return c, z, share, pairs


@pytest.mark.parametrize("loss", search.LOSSES)
def test_the_exact_posterior_of_a1(a1, loss):
    _, z, share, pairs = a1
    every = set_partitions(8)
    assert len(every) == 4140
    likely = (share > 1e-8) & (z[:, 0] == 0)  # an allocation and its mirror image are one partition
    exact = expected_losses(every, z[likely], 2 * share[likely], loss)
    best = every[exact.argmin()]
    labels, value = search.estimate(z, loss, np.random.default_rng(0), share=share, pairs=pairs)
    assert value == pytest.approx(exact.min(), abs=28 * 256e-8)  # what the unlikely ones can add
    np.testing.assert_array_equal(labels, best)
    assert exact.min() < exact[0] and exact.min() < exact[-1]  # neither one cluster nor only singletons


def test_binder_from_pairs_and_from_allocations_is_one_number(a1):
    _, z, share, pairs = a1
    for labels in set_partitions(8)[::500]:
        a, b = search.Pairs(pairs, 8), search.Counts(z, "binder", 8, share)
        assert a.load(labels) == pytest.approx(b.load(labels), rel=1e-10)


@pytest.mark.parametrize("loss", search.LOSSES)
@pytest.mark.parametrize("seed", range(5))
def test_random_posteriors(loss, seed):
    """Six rows, forty random allocations with random probabilities: the search finds the exact minimum."""
    rng = np.random.default_rng(seed)
    z, share = rng.integers(3, size=(40, 6)), rng.dirichlet(np.ones(40))
    exact = expected_losses(set_partitions(6), z, share, loss)
    labels, value = search.estimate(z, loss, rng, share=share)
    assert value == pytest.approx(exact.min(), rel=1e-10)
    assert expected_losses(labels[None], z, share, loss)[0] == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize("loss", search.LOSSES)
def test_bookkeeping(loss):
    """Costs, unions and values agree with loading the labels afresh."""
    rng = np.random.default_rng(3)
    z, c = rng.integers(3, size=(20, 12)), np.arange(12) % 4
    pairs = (z[:, :, None] == z[:, None, :]).mean(axis=0)
    objectives = [search.Counts(z, loss, 12)] + [search.Pairs(pairs, 12)] * (loss == "binder")
    for objective in objectives:
        before = objective.load(c)
        merged = np.where(c == 3, 1, c)
        assert objective.unions(np.arange(4))[1, 3] == pytest.approx(objective.load(merged) - before)
        objective.load(c)
        objective.take(5)
        without = objective.value()
        costs = objective.costs(5, np.arange(5))
        for place in range(5):
            objective.put(5, place)
            assert objective.value() - without == pytest.approx(costs[place])
            objective.take(5)


def test_losses_of_draws():
    z = np.array([[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 1, 1], [0, 1, 0, 1]])
    labels = np.array([0, 0, 1, 1])
    np.testing.assert_allclose(search.losses(labels, z, "binder"), [0, 0, 3, 4])
    vi = search.losses(labels, z, "vi")
    assert vi[:2] == pytest.approx([0, 0], abs=1e-12) and vi[3] == pytest.approx(2 * np.log(2))
    estimate = search.Partition(labels, "binder", 1.75, search.losses(labels, z, "binder"), z, 0)
    assert estimate.ball(0.75)[0] == 3 and estimate.ball(0.5)[0] == 0
    np.testing.assert_array_equal(estimate.ball(0.75)[1], [0, 1, 1, 1])


def test_a_fit_by_em(a1):
    """Rows are independent given theta: the exact Binder minimum of pi = r r'."""
    c = a1[0]
    family = bm.Gaussian(mean=bm.Normal(0, c["s0"]), sd=bm.Fixed(c["sigma_known"]))
    fit = bm.fit_em(bm.Mixture(family, 2), c["y"], restarts=5, seed=1)
    pairs, every = fit.co_clustering(), set_partitions(8)
    same = every[:, :, None] == every[:, None, :]
    exact = np.abs(same - pairs).sum(axis=(1, 2)) / 2
    found = fit.partition("binder", seed=1)
    assert found.expected_loss == pytest.approx(exact.min(), abs=1e-9)
    np.testing.assert_array_equal(found.labels, every[exact.argmin()])
    vi = fit.partition(draws=100, seed=1)
    assert vi.losses.mean() == pytest.approx(vi.expected_loss, rel=1e-10) and vi.clusters == vi.labels.max() + 1
    again = fit.partition(draws=100, seed=1)
    np.testing.assert_array_equal(vi.labels, again.labels)
    assert vi.expected_loss == again.expected_loss and isinstance(fit.partition(draws=9).seed, int)


def test_well_separated_clusters_are_found_whatever_the_labels():
    """300 rows, 4 clusters, labels permuted in every draw."""
    rng = np.random.default_rng(0)
    truth = search.renumbered(rng.integers(4, size=300))
    z = np.stack([rng.permutation(4)[truth] for _ in range(50)])
    noise = rng.random(z.shape) < 0.02
    z[noise] = rng.integers(4, size=noise.sum())
    for loss in search.LOSSES:
        labels, _ = search.estimate(z, loss, rng)
        np.testing.assert_array_equal(labels, truth)


def test_refusals(a1):
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(), 1), a1[0]["y"], restarts=1, seed=1)
    with pytest.raises(bm.InputError, match="'vi', 'binder'"):
        fit.partition("rand")
    with pytest.raises(bm.InputError, match="whole number"):
        fit.partition(draws=0)
    assert fit.partition(seed=0).clusters == 1


def test_a_matrix_that_memory_cannot_hold_is_refused(monkeypatch, a1):
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(), 1), a1[0]["y"], restarts=1, seed=1)
    monkeypatch.setattr("bayesmix.clusters.LARGEST", 5)
    monkeypatch.setattr("bayesmix.clusters.PAIRED", 5)
    with pytest.raises(bm.InputError, match="partition"):
        fit.co_clustering()
    assert fit.partition("binder", seed=0).clusters == 1
