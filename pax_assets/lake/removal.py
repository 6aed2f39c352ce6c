"""Takes rows out of a table, file by file: only files that hold such a row are written anew.

`commit.filter_partition` reads a whole partition at once. Erasing a person, or exchanging what one
object gave, touches few files of many, and one of them fits into memory where a day may not.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pax_assets.lake import commit, tables

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from pax_assets.lake.snapshots import Snapshot

# Says of each row of a table whether it goes (a boolean array without nulls).
Doomed = Callable[[pa.Table], pa.Array | pa.ChunkedArray]


@dataclass
class Removal:
    """The change that takes rows out of a snapshot; `rows` of them, by partition value."""

    add: list[commit.DataFile] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    rows: int = 0
    partitions: dict[str, int] = field(default_factory=dict)


def without(
    lake: str,
    table: str,
    snapshot: DeltaTable,
    columns: Sequence[str],
    doomed: Doomed,
    *,
    days: Collection[str] | None = None,
    write: bool = True,
) -> Removal:
    """Return what to commit so that the rows that are `doomed` are not in the table any more.

    `doomed` is shown `columns` of one file at a time, of the `days` only (of the partition column
    `arrival_day`), if given. With `write` false nothing is written: the rows are counted.
    """
    found = Removal()
    for file in stored_files(snapshot):
        if days is not None and file.partition["arrival_day"] not in days:
            continue
        gone = doomed(file.read(lake, table, columns))
        count = pc.sum(gone).as_py() or 0
        if not count:
            continue
        found.rows += count
        found.remove.append(file.path)
        for value in list(file.partition.values())[:1]:
            found.partitions[value] = found.partitions.get(value, 0) + count
        if write:
            kept = file.read(lake, table, None).filter(pc.invert(gone))
            found.add += commit.write(lake, table, kept)
    return found


def of_objects(uris: Iterable[str]) -> Doomed:
    """Doom the rows of these landed objects; needs the column `raw_uri`."""
    wanted = pa.array(sorted(uris), pa.string())
    return lambda rows: pc.is_in(rows["raw_uri"].cast(pa.string()), wanted)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A data file of a snapshot, as the log names it."""

    path: str
    partition: Mapping[str, str]

    def read(self, lake: str, table: str, columns: Sequence[str] | None) -> pa.Table:
        """Read the file, with its partition columns; `columns` that it lacks are null."""
        system, root = tables.filesystem(tables.location(lake, table))
        with system.open_input_file(f"{root}/{unquote(self.path)}") as stream:
            file = pq.ParquetFile(stream)
            inside = file.schema_arrow.names
            rows = file.read(None if columns is None else [c for c in columns if c in inside])
            count = file.metadata.num_rows
        for name in columns or ():
            if name not in inside and name not in self.partition:
                rows = rows.append_column(name, pa.nulls(count, pa.string()))
        for key, value in self.partition.items():
            if key not in rows.column_names:
                rows = rows.append_column(key, pa.repeat(pa.scalar(value, pa.string()), count))
        return rows


def stored_files(snapshot: Snapshot) -> Iterator[StoredFile]:
    """Yield the data files of a snapshot."""
    keys = snapshot.metadata().partition_columns
    for row in pa.table(snapshot.get_add_actions(flatten=True)).to_pylist():
        yield StoredFile(row["path"], {key: row[f"partition.{key}"] for key in keys})
