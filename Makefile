# Python 3.11 and make are all that is needed; everything else goes into .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test test-all check clean long-runs results

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || (echo "scanwise needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 2)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(STAMP)

demo: setup
	$(BIN)/scanwise demo --out out/demo

test: setup
	$(BIN)/python -m pytest

test-all: setup
	$(BIN)/python -m pytest -m "slow or not slow"

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every table of docs/results/ and docs/performance.md from docs/results/data/; needs Python alone.
results:
	$(PYTHON) scripts/make_results.py

# Trains what recipes/long-runs.txt lists, in the background of other work; stop it in any way, it goes on next time.
long-runs: setup
	$(BIN)/python scripts/long_runs.py

clean:
	rm -rf $(VENV) build dist out src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
