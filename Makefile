# Two commands do everything on a machine with Python >= 3.11, make and a package index:
#   make demo    a virtual environment, the install, then `clearprop train digits`
#   make test    the environment with the development tools, then the whole suite
# and `make bench PEERS=/path/to/python` compares with the JAX, PyTorch and scikit-learn of that Python.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test bench lint types clean

demo: $(VENV)/.installed
	$(BIN)/clearprop train digits --output digits.safetensors

test: $(VENV)/.developing
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/train.py $(if $(PEERS),--peers $(PEERS)) $(BENCH)

lint: $(VENV)/.developing
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks

types: $(VENV)/.developing
	$(BIN)/mypy

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.developing: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
