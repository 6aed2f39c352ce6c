"""Directories that an asset produces (datasets, models, ONNX graphs), kept by content.

A model overwritten in place cannot be rolled back to, and a reader may see half of it. Here a
directory is named after a hash of its content, written aside and moved into place, and a small
pointer file says which one is current. Publishing the same content twice changes nothing.

Of a lake on S3, whoever asks for an artifact gets a folder of this machine all the same: what
reads models and datasets reads files.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pax_assets.lake.artifact_bucket import ArtifactBucket

_CHUNK = 1 << 20


class MissingArtifact(FileNotFoundError):
    """An artifact that was never published; the message names the asset to materialize."""


class Overtaken(RuntimeError):
    """Somebody else published since; look at what is current now, and decide again."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A published directory: `version` is the hash of its identity files (32 hex digits)."""

    key: str
    version: str
    path: Path


def directory_hash(folder: Path, identity: Sequence[str] = ("**/*",)) -> str:
    """Hash names and bytes of the files that match the glob patterns `identity`.

    Raises `ValueError` when nothing matches: a version of nothing would name everything.
    """
    files = sorted({f for pattern in identity for f in folder.glob(pattern) if f.is_file()})
    if not files:
        raise ValueError(f"{folder} holds no file that matches {', '.join(identity)}")
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        digest.update(b"\0")
    return digest.hexdigest()[:32]


class ArtifactStore:
    """The artifacts of one lake, below `<lake>/<key>/<version>/`.

    `cache` is a folder of this machine for copies of what lies on S3.
    """

    def __init__(self, lake: str, cache: str = "~/.cache/pax") -> None:
        self._lake = lake
        self._root = Path(lake)
        self._bucket: ArtifactBucket | None = None
        if "://" in lake:
            from pax_assets.lake.artifact_bucket import ArtifactBucket

            self._bucket = ArtifactBucket(lake, Path(cache).expanduser() / "artifacts")

    def publish(self, key: str, folder: Path, identity: Sequence[str] = ("**/*",)) -> Artifact:
        """Copy `folder` into the store and make it the current artifact of `key`.

        `identity` are the glob patterns of the files that make the version: leave out those
        that differ between equal results, such as timings and lineage. If that version is
        already there, its files are replaced only where they are not part of its identity.
        """
        version = directory_hash(folder, identity)
        if self._bucket is not None:
            self._bucket.upload(key, version, folder)
            self._bucket.point(key, version)
            return self.version(key, version)
        self._store(key, version, folder)
        self._point(key, version)
        return Artifact(key, version, self._root / key / version)

    def publish_after(self, key: str, folder: Path, before: str | None) -> Artifact:
        """As `publish`, but only if `before` still is current (None: there is none yet).

        All files make the version. Raises `Overtaken` where another artifact became current
        meanwhile: then this one is stored, and nobody is pointed to it.
        """
        version = directory_hash(folder)
        if self._bucket is not None:
            self._bucket.upload(key, version, folder)
            if not self._bucket.point_after(key, version, before):
                raise Overtaken(f"{key}: another version became current after {before}")
            return self.version(key, version)
        self._store(key, version, folder)
        with self._locked(key):
            if self._current(key) != before:
                raise Overtaken(f"{key}: another version became current after {before}")
            self._point(key, version)
        return Artifact(key, version, self._root / key / version)

    def _store(self, key: str, version: str, folder: Path) -> None:
        target = self._root / key / version
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.parent / f".{version}.{uuid.uuid4().hex}"
        shutil.copytree(folder, aside)
        if target.exists():
            for file in (f for f in aside.rglob("*") if f.is_file()):
                destination = target / file.relative_to(aside)
                destination.parent.mkdir(parents=True, exist_ok=True)
                file.replace(destination)
            shutil.rmtree(aside)
        else:
            aside.rename(target)

    def current(self, key: str) -> Artifact:
        """The artifact published last; `MissingArtifact` when there is none."""
        if self._bucket is not None:
            current = self._bucket.current(key)
            if current is None:
                raise MissingArtifact(
                    f"there is no {key} in the lake {self._lake}: materialize the asset {key} first"
                )
            return self.version(key, current)
        version = self._current(key)
        if version is None:
            raise MissingArtifact(
                f"there is no {key} in the lake {self._root}: materialize the asset {key} first"
            )
        path = self._root / key / version
        if not path.is_dir():
            raise MissingArtifact(
                f"{self._pointer(key)} names version {version}, but {path} is gone: "
                f"materialize {key} again"
            )
        return Artifact(key, version, path)

    def version(self, key: str, version: str) -> Artifact:
        """A former artifact of `key`; `MissingArtifact` when it is not in the store."""
        if self._bucket is not None:
            files = self._bucket.manifest(key, version)
            if files is None:
                raise MissingArtifact(f"the lake {self._lake} holds no version {version} of {key}")
            return Artifact(key, version, self._bucket.local(key, version, files))
        path = self._root / key / version
        if not path.is_dir():
            raise MissingArtifact(f"the lake {self._root} holds no version {version} of {key}")
        return Artifact(key, version, path)

    def versions(self, key: str) -> list[str]:
        """Return the versions of `key` that are in the store, the newest first."""
        if self._bucket is not None:
            return self._bucket.versions(key)
        folders = [f for f in (self._root / key).glob("[!.]*") if f.is_dir()]
        return [f.name for f in sorted(folders, key=lambda f: (-f.stat().st_mtime, f.name))]

    def text(self, key: str, version: str, name: str) -> str:
        """Return one file of an artifact, without fetching the others; `MissingArtifact`."""
        if self._bucket is not None:
            found = self._bucket.text(key, version, name)
        else:
            file = self._root / key / version / name
            found = file.read_text(encoding="utf-8") if file.is_file() else None
        if found is None:
            raise MissingArtifact(
                f"the lake {self._lake} holds no {name} of version {version} of {key}"
            )
        return found

    def _pointer(self, key: str) -> Path:
        return self._root / key / "current.json"

    def _current(self, key: str) -> str | None:
        try:
            return json.loads(self._pointer(key).read_text())["version"]
        except FileNotFoundError:
            return None

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Keep others on this machine from pointing at the same time."""
        with (self._root / key / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _point(self, key: str, version: str) -> None:
        pointer = self._pointer(key)
        aside = pointer.with_name(f".current.{uuid.uuid4().hex}")
        aside.write_text(
            json.dumps({"version": version, "published_at": datetime.now(UTC).isoformat()})
        )
        aside.replace(pointer)
