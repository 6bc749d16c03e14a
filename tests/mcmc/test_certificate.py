"""One number: every reading of every named term agrees, and a change on one side is caught and named."""

import numpy as np
import pytest

import bayesmix as bm
import cases
from bayesmix.agreement import compare
from bayesmix.mcmc.certificate import certificate, pymc_terms, readings

EXTRAS = [  # every kind is in the ordinary run; of the variants beyond, every other one
    case if i % 2 == 0 else pytest.param(case, marks=pytest.mark.certify) for i, case in enumerate(cases.extras())
]
CASES = cases.pairwise() + EXTRAS


@pytest.mark.parametrize("case", CASES, ids=cases.name)
def test_all_readings_give_one_number(case):
    found = certificate(case.model, case.data, draws=60, seed=1)
    assert found.ok, found.summary()
    assert found.readings == ("NumPy logpdf", "EM kernel", "PyMC model", "PyMC dist")
    assert "x" in found.terms


def test_rows_need_not_be_a_data():
    """An array stands for `bm.Data(array)`, at this door as at `fit_em`'s."""
    x, model = np.array([0.0, 0.5, 4.0]), bm.Mixture(bm.Gaussian(mean=bm.Normal(1, 3), sd=bm.Fixed(1.0)), 2)
    assert certificate(model, x, draws=3, seed=1).ok
    theta = model.resolve(bm.Data(x)).draw_prior(np.random.default_rng(0), 1)
    assert model.log_posterior(x, theta) == model.log_posterior(bm.Data(x), theta)


@pytest.mark.certify
@pytest.mark.parametrize("levels", list(cases.every()), ids=cases.name)
def test_all_readings_give_one_number_on_the_whole_product(levels):
    case = cases.make(**levels)
    found = certificate(case.model, case.data, draws=200, seed=2)
    assert found.ok, found.summary()


def nudged(terms_of, against, data):
    """The certificate of NumPy's reading of one model against PyMC's reading of another."""
    model, other = terms_of.resolve(data), against.resolve(data)
    rng = np.random.default_rng(0)
    thetas = [model.draw_prior(rng, data.d) for _ in range(50)]
    ours = readings(model, data, thetas)["NumPy logpdf"]
    terms, _ = pymc_terms(other, data, thetas)
    theirs = [{n: float(v[i]) for n, v in terms.items()} for i in range(len(thetas))]
    return compare({"NumPy": ours, "PyMC": theirs}, seed=0)


def plain(mean=1.0, shape=2.5, concentration=2.0, floor=0.1, width=0.5):
    return bm.Mixture(
        bm.Gaussian(mean=bm.Normal(mean, 3.0), var=bm.InverseGamma(shape, 1.5)),
        2,
        weight=bm.Dirichlet(concentration),
        constraints=(bm.Order("mean", enforce="soft", width=width), bm.MinWeight(floor, enforce="soft")),
    )


@pytest.mark.parametrize(
    ("term", "change"),
    [
        ("mean", {"mean": 1.0 + 1e-5}),
        ("var", {"shape": 2.5 * (1 + 1e-5)}),
        ("weight", {"concentration": 2.0 * (1 + 1e-5)}),
        ("order_mean_0", {"width": 0.5 * (1 + 1e-5)}),
        ("min_weight", {"floor": 0.1 * (1 + 1e-5)}),
    ],
)
def test_a_hyperparameter_changed_by_1e_5_is_caught_and_named(term, change):
    data = bm.Data(cases.rows("gaussian_var", 1, 2)[0])
    assert nudged(plain(), plain(), data).ok
    found = nudged(plain(), plain(**change), data)
    assert not found.ok
    assert found.worst == term
    assert [t for t, e in found.terms.items() if e > 1e-9] == [term]
    assert f"`{term}`" in found.summary()


def test_a_changed_row_is_caught_in_x():
    x = cases.rows("gaussian_var", 1, 2)[0]
    other = x.copy()
    other[3] += 1e-5
    model = plain()
    rng = np.random.default_rng(0)
    thetas = [model.resolve(bm.Data(x)).draw_prior(rng, 1) for _ in range(20)]
    ours = readings(model.resolve(bm.Data(x)), bm.Data(x), thetas)["NumPy logpdf"]
    terms, _ = pymc_terms(model.resolve(bm.Data(x)), bm.Data(other), thetas)
    found = compare(
        {"NumPy": ours, "PyMC": [{n: float(v[i]) for n, v in terms.items()} for i in range(len(thetas))]},
        seed=0,
    )
    assert not found.ok
    assert found.worst == "x"


def test_the_model_reads_like_a_pymc_model():
    case = next(c for c in cases.pairwise() if c.levels["kind"] == "mvgaussian" and c.levels["pool"] == "own")
    model = case.model.to_pymc(case.data)
    assert {rv.name for rv in model.free_RVs} == {"weight", "mean", "cov"}
    assert [rv.name for rv in model.observed_RVs] == ["x"]
    assert model.named_vars_to_dims["mean"] == ("component", "feature")
    rows = model.logp(vars=[model["x"]], sum=False)[0]
    assert rows.ndim == 1  # one value per row, although the event has shape (n, d)
