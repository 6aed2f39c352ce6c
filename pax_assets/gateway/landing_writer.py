"""Writing an object into landing so that it is there after a power cut, or not at all.

Readers list landing at any moment, so an object appears whole and under its final name: written
under a hidden name, synced, renamed, and the folder synced, for on a journalling file system a
rename is not durable before its folder is. On S3 an upload appears when it is complete.
"""

from __future__ import annotations

import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pyarrow import fs

from pax_assets.lake.tables import filesystem
from pax_assets.messages.message import CHANNELS

# Hidden, as landing's listing knows it; one folder a channel, so that what a crash leaves behind
# is found without looking through years of objects.
_UNFINISHED = ".gateway"
_LEFT_BEHIND_SECONDS = 600


class LandingWriter(Protocol):
    """Where objects go. Methods block, and raise `OSError` where landing cannot be written."""

    def write(self, channel: str, extension: str, data: bytes) -> str:
        """Make `data` a durable object; return its path below the landing root."""
        ...

    def probe(self) -> None:
        """Show that an object could be written now."""
        ...

    def remove_leftovers(self) -> None:
        """Remove what a gateway that was killed left half-written; nobody was told of it."""
        ...


def open_landing(root: str) -> LandingWriter:
    """Return the writer for a landing root: a directory or an `s3://` address."""
    if "://" not in root:
        return DirectoryLanding(Path(root).resolve())
    # With it a small object is one PUT; without, the three requests of an upload in parts.
    option = "&allow_delayed_open=true" if "?" in root else "?allow_delayed_open=true"
    return ObjectLanding(*filesystem(root + option))


def object_path(channel: str, extension: str, now: datetime) -> str:
    """Return `<channel>/<UTC day>/gateway-<time>-<random>.<extension>`; no two are equal."""
    name = f"gateway-{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(8)}.{extension}"
    return f"{channel}/{now:%Y-%m-%d}/{name}"


class DirectoryLanding:
    """Landing in a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, channel: str, extension: str, data: bytes) -> str:
        """Write, sync, rename, sync the folder."""
        path = object_path(channel, extension, datetime.now(UTC))
        final = self._root / path
        unfinished = self._root / channel / _UNFINISHED / f".{final.name}.tmp"
        for folder in (final.parent, unfinished.parent):
            _make_folder(folder)
        try:
            with unfinished.open("xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.rename(final)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        _sync_folder(final.parent)
        return path

    def probe(self) -> None:
        """Write and remove a hidden file in the landing root."""
        _make_folder(self._root)
        file = self._root / f".gateway-probe-{secrets.token_hex(8)}"
        try:
            with file.open("xb") as stream:
                stream.write(b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        finally:
            file.unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Remove unfinished files that no living gateway can still be writing."""
        for channel in CHANNELS:
            for file in (self._root / channel / _UNFINISHED).glob(".gateway-*.tmp"):
                if time.time() - file.stat().st_mtime > _LEFT_BEHIND_SECONDS:
                    file.unlink(missing_ok=True)


class ObjectLanding:
    """Landing in an object store."""

    def __init__(self, system: fs.FileSystem, root: str) -> None:
        self._system = system
        self._root = root

    def write(self, channel: str, extension: str, data: bytes) -> str:
        """Put one object; the store shows it when it is complete."""
        path = object_path(channel, extension, datetime.now(UTC))
        self._put(path, data)
        return path

    def probe(self) -> None:
        """Put a small hidden object, always the same."""
        self._put(".gateway-probe", b"\n")

    def remove_leftovers(self) -> None:
        """Nothing: an upload that was cut off never became an object."""

    def _put(self, path: str, data: bytes) -> None:
        with self._system.open_output_stream(f"{self._root}/{path}") as stream:
            stream.write(data)


def _make_folder(folder: Path) -> None:
    """Create `folder` and what lies above it, each entry durable."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
