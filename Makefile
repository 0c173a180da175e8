# Everything a clone needs: Python 3.11, Node with npm, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FORGE := $(BIN)/python contracts/toolchain.py forge
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup run check test lint types imports contracts-test contracts-check contracts-coverage gate nightly mutants symbolic artifacts experiments published contributivity owners robustness chaos soak bench audit figures clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: .setup-python .setup-node ## make .venv and contracts/node_modules

.setup-python: pyproject.toml constraints.txt
	@echo "setup: a Python environment in $(VENV), then the packages of constraints.txt (PyTorch is the largest: minutes the first time)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.setup-node: contracts/package-lock.json
	@echo "setup: anvil, forge and solc of contracts/package-lock.json into contracts/node_modules"
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
	$(FORGE) fmt --check src symbolic test
	$(BIN)/python contracts/compile.py --check

artifacts: setup ## recompile contracts/artifacts
	$(BIN)/python contracts/compile.py

test: setup contracts-test ## every test
	$(BIN)/pytest -n 2 --dist worksteal $(PYTEST_ARGS)

contracts-test: setup
	$(FORGE) test --offline --use ./solc-offline $(FORGE_TEST_ARGS)
	git diff --exit-code -- contracts/gas || (echo 'contracts/gas: commit the new gas snapshot if it is meant.'; exit 1)

contracts-coverage: setup ## line and branch coverage of the contracts, at least 95 %
	$(BIN)/python contracts/coverage.py

gate: setup ## plant one fault after another in a copy: each target that .ci/run runs must fail
	$(BIN)/python .ci/selftest.py

nightly: export FOUNDRY_PROFILE := nightly
nightly: contracts-test ## the contracts' tests with many more fuzz and invariant runs

mutants: setup ## small faults in the contracts, each of which a test should notice (hours; goes on where it stopped)
	$(BIN)/python -m bcfl.contracts.mutation $(MUTANT_ARGS)

symbolic: setup ## prove by halmos, in an environment of its own, what holds of the contracts' libraries for every input
	test -x .venv-symbolic/bin/halmos || { $(PYTHON) -m venv .venv-symbolic && .venv-symbolic/bin/pip install --quiet halmos==0.3.3; }
	forge=$$($(BIN)/python -c "from bcfl.contracts.toolchain import program; print(program('forge').parent)") && cd contracts && \
		PATH="$$forge:$$PATH" FOUNDRY_OFFLINE=true FOUNDRY_SRC=src/libraries FOUNDRY_TEST=symbolic FOUNDRY_OUT=out-symbolic FOUNDRY_CACHE_PATH=cache-symbolic \
		../.venv-symbolic/bin/halmos --contract SymbolicTest --loop 5 --forge-build-out out-symbolic

experiments: setup published contributivity owners ## the published experiments, 2CP's, the consortium's, and public tables (hours; goes on where it stopped)
	$(BIN)/python -m benchmarks.public_tables
	$(BIN)/python -m benchmarks.consortium

published: setup ## the three published experiments over five seeds; FEMNIST needs BCFL_DATA_DIR (hours; goes on where it stopped)
	$(BIN)/bcfl sweep scenarios/sweeps/published.yaml --out runs/published --check scenarios/sweeps/published-targets.yaml
	$(BIN)/python -m benchmarks.published

contributivity: setup ## do tokens follow the data? the older system's settings, three scores (hours; goes on where it stopped)
	$(BIN)/bcfl sweep scenarios/sweeps/sizes.yaml --out runs/sizes
	$(BIN)/python -m benchmarks.sizes
	$(BIN)/bcfl sweep scenarios/sweeps/contributivity.yaml --out runs/contributivity
	$(BIN)/python -m benchmarks.contributivity

owners: setup ## the default defence on FEMNIST by writer and Shakespeare by role; needs BCFL_DATA_DIR (about half an hour; goes on where it stopped)
	$(BIN)/bcfl sweep scenarios/sweeps/owners.yaml --out runs/owners
	$(BIN)/python -m benchmarks.owners

robustness: setup ## every attack against the default defence, and its targets (about two hours; goes on where it stopped)
	$(BIN)/bcfl sweep scenarios/sweeps/full.yaml --out runs/robustness --check scenarios/sweeps/targets.yaml

chaos: setup ## kill members, hosts and whole runs in every phase, and eight agents in a storm of faults (the better part of an hour)
	BCFL_EVERY_PHASE=1 $(BIN)/pytest -n 2 --dist worksteal tests/chaos tests/e2e/test_resume.py $(PYTEST_ARGS)

audit: ## known weaknesses of what is pinned, where the registries answer such questions
	test -x .audit/bin/pip-audit || { $(PYTHON) -m venv .audit && .audit/bin/pip install -q pip-audit==2.10.1; } || true
	PATH="$(CURDIR)/.audit/bin:$$PATH" .ci/audit

soak: setup ## eight agents for an hour in five tasks at a time, and five minutes of agents that wait (BCFL_SOAK_MINUTES)
	BCFL_EVERY_PHASE=1 $(BIN)/pytest -s tests/soak $(PYTEST_ARGS)

bench: setup ## speed and gas, as ratios measured side by side
	$(BIN)/python -m benchmarks

figures: setup ## the README's pictures, from a real run
	$(BIN)/python -m bcfl.views.run.figures

clean: ## remove what the targets made
	rm -rf $(VENV) .venv-symbolic .audit contracts/out-symbolic contracts/cache-symbolic .setup-python .setup-node contracts/node_modules contracts/out contracts/cache
