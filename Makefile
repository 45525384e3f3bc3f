# One command each for the environment, the demo, the checks and the tests. `make` alone lists them.

PYTHON3 ?= python3
REVIEWS ?= 2000
BOOTSTRAP ?=
FIGURES ?= var/figures.json
KILLS ?= 100
MINUTES ?= 30
INPUTS ?= 1000000
SEED ?=

BIN := .venv/bin
WORKER := .venv/.worker
INSTALLED := .venv/.installed
# Tests on a broker mostly wait: more processes than cores, each with a broker of its own, the longest tests first.
SIDE_BY_SIDE := --numprocesses 4 --dist loadscope --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install setup demo docs check test bench peers chaos soak nightly fuzz pin clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(WORKER) ## make an environment in .venv that has what the worker and the demo need, for a CPU

$(WORKER): pyproject.toml constraints.txt setup.py $(wildcard model/engines/native/*.cpp model/engines/native/*.h)
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or later is needed; $(PYTHON3) is $$($(PYTHON3) --version 2>&1)." >&2; \
	  echo "Install one, or name the one to take: make install PYTHON3=/path/to/python3" >&2; exit 1; }
	$(PYTHON3) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt -e '.[cpu,demo]'
	@touch $@

setup: $(INSTALLED) ## add to it what development needs, torch among it; again when that or the native engine has changed

$(INSTALLED): $(WORKER)
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev,training,bench]'
	@touch $@

demo: $(WORKER) ## score REVIEWS=2000 real reviews through a real Kafka (BOOTSTRAP=host:port: yours), live on screen
	@exec $(BIN)/sentiment-worker demo --reviews $(REVIEWS) $(if $(BOOTSTRAP),--bootstrap-servers $(BOOTSTRAP))

docs: $(INSTALLED) ## make a site of the documentation, in var/site
	@$(BIN)/mkdocs build --strict

check: $(INSTALLED) ## format, lint, types, import contracts, and the tests that need no broker
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -m "not broker" --numprocesses 2 --dist worksteal

test: check ## check, then the tests on a real broker: SENTIMENT_TEST_BROKER=auto|docker|local|address
	$(BIN)/python -m pytest -m "broker and not nightly" $(SIDE_BY_SIDE) --durations 10

bench: $(INSTALLED) peers ## measure all of docs/performance.md; prints tables, saves FIGURES=var/figures.json and a plot
	@mkdir -p $(dir $(FIGURES))
	@exec $(BIN)/python -m tests.bench --out $(FIGURES)

peers: var/peers/.installed ## the stream frameworks that `make bench` compares with, in var/peers

var/peers/.installed: tests/bench/peers/requirements.txt $(INSTALLED)
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target var/peers -r tests/bench/peers/requirements.txt
	@touch $@

chaos: $(INSTALLED) ## kill workers KILLS=100 times, the broker every fifth, and all other faults; results into docs/guarantees.md
	SENTIMENT_TEST_KILLS=$(KILLS) $(BIN)/python -m pytest -m broker tests/faults $(SIDE_BY_SIDE)
	$(BIN)/python -m tests.faults.table

soak: $(INSTALLED) ## MINUTES=30 of changing load, bad records and rebalances: does anything grow? table, and a plot in var/soak
	@exec $(BIN)/python -m tests.soak --minutes $(MINUTES)

nightly: $(INSTALLED) ## model-check the order of events for 100,000 steps; the second client under faults
	SENTIMENT_TEST_EXAMPLES=1000 $(BIN)/python -m pytest tests/worker/test_order_of_events.py
	$(BIN)/python -m pytest -m nightly $(SIDE_BY_SIDE)

fuzz: $(INSTALLED) ## feed all that reads foreign bytes with INPUTS=1000000; SEED=n repeats a run; keeps what broke it
	@exec $(BIN)/python -m tests.fuzz --inputs $(INPUTS) $(if $(SEED),--seed $(SEED))

pin: $(INSTALLED) ## upgrade every package and write its version into constraints.txt
	$(BIN)/python -m pip install --upgrade --upgrade-strategy eager -e '.[dev,training,bench]'
	{ sed '/^[^#]/d' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable | grep '=='; } > constraints.new
	mv constraints.new constraints.txt
	@touch $(INSTALLED)

clean: ## remove the environment, the caches, the site and Kafka's jars
	rm -rf .venv *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache var/kafka-libs var/site
