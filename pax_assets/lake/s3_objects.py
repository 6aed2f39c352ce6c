"""Fetching the S3 objects that a notification names instead of holding them.

Amazon SES stores larger mails in a bucket and announces where. The parsers know no network, so
they are handed a function (`ParseOptions.fetch`), and this is the one for real S3. The name of the
object comes out of a landed record: whoever can write to landing could have any object read into
the lake that these credentials can read. So the bucket's name is checked, the allowed buckets can
be named, and an object above the bound of a record is refused before any of it is read.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from functools import lru_cache, partial

import pyarrow as pa
from pyarrow import fs

from pax_assets.lake.tables import filesystem, storage_options
from pax_assets.messages.arrival import MAX_RECORD_BYTES

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")


def fetch_from(buckets: str) -> Callable[[str, str], bytes] | None:
    """Return `fetch` for a setting that names buckets, separated by commas; None where it is blank.

    Worker processes can receive what it returns, like a function. Raises `ValueError` for what
    is no bucket's name.
    """
    names = tuple(name.strip() for name in buckets.split(",") if name.strip())
    for name in names:
        if not _BUCKET.match(name):
            raise ValueError(f"{name!r} is no name of an S3 bucket; give names without s3://")
    return partial(fetch, buckets=names) if names else None


def fetch(bucket: str, key: str, *, buckets: tuple[str, ...] = ()) -> bytes:
    """Return the object `key` of `bucket`, on AWS or on the store at `AWS_ENDPOINT_URL`.

    `buckets` are those that may be read, all where it is empty. Raises `OSError`: with
    `errno.EACCES` for another bucket, `errno.EINVAL` for a name that S3 does not have,
    `errno.EFBIG` for an object above `MAX_RECORD_BYTES`, `FileNotFoundError` where there is none.
    """
    place = f"s3://{bucket}/{key}"
    if not _BUCKET.match(bucket) or not key:
        raise OSError(errno.EINVAL, "not the name of an S3 object", place)
    if buckets and bucket not in buckets:
        raise PermissionError(errno.EACCES, f"only {', '.join(buckets)} may be read", place)
    try:
        system = _filesystem(bucket, tuple(sorted((storage_options(place) or {}).items())))
        with system.open_input_file(f"{bucket}/{key}") as stream:
            if stream.size() > MAX_RECORD_BYTES:
                raise OSError(errno.EFBIG, f"more than {MAX_RECORD_BYTES} bytes", place)
            return stream.read()
    except pa.ArrowInvalid as error:
        raise OSError(errno.EINVAL, "not the name of an S3 object", place) from error


@lru_cache(maxsize=16)
def _filesystem(bucket: str, _environment: tuple[tuple[str, str], ...]) -> fs.FileSystem:
    """Return a bucket's filesystem; opening one may ask the network for the bucket's region."""
    return filesystem(f"s3://{bucket}")[0]
