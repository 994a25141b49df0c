# Everything is set up by itself in .venv, from lock files with hashes; uv is used where it is installed.
# `make` alone lists the targets.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

# Tests start some hundreds of processes: each would compile again what the first has compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup serve test test-mongo check lint format types mypy pyright contracts soak demo bench bench-mongo lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A stamp names the lock file it was made from, so that a changed lock sets up anew.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Chatfold needs Python 3.11 or newer; name one with make PYTHON=/path/to/python'; exit 1; }
	@echo "setting up $(VENV) from $(1)"
	$(if $(UV),\
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
		$(UV) pip sync --quiet --python $(BIN)/python --require-hashes $(1) && \
		$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .,\
	@$(PYTHON) -m venv $(VENV) && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1) && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .)
	@touch $@
endef

$(VENV)/.ready: requirements.lock pyproject.toml
	$(call install,requirements.lock)

$(VENV)/.ready-dev: requirements-dev.lock pyproject.toml
	$(call install,requirements-dev.lock)
	@touch $(VENV)/.ready

setup: $(VENV)/.ready ## only the setting up: what the service needs, into .venv

serve: $(VENV)/.ready ## serve on http://127.0.0.1:8000 with the embedded store
	$(BIN)/chatfold serve

test: $(VENV)/.ready-dev ## every test
	$(BIN)/pytest -q -n auto

# The tests of stores, on servers that are fetched and built once, into .cache/engines.
test-mongo: $(VENV)/.ready-dev ## the tests of stores on FerretDB and mongo-java-server (needs Go and a JDK with Maven)
	@$(BIN)/python -m tests.engines.building
	CHATFOLD_TEST_ENGINES=ferretdb,java $(BIN)/pytest -q -n auto --ignore tests/soak

# Tests take all processors; what comes before takes one each.
check: $(VENV)/.ready-dev ## lint, types, import contracts, tests
	@$(MAKE) --no-print-directory -j 2 mypy pyright lint contracts
	@$(MAKE) --no-print-directory test

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.ready-dev ## let ruff lay out and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: mypy pyright

mypy: $(VENV)/.ready-dev
	$(BIN)/mypy

pyright: $(VENV)/.ready-dev
	$(BIN)/pyright

contracts: $(VENV)/.ready-dev
	$(BIN)/lint-imports

soak: $(VENV)/.ready-dev ## the long tests: scale, kills, many writers (needs Go and a JDK with Maven)
	SOAK=1 $(BIN)/pytest -q -s tests/soak
	SOAK=1 $(BIN)/pytest -q tests/migrations/test_killed_at_random_moments.py
	SOAK=1 $(BIN)/pytest -q -n auto tests/api tests/laws -k half-migrated
	SOAK=1 $(BIN)/pytest -q -n auto tests/api tests/migrations -m at_the_door
	SOAK=1 $(BIN)/pytest -q -n auto tests/laws/test_law_10_a_failing_store_says_so.py
	SOAK=1 $(BIN)/pytest -q -n auto tests/mongo/interleaving --timeout 3600
	@$(BIN)/python -m tests.engines.building
	SOAK=1 CHATFOLD_TEST_ENGINES=ferretdb,java $(BIN)/pytest -q -n auto --timeout 3600 \
		tests/conformance/test_long_sessions.py tests/conformance/test_any_sequence_of_calls.py
	SOAK=1 CHATFOLD_TEST_ENGINES=ferretdb,java $(BIN)/pytest -q -n auto tests/api tests/migrations \
		-m at_the_door
	SOAK=1 CHATFOLD_TEST_ENGINES=java $(BIN)/pytest -q tests/copying/test_corpora.py \
		tests/migrations/test_corpora_in_collections.py
	SOAK=1 $(BIN)/pytest -q -n auto --timeout 3600 tests/migrations/test_corpora_in_other_shapes.py \
		tests/migrations/test_corpora.py tests/migrations/test_large_sessions.py \
		tests/conformance/test_long_sessions.py tests/conformance/test_any_sequence_of_calls.py

demo: $(VENV)/.ready ## make 20,000 old messages, fold, verify, and serve them
	$(BIN)/python bench/demo.py

bench: $(VENV)/.ready-dev ## the figures of the README, each beside its limit
	$(BIN)/python -m bench

bench-mongo: $(VENV)/.ready-dev ## the figures on MongoDB, each beside its limit (ENGINE=java or ferretdb)
	$(BIN)/python -m bench.mongo $(or $(ENGINE),java)

lock: ## renew both lock files (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--group hatch -o requirements.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--group hatch --group dev -c requirements.lock -o requirements-dev.lock pyproject.toml

clean: ## remove what was set up and cached
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
