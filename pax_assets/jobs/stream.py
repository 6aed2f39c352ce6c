"""Landing to `messages` as a stream: Spark watches landing and hands over what is new, in batches.

Spark's `foreachBatch` alone gives each batch at least once: after a crash the last one comes
again. Here a batch is only a list of paths, and what is done with them is the same ingestion that
the batch job does, which knows from its ledger what is in the lake already. So a batch that comes
again changes nothing, and neither does a lost checkpoint, after which everything comes again.

What Spark's file source sees, and what it does not: an object is seen once, by its path, so one
that could not be opened is kept on a list beside the checkpoint and tried with every later batch;
one that is replaced under its name is left to the batch job. It lists all of landing for every
batch. Uploaders must rename, or write to an object store, where objects appear whole.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from pax_assets.jobs.features import build_messages
from pax_assets.jobs.ingest import ingest
from pax_assets.jobs.program import Engine, run_program
from pax_assets.jobs.rows.arguments import add_parse_arguments, parse_options, parse_step
from pax_assets.jobs.rows.parsing import Parsed, ParseTask
from pax_assets.lake import landing, tables
from pax_assets.messages.message import CHANNELS, Channel
from pax_assets.messages.options import ParseOptions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

_BATCH_FILES = 2_000
# Spark takes no notice of files that are older than this, counted from the newest that it saw:
# by default a week, and a backlog that is moved into landing would be passed over in silence.
_NO_AGE = "36500d"
_PATTERNS = frozenset("*?[]{}\\")
_MOST_UNREADABLE = 10_000
_BINARY_FILE = "path string, modificationTime timestamp, length bigint, content binary"


class NoStreams(RuntimeError):
    """This engine, or this process, cannot watch landing; the message says what to change."""


@dataclass
class StreamReport:
    """What a stream has done: batches, objects that it ingested, days that it built.

    `unreadable` are the objects that could not be opened so far.
    """

    batches: int = 0
    objects: int = 0
    days: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


class LandingStream:
    """Takes what lands in `landing_root` into `lake`; all state is in the lake."""

    def __init__(
        self,
        spark: SparkSession,
        lake: str,
        landing_root: str,
        checkpoint: str = "",
        *,
        workers: int = 1,
        options: ParseOptions = ParseOptions(),  # noqa: B008 - frozen
        parse: Callable[[ParseTask, int], Parsed] | None = None,
        batch_files: int = _BATCH_FILES,
    ) -> None:
        """`checkpoint` is a folder of this stream alone, `.checkpoints/stream` in the lake if "".

        `parse` says where objects are parsed (`rows.arguments.parse_step`). Raises `NoStreams`.
        """
        self._spark, self._lake = spark, lake
        self._landing = landing_root
        self._root = _resolved(landing_root)
        self._checkpoint = _resolved(checkpoint or f"{lake.rstrip('/')}/.checkpoints/stream")
        self._workers, self._options, self._parse = workers, options, parse
        self._batch_files = batch_files
        self.report = StreamReport()
        _require_streams(spark, self._root)

    def start(self, every: str = "") -> StreamingQuery:
        """Start watching: once through all that is there, or for ever, `every` so often.

        `every` is an interval such as "10 seconds".
        """
        system, path = tables.filesystem(self._root)
        tables.make_folder(system, path)
        self._take_in(self._unreadable())
        files = (
            self._spark.readStream.format("binaryFile")
            .schema(_BINARY_FILE)
            .option("recursiveFileLookup", "true")
            .option("maxFilesPerTrigger", str(self._batch_files))
            .option("maxFileAge", _NO_AGE)
            .option("ignoreMissingFiles", "true")
            .load(_for_spark(self._root))
        )
        writer = (
            # The content stays where it is: whoever parses it opens the object.
            files.select("path")
            .writeStream.foreachBatch(self._batch)
            .option("checkpointLocation", _for_spark(self._checkpoint))
            .queryName("pax landing")
        )
        trigger: dict[str, Any] = {"processingTime": every} if every else {"availableNow": True}
        return writer.trigger(**trigger).start()

    def _batch(self, batch: DataFrame, _number: int) -> None:
        """Take in one batch. Called again with the same paths where the stream was killed."""
        found = [self._below_root(row["path"]) for row in batch.collect()]
        self._take_in([*(path for path in found if path is not None), *self._unreadable()])
        self.report.batches += 1

    def _below_root(self, address: str) -> str | None:
        """Return the path below the landing root of what Spark calls `file:/…` or `s3://…`."""
        root, plain = f"{self._root}/", address
        if address.startswith("file:"):
            plain = "/" + address.removeprefix("file:").lstrip("/")
        elif "://" in address:
            # S3A calls what was asked for as s3:// by its own scheme.
            root, plain = root.partition("://")[2], address.partition("://")[2]
        return plain.removeprefix(root) if plain.startswith(root) else None

    def _take_in(self, paths: Iterable[str]) -> None:
        now = datetime.now(UTC)
        by_day: dict[tuple[str, str], list[str]] = {}
        for path in dict.fromkeys(paths):
            channel, _, rest = path.partition("/")
            if channel in CHANNELS and landing.is_object(rest):
                day = rest.partition("/")[0]
                day = day if landing.is_day(day) else now.date().isoformat()
                by_day.setdefault((day, channel), []).append(path)
        unreadable: list[str] = []
        for (day, channel), named in sorted(by_day.items()):
            given: dict[str, Any] = {} if self._parse is None else {"parse": self._parse}
            report = ingest(
                self._lake,
                self._landing,
                cast(Channel, channel),
                day,
                now,
                self._workers,
                self._options,
                paths=named,
                **given,
            )
            self.report.objects += report.ingested
            unreadable += report.unreadable
        for day in sorted({day for day, _ in by_day} | self._days_of_undated(by_day)):
            build_messages(self._spark, self._lake, day)
            self.report.days = sorted({*self.report.days, day})
        # Before Spark notes that the batch is done: it will not show these paths again.
        self._keep(unreadable)

    def _days_of_undated(self, by_day: Mapping[tuple[str, str], list[str]]) -> set[str]:
        """The days for which objects without a day count, if a killed run has decided it."""
        undated = [
            path
            for paths in by_day.values()
            for path in paths
            if not landing.is_day(path.split("/")[1])
        ]
        if not undated:
            return set()
        among = pc.field("path").isin(pa.array(undated, pa.string()))
        return set(
            tables.read(self._lake, "ledger", ["arrival_day"], among)["arrival_day"].to_pylist()
        )

    def _unreadable(self) -> list[str]:
        """The objects that could not be opened, from all batches up to now."""
        system, path = tables.filesystem(self._list)
        if system.get_file_info(path).type == fs.FileType.NotFound:
            return []
        with system.open_input_file(path) as stream:
            self.report.unreadable = json.loads(stream.read())
        return self.report.unreadable

    def _keep(self, unreadable: list[str]) -> None:
        if unreadable == self.report.unreadable:
            return
        if len(unreadable) > _MOST_UNREADABLE:
            raise NoStreams(
                f"{len(unreadable)} landed objects cannot be opened: make them readable for the "
                "stream and start it again"
            )
        system, path = tables.filesystem(self._list)
        tables.make_folder(system, path.rpartition("/")[0])
        unfinished = f"{path}.tmp"
        with system.open_output_stream(unfinished) as stream:
            stream.write(json.dumps(unreadable).encode())
        system.move(unfinished, path)
        self.report.unreadable = unreadable

    @property
    def _list(self) -> str:
        return f"{self._checkpoint}.unreadable.json"


def _resolved(place: str) -> str:
    return place.rstrip("/") if "://" in place else tables.filesystem(place)[1]


def _for_spark(place: str) -> str:
    """Without a scheme, Spark would look in the cluster's default file system."""
    return place if "://" in place else f"file://{place}"


def _require_streams(spark: SparkSession, root: str) -> None:
    if odd := _PATTERNS & set(root):
        raise NoStreams(
            f"the landing folder {root} has {' '.join(sorted(odd))} in its name, which Spark takes "
            "for a pattern: rename it, or use the landing sensor"
        )
    context = getattr(spark, "_jsc", None)
    if context is None:
        raise NoStreams(
            "streams need Spark on a JVM (PAX_SPARK=local[2], spark-submit, EMR); the embedded "
            "engine has none: use the landing sensor there"
        )
    encoding = spark.sparkContext._jvm.java.lang.System.getProperty("sun.jnu.encoding")  # type: ignore[union-attr]
    if "://" not in root and encoding not in ("UTF-8", "UTF8"):
        raise NoStreams(
            f"this JVM reads file names as {encoding} and would not find objects whose names "
            "have other characters: set LC_ALL=C.UTF-8 and start it again"
        )


def run(engine: Engine, arguments: Sequence[str]) -> StreamReport:
    """Stream as command-line `arguments` say (`--help` lists them), until it is told to stop.

    SIGTERM and SIGINT stop it after the batch that it is in.
    """
    parser = argparse.ArgumentParser(description="Take in what lands, as a stream")
    parser.add_argument("--lake", required=True)
    parser.add_argument("--landing", required=True)
    parser.add_argument("--checkpoint", default="", help="default: .checkpoints/stream in the lake")
    parser.add_argument(
        "--every",
        default="",
        metavar="INTERVAL",
        help='go on for ever, looking every "10 seconds"; without it, once through what is there',
    )
    parser.add_argument("--batch-files", type=int, default=_BATCH_FILES)
    add_parse_arguments(parser)
    given = parser.parse_args(arguments)
    stream = LandingStream(
        engine.session,
        given.lake,
        given.landing,
        given.checkpoint,
        workers=given.workers,
        options=parse_options(given),
        parse=parse_step(engine, given),
        batch_files=given.batch_files,
    )
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    query = stream.start(given.every)
    while not stopped.is_set() and not query.awaitTermination(1):
        pass
    if query.isActive:
        # A batch that is stopped halfway is done once more.
        done = stream.report.batches
        while query.status["isTriggerActive"] and stream.report.batches == done:
            time.sleep(0.2)
        query.stop()
    return stream.report


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as a program, such as `spark-submit`'s."""
    run_program("pax stream", run, arguments, makes_lake=True)


if __name__ == "__main__":
    sys.exit(main())
