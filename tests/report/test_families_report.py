"""A report of an EM fit for each kind of data: counts, categories, positive values, heavy tails."""

import numpy as np
import pytest

import bayesmix as bm

rng = np.random.default_rng(7)
Z = np.arange(90) % 2
DATA = {
    "Categorical": (bm.Categorical(), np.minimum(rng.integers(0, 2, (90, 3)) + Z[:, None], 2)),
    "Multinomial": (bm.Multinomial(), np.stack([rng.multinomial(9, [0.6, 0.3, 0.1][:: 1 - 2 * z]) for z in Z])),
    "NegativeBinomial": (bm.NegativeBinomial(), rng.poisson(np.array([2, 30])[Z] * rng.gamma(3, 1 / 3, 90))),
    "GammaComponent": (bm.GammaComponent(), rng.gamma(np.array([3.0, 40.0])[Z])),
    "LogNormalComponent": (bm.LogNormalComponent(), np.exp(3 * Z[:, None] + rng.normal(size=(90, 2)))),
    "MvStudentT": (bm.MvStudentT(df=bm.Fixed(4)), 9 * Z[:, None] + rng.standard_t(4, (90, 2))),
}


@pytest.mark.parametrize("name", DATA)
def test_report_of_an_em_fit(name, no_figures, tmp_path):
    family, x = DATA[name]
    fit = bm.fit_em(bm.Mixture(family, 2), x, restarts=2, seed=1)
    text = bm.write_report(fit, None, to=tmp_path / "r").read_text(encoding="utf-8")
    assert name in text and text.count("<img") >= 4
    again = bm.load(tmp_path / "r")
    assert again.mixture.family.parameters.keys() == family.parameters.keys()
    np.testing.assert_array_equal(again.predict_proba(x), fit.predict_proba(x))
