# Everything stands on .venv, made from requirements.lock; it is remade only when the lock or pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made-from-lock

.PHONY: help venv run test lab lint lock docs bench clean chaos troubles notebooks play

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

venv: $(STAMP) ## make .venv from requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(f"Python 3.11 or later is needed; this is {sys.version.split()[0]}. Try: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

run: venv ## bring both sandbox systems into agreement and say where the report is
	@$(BIN)/p2c run --set sandbox --apply

test: venv lint ## run every test, the notebooks among them
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

chaos: venv ## kill an apply of 5,000 operations at 50 random points under faults; nothing may be lost or doubled
	@$(BIN)/python -m tests.chaos --points 50

troubles: venv ## a hundred kinds of trouble on the way to both systems, alone and under whole runs
	P2C_TROUBLES=all $(BIN)/python -m pytest -q tests/test_troubles.py
	$(BIN)/python benchmarks/faults.py --troubles

notebooks: venv ## bring notebooks and their texts in step; RENEW=1 runs them for the figures they are held against
	@$(BIN)/python -m tests.notebook_pairs $(if $(RENEW),--renew)

play: venv ## play every notebook and widget through in JupyterLab, light and dark; screenshots in build/play
	@$(BIN)/python -m tests.play

lab: venv ## open JupyterLab with the sandbox up
	@$(BIN)/p2c lab

docs: venv ## build the docs site into build/site; it opens offline
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo build/site/index.html

lock: ## renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --quiet --output-file requirements.lock

bench: venv build/frame-peers/.made ## race against peers, in environments of their own
	$(BIN)/python benchmarks/extract.py --json
	$(BIN)/python benchmarks/payload.py --json
	$(BIN)/python benchmarks/faults.py --json
	$(BIN)/python benchmarks/map.py --json --peers build/frame-peers/bin/python
	$(BIN)/python benchmarks/gate.py --json
	$(BIN)/python benchmarks/apply.py --json
	$(BIN)/python benchmarks/run.py --json $(if $(P2C_ADVENTUREWORKS),--data $(P2C_ADVENTUREWORKS))
	$(BIN)/python benchmarks/reconcile.py --json --peers build/frame-peers/bin/python
	$(BIN)/python benchmarks/reconcile.py --json --rows 10000000 --repeat 1
	$(BIN)/python -m benchmarks.history --json
	$(BIN)/python -m benchmarks.explorer --json

build/frame-peers/.made: benchmarks/peers.txt
	$(PYTHON) -m venv build/frame-peers
	build/frame-peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt
	@touch $@

clean: ## remove .venv and all state of the workspace
	rm -rf $(VENV) .p2c
