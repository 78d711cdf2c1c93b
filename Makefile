# Every target makes the environment it needs; nothing is expected but Python >= 3.11 and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests run in as many processes as there are cores, two at the least.
WORKERS ?= auto

.PHONY: demo test faults lint docs docs-check bench dist wheel-check lock clean help

help: ## What there is to make
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## / — /'

# What a lock names is installed, and nothing else is even considered: pip resolves nothing (--no-deps), takes
# only files that the lock knows (--require-hashes), and labeltune is built by what the lock brought.
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps
define install
	$(PIP) --require-hashes -r requirements/$(1).txt
	$(PIP) --no-build-isolation --editable .
endef

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "labeltune needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.made requirements/demo.txt pyproject.toml
	$(call install,demo)
	@touch $@

$(VENV)/.dev: $(VENV)/.made requirements/dev.txt pyproject.toml
	$(call install,dev)
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo ## Two classifiers fine-tuned, used and measured on this machine: no key, no network
	PATH="$(abspath $(BIN)):$$PATH" LABELTUNE_PROVIDER=local LABELTUNE_HOME="$(abspath demo/home)" \
	  sh examples/customer_inquiries.sh demo/customer_inquiries
	PATH="$(abspath $(BIN)):$$PATH" LABELTUNE_PROVIDER=local LABELTUNE_HOME="$(abspath demo/home)" \
	  sh examples/toxic_comments.sh demo/toxic_comments
	@cat demo/customer_inquiries/report.txt demo/toxic_comments/report.txt

test: $(VENV)/.dev ## All tests, or those that PYTEST_OPTIONS names
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_OPTIONS)

faults: $(VENV)/.dev ## The long versions of the fault tests
	$(BIN)/python -m pytest tests/faults -m soak $(PYTEST_OPTIONS)

lint: $(VENV)/.dev ## Style, shell scripts, types and import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/shellcheck .ci/run .ci/wheel-check .ci/release-notes examples/*.sh
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.dev ## The reference pages, from the command tree
	$(BIN)/python docs/generate.py

docs-check: $(VENV)/.dev ## Whether the generated pages are what the code says, and links lead somewhere
	$(BIN)/python docs/generate.py --check

bench: $(VENV)/.dev ## All benchmarks, small; benchmarks/README.md says what each shows
	$(BIN)/python benchmarks/run_all.py

dist: $(VENV)/.dev ## The sdist, and the wheel built from it
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .

# A WHEEL that is named is taken as it is: a release checks the one that it publishes.
wheel-check: $(if $(WHEEL),,dist) ## The wheel in an environment of its own, with the demo's commands
	PYTHON="$(PYTHON)" sh .ci/wheel-check $(or $(WHEEL),dist/*.whl)

# Versions stay as they are unless something asks for others: `make lock LOCK_OPTIONS=--upgrade` renews them all.
# --no-strip-extras: a locked package that asks for coverage[toml] finds just that in the lock.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
  --no-emit-index-url --no-header --no-annotate $(LOCK_OPTIONS) pyproject.toml --group build

# All but torch, of which each machine has a build of its own.
LOCKED_EXTRAS := --extra tokens --extra excel --extra parquet --extra embed --extra onnx --extra ray

lock: $(VENV)/.made ## The lock files, from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) --group dev --group bench $(LOCKED_EXTRAS) -o requirements/dev.txt
	$(COMPILE) --constraint requirements/dev.txt -o requirements/demo.txt

clean: ## Remove what the other targets made
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
