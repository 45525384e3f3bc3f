# Commands for the environment, the demo, the checks and the tests. `make` lists them.

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
.PHONY: help install setup demo docs package check test bench peers chaos soak nightly fuzz pin clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(WORKER) ## create .venv with what the worker and the demo need, for a CPU

$(WORKER): pyproject.toml constraints.txt setup.py $(wildcard model/engines/native/*.cpp model/engines/native/*.h)
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or later is needed; $(PYTHON3) is $$($(PYTHON3) --version 2>&1)." >&2; \
	  echo "Install it, or name another one: make install PYTHON3=/path/to/python3" >&2; exit 1; }
	$(PYTHON3) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt -e '.[cpu,demo]'
	@touch $@

setup: $(INSTALLED) ## add what development needs, including torch; repeat when dependencies or the native engine change

$(INSTALLED): $(WORKER)
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev,training,bench]'
	@touch $@

demo: $(WORKER) ## score REVIEWS=2000 real reviews through a real Kafka, live on screen; BOOTSTRAP=host:port uses yours
	@exec $(BIN)/sentiment-worker demo --reviews $(REVIEWS) $(if $(BOOTSTRAP),--bootstrap-servers $(BOOTSTRAP))

docs: $(INSTALLED) ## build the documentation site in var/site
	@$(BIN)/mkdocs build --strict

package: $(INSTALLED) ## build the sdist and the wheel in dist
	$(BIN)/python -m build

check: $(INSTALLED) ## format, lint, types, import contracts, and the tests that need no broker
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -m "not broker" --numprocesses 2 --dist worksteal

test: check ## check, then the tests on a real broker: SENTIMENT_TEST_BROKER=auto|docker|local|address
	$(BIN)/python -m pytest -m "broker and not nightly" $(SIDE_BY_SIDE) --durations 10

bench: $(INSTALLED) peers ## measure everything in docs/performance.md; print tables, save FIGURES=var/figures.json and a plot
	@mkdir -p $(dir $(FIGURES))
	@exec $(BIN)/python -m tests.bench --out $(FIGURES)

peers: var/peers/.installed ## install the stream frameworks that `make bench` compares with, in var/peers

var/peers/.installed: tests/bench/peers/requirements.txt $(INSTALLED)
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target var/peers -r tests/bench/peers/requirements.txt
	@touch $@

chaos: $(INSTALLED) ## kill workers KILLS=100 times, the broker every fifth time, and cause all other faults; write docs/guarantees.md
	SENTIMENT_TEST_KILLS=$(KILLS) $(BIN)/python -m pytest -m broker tests/faults
	$(BIN)/python -m tests.faults.table

soak: $(INSTALLED) ## run MINUTES=30 of changing load, bad records and rebalances, and check that nothing grows; plot in var/soak
	@exec $(BIN)/python -m tests.soak --minutes $(MINUTES)

nightly: $(INSTALLED) ## model-check the order of events for 100,000 steps; test the second client under faults
	SENTIMENT_TEST_EXAMPLES=1000 $(BIN)/python -m pytest tests/worker/test_order_of_events.py
	$(BIN)/python -m pytest -m nightly $(SIDE_BY_SIDE)

fuzz: $(INSTALLED) ## send INPUTS=1000000 almost valid inputs to all code that reads outside bytes; SEED=n repeats a run
	@exec $(BIN)/python -m tests.fuzz --inputs $(INPUTS) $(if $(SEED),--seed $(SEED))

pin: $(INSTALLED) ## upgrade every package and write the versions into constraints.txt
	$(BIN)/python -m pip install --upgrade --upgrade-strategy eager -e '.[dev,training,bench]'
	{ sed '/^[^#]/d' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable | grep '=='; } > constraints.new
	mv constraints.new constraints.txt
	@touch $(INSTALLED)

clean: ## remove the environment, the caches, the site, the packages and Kafka's jars
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache var/kafka-libs var/site
