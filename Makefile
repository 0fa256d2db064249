# What a developer of prybee types. `make help` lists the targets; CONTRIBUTING.md explains them.

VENV   := .venv
BIN    := $(VENV)/bin
BENCH  := bench/.venv
PYTEST := $(BIN)/python -m pytest
# Tests that load nothing into the kernel may run side by side; live ones would trace each other.
JOBS   ?= 2

# What shows most of how kernels differ in the least time: code there runs twenty times slower.
VM_QUICK := tests/linux tests/isa tests/engines tests/compiler tests/probes/test_running_kernel.py
# Green in both kernels; tests/functions and tests/probes are not yet (`make test-vm` has them all).
VM_CI := tests/linux tests/isa tests/btf tests/symbols tests/session tests/engines \
	$(addprefix tests/live/test_, kprobes.py messages.py corpus.py)

# What depends on the machine: emulating another kind takes twice the time.
VM_ARM64 := tests/machines tests/linux tests/isa tests/engines tests/probes/test_running_kernel.py \
	tests/live/test_kernel_functions.py tests/live/test_kprobes.py tests/live/test_watchpoints.py

SOURCES := $(shell find src -name '*.py' -o -name '*.bt' -o -name '*.h') pyproject.toml

export PYTHON

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help test quick test-vm test-vm-ci test-vm-quick test-vm-arm64 lint format demo bench conformance conformance-vm docs clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 15

test: lint quick test-vm-ci $(VENV)/.docs ## lint, quick tests, other kernels, then all other tests: what CI runs
	$(PYTEST) -m "slow" $(ARGS)

quick: $(VENV)/.ready ## the tests that take seconds (live ones too, when root)
	$(PYTEST) -m "not slow and not live" -n $(JOBS) $(ARGS)
	$(PYTEST) -m "live and not slow" $(ARGS)

test-vm: $(VENV)/.ready ## the live tests in other kernels, in QEMU: KERNELS="6.1 6.12" picks
	$(BIN)/python -m tests.vm table $(KERNELS) -- -m "live and not slow" $(ARGS)

# Two guests of one processor each are what two cores do most with. Kernels that cannot be fetched
# are told of, and fail `make test-vm` only: whoever has no network can test all the rest.
test-vm-ci: $(VENV)/.ready ## a part of them in an old kernel and the newest, a quarter of an hour on two cores
	PRYBEE_VM_OPTIONAL=1 $(BIN)/python -m tests.vm table 6.1 7 --cpus 1 --timeout 2700 -- -m "live and not slow" $(VM_CI)

test-vm-quick: $(VENV)/.ready ## a part of them, about ten minutes, in an old kernel and the newest
	$(BIN)/python -m tests.vm table 6.1 7 --timeout 1200 -- -m "live and not slow" $(VM_QUICK) $(ARGS)

test-vm-arm64: $(VENV)/.ready ## what depends on the machine, on arm64 (QEMU): about an hour
	$(BIN)/python -m tests.vm table arm64:6.12 -- -m "live and not slow" $(VM_ARM64) $(ARGS)

lint: $(VENV)/.ready ## ruff, mypy, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.ready ## put all Python files in ruff's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

demo: $(VENV)/.ready ## three traces of this machine, a few seconds each (needs root)
	$(BIN)/python demo/demo.py

bench: $(VENV)/.ready $(BENCH)/.ready ## measure prybee beside bpftrace (needs root); MEASURES="start hit" picks
	$(BIN)/python -m bench $(MEASURES) $(ARGS)

conformance: $(VENV)/.ready ## bpftrace's own tests against prybee (root): SUITE=CHECKOUT-OF-BPFTRACE
	$(BIN)/python -m conformance $(if $(SUITE),$(SUITE),$(error SUITE=DIR: a checkout of bpftrace)) $(ARGS)

conformance-vm: $(VENV)/.ready ## the same in another kernel, in QEMU: SUITE=DIR KERNEL=6.12 ARGS="--group kprobe"
	$(BIN)/python -m conformance $(if $(SUITE),$(SUITE),$(error SUITE=DIR: a checkout of bpftrace)) \
		--kernel $(or $(KERNEL),6.12) $(ARGS)

docs: $(VENV)/.docs ## the manual, as docs/_build/html/index.html, and the man page
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/tools_page.py
	$(BIN)/python docs/kernels_page.py
	$(BIN)/python docs/pictures.py
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -q -b man docs docs/_build/man
	@echo docs/_build/html/index.html docs/_build/man/prybee.1

clean: ## remove what the other targets made
	rm -rf $(VENV) $(BENCH) build dist docs/_build bench/results conformance/build \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests bench conformance dev demo -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.ready: pyproject.toml dev/setup.sh
	dev/setup.sh $(VENV)
	@touch $@

$(VENV)/.docs: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@

# The bench measures prybee as a user has it: installed from a wheel, with compiled modules, and nothing beside it.
$(BENCH)/.ready: $(VENV)/.ready $(SOURCES)
	test -x $(BENCH)/bin/python || $(BIN)/python -m venv --without-pip $(BENCH)
	$(BIN)/python -m pip --python $(BENCH)/bin/python install --quiet --compile --force-reinstall --no-deps .
	@touch $@
