# make demo   the whole line on the sample (or PAX_LANDING=<folder>), start to answer
# make test   the whole suite
# make dev    the Dagster UI on the same lake        make serve   the API
# make system what some tests need of the machine    make lint    ruff and types
# make gateway   the webhook gateway        make bench-*, faults, fuzz   long measurements and tests
# make promote, rollback, releases, sweep     which model is served: docs/models.md
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(CURDIR)/$(VENV)/bin
INSTALLED := $(VENV)/.installed

# A blank variable counts as unset, here as in the settings.
ifeq ($(strip $(PAX_LAKE)),)
override PAX_LAKE := $(CURDIR)/.pax/lake
endif
ifeq ($(strip $(PAX_UI_PORT)),)
override PAX_UI_PORT := 3000
endif
ifeq ($(strip $(PAX_API_PORT)),)
override PAX_API_PORT := 3001
endif
ifeq ($(strip $(DAGSTER_HOME)),)
# The history of a lake belongs to the lake: its runs and materializations lie inside it.
override DAGSTER_HOME := $(PAX_LAKE)/.dagster
endif
export PAX_LAKE PAX_UI_PORT PAX_API_PORT DAGSTER_HOME
export DAGSTER_DISABLE_TELEMETRY := yes
export HF_HUB_OFFLINE ?= 1
export BENTOML_DO_NOT_TRACK := True
export MLFLOW_DISABLE_TELEMETRY := true

SYSTEM_PACKAGES := chromium openjdk-17-jre-headless podman buildah runc debootstrap

.PHONY: install instance demo test lint format dev serve stop system clean gateway promote rollback releases sweep train bench-gateway bench-etl bench-incremental bench-mail bench-train spark-package fuzz faults bench-latency bench-insight-latency bench-score bench-infer bench-recognizers

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("PAX needs Python 3.11, and $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=<path to python3.11>" if sys.version_info[:2] != (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,serve,gateway,aws,dev]'
	@touch $@

# DAGSTER_HOME must be absolute, whatever PAX_LAKE is.
instance:
	@case "$$PAX_LAKE" in *://*) echo "PAX_LAKE is $$PAX_LAKE: make works on a lake in a folder of this machine" >&2; exit 1;; esac
	@mkdir -p "$$DAGSTER_HOME" && cp dagster.yaml "$$DAGSTER_HOME/dagster.yaml"

HOME_OF_RUNS = DAGSTER_HOME="$$(cd "$$DAGSTER_HOME" && pwd)"

demo: install instance
	@$(HOME_OF_RUNS) $(BIN)/python -m pax_assets.demo

test: install lint
	@$(BIN)/python -m pytest

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright

format: install
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

dev: install instance
	@$(BIN)/python -m pax_assets.compute.local_service status
	@$(HOME_OF_RUNS) $(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p $(PAX_UI_PORT)

serve: install
	@$(BIN)/python -m pax_assets.compute.local_service serve

# Which model is served (docs/models.md): MODEL=<version, or number in MLflow>, TO=<release>, WHY=<words>.
MODEL_COMMAND = @$(HOME_OF_RUNS) $(BIN)/python -m pax_assets.model_commands
promote: export PROMOTED_MODEL = $(MODEL)
promote rollback: export RELEASED_WHY = $(WHY)
rollback: export RELEASE_TO = $(TO)

promote: install instance
	$(MODEL_COMMAND) promote --model="$$PROMOTED_MODEL" --why="$$RELEASED_WHY"

rollback: install instance
	$(MODEL_COMMAND) rollback --to="$$RELEASE_TO" --why="$$RELEASED_WHY"

releases: install
	@$(BIN)/python -m pax_assets.model_commands releases

# The configurations of PAX_SWEEP=<file.toml> that were not trained on the present dataset yet.
sweep: install instance
	$(MODEL_COMMAND) sweep

train: install instance
	@$(HOME_OF_RUNS) $(BIN)/dagster asset materialize -m pax_assets.definitions --select message_model,onnx_model

# The webhook gateway (docs/gateway.md), until SIGINT or SIGTERM.
gateway: install
	@exec $(BIN)/python -m pax_assets.gateway

bench-gateway: install
	@$(BIN)/python -m pax_assets_tests.benchmarks.gateway_load

# Landing to `messages` with the landing sensor on; about four minutes.
bench-latency: install
	@$(BIN)/python -m pax_assets_tests.benchmarks.landing_latency

# The same to `insights/*`, with the released model of the lake; make demo releases one.
bench-insight-latency: install
	@$(BIN)/python -m pax_assets_tests.benchmarks.landing_latency scored

# The runtime against transformers' pipeline and bare ONNX Runtime, with the lake's champion.
bench-infer: install
	@$(BIN)/python -m pax_assets_tests.benchmarks.bench_infer

# What the recognizers find in a table of cases, and what they cost.
bench-recognizers: install
	@$(BIN)/python -m pax_assets_tests.benchmarks.recognizers

# Batch scoring against the bare runtime, with the same model; 100,000 messages for the memory.
bench-score: install
	@$(BIN)/python -m pax_assets_tests.benchmarks.bench_score

# Writers killed while they write (SIGKILL), races of writers; about ten minutes, needs Java.
faults: install
	@$(BIN)/python -m pax_assets_tests.faults.run

# Benchmarks run alone on a machine: their numbers are ratios of what ran side by side.
bench-etl: install
	@$(BIN)/python -m pax_assets_tests.benchmarks.bench_etl

bench-incremental: install
	@$(BIN)/python -m pax_assets_tests.benchmarks.bench_incremental

eval-%: install
	@OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=0 $(BIN)/python -m pax_assets_tests.evals $*

bench-train: install
	@OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=0 $(BIN)/python -m pax_assets_tests.benchmarks.bench_train

bench-mail: install
	@$(BIN)/python -m pax_assets_tests.benchmarks.bench_mail

# The parsers on random bytes, FUZZ_SECONDS (60) for each channel; fails where one crashes.
fuzz: install
	@$(BIN)/python -m pax_assets_tests.fuzz

stop: install
	@$(BIN)/python -m pax_assets.compute.local_service stop

# Debian or Ubuntu, as root. Installs only what is missing.
system:
	@missing=""; for p in $(SYSTEM_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -z "$$missing" ]; then echo "system: nothing is missing"; else \
	echo "system: installing$$missing"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi

# What a Spark cluster needs to run the jobs, to be put on S3: docs/engines.md.
spark-package: install
	@$(BIN)/python deploy/spark/package.py dist/spark

# The default lake and all that was measured; a lake elsewhere is yours to remove.
clean:
	@test ! -x $(BIN)/python || PAX_LAKE=$(CURDIR)/.pax/lake $(BIN)/python -m pax_assets.compute.local_service stop
	rm -rf .pax
