"""The Spark session of this process, whichever engine answers behind it.

The same job files run on an embedded engine without a JVM (Sail), on a local JVM, and on a
cluster. Only this module knows the difference. Times are UTC on every engine: with a session
time zone of its own, one machine's table would differ from another's by hours.
"""

from __future__ import annotations

import atexit
import os
import re
import sys
from threading import Lock
from typing import TYPE_CHECKING

from pax_assets.jobs.program import SQL_SETTINGS
from pax_assets.jobs.rows.pages import use_small_pages

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

_LOCK = Lock()
_LOCAL_JVM = re.compile(r"local(\[(\d+|\*)\])?\Z")
# Kept for the life of the process: a server that is collected shuts down under its session.
_EMBEDDED: list[object] = []
_SESSIONS: dict[str, SparkSession] = {}

_UTC = {"spark.sql.session.timeZone": "UTC"}
_JVM = {
    **SQL_SETTINGS,
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "4",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}


def _opened(config: dict[str, str]) -> SparkSession:
    from pyspark.sql import SparkSession

    return SparkSession.builder.config(map=config).getOrCreate()


def spark_session(
    spark_setting: str = "", opened: Callable[[dict[str, str]], SparkSession] = _opened
) -> SparkSession:
    """Return the session that `PAX_SPARK` names; opened on the first call, one a process.

    `""` starts the embedded engine on a free loopback port; `local[2]` a JVM in this process;
    `sc://host:port` connects to a Spark Connect server. A process has either Spark Connect or a
    JVM, never both: pyspark refuses the second. `opened` makes a session of its settings. Raises
    `ValueError` for anything else.
    """
    with _LOCK:
        if spark_setting not in _SESSIONS:
            session = opened(_config(spark_setting))
            _SESSIONS[spark_setting] = _prepared(session, is_embedded=not spark_setting)
        return _SESSIONS[spark_setting]


def _prepared(session: SparkSession, *, is_embedded: bool) -> SparkSession:
    # Spark Connect leaves settings other than the address to the server until they are set.
    session.conf.set("spark.sql.session.timeZone", "UTC")
    if is_embedded:
        # Its default level costs half as much again as writing the table, for 1 % of the size.
        session.conf.set("pax.parquet.codec", "zstd(1)")
    return session


def _config(spark_setting: str) -> dict[str, str]:
    if spark_setting == "":
        return {"spark.remote": _start_embedded(), **_UTC}
    if spark_setting.startswith("sc://"):
        return {"spark.remote": spark_setting, **_UTC}
    if _LOCAL_JVM.match(spark_setting):
        # A parent process with a Spark Connect session hands this down, and pyspark obeys.
        os.environ.pop("SPARK_CONNECT_MODE_ENABLED", None)
        # Python workers would otherwise be whatever `python3` is on the path.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        return {"spark.master": spark_setting, **_JVM}
    raise ValueError(
        f"PAX_SPARK is {spark_setting!r}; leave it empty for the embedded engine, or set "
        "local[<cores>] or sc://<host>:<port>"
    )


def _start_embedded() -> str:
    # Its log would otherwise report each session and each shutdown on standard error.
    os.environ.setdefault("RUST_LOG", "error")
    # Its session ends after a quarter of an hour without a query, and another step of the run may
    # take longer than that.
    os.environ.setdefault("SAIL_SPARK__SESSION_TIMEOUT_SECS", str(365 * 86_400))
    use_small_pages()
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _EMBEDDED.append(server)
    atexit.register(server.stop)
    host, port = server.listening_address
    return f"sc://{host}:{port}"
