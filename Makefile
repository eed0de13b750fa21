# Warmline. `make` alone says what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for found in python3.13 python3.12 python3.11 python3 python3.14; do \
	command -v $$found >/dev/null 2>&1 && $$found -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && command -v $$found && break; done)
VENV := .venv
BIN := $(VENV)/bin
RAN := $(VENV)/.stamps
# The clone itself is what runs: nothing of it is copied into the environment.
export PYTHONPATH := $(CURDIR)

.PHONY: help run test check faults lint style types imports domain format bench browser lock clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RAN)/run ## Set up what is missing and run all of Warmline (PORT=8000, DATA_DIR=.data)
	@exec $(BIN)/python -m bot run

test: $(RAN)/dev browser ## Run every test but the long ones of `make faults` (ARGS="-k words" for some)
	$(call TIMED,$(BIN)/python -m pytest $(if $(NAMED),,$(SPREAD) -m "not faults") $(SLOWEST) $(ARGS))

check: $(RAN)/dev ## What to run after each change: style, types, import contracts and the domain's tests, side by side
	$(call TIMED,$(MAKE) --keep-going --jobs=4 $(TIDY) style types imports domain)

faults: $(RAN)/dev ## Run the long tests: kill everything, ninety days, random nights
	$(call TIMED,$(BIN)/python -m pytest $(if $(NAMED),,$(SPREAD)) -m faults $(SLOWEST) $(ARGS))

lint: style types imports ## Check the style, the types and which package imports which

style: $(RAN)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(RAN)/dev
	$(BIN)/mypy

imports: $(RAN)/dev
	$(BIN)/lint-imports --no-logo

domain: $(RAN)/dev
	$(BIN)/python -m pytest $(SPREAD) tests/domain

# The tests are spread over the cores; a file that is named runs whole, in one process.
NAMED = $(findstring .py,$(ARGS))
WORKERS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((cores < 2 ? 2 : cores > 6 ? 6 : cores)))
SPREAD = --numprocesses=$(WORKERS) --dist=worksteal
SLOWEST = --durations=20
TIDY = $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
# On the other stream, so that the last word of a run is still pytest's own.
TIMED = @$(1); status=$$?; echo "make $@ took $$SECONDS seconds." >&2; exit $$status

format: $(RAN)/dev ## Lay the code out as `make lint` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(RAN)/dev ## Measure the work that people wait for
	@exec $(BIN)/python -m benchmarks $(ARGS)

# Chromium is the system's, so that it gets the system's security updates.
browser: ## See that there is a Chromium for the tests, and install one where that is possible
	@for found in chromium chromium-browser google-chrome; do command -v $$found >/dev/null 2>&1 && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	else \
		echo "The tests drive a real Chromium, and none is installed. Install it with your system's packages" >&2; \
		echo "(Debian and Ubuntu: sudo apt-get install chromium), then run make again." >&2; exit 1; \
	fi

lock: $(RAN)/tools ## Pin the newest versions of everything, with hashes
	$(RUN_LOCK) requirements-install.in -o requirements-install.txt
	$(RUN_LOCK) requirements.in -o requirements.txt
	$(RUN_LOCK) requirements-dev.in -o requirements-dev.txt

RUN_LOCK = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

clean: ## Remove the environment and the caches (the data stays)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# --- Each stamp says that a step was done; a changed list of requirements makes its step due again.

$(RAN)/venv:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Warmline needs Python 3.11 or newer with its venv module, and none was found on the PATH." >&2; \
		echo "Debian and Ubuntu: apt-get install python3 python3-venv. Or name one: make PYTHON=/path/to/python3.12" >&2; \
		exit 1; \
	fi
	@echo "Setting up $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(RAN) && touch $@

$(RAN)/tools: requirements-install.txt $(RAN)/venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Compiled here and not at the first start, which a person waits for. Some machines reach their
# packages only as pip is set up to; then pip does it, more slowly.
INSTALL = $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r $(1) 2>/dev/null \
	|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)

$(RAN)/run: requirements.txt $(RAN)/tools Makefile
	@echo "Installing what Warmline runs on ..."
	@$(call INSTALL,$<)
	@printf '#!/bin/sh\nPYTHONPATH="%s$${PYTHONPATH:+:$$PYTHONPATH}" exec "%s/python" -m bot "$$@"\n' \
		'$(CURDIR)' '$(CURDIR)/$(BIN)' > $(BIN)/warmline && chmod +x $(BIN)/warmline
	@touch $@

$(RAN)/dev: requirements-dev.txt $(RAN)/run
	@echo "Installing what the tests need ..."
	@$(call INSTALL,$<)
	@touch $@
