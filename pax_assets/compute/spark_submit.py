"""A job file in a process of its own, started by `spark-submit`.

For a cluster that is reached from this machine (standalone, YARN, Kubernetes in client mode), and
for a JVM that does not share a process with the orchestrator. The driver runs on this machine, so
it reports through a local file, like any other payload.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pax_assets.compute.payload import PayloadFailed, run_command
from pax_assets.jobs.program import report_in

if TYPE_CHECKING:
    import dagster as dg


class SparkSubmit:
    """Runs jobs by `spark-submit --master <master>`.

    `$SPARK_HOME/bin/spark-submit` is taken where that is set, else the one that pyspark brings.
    """

    def __init__(self, master: str) -> None:
        self._master = master

    def run(
        self, context: dg.AssetExecutionContext, job: str, arguments: Sequence[str]
    ) -> dict[str, Any]:
        """Submit the file of the module `job`; raises `PayloadFailed` with its last lines."""
        messages: list[Any] = []
        run_command(
            context,
            [*submit_command(self._master), str(_file_of(job)), *arguments],
            name=job,
            environment=submit_environment(),
            on_message=messages.append,
        )
        report = report_in(messages)
        if report is None:
            raise PayloadFailed(f"{job} ended well, but reported nothing")
        return report


def submit_command(master: str) -> list[str]:
    """Return how `spark-submit` is called; a job file and its arguments come after."""
    command = [str(_spark_home() / "bin" / "spark-submit"), "--master", master]
    if master.startswith("local"):
        # Spark would otherwise use this machine's name, which not every machine can resolve.
        for setting in ("spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1"):
            command += ["--conf", setting]
        command += ["--conf", "spark.ui.enabled=false"]
    return command


def submit_environment() -> dict[str, str]:
    """The environment for `spark-submit`: this Python on both sides, and no Spark Connect.

    A parent process with a Connect session hands that down in variables, and pyspark obeys.
    """
    dropped = ("SPARK_CONNECT_MODE_ENABLED", "SPARK_REMOTE", "SPARK_LOCAL_REMOTE")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    python = sys.executable
    return {
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
        **kept,
        "SPARK_HOME": str(_spark_home()),
    }


def _spark_home() -> Path:
    home = os.environ.get("SPARK_HOME")
    return Path(home) if home else _file_of("pyspark").parent


def _file_of(module: str) -> Path:
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"there is no job file {module}")
    return Path(found.origin)
