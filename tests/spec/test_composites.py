"""Families made of members: names, shapes, symmetry, the density by hand, and what is refused."""

import json
from itertools import permutations

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import bayesmix as bm
from bayesmix.spec.encode import decode, encode

N = 12
RNG = np.random.default_rng(42)
MIXED = bm.Data(
    np.column_stack([RNG.normal(2, 3, N), RNG.poisson(3, N), RNG.normal(5, 1, N), RNG.random(N) < 0.4]),
    names=["height", "visits", "width", "sick"],
)
PRODUCT = bm.Product(size=(bm.MvGaussian(), ["width", "height"]), n=(bm.Poisson(), ["visits"]), s=(bm.Bernoulli(), [3]))
PLANE = bm.Data(RNG.normal(size=(N, 2)) * [2, 1], names=["u", "v"])
NOISE = bm.Components((bm.MvGaussian(), 3), bm.UniformComponent())
COUNTS = bm.Data([0, 0, 3, 1, 0, 7, 0, 2.0])
ZIP = bm.Components(bm.PointMass(0), bm.Poisson(rate=bm.Gamma(2.0, 0.5)))


def one_draw(model, data, seed=0):
    model = model.resolve(data)
    return model, model.draw_prior(np.random.default_rng(seed), data.d)


# ---- the density is the hand-written one -------------------------------------------------------------------


def test_a_product_adds_the_log_densities_of_its_parts():
    model, theta = one_draw(bm.Mixture(PRODUCT, 3), MIXED)
    x = MIXED.x
    rows = np.stack(
        [
            stats.multivariate_normal(theta["size.mean"][k], theta["size.cov"][k]).logpdf(x[:, [2, 0]])
            + stats.poisson(theta["n.rate"][k, 0]).logpmf(x[:, 1])
            + stats.bernoulli(theta["s.prob"][k, 0]).logpmf(x[:, 3])
            for k in range(3)
        ],
        axis=1,
    )
    terms = model.log_posterior(MIXED, theta)
    assert terms["x"] == pytest.approx(logsumexp(rows + np.log(theta["weight"]), axis=1).sum(), rel=1e-12)
    prior = model.parameters["n.rate"].prior
    assert terms["n.rate"] == pytest.approx(
        stats.gamma(prior.shape, scale=1 / prior.rate).logpdf(theta["n.rate"]).sum(), rel=1e-12
    )
    assert set(terms) == {"weight", "size.mean", "size.cov", "n.rate", "s.prob", "x"}


@pytest.mark.parametrize("pool", [{}, {"shared": True}])
def test_a_product_of_gaussian_columns_is_gaussian(pool):
    given = {"mean": bm.Normal([1.0, -0.5], [3.0, 2.0]), "var": bm.InverseGamma([2.0, 3.0], [1.0, 0.5])}
    plain = bm.Mixture(bm.Gaussian(**given, **pool), 2)
    parts = {}
    for j, name in enumerate("ab"):
        mean = bm.Normal(given["mean"].mean[j], given["mean"].sd[j])
        var = bm.InverseGamma(given["var"].shape[j], given["var"].scale[j])
        parts[name] = (bm.Gaussian(mean=mean, var=var, **pool), [j])
    product = bm.Mixture(bm.Product(**parts), 2)
    assert product.df(2) == plain.df(2)
    _, theta = one_draw(plain, PLANE)
    split = {"weight": theta["weight"]}
    split |= {f"{name}.{f}": theta[f][:, [j]] for j, name in enumerate("ab") for f in ("mean", "var")}
    ours, theirs = (m.log_posterior(PLANE, t) for m, t in ((product, split), (plain, theta)))
    assert ours["x"] == pytest.approx(theirs["x"], rel=1e-13)
    assert ours["a.mean"] + ours["b.mean"] == pytest.approx(theirs["mean"], rel=1e-12)
    a, b = (bm.fit_em(m, PLANE, start=np.arange(N) % 2, seed=0) for m in (product, plain))
    assert a.log_posterior == pytest.approx(b.log_posterior, rel=1e-10)
    for j, name in enumerate("ab"):
        np.testing.assert_allclose(a.best[f"{name}.mean"], b.best["mean"][:, [j]], rtol=1e-6)
        np.testing.assert_allclose(a.best[f"{name}.var"], b.best["var"][:, [j]], rtol=1e-6)


def test_zero_inflation_by_hand():
    model, theta = one_draw(bm.Mixture(ZIP), COUNTS)
    psi, rate, x = theta["weight"][0], theta["rate"][0, 0], COUNTS.x[:, 0]
    mass = (1 - psi) * stats.poisson(rate).pmf(x) + psi * (x == 0)
    assert model.log_posterior(COUNTS, theta)["x"] == pytest.approx(np.log(mass).sum(), rel=1e-13)


def test_the_exact_evidence_of_a_zero_inflated_poisson(golden):
    """Z1 of the exact cases: the log posterior integrated over (psi, rate) by quadrature, and its moments."""
    exact = next(c for c in golden("exact_tiny") if c["name"].startswith("Z1"))
    x = np.array([0, 0, 3, 0, 5, 0, 2, 0, 4, 1, 0, 2.0])  # only n, the zeros, the sum and prod x! enter
    assert (len(x), (x == 0).sum(), x.sum()) == (exact["n"], exact["n_zero"], exact["sum"])
    family = bm.Components(bm.PointMass(0), bm.Poisson(rate=bm.Gamma(exact["gamma_shape"], exact["gamma_rate"])))
    model = bm.Mixture(family, weight=bm.Dirichlet([exact["beta_a"], exact["beta_b"]])).resolve(bm.Data(x))
    nodes, weights = np.polynomial.legendre.leggauss(48)
    psi, rate, total = 0.5 * (nodes + 1), 6.0 * (nodes + 1), []  # rates above 12 have a share of 1e-15
    for p in psi:
        for r in rate:
            theta = {"weight": np.array([p, 1 - p]), "rate": np.array([[r]])}
            rows = logsumexp(model.log_joint(x[:, None], theta), axis=1)
            total.append(rows.sum() + sum(model.log_prior(theta).values()))
    log_p = np.reshape(total, (48, 48)) + np.log(np.outer(weights * 0.5, weights * 6.0))
    mass = np.exp(log_p - logsumexp(log_p))
    assert (mass.sum(axis=1) @ psi, mass.sum(axis=0) @ rate) == pytest.approx(
        (exact["E_psi"], exact["E_lambda"]), rel=1e-9
    )
    assert logsumexp(log_p) == pytest.approx(exact["log_marginal_likelihood"], rel=1e-10)
    structural = psi[:, None] / (psi[:, None] + (1 - psi[:, None]) * np.exp(-rate))
    assert (mass * structural).sum() == pytest.approx(exact["P_structural_given_zero"], rel=1e-9)


def test_noise_by_hand():
    """The density of the noise component is one over the volume of the data's box (Banfield & Raftery 1993)."""
    model, theta = one_draw(bm.Mixture(NOISE), PLANE)
    log_f = model.family.logpdf(PLANE.x, **model.own(theta))
    np.testing.assert_allclose(log_f[:, 3], -np.log(np.ptp(PLANE.x, axis=0)).sum(), rtol=1e-14)
    for k in range(3):
        normal = stats.multivariate_normal(theta["mean"][k], theta["cov"][k])
        np.testing.assert_allclose(log_f[:, k], normal.logpdf(PLANE.x), rtol=1e-11)
    given = bm.Mixture(bm.Components(bm.Gaussian(), bm.UniformComponent(lower=-9, upper=bm.Fixed([9, 8])))).resolve(
        PLANE
    )
    far = np.array([[0.0, 8.5], [0.0, 7.5], [-9.0, 8.0], [-9.01, 0.0]])
    log_f = given.family.logpdf(far, **given.own(given.draw_prior(np.random.default_rng(0), 2)))[:, 1]
    np.testing.assert_allclose(log_f, [-np.inf, -np.log(18 * 17), -np.log(18 * 17), -np.inf])


# ---- names, shapes, axes -----------------------------------------------------------------------------------


def test_a_product_names_and_shapes():
    model, theta = one_draw(bm.Mixture(PRODUCT, 3), MIXED)
    shapes = {"weight": (3,), "size.mean": (3, 2), "size.cov": (3, 2, 2), "n.rate": (3, 1), "s.prob": (3, 1)}
    assert {n: v.shape for n, v in theta.items()} == shapes
    assert all(model.field_shape(n, 4) == s for n, s in shapes.items())
    coords = model.coords(MIXED)
    assert [coords[d] for d in model.dims("size.cov")] == [[0, 1, 2], ["width", "height"], ["width", "height"]]
    assert [coords[d] for d in model.dims("n.rate")] == [[0, 1, 2], ["visits"]]
    assert len({*model.dims("size.mean"), *model.dims("n.rate"), *model.dims("s.prob")}) == 4  # an axis for each part
    assert model.df(4) == 2 + 3 * (2 + 3 + 1 + 1)


def test_members_have_their_own_length():
    model, theta = one_draw(bm.Mixture(NOISE), PLANE)
    assert model.components == 4
    assert {n: v.shape for n, v in theta.items()} == {
        "weight": (4,), "mean": (3, 2), "cov": (3, 2, 2), "lower": (1, 2), "upper": (1, 2),
    }  # fmt: skip
    coords = model.coords(PLANE)
    assert coords[model.dims("mean")[0]] == [0, 1, 2] and coords[model.dims("lower")[0]] == [3]
    assert coords[model.dims("weight")[0]] == [0, 1, 2, 3]
    assert model.df(2) == 3 + 3 * (2 + 3)
    assert bm.Mixture(NOISE, components=4).components == 4
    with pytest.raises(bm.InputError, match="4 components"):
        bm.Mixture(NOISE, components=3)
    with pytest.raises(bm.InputError, match="components"):
        bm.Mixture(bm.Gaussian())


def names(*members):
    return list(bm.Components(*members).parameters)


def test_names_clash_only_where_they_do():
    g, m, p = bm.Gaussian(), bm.MvGaussian(), bm.Poisson()
    assert names(p, (bm.Bernoulli(), 2)) == ["rate", "prob"]
    assert names((g, 2), m) == ["gaussian.mean", "var", "mvgaussian.mean", "cov"]
    sd = bm.Gaussian(sd=bm.HalfNormal(1))
    assert names(g, (sd, 2)) == ["gaussian1.mean", "var", "gaussian2.mean", "sd"]
    assert names(p, p, bm.PointMass(0)) == ["poisson1.rate", "poisson2.rate"]
    inner = bm.Product(a=(p, [0]), b=(bm.Bernoulli(), [1]))
    assert names(inner, p) == ["a.rate", "b.prob", "rate"]
    assert names((inner, 2), inner)[:2] == ["product1.a.rate", "product1.b.prob"]


def test_reported_quantities_keep_their_components_and_columns():
    data = bm.Data(RNG.normal(size=(30, 2)), names=["u", "v"])
    model = bm.Mixture(bm.Components((bm.Gaussian(), 2), bm.MvGaussian(), bm.UniformComponent(-9, 9)))
    fit = bm.fit_em(model, data, restarts=1, seed=0)
    rows = set(fit.summary().index)
    assert {"gaussian.mean[1, v]", "var[0, u]", "mvgaussian.mean[2, u]", "cov[2, u, v]"} <= rows
    assert {"gaussian.sd[1, v]", "mvgaussian.sd[2, u]", "corr[2, u, v]"} <= rows
    assert not {r for r in rows if r.startswith(("lower", "upper"))}


def test_columns_by_name_or_index():
    by_name = bm.Mixture(PRODUCT, 2).resolve(MIXED)
    by_index = bm.Product(size=(bm.MvGaussian(), [2, 0]), n=(bm.Poisson(), [1]), s=(bm.Bernoulli(), "sick"))
    assert encode(by_name) == encode(bm.Mixture(by_index, 2).resolve(MIXED))
    assert by_name.resolve(MIXED).family.parts[0].columns == (2, 0)


@pytest.mark.parametrize(
    "parts,word",
    [
        ({"a": (bm.Gaussian(), ["height", "width"])}, "'visits' is not used"),
        ({"a": (bm.Gaussian(), range(4)), "b": (bm.Poisson(), ["visits"])}, "'visits' is used twice"),
        ({"a": (bm.Gaussian(), ["height", "age"])}, "no column 'age'"),
        ({"a": (bm.Gaussian(), [0, 4])}, "no column 4"),
        ({"a": (bm.Gaussian(), [0, 0])}, "used twice"),
        ({"a": (bm.Gaussian(), [])}, "at least one column"),
        ({"a": bm.Gaussian()}, "family, columns"),
        ({"a": ("gaussian", [0])}, "expected a family"),
        ({"a": (NOISE, [0])}, "cannot be a member"),
        ({}, "expected parts"),
        ({"all": (bm.Gaussian(), range(4))}, "another name"),
    ],
)
def test_a_product_that_does_not_fit(parts, word):
    with pytest.raises(bm.InputError, match=word):
        bm.Mixture(bm.Product(**parts), 2).resolve(MIXED)


@pytest.mark.parametrize(
    "make,word",
    [
        (lambda: bm.Components(), "expected members"),
        (lambda: bm.Components((bm.Gaussian(), 0)), "number of components"),
        (lambda: bm.Components((bm.Gaussian(), True)), "number of components"),
        (lambda: bm.Components(3), "expected a family"),
        (lambda: bm.Components(NOISE), "cannot be a member"),
        (lambda: bm.Components(bm.PointMass(0), bm.Gaussian()), "PointMass cannot stand beside Gaussian"),
        (lambda: bm.Components(bm.PointMass(0), bm.UniformComponent()), "PointMass cannot stand beside Uniform"),
        (lambda: bm.Mixture(bm.PointMass(0), 1), "only inside bm.Components"),
        (lambda: bm.Mixture(bm.Product(a=(bm.PointMass(0), [0]), b=(bm.Poisson(), [1])), 2), "only inside"),
        (lambda: bm.PointMass(np.nan), "expected a number"),
        (lambda: bm.UniformComponent(1, 1), "lower < upper"),
        (lambda: bm.UniformComponent(lower=bm.Normal(0, 1)), "known constant"),
    ],
)
def test_components_that_do_not_fit(make, word):
    with pytest.raises(bm.InputError, match=word):
        make()


def test_a_point_mass_is_refused_beside_a_density_column_by_column():
    def model(beside):
        atom = bm.Product(a=(bm.PointMass(0), ["u"]), b=(bm.Gaussian(), ["v"]))
        return bm.Mixture(bm.Components(atom, bm.Product(a=(beside, ["u"]), b=(bm.Gaussian(), ["v"]))))

    data = bm.Data(np.column_stack([[0, 0, 2, 5.0], [0.1, 0.5, 2.5, 1.0]]), names=["u", "v"])
    assert model(bm.Poisson()).resolve(data).components == 2
    with pytest.raises(bm.InputError, match="PointMass cannot stand"):
        model(bm.Gaussian()).resolve(data)


def test_rows_that_no_component_can_produce():
    boxes = bm.Mixture(bm.Components(bm.UniformComponent(0, 1), bm.UniformComponent(1, 2)))
    with pytest.raises(bm.InputError, match=r"row 1.*outside every component"):
        boxes.resolve(bm.Data([0.5, 3.0, 1.0]))
    fit = bm.fit_em(boxes, [0.5, 1.5, 1.7], restarts=1, seed=0)
    np.testing.assert_allclose(fit.best["weight"], [1 / 3, 2 / 3])
    with pytest.raises(bm.InputError, match="outside every component"):
        fit.predict_proba([5.0])
    with pytest.raises(bm.InputError, match=r"row 2.*cannot produce"):
        bm.Mixture(ZIP).resolve(bm.Data(COUNTS.x, label=[0, -1, 0, -1, -1, -1, -1, -1]))
    with pytest.raises(bm.InputError, match="column 0 is constant"):
        bm.Mixture(bm.Components(bm.Gaussian(bm.Normal(0, 1), bm.Fixed(1)), bm.UniformComponent())).resolve(
            bm.Data([1, 1.0])
        )


# ---- masks -------------------------------------------------------------------------------------------------


def test_the_mask_is_no_label():
    model = bm.Mixture(ZIP).resolve(COUNTS)
    assert model.log_label(COUNTS) is None
    allowed = model.log_allowed(COUNTS)
    np.testing.assert_array_equal(allowed[:, 0], np.where(COUNTS.x[:, 0] == 0, 0, -np.inf))
    np.testing.assert_array_equal(allowed[:, 1], 0)
    labelled = bm.Data(COUNTS.x, label=[0, 1, -1, -1, -1, -1, -1, -1])
    both = model.log_allowed(labelled)
    np.testing.assert_array_equal(both[:3], [[0, -np.inf], [-np.inf, 0], [-np.inf, 0]])
    assert bm.Mixture(bm.Poisson(), 2).resolve(COUNTS).log_allowed(COUNTS) is None


def test_a_missing_cell_is_not_excluded():
    family = bm.PointMass([0, 1])
    np.testing.assert_array_equal(
        family.mask(np.array([[0, 1], [np.nan, 1], [np.nan, 0], [0, 0]]), 2)[:, 0], [0, 0, -np.inf, -np.inf]
    )
    box = bm.UniformComponent(0, 1)
    np.testing.assert_array_equal(
        box.mask(np.array([[0.5, np.nan], [np.nan, 2.0], [1.0, 0.0]]), 1)[:, 0], [0, -np.inf, 0]
    )


def test_features_are_shared_and_weights_zero_elsewhere():
    """The constant is one feature; Poisson's base is a feature of its own components alone."""
    model, theta = one_draw(bm.Mixture(bm.Components(bm.PointMass(0), (bm.Poisson(), 2), bm.Bernoulli())),
                            bm.Data([0, 1, 1, 0.0]))  # fmt: skip
    W = model.family.natural(np, **model.own(theta))
    rate, prob = theta["rate"][:, 0], theta["prob"][0, 0]
    np.testing.assert_allclose(
        W,
        [
            [0, 0, 0, 0],
            [-rate[0], np.log(rate[0]), 1, 0],
            [-rate[1], np.log(rate[1]), 1, 0],
            [np.log1p(-prob), 0, 0, np.log(prob) - np.log1p(-prob)],
        ],
        rtol=1e-12,
    )
    phi = model.family.sufficient(np.array([[0.0], [1.0]]))
    np.testing.assert_array_equal(phi, [[1, 0, 0, 0], [1, 1, 0, 1]])
    assert (model.family.base(np.array([[3.0]])) == 0).all()


def test_exponential_if_every_member_is():
    from newcomers import Laplace

    assert NOISE.exponential and ZIP.exponential and PRODUCT.exponential
    assert not bm.Components(Laplace(), bm.Gaussian()).exponential
    assert not bm.Product(a=(Laplace(), [0]), b=(bm.Poisson(), [1])).exponential


# ---- symmetry ----------------------------------------------------------------------------------------------


def test_blocks_never_mix_unlike_members():
    rates = bm.Poisson(rate=bm.Gamma(2, 1)), bm.Poisson(rate=bm.Gamma(2, 1.5))
    unlike = bm.Mixture(bm.Components((rates[0], 2), (rates[1], 2))).resolve(COUNTS)
    assert unlike.blocks(COUNTS) == ((0, 1), (2, 3)) and unlike.relabelings(COUNTS) == 4
    atoms = bm.Mixture(bm.Components(bm.PointMass(0), bm.PointMass(1), bm.Poisson())).resolve(COUNTS)
    assert atoms.blocks(COUNTS) == ((0,), (1,), (2,))
    noise = bm.Mixture(NOISE).resolve(PLANE)
    assert noise.blocks(PLANE) == ((0, 1, 2), (3,)) and noise.relabelings(PLANE) == 6


def test_equal_members_listed_apart_are_exchangeable():
    """They say the same model as one member with all of the components: same density, same blocks, same optima."""
    apart = bm.Mixture(bm.Components((bm.Poisson(), 2), bm.PointMass(0), bm.Poisson())).resolve(COUNTS)
    assert apart.blocks(COUNTS) == ((0, 1, 3), (2,)) and apart.relabelings(COUNTS) == 6
    model, theta = one_draw(apart, COUNTS)
    value, log_f = sum(model.log_posterior(COUNTS, theta).values()), model.family.logpdf(COUNTS.x, **model.own(theta))
    perms = [np.array([a, b, 2, c]) for a, b, c in permutations((0, 1, 3))]
    for perm in perms:
        moved = model.permute(theta, perm)
        np.testing.assert_array_equal(model.family.logpdf(COUNTS.x, **model.own(moved)), log_f[:, perm])
        assert sum(model.log_posterior(COUNTS, moved).values()) == pytest.approx(value, rel=1e-12)
    draws = {name: np.stack([[v, 2 * v]] * 3) for name, v in theta.items()}  # (chain, draw, ...)
    whole = model.permute(draws, np.array(perms).reshape(3, 2, 4))
    for i, (c, s) in enumerate(np.ndindex(3, 2)):
        one = model.permute({name: v[c, s] for name, v in draws.items()}, perms[i])
        for name, v in one.items():
            np.testing.assert_array_equal(whole[name][c, s], v)
    with pytest.raises(bm.InputError, match="unlike members"):
        model.permute(theta, [2, 1, 0, 3])
    assert model.apart(theta, 0, 3) > 0 and np.isinf(model.apart(theta, 0, 2))
    twins = {**theta, "poisson2.rate": theta["poisson1.rate"][:1]}
    assert model.apart(twins, 0, 3) == 0 and model.apart(twins, 1, 3) > 0

    one = bm.Mixture(bm.Components((bm.Poisson(), 2)))
    two = bm.Mixture(bm.Components(bm.Poisson(), bm.Poisson()))
    fits = [bm.fit_em(m, COUNTS, restarts=10, start="prior", seed=1) for m in (one, two)]
    for name in ("log_posterior", "log_mass"):
        np.testing.assert_allclose(*(f.modes[name].iloc[:1] for f in fits), rtol=1e-8)
    assert len(fits[0].modes) == len(fits[1].modes)


def test_members_that_share_a_field_among_themselves_stay_apart():
    tied = bm.Components((bm.Gaussian(shared=True), 2), (bm.Gaussian(shared=True), 2))
    model = bm.Mixture(tied).resolve(PLANE)
    assert model.blocks(PLANE) == ((0, 1), (2, 3))


def test_an_order_on_one_of_two_equal_members_tells_them_apart():
    family = bm.Components((bm.Poisson(), 2), (bm.Poisson(), 2))
    model = bm.Mixture(family, constraints=bm.Order("poisson1.rate")).resolve(COUNTS)
    assert model.free_blocks(model.blocks(COUNTS)) == ((0,), (1,), (2, 3)) and model.relabelings(COUNTS) == 2


def test_permuting_within_members_leaves_the_posterior_unchanged():
    model, theta = one_draw(bm.Mixture(bm.Components((bm.MvGaussian(), 3), (bm.Gaussian(shared=True), 2))), PLANE)
    value = sum(model.log_posterior(PLANE, theta).values())
    log_f = model.family.logpdf(PLANE.x, **model.own(theta))
    for a in permutations(range(3)):
        for b in ((3, 4), (4, 3)):
            perm = np.array([*a, *b])
            moved = model.permute(theta, perm)
            np.testing.assert_allclose(model.family.logpdf(PLANE.x, **model.own(moved)), log_f[:, perm], rtol=1e-13)
            assert sum(model.log_posterior(PLANE, moved).values()) == pytest.approx(value, rel=1e-12)
    with pytest.raises(bm.InputError, match="unlike members"):
        model.permute(theta, [3, 1, 2, 0, 4])


def test_an_order_breaks_the_symmetry_of_its_own_member():
    family = bm.Components((bm.MvGaussian(), 3), (bm.Gaussian(), 2), bm.UniformComponent())
    free = bm.Mixture(family).resolve(PLANE)
    ordered = bm.Mixture(family, constraints=bm.Order("mvgaussian.mean", by="v")).resolve(PLANE)
    assert free.relabelings(PLANE) == 12 and ordered.relabelings(PLANE) == 2
    assert ordered.free_blocks(ordered.blocks(PLANE)) == ((0,), (1,), (2,), (3, 4), (5,))
    by_weight = bm.Mixture(family, constraints=bm.Order("weight")).resolve(PLANE)
    assert by_weight.relabelings(PLANE) == 1
    rng = np.random.default_rng(0)
    first = [ordered.draw_prior(rng, 2) for _ in range(40)]
    assert all((np.diff(t["mvgaussian.mean"][:, 1]) > 0).all() for t in first)
    assert 0 < np.mean([t["gaussian.mean"][0, 1] < t["gaussian.mean"][1, 1] for t in first]) < 1


def test_order_speaks_of_the_columns_of_its_part():
    model = bm.Mixture(PRODUCT, 2, constraints=bm.Order("size.mean", by="height")).resolve(MIXED)
    assert model.constraints[0].by == 1  # the second column of the part (width, height)
    theta = model.draw_prior(np.random.default_rng(0), 4)
    assert theta["size.mean"][0, 1] < theta["size.mean"][1, 1]
    for field, by, word in [
        ("size.mean", "visits", "no such feature"),
        ("size.mean", None, "say which one"),
        ("n.mean", None, "no field"),
    ]:
        with pytest.raises(bm.InputError, match=word):
            bm.Mixture(PRODUCT, 2, constraints=bm.Order(field, by=by)).resolve(MIXED)
    for field, word in [("gaussian2.mean", "single component"), ("lower", "Fixed"), ("var", "shared")]:
        family = bm.Components((bm.Gaussian(shared=True), 2), bm.Gaussian(sd=bm.HalfNormal(1)), bm.UniformComponent())
        with pytest.raises(bm.InputError, match=word):
            bm.Mixture(family, constraints=bm.Order(field, by="u")).resolve(PLANE)


def test_an_order_against_the_labels_of_a_member():
    x = np.r_[np.zeros(10), np.full(10, 5.0), np.arange(10)] + 0.01 * np.random.default_rng(0).normal(size=30)
    family = bm.Components(bm.UniformComponent(-1, 20), (bm.Gaussian(), 2))
    good = bm.Data(x, label=np.r_[np.full(10, 1), np.full(10, 2), np.zeros(10, int)])
    wrong = bm.Data(x, label=np.r_[np.full(10, 2), np.full(10, 1), np.zeros(10, int)])
    model = bm.Mixture(family, constraints=bm.Order("mean"))
    model.resolve(good)
    with pytest.raises(bm.InputError, match="class 1 has mean"):
        model.resolve(wrong)


# ---- coordinates and storage -------------------------------------------------------------------------------


def test_coordinates_and_units():
    model, theta = one_draw(bm.Mixture(PRODUCT, 2), MIXED)
    u = model.vector(theta)
    assert len(u) == model.df(4)
    back = model.from_vector(u, theta)
    for name, value in theta.items():
        np.testing.assert_allclose(back[name], value, rtol=1e-12)
    units = model.units(theta, np.array([1.0, 10.0, 100.0, 1000.0]))
    np.testing.assert_array_equal(units[1:5], [100, 1, 100, 1])  # size.mean: width, height
    np.testing.assert_array_equal(units[5:8], [1, 1, 1])  # the factor of size.cov: its off-diagonal is in heights
    assert (units[-4:] == 1).all()


def test_only_the_columns_that_may_move_are_centred():
    from bayesmix.em.kernel import Problem

    problem = Problem.of(bm.Mixture(PRODUCT, 2).resolve(MIXED), MIXED)
    np.testing.assert_allclose(problem.origin, MIXED.x.mean(axis=0) * [1, 0, 1, 0])
    theta = problem.mixture.draw_prior(np.random.default_rng(0), 4)
    moved = problem.outward(theta)
    np.testing.assert_allclose(moved["size.mean"] - theta["size.mean"], np.tile(problem.origin[[2, 0]], (2, 1)))
    np.testing.assert_array_equal(moved["n.rate"], theta["n.rate"])
    noise = Problem.of(bm.Mixture(NOISE).resolve(PLANE), PLANE)
    there = noise.outward(noise.inward(noise.mixture.draw_prior(np.random.default_rng(0), 2)))
    np.testing.assert_array_equal(there["lower"][0], PLANE.x.min(axis=0))  # to the last bit: no row falls off the edge
    np.testing.assert_array_equal(there["upper"][0], PLANE.x.max(axis=0))


@pytest.mark.parametrize("family,data", [(PRODUCT, MIXED), (NOISE, PLANE), (ZIP, COUNTS)])
def test_storage(family, data):
    model = bm.Mixture(family, 2 if family is PRODUCT else None).resolve(data)
    again = decode(json.loads(json.dumps(encode(model))))
    assert encode(again) == encode(model) and list(again.parameters) == list(model.parameters)
    theta = model.draw_prior(np.random.default_rng(0), data.d)
    assert again.log_posterior(data, theta) == model.log_posterior(data, theta)


def test_a_name_that_is_taken():
    inner = bm.Product(gaussian=(bm.Poisson(), [0]), b=(bm.Gaussian(), [1]))
    clash = bm.Components(inner, bm.Gaussian(), bm.Product(c=(bm.MvGaussian(), [0, 1])))
    assert list(clash.parameters)[:2] == ["gaussian.rate", "b.mean"]
    twice = bm.Product(gaussian=(bm.Gaussian(), [0]))
    with pytest.raises(bm.InputError, match="taken"):
        bm.Mixture(bm.Components(twice, bm.Gaussian(), bm.MvGaussian()))
