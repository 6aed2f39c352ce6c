"""The landing sensor with its job, an instance and a landing folder, for tests tick by tick."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster import DagsterRunStatus

from pax_assets.defs.channels import landing_runs
from pax_assets.defs.channels.assets import raw_email, raw_sms, raw_whatsapp
from pax_assets.defs.channels.sensors import ingest_landed, landing_sensor
from pax_assets.defs.feature_store.assets import messages
from pax_assets.defs.insights.assets import insights
from pax_assets.defs.resources import LakeResource, SparkResource
from pax_assets_tests.landing_objects import land

TODAY = datetime.now(UTC).date()
YESTERDAY = (TODAY - timedelta(days=1)).isoformat()
DAY = TODAY.isoformat()
OLD = (TODAY - timedelta(days=10)).isoformat()


class Line:
    """The sensor, its job, an instance and a landing folder."""

    def __init__(self, instance: dg.DagsterInstance, lake: str, landing: Path, spark: object):
        self.instance, self.lake, self.landing = instance, lake, landing
        self.resources = {
            "lake": LakeResource(root=lake, landing=str(landing)),
            "spark": SparkResource(),
        }
        self.definitions = dg.Definitions(
            assets=[raw_sms, raw_whatsapp, raw_email, messages, insights],
            jobs=[ingest_landed],
            sensors=[landing_sensor],
            resources=self.resources,
        )
        self.job = self.definitions.resolve_job_def(landing_runs.JOB)
        self.cursor: str | None = None
        self.why = ""

    def land(self, path: str, lines: list[str], age: float = 60.0) -> Path:
        file = land(self.landing, path, lines)
        at = datetime.now(UTC).timestamp() - age
        os.utime(file, (at, at))
        return file

    def tick(self) -> list[dg.RunRequest]:
        """Evaluate the sensor once; the cursor moves on."""
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources=self.resources,
            definitions=self.definitions,
        ) as context:
            result = landing_sensor.evaluate_tick(context)
        self.cursor, self.why = result.cursor, result.skip_message or ""
        return list(result.run_requests or ())

    def run(self, request: dg.RunRequest) -> bool:
        """Execute a request as the daemon would; return whether the run ended well."""
        return self.job.execute_in_process(
            instance=self.instance,
            run_config=dict(request.run_config),
            partition_key=request.partition_key,
            asset_selection=list(request.asset_selection or ()),
            tags={**request.tags, "dagster/run_key": str(request.run_key)},
            raise_on_error=False,
        ).success

    def under_way(self, request: dg.RunRequest) -> dg.DagsterRun:
        """Leave a run under way."""
        return self.instance.create_run_for_job(
            self.job,
            run_config=dict(request.run_config),
            status=DagsterRunStatus.STARTED,
            asset_selection=frozenset(request.asset_selection or ()),
            tags={
                **request.tags,
                "dagster/partition": str(request.partition_key),
                "dagster/run_key": str(request.run_key),
            },
        )


def paths(request: dg.RunRequest) -> list[str]:
    ops = request.run_config["ops"].values()
    return sorted(path for op in ops for path in op["config"]["paths"])
