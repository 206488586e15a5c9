# Celeriac's front door for people with a checkout. Needs make, git and Python 3.11 or newer (with venv).
# Another Python: PY=python3.13 make test

PYTHON := .venv/bin/python
PORT ?= 8000
JOBS ?= 6
SEEDS ?= 100000
STORE ?= memory
FROM ?= 1000000
export PY JOBS

.DEFAULT_GOAL := help
.PHONY: help demo test test-matrix check audit fuzz format simulate soak bench bench-peers pictures clean FORCE

help: ## show this list
	@echo 'make TARGET [PY=python3.13]'
	@sed -n 's/^\([a-z-]*\):.*## /  \1|/p' Makefile | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

demo: .venv/demo.stamp ## start the example web page, a worker and the dashboard [PORT=8000] [BROKER=redis://127.0.0.1:6379/0]
	$(PYTHON) examples/flask_progress/run.py $(if $(BROKER),--broker '$(BROKER)') --port $(PORT)

test: .venv/dev.stamp ## run every test, on real servers and a real browser [JOBS=6] [ARGS='tests/unit -k retry']
	@$(PYTHON) -m tools.provide
	CELERIAC_REQUIRE_ALL=1 $(PYTHON) -m tools.run_tests -n $(JOBS) $(ARGS)

test-matrix: .venv/dev.stamp ## run the quick tests on the other Python versions that are installed here
	@tools/matrix.sh

check: .venv/dev.stamp ## check format, lint, types (of the scripts too) and the direction of imports
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	@if [ -d tests/typing ]; then set -x; $(PYTHON) -m pyright --pythonpath $(PYTHON) tests/typing; fi
	.venv/bin/lint-imports
	$(PYTHON) -m tools.scripts

audit: .venv/dev.stamp ## look for known vulnerabilities in everything that is installed here
	$(PYTHON) -m tools.audit

fuzz: .venv/dev.stamp ## give broken bytes to everything that reads stored ones [ARGS='--inputs 1000000 --only schedule']
	$(PYTHON) -m tests.fuzz $(ARGS)

format: .venv/dev.stamp ## format the code and repair what the linter can
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

simulate: .venv/dev.stamp ## play simulated clusters for long [SEEDS=100000] [STORE=sqlite] [FROM=1000000]
	$(PYTHON) -m tests.simulation --seeds $(SEEDS) --store $(STORE) --from $(FROM)

soak: .venv/dev.stamp ## kill and let run for hours, and ask for every task after [ARGS='kills --kills 100 --sent 10000']
	@$(PYTHON) -m tools.provide
	$(PYTHON) -m soak $(ARGS)

bench: .venv/dev.stamp ## measure what it costs, beside floors and goals [ARGS='--quick'] [ARGS='drain --stores redis']
	$(PYTHON) -m benchmarks $(ARGS)

bench-peers: .venv/bench.stamp ## measure other task queues beside it, on one Redis in one run [ARGS='on_celery --out docs/benchmarks']
	$(PYTHON) -m benchmarks.peers $(ARGS)

pictures: .venv/dev.stamp ## take the pictures of the dashboard for the documentation [ARGS='--seconds 300']
	@$(PYTHON) -m tools.provide
	$(PYTHON) -m tools.pictures $(ARGS)

clean: ## remove everything that make made: .venv, .tools, caches
	rm -rf .venv .tools build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/%.stamp: pyproject.toml tools/venv.sh
	@tools/venv.sh $*

# The environment is made again when PY names another Python than the one inside.
ifneq ($(PY),)
version = $(shell { $(1) -c 'import sys; print(sys.version)' || echo none; } 2>/dev/null)
ifneq ($(call version,$(PY)),$(call version,$(PYTHON)))
.venv/demo.stamp .venv/dev.stamp .venv/bench.stamp: FORCE
endif
endif
