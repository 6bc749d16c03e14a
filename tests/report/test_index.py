"""The list of reports: all of a folder, each with its verdict, reason and picture; nobody else's page is replaced."""

import base64
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

import bayesmix as bm
from bayesmix.cli import main
from laplace import made_up_diagnosis


@pytest.fixture(scope="module")
def folder(faithful, tmp_path_factory):
    to = tmp_path_factory.mktemp("reports")
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(), 2), faithful, restarts=1, seed=1)
    for name, verdict in (("b one", "sound"), ("a_two", "several modes")):
        bm.write_report(fit, diagnosis=made_up_diagnosis(verdict), to=to / name, title=f"Title <{name}>")
    return to


def test_every_report_is_listed(folder):
    (folder / "notes").mkdir(exist_ok=True)
    text = bm.write_index(folder).read_text(encoding="utf-8")
    assert text.index("Title &lt;a_two&gt;") < text.index("Title &lt;b one&gt;")
    assert 'href="b%20one/index.html"' in text and 'href="a_two/index.html"' in text
    for words in ("Several modes", "Sound", "The chains agree &lt;everywhere&gt;.", "272 rows", "2 reports"):
        assert words in text
    assert text.count("<img") == 2 and "http" not in text


def test_the_thumbnail_is_a_small_picture(folder):
    facts = json.loads((folder / "a_two" / "report.json").read_text(encoding="utf-8"))
    image = Image.open(io.BytesIO(base64.b64decode(facts["thumbnail"].partition(",")[2])))
    assert max(image.size) == 420 and len(facts["thumbnail"]) < 60_000
    assert image.convert("L").getextrema()[0] < 128  # something is drawn


def test_the_command_and_its_refusals(folder, tmp_path, capsys):
    assert main(["index", str(folder)]) == 0
    assert "index.html" in capsys.readouterr().out
    assert main(["index", str(tmp_path)]) == 2
    assert "no report was found" in capsys.readouterr().err
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "report.json").write_text('{"title": 1}')
    with pytest.raises(bm.InputError, match="write the report again"):
        bm.write_index(tmp_path)


def test_runs_refresh_the_list_of_their_own_folder_only(folder, tmp_path, capsys):
    from bayesmix.cli.commands import _refresh_index

    for name in ("named", "reports"):
        (tmp_path / name / "x").mkdir(parents=True)
        (tmp_path / name / "x" / "report.json").write_bytes((folder / "a_two" / "report.json").read_bytes())
    _refresh_index(SimpleNamespace(out=tmp_path / "named" / "x"), tmp_path / "named" / "x")
    assert not (tmp_path / "named" / "index.html").exists()
    page = tmp_path / "reports" / "index.html"
    _refresh_index(SimpleNamespace(out=None), tmp_path / "reports" / "x")
    assert "Title &lt;a_two&gt;" in page.read_text(encoding="utf-8")
    page.write_text("mine")
    _refresh_index(SimpleNamespace(out=None), tmp_path / "reports" / "x")  # the run must not fail for it
    assert page.read_text() == "mine" and "not brought up to date" in capsys.readouterr().out


def test_a_page_of_ones_own_is_left_alone(folder, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "report.json").write_bytes((folder / "a_two" / "report.json").read_bytes())
    (tmp_path / "index.html").write_text("<h1>mine</h1>")
    with pytest.raises(bm.InputError, match="left alone"):
        bm.write_index(tmp_path)
    assert (tmp_path / "index.html").read_text() == "<h1>mine</h1>"


def test_no_link_of_the_list_in_the_repository_is_dead():
    reports = Path(__file__).parents[2] / "reports"
    links = re.findall(r'href="([^"#]+)"', (reports / "index.html").read_text(encoding="utf-8"))
    assert "old_faithful/index.html" in links
    assert [link for link in links if not (reports / link).exists()] == []
