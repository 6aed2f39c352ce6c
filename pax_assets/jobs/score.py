"""Batch scoring: what the released model says of a day's messages, in three tables.

Scoring is the dearest step over the store, so a message is scored once for each model version,
and again only if its text or the served files changed. Findings of messages that left the day
(they turned out to have arrived earlier) leave with them. The three tables and the list of
scored messages are four commits; the list comes last, and rows that it does not vouch for are
replaced. So a crash between two commits leaves nothing that the next run does not put right.
"""

from __future__ import annotations

import argparse
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from pax_assets.jobs.insights.findings import NESTED, flat, nested
from pax_assets.jobs.insights.insight_tables import FINDINGS, SCHEMAS, SCORED, read
from pax_assets.jobs.scan import ddl, scan
from pax_assets.lake import commit, tables

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame, SparkSession

    from pax_assets.nlp.documents import Analysis

# Findings of this many messages are held at once. The runtime batches by tokens on its own.
_MESSAGES_A_BATCH = 1024


class AnalyzesTexts(Protocol):
    """What scoring needs of a runtime."""

    def analyze(self, texts: Sequence[str]) -> list[Analysis]:
        """Return one Analysis for each text, in order."""
        ...


Loader = Callable[[str, str, int], AnalyzesTexts]


def load_runtime(onnx_dir: str, variant: str, threads: int) -> AnalyzesTexts:
    """Open the runtime that the service uses, too."""
    from pax_assets.inference.runtime import Runtime

    return Runtime.load(Path(onnx_dir), variant, threads)


@dataclass(frozen=True, slots=True)
class Scorer:
    """A released model: its ONNX artifact, and the version under which its findings are kept.

    `threads` 0 takes what the worker may use. `load` opens the runtime in the worker; it must be
    an importable function, since workers are sent its name.
    """

    onnx_dir: str
    variant: str
    model_version: str
    threads: int = 0
    load: Loader = load_runtime

    @property
    def release(self) -> str:
        """What exactly answers: `<version of the ONNX artifact>/<variant>`."""
        return f"{PurePosixPath(self.onnx_dir).name}/{self.variant}"


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """A day after scoring.

    `messages` are in the day now, `scored` of them were scored in this run; `removed` are no
    longer in the day and their findings were deleted. `versions` are the tables' Delta versions.
    """

    day: str
    model_version: str
    messages: int
    scored: int
    removed: int
    versions: dict[str, int | None]


def score_day(spark: SparkSession, lake: str, day: str, scorer: Scorer) -> ScoreReport:
    """Bring the findings of `day` up to its messages and the released model.

    Idempotent; a run that changes nothing commits nothing. Other model versions' findings stay,
    unless their message left the day or has another text now. Raises `commit.Conflict` if other
    runs of the same day kept getting in the way.
    """
    return commit.retrying(partial(_score_day, spark, lake, day, scorer))


def _score_day(spark: SparkSession, lake: str, day: str, scorer: Scorer) -> ScoreReport:
    from pyspark.sql import functions as F  # noqa: N812

    snapshots = {t: commit.ensure(lake, t, SCHEMAS[t]) for t in (*FINDINGS, SCORED)}
    messages = scan(spark, lake, "messages", ["message_id", "text"], [day]).select(
        "message_id", "text", F.sha2(F.col("text"), 256).alias("text_sha256")
    )
    current = {
        row["message_id"]: row["text_sha256"]
        for row in messages.select("message_id", "text_sha256").collect()
    }
    before = _rows_of_day(lake, snapshots[SCORED], SCORED, day)
    valid = {
        (row["message_id"], row["model_version"])
        for row in before.to_pylist()
        if row["text_sha256"] == current.get(row["message_id"])
        and (row["model_version"] != scorer.model_version or row["release"] == scorer.release)
    }
    todo = [m for m in current if (m, scorer.model_version) not in valid]
    if todo and len(todo) < len(current):
        wanted = spark.createDataFrame([(key,) for key in todo], "`message_id` string")
        messages = messages.join(wanted, "message_id", "left_semi")
    found = flat(_analyzed(lake, messages, scorer) if todo else NESTED.empty_table())
    for table in (*FINDINGS, SCORED):
        rows = _complete(table, found[table], day, scorer)
        _bring_up(lake, snapshots[table], table, day, valid, rows)
    return ScoreReport(
        day=day,
        model_version=scorer.model_version,
        messages=len(current),
        scored=len(todo),
        removed=len(set(before["message_id"].to_pylist()) - set(current)),
        versions={table: tables.version(lake, table) for table in (*FINDINGS, SCORED)},
    )


def _analyzed(lake: str, messages: DataFrame, scorer: Scorer) -> pa.Table:
    """Have the engine score `messages`; return nested findings.

    Workers write files that are read and deleted here: collecting would hold the findings in
    the engine's own, larger, form.
    """
    folder = f"{tables.location(lake, SCORED)}/_scoring/{uuid.uuid4().hex}"
    analyzed = messages.mapInArrow(partial(_analyze_batches, scorer), ddl(NESTED))
    try:
        analyzed.write.mode("error").parquet(folder)
        system, root = tables.filesystem(folder)
        found = system.get_file_info(fs.FileSelector(root, recursive=True))
        parts = [
            pq.read_table(info.path, filesystem=system, partitioning=None).cast(NESTED)
            for info in found
            if info.path.endswith(".parquet")
        ]
    finally:
        _delete(folder)
    return pa.concat_tables([NESTED.empty_table(), *parts])


def _delete(folder: str) -> None:
    system, root = tables.filesystem(folder)
    if system.get_file_info(root).type == fs.FileType.Directory:
        system.delete_dir(root)


def _analyze_batches(scorer: Scorer, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Score record batches of message_id, text, text_sha256; runs in the worker."""
    runtime = _runtime(scorer.load, scorer.onnx_dir, scorer.variant, scorer.threads)
    for batch in batches:
        for start in range(0, batch.num_rows, _MESSAGES_A_BATCH):
            part = batch.slice(start, _MESSAGES_A_BATCH)
            ids, texts, hashes = (
                part.column(name).to_pylist() for name in ("message_id", "text", "text_sha256")
            )
            yield nested(ids, hashes, runtime.analyze([text or "" for text in texts]))


@lru_cache(maxsize=1)
def _runtime(load: Loader, onnx_dir: str, variant: str, threads: int) -> AnalyzesTexts:
    # One a worker process; a former release is let go when another one is asked for.
    return load(onnx_dir, variant, threads)


def _rows_of_day(lake: str, snapshot: DeltaTable, table: str, day: str) -> pa.Table:
    return read(lake, table, pc.field("arrival_day") == day, version=snapshot.version())


def _complete(table: str, found: pa.Table, day: str, scorer: Scorer) -> pa.Table:
    """Add the columns that all rows of a run share, in the order of the table."""
    shared = {
        "model_version": scorer.model_version,
        "release": scorer.release,
        "arrival_day": day,
    }
    columns = [
        pa.repeat(pa.scalar(shared[field.name]), found.num_rows)
        if field.name in shared
        else found[field.name]
        for field in SCHEMAS[table]
    ]
    return pa.table(columns, schema=SCHEMAS[table])


def _bring_up(
    lake: str,
    snapshot: DeltaTable,
    table: str,
    day: str,
    valid: set[tuple[str, str]],
    found: pa.Table,
) -> None:
    """Keep the day's rows of `valid` (message, model version) pairs, and add what was found."""
    stored = _rows_of_day(lake, snapshot, table, day)
    pairs = zip(stored["message_id"].to_pylist(), stored["model_version"].to_pylist(), strict=True)
    keep = pa.array([pair in valid for pair in pairs], pa.bool_())
    remove: list[str] = []
    if keep.false_count:
        remove = commit.partition_files(snapshot, {"arrival_day": day})
        found = pa.concat_tables([stored.filter(keep), found])
    if not remove and found.num_rows == 0:
        return
    name = f"{table}/{day}"
    commit.commit(
        snapshot,
        commit.write(lake, table, found),
        remove=remove,
        # Without it, two runs of one day would both append.
        transaction=(name, (snapshot.transaction_version(name) or 0) + 1),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Score one day from a command line, such as `spark-submit`'s."""
    parser = argparse.ArgumentParser(description="Score a day of the table `messages`")
    parser.add_argument("--lake", required=True)
    parser.add_argument("--day", required=True, help="YYYY-MM-DD")
    parser.add_argument("--onnx-dir", required=True)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--model-version", required=True)
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args(arguments)
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.appName(f"pax score {given.day}").getOrCreate()
    scorer = Scorer(given.onnx_dir, given.variant, given.model_version, given.threads)
    print(json.dumps(asdict(score_day(spark, given.lake, given.day, scorer))))


if __name__ == "__main__":
    main()
