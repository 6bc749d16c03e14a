"""`Order` and `MinWeight`: slacks, the closed-form floor, the transforms and what prior draws obey."""

import numpy as np
import pytest
from scipy.optimize import minimize

import bayesmix as bm
import cases
from bayesmix.spec.constraints import water_fill

# ---- water-filling -----------------------------------------------------------------------------------------


def brute(counts, floor):
    """max sum c log w on a fine grid of the floored simplex (K = 3)."""
    free = 1 - 3 * floor
    a, b = np.meshgrid(np.linspace(0, 1, 401), np.linspace(0, 1, 401))
    inside = a + b <= 1 + 1e-12
    w = floor + free * np.stack([a[inside], b[inside], 1 - a[inside] - b[inside]], axis=1)
    value = (counts * np.log(np.maximum(w, 1e-300))).sum(axis=1)
    return w[value.argmax()], value.max()


@pytest.mark.parametrize(
    "counts,floor",
    [
        ([5.0, 3.0, 2.0], 0.0),
        ([5.0, 3.0, 2.0], 0.1),
        ([50.0, 3.0, 2.0], 0.2),
        ([1.0, 1e-3, 30.0], 0.05),
        ([10.0, 1.9, 1.7], 0.15),
        ([0.0, 4.0, 6.0], 0.1),
        ([7.0, 7.0, 7.0], 0.3),
    ],
)
def test_water_fill_is_the_maximum(counts, floor):
    counts = np.array(counts)
    w = water_fill(counts, floor)
    assert w.sum() == pytest.approx(1, abs=1e-14) and (w >= floor).all()
    value = (counts[counts > 0] * np.log(w[counts > 0])).sum()
    _, best = brute(counts, floor)
    assert value >= best - 1e-12
    found = minimize(
        lambda v: -(counts * np.log(np.maximum(v, 1e-300))).sum(), np.full(3, 1 / 3), method="SLSQP",
        bounds=[(max(floor, 1e-12), 1)] * 3, options={"ftol": 1e-15},
        constraints={"type": "eq", "fun": lambda v: v.sum() - 1},
    )  # fmt: skip
    np.testing.assert_allclose(w, found.x, atol=2e-5)
    # the form of DESIGN section 5: max(floor, c / lambda) with one lambda
    above = w > floor + 1e-12
    ratio = counts[above] / w[above]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)
    assert (counts[~above] / max(floor, 1e-300) <= ratio[0] * (1 + 1e-12)).all()


def test_water_fill_at_the_edges():
    np.testing.assert_allclose(water_fill(np.array([-0.5, 2.0, 2.0])), [0, 0.5, 0.5])  # a negative count acts as zero
    np.testing.assert_allclose(water_fill(np.array([-0.5, 2.0, 2.0]), 0.2), [0.2, 0.4, 0.4])
    np.testing.assert_allclose(water_fill(np.zeros(4), 0.1), np.full(4, 0.25))
    np.testing.assert_allclose(water_fill(np.array([3.0])), [1.0])


def test_a_cascade_of_floors():
    """Raising one weight to the floor pushes the next one below it."""
    w = water_fill(np.array([100.0, 12.0, 10.9, 1.0]), 0.1)
    assert (w >= 0.1).all() and w.sum() == pytest.approx(1)
    np.testing.assert_allclose(w, [0.7, 0.1, 0.1, 0.1], atol=2e-3)


# ---- slacks and log densities ------------------------------------------------------------------------------

THETA = {
    "weight": np.array([0.2, 0.5, 0.3]),
    "mean": np.array([[0.0, 5.0], [1.0, 4.0], [3.0, 9.0]]),
    "cov": np.stack([np.diag([1.0, 2.0]), np.diag([2.0, 1.0]), np.diag([3.0, 5.0])]),
}


@pytest.mark.parametrize(
    "constraint,slack,name",
    [
        (bm.Order("mean", by=0), [1.0, 2.0], "order_mean_0"),
        (bm.Order("mean", by=1), [-1.0, 5.0], "order_mean_1"),
        (bm.Order("weight"), [0.3, -0.2], "order_weight"),
        (bm.Order("cov", by=1, enforce="potential"), [-1.0, 4.0], "order_cov_1"),
        (bm.MinWeight(0.25), [-0.05, 0.25, 0.05], "min_weight"),
        (bm.MinWeight(0.2), [0.0, 0.3, 0.1], "min_weight"),
    ],
)
def test_slacks(constraint, slack, name):
    np.testing.assert_allclose(constraint.value(THETA, np), slack, atol=1e-15)
    assert constraint.name == name
    assert constraint.logp(THETA) == (0.0 if min(slack) >= 0 else -np.inf)
    soft = type(constraint)(**{**vars(constraint), "enforce": "soft", "width": 0.5})
    exact = sum(-np.log1p(np.exp(-s / 0.5)) for s in slack)
    assert soft.logp(THETA) == pytest.approx(exact, rel=1e-12) and soft.logp(THETA) < 0


@pytest.mark.parametrize("constraint", [bm.Order("mean", by=1), bm.MinWeight(0.25), bm.Order("weight")])
@pytest.mark.parametrize("enforce", ["potential", "soft"])
def test_the_potential_is_the_same_number(constraint, enforce):
    import pytensor.tensor as pt

    c = type(constraint)(**{**vars(constraint), "enforce": enforce, "width": 0.3})
    there = c.potential({n: pt.as_tensor_variable(v) for n, v in THETA.items()}).eval(mode="FAST_COMPILE")
    assert float(there) == pytest.approx(c.logp(THETA), rel=1e-12)


def test_projection():
    fixed = bm.Order("mean", by=1).project(THETA, None)
    np.testing.assert_array_equal(fixed["mean"], [[0.0, 5.0], [1.0, 5.0], [3.0, 9.0]])
    np.testing.assert_array_equal(THETA["mean"][1], [1.0, 4.0])  # what was passed in stays
    floor = bm.MinWeight(0.25).project(THETA, THETA["weight"])
    assert floor["weight"].min() == 0.25 and floor["weight"].sum() == pytest.approx(1)


def test_infinitely_soft_is_hard():
    ordered = {**THETA, "mean": np.sort(THETA["mean"], axis=0)}
    assert bm.Order("mean", by=1, enforce="soft", width=1e-9).logp(ordered) == pytest.approx(0, abs=1e-12)
    assert bm.Order("mean", by=1, enforce="soft", width=1e-9).logp(THETA) < -1e8


# ---- transforms --------------------------------------------------------------------------------------------


def compiled(transform, shape):
    """backward, log_jac_det and forward of a PyMC transform as NumPy functions of u and of the value."""
    import pytensor
    import pytensor.tensor as pt

    u, v = (pt.tensor(name, shape=s, dtype="float64") for name, s in zip(("u", "v"), shape, strict=True))
    back = pytensor.function([u], [transform.backward(u), transform.log_jac_det(u)], mode="FAST_COMPILE")
    forth = pytensor.function([v], transform.forward(v), mode="FAST_COMPILE")
    return back, forth


def log_det(back, u, pick):
    J = []
    for j in range(u.size):
        e = np.zeros(u.size)
        e[j] = 1e-6
        up, down = (pick(back(u + (s * e).reshape(u.shape))[0]) for s in (1, -1))
        J.append((up - down) / 2e-6)
    return np.linalg.slogdet(np.array(J))[1]


@pytest.mark.parametrize("floor", [0.0, 0.1])
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("K", [2, 4])
def test_floor_simplex(floor, ordered, K):
    from bayesmix.spec.transforms import FloorSimplex

    back, forth = compiled(FloorSimplex(floor, ordered=ordered), ((K - 1,), (K,)))
    rng = np.random.default_rng(6)
    for size in (0.3, 1.0, 3.0):
        u = size * rng.standard_normal(K - 1)
        w, jac = back(u)
        assert w.sum() == pytest.approx(1, abs=1e-12) and (w >= floor - 1e-15).all()
        assert not ordered or (np.diff(w) >= 0).all()
        np.testing.assert_allclose(forth(w), u, atol=1e-8)
        assert float(jac) == pytest.approx(log_det(back, u, lambda v: v[:-1]), rel=2e-6)


def test_ordered_weights_reach_every_corner():
    """Onto: uniform weights that happen to be ordered map to u and back."""
    from bayesmix.spec.transforms import FloorSimplex

    back, forth = compiled(FloorSimplex(0.05, ordered=True), ((3,), (4,)))
    rng = np.random.default_rng(7)
    for _ in range(20):
        w = np.sort(0.05 + 0.8 * rng.dirichlet(np.ones(4)))
        np.testing.assert_allclose(back(forth(w))[0], w, atol=1e-12)


def transforms():
    from pymc.distributions.transforms import Interval, log, logodds

    return {"real": None, "positive": log, "unit": logodds, "interval": Interval(-2.0, 5.0)}


@pytest.mark.parametrize("inner", ["real", "positive", "unit", "interval"])
@pytest.mark.parametrize("shape,by", [((3, 1), 0), ((3, 2), 1), ((3,), None)])
def test_ordered_column(inner, shape, by):
    from bayesmix.spec.transforms import OrderedColumn

    back, forth = compiled(OrderedColumn(transforms()[inner], by), (shape, shape))
    rng = np.random.default_rng(8)
    for size in (0.3, 1.0):
        u = size * rng.standard_normal(shape)
        value, jac = back(u)
        assert value.shape == shape and (np.diff(value if by is None else value[:, by]) > 0).all()
        np.testing.assert_allclose(forth(value), u, atol=1e-7)
        assert float(jac) == pytest.approx(log_det(back, u, np.ravel), abs=1e-6)


@pytest.mark.parametrize(
    "shape,by", [((3, 2), (1,)), ((3, 4), (0,)), ((2, 4), (2,)), ((3, 2, 3), (1, 2)), ((2, 3, 2), (0, 1))]
)
def test_ordered_corner(shape, by):
    """One probability of a field of simplexes in order; the others anywhere on what it leaves."""
    from bayesmix.spec.transforms import OrderedCorner

    free = (*shape[:-1], shape[-1] - 1)
    back, forth = compiled(OrderedCorner(by), (free, shape))
    rng = np.random.default_rng(8)
    for size in (0.3, 1.0):
        u = size * rng.standard_normal(free)
        value, jac = back(u)
        assert value.shape == shape and (np.diff(value[:, *by]) > 0).all()
        np.testing.assert_allclose(value.sum(axis=-1), 1, atol=1e-12)
        np.testing.assert_allclose(forth(value), u, atol=1e-7)
        assert float(jac) == pytest.approx(log_det(back, u, lambda v: v[..., :-1].ravel()), abs=1e-6)


def test_log_cholesky():
    """The positive definite transform agrees with the support's coordinates and a numeric determinant."""
    from bayesmix.spec.supports import positive_definite

    for d in (1, 3):
        p, (i, j) = d * (d + 1) // 2, np.tril_indices(d)
        back, forth = compiled(positive_definite.transform((2, d, d)), ((2, p), (2, d, d)))
        u = 0.7 * np.random.default_rng(9).standard_normal((2, p))
        value, jac = back(u)
        np.testing.assert_allclose(value, positive_definite.from_real(u, (2, d, d)), rtol=1e-12)
        np.testing.assert_allclose(forth(value), u, atol=1e-10)
        assert float(np.sum(jac)) == pytest.approx(log_det(back, u, lambda v, i=i, j=j: v[:, i, j].ravel()), abs=1e-6)
        assert float(np.sum(jac)) == pytest.approx(positive_definite.log_jacobian(u, (2, d, d)), rel=1e-12)


# ---- when the constraint meets the model -------------------------------------------------------------------


@pytest.mark.parametrize("case", cases.pairwise(), ids=cases.name)
def test_prior_draws_obey(case):
    model, rng = case.model.resolve(case.data), np.random.default_rng(1)
    for _ in range(20):
        theta = model.draw_prior(rng, case.data.d)
        for c in model.constraints:
            assert c.logp(theta) == 0 if c.hard else np.isfinite(c.logp(theta))
        assert np.isfinite(sum(model.log_prior(theta).values()))
        assert {n: v.shape for n, v in theta.items()} == {n: model.field_shape(n, case.data.d) for n in theta}


def test_prior_draws_have_the_truncated_density():
    """Ordered means of exchangeable N(0, 1): order statistics; a floor: a smaller simplex."""
    model = bm.Mixture(
        bm.Gaussian(mean=bm.Normal(0, 1), var=bm.Fixed(1.0)),
        3,
        constraints=(bm.Order("mean", by=0), bm.MinWeight(0.2)),
    )
    rng = np.random.default_rng(3)
    draws = [model.draw_prior(rng, 1) for _ in range(1000)]
    mean = np.array([t["mean"][:, 0] for t in draws])
    exact = 1.5 / np.sqrt(np.pi)  # E max of three standard normals
    assert abs(mean[:, 2].mean() - exact) <= 5.5 * mean[:, 2].std() / np.sqrt(1000)
    assert abs(mean[:, 0].mean() + exact) <= 5.5 * mean[:, 0].std() / np.sqrt(1000)
    w = np.array([t["weight"] for t in draws])
    assert w.min() >= 0.2
    free = (w - 0.2) / 0.4  # uniform on the simplex: each coordinate has variance 1/18
    assert free[:, 0].var() == pytest.approx(1 / 18, rel=0.25)


def test_soft_prior_draws_have_the_soft_density():
    """Two N(0, 1) means under a soft order: P(m1 - m0 in dm) ~ N(0, 2) sigmoid(m / width), by quadrature."""
    width = 0.7
    model = bm.Mixture(
        bm.Gaussian(mean=bm.Normal(0, 1), var=bm.Fixed(1.0)),
        2,
        constraints=(bm.Order("mean", by=0, enforce="soft", width=width),),
    )
    rng = np.random.default_rng(4)
    gap = np.array([np.diff(model.draw_prior(rng, 1)["mean"][:, 0])[0] for _ in range(1500)])
    grid = np.linspace(-12, 12, 20001)
    density = np.exp(-(grid**2) / 4) / (1 + np.exp(-grid / width))
    density /= density.sum()
    exact, var = density @ grid, density @ grid**2 - (density @ grid) ** 2
    assert abs(gap.mean() - exact) <= 5.5 * np.sqrt(var / 1500)
    assert abs(gap.mean() - 2 / np.sqrt(np.pi)) > 5.5 * np.sqrt(var / 1500)  # negative control: not the hard order


X2 = np.random.default_rng(0).normal(size=(20, 2))


def mixture(*constraints, K=2, **options):
    return bm.Mixture(options.pop("family", bm.Gaussian()), K, constraints=constraints, **options)


@pytest.mark.parametrize(
    "make,words",
    [
        (lambda: bm.MinWeight(0.0), "between 0 and 1"),
        (lambda: bm.MinWeight(1.0), "between 0 and 1"),
        (lambda: bm.MinWeight(0.1, enforce="hard"), "enforce"),
        (lambda: bm.Order("mean", enforce="soft", width=0), "width"),
        (lambda: mixture(bm.Order("rate")), "no field 'rate'"),
        (lambda: mixture("mean"), "bm.Order or bm.MinWeight"),
        (lambda: mixture(bm.Order("mean", by=0), bm.Order("mean", by=1)), "cannot both be transforms"),
        (lambda: mixture(bm.MinWeight(0.5)).resolve(bm.Data(X2)), "below 1/2"),
        (lambda: mixture(bm.MinWeight(0.3), K=4).resolve(bm.Data(X2)), "below 1/4"),
        (lambda: mixture(bm.Order("mean")).resolve(bm.Data(X2)), "x0.*x1"),
        (lambda: mixture(bm.Order("mean", by="height")).resolve(bm.Data(X2)), "no such feature"),
        (lambda: mixture(bm.Order("mean", by=2)).resolve(bm.Data(X2)), r"0\.\.1"),
        (
            lambda: mixture(bm.Order("var", by=0), family=bm.Gaussian(shared=True)).resolve(bm.Data(X2)),
            "shared",
        ),
        (
            lambda: mixture(bm.Order("var", by=0), family=bm.Gaussian(var=bm.Fixed(1))).resolve(bm.Data(X2)),
            "Fixed",
        ),
        (lambda: mixture(bm.Order("weight"), weight=bm.Fixed(0.5)).resolve(bm.Data(X2)), "Fixed"),
        (
            lambda: mixture(bm.MinWeight(0.3), weight=bm.Fixed([0.2, 0.8])).resolve(bm.Data(X2)),
            "smallest is 0.2",
        ),
        (lambda: mixture(bm.Order("mean", by=(0, 1))).resolve(bm.Data(X2)), "one feature"),
        (
            lambda: mixture(bm.Order("prob", by=0), family=bm.Categorical(categories=3)).resolve(bm.Data(X2 > 0)),
            "pair .feature, category",
        ),
        (lambda: mixture(bm.Order("cov", by=0), family=bm.MvGaussian()).resolve(bm.Data(X2)), "potential"),
    ],
)
def test_bad_constraints(make, words):
    with pytest.raises(bm.InputError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_names_become_numbers():
    data = bm.Data(X2, names=["height", "weight"])
    (order,) = mixture(bm.Order("mean", by="weight")).resolve(data).constraints
    assert order == bm.Order("mean", by=1)
    (soft,) = mixture(bm.Order("mean", by="weight", enforce="soft")).resolve(data).constraints
    sd = 2 * X2[:, 1].std()  # the default prior's
    assert soft.width == pytest.approx(0.05 * sd, rel=0.15)
    (floor,) = mixture(bm.MinWeight(0.1, enforce="soft")).resolve(data).constraints
    assert floor.width == pytest.approx(0.02)


@pytest.mark.parametrize("gap,refused", [(8.0, True), (0.3, False), (-8.0, False)])
def test_labels_that_contradict_the_order(gap, refused):
    rng = np.random.default_rng(1)
    label = np.repeat([0, 1], 10)
    data = bm.Data(rng.normal(size=20) + np.where(label == 0, gap, 0.0), label=label)
    for enforce in ("transform", "potential", "soft"):
        model = mixture(bm.Order("mean", enforce=enforce))
        if refused and enforce != "soft":
            with pytest.raises(bm.InputError, match="contradict the order"):
                model.resolve(data)
        else:
            model.resolve(data)
