"""Reports and evidence on data with missing cells: gaps are left out of the pictures, never an error."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import bayesmix as bm
from bayesmix.diagnostics.evidence import quantile_rows
from bayesmix.report import plots, words


def fit_of(d, gaps=True):
    rng = np.random.default_rng(d)
    z = np.arange(60) % 2
    x = rng.normal(size=(60, d)) + 4.0 * z[:, None]
    if gaps:
        x[rng.random(x.shape) < 0.2] = np.nan
    return bm.fit_em(bm.Mixture(bm.Gaussian(), 2), x, restarts=1, seed=0)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_every_picture_of_the_data(d):
    fit = fit_of(d)
    for figure in (plots.scatter(fit), plots.responsibilities(fit), plots.predictive(fit)):
        figure.canvas.draw()
        assert figure.axes
        plt.close(figure)


def test_the_words_say_what_is_missing():
    data = fit_of(2).data
    count = int(np.isnan(data.x).sum())
    assert any(f"{count} of 120 cells" in s and "missing" in s for s in words.data_sentences(data))
    assert not any("missing" in s for s in words.data_sentences(fit_of(2, gaps=False).data))
    table = words.data_table(data)
    assert not any("nan" in str(row) for row in table.rows)


def test_rows_at_quantiles():
    rows = quantile_rows(fit_of(2).data.x)
    assert len(set(rows.tolist())) == 5
