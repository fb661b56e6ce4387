# Every target is a line that calls the command line; `make bench METHOD=topdis` is the main one.
PYTHON   ?= python3
METHOD   ?= topdis
DATASET  ?= dsprites
PROTOCOL ?= quick
SEEDS    ?= 0
RUNS     ?= runs
NAME     ?=
SOURCE   ?=
FILE     ?=
WORKERS  ?= 1
PLUGIN   ?=
SET      ?=
# extras of the package that the environment gets
WITH     ?= dev
# anything here makes the tests measure coverage, which `make coverage` then reports
COVERAGE ?=

BIN    := .venv/bin
DISENT := $(BIN)/disent-bench
EXTRAS := $(if $(PLUGIN),--plugin $(PLUGIN)) $(if $(SET),--set $(SET))
PYTEST := $(BIN)/python -m pytest -n 2 $(if $(COVERAGE),--cov --cov-append --cov-report=)

.PHONY: setup bench leaderboard study data test test-slow test-all test-lowest coverage docs lint benchmark
.DELETE_ON_ERROR:

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "disent-bench needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 2; }
	@echo "installing into .venv (once; torch is large)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(WITH)]'
	@touch $@

bench: .venv/installed
	@$(DISENT) run --method $(METHOD) --dataset $(DATASET) --protocol $(PROTOCOL) --seeds $(SEEDS) --runs $(RUNS) $(EXTRAS); \
	status=$$?; [ $$status -ge 2 ] || $(DISENT) leaderboard --runs $(RUNS) --protocol $(PROTOCOL) --dataset $(DATASET); \
	exit $$status

leaderboard: .venv/installed
	@$(DISENT) leaderboard --runs $(RUNS)
	@$(DISENT) leaderboard --runs $(RUNS) --format html --output leaderboard.html

study: .venv/installed
	@$(DISENT) study $(FILE) --workers $(WORKERS) --runs $(RUNS)

data: .venv/installed
	@$(DISENT) data $(if $(NAME),prepare $(NAME) $(if $(SOURCE),--source $(SOURCE)) $(addprefix --file ,$(FILE)),list)

test: .venv/installed
	@$(PYTEST) -m "not slow"

test-slow: .venv/installed
	@$(PYTEST) -m slow

test-all: .venv/installed
	@$(PYTEST)

# in an environment of its own, with the lowest versions that pyproject.toml claims; these files are about what is
# written and packed here, which no version changes
WRITTEN := contributing docs packaging readme
test-lowest:
	@$(PYTHON) -m venv .venv-lowest
	@$(PYTHON) .ci/lowest.py > .venv-lowest/constraints.txt
	@.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check -c .venv-lowest/constraints.txt -e '.[dev]'
	@.venv-lowest/bin/python -m pytest -n 2 -m "not slow" $(WRITTEN:%=--ignore tests/bench/test_%.py)

coverage: .venv/installed
	@$(BIN)/coverage report --skip-covered --include='disent_bench/*' --fail-under=95
	@$(BIN)/coverage report --skip-covered --include='datasets/*' --fail-under=98
	@$(BIN)/coverage report --skip-covered --include='metrics/*' --fail-under=98

# the site, in ./site; any warning is an error
docs: .venv/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

lint: .venv/installed
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/deptry .

# measures, and rewrites the tables of docs; make benchmark BENCHMARKS=rtd measures that alone
BENCHMARKS = $(filter-out gpu peers report,$(basename $(notdir $(wildcard benchmarks/*.py))))
benchmark: .venv/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[benchmark]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps disent
	@for name in $(BENCHMARKS); do \
	  echo "== benchmarks/$$name.py"; \
	  $(BIN)/python benchmarks/$$name.py --json benchmarks/results/$$name.json || exit 1; \
	done
	@$(BIN)/python benchmarks/report.py
