# `make` lists the targets. Everything happens inside .venv; nothing is installed elsewhere.

BIN := .venv/bin
STAMP := .venv/.installed
# The first Python on the PATH that is new enough; override with `make setup PYTHON=...`.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test-quick test test-slow test-gpu images-test check format lock sbom bench study study-quick clean

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
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[demo,dev,flwr,mlflow,privacy,tensorboard]'
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

test-quick: $(STAMP) ## Run the unit tests (two to five minutes): make test-quick ARGS="-k gate"
	@$(call pytest,-m "not (slow or integration or e2e or images)" $(PARALLEL) --dist worksteal)

test: test-quick ## Run unit, integration and end-to-end tests (20 to 25 minutes)
	@$(call pytest,-m "(integration or e2e) and not slow" $(PARALLEL) --dist loadfile)

test-slow: $(STAMP) ## Run faults, random kills, slow links and soaks, one after the other (20 to 25 minutes)
	@$(call pytest,-m slow)

test-gpu: $(STAMP) ## Run the tests of devices on this machine's GPU; skipped, loudly, without one
	@$(BIN)/python -m tests.gpu || echo "!!! No GPU here: every test of a GPU below is SKIPPED, and proves nothing." >&2
	@$(call pytest,-m gpu -rs)

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

lock: $(STAMP) ## Write docker/requirements-hashes.txt: what the images install, by hash
	@$(BIN)/python docker/lock.py

# The tool has an environment of its own, so that it is not in the bill itself.
sbom: $(STAMP) ## Write sbom.json: what is in .venv and in this repository, in CycloneDX's form
	@test -x .venv-sbom/bin/cyclonedx-py || { "$(PYTHON)" -m venv .venv-sbom && .venv-sbom/bin/python -m pip install -qq --disable-pip-version-check 'cyclonedx-bom>=7,<8'; }
	@.venv-sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-format JSON --output-file sbom.json $(BIN)/python
	@$(BIN)/python docker/add_vendored.py sbom.json
	@echo "Wrote sbom.json"

bench: $(STAMP) ## Measure speed, savings and accuracy: make bench ARGS="--help"
	@$(BIN)/python -m benchmarks $(ARGS)

study: $(STAMP) ## Compare all policies on real grids, with FAIRWIND_DATA: make study ARGS="--help"
	@$(BIN)/fairwind study $(ARGS)

study-quick: $(STAMP) ## Compare policies on modelled grids (two to five minutes, no data needed)
	@$(BIN)/fairwind study --quick $(ARGS)

clean: ## Remove .venv, caches and build products
	@rm -rf .venv .venv-sbom sbom.json .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
