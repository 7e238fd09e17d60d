# Everything a developer types. Each target sets up what it needs in .venv, on a machine that has Python 3.10 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TESTS ?=
WORKERS ?= auto

.PHONY: help demo test check lint types architecture drift format schema docs clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: $(VENV)/.demo ## Train a model, pack it, serve it, make its image, run that, and compare the answers
	@$(BIN)/python examples/demo.py

test: check ## Lint, types, architecture, and all tests (TESTS="tests/spec -k yaml" for some)
	@echo "== tests"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(TESTS)  # a file at a time a processor: tests of a file share servers

check: lint types architecture drift ## All that is checked without running the tests

lint: $(VENV)/.develop
	@echo "== lint"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.develop
	@echo "== types"
	@$(BIN)/mypy

architecture: $(VENV)/.develop
	@echo "== architecture"
	@$(BIN)/lint-imports

drift: $(VENV)/.develop
	@echo "== generated files"
	@$(BIN)/python -m bentopack.spec.schema --check
	@$(BIN)/python docs/generate.py --check

format: $(VENV)/.develop ## Format the code
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

schema: $(VENV)/.develop ## Write schemas/ anew from the types
	@$(BIN)/python -m bentopack.spec.schema --write

docs: $(VENV)/.develop ## Write docs/cli.md anew from the commands
	@$(BIN)/python docs/generate.py --write

clean: ## Remove the virtual environment and the caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

$(VENV)/.develop: $(VENV)/.demo
	@echo "== installing the test and lint tools into $(VENV)"
	@$(BIN)/python -m pip install --quiet --group test --group lint
	@touch $@

$(VENV)/.demo: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "bentopack needs Python 3.10 or newer: make PYTHON=python3.11 ...")'
	@echo "== making $(VENV) and installing bentopack into it"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --editable . --group demo
	@touch $@
