# One command each. Every target makes .venv by itself from the locks; only Python >= 3.11, git and make are needed.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help up test check bench clients fuzz soak postgres browser-all screenshots lock train clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

up: $(RUN) ## start everything on this machine and print the address (Ctrl-C stops it)
	@exec $(VENV)/bin/python manage.py up

test: $(DEV) ## all tests: on PostgreSQL where there is one, on SQLite, with real processes, in a browser
	$(VENV)/bin/python -m tests.support.run

# The checks read the settings but no data: a key of no value, a database in memory.
check: export STUDIO_SECRET_KEY := only-for-checks
check: export STUDIO_DATABASE_URL := sqlite://:memory:
check: $(DEV) ## formatting, lint, dangerous calls, types, import floors, migrations, settings
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/bandit --quiet --configfile pyproject.toml --recursive studio endpoints apikeys scheduler snapi manage.py
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python manage.py makemigrations --check --dry-run
	$(VENV)/bin/python manage.py check

TRACE ?=
bench: $(DEV) ## figures as ratios within one run; TRACE=<folder of *-nodes.csv, *-requests.csv> replays a trace too
	$(VENV)/bin/python -m tests.bench.idle
	$(VENV)/bin/python -m tests.bench.gateway --seconds 1 --rounds 2
	$(VENV)/bin/python -m tests.bench.pages
	$(VENV)/bin/python -m tests.bench.pages.lighthouse
	$(VENV)/bin/python -m tests.bench.rest
	@for nodes in $(wildcard $(TRACE)/*-nodes.csv); do \
	  $(VENV)/bin/python -m tests.bench.placement $$nodes $${nodes%-nodes.csv}-requests.csv --scale 1.5; done

ONLY ?=
clients: $(DEV) ## other people's clients, each in an environment of its own, against running endpoints; ONLY=openai for one
	$(VENV)/bin/pytest -m clients --show-capture no tests/clients $(ONLY:%=--only %)

FUZZED := tests/unit tests/agent/test_reconcile.py tests/db/test_whole_control.py tests/db/test_forecast.py tests/gateway/test_params.py \
  tests/gateway/test_bodies.py tests/gateway/test_fuzz.py tests/gateway/test_misbehaving.py tests/snapi/test_fuzz_arguments.py
FUZZERS := .venv-fuzz/.installed

fuzz: $(DEV) $(FUZZERS) ## the property tests with up to forty times as many examples, and schemathesis over predictions and management
	FUZZ=20 $(VENV)/bin/pytest --timeout 1800 -n 2 --show-capture no $(FUZZED)
	$(VENV)/bin/python -m tests.fuzz

$(FUZZERS): tests/fuzz/requirements.txt
	test -x .venv-fuzz/bin/python || $(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

soak: $(DEV) ## every kind of process killed and frozen at every moment, 20,000 predictions meanwhile, memory (forty minutes)
	$(VENV)/bin/pytest -m soak tests/journeys tests/agent
	$(VENV)/bin/python -m tests.support.postgres -- $(VENV)/bin/python -m pytest -m soak tests/doors

postgres: $(DEV) ## every test that needs a database, the doors too, on PostgreSQL
	FUZZ=1 $(VENV)/bin/python -m tests.support.postgres -- $(VENV)/bin/python -m pytest -n 2 -m "db or postgres"

browser-all: $(DEV) ## every browser test
	$(VENV)/bin/pytest -m "browser or thorough" tests/browser

screenshots: $(DEV) ## pictures of every page, dialog and menu (light, dark, narrow) into ./screenshots
	$(VENV)/bin/python -m tests.browser.screenshots

RUN_PARTS := --extra cli --extra agent --extra gateway --extra server --extra embedded --group build
COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet

lock: ## write both locks anew (needs uv); LOCK="--upgrade" takes new versions
	$(COMPILE) $(RUN_PARTS) $(LOCK) -o requirements.txt
	$(COMPILE) $(RUN_PARTS) --extra dev -c requirements.txt $(LOCK) -o requirements-dev.txt

train: ## train the shipped models anew in a virtual environment of their own
	test -x .venv-train/bin/python || $(PYTHON) -m venv .venv-train
	.venv-train/bin/pip install --quiet -r studio/hub/shipped/train/requirements.txt
	.venv-train/bin/python studio/hub/shipped/train/train.py

clean: ## remove what the tools made; the data folder stays
	rm -rf $(VENV) .venv-train .venv-clients .venv-fuzz .venv-litellm build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv is several times faster where it works; where it is absent or cannot reach its index, pip does the same.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Studio needs Python 3.11 or newer; this one is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...")'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing $(1) into $(VENV) ..."
	@if command -v uv >/dev/null 2>&1 \
	  && uv pip install --quiet --python $(VENV)/bin/python --require-hashes -r $(1) 2>/dev/null; then :; \
	else $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1); fi
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endef

$(RUN): requirements.txt
	$(call install,requirements.txt)
	@touch $@

$(DEV): requirements-dev.txt requirements.txt
	$(call install,requirements-dev.txt)
	@touch $(RUN) $@
