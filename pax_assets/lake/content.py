"""A hash of what a table says, whatever way its rows lie in files.

Automation asks whether data changed. A Delta version answers another question: compaction and a
re-run that wrote the same rows both make a new one, and training would start for nothing. This
hash depends on the rows alone: not on their order, the files, the order of the columns, or
columns that are null throughout (a table that gained a column has not changed).
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import hashlib

import pyarrow as pa
import pyarrow.compute as pc

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
