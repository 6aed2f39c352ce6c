"""Every setting of PAX, read from the environment and validated once.

Scattered `os.environ.get` calls disagree about defaults and fail late, in the middle of a run.
Here a wrong value is named, with what is allowed, before anything starts. A blank variable
counts as unset.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_SESSION = r"local(\[(\d+|\*)\])?|sc://\S+"
# What only spark-submit can reach.
_MASTER = r"yarn|spark://\S+|k8s://\S+"


class SettingsError(ValueError):
    """A setting that cannot be used; one line for each, naming the variable."""


class Settings(BaseSettings):
    """All settings. Field `lake` is read from `PAX_LAKE`, and so on."""

    model_config = SettingsConfigDict(env_prefix="PAX_", env_ignore_empty=True, frozen=True)

    env: Literal["local", "staging", "production"] = "local"
    lake: str = ".pax/lake"
    landing: str | None = None
    # Copies of artifacts that lie on S3; may be deleted whenever nothing runs.
    cache: str = "~/.cache/pax"
    start_date: date = date(2026, 1, 1)
    ui_port: int = Field(default=3000, ge=1, le=65535)
    api_port: int = Field(default=3001, ge=1, le=65535)
    # Spark: empty means the embedded engine (Sail), else a Spark Connect url or `local[N]`.
    spark: str = ""
    # Where jobs run: here, by spark-submit (PAX_SPARK is its master), or on a service.
    spark_target: Literal["in-process", "spark-submit", "glue", "emr-serverless"] = "in-process"
    glue_job: str = ""
    emr_application: str = ""
    emr_role: str = ""
    # The folder on S3 that `make spark-package` was copied to.
    spark_package: str = ""
    # Where remote jobs leave their reports; `.pipes` in the lake if empty.
    pipes: str = ""
    # A job on a service is stopped after this; 0 never, which is right for a stream.
    spark_timeout_minutes: int = Field(default=120, ge=0)
    parse_workers: int = Field(default=2, ge=1, le=256)
    default_region: str = "US"
    # Wall-clock times without a zone, and 03/04/2025 where a chat export does not say which is
    # the month: dmy, mdy or ymd.
    default_zone: str = "UTC"
    date_order: Literal["", "dmy", "mdy", "ymd"] = ""
    # Buckets, separated by commas, from which mail that SES stored is fetched.
    fetch_buckets: str = ""
    # Files of former snapshots, and those of killed runs, stay readable for this long.
    vacuum_hours: int = Field(default=168, ge=24)
    # Corpus and model
    labels: str | None = None
    encoder: str = "minilm"
    epochs: int = Field(default=6, ge=1, le=1000)
    # Where trainings run, on how many machines, with how many processes (GPUs) on each.
    train_target: Literal["subprocess", "kubernetes", "sagemaker"] = "subprocess"
    train_nodes: int = Field(default=1, ge=1, le=1024)
    train_processes: int = Field(default=1, ge=1, le=64)
    # The image of deploy/docker/train, by digest or tag.
    train_image: str = ""
    train_namespace: str = "default"
    # SageMaker's instance type and role; spot instances go on from the checkpoint.
    train_instance: str = ""
    train_role: str = ""
    train_spot: bool = False
    # A remote training is stopped after this; 0 never.
    train_timeout_minutes: int = Field(default=1440, ge=0)
    # What else the cluster needs, as JSON: docs/training.md.
    train_options: Annotated[dict[str, Any], NoDecode] = Field(default_factory=dict)
    seed: int = Field(default=13, ge=0)
    # A .toml file with a recipe, or the name of a configuration of the sweep.
    recipe: str = ""
    # A .toml file of configurations to be compared; the shipped example if empty.
    sweep: str = ""
    mlflow_uri: str | None = None
    # Serving
    threads: int = Field(default=0, ge=0, le=1024)
    # What runs the model, in the service and in batch scoring.
    provider: Literal["cpu", "openvino", "cuda", "tensorrt"] = "cpu"

    @property
    def kernels(self) -> Literal["cpu", "openvino", "gpu"]:
        """Whose kernels run the model: it decides which variant is released."""
        return "gpu" if self.provider in {"cuda", "tensorrt"} else self.provider

    @field_validator("lake")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return value if "://" in value else str(Path(value).expanduser().resolve())

    @field_validator("landing", "labels")
    @classmethod
    def _absolute_or_none(cls, value: str | None) -> str | None:
        if value is None or "://" in value:
            return value
        return str(Path(value).expanduser().resolve())

    @field_validator("recipe", "sweep")
    @classmethod
    def _absolute_file(cls, value: str) -> str:
        return str(Path(value).expanduser().resolve()) if value.endswith(".toml") else value

    @field_validator("train_options", mode="before")
    @classmethod
    def _json(cls, value: Any) -> Any:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            raise ValueError(f"must be a JSON object ({error})") from None

    @field_validator("spark")
    @classmethod
    def _known_engine(cls, value: str) -> str:
        if value and not re.fullmatch(rf"{_SESSION}|{_MASTER}", value):
            raise ValueError(
                "leave it empty for the embedded engine, or set local[<cores>] or "
                "sc://<host>:<port>; with PAX_SPARK_TARGET=spark-submit also yarn, "
                "spark://<host>:<port> or k8s://<url>"
            )
        return value

    @field_validator("default_region")
    @classmethod
    def _known_region(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Z]{2}", value):
            raise ValueError("must be a country of two capital letters, such as US or DE")
        return value

    @field_validator("default_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("must be an IANA time zone, such as Europe/Berlin") from None
        return value

    @field_validator("start_date")
    @classmethod
    def _begun(cls, value: date) -> date:
        if value > datetime.now(UTC).date():
            raise ValueError("lies in the future: there would be no day to materialize")
        return value

    @model_validator(mode="after")
    def _shared_lake_beyond_local(self) -> Settings:
        if self.env != "local" and not self.lake.startswith("s3://"):
            raise ValueError(
                f"PAX_LAKE is {self.lake!r}, but with PAX_ENV={self.env} runs happen on several "
                "machines: set PAX_LAKE to an s3:// address"
            )
        return self

    @model_validator(mode="after")
    def _reachable_target(self) -> Settings:
        target = self.spark_target
        if target == "spark-submit":
            if self.spark.startswith("sc://"):
                raise ValueError(
                    f"PAX_SPARK is {self.spark!r}, but PAX_SPARK_TARGET=spark-submit needs a "
                    "master: local[<cores>], yarn, spark://<host>:<port> or k8s://<url>"
                )
            return self
        if re.fullmatch(_MASTER, self.spark):
            raise ValueError(
                f"PAX_SPARK is {self.spark!r}, which needs PAX_SPARK_TARGET=spark-submit"
            )
        needed = {
            "glue": ["glue_job"],
            "emr-serverless": ["emr_application", "emr_role", "spark_package"],
        }.get(target, [])
        missing = [f"PAX_{name.upper()}" for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f"PAX_SPARK_TARGET={target} needs {', '.join(missing)}")
        addresses = {"PAX_LAKE": self.lake, "PAX_LANDING": self.landing_root}
        addresses |= {"PAX_PIPES": self.pipes_root}
        for name, value in addresses.items():
            if needed and not value.startswith("s3://"):
                raise ValueError(
                    f"PAX_SPARK_TARGET={target} needs {name} on S3, and it is {value!r}"
                )
        return self

    @model_validator(mode="after")
    def _reachable_training(self) -> Settings:
        target = self.train_target
        if target == "subprocess":
            if self.train_nodes > 1:
                raise ValueError(
                    f"PAX_TRAIN_NODES is {self.train_nodes}, and PAX_TRAIN_TARGET=subprocess is "
                    "this machine alone: set PAX_TRAIN_TARGET=kubernetes or sagemaker, or start "
                    "each node by hand (docs/training.md)"
                )
            if self.train_options:
                raise ValueError("PAX_TRAIN_OPTIONS are for PAX_TRAIN_TARGET=kubernetes, sagemaker")
            return self
        needed = {"kubernetes": [], "sagemaker": ["train_instance", "train_role"]}[target]
        missing = [
            f"PAX_{name.upper()}" for name in ["train_image", *needed] if not getattr(self, name)
        ]
        if missing:
            raise ValueError(f"PAX_TRAIN_TARGET={target} needs {', '.join(missing)}")
        if target == "kubernetes" and self.train_spot:
            raise ValueError(
                "PAX_TRAIN_SPOT is SageMaker's; on Kubernetes choose spot nodes by node_selector "
                "and tolerations in PAX_TRAIN_OPTIONS"
            )
        if not self.pipes_root.startswith("s3://"):
            raise ValueError(
                f"PAX_TRAIN_TARGET={target} needs PAX_PIPES on S3, and it is {self.pipes_root!r}: "
                "data and model go that way"
            )
        # Not at the top: whoever has no remote training needs none of it.
        from pax_assets.compute import training_options

        check = {
            "kubernetes": training_options.kubernetes_options,
            "sagemaker": training_options.sagemaker_options,
        }[target]
        try:
            check(self.train_options)
        except training_options.OptionsError as error:
            raise ValueError(f"PAX_TRAIN_OPTIONS: {error}") from None
        return self

    @cached_property
    def pipes_root(self) -> str:
        """Where jobs on a service leave their reports: an S3 address where there are any."""
        return self.pipes or f"{self.lake}/.pipes"

    @cached_property
    def landing_root(self) -> str:
        """Where providers' objects arrive: `<root>/<channel>/[<YYYY-MM-DD>/]<object>`."""
        return self.landing or f"{self.lake}/landing"

    @cached_property
    def mlflow_tracking_uri(self) -> str:
        """Where MLflow keeps its records: `PAX_MLFLOW_URI`, or SQLite beside the lake's tables."""
        if self.mlflow_uri:
            return self.mlflow_uri
        if "://" in self.lake:
            raise SettingsError("PAX_MLFLOW_URI is not set; a lake on S3 needs an MLflow server")
        return f"sqlite:///{self.lake}/mlflow/mlflow.db"


def load_settings() -> Settings:
    """Read the environment; raise `SettingsError` with one line for each wrong variable."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            (
                f"PAX_{str(e['loc'][0]).upper()}: {e['msg']} (got {e['input']!r})"
                if e["loc"]
                else str(e["msg"])
            )
            for e in error.errors()
        ]
        raise SettingsError("PAX cannot start:\n  " + "\n  ".join(lines)) from None
