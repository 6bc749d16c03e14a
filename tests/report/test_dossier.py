"""The dossier's page and figure, from an EM comparison and made-up refusals."""

from dataclasses import replace

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.report.dossier import _groups, context, shown, table
from bayesmix.report.select_plots import criteria, groups
from bayesmix.selection.criteria import Cell
from bayesmix.selection.groups import Groups


@pytest.fixture(scope="module")
def dossier():
    """Old Faithful's eruptions at K = 1 and 2, with an evidence that was refused for a made-up K = 3."""
    data = bm.Data(bm.datasets.old_faithful().x[::3, :1], names=["eruptions"])
    found = bm.select(bm.Mixture(bm.Gaussian(), 1), data, [1, 2], engine="em", restarts=3, seed=1, workers=1)
    one, two = found.records
    rows = np.linspace(-3, -1, data.n)
    worse = Cell(rows.sum() - 20, 5.0, rows=rows - 20 / data.n)
    one = replace(one, cells=one.cells | {"LOO": worse, "log evidence": Cell(-90.0, 0.1)})
    two = replace(two, cells=two.cells | {"LOO": Cell(rows.sum(), 5.0, rows=rows), "log evidence": Cell(-80.0, 0.1)})
    empty, disagree = "A component is empty.", "Chains disagree."
    cells = {"BIC": Cell(500.0, reason=empty), "log evidence": Cell(np.nan, reason=disagree)}
    three = replace(two, name=3, cells=cells, barred=disagree, advice="Run longer.")
    return replace(found, records=(one, two, three), prior=np.full(3, 1 / 3))


def test_the_figure_has_a_panel_for_each_criterion_and_marks_refusals(dossier):
    figure = criteria(dossier)
    titles = [ax.get_title() for ax in figure.axes if ax.get_visible()]
    assert titles == ["AIC: behind the best", "BIC: behind the best", "ICL: behind the best", "entropy",
                      "Laplace evidence", "LOO: behind the best",
                      "log evidence: behind the best", "p(model | y)"]  # fmt: skip
    bic = next(ax for ax in figure.axes if ax.get_title().startswith("BIC"))
    hollow = [line for line in bic.lines if line.get_marker() == "D"]
    gap = 500.0 - dossier.all_numbers.loc[2, "BIC"]
    assert [float(line.get_xdata()[0]) for line in hollow] == [2.0]
    assert hollow[0].get_ydata()[0] == pytest.approx(gap)
    evidence = next(ax for ax in figure.axes if ax.get_title().startswith("log evidence"))
    assert sum(line.get_marker() == "x" for line in evidence.lines) == 1


def test_greyed_numbers_stand_in_brackets():
    assert shown(Cell(12.5, 0.25)) == "12.500 ± 0.25"
    assert shown(Cell(12.5, reason="No.")) == "(12.500)"
    assert shown(Cell(np.nan, reason="No.")) == "–" == shown(None)


def test_the_page_says_what_was_chosen_and_what_was_refused(dossier, tmp_path):
    page = bm.write_dossier(dossier, to=tmp_path / "r", title="How many?", command="bayesmix fit x.csv -k 1:3")
    text = page.read_text(encoding="utf-8")
    for words in ("K = 2 leads by BIC", "How many?", "Chains disagree.", "A component is empty.", "-k 1:3", "LOO"):
        assert words in text
    csv = (tmp_path / "r" / "dossier.csv").read_text(encoding="utf-8")
    assert csv.startswith("components,") and "Chains disagree" in (tmp_path / "r" / "reasons.csv").read_text()
    assert bm.write_dossier(dossier, to=tmp_path / "r") == page  # a second time, over the first


def test_a_refusal_is_the_verdict(dossier):
    shown = context(replace(dossier, by="log evidence"), "t")
    assert shown["verdict"] == "no choice" and shown["level"] == "warning"
    assert "K = 3 cannot be compared with it: Chains disagree." in shown["meaning"]
    assert shown["advice"] == ["K = 3: Run longer."]
    assert context(dossier, "t")["verdict"] == "K = 2"
    assert table(dossier).rows[2][0] == "K = 3"


def test_the_groups_in_use_have_a_section_and_a_figure(dossier):
    one, two, three = dossier.records
    assert dossier.pool is None and _groups(dossier) == []
    used = [Groups(np.array(p), np.full(len(p), 0.01)) for p in ([1.0], [0.25, 0.75])]
    one, two = replace(one, groups=used[0]), replace(two, groups=used[1])
    assert _groups(replace(dossier, records=(one, two, three))) == []  # the evidence of K = 3 is missing
    found = replace(dossier, by="log evidence", records=(one, two), prior=np.full(2, 0.5))
    (section,) = _groups(found)
    assert "Groups in use: 1 with probability 0.25, 2 with probability 0.75; 1 or 2 hold 95%." in section.text[1]
    (shares,) = section.tables
    assert shares.head == ("groups", "probability", "K = 1", "K = 2") and len(shares.rows) == 2
    assert (
        shares.rows[1][0] == "2"
        and shares.rows[1][1].startswith("0.750 ± ")
        and shares.rows[1][2:] == ("0.000", "0.750")
    )
    (ax,) = groups(found).axes
    assert [bar.get_height() for bar in ax.patches] == pytest.approx(found.pool.probability.tolist())
