# make demo    the main job: Old Faithful by EM and MCMC, into reports/old_faithful/index.html
# make test    the tests              make certify  the long ones
# make study   the simulation studies make reports  every script in models/
# make bench   EM, MCMC and relabelling beside rivals, into benchmarks/RESULTS*.md
# make docs    the user guide, into site/
# make lint    check the style        make format   mend it
# make clean   remove caches and build products (`rm -r .venv` for a new environment)
#
# All of them first make .venv, once; choose its Python with `make demo PYTHON=python3.12`.

PYTHON ?= python3
BIN := .venv/bin
NEW_ENOUGH := import sys, ensurepip; sys.exit(sys.version_info < (3, 12))
FOUND = $(or $(shell $(PYTHON) -c 'import platform; print(platform.python_version())' 2>/dev/null),not there)
ADVICE = bayesmix needs Python 3.12 or newer with its venv module, but "$(PYTHON)" is $(FOUND): install \
Python 3.13 (https://www.python.org/downloads, or "pyenv install 3.13") or name another one, as in PYTHON=python3.13

READER := models/inspect_in_arviz.py# reads a saved fit, and is no model

.PHONY: demo test certify study bench reports docs lint format clean env
.DELETE_ON_ERROR:

demo: env
	@$(BIN)/bayesmix run models/old_faithful.py

test: env
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --maxschedchunk 1

certify: env
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --maxschedchunk 1 -m certify

study: env
	@set -e; for script in $(wildcard benchmarks/study_*.py); do echo "$$script"; $(BIN)/python $$script; done

bench: env
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e '.[bench]'
	@set -e; for script in $(wildcard benchmarks/bench_*.py); do echo "$$script"; $(BIN)/python $$script; done

reports: env
	@set -e; for model in $(filter-out $(READER),$(wildcard models/*.py)); do echo "$$model"; $(BIN)/bayesmix run $$model; done
	@echo $(READER); $(BIN)/python $(READER)

docs: env
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

lint: env
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: env
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf build dist site .pytest_cache .ruff_cache .hypothesis
	find bayesmix tests models benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

env: .venv/.stamp

# The stamp comes last, so an interrupted installation is taken up again by the next run.
# --clear only replaces an environment whose own Python is missing or too old.
.venv/.stamp: pyproject.toml constraints.txt
	$(if $(shell $(PYTHON) -c '$(NEW_ENOUGH)' 2>/dev/null && echo yes),,$(error $(ADVICE)))
	@echo "Installing bayesmix into .venv (about a minute, only this once) ..."
	@clear=; test ! -e .venv || $(BIN)/python -c '$(NEW_ENOUGH)' 2>/dev/null || clear=--clear; \
	$(PYTHON) -m venv $$clear .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@
