"""Scoring in an engine's worker: messages in, files of findings out.

A worker writes its findings as Parquet files itself and hands back their names: rows that went
to the driver would pile up there. No reader sees a file before the driver commits it. A worker
process opens a release once, whatever number of tasks, chunks and days it works on.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from ctypes import CDLL
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from pax_assets.jobs.insights.findings import flat, nested
from pax_assets.jobs.insights.insight_tables import FINDINGS, SCHEMAS, SCORED
from pax_assets.lake import commit, tables
from pax_assets.nlp.recognizers import VERSION

if TYPE_CHECKING:
    from pax_assets.nlp.documents import Analysis

# Findings of this many messages are held at once. The runtime batches by tokens on its own.
MESSAGES_A_BATCH = 1024
# What a worker hands back, one row a file.
FILES = pa.schema(
    [("table", pa.string()), ("path", pa.string()), ("size", pa.int64()), ("rows", pa.int64())]
)


class AnalyzesTexts(Protocol):
    """What scoring needs of a runtime. Threads of one process may call it at once."""

    def analyze(self, texts: Sequence[str]) -> list[Analysis]:
        """Return one Analysis for each text, in order."""
        ...


Loader = Callable[[str, str, int, str | None], AnalyzesTexts]


def load_runtime(
    onnx_dir: str, variant: str, threads: int, region: str | None = None
) -> AnalyzesTexts:
    """Open the runtime that the service uses, too; from a lake on S3, by way of a local copy.

    Without a `region` the model answers alone, without the recognizers.
    """
    from pax_assets.inference.runtime import Runtime

    folder = Path(onnx_dir)
    if "://" in onnx_dir:
        from pax_assets.lake.artifacts import ArtifactStore

        lake, key, version = onnx_dir.rsplit("/", 2)
        folder = ArtifactStore(lake).version(key, version).path
    return Runtime.load(folder, variant, threads, region=region)


@dataclass(frozen=True, slots=True)
class Scorer:
    """A released model: its ONNX artifact, and the version under which its findings are kept.

    `threads` is how many cores scoring may use in this process, 0 the CPU quota; on other
    machines their Spark decides. `region` is that of phone numbers without a country code, for the
    recognizers; without one there are none. `load` opens the runtime in the worker; it must be an
    importable function, since workers are sent its name.
    """

    onnx_dir: str
    variant: str
    model_version: str
    threads: int = 0
    load: Loader = load_runtime
    region: str | None = None

    @property
    def release(self) -> str:
        """What exactly answers: the ONNX artifact's version, the variant, and the rules beside."""
        rules = f"/{self.region}{VERSION}" if self.region else ""
        return f"{PurePosixPath(self.onnx_dir).name}/{self.variant}{rules}"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where findings go: below the roots of the tables of `lake`, into a folder of this run."""

    lake: str
    day: str
    folder: str

    @classmethod
    def new(cls, lake: str, day: str) -> Destination:
        """A folder that no other run has."""
        partition = commit.partition_path({"arrival_day": day})
        return cls(lake, day, f"{partition}{uuid.uuid4().hex}")

    def write(self, table: str, rows: pa.Table) -> dict[str, str | int]:
        """Write rows of the day, without the day, as one file; return a row of `FILES`."""
        system, root = tables.filesystem(tables.location(self.lake, table))
        tables.make_folder(system, f"{root}/{self.folder}")
        path = f"{self.folder}/{uuid.uuid4().hex}.parquet"
        pq.write_table(rows, f"{root}/{path}", filesystem=system, compression="zstd")
        size = system.get_file_info(f"{root}/{path}").size
        return {"table": table, "path": path, "size": size, "rows": rows.num_rows}

    def remove(self) -> None:
        """Delete what was written, which is not going to be committed."""
        for table in (*FINDINGS, SCORED):
            system, root = tables.filesystem(tables.location(self.lake, table))
            tables.remove_folder(system, f"{root}/{self.folder}")


def score_part(
    scorer: Scorer, destination: Destination, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Score record batches of message_id, text, text_sha256; yield the files as `FILES`.

    One file a table and task: what a task gets is a part of a chunk, so its findings can be held.
    """
    runtime = None
    found: dict[str, list[pa.Table]] = {table: [] for table in (*FINDINGS, SCORED)}
    for batch in batches:
        for start in range(0, batch.num_rows, MESSAGES_A_BATCH):
            # Not before there is a message: a task may get none, and opening takes a second.
            runtime = runtime or one_runtime(scorer, _task_threads())
            part = _analyzed(runtime, batch.slice(start, MESSAGES_A_BATCH))
            for table, rows in flat(pa.Table.from_batches([part])).items():
                found[table].append(_complete(table, rows, scorer))
            give_memory_back()
    written = [
        destination.write(table, pa.concat_tables(parts))
        for table, parts in found.items()
        if any(part.num_rows for part in parts)
    ]
    yield pa.RecordBatch.from_pylist(written, schema=FILES)


def give_memory_back() -> None:
    """Return what was freed to the system: a day is many batches of many small findings.

    glibc keeps freed memory between what is still held, some megabytes more with every batch, and
    so does Arrow's own pool.
    """
    pa.default_memory_pool().release_unused()
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """Return glibc's `malloc_trim`, None where the C library has none."""
    try:
        return CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None


def _analyzed(runtime: AnalyzesTexts, batch: pa.RecordBatch) -> pa.RecordBatch:
    ids, texts, hashes = (
        batch.column(name).to_pylist() for name in ("message_id", "text", "text_sha256")
    )
    return nested(ids, hashes, runtime.analyze([text or "" for text in texts]))


def _complete(table: str, found: pa.Table, scorer: Scorer) -> pa.Table:
    """Add the columns that all rows of a run share, in the order of the table; not the day."""
    shared = {"model_version": scorer.model_version, "release": scorer.release}
    wanted = pa.schema([field for field in SCHEMAS[table] if field.name != "arrival_day"])
    columns = [
        pa.repeat(pa.scalar(shared[field.name]), found.num_rows)
        if field.name in shared
        else found[field.name]
        for field in wanted
    ]
    return pa.table(columns, schema=wanted)


_LOCK = Lock()
_OPENED: dict[tuple[Loader, str, str, int, str | None], AnalyzesTexts] = {}


def one_runtime(scorer: Scorer, threads: int) -> AnalyzesTexts:
    """Return this process's runtime; a former release is let go when another one is asked for.

    Tasks of the embedded engine are threads of one process, so the first opens it for all.
    """
    key = (scorer.load, scorer.onnx_dir, scorer.variant, threads, scorer.region)
    with _LOCK:
        if key not in _OPENED:
            _OPENED.clear()
            _OPENED[key] = scorer.load(scorer.onnx_dir, scorer.variant, threads, scorer.region)
        return _OPENED[key]


def _task_threads() -> int:
    """Return how many cores are this task's own.

    As many tasks run at once as there are cores for them, so that a runtime with more threads
    would only take them from its neighbours. One task for each core also keeps the cores busy
    while one of the tasks decodes.
    """
    from pyspark import TaskContext

    context = TaskContext.get()
    return context.cpus() if context is not None else 1
