"""The public way into the lake: what people read with, and what it says to them when it cannot.

PAX's own code reads through `lake.tables`, where a table that nobody has written yet is empty: a
fresh lake is normal to it. A person who mistyped the lake's address would take that for a lake
without messages, and a library's traceback for a fault of PAX.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake.exceptions import DeltaError
from pyarrow import fs

from pax_assets.lake import tables
from pax_assets.lake.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow.dataset as ds

_MISSING_FIELD = re.compile(r"No match for FieldRef\.Name\((.*?)\)")
# deltalake draws its chain of causes over several lines, in colours.
_DRAWN = re.compile(r"\x1b\[[0-9;]*m|↳")
_LONGEST_CAUSE = 400


class NoSuchLake(LookupError):
    """A folder, or an address on S3, at which there is nothing."""


class NoSuchColumn(LookupError):
    """A column that the table does not have; the message lists those that it has."""


class NoSuchVersion(LookupError):
    """A version that the table never had, or that cannot be read any more."""


class LakeUnreachable(OSError):
    """A lake on S3 that does not answer, or refuses to."""


def read(
    lake: str,
    table: str,
    columns: list[str] | None = None,
    filter: ds.Expression | None = None,  # noqa: A002
    *,
    version: int | None = None,
) -> pa.Table:
    """Read `table` as Arrow: the given columns of the rows that `filter` keeps.

    A filter on the partition column (`arrival_day`) opens only those partitions' files. `version`
    reads the table as it was. Rows come in no particular order. Timestamps are microseconds UTC.

    A table of PAX that was never built gives no rows, if the lake is there. Raises `NoSuchLake`,
    `tables.UnknownTable`, `NoSuchColumn`, `NoSuchVersion`, and `LakeUnreachable` where S3 does
    not answer.
    """
    if isinstance(columns, str):
        raise TypeError(f"columns is a list of names, such as [{columns!r}], and not one name")
    try:
        rows = tables.read(lake, table, columns, filter, version=version)
        if rows.num_rows == 0 and not tables.exists(lake, table):
            require_lake(lake)
            _require_no_version(lake, table, version)
    except (pa.ArrowInvalid, KeyError) as error:
        _require_columns(lake, table, columns, error, version)
        raise
    except tables.UnknownTable:
        require_lake(lake)
        raise
    except (DeltaError, OverflowError, OSError) as error:
        if isinstance(error, OSError) and "://" in lake and not _is_gone(error):
            raise _no_answer(lake, error) from None
        _require_version(lake, table, version)
        raise
    return rows


def require_lake(lake: str) -> None:
    """Raise `NoSuchLake` where there is neither a folder `lake` nor anything below that address."""
    system, root = tables.filesystem(lake)
    if system.get_file_info(root).type == fs.FileType.NotFound:
        raise _no_lake(lake) from None


def _no_lake(lake: str) -> NoSuchLake:
    kind = "below the address" if "://" in lake else "in the folder"
    return NoSuchLake(
        f"there is no lake {kind} {lake!r}: name the one that PAX_LAKE names; it comes into "
        "being when the first asset is materialized"
    )


def _require_no_version(lake: str, table: str, version: int | None) -> None:
    if version is not None:
        raise NoSuchVersion(
            f"{table} has no version {version}: it was never built in the lake {lake!r}; "
            "materialize the asset of that name first"
        )


def _require_columns(
    lake: str,
    table: str,
    columns: Sequence[str] | None,
    error: Exception,
    version: int | None,
) -> None:
    snapshot = tables.at(lake, table, version)
    there = SCHEMAS[table].names if snapshot is None else [f.name for f in snapshot.schema().fields]
    absent = [name for name in columns or () if name not in there]
    # A filter does not tell its columns; the engine's message does.
    absent += [n for n in _MISSING_FIELD.findall(str(error)) if n not in (*there, *absent)]
    if absent:
        of = table if version is None else f"{table}, version {version},"
        raise NoSuchColumn(
            f"{of} has no column {', '.join(absent)}; it has {', '.join(there)}"
        ) from None


def _require_version(lake: str, table: str, version: int | None) -> None:
    newest = None if version is None else tables.version(lake, table)
    if version is None or newest is None:
        return
    if not 0 <= version <= newest:
        raise NoSuchVersion(
            f"{table} has no version {version}; its versions are 0 to {newest}"
        ) from None
    raise NoSuchVersion(
        f"version {version} of {table} cannot be read any more: files of it were deleted, by "
        f"maintenance (PAX_VACUUM_HOURS) or because a person was erased; the newest is {newest}"
    ) from None


def _is_gone(error: OSError) -> bool:
    """Whether a file is missing from a store that does answer."""
    return isinstance(error, FileNotFoundError)


def _no_answer(lake: str, error: OSError) -> NoSuchLake | LakeUnreachable:
    if "NoSuchBucket" in str(error):
        return _no_lake(lake)
    given = os.environ.get
    endpoint = given("AWS_ENDPOINT_URL")
    lacking = [n for n in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if not given(n)]
    advice = [f"the store is {endpoint} (AWS_ENDPOINT_URL)" if endpoint else "the store is AWS"]
    advice += [f"{', '.join(lacking)} not set"] if lacking else []
    advice += [] if given("AWS_REGION") else ["AWS_REGION not set"]
    cause = " ".join(_DRAWN.sub(" ", str(error)).split())[:_LONGEST_CAUSE]
    return LakeUnreachable(
        f"the lake {lake!r} cannot be read: check its address, the credentials and the store "
        f"({'; '.join(advice)}). The store's client says: {cause}"
    )
