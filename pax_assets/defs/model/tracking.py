"""MLflow through `dagster-mlflow`, without paying for it until a training needs it.

`dagster-mlflow` is the integration that people look for, but importing it loads mlflow and
pandas (seconds) and its resource opens a run as soon as it is initialised. This wrapper holds
addresses only and hands out dagster-mlflow's own object when an asset asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from pax_assets.settings import load_settings

if TYPE_CHECKING:
    from dagster_mlflow.resources import MlFlow

MODEL_NAME = "message_model"


@dataclass(frozen=True, slots=True)
class _ResourceInit:
    """What dagster-mlflow's class reads of the context that its legacy resource was given."""

    log: dg.DagsterLogManager
    dagster_run: dg.DagsterRun
    run_id: str
    resource_config: Mapping[str, Any]


class MlflowResource(dg.ConfigurableResource):
    """The tracking server, the experiment, and where its artifacts lie."""

    tracking_uri: str
    artifact_location: str
    experiment: str = "pax"

    @contextmanager
    def run(self, context: dg.AssetExecutionContext) -> Iterator[MlFlow]:
        """Open the MLflow run that belongs to this Dagster run; end it with its true status."""
        self._prepare()
        import mlflow
        from dagster_mlflow.resources import MlFlow

        mlflow.set_tracking_uri(self.tracking_uri)
        if mlflow.get_experiment_by_name(self.experiment) is None:
            mlflow.create_experiment(self.experiment, artifact_location=self.artifact_location)
        tracking = MlFlow(
            _ResourceInit(
                log=context.log,
                dagster_run=context.run,
                run_id=context.run_id,
                resource_config={
                    "experiment_name": self.experiment,
                    "mlflow_tracking_uri": self.tracking_uri,
                    "extra_tags": {"dagster_asset": context.asset_key.to_user_string()},
                },
            )
        )
        try:
            yield tracking
        except BaseException:
            mlflow.end_run("FAILED")
            raise
        mlflow.end_run("FINISHED")

    def client(self) -> Any:
        """An `MlflowClient` for registry work: versions and aliases."""
        self._prepare()
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)

    def register(
        self, run_id: str, source: str, tags: Mapping[str, str], alias: str = "challenger"
    ) -> str:
        """Register the artifact at `source` as a new model version; return its number."""
        from mlflow.exceptions import MlflowException

        client = self.client()
        try:
            client.get_registered_model(MODEL_NAME)
        except MlflowException:
            client.create_registered_model(MODEL_NAME)
        version = client.create_model_version(
            MODEL_NAME, source=source, run_id=run_id, tags=dict(tags)
        )
        client.set_registered_model_alias(MODEL_NAME, alias, version.version)
        return str(version.version)

    def promote(self, model_version: str) -> str | None:
        """Point the alias `champion` at the registered version that holds `model_version`."""
        client = self.client()
        versions = client.search_model_versions(f"name = '{MODEL_NAME}'")
        held = [v for v in versions if v.tags.get("data_version") == model_version]
        if not held:
            return None
        newest = max(held, key=lambda v: int(v.version))
        client.set_registered_model_alias(MODEL_NAME, "champion", newest.version)
        return str(newest.version)

    def _prepare(self) -> None:
        # SQLite makes the file, not its folder.
        if self.tracking_uri.startswith("sqlite:///"):
            Path(self.tracking_uri.removeprefix("sqlite:///")).parent.mkdir(
                parents=True, exist_ok=True
            )


@dg.definitions
def tracking() -> dg.Definitions:
    """The `mlflow` resource of the environment."""
    settings = load_settings()
    return dg.Definitions(
        resources={
            "mlflow": MlflowResource(
                tracking_uri=settings.mlflow_tracking_uri,
                artifact_location=(
                    f"{settings.lake}/mlflow/artifacts"
                    if "://" in settings.lake
                    else Path(f"{settings.lake}/mlflow/artifacts").as_uri()
                ),
            )
        }
    )
