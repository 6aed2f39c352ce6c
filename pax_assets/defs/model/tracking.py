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

    from pax_assets.defs.model.registry import Registry


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
    def run(
        self, context: dg.AssetExecutionContext, *, experiment: str = "", name: str = ""
    ) -> Iterator[MlFlow]:
        """Open the MLflow run that belongs to this Dagster run; end it with its true status.

        It lies in `experiment` (the resource's own if empty), and is called `name` there (after
        the Dagster job if empty).
        """
        experiment = experiment or self.experiment
        self._prepare()
        import mlflow
        from dagster_mlflow.resources import MlFlow

        mlflow.set_tracking_uri(self.tracking_uri)
        if mlflow.get_experiment_by_name(experiment) is None:
            mlflow.create_experiment(experiment, artifact_location=self.artifact_location)
        tracking = MlFlow(
            _ResourceInit(
                log=context.log,
                dagster_run=context.run,
                run_id=context.run_id,
                resource_config={
                    "experiment_name": experiment,
                    "mlflow_tracking_uri": self.tracking_uri,
                    "extra_tags": {"dagster_asset": context.asset_key.to_user_string()},
                },
            )
        )
        if name:
            tracking.set_tag("mlflow.runName", name)
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

    def registry(self) -> Registry:
        """The model versions and their aliases."""
        from pax_assets.defs.model.registry import Registry

        return Registry(self.client())

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
