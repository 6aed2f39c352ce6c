"""Which of the records with one id is the message, and which are duplicates of it.

Decided by the index alone, for the ids of one day only: neither the size of the history nor the
order in which days are ingested matters. The first record by (arrival day, object, position)
wins. A window with `row_number` decides, not `dropDuplicates`: it is deterministic, and on the
embedded engine ten times faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pax_assets.jobs.scan import scan
from pax_assets.lake import index, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame, SparkSession

# Up to this many ids, the buckets that hold them are worked out; more ids are in every bucket.
_FEW_IDS = 10_000


def occurrences_of_day(
    spark: SparkSession, lake: str, day: str, raw_tables: Sequence[str]
) -> DataFrame:
    """Return every known occurrence of each id that occurs on `day` in `raw_tables`.

    Columns: `message_id`, `arrival_day`, `raw_uri`, `raw_ordinal`; `place`, which is 1 for the
    record that is the message and counts on through its duplicates; and `first_day`, on which
    the message arrived. Bring the index up to date first (`lake.index.catch_up`).
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F  # noqa: N812

    columns = ["message_id", "arrival_day", "raw_uri", "raw_ordinal"]
    ids = None
    for table in raw_tables:
        frame = scan(spark, lake, table, ["message_id"], [day])
        ids = frame if ids is None else ids.unionByName(frame)
    if ids is None:
        raise ValueError("no channel table was given")
    found = scan(spark, lake, index.TABLE, columns, _buckets(lake, day, raw_tables))
    found = found.join(ids.distinct(), "message_id", "left_semi")
    same_id = Window.partitionBy("message_id")
    return found.withColumn("place", F.row_number().over(same_id.orderBy(*index.ORDER))).withColumn(
        "first_day", F.min("arrival_day").over(same_id)
    )


def _buckets(lake: str, day: str, raw_tables: Sequence[str]) -> list[str] | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = pa.chunked_array(
        [
            chunk
            for table in raw_tables
            for chunk in tables.read(lake, table, ["message_id"], pc.field("arrival_day") == day)[
                "message_id"
            ].chunks
        ],
        type=pa.string(),
    )
    return None if len(ids) > _FEW_IDS else index.buckets(ids)
