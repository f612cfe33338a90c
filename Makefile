# Needs make and Python 3.11 or newer (with venv); everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv
# Without .pyc files every Airflow process would pay seconds at its start; uv compiles what it installs.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: soak help demo airflow test lint format install lock clean

help:  ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*##  *\(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

demo: install  ## run the invoices Dag in a real Airflow and show what lands (KEEP=1 keeps the database)
	@$(BIN)/python -m scripts.demo

airflow: install  ## the same Airflow to click around in, until Ctrl-C
	@$(BIN)/python -m scripts.serve

test: install  ## all tests; a quick round: make test ARGS='-m "not e2e"'
	$(BIN)/python -m pytest $(ARGS)

# Python 3.11, 3.12 and 3.13 are looked for on PATH, and fetched by uv where it can; cells without one are skipped.
.PHONY: compat
compat: install  ## the wheel on each Airflow, Python and age of dependencies; hours, goes on where it was (CELL=3.1.8-pins-py3.12: one)
	@$(BIN)/python -m scripts.compat $(CELL)

.PHONY: compat-quick
compat-quick: install  ## the part of it that runs before a change lands, minutes
	@$(BIN)/python -m scripts.compat --quick

lint: install  ## ruff, ruff format, mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install  ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(VENV)/.installed  ## make .venv, with the versions of requirements-dev.lock

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@# Without their dependencies: all that is wanted of them is in the lock, and what it leaves out is not missed.
	@$(UV) pip install --quiet --compile-bytecode --no-deps --require-hashes -r requirements-dev.lock
	@$(UV) pip install --quiet --compile-bytecode --no-deps -e .
	@touch $@

# The lock names versions and hashes only, so that any index that serves the same files will do. What it does otherwise
# than the packages ask for is not said in pyproject.toml: there uv would do it to whoever installs something of their own.
lock: install  ## resolve requirements-dev.lock anew
	$(UV) pip compile pyproject.toml --extra test --extra bench --universal --python-version 3.11 --generate-hashes \
	  --overrides requirements-dev.overrides.txt --excludes requirements-dev.excludes.txt --no-emit-index-url \
	  --no-annotate --custom-compile-command "make lock" --quiet -o requirements-dev.lock

clean:  ## remove .venv and what was built
	rm -rf $(VENV) $(VENV)-celery dist .compat .nox

.PHONY: chaos
chaos: install  ## kill 100 runs at random requests and check what was paid and landed (SEED=17: one of them)
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

.PHONY: bench
bench: install  ## measure requests, waits and memory against their bars, 30 minutes (FIGURE=upload: one of them)
	@$(BIN)/python -m benchmarks $(FIGURE) $(if $(LIMIT),--limit $(LIMIT))

soak: install  ## 2,000 documents through a real Airflow, counted and watched (about 4 minutes)
	@$(BIN)/python -m scripts.soak

# Needs Node.js 20.19 or newer; nothing else does: the bundle is committed.
.PHONY: ui
ui:  ## check, test and build the page and tab of the Airflow UI (after a change in plugins/www)
	cd raydocs_provider/plugins/www && npm ci --no-audit --no-fund && npm run check && npm test && npm run build

# PostgreSQL and Redis that run here are used, else started. uv makes .venv-celery for Airflow's processes.
.PHONY: e2e-celery
e2e-celery: install  ## Celery, two workers, PostgreSQL, S3: killed, frozen, upgraded and counted (SCENARIO=kills: one of them)
	@$(BIN)/python -m tests.distributed $(if $(SCENARIO),--scenario $(SCENARIO))
