"""Listing landing piece by piece, so that looking at it takes as long as its caller has time for.

A listing that must be complete before its first object is seen takes minutes in a folder of a
million objects, and whoever has a minute for all he does never gets to the end. Here objects come
in pages, in the store's own order (that of the paths), and a listing goes on after any object.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pax_assets.lake.landing import LandedObject, is_day, is_object, objects_at
from pax_assets.lake.tables import filesystem

# What S3 lists at once.
PAGE = 1_000
# Sorts after every path of a folder.
_LAST = "\U0010ffff"


def dated_pages(
    landing: str, channel: str, day: str, after: str = ""
) -> Iterator[list[LandedObject]]:
    """Yield the objects in the folder of `day`, those that are listed after `after` (a path).

    A page has up to `PAGE` objects, and may have none. Raises `OSError`.
    """
    folder = f"{channel}/{day}"
    if "://" in landing:
        yield from _keys(landing, f"{folder}/", after, day)
    else:
        yield from _files(landing, channel, _names(_root(landing), folder), after)


def undated_pages(landing: str, channel: str, after: str = "") -> Iterator[list[LandedObject]]:
    """Yield the objects of `channel` that lie in no day's folder; otherwise as `dated_pages`."""
    if "://" in landing:
        yield from _undated_keys(landing, channel, after)
    else:
        names = _names(_root(landing), channel, with_days=False)
        yield from _files(landing, channel, names, after)


def _root(landing: str) -> str:
    return filesystem(landing)[1]


def _files(
    landing: str, channel: str, names: Iterator[str], after: str
) -> Iterator[list[LandedObject]]:
    """Names are had for little, sizes and times are not: only the page's files are asked."""
    ordered = sorted(names)
    start = bisect_right(ordered, after)
    for first in range(start, len(ordered), PAGE):
        yield objects_at(landing, channel, ordered[first : first + PAGE])


def _names(root: str, folder: str, *, with_days: bool = True) -> Iterator[str]:
    try:
        entries = os.scandir(Path(root, folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.name.startswith((".", "_")):
                continue
            path = f"{folder}/{entry.name}"
            if not entry.is_dir():
                yield path
            elif with_days or not is_day(entry.name):
                yield from _names(root, path)


def _keys(
    landing: str, prefix: str, after: str, day: str | None = None
) -> Iterator[list[LandedObject]]:
    """List the keys below `prefix`, all levels of it."""
    bucket, root = _bucket(landing)
    # What a store says for an empty `StartAfter` differs between stores.
    start = {"StartAfter": f"{root}{after}"} if after else {}
    for page in _listing(Bucket=bucket, Prefix=f"{root}{prefix}", **start):
        yield [
            _landed(item, root, day)
            for item in page.get("Contents", ())
            # Consoles make empty objects that stand for folders.
            if not item["Key"].endswith("/") and is_object(item["Key"][len(root) + len(prefix) :])
        ]


def _undated_keys(landing: str, channel: str, after: str) -> Iterator[list[LandedObject]]:
    bucket, root = _bucket(landing)
    inside = after.partition("/")[2].rpartition("/")[0]
    if inside:
        # The last look ended within a folder; first the rest of that.
        folder = f"{channel}/{inside.partition('/')[0]}/"
        yield from _keys(landing, folder, after)
        after = folder + _LAST
    start = {"StartAfter": f"{root}{after}"} if after else {}
    for page in _listing(Bucket=bucket, Prefix=f"{root}{channel}/", Delimiter="/", **start):
        found = [
            (item["Key"], item)
            for item in page.get("Contents", ())
            if not item["Key"].endswith("/") and is_object(item["Key"].rpartition("/")[2])
        ]
        found += [(item["Prefix"], None) for item in page.get("CommonPrefixes", ())]
        held: list[LandedObject] = []
        for key, item in sorted(found, key=lambda pair: pair[0]):
            if item is not None:
                held.append(_landed(item, root, None))
                continue
            name = key.rstrip("/").rpartition("/")[2]
            if is_day(name) or name.startswith((".", "_")):
                continue
            yield held
            held = []
            yield from _keys(landing, key[len(root) :], "")
        yield held


def _landed(item: dict[str, Any], root: str, day: str | None) -> LandedObject:
    return LandedObject(item["Key"][len(root) :], item["Size"], item["LastModified"], day)


def _bucket(landing: str) -> tuple[str, str]:
    """Return the bucket and what all keys of the landing root begin with, "" or "a/b/"."""
    path = filesystem(landing)[1]
    bucket, _, root = path.partition("/")
    return bucket, f"{root.rstrip('/')}/" if root else ""


def _listing(**request: Any) -> Iterator[dict[str, Any]]:
    # pyarrow lists a prefix from its beginning to its end, or not at all.
    try:
        import boto3
    except ImportError as error:
        raise RuntimeError(
            "watching a landing folder on S3 needs boto3: pip install 'pax-assets[aws]'"
        ) from error

    client = boto3.client("s3", region_name=os.environ.get("AWS_REGION") or None)
    yield from client.get_paginator("list_objects_v2").paginate(**request)
