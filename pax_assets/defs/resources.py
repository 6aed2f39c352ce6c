"""What assets get handed: the lake's address and a Spark session, for the chosen environment.

An asset that read settings itself could not be run against another lake in a test. Resources
hold addresses only; anything heavy is imported when an asset first asks for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dagster as dg

from pax_assets.settings import load_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pax_assets.lake.artifacts import ArtifactStore
    from pax_assets.messages.options import DateOrder, ParseOptions


class LakeResource(dg.ConfigurableResource):
    """Where the tables, the artifacts and the landing objects are."""

    root: str
    landing: str
    default_region: str = "US"
    default_zone: str = "UTC"
    date_order: str = ""
    fetch_buckets: str = ""
    parse_workers: int = 2
    vacuum_hours: int = 168
    cache: str = "~/.cache/pax"

    def parse_options(self) -> ParseOptions:
        """What parsers must be told about numbers, zones and dates."""
        from pax_assets.lake.s3_objects import fetch_from
        from pax_assets.messages.options import ParseOptions

        return ParseOptions(
            default_region=self.default_region,
            default_zone=self.default_zone,
            date_order=cast("DateOrder | None", self.date_order or None),
            fetch=fetch_from(self.fetch_buckets),
        )

    def ingest_arguments(self, channel: str, day: str, paths: Sequence[str] = ()) -> list[str]:
        """The command line of `pax_assets.jobs.ingest` for this lake."""
        given = {
            "lake": self.root,
            "landing": self.landing,
            "channel": channel,
            "day": day,
            "workers": self.parse_workers,
            "default-region": self.default_region,
            "default-zone": self.default_zone,
            "date-order": self.date_order,
            "fetch-buckets": self.fetch_buckets,
        }
        options = [f"--{name}={value}" for name, value in given.items()]
        return [*options, *(f"--path={path}" for path in paths)]

    def artifacts(self) -> ArtifactStore:
        """The store of models and other directories of this lake."""
        from pax_assets.lake.artifacts import ArtifactStore

        return ArtifactStore(self.root, self.cache)

    def scratch(self, name: str) -> Path:
        """A place on this machine for work on this lake that outlives a killed run."""
        lake = hashlib.sha256(self.root.encode()).hexdigest()[:16]
        return Path(self.cache).expanduser() / "scratch" / lake / name


class SparkResource(dg.ConfigurableResource):
    """Where Spark jobs run, and this process's session, opened when first used.

    The fields are those of `pax_assets.compute.spark_jobs.Place`. The session is embedded
    (Sail), a local JVM, or a remote one; jobs may run elsewhere.
    """

    spark: str = ""
    target: str = "in-process"
    pipes: str = ""
    glue_job: str = ""
    emr_application: str = ""
    emr_role: str = ""
    package: str = ""
    timeout_minutes: int = 120

    def run(
        self, context: dg.AssetExecutionContext, job: str, arguments: Sequence[str]
    ) -> dict[str, Any]:
        """Run the job file `job` (a module) where jobs run; return its report's fields."""
        from pax_assets.compute.spark_jobs import Place, Target, jobs_at

        place = Place(
            target=cast("Target", self.target),
            spark=self.spark,
            pipes=self.pipes,
            glue_job=self.glue_job,
            emr_application=self.emr_application,
            emr_role=self.emr_role,
            package=self.package,
            timeout_minutes=self.timeout_minutes,
        )
        return jobs_at(place).run(context, job, arguments)

    @property
    def session(self) -> SparkSession:
        """The session, one a process."""
        from dagster_pyspark import LazyPySparkResource

        from pax_assets.compute.spark import spark_session

        def opened(config: dict[str, str]) -> SparkSession:
            return LazyPySparkResource(spark_config=config).spark_session

        return spark_session(self.spark, opened)


@dg.definitions
def resources() -> dg.Definitions:
    """The resources of the environment that the settings name."""
    settings = load_settings()
    return dg.Definitions(
        resources={
            "lake": LakeResource(
                root=settings.lake,
                landing=settings.landing_root,
                default_region=settings.default_region,
                default_zone=settings.default_zone,
                date_order=settings.date_order,
                fetch_buckets=settings.fetch_buckets,
                parse_workers=settings.parse_workers,
                vacuum_hours=settings.vacuum_hours,
                cache=settings.cache,
            ),
            "spark": SparkResource(
                spark=settings.spark,
                target=settings.spark_target,
                pipes=settings.pipes_root,
                glue_job=settings.glue_job,
                emr_application=settings.emr_application,
                emr_role=settings.emr_role,
                package=settings.spark_package,
                timeout_minutes=settings.spark_timeout_minutes,
            ),
        }
    )
