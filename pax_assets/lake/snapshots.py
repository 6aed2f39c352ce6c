"""Snapshots of tables, and those that this process keeps for whoever reads next.

Opening a table lists its log and reads a checkpoint and some commits: milliseconds on a disk, many
requests on S3, more as the table grows. A day's ingest looks at the same few tables a hundred
times, so readers share the newest snapshot until a look at the log says that there is a newer one.
Writers never do: a commit moves the snapshot that it is made on, under everyone who holds it.
"""

# ruff: noqa: D102 - the methods of `Snapshot` are those of `DeltaTable`.
from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from pyarrow import fs

if TYPE_CHECKING:
    from deltalake import Metadata, Schema

# A lake has some twenty tables.
_MOST = 64
# Commits before the last checkpoint may be deleted, and a snapshot still asks for them.
_CHECKPOINT = "_last_checkpoint"
_HEAD = 512


class Snapshot(Protocol):
    """What readers may ask of a table as it was at one version: all but changing it."""

    def version(self) -> int: ...
    def transaction_version(self, app_id: str) -> int | None: ...
    def metadata(self) -> Metadata: ...
    def schema(self) -> Schema: ...
    def get_add_actions(self, flatten: bool = False) -> Any: ...
    def file_uris(self, *, file_pruning_predicate: Any = None) -> list[str]: ...


class SharedSnapshot:
    """A snapshot that many ask the same of: it goes to the log once for each question.

    `derived` is for what readers make of it, by a name of their own.
    """

    def __init__(self, table: DeltaTable) -> None:
        self.version = table.version
        self.metadata = cache(table.metadata)
        self.schema = cache(table.schema)
        self.get_add_actions = cache(table.get_add_actions)
        self.transaction_version = cache(table.transaction_version)
        self.file_uris = table.file_uris
        self.derived: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class _Kept:
    snapshot: SharedSnapshot
    stamp: object


_kept: OrderedDict[object, _Kept] = OrderedDict()
_lock = threading.Lock()


def opened(
    address: str, options: Mapping[str, str] | None, version: int | None = None
) -> DeltaTable | None:
    """Return a snapshot (the newest, or `version`) of one's own, or None if there is no table."""
    try:
        return DeltaTable(
            address, version=version, storage_options=dict(options) if options else None
        )
    except TableNotFoundError:
        return None


def newest(address: str, options: Mapping[str, str] | None) -> Snapshot | None:
    """Return the newest snapshot, shared with other readers; None if there is no table."""
    # Other credentials may see another store.
    key = (address, tuple(sorted((options or {}).items())))
    with _lock:
        kept = _kept.get(key)
    if kept is not None and kept.stamp == _stamp(address, kept.snapshot.version()):
        return kept.snapshot
    table = opened(address, options)
    snapshot = None if table is None else SharedSnapshot(table)
    stamp = None if snapshot is None else _stamp(address, snapshot.version())
    with _lock:
        _kept.pop(key, None)
        if snapshot is not None and stamp is not None:
            _kept[key] = _Kept(snapshot, stamp)
            while len(_kept) > _MOST:
                _kept.popitem(last=False)
    return snapshot


def _stamp(address: str, version: int) -> object | None:
    """Return what tells the commit of `version` from another one's, if it is the newest.

    A table that was removed and made again may have come to the same version.
    """
    log = f"{address}/_delta_log"
    name, following = (f"{number:020}.json" for number in (version, version + 1))
    if "://" not in log:
        try:
            found = Path(log, name).stat()
        except FileNotFoundError:
            return None
        if Path(log, following).exists():
            return None
        try:
            checkpoint = Path(log, _CHECKPOINT).stat().st_mtime_ns
        except FileNotFoundError:
            checkpoint = 0
        return found.st_ino, found.st_mtime_ns, checkpoint
    system, folder = fs.FileSystem.from_uri(log)
    paths = [f"{folder}/{part}" for part in (name, following, _CHECKPOINT)]
    last, later, checkpoint = system.get_file_info(paths)
    if last.type == fs.FileType.NotFound or later.type != fs.FileType.NotFound:
        return None
    # Times have whole seconds there; a commit begins with its own, in milliseconds.
    with system.open_input_file(paths[0]) as commit:
        head = commit.read(_HEAD)
    return last.size, last.mtime_ns, head, checkpoint.mtime_ns
