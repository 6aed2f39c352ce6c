"""Folders on S3, or on a disk that all nodes share, reached with pyarrow alone.

A training node has no AWS SDK: torch's image is large enough, and pyarrow brings an S3 client. What
pyarrow raises is one `OSError` for everything; a node that takes a missing permission for a lost
connection is started again and again. So errors are sorted here: missing, refused, come again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from pyarrow import fs

_CHUNK = 8 << 20
_ATTEMPTS = 10
_CONNECT_SECONDS = 10
_REFUSED = (
    "ACCESS_DENIED",
    "EXPIRED_TOKEN",
    "HTTP status 401",
    "HTTP status 403",
    "INVALID_ACCESS_KEY_ID",
    "INVALID_CLIENT_TOKEN_ID",
    "NO_SUCH_BUCKET",
    "SIGNATURE_DOES_NOT_MATCH",
    "UNRECOGNIZED_CLIENT",
)


class StorageError(RuntimeError):
    """A folder could not be read or written; the message names it. Trying again may help."""


class StorageRefused(StorageError):
    """Trying again will not help: no permission, no such bucket, wrong content."""


class StorageMissing(StorageRefused):
    """The file is not there."""


class DiskFull(StorageRefused):
    """This machine's disk is full."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds: its size in bytes and its SHA-256 (hex)."""

    bytes: int
    sha256: str


Contents = Mapping[str, Content]


class Folder:
    """A folder at an `s3://` address or a path; names in it are relative, with slashes."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._system, self._root = _filesystem(address)
        self._local = isinstance(self._system, fs.LocalFileSystem)

    def child(self, name: str) -> Folder:
        """Return a folder in this one; it need not be there."""
        return Folder(f"{self.address}/{name}")

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        with self._reached(name, "read"), self._system.open_input_stream(self._path(name)) as file:
            return file.read()

    def write(self, name: str, data: bytes) -> None:
        """Write a file, which appears whole."""
        with (
            self._reached(name, "write"),
            self._appearing(name) as path,
            self._system.open_output_stream(path) as file,
        ):
            file.write(data)

    def put(self, name: str, source: Path) -> Content:
        """Copy a file of this machine here; return what it held."""
        digest, size = hashlib.sha256(), 0
        with (
            self._reached(name, "write"),
            source.open("rb") as reading,
            self._appearing(name) as path,
            self._system.open_output_stream(path) as file,
        ):
            while chunk := reading.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
        return Content(size, digest.hexdigest())

    def get(self, name: str, target: Path, content: Content | None = None) -> None:
        """Copy a file to this machine. Raises `StorageRefused` where it is not `content`."""
        digest = hashlib.sha256()
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            self._reached(name, "read"),
            self._system.open_input_stream(self._path(name)) as file,
            target.open("wb") as writing,
        ):
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                writing.write(chunk)
        if content is not None and digest.hexdigest() != content.sha256:
            raise StorageRefused(f"{self.address}/{name} is not what was put there")

    def sizes(self) -> dict[str, int]:
        """Return all files below this folder, by name, with their sizes in bytes."""
        chosen = fs.FileSelector(self._root, allow_not_found=True, recursive=True)
        with self._reached("", "list"):
            found = self._system.get_file_info(chosen)
        files = (info for info in found if info.type == fs.FileType.File)
        return {info.path[len(self._root) + 1 :]: info.size for info in files}

    def remove(self, *names: str) -> None:
        """Delete files; those that are gone already stay so."""
        for name in names:
            try:
                with self._reached(name, "delete"):
                    self._system.delete_file(self._path(name))
            except StorageMissing:
                continue

    def remove_folder(self, name: str) -> None:
        """Delete a folder in this one with all that is in it, if it is there."""
        try:
            with self._reached(name, "delete"):
                self._system.delete_dir(self._path(name))
        except StorageMissing:
            return

    def _path(self, name: str) -> str:
        parts = PurePosixPath(name)
        if not name or parts.is_absolute() or ".." in parts.parts:
            raise StorageRefused(f"{self.address}: {name!r} is no name of a file in a folder")
        return f"{self._root}/{name}"

    @contextmanager
    def _appearing(self, name: str) -> Iterator[str]:
        """Yield where to write, so that nobody finds half of it. On S3 a put is whole anyway."""
        path = self._path(name)
        if not self._local:
            yield path
            return
        self._system.create_dir(path.rpartition("/")[0], recursive=True)
        draft = f"{path.rpartition('/')[0]}/.{uuid.uuid4().hex}"
        yield draft
        self._system.move(draft, path)

    @contextmanager
    def _reached(self, name: str, verb: str) -> Iterator[None]:
        where = f"{self.address}/{name}".rstrip("/")
        try:
            yield
        except FileNotFoundError as error:
            raise StorageMissing(f"{where} does not exist") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(f"the disk of this machine is full ({where})") from error
            words = " ".join(str(error).split())
            refused = isinstance(error, PermissionError) or any(w in words for w in _REFUSED)
            if refused:
                raise StorageRefused(
                    f"may not {verb} {where}: {words}. Give the role that this machine runs as "
                    "that permission (s3:GetObject, s3:PutObject, s3:DeleteObject, s3:ListBucket)"
                ) from error
            raise StorageError(f"could not {verb} {where}: {words}") from error


def contents(folder: Path, patterns: Sequence[str] = ("**/*",)) -> dict[str, Content]:
    """Return the files of a folder of this machine that match, by name."""
    found = {}
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[path.relative_to(folder).as_posix()] = Content(path.stat().st_size, digest)
    return found


def _filesystem(address: str) -> tuple[fs.FileSystem, str]:
    scheme, found, rest = address.partition("://")
    if not found:
        return fs.LocalFileSystem(), str(Path(address).absolute())
    if scheme != "s3" or not rest.strip("/"):
        raise StorageRefused(f"{address!r} is neither a path nor s3://<bucket>/<folder>")
    return _s3(rest.partition("/")[0]), rest.rstrip("/")


@cache
def _s3(bucket: str) -> fs.FileSystem:
    """Return the client for a bucket: credentials of the environment, the pod or the instance."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    other = {}
    if endpoint:
        parts = urlsplit(endpoint)
        other = {"scheme": parts.scheme, "endpoint_override": parts.netloc}
    elif not region:
        with _known(bucket):
            region = fs.resolve_s3_region(bucket)
    return fs.S3FileSystem(
        region=region,
        connect_timeout=_CONNECT_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        **other,
    )


@contextmanager
def _known(bucket: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"the region of the bucket {bucket} could not be found out ({error}): set AWS_REGION"
        ) from error
