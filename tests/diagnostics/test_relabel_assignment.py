"""Assignment, gaps, memberships and certainty beside brute force."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.stats import multivariate_normal

from bayesmix.diagnostics.relabelling import membership
from bayesmix.diagnostics.relabelling.agreement import agreement
from bayesmix.diagnostics.relabelling.assignment import assign, cost_of, gaps
from bayesmix.diagnostics.relabelling.certainty import certainty, permanent, swaps


def within(blocks, K):
    """All permutations of 0..K-1 that keep each block to itself, (P, K)."""
    home = np.empty(K, dtype=int)
    home[:] = -1 - np.arange(K)
    for b, block in enumerate(blocks):
        home[list(block)] = b
    return np.array([p for p in permutations(range(K)) if (home[list(p)] == home).all()])


CASES = [
    (1, ((0,),)),
    (2, ((0, 1),)),
    (3, ((0, 1, 2),)),
    (4, ((0, 2), (1, 3))),
    (5, ((0, 1, 2, 3, 4),)),
    (6, ((0, 1, 2, 3, 4, 5),)),
    (7, ((1, 2, 3, 5, 6), (0,))),
]


@pytest.mark.parametrize("K,blocks", CASES, ids=str)
@pytest.mark.parametrize("whole", [False, True], ids=["real", "counts"])
def test_the_best_and_the_second_best_beside_all_permutations(K, blocks, whole, rng):
    """Counts tie, real costs do not; the gap is the second-smallest total minus the smallest."""
    cost = rng.integers(0, 4, (200, K, K)).astype(float) if whole else rng.normal(size=(200, K, K))
    every = within(blocks, K)
    totals = cost[:, np.arange(K), every].sum(axis=2)  # (T, P)
    found = assign(cost, blocks)
    assert (found[:, None] == every).all(axis=2).any(axis=1).all()
    np.testing.assert_allclose(cost_of(cost, found), totals.min(axis=1), rtol=0, atol=1e-12)
    ranked = np.sort(totals, axis=1)
    expected = ranked[:, 1] - ranked[:, 0] if len(every) > 1 else np.full(200, np.inf)
    np.testing.assert_allclose(gaps(cost, found, blocks), expected, rtol=0, atol=1e-12)


def test_fifty_components_beside_scipy(rng):
    """The second best by forbidding each edge of the best in turn (Murty 1968)."""
    cost, blocks = rng.normal(size=(8, 50, 50)), (tuple(range(50)),)
    found = assign(cost, blocks)
    gap = gaps(cost, found, blocks)
    for t in range(8):
        rows, best = linear_sum_assignment(cost[t])
        least = cost[t][rows, best].sum()
        assert cost_of(cost, found)[t] == pytest.approx(least, abs=1e-12)
        others = []
        for k in range(50):
            barred = cost[t].copy()
            barred[k, best[k]] = 1e6
            others.append(barred[linear_sum_assignment(barred)].sum())
        assert gap[t] == pytest.approx(min(others) - least, abs=1e-11)


def test_a_wrong_assignment_is_seen(rng):
    """Negative control: of another permutation the brute force says that it is dearer."""
    cost = rng.normal(size=(50, 4, 4))
    best = cost_of(cost, assign(cost, (tuple(range(4)),)))
    other = cost_of(cost, np.tile([1, 0, 2, 3], (50, 1)))
    assert (other >= best - 1e-12).all() and (other > best + 1e-3).any()


@pytest.mark.parametrize("keep", [10, 200, 10**9])
def test_memberships_are_sums_over_rows(keep, monkeypatch, rng):
    monkeypatch.setattr(membership, "KEEP", keep)
    z, p = rng.integers(0, 3, (9, 7)), rng.dirichlet(np.ones(3), (9, 7))
    permutation = rng.permuted(np.tile(np.arange(3), (9, 1)), axis=1)
    target = rng.normal(size=(7, 4))
    hot = np.eye(3)[z]
    for m, plain in ((membership.one_hot(z, 3), hot), (membership.soft(p), p)):
        np.testing.assert_allclose(m.against(target), np.einsum("ik,til->tkl", target, plain), atol=1e-13)
        renamed = np.take_along_axis(plain, permutation[:, None, :], axis=2)
        np.testing.assert_allclose(m.mean(permutation), renamed.mean(axis=0), atol=1e-14)
        np.testing.assert_array_equal(m.at(5), plain[5])
        np.testing.assert_array_equal(m.take(np.array([1, 8])).at(1), plain[8])


@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_permanent(m, rng):
    odds = rng.random((m, m, 6))
    every = np.array(list(permutations(range(m))))
    expected = odds[np.arange(m), every].prod(axis=1).sum(axis=0)
    np.testing.assert_allclose(permanent(odds), expected, rtol=1e-13)


def test_certainty_is_the_posterior_of_the_permutation(rng):
    """Beside the formula written out with SciPy's density, for two features and blocks (0, 1, 2) and (3, 4)."""
    T, blocks = 300, ((0, 1, 2), (3, 4))
    theta = rng.normal(size=(T, 5, 2)) + 1.5 * np.arange(5)[:, None]
    theta[..., 1] += 0.5 * theta[..., 0]
    theta -= 20.0  # all negative: no logarithms
    planted = np.array([rng.permutation(3).tolist() + (3 + rng.permutation(2)).tolist() for _ in range(T)])
    drawn = np.take_along_axis(theta, planted[:, :, None], axis=1)
    found = certainty(drawn, np.argsort(planted, axis=1), blocks)
    density = np.stack([multivariate_normal(theta[:, k].mean(axis=0), np.cov(theta[:, k].T)).logpdf(theta)
                        for k in range(5)], axis=1)  # (T, k, l)  # fmt: skip
    every = within(blocks, 5)
    totals = np.exp(density[:, np.arange(5), every].sum(axis=2))
    np.testing.assert_allclose(found, totals[:, 0] / totals.sum(axis=1), rtol=1e-6)  # the ridge of 1e-10
    assert 0 < (found < 0.9).mean() < 1


def test_certainty_of_many_components_is_an_upper_bound(rng):
    odds = rng.random((6, 6, 40)) * 0.3
    odds[np.arange(6), np.arange(6)] = 1.0
    assert (swaps(odds) <= permanent(odds)).all()
    two = odds[:2, :2]
    np.testing.assert_allclose(swaps(two), permanent(two), rtol=1e-14)


def test_certainty_does_not_mind_copies_constants_or_units(rng):
    """A symmetric matrix has each covariance twice, a fixed field never varies, and units are anyone's choice."""
    theta = rng.normal(size=(400, 3, 1)) + 2.0 * np.arange(3)[:, None]
    own, blocks = np.tile(np.arange(3), (400, 1)), ((0, 1, 2),)
    plain = certainty(theta, own, blocks)
    full = np.concatenate([theta, theta, np.ones_like(theta), 1e6 * theta], axis=2)
    np.testing.assert_allclose(certainty(full, own, blocks), plain, rtol=1e-4)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 5), st.integers(0, 10**6))
def test_agreement_is_blind_to_one_renaming(K, seed):
    rng = np.random.default_rng(seed)
    first = rng.permuted(np.tile(np.arange(K), (20, 1)), axis=1)
    renaming = rng.permutation(K)
    second = first[:, renaming]
    assert agreement(first, second) == 1.0 == agreement(second, first)
    second[:5] = second[:5][:, np.roll(np.arange(K), 1)]
    assert agreement(first, second) == 0.75
