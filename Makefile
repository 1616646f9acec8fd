# Every target works on a fresh machine with Python 3.11 or later; each makes .venv when it is missing.
PYTHON ?= python3
BIN = .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check format docs notebook clean

demo: .venv/installed
	$(BIN)/nil-audit demo

test: .venv/installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/installed-dev
	$(BIN)/python scripts/make_command_reference.py

notebook: .venv/installed-dev
	$(BIN)/python scripts/run_notebook.py

# torch first: a plain 'pip install' of the rest would otherwise choose the newest, largest build
.venv/torch: constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) torch
	touch $@

.venv/installed: .venv/torch pyproject.toml
	$(INSTALL) --editable .
	touch $@

.venv/installed-dev: .venv/torch pyproject.toml
	$(INSTALL) --editable '.[dev]'
	touch $@ .venv/installed

clean:
	rm -rf .venv build dist
