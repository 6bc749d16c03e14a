"""The seam is real, second half: newcomers under MCMC, in the report, and beside a new check."""

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.diagnostics import Finding, check
from bayesmix.diagnostics.findings import CHECKS
from bayesmix.mcmc.certificate import certificate
from test_seam import MODELS


@pytest.mark.parametrize("name", MODELS)
def test_all_readings_agree(name):
    model, rows = MODELS[name]
    found = certificate(model, bm.Data(rows()[0][:20]), draws=100, seed=3)
    assert found.ok, found.summary()
    assert "PyMC dist" in found.readings


@pytest.mark.parametrize(
    "name", ["exponential family", pytest.param("other family, new prior", marks=pytest.mark.certify)]
)
def test_both_engines_a_new_check_and_the_report(name, tmp_path):
    model, rows = MODELS[name]
    x, z = rows()
    data = bm.Data(x[:60], names=["value"])
    em = bm.fit_em(model, data, restarts=3, seed=1, tol=1e-6)
    mcmc = bm.fit_mcmc(model, data, start=em, draws=150, tune=200, chains=2, seed=4)
    assert mcmc.certificate.ok
    assert mcmc.log_posterior <= em.log_posterior + 1e-3
    agreement = np.mean(mcmc.predict() == z[:60])
    assert max(agreement, 1 - agreement) > 0.8

    @check
    def parity(evidence):
        return Finding("parity", "note", f"A newcomer sees {evidence.fit.data.n} rows.")

    try:
        diagnosis = bm.diagnose(mcmc, em)
        assert "A newcomer sees 60 rows." in diagnosis.summary()
        page = bm.write_report(em, mcmc, diagnosis, to=tmp_path / "report").read_text(encoding="utf-8")
    finally:
        CHECKS.remove(parity)
    assert "A newcomer sees 60 rows." in page
    assert type(model.family).__name__ in page
    again = bm.load(tmp_path / "report")
    np.testing.assert_array_equal(again.log_posteriors, mcmc.log_posteriors)
