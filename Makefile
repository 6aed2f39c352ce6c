# make demo   the whole line on the sample (or PAX_LANDING=<folder>), start to answer
# make test   the whole suite
# make dev    the Dagster UI on the same lake        make serve   the API
# make system what some tests need of the machine    make lint    ruff and types
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(CURDIR)/$(VENV)/bin
INSTALLED := $(VENV)/.installed

PAX_LAKE ?= $(CURDIR)/.pax/lake
PAX_UI_PORT ?= 3000
PAX_API_PORT ?= 3001
# The history of a lake belongs to the lake: its runs and materializations lie inside it.
DAGSTER_HOME ?= $(abspath $(PAX_LAKE))/.dagster
export PAX_LAKE PAX_UI_PORT PAX_API_PORT DAGSTER_HOME
export DAGSTER_DISABLE_TELEMETRY := yes
export HF_HUB_OFFLINE ?= 1
export BENTOML_DO_NOT_TRACK := True
export MLFLOW_DISABLE_TELEMETRY := true

SYSTEM_PACKAGES := chromium openjdk-17-jre-headless podman buildah runc debootstrap

.PHONY: install demo test lint format dev serve stop system clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("PAX needs Python 3.11, and $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=<path to python3.11>" if sys.version_info[:2] != (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,serve,dev]'
	@touch $@

$(DAGSTER_HOME)/dagster.yaml: dagster.yaml
	@mkdir -p $(DAGSTER_HOME) && cp dagster.yaml $@

demo: install $(DAGSTER_HOME)/dagster.yaml
	@$(BIN)/python -m pax_assets.demo

test: install lint
	@$(BIN)/python -m pytest

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright

format: install
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

dev: install $(DAGSTER_HOME)/dagster.yaml
	@$(BIN)/python -m pax_assets.compute.local_service status
	@$(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p $(PAX_UI_PORT)

serve: install
	@$(BIN)/python -m pax_assets.compute.local_service serve

stop: install
	@$(BIN)/python -m pax_assets.compute.local_service stop

# Debian or Ubuntu, as root. Installs only what is missing.
system:
	@missing=""; for p in $(SYSTEM_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -z "$$missing" ]; then echo "system: nothing is missing"; else \
	echo "system: installing$$missing"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi

clean: stop
	rm -rf .pax
