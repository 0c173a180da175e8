# Everything a clone needs: Python 3.11, Node with npm, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FORGE := cd contracts && node_modules/.bin/forge
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup run check test lint types imports contracts-test contracts-check artifacts experiments bench figures clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: .setup-python .setup-node ## make .venv and contracts/node_modules

.setup-python: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.setup-node: contracts/package-lock.json
	cd contracts && npm install --no-save --no-fund --no-audit --loglevel=error
	touch $@

run: setup ## the main job: federated MNIST on anvil and the embedded store
	$(BIN)/bcfl run scenarios/mnist.yaml

check: lint types imports contracts-check ## lint, types, import rules, artifacts up to date

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

contracts-check: setup
	$(BIN)/python contracts/compile.py --check

artifacts: setup ## recompile contracts/artifacts
	$(BIN)/python contracts/compile.py

test: setup contracts-test ## every test
	$(BIN)/pytest

contracts-test: setup
	$(FORGE) test --offline --use ./solc-offline

clean: ## remove what the targets made
	rm -rf $(VENV) .setup-python .setup-node contracts/node_modules contracts/out contracts/cache
