"""The README is run: its Python as it stands, its commands as far as they go without doing them."""

import re
import shlex
from pathlib import Path

import pytest

from bayesmix.cli import parser
from bayesmix.diagnostics import findings

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)


def commands():
    lines = (line.split("  #")[0].strip() for block in blocks("sh") for line in block.splitlines())
    return [shlex.split(line) for line in lines if line]


def test_the_python_runs_as_it_stands(monkeypatch, tmp_path, capsys):
    """Block after block in one namespace, like a reader who types it in."""
    monkeypatch.chdir(tmp_path)
    before = list(findings.CHECKS)
    namespace = {"__name__": "readme"}
    assert len(blocks("python")) >= 3
    try:
        for i, block in enumerate(blocks("python")):
            exec(compile(block, f"README.md, Python block {i}", "exec"), namespace)
    finally:
        findings.CHECKS[:] = before
    out = capsys.readouterr().out
    assert "times_reached" in out and "[0 1]" in out and "Verdict:" in out and "95%" in out and "few rows" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [c for c in commands() if Path(c[0]).name == "bayesmix"], ids=" ".join)
def test_its_bayesmix_commands_parse(words):
    args = parser().parse_args(words[1:])
    script = getattr(args, "script", None)
    assert script is None or (ROOT / script).exists()


def test_its_make_targets_and_files_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for words in commands():
        assert words[0] != "make" or re.search(rf"^{words[1]}:", makefile, flags=re.MULTILINE)
    for name in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / name).exists(), name


def test_it_names_the_families_that_there_are():
    import bayesmix as bm

    ours = [name for name, cls in bm.families().items() if cls.__module__.startswith("bayesmix.")]
    for name in ours:
        assert f"`{name}`" in TEXT
