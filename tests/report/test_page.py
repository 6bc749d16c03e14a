"""The page: all there, verdict first, nothing from outside, written whole or not at all."""

import re
import stat
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from bayesmix.report import page, words
from bayesmix.report.page import FILES, check_folder, render, write_report
from laplace import made_up_comparison, made_up_diagnosis

SECTIONS = ["model", "data", "optima", "components", "responsibilities", "comparison", "chains",
            "predictive", "certificate", "provenance"]  # fmt: skip


pytestmark = pytest.mark.xdist_group("page")  # one worker writes the report that these tests read


class Outline(HTMLParser):
    """Ids of sections, images, links, headings and whether every tag was closed."""

    VOID = ("meta", "img", "link", "br", "input")

    def __init__(self, text):
        super().__init__()
        self.sections, self.images, self.targets, self.open, self.text = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "section":
            self.sections.append(attrs["id"])
        if tag == "img":
            self.images.append(attrs)
        self.targets += [v for k, v in attrs.items() if k in ("src", "href", "action", "srcset", "data")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)


@pytest.fixture(scope="module")
def outline(report):
    return Outline((report / "index.html").read_text(encoding="utf-8"))


def test_every_section_is_there_and_the_verdict_is_first(outline):
    assert outline.sections == ["verdict", *SECTIONS]
    assert outline.open == []
    assert [t[1:] for t in outline.targets if t.startswith("#")] == ["verdict", *SECTIONS]  # the skip link first


def test_nothing_comes_from_outside(report, outline):
    assert all(t.startswith(("#", "data:image/")) for t in outline.targets)
    source = (report / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|\burl\(|@import|<script[^>]|fetch\(|XMLHttpRequest|import\(", source)


def test_every_image_is_a_data_uri_with_a_text(outline):
    frames = [image for image in outline.images if "data-title" in image]
    assert len(outline.images) - len(frames) == 12 and len(frames) > 3
    for image in outline.images:
        assert image["src"].startswith(("data:image/svg+xml;base64,", "data:image/png;base64,"))
        assert len(image["alt"]) > 20
    assert len({image["alt"] for image in outline.images}) == len(outline.images)


def test_the_page_tells_the_story(outline):
    text = " ".join(" ".join(outline.text).split())
    for part in (
        "Old <Faithful>", "Verdict: sound", "The chains agree <everywhere>.", "Read on. Then stop.",
        "agree to", "Dirichlet(concentration=1)", "mean[eruptions] increases", 
        "every weight is at least 0.05",
        "3 restarts ended in 1 distinct optimum", "100.0 %", "No draw diverged.", 
        "bayesmix run x.py --seed 1", "bm.fit_em(old.mixture, old.data, restarts=3, seed=1)", "pymc",
        "@article{dempster1977em", "@article{vehtari2021rank", "weight ~ Dirichlet(concentration=1)",
    ):  # fmt: skip
        assert part in text, part


def test_light_dark_print_and_narrow_are_provided_for(report):
    source = (report / "index.html").read_text(encoding="utf-8")
    for rule in ("prefers-color-scheme: dark", "@media print", "overflow-x: auto", 'name="viewport"'):
        assert rule in source


def test_the_folder_holds_the_tables_and_the_fit(report, traced, fits):
    em, mcmc = traced, fits[1]
    assert sorted(p.name for p in report.iterdir()) == sorted(FILES)
    rows = pd.read_csv(report / "assignments.csv", index_col="row")
    np.testing.assert_allclose(rows[["em p(0)", "em p(1)"]], em.predict_proba())
    np.testing.assert_array_equal(rows["mcmc class"], mcmc.predict())
    summary = pd.read_csv(report / "summary.csv")
    assert len(pd.read_csv(report / "comparison.csv")) == (~summary["derived"]).sum() == 12
    assert summary["derived"].sum() == 6  # two standard deviations and a correlation for each component
    assert pd.read_csv(report / "modes.csv")["times_reached"].sum() == 3
    assert bm.load(report).engine == "mcmc"


def test_em_alone_replaces_the_whole_report_and_leaves_other_files(fits, no_figures, tmp_path):
    em, mcmc = fits
    write_report(em, mcmc, made_up_diagnosis(), to=tmp_path, comparison=made_up_comparison(em, mcmc))
    (tmp_path / "notes.txt").write_text("mine")
    write_report(em, diagnosis=made_up_diagnosis(), to=tmp_path)
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {*FILES, "notes.txt"} - {"comparison.csv"}
    found = Outline((tmp_path / "index.html").read_text(encoding="utf-8")).sections
    assert found == ["verdict", *[s for s in SECTIONS if s not in ("chains", "comparison")]]
    assert bm.load(tmp_path).engine == "em"


def test_mcmc_alone(fits, no_figures, tmp_path):
    write_report(mcmc=fits[1], diagnosis=made_up_diagnosis("not converged"), to=tmp_path / "x")
    found = Outline((tmp_path / "x" / "index.html").read_text(encoding="utf-8"))
    assert found.sections == ["verdict", *[s for s in SECTIONS if s != "comparison"]]
    assert "Verdict: not converged" in found.text


def test_a_report_that_fails_leaves_the_old_one(fits, no_figures, tmp_path, monkeypatch):
    to = tmp_path / "r"
    write_report(fits[0], diagnosis=made_up_diagnosis(), to=to)
    before = {p.name: p.read_bytes() for p in to.iterdir()}
    monkeypatch.setattr(page, "assignments", lambda *a: 1 / 0)
    for target in (to, tmp_path / "new"):
        with pytest.raises(ZeroDivisionError):
            write_report(fits[0], diagnosis=made_up_diagnosis(), to=target)
    assert {p.name: p.read_bytes() for p in to.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_a_figure_that_cannot_be_drawn_is_an_error(fits, tmp_path, monkeypatch):
    from bayesmix.report import plots

    monkeypatch.setattr(plots, "scatter", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(fits[0], diagnosis=made_up_diagnosis(), to=tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused_before_any_computing(fits, tmp_path, monkeypatch):
    import bayesmix.report.sections as sections

    monkeypatch.setattr(sections, "sections", lambda *a: pytest.fail("computed"))
    (tmp_path / "file").write_text("")
    for to in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(bm.InputError, match="is a file"):
            write_report(fits[0], diagnosis=made_up_diagnosis(), to=to)
    with pytest.raises(bm.InputError, match="cannot be written"):
        check_folder("/proc/report")


def test_the_new_folder_has_ordinary_permissions(report):
    assert stat.S_IMODE(report.stat().st_mode) & 0o500 == 0o500
    assert stat.S_IMODE(report.stat().st_mode) != 0o700 or page._umask() == 0o077


def test_wrong_arguments_are_sentences(fits, tmp_path):
    em, mcmc = fits
    for wrong in ({}, {"em": mcmc}, {"mcmc": em}, {"em": "fit"}):
        with pytest.raises(bm.InputError, match="write_report"):
            write_report(**wrong, to=tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_name_the_template_lacks_is_an_error():
    import jinja2

    with pytest.raises(jinja2.UndefinedError):
        render({"title": "alone"})


def test_every_verdict_has_a_colour():
    from bayesmix.diagnostics.diagnose import VERDICTS

    assert set(words.LEVELS) == set(VERDICTS)


def test_the_family_is_said_with_the_scale_that_the_model_has():
    for family in (bm.Gaussian, bm.LogNormalComponent):
        assert "N(mean_kj, var_kj)" in family().headline
        assert "N(mean_kj, sd_kj^2)" in family(sd=bm.HalfNormal(1)).headline


def test_labels_weights_and_classes_in_words(davis):
    data = bm.Data(davis.x, label=davis.label, weight=np.full(200, 2.0), names=davis.names, classes=davis.classes)
    model = bm.Mixture(bm.Gaussian(sd=bm.Fixed([[5.0, 5.0]])), 3, classes=[0, 0, 1])
    fit = bm.fit_em(model, data, restarts=1, seed=1)
    text = " ".join(words.data_sentences(fit.data) + words.model_sentences(fit))
    for part in ("200 of 200 rows are labelled (F, M)", "weights sum to 400", "2 is in class 1"):
        assert part in text
    rows = {row[0]: row for row in words.prior_table(fit).rows}
    assert rows["sd"][3:] == ("known constant", "0")
