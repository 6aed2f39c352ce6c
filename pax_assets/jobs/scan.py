"""A Delta table as a Spark DataFrame, on engines that have no Delta reader.

No Delta jar is needed anywhere: the log is read by `deltalake`, which says which Parquet files a
snapshot has, and the engine reads those. The schema is always given, so that a file written
before a column existed reads as null and an empty table has its columns.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from pax_assets.lake import tables
from pax_assets.lake.schemas import SCHEMAS, partition_columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_TYPES = {
    pa.string(): "string",
    pa.int64(): "bigint",
    pa.int32(): "int",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.binary(): "binary",
    pa.timestamp("us", tz="UTC"): "timestamp",
}


def scan(
    spark: SparkSession,
    lake: str,
    table: str,
    columns: Sequence[str],
    partitions: Sequence[str] | None = None,
) -> DataFrame:
    """Return `columns` of `table`; of the given values of its partition column only, if any.

    The partition column is among the result's columns only where exactly one partition is asked
    for: it is not in the files.
    """
    schema = SCHEMAS[table]
    keys = partition_columns(table, schema)
    inside = [c for c in columns if c not in keys]
    frame = read_files(spark, _files(lake, table, keys, partitions), table, inside)
    for key in set(columns) & set(keys):
        if partitions is None or len(partitions) != 1:
            raise ValueError(f"{table}.{key} can be had of one partition at a time")
        from pyspark.sql import functions as F  # noqa: N812

        frame = frame.withColumn(key, F.lit(partitions[0]))
    return frame.select(*columns)


def files_holding(
    lake: str, table: str, version: int, day: str, uris: Sequence[str]
) -> tuple[list[str], int]:
    """Return a day's files of a channel table that may hold rows of `uris`, and their rows.

    Decided by the bounds of `raw_uri` in the files' footers.
    """
    snapshot = tables.at(lake, table, version)
    if snapshot is None:
        return [], 0
    wanted = sorted(uris)
    found, total = [], 0
    for path, values in tables.files(lake, table, snapshot).items():
        if values["arrival_day"] != day:
            continue
        system, address = tables.filesystem(path)
        footer = pq.read_metadata(address, filesystem=system)
        if _may_hold(footer, wanted):
            found.append(path)
            total += footer.num_rows
    return found, total


def _may_hold(footer: pq.FileMetaData, wanted: Sequence[str]) -> bool:
    for group in range(footer.num_row_groups):
        parts = footer.row_group(group)
        place = next(
            i for i in range(parts.num_columns) if parts.column(i).path_in_schema == "raw_uri"
        )
        bounds = parts.column(place).statistics
        if bounds is None or not bounds.has_min_max:
            return True
        at = bisect_left(wanted, bounds.min)
        if at < len(wanted) and wanted[at] <= bounds.max:
            return True
    return False


def read_files(
    spark: SparkSession, files: Sequence[str], table: str, columns: Sequence[str]
) -> DataFrame:
    """Return `columns` of Parquet files that have (a part of) the columns of `table`."""
    chosen = pa.schema([SCHEMAS[table].field(c) for c in columns])
    if not files:
        return spark.createDataFrame([], ddl(chosen))
    return spark.read.schema(ddl(chosen)).parquet(*files)


def _files(
    lake: str, table: str, keys: Sequence[str], partitions: Sequence[str] | None
) -> list[str]:
    snapshot = tables.newest(lake, table)
    if snapshot is None or partitions == []:
        return []
    return [
        path
        for path, values in tables.files(lake, table, snapshot).items()
        if partitions is None or values[keys[0]] in partitions
    ]


def parquet_codec(spark: SparkSession) -> str:
    """Return how an engine names fast zstd; the embedded one takes a level with the name."""
    return spark.conf.get("pax.parquet.codec", "zstd") or "zstd"


def ddl(schema: pa.Schema) -> str:
    """Return a Spark schema string with the columns and types of an Arrow schema."""
    return ", ".join(f"`{field.name}` {_sql_type(field.type)}" for field in schema)


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"array<{_sql_type(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'`{f.name}`: {_sql_type(f.type)}' for f in kind)}>"
    return _TYPES[kind]
