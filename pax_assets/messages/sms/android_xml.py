"""The entries of an Android backup, one at a time, whatever is wrong with one of them.

A backup is one XML document of gigabytes; an XML parser stops at the first character that does
not belong. Here the broken entry is reported with its bytes, and a new parser goes on at the next
one. Entities and document types are refused (`defusedxml`): no backup has any, bombs do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from pax_assets.messages.arrival import MAX_QUARANTINE_BYTES, MAX_RECORD_BYTES
from pax_assets.messages.sms.android_bytes import (
    WHOLE_TAG,
    LargeValue,
    Taken,
    TooLargeError,
    repaired,
)

_ENTRY = re.compile(rb"<(sms|mms|call)(?=[\s/>])")
_ENTRY_TAGS = ("sms", "mms", "call")
_ROOTS = ("smses", "calls")
_MAX_DEPTH = 16
# An XML parser keeps every name that it meets; a backup has some sixty.
_MAX_NAMES = 2000
# Every broken entry costs a new parser and a row.
_MAX_BROKEN = 1000
_ELEMENT_COST = 200


@dataclass(slots=True)
class Element:
    """A tag with its attributes; those that were too large to keep are in `large` alone."""

    tag: str
    attributes: dict[str, str]
    large: dict[str, LargeValue]


@dataclass(slots=True)
class Entry:
    """A direct child of the root, and what lies inside it, flat."""

    position: str
    element: Element
    inner: list[Element] = field(default_factory=list)
    size: int = 0

    @property
    def is_too_large(self) -> bool:
        """Whether more belongs to the entry than is kept of it."""
        return self.size > MAX_RECORD_BYTES


@dataclass(frozen=True, slots=True)
class Root:
    """The root's tag and attributes."""

    tag: str
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class BrokenXml:
    """Bytes in an entry's place that are no XML, and why."""

    position: str
    code: str
    reason: str
    raw: bytes


class _RefusedError(Exception):
    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


class _EntryInEntryError(ParseError):
    """An entry begins inside another one, whose end tag is missing."""


def entries(stream: BinaryIO) -> Iterator[Root | Entry | BrokenXml]:
    """Yield the root and every entry of a backup in order; never raises for its bytes."""
    taken = Taken()
    for item in _entries(stream, taken):
        if isinstance(item, BrokenXml):
            yield replace(item, raw=taken.without_tokens(item.raw))
        else:
            yield item


def _entries(stream: BinaryIO, taken: Taken) -> Iterator[Root | Entry | BrokenXml]:
    reading = _Reading(taken)
    try:
        for piece in repaired(stream, taken):
            yield from reading.feed(piece)
        yield from reading.end()
    except TooLargeError as error:
        reason = "a piece of XML without end, which no backup holds; what follows was not read"
        yield BrokenXml("object", "record_too_large", reason, error.start)
    except DefusedXmlException as error:
        reason = (
            f"the XML declares entities or a document type ({type(error).__name__}), which no "
            "backup does; what follows was not read"
        )
        yield BrokenXml("object", "xml_forbidden", reason, reading.last)
    except _RefusedError as error:
        yield from reading.found()
        yield BrokenXml("object", error.code, error.reason, reading.last)


class _Reading:
    """An XML parser, and its successors after each broken entry."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._target = _Target(taken)
        self._parser = _parser(self._target)
        # How many bytes the parser has had before the piece at hand.
        self._fed = 0
        self._skipping = False
        self._broken = 0
        self._begun = b""
        self.last = b""

    def found(self) -> Iterator[Root | Entry]:
        ready, self._target.ready = self._target.ready, []
        yield from ready

    def feed(self, piece: bytes) -> Iterator[Root | Entry | BrokenXml]:
        while piece:
            if self._skipping:
                resumed = _ENTRY.search(piece)
                if resumed is None:
                    self._taken.clear()
                    return
                piece = piece[resumed.start() :]
                self._skipping = False
            self.last = piece
            try:
                self._parser.feed(piece)
            except ParseError as error:
                yield from self.found()
                piece, broken = self._past_error(piece, error)
                yield broken
                continue
            self._fed += len(piece)
            self._remember(piece)
            yield from self.found()
            return

    def end(self) -> Iterator[Root | Entry | BrokenXml]:
        if self._skipping:
            return
        try:
            self._parser.close()
        except ParseError:
            raw = self._begun or self.last[self._start_of_broken(self.last, len(self.last)) :]
            reason = "the backup ends before its closing tag, it was cut off; land it again"
            yield BrokenXml(self._target.position_of(raw), "xml_truncated", reason, raw)

    def _past_error(self, piece: bytes, error: ParseError) -> tuple[bytes, BrokenXml]:
        """Return the rest of `piece` from its next entry, and the broken one; a new parser."""
        self._broken += 1
        if self._broken > _MAX_BROKEN:
            raise _RefusedError(
                "xml_invalid",
                f"more than {_MAX_BROKEN} entries are no XML; what follows was not read",
            )
        expat = self._parser.parser
        misplaced = isinstance(error, _EntryInEntryError)
        at = self._target.misplaced_at if misplaced else expat.ErrorByteIndex
        at = max(at - self._fed, 0)
        start = self._start_of_broken(piece, at)
        resumed = _ENTRY.search(piece, at if misplaced else at + 1)
        end = resumed.start() if resumed else len(piece)
        self._skipping = resumed is None
        raw = piece[start:end]
        if start == 0 and self._target.is_open and not _ENTRY.match(piece):
            raw = self._begun + raw
        what = str(error).partition(":")[0]
        reason = f"the entry is no well-formed XML ({what}); export the backup again"
        broken = BrokenXml(self._target.position_of(raw), "xml_invalid", reason, raw)
        self._target.forget()
        self._begun = b""
        self._parser = _parser(self._target)
        opening = f"<{self._target.root or _ROOTS[0]}>".encode()
        self._parser.feed(opening)
        self._fed = len(opening)
        return piece[end:], broken

    def _remember(self, piece: bytes) -> None:
        """Keep the bytes of an entry that a piece leaves open, should it turn out broken."""
        if not self._target.is_open:
            self._begun = b""
        elif len(self._begun) < MAX_QUARANTINE_BYTES:
            begun = [found.start() for found in _ENTRY.finditer(piece)]
            self._begun = piece[begun[-1] :] if begun else self._begun + piece

    def _start_of_broken(self, piece: bytes, at: int) -> int:
        """Return where the entry begins that is broken at `at`; `at` where it lies in none."""
        begun = [found.start() for found in _ENTRY.finditer(piece) if found.start() <= at]
        if not begun:
            return 0 if self._target.is_open else at
        whole = WHOLE_TAG.match(piece, begun[-1])
        ended = not self._target.is_open and whole is not None and whole.end() <= at
        # An entry inside another one is not the one that is broken.
        if self._target.is_open and begun[-1] == at and len(begun) > 1:
            return begun[-2]
        return at if ended else begun[-1]


class _Target:
    """What the XML parser reports to: collects entries, never text."""

    def __init__(self, taken: Taken) -> None:
        self.ready: list[Root | Entry] = []
        self.root = ""
        self._taken = taken
        self._depth = 0
        self._entry: Entry | None = None
        self._counts: Counter[str] = Counter()
        self._names: set[str] = set()
        self.byte_index: Callable[[], int] = int
        self.misplaced_at = 0

    @property
    def is_open(self) -> bool:
        return self._entry is not None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        large = self._taken.pop(attributes)
        if not self._names.issuperset(attributes) or tag not in self._names:
            self._learn(tag, attributes)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _RefusedError("xml_too_deep", "the XML nests deeper than any backup")
        if self._depth == 1:
            self._start_root(tag, attributes)
        elif self._depth == 2:
            element = Element(tag, attributes, large)
            self._entry = Entry(self._next_position(tag), element, size=_size(attributes))
        elif tag in _ENTRY_TAGS:
            self.misplaced_at = self.byte_index()
            raise _EntryInEntryError("an entry that was not closed")
        elif self._entry is not None:
            self._entry.size += _ELEMENT_COST + _size(attributes)
            if (attributes or large) and not self._entry.is_too_large:
                self._entry.inner.append(Element(tag, attributes, large))

    def end(self, _tag: str) -> None:
        self._depth -= 1
        if self._depth == 1 and self._entry is not None:
            self.ready.append(self._entry)
            self._entry = None

    def forget(self) -> None:
        """Forget the entry that is open; a new parser begins with a new root."""
        self._depth = 0
        self._entry = None

    def position_of(self, raw: bytes) -> str:
        """Return the position of the entry that is open, or begins in `raw`."""
        if self._entry is not None:
            return self._entry.position
        begun = _ENTRY.match(raw)
        return self._next_position(begun[1].decode()) if begun else "object"

    def _start_root(self, tag: str, attributes: dict[str, str]) -> None:
        if self.root:
            return
        self.root = tag
        if tag not in _ROOTS:
            raise _RefusedError(
                "unknown_format",
                "this is XML, but no backup of SMS Backup & Restore: its root is neither "
                "<smses> nor <calls>",
            )
        self.ready.append(Root(tag, attributes))

    def _next_position(self, tag: str) -> str:
        number = self._counts[tag]
        self._counts[tag] += 1
        return f"{tag[:80]}[{number}]"

    def _learn(self, tag: str, attributes: dict[str, str]) -> None:
        self._names.add(tag)
        self._names.update(attributes)
        if len(self._names) > _MAX_NAMES:
            raise _RefusedError(
                "xml_invalid", f"the XML has more than {_MAX_NAMES} different names"
            )


def _parser(target: _Target) -> DefusedXMLParser:
    # The bytes are UTF-8 by now, whatever the declaration says.
    parser = DefusedXMLParser(target=target, encoding="utf-8", forbid_dtd=True)
    # Text between tags is no part of a backup: not even looked at, it costs nothing.
    parser.parser.DefaultHandlerExpand = None
    # Where a tag begins is known only while it is reported.
    target.byte_index = lambda: parser.parser.CurrentByteIndex
    return parser


def _size(attributes: dict[str, str]) -> int:
    return sum(map(len, attributes.values()))
