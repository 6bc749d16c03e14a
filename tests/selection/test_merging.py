"""Components that are one cluster: small cases by hand, then data."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from scipy.special import softmax

import bayesmix as bm
from bayesmix.report.merge_plots import entropy_merge
from bayesmix.selection import merging


def at(theta, x, family=None):
    """A stand-in for a fit that was found at theta."""
    model, data = bm.Mixture(family or bm.MvGaussian(), len(theta["weight"])), bm.Data(x)

    def responsibilities(theta, x, log_label):
        joint = model.log_joint(x, theta, log_label)
        return softmax(joint, axis=1)

    return SimpleNamespace(
        mixture=model.resolve(data), data=data, best=theta, _log_label=None, _responsibilities=responsibilities
    )


def gaussians(means, sds, weights):
    means, sds = np.atleast_2d(np.asarray(means, dtype=float).T).T, np.asarray(sds, dtype=float)
    cov = sds[:, None, None] ** 2 * np.eye(means.shape[1])
    return {"weight": np.asarray(weights, dtype=float), "mean": means, "cov": cov}


# ---- entropy -----------------------------------------------------------------------------------------------


def test_entropy_differences_by_hand():
    """Two rows shared equally by components 0 and 1, one by 1 and 2 in the ratio 3 : 1."""
    r = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.75, 0.25]])
    steps, entropy = merging.by_entropy(r, np.ones(3))
    quarter = -0.75 * np.log(0.75) - 0.25 * np.log(0.25)
    assert entropy == pytest.approx([2 * np.log(2) + quarter, quarter, 0])
    assert steps[0][:2] == ((0,), (1,)) and steps[0][2] == pytest.approx(2 * np.log(2))
    assert steps[0][3] == pytest.approx(2.75) and steps[1][3] == pytest.approx(3)
    weighted, _ = merging.by_entropy(r, np.array([1.0, 1.0, 10.0]))
    assert set(weighted[0][0] + weighted[0][1]) == {1, 2}  # ten rows of the second kind count ten times
    assert weighted[0][2] == pytest.approx(10 * quarter)


def test_identical_components_merge_and_separated_ones_do_not(rng):
    x = np.concatenate([rng.normal(0, 1, 80), rng.normal(30, 1, 40)])
    same = at(gaussians([0, 0, 30], [1, 1, 1], [1 / 3] * 3), x)
    for method in ("entropy", "ridge"):
        found = bm.merge(same, method)
        assert found.map.tolist() == [0, 0, 1] and found.clusters == 2
        assert (found.labels == np.repeat([0, 1], [80, 40])).all()
        assert "3 components, 2 clusters" in found.sentence and "0 + 1" in found.sentence
        assert found.probability.sum(axis=1) == pytest.approx(np.ones(120))
    drop = bm.merge(same).steps[0]
    assert drop[2] == pytest.approx(80 * np.log(2)) and drop[3] == pytest.approx(80)
    apart = at(gaussians([0, 15, 30], [1, 1, 1], [1 / 3] * 3), x)
    assert bm.merge(apart).clusters == 3 and bm.merge(apart, "ridge").clusters == 3
    assert bm.merge(apart, clusters=1).map.tolist() == [0, 0, 0]
    assert bm.merge(apart, clusters=3).map.tolist() == [0, 1, 2]


def test_the_elbow_of_two_lines():
    x = np.array([0.0, 1, 2, 3, 4, 5])
    assert merging.elbow(x, np.array([10.0, 6, 2, 1.9, 1.8, 1.7])) == 2
    assert merging.elbow(x, np.array([10.0, 8, 6, 4, 3.9, 3.8])) == 3


# ---- the ridge ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap,weight", [(1.0, 0.5), (1.9, 0.5), (2.1, 0.5), (3.0, 0.5), (4.0, 0.5), (3.0, 0.2)])
def test_the_ratio_on_a_line(gap, weight):
    """Two normals of sd 1: one maximum up to a gap of two at equal weights, else the dip over the lower maximum."""
    found = merging.ridge_ratio(*((w, np.array([m]), np.eye(1)) for w, m in ((weight, 0.0), (1 - weight, gap))))
    grid = np.linspace(-1, gap + 1, 200_001)
    f = weight * stats.norm.pdf(grid) + (1 - weight) * stats.norm.pdf(grid, gap)
    tops = np.flatnonzero((f[1:-1] > f[:-2]) & (f[1:-1] > f[2:])) + 1
    if len(tops) == 1:
        assert found == 1.0
    else:
        assert found == pytest.approx(f[tops[0] : tops[1]].min() / f[tops].min(), rel=1e-4) and found < 1


def test_crossed_gaussians_may_have_a_maximum_between():
    """Ray & Lindsay's point: with unlike covariances the maxima need not be at the means; here there is one alone."""
    one = 0.5, np.array([0.0, 0.0]), np.diag([1.0, 0.05])
    other = 0.5, np.array([1.0, 1.0]), np.diag([0.05, 1.0])
    assert merging.ridge_ratio(one, other) == pytest.approx(merging.ridge_ratio(other, one))
    w, mean, cov = merging.pooled(one, other)
    assert (w, mean.tolist()) == (1.0, [0.5, 0.5])
    assert cov == pytest.approx(np.diag([0.525, 0.525]) + 0.25)
    far = 0.5, np.array([9.0, 0.0]), np.eye(2)
    assert merging.ridge_ratio(one, far) < 0.01
    assert merging.ridge_ratio((0.0, *one[1:]), far) == 1.0


def test_two_skewed_groups_are_two_clusters(rng):
    """Each group is a narrow normal in a wide one that lies beside it."""
    x = np.concatenate(
        [rng.normal(0, 1, 300), rng.normal(1.5, 3, 300), rng.normal(20, 1, 300), rng.normal(21.5, 3, 300)]
    )
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(), 4), bm.Data(x), restarts=2, seed=3)
    truth = np.repeat([0, 1], [600, 600])
    for method in ("entropy", "ridge"):
        found = bm.merge(fit, method)
        assert found.clusters == 2, found.table
        wrong = min((found.labels != truth).mean(), (found.labels == truth).mean())
        assert wrong < 0.02
        assert found.table["kept"].tolist() == [True, True, False]
    assert bm.merge(fit, "ridge", cutoff=1e-6).clusters <= 2  # Hennig's ratio with hardly a cutoff joins more


def test_counts_merge_by_entropy_only(rng):
    fit = bm.fit_em(bm.Mixture(bm.Poisson(), 2), bm.Data(rng.poisson(3.0, 50)), restarts=2, seed=1)
    assert bm.merge(fit).clusters in (1, 2)
    with pytest.raises(bm.InputError, match="ridge is known for Gaussian"):
        bm.merge(fit, "ridge")
    for wrong in ({"method": "size"}, {"clusters": 3}, {"clusters": 0}, {"cutoff": 0.0}):
        with pytest.raises(bm.InputError, match=r"merge\("):
            bm.merge(fit, **wrong)


def test_one_component_has_nothing_to_merge(rng):
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(), 1), bm.Data(rng.normal(size=20)), restarts=1, seed=1)
    for method in ("entropy", "ridge"):
        found = bm.merge(fit, method)
        assert found.clusters == 1 and "nothing to merge" in found.sentence and len(found.table) == 0


def test_the_entropy_plot(rng):
    x = np.concatenate([rng.normal(0, 1, 80), rng.normal(30, 1, 40)])
    found = bm.merge(at(gaussians([0, 0, 0, 30], [1, 1, 1, 1], [0.25] * 4), x))
    figure = entropy_merge(found)
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    assert figure.axes[0].get_title(loc="left") == "4 components, 2 clusters"
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx(found.entropy)
    with pytest.raises(bm.InputError, match="by entropy"):
        entropy_merge(bm.merge(at(gaussians([0, 9], [1, 1], [0.5, 0.5]), x), "ridge"))
