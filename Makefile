# Everything runs in .venv, which is made and filled on the first call and again when the pins change.
PYTHON ?= python3
BIN := .venv/bin
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder
.PHONY: run test test-clusters quick check format docs clean

run: .venv/installed
	$(BIN)/python -m search run space=slice_reg $(ARGS)

test: .venv/installed
	$(BIN)/python -m pytest $(PARALLEL) -m "not cluster" $(ARGS)

# The tests that start Ray clusters of their own and kill their parts: four minutes, one after the other.
test-clusters: .venv/installed
	$(BIN)/python -m pytest -m cluster $(ARGS)

# The tests without the slow ones, in a minute and a half on two cores.
quick: .venv/installed
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not cluster" $(ARGS)

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/audit

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The pages of docs/ as a site, in site/index.html. A broken link is an error.
docs: .venv/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Built site/index.html"

.venv/installed: pyproject.toml constraints.txt
	@PYTHON=$(PYTHON) .ci/install dev
	@touch $@

.venv/installed-docs: .venv/installed
	@.ci/install dev,docs
	@touch $@

clean:
	rm -rf .venv site
