"""Missing cells in the PyMC model: the same number, one value per row, no imputed variables."""

import numpy as np
import pytest
from scipy.special import logsumexp

import bayesmix as bm
import cases
import newcomers
from bayesmix.em.kernel import Problem
from bayesmix.mcmc.certificate import certificate

KINDS = ("gaussian_sd", "mvgaussian", "poisson", "bernoulli")


def rows(kind, d=2):
    rng = np.random.default_rng(d)
    x, z = cases.rows(kind, d, 2)
    x = np.where(rng.random(x.shape) < 0.3, np.nan, x)
    x[0], x[5] = cases.rows(kind, d, 2)[0][0], np.nan
    return x, z


@pytest.mark.parametrize("kind", KINDS)
def test_the_certificate_holds(kind):
    x, z = rows(kind)
    data = bm.Data(x, label=np.where(np.arange(len(z)) < 4, z, -1), weight=np.linspace(0.5, 2, len(z)))
    model = bm.Mixture(cases.family(kind, 2), 2, weight=bm.Dirichlet(2.0), constraints=(bm.MinWeight(0.05),))
    found = certificate(model, data, draws=15)
    assert found.max_error <= 1e-11 and "x" in found.terms and len(found.readings) == 4


class _Laplace(newcomers.Laplace):
    independent = True


def test_a_family_read_by_pymcs_own_distribution():
    x, _ = rows("gaussian_var")
    model = bm.Mixture(_Laplace(center=bm.Normal(0, 5), width=bm.LogNormal(0, 1)), 2)
    assert certificate(model, bm.Data(x), draws=15).max_error <= 1e-11


@pytest.mark.parametrize("kind", ["mvgaussian", "gaussian_var"])
def test_one_value_per_row_and_nothing_imputed(kind):
    x, _ = rows(kind)
    data = bm.Data(x)
    model = bm.Mixture(cases.family(kind, 2), 2).resolve(data)
    pymc_model = model.to_pymc(data)
    assert {rv.name for rv in pymc_model.free_RVs} == set(model.parameters)
    assert [rv.name for rv in pymc_model.observed_RVs] == ["x"] and not pymc_model.potentials
    cells = pymc_model["observed_cells"].get_value()
    np.testing.assert_array_equal(cells, ~np.isnan(x))
    np.testing.assert_array_equal(pymc_model["x_data"].get_value()[cells == 1], x[cells == 1])
    rows_ = pymc_model.logp(vars=[pymc_model["x"]], sum=False)[0]
    theta = model.draw_prior(np.random.default_rng(1), 2)
    point = {}
    for rv in pymc_model.free_RVs:
        transform, value = pymc_model.rvs_to_transforms[rv], pymc_model.rvs_to_values[rv]
        point[value.name] = (
            theta[rv.name] if transform is None else transform.forward(theta[rv.name], *rv.owner.inputs).eval()
        )
    got = pymc_model.compile_fn(rows_, mode="FAST_COMPILE", on_unused_input="ignore")(point)
    np.testing.assert_allclose(got, logsumexp(model.log_joint(x, theta), axis=1), rtol=1e-10, atol=1e-11)
    row = Problem.of(model, data).responsibilities(Problem.of(model, data).inward(theta))[1]
    np.testing.assert_allclose(got, row, rtol=1e-9, atol=1e-11)
    assert got[5] == pytest.approx(0.0, abs=1e-12)  # nothing was observed there


@pytest.mark.certify
def test_the_gradient_is_finite_and_right():
    """PyTensor's gradient of the whole density against differences of it: gaps do not poison it."""
    x, _ = rows("mvgaussian")
    data = bm.Data(x)
    model = bm.Mixture(cases.family("mvgaussian", 2), 2, weight=bm.Dirichlet(2.0))
    pymc_model = model.to_pymc(data)
    logp = pymc_model.compile_logp(mode="FAST_COMPILE")
    slope = pymc_model.compile_dlogp(mode="FAST_COMPILE")
    point = pymc_model.initial_point()
    found, at = slope(point), 0
    assert np.isfinite(found).all()
    for v in pymc_model.value_vars:
        flat = point[v.name].ravel()
        for i in range(flat.size):
            moved = []
            for h in (1e-6, -1e-6):
                new = flat.copy()
                new[i] += h
                moved.append(logp({**point, v.name: new.reshape(point[v.name].shape)}))
            assert found[at] == pytest.approx((moved[0] - moved[1]) / 2e-6, rel=1e-4, abs=1e-5)
            at += 1
