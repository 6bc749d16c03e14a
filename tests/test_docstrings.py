"""The examples in docstrings run and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import bayesmix

# Importing these starts something (a command line, compiled code): their examples are none.
SKIPPED = {"bayesmix.__main__"}
NAMES = {m.name for m in pkgutil.walk_packages(bayesmix.__path__, "bayesmix.")}
MODULES = ["bayesmix", *sorted(NAMES - SKIPPED)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an example that writes leaves nothing behind
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    count = sum(len(t.examples) for n in MODULES for t in finder.find(importlib.import_module(n)))
    assert count >= 2


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is(name):
    assert importlib.import_module(name).__doc__
