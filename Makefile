# Two commands: `make demo` runs eight nodes through one story, `make test` passes the tests.
# Both set up .venv themselves. PYTHON names another interpreter (3.11 or newer).

PYTHON ?= python3
BIN := .venv/bin

# Tests that are run without being measured, which takes half as long again, and twice as long where they
# start processes: they show what many lines do together, or do one thing in many orders, and those lines
# are reached by the other tests. The longest come first, so that what is left in the end is short.
UNMEASURED := simulation demo attacks chaos docs durability fuzz spec \
	$(addprefix conform/test_,broken.py bytes.py scripted_peer.py) \
	$(addprefix federation/test_,governance_processes.py governance_split.py joining_lan.py \
		joining_processes.py private_round_processes.py) \
	$(addprefix node/test_,api_document.py attack_orders.py backup_kill.py beside_serving.py convergence.py \
		epoch_orders.py governance_rounds.py peer_limits.py service_apart.py service_kept.py \
		stopping_crowded.py store_kill.py upgrade_kill.py) \
	services/test_any_record.py

.PHONY: demo test lint types coverage unmeasured sbom clean

demo: .venv/.node
	$(BIN)/sheaf demo $(ARGS)

# The first two on a core each; of the tests each part takes all there is.
test:
	$(MAKE) --jobs=2 lint types
	$(MAKE) coverage
	$(MAKE) unmeasured

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive protocol node reference_services

types: .venv/.dev
	$(BIN)/mypy

coverage: .venv/.dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist worksteal $(UNMEASURED:%=--ignore=tests/%) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include='protocol/*' --fail-under=90 --skip-covered
	$(BIN)/coverage report --omit='protocol/*' --fail-under=85 --skip-covered

unmeasured: .venv/.dev
	$(BIN)/pytest -n 2 --dist worksteal $(UNMEASURED:%=tests/%) $(ARGS)

# What an installed node consists of, for whoever checks it against lists of known faults: CycloneDX.
# From an environment of its own, since the one beside it has what only tests need.
sbom: .venv/.dev
	$(PYTHON) -m venv --clear build/sbom
	build/sbom/bin/pip install --quiet --disable-pip-version-check .
	build/sbom/bin/pip uninstall --quiet --yes pip setuptools
	PYTHONPATH= $(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--of JSON -o build/sheaf.cdx.json build/sbom/bin/python

.venv/.node: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/.dev: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ .venv/.node

clean:
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
