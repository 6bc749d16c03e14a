"""Draws read as one stack of components are the same numbers as draws read one by one."""

import tracemalloc

import numpy as np
import pytest

import bayesmix as bm
import cases
from bayesmix.spec import many

DRAWS = 3
EVERY = {c.id: c for c in [*cases.pairwise(), *cases.extras()]}


def stacked(case, draws=DRAWS, seed=0):
    """The resolved model and prior draws of theta, field -> (draws, ...); constraints are ignored."""
    model, rng = case.model.resolve(case.data), np.random.default_rng(seed)
    thetas = []
    for _ in range(draws):
        try:
            thetas.append(model.draw_unconstrained(rng, case.data.d))
        except bm.InputError:  # a Flat prior has no draws
            thetas.append({"weight": rng.dirichlet(np.ones(model.components)), **start(model, case)})
    return model, {name: np.stack([t[name] for t in thetas]) for name in thetas[0]}, thetas


def start(model, case):
    return bm.fit_em(model, case.data, restarts=1, seed=0, max_iter=2).runs[0].theta


def gaps(x):
    """x with cells missing, a whole row among them."""
    x = x.copy()
    x[np.arange(len(x)) % 4 == 1, 0] = np.nan
    x[2] = np.nan
    return x


@pytest.mark.parametrize("case", EVERY.values(), ids=cases.name)
def test_a_stack_of_draws(case):
    model, fields, thetas = stacked(case)
    label, x = model.log_label(case.data), case.data.x
    readings = [x, gaps(x)] if model.family.marginalises else [x]
    for rows in readings:
        found = many.log_joint(model, rows, fields, label)
        expected = np.stack([model.log_joint(rows, t, label).T for t in thetas])
        assert found.shape == (DRAWS, model.components, len(x))
        np.testing.assert_array_equal(np.isneginf(found), np.isneginf(expected))
        seen = np.isfinite(expected)
        np.testing.assert_allclose(found[seen], expected[seen], rtol=1e-9, atol=1e-9)
    expected = np.array([sum(model.log_prior(t).values()) for t in thetas])
    np.testing.assert_allclose(many.log_prior(model, fields), expected, rtol=1e-10, atol=1e-10)


def test_one_draw_is_read_to_the_last_bit():
    case = EVERY["left_out_mv"]
    model, fields, thetas = stacked(case, draws=1)
    x = case.data.x
    np.testing.assert_array_equal(many.log_joint(model, x, fields)[0].T, model.log_joint(x, thetas[0]))


def test_narrow_components_far_from_the_origin():
    """sd 1e-6 at 1e3: W Phi would be off by 1e-16 x 1e18, so `logpdf` reads these components; others stay fast."""
    rng = np.random.default_rng(0)
    x = np.r_[1e3 + 1e-6 * rng.normal(size=5), rng.normal(size=5)][:, None]
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 1e3), sd=bm.HalfNormal(1)), 2).resolve(bm.Data(x))
    fields = {
        "weight": np.tile([0.4, 0.6], (2, 1)),
        "mean": np.tile([[1e3], [0.0]], (2, 1, 1)),
        "sd": np.array([[[1e-6], [1.0]], [[2e-6], [1.5]]]),
    }
    found = many.log_joint(model, x, fields)
    for s in range(2):
        exact = model.log_joint(x, {name: v[s] for name, v in fields.items()}).T
        np.testing.assert_allclose(found[s], exact, rtol=1e-9)


def test_every_row_and_draw_is_read_once_whatever_the_size_of_the_runs():
    case = EVERY["row_weights_mv"]
    model, fields, _ = stacked(case, draws=7)
    r, terms = many.responsibilities(model, case.data.x, fields)
    np.testing.assert_allclose(r.sum(axis=1), 1, rtol=1e-12)
    for cells in (1, 50, 10**6):
        for walk, axis in ((many.by_draws, 0), (many.by_rows, -1)):
            parts = [(part, one, row) for part, one, row in walk(model, case.data.x, fields, cells=cells)]
            assert len(parts) > 1 or cells == 10**6
            np.testing.assert_allclose(np.concatenate([p[1] for p in parts], axis=axis), r, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(np.concatenate([p[2] for p in parts], axis=axis), terms, rtol=1e-9)


def test_a_row_that_no_component_can_have_produced():
    joint = np.full((1, 2, 1), -np.inf)
    r, terms = many.soften(joint)
    assert np.isnan(r).all() and np.isneginf(terms).all()


def test_runs_never_hold_all_draws_and_rows():
    rng = np.random.default_rng(1)
    x, draws, K = rng.normal(size=(20_000, 1)), 400, 3
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 1), sd=bm.HalfNormal(1)), K).resolve(bm.Data(x))
    fields = {
        "weight": np.full((draws, K), 1 / K),
        "mean": rng.normal(size=(draws, K, 1)),
        "sd": np.ones((draws, K, 1)),
    }
    many.log_joint(model, x[:5], fields)  # what is imported on the way does not count
    tracemalloc.start()
    for _ in many.by_draws(model, x, fields):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * draws * K * len(x) / 2  # the whole array would be 192 MB
    assert peak < 6 * 8 * many.CELLS  # a few arrays of the size of a run
