"""Messages to the columns that follow from each of them alone: keys, language, text features.

Pure Python over Arrow batches, about 60 µs a message: in this process for a few, in worker
processes for many, and inside `mapInArrow` where the engine is a cluster. The same function runs
in all three places, so a row does not depend on which of them made it.
"""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from pax_assets.jobs.identities.identity import participant_id
from pax_assets.jobs.scan import ddl, scan
from pax_assets.lake import tables
from pax_assets.lake.feature_schemas import MESSAGE_KEYS_OF_FEATURES, TEXT_FEATURES
from pax_assets.nlp.language import IDENTIFIER, identify
from pax_assets.nlp.text_features import TextFeatures, text_features

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLUMNS = ["message_id", "channel", "conversation_id", "sender", "recipients", "sent_at", "text"]
DESCRIBED = pa.schema([*MESSAGE_KEYS_OF_FEATURES, *TEXT_FEATURES])
_ROWS_A_BATCH = 10_000
# Starting a process takes about as long as describing this many messages.
_INLINE_ROWS = 40_000


def describe(messages: pa.Table, workers: int = 1) -> pa.Table:
    """Return `DESCRIBED` rows of messages (`COLUMNS`), in their order; in `workers` processes."""
    batches = messages.select(COLUMNS).to_batches(max_chunksize=_ROWS_A_BATCH)
    if workers < 2 or messages.num_rows < _INLINE_ROWS:
        return pa.Table.from_batches(describe_batches(batches), DESCRIBED)
    # Spawned, not forked: the parent may hold a Spark session and its threads.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=workers, mp_context=spawn) as pool:
        return pa.Table.from_batches(pool.map(_described, batches), DESCRIBED)


def describe_with(spark: SparkSession, lake: str, day: str) -> pa.Table:
    """Return `DESCRIBED` rows of a day of `messages`, made by the engine's workers."""
    frame = scan(spark, lake, "messages", COLUMNS, [day])
    folder = f"{lake.rstrip('/')}/.staging/message_features-{uuid.uuid4().hex}"
    system, root = tables.filesystem(folder)
    try:
        frame.mapInArrow(describe_batches, ddl(DESCRIBED)).write.mode("error").parquet(folder)
        selector = fs.FileSelector(root, recursive=True, allow_not_found=True)
        files = [f.path for f in system.get_file_info(selector) if f.path.endswith(".parquet")]
        parts = [
            pq.read_table(file, filesystem=system, partitioning=None).cast(DESCRIBED)
            for file in sorted(files)
        ]
    finally:
        if system.get_file_info(root).type == fs.FileType.Directory:
            system.delete_dir(root)
    return pa.concat_tables([DESCRIBED.empty_table(), *parts])


def describe_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Describe record batches of `COLUMNS`; runs wherever the rows are."""
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS_A_BATCH):
            yield _described(batch.slice(start, _ROWS_A_BATCH))


def _described(batch: pa.RecordBatch) -> pa.RecordBatch:
    texts = [text or "" for text in batch.column("text").to_pylist()]
    languages = identify(texts)
    features = zip(*map(text_features, texts), strict=True) if texts else [()] * 13
    columns: dict[str, object] = {
        "message_id": batch.column("message_id"),
        "channel": batch.column("channel"),
        "conversation_id": batch.column("conversation_id"),
        "sent_at": batch.column("sent_at"),
        "sender_id": [_id(sender) for sender in batch.column("sender").to_pylist()],
        "recipient_ids": [
            [_id(person) for person in dict.fromkeys(people or ()) if person]
            for people in batch.column("recipients").to_pylist()
        ],
        "language": [found.language for found in languages],
        "language_confidence": [found.confidence for found in languages],
        "language_by": [IDENTIFIER] * len(texts),
        **dict(zip(TextFeatures._fields, features, strict=True)),
    }
    return pa.record_batch(
        [_column(columns[field.name], field.type) for field in DESCRIBED], schema=DESCRIBED
    )


def _column(values: object, kind: pa.DataType) -> pa.Array:
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)


@lru_cache(maxsize=65536)
def _id(identity: str | None) -> str | None:
    return participant_id(identity) if identity else None
