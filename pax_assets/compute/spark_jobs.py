"""Runs a Spark job file where the settings say, and hands back what it reports.

An asset that knew whether its job runs here or on a cluster would have to be written twice, and
only one of the two would be tested. It names a job file (`pax_assets.jobs.ingest`) and its
arguments; every place runs the same `run(engine, arguments)` of it and gives the same report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import dagster as dg

Target = Literal["in-process", "spark-submit", "glue", "emr-serverless"]


class SparkJobs(Protocol):
    """A place where job files run."""

    def run(
        self, context: dg.AssetExecutionContext, job: str, arguments: Sequence[str]
    ) -> dict[str, Any]:
        """Run the module `job` with command-line `arguments`; return its report.

        Returns when the job has ended well and raises otherwise. If it is interrupted, the job
        is stopped, wherever it runs.
        """
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where jobs run, and what is needed to reach it: settings, checked by `pax_assets.settings`.

    `spark` names the engine in process, or the master of `spark-submit`. `pipes` is the S3
    address below which remote jobs report.
    """

    target: Target = "in-process"
    spark: str = ""
    pipes: str = ""
    glue_job: str = ""
    emr_application: str = ""
    emr_role: str = ""
    package: str = ""
    timeout_minutes: int = 120


def jobs_at(place: Place) -> SparkJobs:
    """Return what runs jobs at `place`; nothing is started or connected to yet."""
    if place.target == "in-process":
        return InProcess(place.spark)
    if place.target == "spark-submit":
        from pax_assets.compute.spark_submit import SparkSubmit

        return SparkSubmit(place.spark or "local[*]")
    from pax_assets.compute.remote_jobs import RemoteJobs

    if place.target == "glue":
        from pax_assets.compute.glue import GlueRuns

        service: Any = GlueRuns(place.glue_job)
    else:
        from pax_assets.compute.emr_serverless import EmrServerlessRuns

        service = EmrServerlessRuns(place.emr_application, place.emr_role, place.package)
    return RemoteJobs(service, place.pipes, place.timeout_minutes)


class InProcess:
    """Calls the job in this process, with its Spark session if the job asks for one."""

    def __init__(self, spark: str) -> None:
        self._spark = spark

    def run(
        self,
        context: dg.AssetExecutionContext,  # noqa: ARG002 - other places report to it
        job: str,
        arguments: Sequence[str],
    ) -> dict[str, Any]:
        """Call `run` of the module `job`."""
        from pax_assets.compute.spark import spark_session
        from pax_assets.jobs.program import Engine

        engine = Engine(lambda: spark_session(self._spark), is_cluster=False)
        return asdict(import_module(job).run(engine, arguments))
