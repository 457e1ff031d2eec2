# Everything runs in .venv. The targets set it up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt

# Python keeps what it has compiled, also where the environment says otherwise: the tests start many processes.
unexport PYTHONDONTWRITEBYTECODE

# The address at which pip-audit looks up known vulnerabilities. A mirror of PyPI may lack them.
ADVISORIES = https://pypi.org/pypi/orjson/$(shell sed -n s/^orjson==//p constraints.txt)/json

.PHONY: help serve test generated-test lint format docs contract image-test examples console-test scale-out-test bench soak audit clean

help:  ## list the targets
	@awk -F ':.*  ## ' '/^[a-z-]+:.*  ## / { printf "%-16s%s\n", $$1, $$2 }' Makefile

serve: $(VENV)/runtime  ## run the simulator; options: make serve ARGS="--port 5000"
	@$(BIN)/apio-simulator serve $(ARGS)

test: $(VENV)/development  ## run all tests
	@$(BIN)/python -m pytest --numprocesses auto --dist worksteal --quiet $(ARGS)

generated-test: $(VENV)/development  ## run the tests that generate their requests; `make test` contains them
	@$(BIN)/python -m pytest tests/generated --quiet $(ARGS)

lint: $(VENV)/development  ## check formatting, style and types; change nothing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/ruff check --quiet --preview --select PLW1514 simulator
	@$(BIN)/mypy
	@$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 simulator

format: $(VENV)/development  ## format the code, and fix what the linter can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(VENV)/development  ## build the README and docs/ as a site, in build/site
	@$(BIN)/python -m mkdocs build --quiet --strict --config-file tools/site/mkdocs.yml

contract: $(VENV)/contract  ## run third-party tools against the contract; only one: make contract ARGS=redocly
	@$(BIN)/python -m tools.contract_checks $(ARGS)

image-test: $(VENV)/contract  ## build the container image and check it; needs root, buildah and debootstrap
	@$(BIN)/python -m tools.image $(ARGS)

examples: $(VENV)/examples  ## run the test suites in examples/ as their README says
	@$(BIN)/python -m pytest -p no:schemathesis -m examples --numprocesses 3 --dist worksteal --quiet \
		$(ARGS) $$(grep --recursive --files-with-matches --include='*.py' 'mark\.examples' tests)

console-test: $(VENV)/console  ## test the pages in Chromium; only some: make console-test ARGS="-k axe"
	@$(BIN)/python -m pytest -p no:schemathesis tests/console --numprocesses 2 --dist worksteal --quiet $(ARGS)

scale-out-test: $(VENV)/development  ## test replicas behind HAProxy and NGINX; only some: make scale-out-test ARGS="-k drain"
	@$(BIN)/python -m pytest -p no:schemathesis tests/scale_out --quiet $(ARGS)

bench: $(VENV)/development  ## measure the speed beside other servers; shorter: make bench ARGS="--quick"
	@$(BIN)/python -m tools.benchmarks $(ARGS)

soak: $(VENV)/development  ## run good and hostile clients against one simulator for ten minutes; shorter: make soak ARGS="--minutes 1"
	@$(BIN)/python -m tools.benchmarks.soak $(ARGS)

audit: $(VENV)/audit/bin/pip-audit  ## look up known vulnerabilities of the pinned versions; needs access to PyPI
	@$(VENV)/audit/bin/python -c "import requests; requests.get('$(ADVISORIES)', timeout=20).raise_for_status()" 2>/dev/null \
		|| { echo "Nothing was audited: $(ADVISORIES) cannot be reached from here." >&2; exit 1; }
	@$(VENV)/audit/bin/pip-audit --strict --disable-pip --no-deps --requirement constraints.txt

clean:  ## remove everything that the other targets made
	rm -rf $(VENV) tools/*/node_modules examples/*/node_modules build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@echo "Setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/runtime: pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP) --editable .
	@touch $@

# The extras below contain the ones above, so the first target that is needed installs all of them at once.
$(VENV)/development: pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP) --editable '.[dev]'
	@touch $(VENV)/runtime $@

$(VENV)/audit/bin/pip-audit:
	@$(PYTHON) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit

$(VENV)/contract: pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP) --editable '.[contract]'
	@touch $(VENV)/runtime $(VENV)/development $@

$(VENV)/examples: pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP) --editable '.[examples]'
	@touch $(VENV)/runtime $(VENV)/development $@

$(VENV)/console: pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP) --editable '.[console]'
	@touch $(VENV)/runtime $(VENV)/development $@

# What the gate needs, with one call of pip.
$(VENV)/gate: pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP) --editable '.[examples,console]'
	@touch $(VENV)/runtime $(VENV)/development $(VENV)/examples $(VENV)/console $@
