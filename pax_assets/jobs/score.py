"""Batch scoring: what the released model says of a day's messages, in three tables.

Scoring is the dearest step over the store, so a message is scored once for each model version,
and again only if its text or the served files changed. Findings of messages that left the day
(they turned out to have arrived earlier) leave with them. A day is scored in chunks, each
committed for itself: a run that is killed loses the chunk that it was at, and the next one goes
on behind the last. New findings are added; files are written anew only where rows must go.
"""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from pax_assets.jobs.insights.insight_tables import SCORED
from pax_assets.jobs.program import Engine, run_program
from pax_assets.jobs.rows.arguments import add_region, day_of_arrival
from pax_assets.jobs.scan import ddl
from pax_assets.jobs.scoring.day import ALL, Chunk, Day, frame, look
from pax_assets.jobs.scoring.worker import (
    FILES,
    AnalyzesTexts,
    Destination,
    Loader,
    Scorer,
    load_runtime,
    score_part,
)
from pax_assets.lake import commit, landing, tables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["AnalyzesTexts", "Loader", "ScoreReport", "Scorer", "load_runtime", "score_day"]

# Fewer messages than this are not worth another task.
_MESSAGES_A_TASK = 64
# A Spark Connect server elsewhere does not say how many cores it has.
_REMOTE_CORES = 8


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
    unless their message left the day or has another text now; those of other files of the same
    model leave when the first of the new ones come. Raises `commit.Conflict` if other runs of the
    same day kept getting in the way.
    """
    run = _Run(spark, lake, landing.checked_day(day), scorer)
    # Each chunk may meet as many conflicts as a commit may.
    while commit.retrying(run.step):
        pass
    return ScoreReport(
        day=day,
        model_version=scorer.model_version,
        messages=run.messages,
        scored=run.scored,
        removed=run.removed,
        versions={table: tables.version(lake, table) for table in ALL},
    )


class _Run:
    """A run over a day, chunk by chunk."""

    def __init__(self, spark: SparkSession, lake: str, day: str, scorer: Scorer) -> None:
        self._spark, self._lake, self._day, self._scorer = spark, lake, day, scorer
        self._found: Day | None = None
        self.messages = self.scored = self.removed = 0

    def step(self) -> bool:
        """Score and commit a chunk; whether there is another one. Raises `Conflict`."""
        # Gone after a conflict: then the day is looked at again.
        found, self._found = self._found, None
        if found is None:
            found = look(self._lake, self._day, self._scorer, self._cores())
            self.messages = found.messages
        if found.chunks:
            self.scored += self._score(found, found.chunks.pop(0))
            self._found = found
        else:
            found.note()
        self.removed += found.removed
        found.removed = 0
        return bool(found.chunks)

    def _score(self, found: Day, chunk: Chunk) -> int:
        destination = Destination.new(self._lake, self._day)
        try:
            files = self._files(chunk, destination)
        except BaseException:
            destination.remove()
            raise
        found.commit(files, is_last=not found.chunks)
        return sum(file.rows for file in files[SCORED])

    def _files(self, chunk: Chunk, destination: Destination) -> dict[str, list[commit.DataFile]]:
        """Have the engine score a chunk; return the files that its workers wrote, by table."""
        rows = frame(self._spark, self._lake, chunk)
        with _staging(self._lake) as folder:
            if chunk.ids is not None:
                # By a file: lists in a query plan stop at some thousands.
                system, root = tables.filesystem(folder)
                wanted = pa.table({"message_id": chunk.ids})
                pq.write_table(wanted, f"{root}/ids.parquet", filesystem=system)
                chosen = self._spark.read.schema(ddl(wanted.schema)).parquet(
                    f"{folder}/ids.parquet"
                )
                rows = rows.join(chosen, "message_id", "left_semi")
            parts = self._spread(rows, chunk.rows)
            task = partial(score_part, self._scorer, destination)
            done = parts.mapInArrow(task, ddl(FILES)).collect()
        files: dict[str, list[commit.DataFile]] = {table: [] for table in ALL}
        for row in done:
            files[row["table"]].append(
                commit.DataFile(row["path"], row["size"], row["rows"], {"arrival_day": self._day})
            )
        return files

    def _spread(self, rows: DataFrame, count: int) -> DataFrame:
        """Give each core of the engine a part."""
        parts = max(1, min(self._cores(), count // _MESSAGES_A_TASK))
        return rows.repartition(parts) if parts > 1 else rows.coalesce(1)

    def _cores(self) -> int:
        if "connect" not in type(self._spark).__module__:
            return self._spark.sparkContext.defaultParallelism
        from pax_assets.inference.cpu import available_cores

        # The embedded engine runs all parts at once, as threads of this process.
        is_embedded = self._spark.conf.get("pax.parquet.codec", "")
        cores = self._scorer.threads or available_cores()
        return cores if is_embedded else max(cores, _REMOTE_CORES)


@contextmanager
def _staging(lake: str) -> Iterator[str]:
    """A folder beside the tables, which every worker of an engine reaches; gone afterwards."""
    address = f"{lake.rstrip('/')}/.staging/insights-{uuid.uuid4().hex}"
    system, path = tables.filesystem(address)
    tables.make_folder(system, path)
    try:
        yield address
    finally:
        tables.remove_folder(system, path)


def run(engine: Engine, arguments: Sequence[str]) -> ScoreReport:
    """Score a day as command-line `arguments` say (`--help` lists them)."""
    parser = argparse.ArgumentParser(description="Score a day of the table `messages`")
    parser.add_argument("--lake", required=True)
    parser.add_argument("--day", required=True, type=day_of_arrival, help="YYYY-MM-DD")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are cores")
    add_region(parser)
    other = parser.add_argument_group("another model than the released one (all three)")
    other.add_argument("--onnx-dir")
    other.add_argument("--variant")
    other.add_argument("--model-version")
    given = parser.parse_args(arguments)
    named = (given.onnx_dir, given.variant, given.model_version)
    if any(named) and not all(named):
        parser.error("--onnx-dir, --variant and --model-version go together")
    model = named if all(named) else _champion(given.lake)
    scorer = Scorer(*model, given.threads, region=given.default_region)
    return score_day(engine.session, given.lake, given.day, scorer)


def _champion(lake: str) -> tuple[str, str, str]:
    """Return the released model's ONNX artifact, variant and version; raises `MissingArtifact`."""
    from pax_assets.lake.artifacts import ArtifactStore, MissingArtifact
    from pax_assets.lake.releases import Releases

    release = Releases(ArtifactStore(lake)).champion()
    if release is None:
        raise MissingArtifact(f"{lake} has no released model: materialize released_model first")
    return f"{lake.rstrip('/')}/{release.onnx_path}", release.variant, release.model_version


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as a program, such as `spark-submit`'s."""
    run_program("pax score", run, arguments)


if __name__ == "__main__":
    main()
