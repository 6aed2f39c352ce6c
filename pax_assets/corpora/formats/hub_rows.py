"""Rows of words and tags out of the files in which the hub keeps data sets: Parquet and JSON.

Tags are often numbers. Their names stand in a Parquet file's metadata, in the form in which
`datasets` writes a schema, or nowhere; a number without a name is refused, since one taken for
another is a label that is wrong everywhere.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from pax_assets.corpora.errors import CorpusError

_TOKENS = ("tokens", "words")
_TAGS = ("ner_tags", "ner", "tags", "labels")
_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which columns to read (empty: the usual ones) and what numbered tags are called."""

    tokens_column: str
    tags_column: str
    group_column: str
    label_names: tuple[str, ...]


class Row(NamedTuple):
    """A row of words and as many tags; `where` names it in errors."""

    where: str
    words: Sequence[str]
    tags: Sequence[str]
    group: str | None


def rows_of(options: Wanted, place: str, path: Path) -> Iterator[Row]:
    """Yield the rows of a file, checked: as many tags as words."""
    if path.suffix == ".parquet":
        columns, names, rows = _parquet(options, place, path)
    else:
        columns, names, rows = _json(options, place, path)
    class_names = options.label_names or names.get(columns.tags, ())
    for number, row in enumerate(rows, start=1):
        where = f"{place}, row {number}"
        words, tags = row.get(columns.tokens), row.get(columns.tags)
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise CorpusError(f"{where}: {columns.tokens} is no list of texts")
        if not isinstance(tags, list) or len(tags) != len(words):
            count = len(tags) if isinstance(tags, list) else "no list of"
            raise CorpusError(f"{where}: {len(words)} words and {count} tags ({columns.tags})")
        group = row.get(options.group_column) if options.group_column else None
        yield Row(
            where,
            words,
            [_tag(where, columns.tags, tag, class_names) for tag in tags],
            None if group is None else str(group),
        )


def _tag(where: str, column: str, tag: object, names: Sequence[str]) -> str:
    if isinstance(tag, str):
        return tag
    if not isinstance(tag, int) or isinstance(tag, bool):
        raise CorpusError(f"{where}: the tag {tag!r} of {column} is no name and no number")
    if not names:
        raise CorpusError(
            f"{where}: the tags of {column} are numbers, and the file does not name them; give "
            "their names as label_names, in the order of the numbers"
        )
    # Numbers below 0 mean that the label is withheld.
    if not 0 <= tag < len(names):
        raise CorpusError(f"{where}: the tag {tag} of {column} is none of {len(names)} names")
    return names[tag]


class _Columns(NamedTuple):
    tokens: str
    tags: str

    @classmethod
    def of(cls, options: Wanted, place: str, there: Sequence[str]) -> _Columns:
        found = []
        for option, given, usual in (
            ("tokens_column", options.tokens_column, _TOKENS),
            ("tags_column", options.tags_column, _TAGS),
        ):
            names = [name for name in ((given,) if given else usual) if name in there]
            if not names:
                raise CorpusError(
                    f"{place}: no column {given or ' or '.join(usual)}; name it as {option}, of "
                    f"{', '.join(there) or 'none'}"
                )
            found.append(names[0])
        if options.group_column and options.group_column not in there:
            raise CorpusError(
                f"{place}: no column {options.group_column}; group_column is one of "
                f"{', '.join(there)}"
            )
        return cls(*found)


_Table = tuple[_Columns, Mapping[str, Sequence[str]], Iterator[Mapping[str, Any]]]


def _parquet(options: Wanted, place: str, path: Path) -> _Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{place}: no Parquet: {error}") from None
    columns = _Columns.of(options, place, file.schema_arrow.names)
    wanted = [*columns, *([options.group_column] if options.group_column else [])]

    def rows() -> Iterator[Mapping[str, Any]]:
        try:
            for batch in file.iter_batches(batch_size=_ROWS, columns=wanted):
                yield from batch.to_pylist()
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise CorpusError(f"{place}: damaged Parquet: {error}") from None

    return columns, _class_names(place, file.schema_arrow.metadata or {}), rows()


def _class_names(place: str, metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Return the names of numbered labels by column, as `datasets` writes them into a schema."""
    found = {}
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features")
        for column, feature in (features or {}).items():
            # A list of labels is written {"feature": {"names": ...}}, in older files as a list.
            inner = feature[0] if isinstance(feature, list) and feature else feature
            if isinstance(inner, dict) and isinstance(inner.get("feature"), dict):
                inner = inner["feature"]
            if isinstance(inner, dict) and isinstance(inner.get("names"), list):
                found[column] = [str(name) for name in inner["names"]]
    except (ValueError, AttributeError, RecursionError):
        raise CorpusError(f"{place}: its metadata (huggingface) is damaged") from None
    return found


def _json(options: Wanted, place: str, path: Path) -> _Table:
    rows = _json_rows(place, path)
    first = next(rows, None)
    if first is None:
        raise CorpusError(f"{place}: no rows")
    return _Columns.of(options, place, list(first)), {}, chain([first], rows)


def _json_rows(place: str, path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            content = (line.removeprefix(BOM_UTF8) if number == 1 else line).strip()
            if number == 1 and content.startswith(b"["):
                rows = _parsed(place, content + lines.read())
                if not isinstance(rows, list):
                    raise CorpusError(f"{place}: expected a list of objects")
                yield from (_object(f"{place}, row {n}", row) for n, row in enumerate(rows, 1))
                return
            if content:
                where = f"{place}, line {number}"
                yield _object(where, _parsed(where, content))


def _parsed(where: str, content: bytes) -> object:
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CorpusError(
            f"{where}: not JSON in UTF-8: {error}; expected an object a line, or a list of objects"
        ) from None


def _object(where: str, found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise CorpusError(f"{where}: expected an object, with a column a key")
    return found
