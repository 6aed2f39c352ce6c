"""The Spark session: which engine a setting names, and what is the same on each."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from pax_assets.compute import spark as compute
from pax_assets_tests.conftest import PROJECT


def test_a_process_has_one_session(spark):
    assert compute.spark_session("") is spark


def test_the_embedded_engine_works_in_utc(spark):
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    (row,) = spark.sql("select cast(timestamp'2026-01-05 10:00:00' as bigint) as t").collect()
    assert row["t"] == 1767607200


def test_a_small_job_takes_a_fraction_of_a_second_on_a_warm_session(spark):
    spark.range(10).count()
    started = time.monotonic()
    assert spark.range(1000).count() == 1000
    assert time.monotonic() - started < 2


def test_the_embedded_session_outlives_a_step_of_hours(spark):
    """By itself it ends after some minutes without a query, and the run that has it fails."""
    assert int(os.environ["SAIL_SPARK__SESSION_TIMEOUT_SECS"]) > 86_400


@pytest.mark.parametrize("setting", ["yarn", "local[x]", "spark://host", "localhost"])
def test_a_setting_that_names_no_engine_is_refused_with_what_is_allowed(setting):
    with pytest.raises(ValueError, match=r"PAX_SPARK.*local"):
        compute.spark_session(setting)


def test_importing_the_module_starts_and_loads_nothing():
    code = (
        "import sys, pax_assets.compute.spark, pax_assets.jobs.ingest, pax_assets.jobs.features;"
        "sys.exit(str([m for m in ('pyspark', 'pysail', 'pandas') if m in sys.modules])"
        " if any(m in sys.modules for m in ('pyspark', 'pysail', 'pandas')) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_process_that_used_the_embedded_engine_ends_cleanly():
    code = (
        "from pax_assets.compute.spark import spark_session;"
        "print(spark_session('').range(3).count())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr
