"""EM with families made of members: zero inflation, noise, mixed data types."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq
from scipy.special import logsumexp

import bayesmix as bm
from bayesmix.em import engine, starts
from bayesmix.em.kernel import Problem
from goldens import GOLDEN
from newcomers import Geometric, Laplace

COUNTS = {"bioChemists": "art", "prussian": "y"}
ZIP = bm.Mixture(bm.Components(bm.PointMass(0), bm.Poisson(rate=bm.Flat())), weight=bm.Flat())


def outliers(n=60, seed=3):
    """Two clouds and uniform rows: x (2 n + n / 2, 2) and the component of each row."""
    rng = np.random.default_rng(seed)
    clouds = [rng.normal([0, 0], [1, 0.5], (n, 2)), rng.normal([7, 5], [0.7, 1], (n, 2))]
    return np.concatenate([*clouds, rng.uniform([-12, -9], [18, 15], (n // 2, 2))]), np.repeat(
        [0, 1, 2], [n, n, n // 2]
    )


def mixed(n=80, offset=0.0, seed=4):
    """Two groups with a measurement, a count and two answers each: x (n, 4) and z."""
    rng = np.random.default_rng(seed)
    z = np.arange(n) % 2
    size, count = rng.normal(np.array([0.0, 4.0])[z], [1.0, 0.5][0]), rng.poisson(np.array([2.0, 9.0])[z])
    answers = rng.random((n, 2)) < np.array([[0.2, 0.7], [0.8, 0.3]])[z]
    return np.column_stack([size + offset, count, answers]).astype(float), z


MIXED = bm.Product(a=(bm.Gaussian(), [0]), b=(bm.Poisson(), [1]), c=(bm.Bernoulli(), [2, 3]))


# ---- goldens -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["kmeans++", "random", "rows", "prior", "jitter"])
@pytest.mark.parametrize("name", COUNTS)
def test_zero_inflated_poisson_is_pscls(name, start, golden):
    want = golden("zip_mle_pscl")[name]
    data = bm.read_data(GOLDEN / f"{name}.csv", columns=[COUNTS[name]])
    assert (data.n, (data.x == 0).sum(), data.x.sum()) == (want["n"], want["zeros"], want["sum"])
    fit = bm.fit_em(ZIP, data, restarts=3, start=start, seed=1)
    assert fit.log_likelihood == pytest.approx(want["zip_loglik"], abs=1e-6)
    assert fit.best["rate"][0, 0] == pytest.approx(want["zip_lambda"], abs=1e-6)
    assert fit.best["weight"][0] == pytest.approx(want["zip_psi"], abs=1e-6)
    rate = brentq(lambda v: v / -np.expm1(-v) - want["sum"] / (want["n"] - want["zeros"]), 0.01, 10, xtol=1e-14)
    assert fit.best["rate"][0, 0] == pytest.approx(rate, abs=1e-6)
    assert fit.df == 2 and fit.certificate.ok
    assert list(fit.modes["kind"]) == ["interior"]
    plain = bm.fit_em(bm.Mixture(bm.Poisson(rate=bm.Flat()), 1), data, restarts=1, seed=1)
    assert plain.log_likelihood == pytest.approx(want["poisson_loglik"], abs=1e-6)  # negative control: without the mass
    assert fit.log_likelihood > plain.log_likelihood + 0.5


def test_a_map_of_the_zero_inflated_poisson():
    """With w ~ Dir(a) and rate ~ Gamma the M-step adds pseudo-counts: the fixed point by hand."""
    x = np.array([0, 0, 0, 0, 0, 0, 1, 2, 2, 3, 4, 5.0])
    model = bm.Mixture(bm.Components(bm.PointMass(0), bm.Poisson(rate=bm.Gamma(3.0, 2.0))), weight=bm.Dirichlet([2, 3]))
    psi, rate = 0.3, 2.0
    for _ in range(2000):
        r = np.where(x == 0, psi / (psi + (1 - psi) * np.exp(-rate)), 0.0)
        psi = (r.sum() + 1) / (len(x) + 3)
        rate = (((1 - r) * x).sum() + 2) / ((1 - r).sum() + 2)
    fit = bm.fit_em(model, x, restarts=2, seed=1)
    assert fit.best["weight"][0] == pytest.approx(psi, abs=1e-7)
    assert fit.best["rate"][0, 0] == pytest.approx(rate, abs=1e-6)


def test_noise_component_by_a_loop_of_its_own():
    """EM of Banfield & Raftery (1993) written out, from the same start, to the same maximum."""
    x, z = outliers()
    volume = np.ptp(x, axis=0).prod()
    r = np.eye(3)[z]
    for _ in range(3000):
        n = r.sum(axis=0)
        mean = [r[:, k] @ x / n[k] for k in range(2)]
        cov = [(x - mean[k]).T @ ((x - mean[k]) * r[:, [k]]) / n[k] for k in range(2)]
        f = [stats.multivariate_normal(m, c).logpdf(x) for m, c in zip(mean, cov, strict=True)]
        rows = np.stack([*f, np.full(len(x), -np.log(volume))], axis=1) + np.log(n / len(x))
        r = np.exp(rows - logsumexp(rows, axis=1, keepdims=True))
    flat = bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat())
    model = bm.Mixture(bm.Components((flat, 2), bm.UniformComponent()), weight=bm.Flat())
    fit = bm.fit_em(model, x, start=z, seed=0)
    assert fit.log_likelihood == pytest.approx(logsumexp(rows, axis=1).sum(), abs=1e-8)
    np.testing.assert_allclose(fit.best["mean"], mean, atol=1e-6)
    np.testing.assert_allclose(fit.best["cov"], cov, atol=1e-6)
    np.testing.assert_allclose(fit.best["weight"], r.mean(axis=0), atol=1e-7)
    np.testing.assert_allclose(fit.predict_proba(), r, atol=1e-6)
    # what it is for: without the noise component the covariances take in the outliers
    spoilt = bm.fit_em(bm.Mixture(flat, 2, weight=bm.Flat()), x, start=np.minimum(z, 1), seed=0)
    assert np.abs(fit.best["mean"] - [[0, 0], [7, 5]]).max() < 0.35
    assert np.linalg.det(spoilt.best["cov"]).max() > 50 * np.linalg.det(fit.best["cov"]).max()
    assert np.mean(fit.predict() == z) > 0.95


def test_labelled_mixed_data_is_every_part_by_itself():
    """All rows labelled: each part's maximum likelihood estimate in each class."""
    x, z = mixed()
    family = bm.Product(
        a=(bm.Gaussian(mean=bm.Flat(), var=bm.Flat()), [0]),
        b=(bm.Poisson(rate=bm.Flat()), [1]),
        c=(bm.Bernoulli(prob=bm.Flat()), [2, 3]),
    )
    fit = bm.fit_em(bm.Mixture(family, 2, weight=bm.Flat()), bm.Data(x, label=z), restarts=1, seed=0)
    for k in range(2):
        own = x[z == k]
        assert fit.best["a.mean"][k, 0] == pytest.approx(own[:, 0].mean(), rel=1e-9)
        assert fit.best["a.var"][k, 0] == pytest.approx(own[:, 0].var(), rel=1e-9)
        assert fit.best["b.rate"][k, 0] == pytest.approx(own[:, 1].mean(), rel=1e-9)
        np.testing.assert_allclose(fit.best["c.prob"][k], own[:, 2:].mean(axis=0), rtol=1e-9)


def test_mixed_data_far_from_the_origin():
    """The Gaussian column is centred although the counts beside it cannot be."""
    near, far = (bm.fit_em(bm.Mixture(MIXED, 2), mixed(offset=o)[0], restarts=3, seed=2) for o in (0.0, 1e6))
    assert far.log_likelihood == pytest.approx(near.log_likelihood, rel=1e-9)
    np.testing.assert_allclose(far.best["a.var"], near.best["a.var"], rtol=1e-6)
    np.testing.assert_allclose(far.best["b.rate"], near.best["b.rate"], rtol=1e-6)
    assert near.certificate.ok and far.certificate.ok


# ---- the algorithm -----------------------------------------------------------------------------------------

X2 = outliers(12)[0]
MODELS = {
    "zip": (bm.Mixture(bm.Components(bm.PointMass(0), (bm.Poisson(), 2))), np.r_[np.zeros(9), np.arange(12.0)]),
    "noise": (bm.Mixture(bm.Components((bm.MvGaussian(), 2), bm.UniformComponent())), X2),
    "ordered noise": (
        bm.Mixture(
            bm.Components((bm.Gaussian(), 2), bm.UniformComponent(-20, 30)),
            constraints=(bm.Order("mean", by=1), bm.MinWeight(0.1)),
        ),
        X2,
    ),
    "mixed": (bm.Mixture(MIXED, 3, constraints=bm.Order("b.rate")), mixed(30)[0]),
    "masked, not exponential": (bm.Mixture(bm.Components(Laplace(), bm.UniformComponent())), X2[:, 0]),
    "product, not exponential": (
        bm.Mixture(bm.Product(a=(Laplace(), [0]), b=(Geometric(), [1])), 2), mixed(30)[0][:, :2],
    ),
}  # fmt: skip


@pytest.mark.parametrize("stiffness", [0.5, 1.0, np.inf])
@pytest.mark.parametrize("name", MODELS)
def test_the_objective_never_falls(name, stiffness):
    model, x = MODELS[name]
    data = bm.Data(x)
    model = model.resolve(data)
    problem = Problem.of(model, data)
    for start in ("kmeans++", "random"):
        theta = starts.draw(start, problem, np.random.default_rng(1))
        run = engine.run(problem, theta, stiffness=stiffness, max_iter=8 if "not" in name else 60)
        assert run.status in (engine.CONVERGED, engine.EXHAUSTED)
        objective = run.trace[:, 0]
        assert (np.diff(objective) >= -1e-11 * np.maximum(1, np.abs(objective[1:]))).all()
        end = sum(model.log_posterior(data, run.theta).values())
        assert run.log_posterior == pytest.approx(end, rel=1e-9)
        assert run.counts.sum() == pytest.approx(data.n, rel=1e-12)


def test_the_census_of_a_masked_family_that_is_not_exponential():
    """Rows outside the box have responsibility zero and say nothing: gradient and mass are finite."""
    model = bm.Mixture(
        bm.Components(bm.UniformComponent(-1, 1), bm.Gaussian(mean=bm.Normal(0, 3), var=bm.InverseGamma(3, 3)))
    )
    slow = bm.Mixture(
        bm.Components(
            bm.UniformComponent(-1, 1),
            bm.Product(only=(bm.Gaussian(mean=bm.Normal(0, 3), var=bm.InverseGamma(3, 3)), [0])),
        )
    )
    x = np.r_[np.linspace(-0.9, 0.9, 15), np.random.default_rng(0).normal(3, 1, 25)]
    a, b = (bm.fit_em(m, x, restarts=2, seed=0) for m in (model, slow))
    assert a.log_posterior == pytest.approx(b.log_posterior, rel=1e-10)
    assert a.optima[0].log_mass == pytest.approx(b.optima[0].log_mass, abs=1e-4)
    laplace = bm.Components(
        bm.UniformComponent(-1, 1), Laplace(center=bm.Normal(0, 3), width=bm.InverseGamma(3.0, 2.0))
    )
    fit = bm.fit_em(bm.Mixture(laplace), x, restarts=1, seed=0, tol=1e-6)
    assert not fit.mixture.family.exponential
    assert np.isfinite(fit.optima[0].gradient_norm)


def test_an_order_within_a_member_costs_nothing_and_halves_the_relabelings():
    x, _ = outliers()
    family = bm.Components((bm.MvGaussian(), 2), bm.UniformComponent())
    free = bm.fit_em(bm.Mixture(family), x, restarts=4, seed=2)
    kept = bm.fit_em(bm.Mixture(family, constraints=bm.Order("mean", by="x1")), x, restarts=4, seed=2)
    assert kept.log_posterior == pytest.approx(free.log_posterior, rel=1e-12)
    assert (np.diff(kept.best["mean"][:, 1]) > 0).all()
    assert free.optima[0].log_mass - kept.optima[0].log_mass == pytest.approx(np.log(2), abs=1e-5)
    assert free.optima[0].kind == kept.optima[0].kind == "interior"


def test_two_members_of_one_class_are_twins_if_they_are_alike():
    """Equal parameters of members with other priors are no twins; those of one member are, or of two that are alike."""
    from bayesmix.em.modes import kind_of

    x = np.r_[np.zeros(5), np.arange(8.0)]
    counts = np.full(3, 4.0)
    theta = {"weight": np.full(3, 1 / 3), "poisson1.rate": np.array([[2.0], [5.0]]), "poisson2.rate": np.array([[5.0]])}
    for other, kind in ((bm.Poisson(rate=bm.Gamma(2, 1)), "interior"), (bm.Poisson(), "twin components")):
        model = bm.Mixture(bm.Components((bm.Poisson(), 2), other)).resolve(bm.Data(x))
        problem = Problem.of(model, bm.Data(x))
        assert kind_of(problem, theta, counts) == kind
    twins = {**theta, "poisson1.rate": np.array([[5.0], [5.0]])}
    assert kind_of(problem, twins, counts) == "twin components"
    assert kind_of(problem, theta, np.array([4.0, 0.0, 9.0])) == "empty component"


def test_data_without_zeros_leave_the_point_mass_empty():
    fit = bm.fit_em(ZIP, [1, 2, 3, 1, 4, 2.0], restarts=3, seed=0)
    assert fit.best["weight"][0] < 1e-6
    assert fit.best["rate"][0, 0] == pytest.approx(13 / 6, rel=1e-6)
    assert fit.optima[0].kind == "empty component"


def test_weights_count_rows():
    x = np.array([0, 0, 1, 3, 4.0])
    model = bm.Mixture(bm.Components(bm.PointMass(0), bm.Poisson()))
    twice = np.repeat(x, [3, 1, 2, 1, 1])
    explicit = model.resolve(bm.Data(twice))
    a = bm.fit_em(explicit, bm.Data(x, weight=[3, 1, 2, 1, 1]), restarts=1, seed=0)
    b = bm.fit_em(explicit, twice, restarts=1, seed=0)
    assert a.log_posterior == pytest.approx(b.log_posterior, rel=1e-10)


# ---- what a fit gives --------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["zip", "ordered noise", "mixed"])
def fitted(request):
    model, x = MODELS[request.param]
    return bm.fit_em(model, bm.Data(x), restarts=2, seed=1)


def test_predictions(fitted):
    x, model = fitted.data.x, fitted.mixture
    joint = model.log_joint(x, fitted.best)
    p = fitted.predict_proba(x)
    np.testing.assert_allclose(p, np.exp(joint - logsumexp(joint, axis=1, keepdims=True)), rtol=1e-12)
    np.testing.assert_allclose(fitted.predict_proba(), p, rtol=1e-12)
    np.testing.assert_allclose(fitted.log_density(x), logsumexp(joint, axis=1), rtol=1e-12)
    assert fitted.log_density().sum() == pytest.approx(fitted.log_likelihood, rel=1e-12)


def test_simulated_rows_are_the_models(fitted):
    x, z = fitted.simulate(4000, seed=5)
    share = np.bincount(z, minlength=fitted.mixture.components) / len(z)
    w = fitted.best["weight"]
    assert (np.abs(share - w) <= 5 * np.sqrt(w * (1 - w) / len(z)) + 1e-12).all()
    log_f = fitted.mixture.family.logpdf(x, **fitted.mixture.own(fitted.best))
    assert np.isfinite(log_f[np.arange(len(z)), z]).all()  # every row is one that its own component can produce


def test_zeros_are_simulated_at_their_rate():
    fit = bm.fit_em(ZIP, np.r_[np.zeros(30), np.arange(1.0, 9)], restarts=1, seed=0)
    x, z = fit.simulate(20_000, seed=1)
    assert (x[z == 0] == 0).all() and (x[z == 1] == 0).any()
    p = fit.best["weight"][0] + fit.best["weight"][1] * np.exp(-fit.best["rate"][0, 0])
    assert abs((x == 0).mean() - p) <= 5 * np.sqrt(p * (1 - p) / 20_000)


def test_saving_and_loading(fitted, tmp_path):
    again = bm.load(fitted.save(tmp_path / "fit.nc"))
    assert list(again.mixture.parameters) == list(fitted.mixture.parameters)
    assert again.log_posterior == fitted.log_posterior
    for name, value in fitted.best.items():
        np.testing.assert_array_equal(again.best[name], value)
    np.testing.assert_array_equal(again.predict_proba(), fitted.predict_proba())
    assert list(again.summary().index) == list(fitted.summary().index)
    tree = fitted.tree["posterior"]
    for name in fitted.mixture.parameters:
        assert tree[name].shape == (1, 1, *fitted.mixture.field_shape(name, fitted.data.d))


def test_the_report_of_an_em_fit_alone(fitted, tmp_path):
    diagnosis = bm.diagnose(fitted)
    page = bm.write_report(fitted, None, diagnosis, to=tmp_path / "report").read_text(encoding="utf-8")
    for part in fitted.mixture.family.parts:
        assert type(part.family).__name__ in page
    assert diagnosis.verdict in page


def test_labels_and_classes():
    """Components map to classes as usual: the noise component and one of the groups are both class 1."""
    x, z = outliers()
    model = bm.Mixture(bm.Components((bm.MvGaussian(), 2), bm.UniformComponent()), classes=[0, 1, 1])
    label = np.where(np.arange(len(z)) % 3 == 0, np.minimum(z, 1), -1)
    fit = bm.fit_em(model, bm.Data(x, label=label), restarts=3, seed=0)
    assert fit.mixture.blocks(fit.data) == ((0,), (1,), (2,))
    known = label >= 0
    np.testing.assert_allclose(fit.predict_proba()[known, label[known]], 1.0)
    assert np.mean(fit.predict(x) == np.minimum(z, 1)) > 0.9
