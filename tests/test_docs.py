"""The user guide: its Python runs as it stands, its commands parse, its links and its pages are there."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import bayesmix as bm
from bayesmix.cli import parser
from bayesmix.cli.expressions import build_model
from prose import ROOT, blocks, commands, run

PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
SAYS = {  # what a page's code must print
    "choosing": ["3 457.1", "log evidence -226.7", "Choice:", "occupied with"],
    "extending": ["few rows"],
    "index": ["times_reached"],
    "labels": ["Relabelled by 'order'", "[2. 5.]"],
    "missing": ["75.4", "184.25 177.57"],
    "optima": ["interior", "restarts;"],
    "priors": ["weight", "InverseGamma", "order_mean"],
    "start": ["Verdict:", "[0 1]", "95%"],
    "verdict": ["Verdict: undecided", "What to do:", "smallest weight"],
}
LONG = ("choosing", "extending", "optima", "start", "verdict")  # tests/test_readme.py runs much the same


def help_of(name):
    return parser()._subparsers._group_actions[0].choices[name].format_help()


def marked(name):
    return pytest.param(name, marks=[pytest.mark.certify] if name in LONG else [])


@pytest.mark.parametrize("name", [marked(n) for n, text in PAGES.items() if blocks(text, "python")])
def test_the_python_of_a_page_runs_as_it_stands(name, monkeypatch, no_figures, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    run(PAGES[name], f"docs/{name}.md")
    out = capsys.readouterr().out
    assert [words for words in SAYS[name] if words not in out] == []


def test_its_commands_parse():
    found = [words for text in PAGES.values() for words in commands(text) if Path(words[0]).name == "bayesmix"]
    assert found
    for words in found:
        parser().parse_args(words[1:])


def test_its_links_lead_somewhere():
    made = {"families.md", "command.md", "gallery/index.md"}  # by docs/pages.py
    for name, text in PAGES.items():
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            assert link in made or link.startswith("https://") or (ROOT / "docs" / link).exists(), f"{name}: {link}"


def test_every_page_is_in_the_navigation():
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [name for name in PAGES if f"{name}.md" not in nav] == []


def test_the_table_of_priors_names_them_all():
    public = {name: getattr(bm, name) for name in bm.__all__ if name not in bm._LAZY}
    priors = [n for n, c in public.items() if isinstance(c, type) and issubclass(c, bm.Prior) and c is not bm.Prior]
    assert len(priors) >= 12
    assert [name for name in priors if f"`{name}(" not in PAGES["priors"]] == []


EXAMPLES = [
    line for name in ("run", "fit", "predict", "check") for line in help_of(name).split("examples:\n")[1].splitlines()
]


@pytest.mark.parametrize("line", EXAMPLES)
def test_the_examples_of_the_help_parse(line):
    args, _ = parser().parse_known_args(shlex.split(line)[1:])
    if args.name == "fit":
        model = build_model(args.family, args.components, args.order, args.min_weight, args.enforce, args.prior)
        assert model.components == args.components


# ---- the pages that are made when the guide is built -------------------------------------------------


def made():
    spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "docs" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_holds_every_public_name_once():
    pages = made().reference()
    listed = [line.split(".")[-1] for text in pages.values() for line in text.splitlines() if line.startswith(":::")]
    assert sorted(listed) == sorted(bm.__all__)


def test_the_other_pages_name_what_there_is():
    pages = made()
    families, gallery, command = pages.families(), pages.gallery(), pages.command_line()
    assert [
        name
        for name, cls in bm.families().items()
        if cls.__module__.startswith("bayesmix.") and f"`{name}`" not in families
    ] == []
    assert [p.name for p in (ROOT / "models").glob("*.py") if f"models/{p.name}" not in gallery] == []
    assert "## bayesmix fit" in command and "--prior" in command


@pytest.mark.certify
def test_the_guide_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="needs the extra `docs`")
    pytest.importorskip("mkdocstrings", reason="needs the extra `docs`")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    assert (tmp_path / "api" / "priors" / "index.html").exists()
