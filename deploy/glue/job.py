"""Runs a PAX job file on AWS Glue: the script of the Glue job.

Everything that only Glue has stays in this file. A run brings `--pax_job` (a module, such as
`pax_assets.jobs.ingest`) and `--pax_arguments` (a JSON list), as `pax_assets.compute.glue` sends
them; whatever else is on the command line is Glue's own.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module

from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.utils import getResolvedOptions
from pyspark.sql import SparkSession


def main() -> None:
    """Open Glue's session, run the job file in it, and tell Glue that it is done."""
    options = getResolvedOptions(sys.argv, ["JOB_NAME", "pax_job", "pax_arguments"])
    module = options["pax_job"]
    if not module.startswith("pax_assets.jobs."):
        raise SystemExit(f"--pax_job is {module!r}, which is no job file of pax_assets.jobs")
    job = _glue_job(options)
    import_module(module).main(json.loads(options["pax_arguments"]))
    if job:
        job.commit()


def _glue_job(options: dict[str, str]) -> Job | None:
    """Return the started job; None where Glue's classes are not in the JVM, as on a laptop.

    The session is made here and found again by the job file, which asks for the active one.
    """
    spark = SparkSession.builder.getOrCreate()
    loader = spark.sparkContext._jvm.java.lang.Thread.currentThread().getContextClassLoader()
    if not loader.getResource("com/amazonaws/services/glue/GlueContext.class"):
        print("Glue's classes are not here: running in a plain Spark session", file=sys.stderr)
        return None
    job = Job(GlueContext(spark.sparkContext))
    job.init(options["JOB_NAME"], options)
    return job


if __name__ == "__main__":
    main()
