"""Reading and running the code that stands in prose."""

import re
import shlex
from pathlib import Path

from bayesmix.diagnostics import findings

ROOT = Path(__file__).parents[1]


def blocks(text, language):
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def commands(text):
    """Each line of the shell blocks as a list of words, comments left out."""
    lines = (line.split("  #")[0].strip() for block in blocks(text, "sh") for line in block.splitlines())
    return [shlex.split(line) for line in lines if line]


def run(text, name, namespace=None):
    """Block after block of Python in one namespace, like a reader who types it in; the checks it adds are dropped."""
    before = list(findings.CHECKS)
    namespace = {"__name__": "prose"} if namespace is None else namespace
    try:
        for i, block in enumerate(blocks(text, "python")):
            exec(compile(block, f"{name}, Python block {i}", "exec"), namespace)
    finally:
        findings.CHECKS[:] = before
    return namespace
