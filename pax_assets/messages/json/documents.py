"""Cuts a landed object into JSON documents, whatever lies between them.

The same records arrive as one pretty-printed document, as one document a line, or as documents
set end to end (Firehose writes no newline between payloads). One truncated document must cost
itself only, so each comes out alone, decoded or with the reason why it could not be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pax_assets.messages.arrival import MAX_RECORD_BYTES
from pax_assets.messages.json.values import canonical


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """A decoded document: where it lies, its value, its own bytes."""

    where: str
    alone: bool
    value: object
    raw: bytes

    def position(self, path: str = "") -> str:
        """Return the position of the record at `path` inside this document.

        A document that is the only one of its object needs no line beside the path.
        """
        if not path:
            return self.where
        return path if self.alone else f"{self.where}: {path}"


@dataclass(frozen=True, slots=True)
class BrokenJson:
    """Bytes in a document's place that are no JSON document, and why."""

    position: str
    code: str
    reason: str
    raw: bytes


class _NotJsonError(Exception):
    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


def _integer(digits: str) -> int | str:
    # Beyond 64 bits no column holds it, and beyond 4,300 digits Python refuses: keep the digits.
    return int(digits) if len(digits) < 19 else digits


# `strict=False` accepts raw tabs inside strings, which hand-made exports hold.
_DECODER = json.JSONDecoder(strict=False, parse_int=_integer, parse_constant=str)
# Every attempt may read to the end of the object, so their number is bounded.
_MAX_RESTARTS = 1000
_SPACE = b" \t\r\n"
_SPACES = _SPACE.decode()
# What a value that is no object, list or string may have been before it was cut off.
_LITERALS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
_SPACE_RUN = re.compile(r"[ \t\r\n]*")
_DOCUMENT_LINE = re.compile(rb"^[ \t]*\{", re.MULTILINE)
_OBJECT_LINE = re.compile(rb"^\{.*", re.MULTILINE)
_RESTART = re.compile(r"(?<=\n)[{\[]")


def looks_like_json(data: bytes) -> bool:
    """Say whether the object begins like JSON, or a later line of it like a JSON object."""
    return data.lstrip(_SPACE)[:1] in (b"{", b"[") or bool(_DOCUMENT_LINE.search(data))


def documents(data: bytes) -> Iterator[JsonDocument | BrokenJson]:
    """Yield every document of `data` (UTF-8, without BOM) in order; never raises."""
    lines = _lines(data)
    number, first = next(lines, (0, b""))
    if not number:
        return
    rest = next(lines, None)
    if rest is None:
        yield from _of_line(number, first, alone=True)
    elif _is_document(first):
        yield from _line_by_line(data)
    elif (whole := _whole(data)) is not None:
        yield JsonDocument(f"line {number}", alone=True, value=whole, raw=data)
    elif any(_is_document(line[0].strip(_SPACE)) for line in _OBJECT_LINE.finditer(data)):
        yield from _line_by_line(data)
    else:
        yield from _end_to_end(data)


def documents_of_line(number: int, line: bytes) -> Iterator[JsonDocument | BrokenJson]:
    """Yield the documents of one line of an object that is too large to be looked at whole."""
    line = line.strip(_SPACE)
    if line:
        yield from _of_line(number, line, alone=False)


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield line numbers (from 1) and lines that are not blank, without surrounding space."""
    start, number = 0, 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        number += 1
        line = data[start:end].strip(_SPACE)
        if line:
            yield number, line
        start = end + 1


def _is_document(line: bytes) -> bool:
    if line[:1] not in (b"{", b"[") or line[-1:] not in (b"}", b"]"):
        return False
    try:
        _decode(line)
    except _NotJsonError:
        return False
    return True


def _whole(data: bytes) -> object | None:
    try:
        return _decode(data)
    except _NotJsonError:
        return None


def _line_by_line(data: bytes) -> Iterator[JsonDocument | BrokenJson]:
    for number, line in _lines(data):
        yield from _of_line(number, line, alone=False)


def _of_line(number: int, line: bytes, *, alone: bool) -> Iterator[JsonDocument | BrokenJson]:
    where = f"line {number}"
    try:
        value = _decode(line)
    except _NotJsonError as error:
        several = _several_in(line, where) if line[:1] == b"{" else []
        if several:
            yield from several
        else:
            yield BrokenJson(where, error.code, error.reason, line)
        return
    yield JsonDocument(where, alone, value, line)


def _several_in(line: bytes, where: str) -> list[JsonDocument | BrokenJson]:
    """Return the documents set end to end in a line; none where not even the first is whole."""
    found: list[JsonDocument | BrokenJson] = []
    try:
        text = _text(line)
    except _NotJsonError:
        return found
    at = 0
    while at < len(text):
        place = f"{where} ({len(found) + 1})"
        try:
            value, end = _decode_at(text, at)
        except _NotJsonError as error:
            if not found:
                return []
            found.append(BrokenJson(place, error.code, error.reason, _bytes(text[at:])))
            return found
        found.append(JsonDocument(place, False, value, _bytes(text[at:end])))
        at = _skip_space(text, end)
    return found


def _end_to_end(data: bytes) -> Iterator[JsonDocument | BrokenJson]:
    """Yield documents of several lines each; after a broken one go on at the next `{` line."""
    try:
        text = _text(data)
    except _NotJsonError as error:
        yield BrokenJson("object", error.code, error.reason, data)
        return
    at = _skip_space(text, 0)
    line, counted = 1, 0
    whole, restarts = True, 0
    while at < len(text):
        line += text.count("\n", counted, at)
        counted = at
        where = f"line {line}"
        try:
            value, end = _decode_at(text, at)
        except _NotJsonError as error:
            restarts += 1
            restart = _RESTART.search(text, at + 1) if restarts < _MAX_RESTARTS else None
            end = restart.start() if restart else len(text)
            if whole and end == len(text):
                where = "object"
            yield BrokenJson(where, error.code, error.reason, _bytes(text[at:end]))
        else:
            yield JsonDocument(where, False, value, _bytes(text[at:end]))
        whole = False
        at = _skip_space(text, end)


def _skip_space(text: str, at: int) -> int:
    found = _SPACE_RUN.match(text, at)
    return found.end() if found else at


def _bytes(text: str) -> bytes:
    return text.encode("utf-8").strip(_SPACE)


def _text(data: bytes) -> str:
    if len(data) > MAX_RECORD_BYTES:
        raise _NotJsonError(
            "record_too_large",
            f"the record has {len(data)} bytes, the bound is {MAX_RECORD_BYTES}; "
            "split it into one record a line",
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _NotJsonError(
            "invalid_utf8",
            f"byte {error.start} of the record is not UTF-8; export it as UTF-8",
        ) from None


def _decode(data: bytes) -> object:
    text = _text(data)
    at = _skip_space(text, 0)
    value, end = _decode_at(text, at)
    end = _skip_space(text, end)
    if end < len(text):
        raise _NotJsonError("json_invalid", f"character {end} follows the end of the JSON document")
    return value


def _decode_at(text: str, at: int) -> tuple[object, int]:
    try:
        value, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        if error.pos == at:
            _require_a_beginning(text[at:].rstrip(_SPACES))
        cut = error.msg.startswith("Unterminated") or text.rstrip()[-1:] not in ("}", "]")
        if cut:
            raise _NotJsonError(
                "json_truncated",
                f"the JSON document ends inside a value ({error.msg}); it was cut off, "
                "send it again",
            ) from None
        raise _NotJsonError(
            "json_invalid",
            f"not a JSON document: {error.msg} at character {error.pos - at}",
        ) from None
    except RecursionError:
        raise _NotJsonError(
            "json_too_deep", "the JSON document nests too deep to be read"
        ) from None
    except ValueError as error:
        raise _NotJsonError(
            "json_invalid", f"not a JSON document: {type(error).__name__}"
        ) from None
    return value, end


def _require_a_beginning(text: str) -> None:
    """Raise `_NotJsonError` for what was never cut off, because no JSON document begins there."""
    if text and not text.strip("\0"):
        raise _NotJsonError(
            "nul_bytes",
            f"{len(text)} NUL bytes and nothing else: room that was made for records and never "
            "written to, as after a crash or on a full disk; send the records again if any are "
            "missing",
        )
    if text[:1] in ("{", "[", '"') or any(value.startswith(text) for value in _LITERALS):
        return
    before = "" if text[:1] != "\0" else " (NUL bytes come first)"
    raise _NotJsonError(
        "json_invalid",
        f"text that is no JSON document{before}: write one document a line, and nothing beside it",
    )


def sha256_source(document: JsonDocument, value: object) -> bytes:
    """Return the bytes whose digest stands for `value`: the document's own where it is all."""
    return document.raw if value is document.value else canonical(value)
