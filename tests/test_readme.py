"""The README is run: its Python as it stands, its commands as far as they go without doing them."""

import re
from pathlib import Path

import numpy as np
import pytest

from bayesmix.cli import parser
from prose import ROOT, blocks, commands, run

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_runs_as_it_stands(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert len(blocks(TEXT, "python")) >= 3
    run(TEXT, "README.md")
    out = capsys.readouterr().out
    assert "times_reached" in out and "[0 1]" in out and "Verdict:" in out and "95%" in out and "centre[0" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [c for c in commands(TEXT) if Path(c[0]).name == "bayesmix"], ids=" ".join)
def test_its_bayesmix_commands_parse(words):
    args = parser().parse_args(words[1:])
    script = getattr(args, "script", None)
    assert script is None or (ROOT / script).exists()


def test_its_make_targets_and_files_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for words in commands(TEXT):
        assert words[0] != "make" or re.search(rf"^{words[1]}:", makefile, flags=re.MULTILINE)
    for name in re.findall(r"\]\(([^)#]+)\)|<img src=\"([^\"]+)", TEXT):
        assert (ROOT / "".join(name)).exists(), name


def test_it_names_the_families_that_there_are():
    import bayesmix as bm

    ours = [name for name, cls in bm.families().items() if cls.__module__.startswith("bayesmix.")]
    for name in ours:
        assert f"`{name}`" in TEXT


def test_its_speeds_are_those_of_the_benchmark():
    """Each number of milliseconds and seconds of the README stands in benchmarks/RESULTS.md, up to rounding."""
    table = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    measured = np.array([float(v) for v in re.findall(r"(?<![\w.])\d+\.?\d*(?:e[+-]?\d+)?", table)])
    claimed = re.findall(r"(\d+\.?\d*) (?:ms|s)(?= \|)", TEXT)
    assert len(claimed) >= 10
    for text in claimed:
        unit = 10.0 ** -len(text.partition(".")[2])
        assert (np.abs(measured - float(text)) <= unit / 2 + 1e-12).any(), text
