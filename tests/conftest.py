"""What all tests share: the data sets, the golden numbers and a generator with a fixed seed."""

import os

import numpy as np
import pytest

import bayesmix as bm
from goldens import read_golden

# PyTensor folds constants by C code and compiles each new kind of them for seconds; Python does it at once. And it
# notes for every variable from which lines it came, which is a tenth of the time of building a graph. Set before
# anything imports PyTensor, and inherited by the processes that the tests start.
FLAGS = ("cxx=", "traceback__limit=0")
os.environ["PYTENSOR_FLAGS"] = ",".join(filter(None, [os.environ.get("PYTENSOR_FLAGS"), *FLAGS]))

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """Two workers finish together: what samples goes first, and what shares the one MCMC fit stays together."""
    for item in items:
        if "faithful_mcmc" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("faithful_mcmc"))
    first = ("test_exact", "test_old_faithful", "test_newcomers", "test_the_whole_way", "test_the_python_runs")
    items.sort(key=lambda item: not any(name in item.nodeid for name in first))


@pytest.fixture(scope="session")
def golden():
    """golden("mclust_faithful"): the reference numbers of that name (provenance in golden/README.md)."""
    return read_golden


@pytest.fixture
def rng():
    return np.random.default_rng(20_260_101)


@pytest.fixture
def no_figures(monkeypatch):
    """Reports with a grey pixel for every figure, which takes no time: `tests/report` draws them."""
    monkeypatch.setattr("bayesmix.report.parts.data_uri", lambda figure, kind: f"data:image/png;base64,{PIXEL}")


@pytest.fixture(scope="session")
def faithful():
    return bm.datasets.old_faithful()


@pytest.fixture(scope="session")
def galaxies():
    return bm.datasets.galaxies()


@pytest.fixture(scope="session")
def iris():
    return bm.datasets.iris()


@pytest.fixture(scope="session")
def davis():
    return bm.datasets.davis(("height", "weight"))


@pytest.fixture(scope="session")
def faithful_model():
    """The model of the README: full covariance, ordered means, a floor under the weights."""
    return bm.Mixture(
        bm.MvGaussian(mean=bm.Normal([3.5, 70], [1, 15]), cov=bm.InverseWishart(4, [[0.4, 0], [0, 80]])),
        components=2,
        weight=bm.Dirichlet(2.0),
        constraints=(bm.Order("mean", by="eruptions"), bm.MinWeight(0.05)),
    )


@pytest.fixture(scope="session")
def faithful_em(faithful_model, faithful):
    return bm.fit_em(faithful_model, faithful, seed=1)


@pytest.fixture(scope="session")
def faithful_mcmc(faithful_model, faithful, faithful_em):
    """One MCMC fit for all tests; read-only."""
    return bm.fit_mcmc(faithful_model, faithful, start=faithful_em, seed=2)
