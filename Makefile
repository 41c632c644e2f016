# make run    the whole pipeline on the sample shop       make test   everything that is checked
# Both set up .venv first. PYTHON picks the interpreter (3.11, which the lock file is for).

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)
PACKAGES := libegl1 libgl1-mesa-dri ffmpeg chromium chromium-driver slurm-wlm munge gcc libc6-dev

export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false

.DEFAULT_GOAL := help
.PHONY: help setup run test checks lint types layers unit proofs end-to-end benchmarks faults system-packages lock dvc-deps docs clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed  ## Install into .venv (5 GB with the CUDA build of torch)

$(VENV)/.installed: requirements.lock pyproject.toml infra/install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "PVTT needs Python 3.11: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	@echo "Installing into $(VENV) (once; a few minutes, about 6 GB) ..."
	@infra/install $(PYTHON) $(VENV)
	@touch $@

run: setup  ## Run the whole pipeline: crawl to report
	@$(BIN)/python -m flows.pipeline

test: setup system-packages  ## Run every check
	@$(MAKE) --no-print-directory -j2 checks unit

checks: lint layers types

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy pvtt flows

layers: setup
	$(BIN)/lint-imports

unit: setup
	$(BIN)/python -m pytest -n 4 --dist loadfile --durations 25 --ignore=tests/benchmarks -m "not proof"

proofs: setup system-packages  ## Long proofs, of which `make test` runs smaller versions (minutes)
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations 25 --ignore=tests/benchmarks -m proof

end-to-end: setup  ## The whole pipeline on six products, in a clone (minutes)
	$(BIN)/python -m pytest tests/test_end_to_end.py

benchmarks: setup  ## Measure against the usual way
	$(BIN)/python -m pytest tests/benchmarks -s

faults: setup  ## Let every write of every command fail (hours; ARGS="--only encode --sample 20", --help)
	$(BIN)/python -m tests.faults $(ARGS)

system-packages:  ## Debian packages of the tests: a renderer, ffmpeg, a browser, Slurm, a C compiler
	@missing=$$(for package in $(PACKAGES); do \
		dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || printf '%s ' $$package; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if ! command -v apt-get >/dev/null || { [ "$$(id -u)" != 0 ] && [ -z "$(SUDO)" ]; }; then \
		echo "Not installed, so their tests skip: $$missing"; exit 0; fi; \
	echo "Installing $$missing"; \
	$(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null

lock: setup  ## Compile requirements.lock again
	$(BIN)/uv pip compile pyproject.toml -c infra/constraints.txt --all-extras --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock

dvc-deps: setup  ## Write the stages of dvc.yaml with the code that each depends on
	$(BIN)/python -m pvtt.stages.dvc_yaml

docs: setup  ## Write the pages that are made from the code: docs/architecture.svg, docs/params.md
	$(BIN)/python -m docs.architecture
	$(BIN)/python -m docs.params

clean:  ## Remove what runs made: outs, data, caches (not .venv)
	rm -rf outs data .pvtt .dvc/cache .dvc/tmp
