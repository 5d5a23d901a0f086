# Glimpse. `make run` serves, `make test` proves, `make help` lists the rest.
PORT ?= 3000
SHAPE ?= steady
PYTHON ?= python3
SERVE := .venv/bin
DEV := .venv-dev/bin
# Nobody is told what is served here: neither BentoML's nor onnxruntime's makers.
export BENTOML_DO_NOT_TRACK := True
export ORT_DISABLE_TELEMETRY := 1
MAKEFLAGS += --no-print-directory

.PHONY: help run test test-fast check train evaluate loadtest bench gpu-check image test-image lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: .venv/ready  ## serve the models of the repository on http://localhost:$(PORT)
	$(SERVE)/python -m service --port $(PORT)

loadtest: .venv-dev/ready .venv/ready  ## 30 seconds of users, report and verdict; or SHAPE=steps, spike, soak
	$(DEV)/python -m loadtests --shape $(SHAPE)

bench: .venv-dev/ready .venv/ready  ## beside five other servers of the same models; writes docs/benchmarks.md
	$(DEV)/python -m loadtests.bench

gpu-check: .venv-dev/ready .venv/ready $(if $(shell command -v nvidia-smi),.venv/ready-cuda)  ## all that needs a GPU; writes runs/gpu_check.md
	$(DEV)/python -m loadtests.gpu

test: .venv-dev/ready .venv/ready  ## run the tests
	$(DEV)/python -m pytest

test-fast: .venv-dev/ready .venv/ready  ## the tests that need no browser, no container and no patience
	$(DEV)/python -m pytest -m "not slow and not browser and not container"

check: .venv-dev/ready  ## format, lint, types, import arrows
	$(DEV)/ruff format --check .
	$(DEV)/ruff check .
	$(DEV)/mypy
	$(DEV)/lint-imports

train: .venv-dev/ready  ## train and export every model whose data is at hand
	$(DEV)/python -m training train

evaluate: .venv-dev/ready  ## measure every model of the zoo on its test split
	$(DEV)/python -m training evaluate

image: .venv/ready  ## build the container image glimpse:latest; CUDA=1 builds glimpse:cuda
	deploy/image/build.sh

test-image: .venv/ready  ## build the image, run it locked down, ask it over HTTP, clean up
	$(SERVE)/python deploy/image/test.py

# An environment is its lock file: installed once, again when the lock changes. The marker is written
# last, so an installation that was interrupted starts over.
.venv/ready: deploy/locks/serve.txt
	@$(PYTHON) -m venv .venv
	@echo "Installing what serving needs into .venv (750 MB) ..."
	@$(SERVE)/python -m pip install --quiet --require-hashes --requirement $<
	@touch $@

.venv/ready-cuda: deploy/locks/serve-cuda.txt .venv/ready
	@echo "Adding CUDA's libraries to .venv ..."
	@$(SERVE)/python -m pip install --quiet --require-hashes --requirement $<
	@touch $@

.venv-dev/ready: deploy/locks/dev.txt
	@$(PYTHON) -m venv .venv-dev
	@echo "Installing what training and testing need into .venv-dev (5.5 GB, most of it CUDA) ..."
	@$(DEV)/python -m pip install --quiet --require-hashes --requirement $<
	@touch $@

# The servers that `make bench` stands ours beside, one environment each.
.venv-peers/%/ready: loadtests/peers/locks/%.txt
	@$(PYTHON) -m venv .venv-peers/$*
	@echo "Installing $* into .venv-peers/$* ..."
	@.venv-peers/$*/bin/python -m pip install --quiet --require-hashes --requirement $<
	@touch $@

COMPILE = uv pip compile --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header --quiet
LOCK = $(COMPILE) pyproject.toml
PEERS = fastapi bentoml litserve ray mlserver
lock:  ## pin the dependencies anew (needs uv)
	$(LOCK) --output-file deploy/locks/serve.txt
	$(LOCK) --extra dev --extra train --extra load --constraints deploy/locks/serve.txt \
	  --output-file deploy/locks/dev.txt
	$(LOCK) --extra cuda --constraints deploy/locks/serve.txt --output-file deploy/locks/serve-cuda.txt
	for peer in $(PEERS); do \
	  $(COMPILE) loadtests/peers/locks/$$peer.in --output-file loadtests/peers/locks/$$peer.txt; done

clean:  ## remove environments, runs and caches; data stays
	rm -rf .venv .venv-dev .venv-peers runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
