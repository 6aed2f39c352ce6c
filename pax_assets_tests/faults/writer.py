"""The process that is killed: it takes in whatever is in landing, and says what it is doing.

`python -m pax_assets_tests.faults.writer (batch|stream) <lake> <landing> <descriptor>` ends with
exit code 0 when nothing is left to do. To the descriptor (a pipe) it writes a line when a phase
begins, and `-` when it ends, before it does anything else: what was written last is where it was.
The phases wrap functions of the jobs; nothing is slowed down, and nothing else is changed.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

from pax_assets.jobs import features
from pax_assets.jobs import ingest as ingestion
from pax_assets.lake import commit, index, landing

# What they are called, in the order of a run.
PHASES = ("parse", "beside", "commit", "catch-up", "build", "build-commit")
BATCH_FILES = 25


def _instrument(descriptor: int) -> None:
    inside: list[str] = []

    def phase(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            inside.append(name)
            os.write(descriptor, f"{name}\n".encode())
            try:
                return function(*args, **kwargs)
            finally:
                inside.pop()
                os.write(descriptor, f"{inside[-1] if inside else '-'}\n".encode())

        return wrapped

    ingestion.parse_objects = phase("parse", ingestion.parse_objects)
    ingestion._commit_beside = phase("beside", ingestion._commit_beside)
    ingestion._commit_rows = phase("commit", ingestion._commit_rows)
    index.catch_up = phase("catch-up", index.catch_up)
    build = features.build_messages
    features.build_messages = phase("build", build)
    committing = commit.commit

    @wraps(committing)
    def committed(*args: Any, **kwargs: Any) -> Any:
        if inside and inside[-1] == "build":
            return phase("build-commit", committing)(*args, **kwargs)
        return committing(*args, **kwargs)

    commit.commit = committed


def write_batch(lake: str, root: str) -> None:
    """Ingest and build, days and channels in random order, until a pass finds nothing new."""
    from pax_assets.compute.spark import spark_session
    from pax_assets.messages.message import CHANNELS

    while True:
        days = landing.landing_days(lake, root)
        pairs = [(channel, day) for channel in CHANNELS for day in days]
        random.shuffle(pairs)
        taken = 0
        for channel, day in pairs:
            report = ingestion.ingest(
                lake, root, channel, day, datetime.now(UTC), parse=ingestion.parse_objects
            )
            taken += report.ingested
        random.shuffle(days)
        changed = [features.build_messages(spark_session(), lake, day).changed for day in days]
        if not taken and not any(changed):
            return


def write_stream(lake: str, root: str) -> None:
    """Run the stream once through all that is there."""
    from pax_assets.compute.spark import spark_session
    from pax_assets.jobs import stream

    stream.build_messages = features.build_messages
    session = spark_session("local[2]")
    for setting, value in {
        # For a few rows, planning and compiling is all that takes time.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.codegen.wholeStage": "false",
    }.items():
        session.conf.set(setting, value)
    watching = stream.LandingStream(
        session, lake, root, parse=ingestion.parse_objects, batch_files=BATCH_FILES
    )
    query = watching.start()
    query.awaitTermination()


def main() -> None:
    """Run as `kind`, on a lake and a landing folder."""
    kind, lake, root, descriptor = sys.argv[1:]
    Path(root).mkdir(parents=True, exist_ok=True)
    _instrument(int(descriptor))
    {"batch": write_batch, "stream": write_stream}[kind](lake, root)


if __name__ == "__main__":
    main()
