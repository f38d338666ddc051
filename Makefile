# `make run` and `make test` work from a fresh clone: they make the virtual environment they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal --durations=10

.PHONY: run lint test test-all perf install clean

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

# on a machine that does nothing else
perf: $(VENV)/run-installed
	$(BIN)/python perf/search.py
	$(BIN)/python perf/scoring.py

install: $(VENV)/dev-installed

clean:
	rm -rf $(VENV) build dist *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run-installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e . -c constraints.txt
	touch $@

# xautodl holds the official network, against which ours is tested; its own requirements are stale
$(VENV)/dev-installed: $(VENV)/run-installed
	$(BIN)/python -m pip install --quiet -e ".[dev]" -c constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps xautodl==1.0.0
	touch $@
