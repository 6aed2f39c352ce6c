"""Artifacts on S3: uploaded whole before anybody can name them, downloaded once a machine.

S3 renames nothing, so a directory cannot be moved into place. Here a version exists when its
manifest does, which is written after all of its files; and the pointer to the current version is
replaced only by somebody who has seen the one before (a conditional put), so that of two
publishers at once neither is lost from the count.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

_CHUNK = 1 << 20
_ATTEMPTS = 12
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
# The other writer's put is not over yet (409), or it is (412).
_OVERTAKEN = frozenset({"ConditionalRequestConflict", "PreconditionFailed"})


class PointerConflict(RuntimeError):
    """Others kept publishing the same artifact; publish again."""


class ArtifactBucket:
    """The artifacts below one S3 address, with a folder on this machine that copies go to."""

    def __init__(self, address: str, cache: Path) -> None:
        bucket, _, prefix = address.removeprefix("s3://").rstrip("/").partition("/")
        self._bucket, self._prefix = bucket, prefix
        self._cache = cache / hashlib.sha256(address.rstrip("/").encode()).hexdigest()[:16]
        self._client: Any = None

    def upload(self, key: str, version: str, folder: Path) -> None:
        """Put the files of `folder` where `version` of `key` lies; those that are there stay."""
        wanted = {
            file.relative_to(folder).as_posix(): _digest(file)
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
        stored = self.manifest(key, version) or {}
        for name, digest in wanted.items():
            if stored.get(name) != digest:
                self._s3.upload_file(
                    str(folder / name), self._bucket, self._key(key, version, name)
                )
        manifest = json.dumps({"files": {**stored, **wanted}}, indent=1, sort_keys=True)
        self._put(self._key(key, f"{version}.json"), manifest)

    def manifest(self, key: str, version: str) -> dict[str, str] | None:
        """Return the files of a version with their SHA-256; None if it is not there (whole)."""
        found = self._get(self._key(key, f"{version}.json"))
        return None if found is None else json.loads(found[0])["files"]

    def current(self, key: str) -> str | None:
        """Return the version published last."""
        found = self._get(self._key(key, "current.json"))
        return None if found is None else json.loads(found[0])["version"]

    def point(self, key: str, version: str) -> None:
        """Make `version` the current one; `number` counts the publications of `key`."""
        pointer = self._key(key, "current.json")
        for _ in range(_ATTEMPTS):
            found = self._get(pointer)
            number = 1 if found is None else json.loads(found[0]).get("number", 0) + 1
            now = datetime.now(UTC).isoformat()
            body = json.dumps({"version": version, "published_at": now, "number": number})
            seen = {"IfNoneMatch": "*"} if found is None else {"IfMatch": found[1]}
            if self._put(pointer, body, **seen):
                return
        raise PointerConflict(f"{key}: others published at the same time {_ATTEMPTS} times over")

    def point_after(self, key: str, version: str, before: str | None) -> bool:
        """Make `version` the current one if `before` is (None: if none is); whether it was."""
        pointer = self._key(key, "current.json")
        for _ in range(_ATTEMPTS):
            found = self._get(pointer)
            held = {} if found is None else json.loads(found[0])
            if held.get("version") == version:
                return True  # an answer was lost on the way, and the put was sent again
            if held.get("version") != before:
                return False
            now = datetime.now(UTC).isoformat()
            number = held.get("number", 0) + 1
            body = json.dumps({"version": version, "published_at": now, "number": number})
            seen = {"IfNoneMatch": "*"} if found is None else {"IfMatch": found[1]}
            if self._put(pointer, body, **seen):
                return True
        raise PointerConflict(f"{key}: others published at the same time {_ATTEMPTS} times over")

    def versions(self, key: str) -> list[str]:
        """Return the versions whose manifests are there, the newest first."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._key(key)}/", Delimiter="/"
        )
        found = [
            (entry["LastModified"], name.removesuffix(".json"))
            for page in pages
            for entry in page.get("Contents", ())
            if (name := entry["Key"].rpartition("/")[2]).endswith(".json")
            and name != "current.json"
        ]
        return [version for _, version in sorted(found, reverse=True)]

    def text(self, key: str, version: str, name: str) -> str | None:
        """Return one file of a version; None if it is not there."""
        found = self._get(self._key(key, version, name))
        return None if found is None else found[0]

    def local(self, key: str, version: str, files: dict[str, str]) -> Path:
        """Return a folder of this machine with these files of a version, downloaded if need be.

        Several processes may ask at once. A file is looked at by its digest only where it is
        fetched: the folder's manifest says what is there.
        """
        folder = self._cache / key / version
        record = folder.parent / f".{version}.json"
        if folder.is_dir() and record.is_file() and json.loads(record.read_text()) == files:
            return folder
        aside = folder.parent / f".{version}.{uuid.uuid4().hex}"
        try:
            self._download(key, version, files, aside)
            _replace(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        written = record.with_name(f"{record.name}.{uuid.uuid4().hex}")
        written.write_text(json.dumps(files))
        written.replace(record)
        return folder

    def _download(self, key: str, version: str, files: dict[str, str], target: Path) -> None:
        for name, digest in files.items():
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{key} {version}: {name!r} is no name of a file in a folder")
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            self._s3.download_file(self._bucket, self._key(key, version, name), str(file))
            if _digest(file) != digest:
                raise OSError(
                    f"s3://{self._bucket}/{self._key(key, version, name)} is not what was "
                    f"published: materialize {key} again"
                )

    @property
    def _s3(self) -> Any:
        if self._client is None:
            from boto3.session import Session
            from botocore.config import Config

            self._client = Session().client(
                "s3",
                region_name=os.environ.get("AWS_REGION") or None,
                config=Config(retries={"mode": "standard", "total_max_attempts": 5}),
            )
        return self._client

    def _key(self, *parts: str) -> str:
        return "/".join(part for part in (self._prefix, *parts) if part)

    def _get(self, key: str) -> tuple[str, str] | None:
        """Return an object's text and its ETag; None if there is none."""
        from botocore.exceptions import ClientError

        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return None
            raise
        return answer["Body"].read().decode(), answer["ETag"]

    def _put(self, key: str, body: str, **condition: str) -> bool:
        """Write an object; False if the condition does not hold (any more)."""
        from botocore.exceptions import ClientError

        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body.encode(), **condition)
        except ClientError as error:
            if condition and error.response["Error"]["Code"] in {*_ABSENT, *_OVERTAKEN}:
                return False
            raise
        return True


def _digest(file: Path) -> str:
    total = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


def _replace(aside: Path, folder: Path) -> None:
    """Move a folder into place; one that is there gets the files one by one, each whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.exists():
        try:
            aside.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        else:
            return
    for file in _files(aside):
        target = folder / file.relative_to(aside)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)


def _files(folder: Path) -> Iterable[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]
