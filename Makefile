# `make` lists the targets. Everything happens inside .venv; nothing is installed elsewhere.

BIN := .venv/bin
STAMP := .venv/.installed
# The first Python on the PATH that is new enough; override with `make setup PYTHON=...`.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test-quick test test-slow images-test check format bench study study-quick clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Install Fairwind and its tools into .venv (once; again when what it needs changes)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Fairwind needs Python 3.11 or newer, and none is on the PATH. Install one, or run: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11, which Fairwind needs. Run: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "This Python cannot make virtual environments. Run: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making .venv with $$("$(PYTHON)" --version) ..."
	@"$(PYTHON)" -m venv .venv
	@echo "Installing PyTorch, Celery and the rest into .venv (one to three minutes, once) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[demo,dev]'
	@touch $@
	@echo "Ready. Try: make demo"

demo: $(STAMP) ## Run a whole federation on this machine: make demo ARGS="--help"
	@$(BIN)/fairwind demo $(ARGS)

# Compiled modules are kept: tests start hundreds of processes, which would compile them each time.
unexport PYTHONDONTWRITEBYTECODE

# One worker a core; beyond four, federations at once would need more memory than laptops have.
PARALLEL := -n logical --maxprocesses 4
# Status 5 is pytest's for "no test was selected", as ARGS may have it.
pytest = $(BIN)/python -m pytest $(1) $(ARGS) || { status=$$?; test $$status -eq 5; }

test-quick: $(STAMP) ## Run the unit tests (about a minute): make test-quick ARGS="-k gate"
	@$(call pytest,-m "not (slow or integration or e2e or images)" $(PARALLEL) --dist worksteal)

test: test-quick ## Run unit, integration and end-to-end tests (eight to nine minutes)
	@$(call pytest,-m "(integration or e2e) and not slow" $(PARALLEL) --dist loadfile)

test-slow: $(STAMP) ## Run the fault and soak tests, one after the other
	@$(call pytest,-m slow)

images-test: $(STAMP) ## Build the images and train with them, by docker or podman (two to ten minutes)
	@$(call pytest,-m images)

check: $(STAMP) ## Check format, lint, types, layers and dependencies
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry .

format: $(STAMP) ## Format the code and fix what can be fixed safely
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

bench: $(STAMP) ## Measure speed, savings and accuracy: make bench ARGS="--help"
	@$(BIN)/python -m benchmarks $(ARGS)

study: $(STAMP) ## Compare all policies on real grids, with FAIRWIND_DATA: make study ARGS="--help"
	@$(BIN)/fairwind study $(ARGS)

study-quick: $(STAMP) ## Compare policies on modelled grids (two to five minutes, no data needed)
	@$(BIN)/fairwind study --quick $(ARGS)

clean: ## Remove .venv, caches and build products
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
