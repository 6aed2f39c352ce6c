"""What has landed: immutable objects in the providers' own formats, by channel and day.

`<landing>/<channel>/<YYYY-MM-DD>/…/<object>` belongs to that day. Whatever else lies below
`<channel>/` has no day of its own and counts for the day on which it is first seen. Half-written
and hidden files are not objects yet: uploaders rename when they are done.

Objects are named by their path below the landing root (`sms/2026-01-05/a.json`), so that a lake
keeps its meaning when its landing folder is moved or mounted elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from pax_assets.lake.tables import filesystem, read
from pax_assets.messages.message import CHANNELS

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_CHUNK = 1024 * 1024
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload")


@dataclass(frozen=True, slots=True)
class LandedObject:
    """An object as the listing shows it; `path` is relative to the landing root."""

    path: str
    size: int
    modified_at: datetime
    day: str | None

    @property
    def etag(self) -> str:
        """Changes whenever the object was written again, with other bytes or the same."""
        return f"{self.size}-{int(self.modified_at.timestamp() * 1_000_000)}"


def dated_objects(landing: str, channel: str, day: str) -> list[LandedObject]:
    """Return the objects of `channel` that lie in the folder of `day`, by path."""
    return list(_below(landing, f"{channel}/{day}", day))


def undated_objects(landing: str, channel: str) -> list[LandedObject]:
    """Return the objects of `channel` that lie in no day's folder, by path."""
    system, root = filesystem(landing)
    found: list[LandedObject] = []
    for info in _list(system, f"{root}/{channel}", recursive=False):
        if info.type == fs.FileType.File:
            found.append(_landed(info, root, None))
        elif not is_day(info.base_name):
            found.extend(_below(landing, f"{channel}/{info.base_name}", None))
    return sorted(found, key=lambda landed: landed.path)


def objects_at(landing: str, channel: str, paths: Sequence[str]) -> list[LandedObject]:
    """Return those objects of `channel` that lie at `paths` below the landing root, by path."""
    system, root = filesystem(landing)
    wanted = sorted({path for path in paths if path.startswith(f"{channel}/")})
    found = []
    for info in system.get_file_info([f"{root}/{path}" for path in wanted]):
        if info.type == fs.FileType.File and _is_object(info, f"{root}/{channel}"):
            landed = _landed(info, root, None)
            day = landed.path.split("/")[1]
            found.append(replace(landed, day=day if is_day(day) else None))
    return found


def landing_days(lake: str, landing: str) -> list[str]:
    """Return the arrival days that have objects, in order.

    An object without a day of its own counts for the day that the ledger remembers, or for
    today if no run has seen it yet.
    """
    system, root = filesystem(landing)
    days: set[str] = set()
    for channel in CHANNELS:
        for info in _list(system, f"{root}/{channel}", recursive=False):
            if is_day(info.base_name) and any(_below(landing, f"{channel}/{info.base_name}", None)):
                days.add(info.base_name)
        undated = [landed.path for landed in undated_objects(landing, channel)]
        if undated:
            among = pc.field("path").isin(pa.array(undated, pa.string()))
            known = read(lake, "ledger", ["path", "arrival_day"], among).to_pylist()
            days.update(row["arrival_day"] for row in known)
            if {row["path"] for row in known} != set(undated):
                days.add(datetime.now(UTC).date().isoformat())
    return sorted(days)


def open_object(landing: str, path: str) -> BinaryIO:
    """Open the object at `path` below the landing root for reading; raises `OSError`."""
    if "://" not in landing:
        return open(f"{_folder(landing)}/{path}", "rb")  # noqa: PTH123 - a hot path
    system, root = filesystem(landing)
    return cast(BinaryIO, system.open_input_stream(f"{root}/{path}"))


@lru_cache(maxsize=16)
def _folder(landing: str) -> str:
    # Resolving it anew for each of a hundred thousand mails takes a tenth of reading them.
    return str(Path(landing).resolve())


def digest(landing: str, path: str) -> str:
    """Return the SHA-256 of the object at `path`, in hex; raises `OSError`."""
    total = hashlib.sha256()
    with open_object(landing, path) as stream:
        while part := stream.read(_CHUNK):
            total.update(part)
    return total.hexdigest()


def _below(landing: str, folder: str, day: str | None) -> Iterator[LandedObject]:
    system, root = filesystem(landing)
    found = [
        _landed(info, root, day)
        for info in _list(system, f"{root}/{folder}", recursive=True)
        if info.type == fs.FileType.File
    ]
    yield from sorted(found, key=lambda landed: landed.path)


def _list(system: fs.FileSystem, folder: str, *, recursive: bool) -> Iterator[fs.FileInfo]:
    selector = fs.FileSelector(folder, recursive=recursive, allow_not_found=True)
    for info in system.get_file_info(selector):
        if _is_object(info, folder):
            yield info


def _is_object(info: fs.FileInfo, folder: str) -> bool:
    return is_object(info.path[len(folder) :])


def is_object(path: str) -> bool:
    """Whether a file at `path` (below a channel's folder) is an object, by its name."""
    parts = path.strip("/").split("/")
    hidden = any(part.startswith((".", "_")) for part in parts)
    return not hidden and not parts[-1].lower().endswith(_UNFINISHED)


def _landed(info: fs.FileInfo, root: str, day: str | None) -> LandedObject:
    modified = datetime.fromtimestamp(info.mtime_ns // 1000 / 1_000_000, UTC)
    return LandedObject(info.path[len(root) :].lstrip("/"), info.size, modified, day)


def exists(landing: str) -> bool:
    """Whether there is a landing folder, or anything below the address on S3."""
    system, root = filesystem(landing)
    return system.get_file_info(root).type != fs.FileType.NotFound


def checked_day(name: str) -> str:
    """Return `name` if it is a day; raises `ValueError` for anything but YYYY-MM-DD."""
    if not is_day(name):
        raise ValueError(
            f"{name!r} is no day of arrival: give it as YYYY-MM-DD, such as 2026-01-05"
        )
    return name


def is_day(name: str) -> bool:
    """Whether a folder of this name holds the objects of a day."""
    if not _DAY.match(name):
        return False
    try:
        date.fromisoformat(name)
    except ValueError:
        return False
    return True
