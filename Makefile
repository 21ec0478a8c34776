PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test fuzz test-frameworks test-installed test-lowest lint types docs docs-text clean

# pip compiles what it installs, but not what it installs as editable
$(BIN)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[test]"
	$(BIN)/python -m compileall -q analyzer
	touch $@

## audit the real logs in fixtures/runs and write demo-report.html
demo: $(BIN)/.installed
	$(BIN)/analyzer check fixtures/runs --fail-on never
	$(BIN)/analyzer report fixtures/runs -o demo-report.html
	@echo "Open demo-report.html in a browser."

## lint, types, tests
test: $(BIN)/.installed lint types
	PYTHONHASHSEED=0 $(BIN)/python -m pytest -n auto  # every process has to name the tests in the same order

## two minutes of changed logs on two processors, the same each time
fuzz: $(BIN)/.installed
	$(BIN)/python scripts/fuzz.py --inputs 36000 --audits 1800 --seed 1001 & other=$$!; \
	$(BIN)/python scripts/fuzz.py --inputs 36000 --audits 1800 --seed 1002 && wait $$other

## build wheel and sdist, install the wheel where no checkout is, and try there what a user does
test-installed: $(BIN)/.installed
	PYTHON=$(PYTHON) sh scripts/test_installed.sh

## the tests against the lowest version that pyproject.toml admits of every dependency
test-lowest:
	PYTHON=$(PYTHON) sh scripts/test_lowest.sh

## the callbacks on tiny trainings of real frameworks, in an environment of their own (torch for the processor: about 2 GB)
test-frameworks:
	test -x .venv-frameworks/bin/python || $(PYTHON) -m venv .venv-frameworks
	.venv-frameworks/bin/python -m pip install -q --disable-pip-version-check "torch==2.13.0" transformers accelerate lightning keras
	.venv-frameworks/bin/python -m pip install -q --disable-pip-version-check -e ".[test]"
	.venv-frameworks/bin/python -m pytest tests/frameworks

lint: $(BIN)/.installed
	$(BIN)/ruff check .

types: $(BIN)/.installed
	$(BIN)/mypy

## regenerate what the docs restate from code, and the figures
docs-text: $(BIN)/.installed
	$(BIN)/python scripts/make_docs.py --figures
	$(BIN)/python scripts/make_docs.py

## build the documentation site into site/
docs: $(BIN)/.installed
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[docs]"
	$(BIN)/sphinx-build -W --keep-going -q -b html docs site

clean:
	rm -rf $(VENV) build dist *.egg-info demo-report.html
