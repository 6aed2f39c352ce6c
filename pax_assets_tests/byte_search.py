"""Looks for bytes in a whole lake: in every file as it lies, unpacked, and decoded.

Parquet is compressed and dictionary-encoded, so its columns are decoded and searched value by
value; gzip, zip and zstd are unpacked; everything else (Delta's log, landing, leftovers) is
searched as it is.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq


def found_in(root: Path, needles: Iterable[str | bytes]) -> dict[str, list[str]]:
    """Return, by needle, the files below `root` that hold it (in any case of ASCII letters)."""
    wanted = {n.decode() if isinstance(n, bytes) else n: _folded(n) for n in needles}
    hits: dict[str, list[str]] = {}
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        for content in _contents(file.name, file.read_bytes()):
            folded = content.lower()
            for name, needle in wanted.items():
                if needle in folded and str(file) not in hits.get(name, []):
                    hits.setdefault(name, []).append(str(file))
    return hits


def _folded(needle: str | bytes) -> bytes:
    return (needle.encode() if isinstance(needle, str) else needle).lower()


def _contents(name: str, data: bytes) -> Iterator[bytes]:
    yield data
    # The file's name is stored, too.
    yield name.encode()
    if data[:4] == b"PAR1":
        yield from _decoded(data)
    elif data[:2] == b"\x1f\x8b":
        yield from _contents("", gzip.decompress(data))
    elif data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield from _contents(member, archive.read(member))


def _decoded(data: bytes) -> Iterator[bytes]:
    file = pq.ParquetFile(io.BytesIO(data))
    rows = file.read()
    for column in rows.column_names:
        for value in rows[column].to_pylist():
            yield value if isinstance(value, bytes) else str(value).encode()
    yield str(file.metadata.metadata).encode()
    for group in range(file.metadata.num_row_groups):
        for place in range(file.metadata.num_columns):
            bounds = file.metadata.row_group(group).column(place).statistics
            if bounds is not None and bounds.has_min_max:
                yield f"{bounds.min} {bounds.max}".encode()
