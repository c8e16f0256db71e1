# Two commands are all a newcomer needs: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup venv-package demo run test check fmt imports types bench docs lock clean
.DEFAULT_GOAL := help

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready ## a virtual environment in this checkout with all that demo and test need

$(VENV)/.ready: pyproject.toml
	@echo "→ creating the virtual environment in $(VENV) and installing (first time: about a minute)"
	@test -x $(BIN)/uv || test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) || $(MAKE) --no-print-directory venv-package
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --upgrade pip uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -e ".[demo]" --group dev
	@touch $@

# Debian keeps the module that makes environments in a package of its own, and leaves half of one behind without it.
venv-package:
	@rm -rf $(VENV)
	@test "$$(id -u)" = 0 || { echo "→ install the package first: sudo apt install python3-venv"; exit 1; }
	@echo "→ installing python3-venv"
	@apt-get update -q >/dev/null && apt-get install -y -q python3-venv >/dev/null
	@$(PYTHON) -m venv $(VENV)

demo: setup ## load real data, start everything, run and deliver real reports (ONCE=1: do it, check it, stop)
	@$(BIN)/python run_all.py --demo $(if $(ONCE),--once)

run: setup ## start all services on the data folder .hub
	@$(BIN)/python run_all.py

test: setup ## the whole test suite
	@$(BIN)/python -m tests.run

check: setup imports types ## lint, format, import rules, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

imports: setup
	@$(BIN)/lint-imports

types: setup
	@$(BIN)/mypy

fmt: setup ## format and fix what can be fixed
	@$(BIN)/ruff check --fix-only --exit-zero .
	@$(BIN)/ruff format .

bench: setup ## speed and memory, printed with the machine and versions
	@$(BIN)/python -m benchmarks

docs: setup ## the documentation as a site in site/
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group docs
	@$(BIN)/python -m docs.generate
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock: setup ## pin what is known to work, with hashes (never required)
	@$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --all-extras --group dev pyproject.toml -o requirements.lock

clean: ## remove what was made here
	rm -rf $(VENV) .hub site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
