# Each target sets up what it needs by itself. `make` alone lists them.
# ARGS='...' is passed on: make demo ARGS=--exit

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
# The clients of docs/recipes.md live in places of their own, so that their pins do not touch the product's.
RECIPES := .venv-recipes/.done .venv-recipes-openai2/.done examples/node_modules/.done

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-slow test-gpu fuzz recipes check fix docs pictures bench bench-gateway bench-training bench-doctor bench-verdict bench-logs lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t16

demo: $(RUNTIME)  ## the whole loop on a sample log; ARGS='--data FILE' for yours, ARGS=--exit to end when done
	@$(BIN)/tuneloop demo $(ARGS)

serve: $(RUNTIME)  ## the gateway and the API
	$(BIN)/tuneloop models pull smollm2-135m-instruct
	@$(BIN)/tuneloop serve $(ARGS)

test: check $(RECIPES)  ## the checks, then all tests but the slow ones
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not gpu" $(ARGS)

test-gpu: $(DEV)  ## the tests that need a GPU, and how fast it trains
	$(BIN)/pytest -m gpu $(ARGS)

test-slow: $(DEV) $(RECIPES) examples/promptfoo/node_modules/.done  ## the tests that take minutes
	$(BIN)/pytest -m slow $(ARGS)

fuzz: $(DEV)  ## rubbish of every kind at every route, on both databases; TUNELOOP_TEST_FUZZ=N requests each
	TUNELOOP_TEST_FUZZ=$${TUNELOOP_TEST_FUZZ:-200} $(BIN)/pytest --timeout 0 tests/unit/test_fuzz*.py $(ARGS)

recipes: $(RECIPES)  ## what the programs in examples/ need; docs/recipes.md

check: $(DEV)  ## types, style, imports, shape, generated docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m docs.generate --check
	$(BIN)/pytest -q tests/test_shape.py

fix: $(DEV)  ## format, and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(DEV)  ## write the generated pages anew
	$(BIN)/python -m docs.generate

pictures: $(DEV)  ## take the pictures of docs/ anew, from real runs; some minutes, needs Chromium
	$(BIN)/python -m docs.verdict_picture $(ARGS)

bench: bench-gateway bench-training bench-doctor  ## all benchmarks

bench-gateway: $(DEV)  ## calls per second and added latency, with logging on
	$(BIN)/python -m bench.gateway $(ARGS)

bench-training: $(DEV)  ## examples per second, beside the peer where it is installed
	$(BIN)/python -m bench.training $(ARGS)

bench-doctor: $(DEV)  ## what the data set doctor finds, and how fast; ARGS='--data FOLDER' for a log whose anomalies are known
	$(BIN)/python -m bench.doctor $(ARGS)

bench-logs: $(DEV)  ## pages, counts and histograms of a million logs; ARGS='--postgres'
	$(BIN)/python -m bench.logs $(ARGS)

bench-verdict: $(DEV)  ## what tuning is worth on real tasks; ARGS='--data FOLDER ...'
	$(BIN)/python -m bench.verdict $(ARGS)

lock: $(DEV)  ## pin what is installed now
	$(PIP) freeze --all --exclude-editable | sed 's/+cpu$$//' > requirements.lock

clean:  ## remove what the targets made
	rm -rf $(VENV) .venv-recipes* examples/node_modules examples/*/node_modules .cache .mypy_cache .ruff_cache .pytest_cache *.egg-info

# PyTorch comes first and from its exact pin: whatever depends on it would otherwise bring another build.
$(RUNTIME): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (some minutes the first time) ..."
	@$(PIP) install --constraint requirements.lock torch==2.13.0
	@$(PIP) install --constraint requirements.lock --editable .
	@touch $@

$(DEV): $(RUNTIME)
	@$(PIP) install --constraint requirements.lock --editable '.[dev]'
	@touch $@

.venv-%/.done: requirements-%.lock | $(DEV)
	@echo "installing into .venv-$* ..."
	@$(PYTHON) -m venv --clear --without-pip .venv-$*
	@$(PIP) --python .venv-$*/bin/python install --no-deps --no-compile --requirement $<
	@touch $@

%/node_modules/.done: %/package-lock.json
	@if command -v npm >/dev/null; then \
	  echo "installing into $*/node_modules ..." && npm ci --prefix $* --omit=optional --silent && touch $@; \
	else echo "no Node.js here: the tests skip what needs it"; fi
