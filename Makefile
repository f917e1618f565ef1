# keshikomi (消込): every task of a developer. `make` alone lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo dev stack test check faults lint load bench bench-deliveries lock clean

# Another interpreter: make PYTHON=/path/to/python3.12
PYTHON ?= python3
BIN := .venv/bin
# Tests run in so many processes, one more than cores since many wait; a file runs in one of them, and
# so do all that share a server (tests/sharing.py). Those that put the machine under load run alone.
JOBS ?= 3
ALONE := tests/faults tests/integration/test_kafka_moves.py
STAMP := .venv/.set-up
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal \
	--generate-hashes --no-emit-index-url --python-version 3.11

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) ## Create .venv from the lock file (the other targets do it when it is due)

demo: $(STAMP) ## Watch notices arrive, clear invoices and reach a shop's webhook
	$(BIN)/keshikomi demo

dev: $(STAMP) ## Run everything here; webhooks may go to private addresses
	KESHIKOMI_ALLOW_PRIVATE_ENDPOINTS=true $(BIN)/keshikomi up

stack: $(STAMP) ## Run real Kafka, Cassandra and Redis here, without docker; NODES=3 for clusters
	@exec $(BIN)/python -m ops.stack --nodes $(or $(NODES),1)

check: lint ## Format, lint, types, layers, house rules and unit tests: under a minute
	$(BIN)/pytest -n $(JOBS) --dist load tests/architecture tests/unit

test: lint ## Everything that `check` does, every other test, and the coverage gate
	$(BIN)/coverage erase
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --cov --cov-report= \
		-o cache_dir=.pytest_cache/shared $(ALONE:%=--ignore=%)
	$(BIN)/coverage report --fail-under=100
	$(BIN)/pytest -o cache_dir=.pytest_cache/alone $(ALONE)
	@cat .pytest_cache/shared/skipped.txt .pytest_cache/alone/skipped.txt

faults: $(STAMP) ## The faults of `make test` at their full length, with figures: a quarter of an hour
	FAULTS=full $(BIN)/pytest -s $(ALONE)

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

load: $(STAMP) ## Load it through Locust: PROFILE=steady RATE=100 SECONDS=30 ENGINE=embedded|real
	$(BIN)/python -m loadtests.harness $(or $(PROFILE),steady) --rate $(or $(RATE),100) \
		--seconds $(or $(SECONDS),30) --engine $(or $(ENGINE),embedded) \
		--merchants $(or $(MERCHANTS),50) --workers $(or $(WORKERS),1) $(WEB:%=--web %)

bench: $(STAMP) ## Measure this machine; ENGINE=real: Kafka, Cassandra and Redis beside the files
	$(BIN)/python -m loadtests.bench --engine $(or $(ENGINE),embedded) --report build/bench.md \
		--json build/bench.json --history build/bench

bench-deliveries: $(STAMP) ## Measure the delivery engine alone, with outages, kills and a large backlog
	$(BIN)/python -m loadtests.deliveries

lock: $(STAMP) ## Resolve the dependencies of pyproject.toml again, newest within its cooldown
	$(COMPILE) --upgrade pyproject.toml --output-file requirements.lock
	$(COMPILE) --upgrade --extra dev --constraint requirements.lock pyproject.toml \
		--output-file requirements-dev.lock

clean: ## Remove caches and build leftovers; .venv and data/ stay
	rm -rf build dist *.egg-info htmlcov .coverage .coverage.* .hypothesis
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find agents api connectors loadtests ops streams tables tests -name __pycache__ -prune \
		-exec rm -rf {} +

# The stamp is newer than the lock file exactly when .venv holds what the lock file says.
$(STAMP): requirements-dev.lock pyproject.toml
	@command -v $(PYTHON) > /dev/null || { \
		echo "keshikomi needs Python 3.11, 3.12 or 3.13, and there is no $(PYTHON) here;" \
			"name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "keshikomi needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is" \
			"$$($(PYTHON) --version 2>&1); name another: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
			echo "The venv module is missing: installing Debian's python3-venv"; \
			apt-get update && apt-get install --yes --no-install-recommends python3-venv; \
		else \
			echo "Python's venv module is missing; install it (Debian, Ubuntu:" \
				"apt-get install python3-venv)" >&2; exit 1; \
		fi; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --no-deps --require-hashes \
		-r requirements-dev.lock
	$(BIN)/pip install --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $(STAMP)
