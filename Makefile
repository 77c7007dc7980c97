PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: setup lint format type test nightly sanitize bench lab docs

setup: $(BIN)/luocheck

$(BIN)/luocheck: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

type: setup
	$(BIN)/mypy

test: setup
	$(BIN)/python -m pytest -n auto

nightly: setup
	$(BIN)/python -m pytest -n auto -m 'nightly or not nightly'

# The native engine under the address and undefined-behaviour sanitizers; a part of `nightly`.
sanitize: setup
	$(BIN)/python -m pytest -n auto -m nightly tests/engine/test_sanitizers.py

# The peers' model side by side with other tools; BENCH="--sizes small --rounds 2" for a quick look.
bench: setup
	$(BIN)/python -m benchmarks $(BENCH)

# A real kernel under emulation (docs/lab.md); the first time it is built, which takes 20 minutes.
lab: setup
	$(BIN)/python lab/run lab/programs/*.c
	$(BIN)/python lab/selftests

# The documents are text; what they show is run.  docs/history.md, the table of docs/catalogue.md, the stories of docs/findings.md and the
# outputs in docs/reports.md are written anew.
docs: setup
	$(BIN)/python tests/history/page.py
	$(BIN)/python tests/catalogue/page.py
	$(BIN)/python tests/traces/reports_page.py
	$(BIN)/python -m pytest tests/cli/test_examples.py tests/cli/test_api_document.py tests/language/test_language_doc.py
