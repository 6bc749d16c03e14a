"""One report for all tests of the page: Old Faithful by EM, its steps kept, and draws of the Laplace approximation."""

import pytest

import bayesmix as bm
from laplace import laplace_fit, made_up_comparison, made_up_diagnosis


@pytest.fixture(scope="session")
def model():
    return bm.Mixture(bm.MvGaussian(), 2, constraints=(bm.Order("mean", by="eruptions"), bm.MinWeight(0.05)))


@pytest.fixture(scope="session")
def fits(model, faithful):
    em = bm.fit_em(model, faithful, restarts=3, seed=1)
    return em, laplace_fit(em, draws=20)


@pytest.fixture(scope="session")
def traced(model, faithful):
    """The EM fit with its steps; it stops early, to have few."""
    return bm.fit_em(model, faithful, restarts=3, seed=1, tol=1e-3, keep_trace=True)


@pytest.fixture(scope="session")
def report(traced, fits, tmp_path_factory):
    """The folder of that report, whose findings and comparison are made up."""
    to = tmp_path_factory.mktemp("reports") / "deep" / "old_faithful"
    path = bm.write_report(traced, fits[1], made_up_diagnosis(), to=to, comparison=made_up_comparison(traced, fits[1]),
                           title="Old <Faithful>", command="bayesmix run x.py --seed 1")  # fmt: skip
    assert path == to / "index.html"
    return to
