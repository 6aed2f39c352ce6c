"""A job file run as a program: its session, and where its report goes.

`spark-submit`, AWS Glue and EMR Serverless each bring a session with their own settings, and the
tables must not show which. Whoever started the program wants its report: Dagster through Pipes,
where it was started by Dagster, and a person on standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dagster_pipes import PipesMessageWriter, PipesParamsLoader
    from pyspark.sql import SparkSession

# What makes engines write the same files, whoever made the session.
SQL_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    # Spark's default is INT96, which Delta does not have, and an ancient calendar before 1900.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.compression.codec": "zstd",
    # _SUCCESS files would lie among a table's data.
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}
_REPORT = "report"
_PIPES_OPTIONS = ("--dagster-pipes-context", "--dagster-pipes-messages")


class NoSuchFileSystem(RuntimeError):
    """The session's Spark cannot reach the address at all."""


class Engine:
    """The Spark session of a job, opened when the job first asks for it.

    Some jobs need none on one machine, and starting one takes seconds. `is_cluster` says
    whether the session's workers run on other machines than this process.
    """

    def __init__(self, opened: Callable[[], SparkSession], *, is_cluster: bool) -> None:
        self._opened = opened
        self.is_cluster = is_cluster

    @cached_property
    def session(self) -> SparkSession:
        """The session."""
        return self._opened()


def run_program(
    name: str,
    run: Callable[[Engine, Sequence[str]], Any],
    arguments: Sequence[str] | None = None,
    *,
    makes_lake: bool = False,
) -> None:
    """Call `run` with this program's engine and arguments; its report is a dataclass.

    A person who names a `--lake` that is not there has mistyped it, unless the job `makes_lake`.
    The report goes to Dagster where Dagster started the program, and to standard output as one
    line of JSON otherwise. An exception of `run` is reported too, and raised on.
    """
    given = without_pipes_options(sys.argv[1:] if arguments is None else arguments)
    if not makes_lake and not started_by_dagster():
        _require_lake(name, given)
    with _listener() as report:
        engine = Engine(lambda: _session(name, given), is_cluster=_on_cluster())
        report(asdict(run(engine, given)))


def _require_lake(name: str, given: Sequence[str]) -> None:
    lakes = argparse.ArgumentParser(add_help=False)
    lakes.add_argument("--lake")
    lake = lakes.parse_known_args(given)[0].lake
    # A bucket that is not there says so itself, once it is asked.
    if lake and "://" not in lake:
        from pax_assets.lake.reading import NoSuchLake, require_lake

        try:
            require_lake(lake)
        except NoSuchLake as error:
            sys.exit(f"{name}: {error}; nothing was done")


def started_by_dagster() -> bool:
    """Whether Dagster, and no person, started this program."""
    return _pipes() is not None


def _session(name: str, given: Sequence[str]) -> SparkSession:
    """The session that this program was started with; that of `PAX_SPARK` if with none."""
    if _has_session():
        return job_session(name, given)
    # The same engine as for an asset in process, and no JVM unless it is asked for. By its name:
    # a cluster always brings a session, and what is sent there leaves the embedded engine out.
    engines = import_module("pax_assets.compute.spark")
    spark = engines.spark_session(os.environ.get("PAX_SPARK", "").strip())
    if any("s3://" in address for address in given):
        require_s3(spark)
    return spark


def _has_session() -> bool:
    """Whether `spark-submit`, a notebook or a service's own script brings a session."""
    if any(name in os.environ for name in ("PYSPARK_GATEWAY_PORT", "SPARK_REMOTE")):
        return True
    if "pyspark" not in sys.modules:
        return False
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession() is not None


def job_session(name: str, addresses: Sequence[str] = ()) -> SparkSession:
    """Return the session that the program was started with, or a new one, set up for our jobs.

    Raises `NoSuchFileSystem` where it cannot reach one of the `addresses` that are on S3.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.appName(name).getOrCreate()
    for setting, value in SQL_SETTINGS.items():
        spark.conf.set(setting, value)
    if any("s3://" in address for address in addresses):
        require_s3(spark)
    return spark


def _on_cluster() -> bool:
    """Whether `spark-submit` (Glue and EMR use it too) started us, for a master elsewhere."""
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        return False
    from pyspark import SparkConf

    return not SparkConf().get("spark.master", "local").startswith("local")


def require_s3(spark: SparkSession) -> None:
    """Raise `NoSuchFileSystem` where the session's JVM has no file system for `s3://`.

    Glue and EMR have one; Spark as it is downloaded has none, and with Hadoop's S3A only one for
    `s3a://`, which is then taken. Asked before the job starts: it would find out after its work.
    """
    from py4j.protocol import Py4JJavaError

    if "connect" in type(spark).__module__:
        # A Spark Connect server reads and writes; what it can reach is its own.
        return
    context: Any = spark.sparkContext
    settings = context._jsc.hadoopConfiguration()
    known = context._jvm.org.apache.hadoop.fs.FileSystem
    try:
        known.getFileSystemClass("s3", settings)
    except Py4JJavaError:
        try:
            known.getFileSystemClass("s3a", settings)
        except Py4JJavaError as error:
            raise NoSuchFileSystem(
                "this Spark has no file system for s3://: use the embedded engine, Glue or EMR, "
                "or add hadoop-aws and its AWS SDK to Spark's jars (spark-submit --packages "
                "org.apache.hadoop:hadoop-aws:<the version of Spark's Hadoop>); see "
                "docs/engines.md"
            ) from error
        settings.set("fs.s3.impl", "org.apache.hadoop.fs.s3a.S3AFileSystem")
        if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
            settings.set("fs.s3a.endpoint", endpoint)
            settings.set("fs.s3a.path.style.access", "true")


def without_pipes_options(arguments: Sequence[str]) -> list[str]:
    """Return `arguments` without the two options, and their values, that carry Pipes."""
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument in _PIPES_OPTIONS:
            next(rest, None)
        else:
            kept.append(argument)
    return kept


def report_in(messages: Iterable[Any]) -> dict[str, Any] | None:
    """Return the report among a program's Pipes messages, None if there is none."""
    for message in messages:
        if isinstance(message, dict) and message.get("kind") == _REPORT:
            return message[_REPORT]
    return None


@contextmanager
def _listener() -> Iterator[Callable[[dict[str, Any]], None]]:
    loader = _pipes()
    if loader is None:
        yield lambda report: print(json.dumps(report), flush=True)
        return
    from dagster_pipes import open_dagster_pipes

    writer = _writer(loader)
    with open_dagster_pipes(params_loader=loader, message_writer=writer) as pipes:
        yield lambda report: pipes.report_custom_message({"kind": _REPORT, _REPORT: report})


def _pipes() -> PipesParamsLoader | None:
    """What Dagster left for this program, in its environment or on its command line."""
    # A cluster's environment may lack Dagster's package where nobody reports to Dagster.
    if "DAGSTER_PIPES_CONTEXT" not in os.environ and not set(_PIPES_OPTIONS) & set(sys.argv):
        return None
    from dagster_pipes import PipesCliArgsParamsLoader, PipesEnvVarParamsLoader

    for loader in (PipesCliArgsParamsLoader(), PipesEnvVarParamsLoader()):
        if loader.is_dagster_pipes_process():
            return loader
    return None


def _writer(loader: PipesParamsLoader) -> PipesMessageWriter | None:
    """Messages go to S3 where the reader named a bucket, to the reader's file otherwise."""
    if "bucket" not in loader.load_messages_params():
        return None
    import boto3
    from botocore.config import Config
    from dagster_pipes import PipesS3MessageWriter

    # A chunk that cannot be uploaded ends the writer, and the report would be lost with it.
    retries = Config(retries={"mode": "standard", "total_max_attempts": 10})
    region = os.environ.get("AWS_REGION") or None
    return PipesS3MessageWriter(boto3.client("s3", region_name=region, config=retries), interval=2)
