# Every word works on a fresh clone; ARGS goes to the program behind the word: make test ARGS="-k lease"

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin

# Two words at once (make -j) would install into the same .venv.
.NOTPARALLEL:
.PHONY: help setup demo test test-long check bench docs clean

help: ## list these words (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: .venv/.stamp ## make .venv with jobhost and the development tools

demo: $(if $(findstring --postgres,$(ARGS)),.venv/.stamp-postgres,.venv/.stamp-runtime) ## see jobhost work (needs no development tools)
	@$(BIN)/jobhost demo $(ARGS)

test: setup ## run the tests, but for those that run and kill whole programs, and the long ones
	$(BIN)/python -m pytest -n 4 $(ARGS)

test-long: setup ## run the million-row guards and long runs
	$(BIN)/python -m pytest -m long --timeout 3600 $(ARGS)

check: setup ## style, types, generated pages; the tests that run and kill programs; PostgreSQL 15, pgbouncer
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	$(BIN)/python -m pytest -q -n 4 -m "chaos and not long"
	$(BIN)/python tools/postgres_servers.py

bench: setup ## measure speed on both stores, beside other queues (about an hour)
	$(BIN)/python -m bench $(ARGS)

docs: setup ## write the generated pages anew, and the schema of PostgreSQL
	$(BIN)/python docs/generate.py
	$(BIN)/python tools/postgres_schema.py

clean: ## remove .venv, caches and build results
	rm -rf .venv .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.stamp: pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" sh tools/setup.sh dev

.venv/.stamp-runtime: pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" sh tools/setup.sh runtime

.venv/.stamp-postgres: pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" sh tools/setup.sh postgres
