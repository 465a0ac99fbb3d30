# Everything runs in .venv, which is made and filled on the first call and again when the pins change.
PYTHON ?= python3
BIN := .venv/bin
.PHONY: run test check format clean

run: .venv/installed
	$(BIN)/python -m search run space=slice_reg $(ARGS)

test: .venv/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv
