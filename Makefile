# `make run` and `make test` do everything; the rest is for those who work on the lab.
PYTHON ?= python3
ARGS ?=
DATA ?= ../shared/data
BIN := .venv/bin
# Two test processes, a file in one of them as a whole: its app, browser and trained runs are made once.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help run test check lint format bench tour real gpu-check clean install install-dev

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

run: install ## install what is missing and start the lab on http://127.0.0.1:7860 (ARGS="--port 8000")
	@exec $(BIN)/python app.py $(ARGS)

test: install-dev lint ## lint, then the whole test suite, the browser too (ARGS="tests/core -x")
	@$(BIN)/python -m tests.chromium
	$(PYTEST) $(ARGS)

check: install-dev lint ## lint, and every test that starts no trainer and no browser: before each commit
	$(PYTEST) -m "not train and not browser" $(ARGS)

lint: install-dev ## format, lint, types, layers; the browser's code where node is there
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@.ci/lint-browser

format: install-dev ## format the code and mend what can be mended mechanically
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	@.ci/lint-browser format

bench: install-dev ## measure speed and memory; prints the numbers of docs/benchmarks
	$(BIN)/python -m tests.bench $(ARGS)

tour: install ## train every algorithm on the tiny model and print what each one moved
	$(BIN)/python -m lab tour $(ARGS)

real: install ## the chain on SmolLM2-135M in 4 bits on GSM8K, on the CPU; fetches the model (DATA=folder with gsm8k_*.jsonl)
	$(BIN)/python -m tests.real --data "$(DATA)" $(ARGS)

gpu-check: install ## memory and speed on a CUDA GPU, on a Qwen2.5-0.5B-shaped model with random weights; vLLM's where it is installed (ARGS=--rollouts: that alone)
	$(BIN)/python -m tests.gpu_check $(ARGS)

clean: ## remove .venv and caches; never lab_home
	rm -rf .venv node_modules .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find app.py lab tests -name __pycache__ -type d -prune -exec rm -rf {} +

install:
	@PYTHON="$(PYTHON)" .ci/install requirements.txt

install-dev:
	@PYTHON="$(PYTHON)" .ci/install requirements-dev.txt
