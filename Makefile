# Everything a person or a machine does with this repository. `make help` lists it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PYTHONDONTWRITEBYTECODE ?= 1

.DEFAULT_GOAL := help
.PHONY: help run test lint types imports unit browser crash bench clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(VENV)/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: $(VENV)/installed  ## Start everything on http://127.0.0.1:5000 with the sandbox provider
	@exec $(BIN)/python api_server.py

test: lint types imports unit  ## Run every check and test

lint: $(VENV)/installed-dev  ## Format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/installed-dev  ## Type-check
	$(BIN)/mypy

imports: $(VENV)/installed-dev  ## Check that imports follow the layers
	$(BIN)/lint-imports

browser: $(VENV)/installed-dev  ## Find or install the browser that the page tests drive
	@$(BIN)/python -m tests.browser

unit: browser  ## Run the tests with branch coverage
	$(BIN)/python -m pytest

crash: $(VENV)/installed-dev  ## Kill the server 50 times while it works, and count messages
	$(BIN)/python -m tests.crash --rounds 50

bench: $(VENV)/installed-dev  ## Measure against the floors of this machine
	$(BIN)/python -m benchmarks.run

clean:  ## Remove what was installed and measured, not the data
	rm -rf $(VENV) .coverage htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis benchmarks/results
