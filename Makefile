# `make help` lists the targets. They need Python 3.11 to 3.14 and make, and set up the rest in .venv.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help run draw test lint docs dist readers devices audit constraints matrix clean

VENV ?= .venv
BIN := $(VENV)/bin
# The versions of everything that is installed; `make CONSTRAINTS= ...` takes the newest instead.
CONSTRAINTS ?= constraints.txt
# The first interpreter that is there, runs, and has a version the project supports.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
	2>/dev/null && { echo $$python; break; }; done)
# An environment of before may have a pip that knows neither groups nor constraints of builds.
UPGRADE_PIP = $(BIN)/python -m pip install $(addprefix --constraint ,$(CONSTRAINTS)) --upgrade pip
INSTALL = $(BIN)/python -m pip install \
	$(foreach file,$(CONSTRAINTS),--constraint $(file) --build-constraint $(file))

help: ## this list
	@sed -nE 's/^([a-z0-9]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: $(VENV)/installed ## train on digits that need no download, predict their test part, write submission.csv
	$(BIN)/python run_train.py --data=sample --workdir=runs/sample
	$(BIN)/python run_predict.py --workdir=runs/sample --data=sample --output=submission.csv

# A run that is finished is not trained again.
draw: $(VENV)/installed ## the same, and serve a page to draw your own digits on; PORT=8001 for another port
	$(BIN)/python run_train.py --data=sample --workdir=runs/sample
	$(BIN)/python run_export.py --workdir=runs/sample --serve --port=$(or $(PORT),8000)

test: $(VENV)/installed-dev ## all tests but those marked slow; about seven minutes on two cores
	$(BIN)/python -m pytest

lint: $(VENV)/installed-dev ## formatter, linter, type checker, and two checks of .github/workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/jactionlint --shellcheck= --pyflakes= .github/workflows/*.yml
	$(BIN)/zizmor --offline --no-progress --quiet .github/workflows

# The front page has the page to draw on, of a run on the sample.
docs: $(VENV)/installed-dev ## tutorial, how-tos and reference as pages in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	$(BIN)/python run_train.py --data=sample --workdir=runs/sample
	$(BIN)/python run_export.py --workdir=runs/sample --output=site/live

dist: $(VENV)/installed-dev ## wheel and sdist in dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

# Each reader is installed apart, and the tables there are written anew. Wants Node, clang, Chromium
# with its driver and Python 3.12 too.
READERS ?= .venv-readers
readers: $(VENV)/installed-dev ## open our exports with every reader of docs/howto/export.md: an hour, 8 GB
	$(BIN)/python tests/slow/readers/table.py $(READERS); status=$$?; \
	$(BIN)/python tests/slow/readers/versions.py $(READERS) && exit $$status

# LiteRT's converter is installed apart, into the readers' folder. Alone on the machine, for it times.
devices: $(VENV)/installed-dev ## size, accuracy and speed of the exports for small devices, with DATA=digit-recognizer.zip: 20 minutes, 3 GB
	$(BIN)/python tests/slow/readers/devices.py $(READERS) $(DATA) --write

# Asks the Python Packaging Advisory Database about every package that is installed here. Strictly,
# for a package that the database could not be asked about would pass for one without a finding.
audit: $(VENV)/installed ## ask the advisory database about every installed package
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet pip-audit
	$(BIN)/python -m pip freeze --all --exclude-editable > $(VENV)-audit/installed.txt
	$(VENV)-audit/bin/pip-audit --strict --no-deps --disable-pip -r $(VENV)-audit/installed.txt

# One file for every Python and system; no option names an index, so none is written into it.
constraints: $(VENV)/installed-dev ## renew constraints.txt: the newest versions of all that is installed
	echo '-e .' | $(BIN)/uv pip compile --quiet --upgrade --universal --python-version=3.11 \
		--group dev --no-emit-package lenet-jax --no-annotate \
		--custom-compile-command 'make constraints' --output-file constraints.txt -

matrix: $(VENV)/installed-dev ## try every Python found, the lowest versions, Colab's and Kaggle's: an hour; ROWS="lowest colab", WHOLE=1
	$(BIN)/python tests/slow/matrix.py $(ROWS) $(if $(WHOLE),--whole)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.14 is needed; give its path as PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	@echo "Installing jax, flax and what they need into $(VENV): 0.2 GB to download, 1 GB on the disk"
	$(UPGRADE_PIP)
	$(INSTALL) --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	@echo "Installing what tests, linters and documentation need, too, into $(VENV): 0.4 GB to download, 1.6 GB on the disk"
	$(UPGRADE_PIP)
	$(INSTALL) --editable . --group dev
	@touch $@ $(VENV)/installed

clean: ## remove all that the other targets have made
	rm -rf $(VENV) $(VENV)-accel $(VENV)-audit .venv-readers runs submission.csv site dist

-include benchmarks/bench.mk benchmarks/accelerators/accelerators.mk tests/slow/torture.mk
