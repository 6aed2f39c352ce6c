"""Hashes of what a table says, whatever way its rows lie in files.

Automation asks whether data changed. A Delta version answers another question: compaction and a
re-run that wrote the same rows both make a new one, and training would start for nothing. This
hash depends on the rows alone: not on their order, the files, the order of the columns, or
columns that are null throughout (a table that gained a column has not changed).

Tables of records get by with less: a row follows from the record's bytes, the object it lay in
and the parser that read it, and those are hashed already.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.lake import ledger, tables
from pax_assets.lake.keys import Keys

_BATCH_ROWS = 50_000


def content_hash(table: pa.Table) -> str:
    """Return 32 hex digits that are equal for tables with equal rows, in any order.

    Rows count as often as they occur. String and binary widths do not matter; nulls and empty
    values differ. Floats are compared by their shortest decimal form.
    """
    digests: list[bytes] = []
    names = sorted(table.column_names)
    for batch in table.select(names).to_batches(max_chunksize=_BATCH_ROWS):
        digests.extend(_row_digests(batch, names))
    digests.sort()
    total = hashlib.sha256()
    total.update(b"".join(digests))
    return total.hexdigest()[:32]


def day_version(lake: str, table: str, day: str) -> str:
    """Return the `records_hash` of a day of `messages` or of a channel table."""
    rows = tables.read(
        lake, table, ["message_id", "raw_uri", "raw_sha256"], pc.field("arrival_day") == day
    )
    return records_hash(rows, ledger.parsers(lake, day))


def records_hash(records: pa.Table, parsers: Mapping[str, str]) -> str:
    """Return 32 hex digits that are equal for equal records, in any order.

    `records` has `message_id`, `raw_uri` and `raw_sha256`; `parsers` says by `raw_uri` what read
    the object. The rows' 128-bit hashes are added up, so a row counts as often as it occurs.
    """
    coded = records["raw_uri"].combine_chunks().dictionary_encode()
    named = [f"{uri} {parsers.get(uri, '')}" for uri in coded.dictionary.to_pylist()]
    where = np.array([_first_number(name) for name in named], np.uint64)
    where = where[coded.indices.to_numpy()] if len(named) else where
    ids, bytes_of = Keys.of(records["message_id"]), Keys.of(records["raw_sha256"])
    high = _mixed(ids.high.view(np.uint64) + _mixed(bytes_of.high.view(np.uint64) + where))
    low = _mixed(ids.low.view(np.uint64) + _mixed(bytes_of.low.view(np.uint64) ^ where))
    total = f"{records.num_rows}:{int(high.sum())}:{int(low.sum())}"
    return hashlib.sha256(total.encode()).hexdigest()[:32]


def _first_number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finalizer of splitmix64 (Steele, Lea and Flood 2014): every bit depends on every bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _row_digests(batch: pa.RecordBatch, names: list[str]) -> list[bytes]:
    if batch.num_rows == 0 or not names:
        return []
    cells = [_named(name, _encoded(batch.column(name))) for name in names]
    rows = pc.binary_join_element_wise(*cells, pa.scalar(b"", pa.large_binary()))
    return [hashlib.sha256(row).digest() for row in rows.to_pylist()]


def _named(name: str, values: pa.Array) -> pa.Array:
    """Put the column's name before each value; a null leaves no trace in its row."""
    prefix = pa.scalar(f"{len(name)}:{name}=".encode(), pa.large_binary())
    empty = pa.scalar(b"", pa.large_binary())
    return pc.fill_null(pc.binary_join_element_wise(prefix, values, empty), empty)


def _encoded(values: pa.Array) -> pa.Array:
    """Return each value as bytes that carry their own length; null stays null."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _encoded(values.dictionary_decode())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _encoded_list(values)
    if pa.types.is_struct(kind):
        return _encoded_struct(values)
    if pa.types.is_timestamp(kind):
        # The unit is part of the layout, the instant is the value.
        values = values.cast(pa.timestamp("us", tz=kind.tz), safe=False).cast(pa.int64())
    if pa.types.is_boolean(kind):
        values = values.cast(pa.int8())
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        values = values.cast(pa.large_string())
    return _with_length(values.cast(pa.large_binary()))


def _with_length(values: pa.Array) -> pa.Array:
    length = pc.binary_length(values).cast(pa.large_string()).cast(pa.large_binary())
    return pc.binary_join_element_wise(length, values, pa.scalar(b":", pa.large_binary()))


def _encoded_struct(values: pa.StructArray) -> pa.Array:
    fields = sorted(values.type.names)
    cells = [_named(name, _encoded(pc.struct_field(values, name))) for name in fields]
    joined = pc.binary_join_element_wise(*cells, pa.scalar(b"", pa.large_binary()))
    return _with_length(pc.if_else(values.is_valid(), joined, pa.scalar(None, pa.large_binary())))


def _encoded_list(values: pa.Array) -> pa.Array:
    """A list is its length and its items, each with its own length; a null item is `~`."""
    items = pc.fill_null(_encoded(values.flatten()), pa.scalar(b"~", pa.large_binary()))
    lengths = pc.list_value_length(values).cast(pa.int64())
    offsets = pa.concat_arrays(
        [pa.array([0], pa.int64()), pc.cumulative_sum(pc.fill_null(lengths, 0))]
    )
    joined = pc.binary_join(
        pa.LargeListArray.from_arrays(offsets, items), pa.scalar(b"", pa.large_binary())
    )
    # `lengths` is null where the list is, and so is whatever it is joined to.
    counts = lengths.cast(pa.large_string()).cast(pa.large_binary())
    return _with_length(
        pc.binary_join_element_wise(counts, joined, pa.scalar(b"#", pa.large_binary()))
    )
