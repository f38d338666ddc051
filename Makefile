# `make run` and `make test` work from a fresh clone: they make the virtual environment they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal --durations=10

# `make run TORCH=cpu` installs torch's build without CUDA; TORCH_INDEX=URL is an index that has it, if pip's own has not.
TORCH ?= default
TORCH_INDEX ?=
TORCH_CPU := torch==$(shell sed -n 's/^torch==//p' constraints.txt)+cpu

LOWEST := .venv-lowest

.PHONY: run lint test test-all test-lowest perf install clean

run: $(VENV)/run-installed
	$(BIN)/python run.py

lint: $(VENV)/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(PYTEST)

# what takes long too, and LaTeX where it is installed
test-all: lint
	$(PYTEST) -m "$(if $(shell command -v pdflatex),,not latex)"

# with the lowest versions that pyproject.toml allows, of torch that of constraints.txt
test-lowest:
	rm -rf $(LOWEST)
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m tests.tools.lowest > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install -e ".[slurm]" hypothesis markdown-it-py pytest pytest-xdist -c $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --no-deps xautodl==1.0.0
	cd $(LOWEST) && bin/python ../run.py
	cd $(LOWEST) && bin/python ../run.py -m metric=synflow,naswot algo=rea,rs,tpe algo.N=50 runs=5 name=small
	cd $(LOWEST) && bin/python ../run.py task=report sweep=multirun_sweeps/small
	$(LOWEST)/bin/python -m pytest -n auto --dist worksteal

# on a machine that does nothing else
perf: $(VENV)/run-installed
	$(BIN)/python perf/search.py
	$(BIN)/python perf/scoring.py

install: $(VENV)/dev-installed

clean:
	rm -rf $(VENV) $(LOWEST) build dist *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run-installed: pyproject.toml setup.py constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV), once: about 400 MB to download and 1.7 GB on disk with torch's CPU build (TORCH=cpu)."
	@echo "Where pip's index gives torch with CUDA, that is 530 MB instead of 190, and NVIDIA's libraries, some GB, come on top."
ifeq ($(TORCH),cpu)
	$(BIN)/python -m pip install "$(TORCH_CPU)" -c constraints.txt $(addprefix --extra-index-url ,$(TORCH_INDEX)) || \
	{ echo "error: no $(TORCH_CPU) in pip's index; expected TORCH_INDEX=URL of one that has it, or no TORCH=cpu" >&2; exit 2; }
endif
	$(BIN)/python -m pip install -e . -c constraints.txt
	touch $@

# xautodl holds the official network, against which ours is tested; its own requirements are stale
$(VENV)/dev-installed: $(VENV)/run-installed
	$(BIN)/python -m pip install --quiet -e ".[dev]" -c constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps xautodl==1.0.0
	touch $@
