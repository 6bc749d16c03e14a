"""A prior as a prior's argument: its hyperparameter is a field like the others, in both engines."""

import numpy as np
import pytest
from scipy import stats

import bayesmix as bm
from bayesmix.em import engine, starts
from bayesmix.em.kernel import Problem
from bayesmix.em.surface import Surface
from bayesmix.spec import many
from bayesmix.spec.encode import decode, encode
from bayesmix.spec.families.hierarchical import Hierarchical
from bayesmix.spec.priors import unknown
from tests.hierarchy import Hierarchy
from tests.mcmc.posteriors import gibbs_draws, near

X = np.array([[0.1, 5.0], [0.4, 4.0], [-0.7, 5.5], [3.0, 1.0], [3.5, 0.2], [2.8, 1.4], [9.0, 3.3]])
COUNTS = np.array([[0.0], [1.0], [0.0], [7.0], [9.0], [4.0]])
FAMILIES = {
    "var": lambda: bm.Gaussian(mean=bm.Normal(1, 4), var=bm.InverseGamma(2, bm.Gamma(0.2, [0.1, 0.4]))),
    "isotropic": lambda: bm.Gaussian(var=bm.InverseGamma(2, bm.Gamma(0.7, 0.3)), isotropic=True),
    "shared": lambda: bm.Gaussian(var=bm.InverseGamma(2, bm.Gamma(0.7, 0.3)), shared=True),
    "mean": lambda: bm.Gaussian(mean=bm.Normal(1, bm.HalfNormal(3)), sd=bm.HalfNormal(2)),
    "joint": lambda: bm.Gaussian(mean=bm.ConjugateNormal(1, 0.1), var=bm.InverseGamma(2, bm.Exponential(0.5))),
    "two": lambda: bm.Gaussian(var=bm.InverseGamma(bm.Gamma(2, 1), bm.Gamma(2, 2))),
    "t": lambda: bm.StudentT(scale=bm.HalfNormal(bm.LogNormal(0, 1))),
    "parts": lambda: bm.Product(
        a=(bm.Gaussian(var=bm.InverseGamma(2, bm.Gamma(2, 2))), [0]), b=(bm.Gaussian(sd=bm.HalfNormal(2)), [1])
    ),
    "members": lambda: bm.Components((bm.Gaussian(var=bm.InverseGamma(2, bm.Gamma(2, 2))), 2), bm.MvGaussian()),
}
EACH = pytest.mark.parametrize("name", FAMILIES)


def built(name, K=3):
    data = bm.Data(X)
    return bm.Mixture(FAMILIES[name](), K).resolve(data), data


def test_the_field_and_its_shape():
    model, data = built("var")
    assert list(model.parameters) == ["weight", "mean", "var", "var_scale"]
    assert model.field_shape("var_scale", 2) == (1, 2) and model.dims("var_scale") == ("component_all", "feature")
    assert model.df(2) == 2 + 6 + 6 + 2
    assert built("isotropic")[0].field_shape("var_scale", 2) == (1, 1)
    assert list(built("two")[0].parameters)[2:] == ["var", "var_shape", "var_scale"]
    assert "a.var_scale" in built("parts")[0].parameters
    assert built("members")[0].parameters["var_scale"].prior == bm.Gamma(2, 2)
    theta = model.draw_prior(np.random.default_rng(0), 2)
    assert np.array_equal(model.permute(theta, [2, 0, 1])["var_scale"], theta["var_scale"])
    assert model.blocks(data) == ((0, 1, 2),)


def test_the_log_posterior_is_scipys():
    model, data = built("var")
    theta = model.draw_prior(np.random.default_rng(1), 2)
    s, terms = theta["var_scale"], model.log_posterior(data, theta)
    assert terms["var"] == pytest.approx(stats.invgamma(2, scale=np.tile(s, (3, 1))).logpdf(theta["var"]).sum())
    assert terms["var_scale"] == pytest.approx(stats.gamma(0.2, scale=1 / np.array([0.1, 0.4])).logpdf(s).sum())
    wrong = stats.invgamma(2, scale=1.01 * np.tile(s, (3, 1))).logpdf(theta["var"]).sum()
    assert terms["var"] != pytest.approx(wrong)  # negative control


@EACH
def test_coordinates_stacks_and_json(name):
    model, data = built(name)
    thetas = [model.draw_prior(np.random.default_rng(i), 2) for i in range(3)]
    for theta in thetas:
        back = model.from_vector(model.vector(theta), theta)
        assert all(back[n] == pytest.approx(theta[n]) for n in theta)
    assert len(model.vector(theta)) == model.df(2)
    fields = {n: np.stack([t[n] for t in thetas]) for n in theta}
    one = [sum(model.log_prior(t).values()) for t in thetas]
    assert many.log_prior(model, fields) == pytest.approx(one)
    u = np.array([model.vector(t) for t in thetas])
    together, slope = many.from_vectors(model, u, theta)
    assert slope == pytest.approx([model.log_jacobian(v, theta) for v in u])
    assert all(together[n] == pytest.approx(fields[n]) for n in theta)
    rows = [model.log_joint(data.x, t).T for t in thetas]
    assert many.log_joint(model, data.x, fields) == pytest.approx(np.stack(rows))
    same = decode(encode(model))
    assert encode(same) == encode(model) and same.log_prior(theta) == model.log_prior(theta)


@pytest.mark.parametrize("name", [n for n in FAMILIES if n not in ("t", "members")])
def test_em_climbs_to_where_the_gradient_vanishes(name):
    rng = np.random.default_rng(7)
    data = bm.Data(np.concatenate([rng.normal([0, 4], [1, 2], (25, 2)), rng.normal([6, 0], [2, 1], (25, 2))]))
    model = bm.Mixture(FAMILIES[name](), 2).resolve(data)
    problem = Problem.of(model, data)
    run = engine.run(problem, starts.draw("kmeans++", problem, rng), max_iter=4000, tol=1e-9)
    assert (np.diff(run.trace[:, 0]) >= -1e-11 * np.abs(run.trace[:-1, 0])).all()
    assert run.status == engine.CONVERGED
    surface = Surface(problem, problem.inward(run.theta))
    u = surface.u(problem.inward(run.theta))
    assert np.abs(surface.gradient(u)).max() < 1e-3
    away = u + 0.05 * (np.arange(len(u)) == len(u) - 1)  # negative control
    assert np.abs(surface.gradient(away)).max() > 1e-3


def test_derivatives_see_the_hyperparameter():
    """The Hessian by Louis' identity beside second differences of the log posterior."""
    model, data = built("var", 2)
    problem = Problem.of(model, data)
    theta = model.draw_prior(np.random.default_rng(5), 2) | {"var_scale": np.array([[0.8, 1.3]])}
    theta |= {"var": np.array([[1.0, 2.0], [3.0, 0.5]]), "mean": np.array([[0.0, 4.0], [4.0, 1.0]])}
    inner = problem.inward(theta)
    surface = Surface(problem, inner)
    u, step = surface.u(inner), 1e-3
    e = step * np.eye(len(u))
    plain = np.array([[
        (surface.value(u + a + b) - surface.value(u + a - b) - surface.value(u - a + b) + surface.value(u - a - b))
        for a in e] for b in e]) / (4 * step**2)  # fmt: skip
    assert surface.hessian(u) == pytest.approx(plain, abs=2e-4 * np.abs(plain).max())


@pytest.mark.parametrize("pair", [
    (bm.InverseGamma(2.5, bm.Gamma(0.7, 0.3)), "scale"), (bm.Gamma(1.5, bm.Exponential(0.3)), "rate"),
    (bm.Exponential(bm.Gamma(2, 3)), "rate"), (bm.HalfNormal(bm.HalfNormal(2)), "sd"),
    (bm.Normal(1, bm.HalfNormal(2)), "sd"), (bm.LogNormal(1, bm.HalfNormal(2)), "sd"),
    (bm.Gamma(bm.Gamma(2, 1), 3), "shape"),
], ids=lambda p: f"{type(p[0]).__name__}-{p[1]}" if isinstance(p, tuple) else None)  # fmt: skip
def test_one_pair(pair):
    """Its kernel is its density, its mode is the highest point, its draws follow the density (quadrature)."""
    prior, argument = pair
    value = np.array([[0.7], [1.9], [0.4]])

    def log_p(s):  # (m, 1) -> (m,)
        rows = np.broadcast_to(value.T, (len(s), 3))
        return prior.knowing({argument: s}).logp(rows, {}).sum(axis=1) + prior.unknown[argument].logp(s, {})[:, 0]

    grid = np.exp(np.linspace(-12, 7, 20_001))
    height = log_p(grid[:, None])
    top = unknown.best(prior, argument, value, np.ones((1, 1)))
    assert log_p(top)[0] >= height.max() - 1e-9 and abs(np.log(top[0, 0] / grid[height.argmax()])) < 2e-3
    found = unknown.posterior_kernel(prior, argument, value, (1, 1))
    if found is not None:
        kernel, numbers = found
        shape = {
            "gamma": lambda s, a, b: a * np.log(s) - b * s,
            "scale": lambda s, a, b, c: -a * np.log(s) - b / s**2 - c * s**2,
        }[kernel](grid, *(n[0, 0] for n in numbers))
        assert np.ptp(height - shape) < 1e-8 * np.abs(height).max()
    rng = np.random.default_rng(0)
    draws = [unknown.draw(prior, argument, value, np.ones((1, 1)), rng) for _ in range(1 if found is None else 4000)]
    if found is None or found[0] != "gamma":
        assert draws[0] is None
        return
    p = np.exp(height - height.max()) * grid
    mean = (p * grid).sum() / p.sum()
    draws = np.array(draws)[:, 0, 0]
    assert abs(draws.mean() - mean) < 5 * draws.std() / np.sqrt(len(draws))


def test_gibbs_has_the_exact_posterior():
    """B1's rows under an unknown scale: E s by enumeration and quadrature."""
    y, truth = np.array([-1.9, -1.6, -1.1, 0.4, 2.2, 2.9, 3.3, 5.0]), Hierarchy()
    exact, data = truth.exact(y, 2), bm.Data(y)
    draws = gibbs_draws(truth.model(2), data, 800, tune=100)
    near(draws["var_scale"][..., 0, 0], exact["scale"], "scale")
    with pytest.raises(AssertionError):  # negative control: the scale under another prior
        near(draws["var_scale"][..., 0, 0], Hierarchy(h=2.0).exact(y, 2)["scale"], "scale")


def test_enumeration_beside_the_golden_case(golden):
    """A scale known to one percent (sd of log s) gives back B1's stored evidence, but for terms of order 1e-4."""
    c = next(c for c in golden("exact_tiny") if c["name"].startswith("B1"))
    sure = Hierarchy(c["m0"], c["kappa0"], c["a0"], 1e4, 1e4 / c["b0"], c["dirichlet_alpha"])
    found = sure.exact(c["y"], 2, nodes=8000)
    assert found["log_evidence"] == pytest.approx(c["log_marginal_likelihood"], abs=1e-3)
    assert found["occupied"] == pytest.approx(c["p_occupied"], abs=1e-4)


@pytest.mark.parametrize("name", [
    "var", *(pytest.param(n, marks=pytest.mark.certify) for n in FAMILIES if n != "var")
])  # fmt: skip
def test_one_number_in_all_readings(name):
    model, data = built(name)
    assert bm.certificate(model, data, draws=20).ok


@pytest.mark.certify
def test_counts_through_both_engines():
    model = bm.Mixture(bm.Poisson(rate=bm.Gamma(2.0, bm.Gamma(2.0, 1.0))), 2)
    data = bm.Data(COUNTS)
    assert bm.certificate(model, data, draws=20).ok
    nuts = bm.fit_mcmc(model, data, draws=1500, seed=3, start="prior")
    gibbs = gibbs_draws(model, data, 4000)
    for summary in (lambda d: d["rate_rate"][..., 0, 0], lambda d: d["rate"].sum(axis=(-1, -2))):
        a, b = summary(nuts.draws), summary(gibbs)
        import arviz as az

        se = np.hypot(float(az.mcse(np.asarray(a))), float(az.mcse(b)))
        assert abs(float(np.mean(a)) - b.mean()) < 5 * se


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: bm.Normal(bm.Normal(0, 1), 1),
        lambda: bm.Dirichlet(bm.Gamma(1, 1)),
        lambda: bm.ConjugateNormal(0, bm.Gamma(1, 1)),
        lambda: bm.InverseWishart(bm.Gamma(1, 1), 1.0),
        lambda: bm.InverseGamma(2, bm.Beta(1, 1)),
        lambda: bm.InverseGamma(2, bm.Flat()),
        lambda: bm.InverseGamma(2, bm.Gamma(1, bm.Gamma(1, 1))),
    ],
)
def test_what_is_refused(wrong):
    with pytest.raises(bm.InputError, match="hyperparameter"):
        wrong()


def test_gibbs_refuses_a_hyperparameter_without_a_gamma_conditional():
    model, data = built("mean")
    with pytest.raises(bm.InputError, match="no conjugate step"):
        bm.fit_mcmc(model, data, sampler="gibbs", draws=10, start="prior", seed=1)


def test_the_collapse_is_said_to_be_possible():
    """A scale under an unknown scale does not keep its variance from zero."""
    model, data = built("var")
    assert any("collapse" in note for note in model.unbounded(data))
    kept = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 1), var=bm.InverseGamma(2, bm.LogNormal(0, 1))), 2).resolve(data)
    assert not any("collapse" in note for note in kept.unbounded(data))
    assert isinstance(kept.family, Hierarchical) and kept.family.title == "Gaussian"
