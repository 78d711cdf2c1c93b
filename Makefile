# Every target makes the environment it needs; nothing is expected but Python >= 3.11 and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests run in as many processes as there are cores, two at the least.
WORKERS ?= auto

.PHONY: demo test faults lint types layers docs docs-check lock bench clean help

help: ## What there is to make
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## / — /'

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "labeltune needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.made requirements/demo.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/demo.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.made requirements/dev.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo ## Two classifiers fine-tuned, used and measured on this machine: no key, no network
	PATH="$(abspath $(BIN)):$$PATH" LABELTUNE_PROVIDER=local LABELTUNE_HOME="$(abspath demo/home)" \
	  sh examples/customer_inquiries.sh demo/customer_inquiries
	PATH="$(abspath $(BIN)):$$PATH" LABELTUNE_PROVIDER=local LABELTUNE_HOME="$(abspath demo/home)" \
	  sh examples/toxic_comments.sh demo/toxic_comments
	@cat demo/customer_inquiries/report.txt demo/toxic_comments/report.txt

test: $(VENV)/.dev ## All tests
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_OPTIONS)

faults: $(VENV)/.dev ## The long versions of the fault tests
	$(BIN)/python -m pytest tests/faults -m soak $(PYTEST_OPTIONS)

lint: $(VENV)/.dev ## Style, shell scripts, types and import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/shellcheck .ci/run examples/*.sh
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.dev ## The reference pages, from the command tree
	$(BIN)/python docs/generate.py

docs-check: $(VENV)/.dev ## Whether the generated pages are what the code says, and links lead somewhere
	$(BIN)/python docs/generate.py --check

bench: $(VENV)/.dev ## All benchmarks, small; benchmarks/README.md says what each shows
	$(BIN)/python benchmarks/run_all.py

lock: $(VENV)/.made ## The lock files, from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  pyproject.toml -o requirements/demo.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --group dev --group bench --all-extras pyproject.toml -o requirements/dev.txt

clean: ## Remove what the other targets made
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
