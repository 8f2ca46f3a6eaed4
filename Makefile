PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The constraints pin torch's version; set PIP_EXTRA_INDEX_URL to choose its CPU or CUDA build.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

export OMP_NUM_THREADS ?= 2

.PHONY: demo test clean

demo: $(VENV)/.installed
	$(BIN)/clickseg3d demo --output out/demo

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

clean:
	rm -rf $(VENV) out build *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch goes first and alone, so that no other package can choose another build of it.
$(VENV)/.installed: setup.py constraints.txt | $(BIN)/python
	$(PIP) torch
	$(PIP) -e .
	touch $@

$(VENV)/.installed-dev: setup.py constraints.txt | $(BIN)/python
	$(PIP) torch
	$(PIP) -e '.[dev]'
	touch $@ $(VENV)/.installed
