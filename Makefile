# `make run` and `make test` need Python 3.11 to 3.13 and make; they set up the rest in .venv.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: run draw test lint docs dist audit clean

VENV ?= .venv
BIN := $(VENV)/bin
# The first interpreter that is there, runs, and has a version the project supports.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	2>/dev/null && { echo $$python; break; }; done)

run: $(VENV)/installed
	$(BIN)/python run_train.py --data=sample --workdir=runs/sample
	$(BIN)/python run_predict.py --workdir=runs/sample --data=sample --output=submission.csv

# A run that is finished is not trained again.
draw: $(VENV)/installed
	$(BIN)/python run_train.py --data=sample --workdir=runs/sample
	$(BIN)/python run_export.py --workdir=runs/sample --serve --port=$(or $(PORT),8000)

test: lint
	$(BIN)/python -m pytest

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

dist: $(VENV)/installed-test
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

# Asks the Python Packaging Advisory Database about every package that is installed here. Strictly,
# for a package that the database could not be asked about would pass for one without a finding.
audit: $(VENV)/installed
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet pip-audit
	$(BIN)/python -m pip freeze --all --exclude-editable > $(VENV)-audit/installed.txt
	$(VENV)-audit/bin/pip-audit --strict --no-deps --disable-pip -r $(VENV)-audit/installed.txt

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; give its path as PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) $(VENV)-accel $(VENV)-audit runs submission.csv site dist

-include benchmarks/bench.mk benchmarks/accelerators/accelerators.mk torture/torture.mk
