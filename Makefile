# Every target prepares .venv by itself, from python3 with pip; a second call costs 0.1 s.
PYTHON ?= python3
BIN := .venv/bin
BOOTSTRAP := $(PYTHON) scripts/bootstrap.py
TESTS ?=
WORKERS ?= auto
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help run run-services demo test test-browser faults fuzz explore bench bench-peers interop check evaluate format docs lock audit clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Serve on http://127.0.0.1:8000 with an embedded database (TRIMTAB_PORT, DATABASE_URL, ... are honoured)
	@$(BOOTSTRAP) run
	@$(BIN)/trimtab serve

run-services: ## The same service on a real PostgreSQL and Valkey, started here, data in TRIMTAB_DATA_DIR
	@$(BOOTSTRAP) dev
	@$(BIN)/python -m scripts.embedded_servers --data-dir "$${TRIMTAB_DATA_DIR:-.run}" -- \
		sh -c '$(BIN)/trimtab migrate && exec $(BIN)/trimtab serve'

demo: ## Size a real portfolio, print the reasons, draw a picture (CSV=path for your own prices)
	@$(BOOTSTRAP) run
	@$(BIN)/trimtab demo $(if $(CSV),--csv "$(CSV)")

test: ## All tests but browser, faults, fuzz and benchmarks (TESTS=path for a part; WORKERS=0 in one process)
	@$(BOOTSTRAP) dev
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(TESTS)

test-browser: ## The API explorer in headless Chromium
	@$(BOOTSTRAP) dev
	@$(BIN)/python -m pytest -m browser -o faulthandler_timeout=1200 $(TESTS)

faults: ## Break everything under load, one fault at a time; prints one table (an hour; FAULTS=short: minutes; SOAK_SECONDS=600)
	@$(BOOTSTRAP) dev
	@$(BIN)/python -m pytest -m "$(if $(filter short,$(FAULTS)),not faults,faults)" -o faulthandler_timeout=3600 $(if $(TESTS),$(TESTS),tests/fault)

fuzz: ## Every value of every parameter of every operation, by Schemathesis; 10,000 strangers with the names of another tenant
	@$(BOOTSTRAP) dev
	@$(BIN)/python -m pytest -m fuzz -o faulthandler_timeout=1200 $(TESTS)

explore: ## Property tests on fresh examples, not those of `make test`; run it often: it finds edges
	@$(BOOTSTRAP) dev
	@HYPOTHESIS_PROFILE=explore $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(if $(TESTS),$(TESTS),tests/property tests/unit)

bench: ## Measure throughput and latency beside a FastAPI echo (needs a quiet machine)
	@$(BOOTSTRAP) dev
	@$(BIN)/python -m pytest -m benchmark -o faulthandler_timeout=1200 -s $(TESTS)

bench-peers: ## Measure beside skfolio, Riskfolio-Lib and compiled option pricers, in an environment of their own (a minute to install)
	@$(BOOTSTRAP) peers
	@.venv-peers/bin/python -m pytest -m benchmark -o faulthandler_timeout=1200 -s \
		$(if $(TESTS),$(TESTS),tests/benchmark/test_risk_parity.py tests/benchmark/test_options.py)

interop: ## The Python client with real ccxt and a real freqtrade back-test, in an environment of their own (a minute to install)
	@$(BOOTSTRAP) dev
	@$(BOOTSTRAP) interop
	@.venv-interop/bin/python -m pytest -c clients/python/interop/pytest.ini $(if $(TESTS),$(TESTS),clients/python/interop)

evaluate: ## Measure forecasts and targets on public closes, with their gates (minutes; WRITE=1 updates docs/measurements)
	@$(BOOTSTRAP) dev
	@$(BIN)/python -m tests.evaluation.forecasts $(if $(WRITE),--write)
	@$(BIN)/python -m tests.evaluation.targets $(if $(WRITE),--write)
	@$(BIN)/python -m tests.evaluation.buffers $(if $(WRITE),--write)
	@$(BIN)/python -m tests.evaluation.hedge_bands $(if $(WRITE),--write)
	@$(BIN)/python -m tests.evaluation.hedge_crash $(if $(WRITE),--write)
	@$(BIN)/python -m tests.evaluation.predictive_hedging $(if $(WRITE),--write)
	@$(BIN)/python -m tests.evaluation.breakers $(if $(WRITE),--write)

check: ## Static checks: lint, format, types, import contracts
	@$(BOOTSTRAP) dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: ## Format the code and mend what the linter can mend
	@$(BOOTSTRAP) dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: ## Write the tables and draw the pictures of docs/ anew
	@$(BOOTSTRAP) dev
	@$(BIN)/python -m scripts.volatility_page
	@$(BIN)/python -m scripts.overlays_page
	@$(BIN)/python -m scripts.guards_page
	@$(BIN)/python -m scripts.execution_page
	@$(BIN)/python -m scripts.vaults_page
	@$(BIN)/python -m scripts.sizing_page
	@$(BIN)/python -m scripts.ladder_page
	@$(BIN)/python -m scripts.surface_page
	@$(BIN)/python -m scripts.bands_page
	@$(BIN)/python -m scripts.breakers_page
	@$(BIN)/python -m scripts.scorecard_page

# Dependencies: edit pyproject.toml, then `make lock` (UPGRADE=1 takes the newest versions).
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)
lock: ## Resolve the dependencies anew into requirements/*.txt
	@$(BOOTSTRAP) dev
	$(COMPILE) pyproject.toml --extra dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra peers -c requirements/dev.txt -o requirements/peers.txt
	$(COMPILE) pyproject.toml --extra demo -c requirements/dev.txt -o requirements/demo.txt
	$(COMPILE) pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
	$(COMPILE) clients/python/pyproject.toml clients/python/interop/requirements.in -c requirements/build.txt -o requirements/interop.txt
	$(COMPILE) requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	$(COMPILE) requirements/audit.in -c requirements/build.txt -o requirements/audit.txt
	@$(BOOTSTRAP) dev

audit: ## Known vulnerabilities of every pinned package; says NOT RUN where the registry cannot tell
	@$(BOOTSTRAP) audit
	@$(PYTHON) -m scripts.audit

clean: ## Remove .venv and caches; never the data in .run
	rm -rf .venv .venv-audit .venv-peers .venv-interop .bootstrap.lock dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
