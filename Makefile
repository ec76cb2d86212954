# The two commands of the README are `make demo` and `make test`; both set up what they need, once.

PYTHON ?= python3.11
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# Tests of what differs between versions of Python: files, processes, signals, threads, time.
ELSEWHERE := tests/unit/test_*.py tests/unit/system tests/unit/session tests/unit/documents tests/unit/client \
    tests/unit/dropfolder tests/unit/file_sd tests/unit/windows \
    tests/unit/daemon/test_[lpw]*.py tests/unit/artifacts/test_store.py tests/unit/prometheus/data

# What `make coverage` runs; all tests when empty.
TESTS ?=

.PHONY: help setup tools demo test pythons coverage check soak bench clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: $(VENV)/.installed  ## virtual environment, dependencies, Prometheus and node_exporter
	@tests/setup/parts "$(VENV)/bin"

$(VENV)/.installed: pyproject.toml constraints.txt tests/setup/venv
	@tests/setup/venv "$(PYTHON)" "$(VENV)"
	@touch $@

tools: setup  ## more for tests: each version of Prometheus; bindfs, sshfs and strace, if root may install them
	@tests/setup/versions "$(VENV)/prometheus"
	@tests/setup/tools

demo: setup  ## service, Prometheus, window and results on this machine, in under a minute
	@monitord demo

check: setup  ## linters and types
	ruff check .
	ruff format --check .
	mypy
	lint-imports

test: check tools  ## linters, then every test, on real Prometheus and node_exporter
	python -m pytest -n 4 --dist loadfile
	@tests/setup/pythons newest "$(VENV)" -n 4 --dist loadfile $(ELSEWHERE)

coverage: tools  ## lines and branches that all tests reach, or those in TESTS="tests/unit"
	@rm -rf .coverage && mkdir .coverage
	python -m coverage run -m pytest -n 4 --dist loadfile $(TESTS)
	@python -m coverage combine --quiet
	@python -m coverage report

pythons: setup  ## unit tests on each other Python from 3.11 to 3.13 that this machine has
	@tests/setup/pythons all "$(VENV)" -n 4 --dist loadfile tests/unit

soak: tools  ## all faults of Prometheus on every version, 2,000 loads, a hundred rounds of kills: half an hour
	MONITORD_TEST_ROUNDS=100 python -m pytest --timeout 7200 -m "" \
	    tests/integration/test_truth_of_bounds.py tests/unit/lint/test_statistics_page.py \
	    tests/integration/prometheus/test_supervised.py tests/e2e/test_prometheus_faults.py \
	    tests/e2e/test_collection_faults.py tests/e2e/test_slurm_ends.py tests/e2e/test_hung_file_system.py

$(VENV)/peer/.installed: pyproject.toml constraints.txt
	@python -m venv $(VENV)/peer
	@$(VENV)/peer/bin/python -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[bench]'
	@touch $@

bench: tools $(VENV)/peer/.installed  ## speed, as ratios to a floor, a peer or an aim; GROUPS="disk blind" selects some
	@python -m tests.bench $(GROUPS)

clean:  ## remove what setup and tools created
	rm -rf $(VENV) $(VENV)-3.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage dist build
