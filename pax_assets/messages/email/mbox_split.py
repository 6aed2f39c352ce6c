"""Where one mail of a mailbox (mbox) ends and the next one begins.

An mbox is mails end to end, each below a line `From <who> <date>`, and people begin paragraphs
with "From " too. Splitting at every such line tears mails apart; believing Content-Length, which
a stranger may have written, swallows the mails behind it. So a separator must look like one from
three sides, and a length counts only where it ends at a separator.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pax_assets.messages.arrival import MAX_QUARANTINE_BYTES, MAX_RECORD_BYTES
from pax_assets.messages.email.mail_source import HEADER_LINE, KNOWN_LINE, blank_line

_CHUNK = 1024 * 1024
# An envelope line and the header below it lie within so many bytes.
_MAX_SEPARATOR = 4096
# Scanning goes on so many bytes before the window's end: a line break and "From ", and the blank
# line above.
_OVERLAP = 16
_MAX_HEADERS = 256 * 1024
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
# `Thu Aug 22 12:36:23 2002`, a zone before or behind the year: what nearly every writer writes.
_ASCTIME = re.compile(
    rb"From .{0,300}?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +" + _MONTH + rb" +\d{1,2} +\d{1,2}:\d\d"
)
_DATED = re.compile(
    rb"From \S.{0,300}?(?:" + _MONTH + rb"\w{0,6}[ ,.-]|\d{4}-\d\d-\d\d|\d{1,2}/\d{1,2}/\d{2,4})"
)
_TIME = re.compile(rb"\d{1,2}:\d\d")
# Eudora puts no blank line before its separators, and no sender into them.
_EUDORA = b"From ???@??? "
_BEGUN_HEADER = re.compile(rb"[!-9;-~]*\Z")
_LENGTH = re.compile(
    rb"^content-length[ \t]*:[ \t]*(\d{1,10})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE
)
_TO_SEPARATOR = re.compile(rb"(?:\r?\n){0,2}(?=From )")


@dataclass(frozen=True, slots=True)
class RawMail:
    """One mail of a mailbox with its envelope line, without the blank line behind it.

    `line` is where it begins, from 1. A mail above `MAX_RECORD_BYTES` is not `whole`: `data` is
    its first MiB.
    """

    data: bytes
    size: int
    line: int

    @property
    def whole(self) -> bool:
        """Whether `data` is all of the mail."""
        return len(self.data) == self.size


def mails(stream: BinaryIO, *, lengths: bool) -> Iterator[RawMail]:
    """Yield the mails of a mailbox, in memory of at most one of them and a few MiB.

    With `lengths` a mail's Content-Length is followed where it ends at a separator or at the end
    of the stream; where it does not, separators alone count.
    """
    splitter = _Splitter(stream)
    while mail := splitter.next_mail(lengths=lengths):
        yield mail


class _Splitter:
    """A window on the stream that begins with the mail that is read next."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._window = bytearray()
        self._ended = False
        self._line = 1

    def next_mail(self, *, lengths: bool) -> RawMail | None:
        if not self._fill(1):
            return None
        ends = self._end_by_length() if lengths else None
        if ends is None:
            return self._up_to_separator()
        end, begin = ends
        # A file that is one mail is all that mail.
        alone = self._line == 1 and begin == len(self._window)
        return self._taken(begin if alone else end, begin)

    def _fill(self, size: int) -> bool:
        """Read until the window has `size` bytes; False where the stream ends before."""
        while len(self._window) < size and not self._ended:
            chunk = self._stream.read(_CHUNK)
            self._window += chunk
            self._ended = not chunk
        return len(self._window) >= size

    def _up_to_separator(self) -> RawMail:
        beginning, dropped, dropped_lines = b"", 0, 0
        seen = 0
        while (begin := self._separator(seen)) is None:
            seen = max(0, len(self._window) - _OVERLAP)
            if not self._fill(len(self._window) + 1):
                begin = len(self._window)
                break
            if seen > MAX_RECORD_BYTES:
                # No mail of a size that is read: only its beginning is kept.
                cut = seen - _OVERLAP
                beginning = beginning or bytes(self._window[:MAX_QUARANTINE_BYTES])
                dropped += cut
                dropped_lines += self._window.count(b"\n", 0, cut)
                del self._window[:cut]
                seen -= cut
        alone = self._line == 1 and begin == len(self._window)
        mail = self._taken(begin if alone else _without_blank_line(self._window, begin), begin)
        self._line += dropped_lines
        if not dropped and mail.size <= MAX_RECORD_BYTES:
            return mail
        beginning = beginning or mail.data[:MAX_QUARANTINE_BYTES]
        return RawMail(beginning, dropped + mail.size, mail.line)

    def _separator(self, seen: int) -> int | None:
        """Return where the next separator in the window begins, `seen` bytes being known."""
        while at := self._window.find(b"\nFrom ", seen) + 1:
            self._fill(at + _MAX_SEPARATOR)
            if is_separator(self._window, at):
                return at
            seen = at
        return None

    def _end_by_length(self) -> tuple[int, int] | None:
        """Return where the mail ends by its length, and where the next one begins."""
        self._fill(_MAX_HEADERS)
        end = end_by_length(self._window)
        if end is None or end > MAX_RECORD_BYTES:
            return None
        self._fill(end + _MAX_SEPARATOR)
        begin = next_separator(self._window, end)
        return None if begin is None else (end, begin)

    def _taken(self, end: int, begin: int) -> RawMail:
        mail = RawMail(bytes(self._window[:end]), end, self._line)
        self._line += self._window.count(b"\n", 0, begin)
        del self._window[:begin]
        return mail


def end_by_length(data: bytes | bytearray) -> int | None:
    """Return the offset at which the mail that begins `data` ends by its Content-Length."""
    end, body = blank_line(data, 0, _MAX_HEADERS)
    if end == body or b"content-length" not in data[:end].lower():
        return None
    stated = _LENGTH.search(data, 0, end + 1)
    return body + int(stated[1]) if stated else None


def next_separator(data: bytes | bytearray, at: int) -> int | None:
    """Return where the next mail begins if one ends at `at`: a separator or the end of `data`."""
    if at > len(data):
        return None
    found = _TO_SEPARATOR.match(data, at)
    if found and data[found.end() - 1 : found.end()] == b"\n":
        return found.end() if is_separator(data, found.end(), after_blank=True) else None
    ended = len(data) - at < _MAX_SEPARATOR and not data[at:].strip()
    return len(data) if ended else None


def is_separator(data: bytes | bytearray, at: int, *, after_blank: bool = False) -> bool:
    """Say whether the line `From ...` at `at` begins a mail.

    It does below a blank line (`after_blank`: known to be so), with a date in it and a header in
    the line after it. Where its date has an unusual form, the header must be one that mail knows.
    At the end of the data the line after it may be cut off.
    """
    blank = after_blank or data[at - 2 : at - 1] == b"\n" or data[at - 3 : at] == b"\n\r\n"
    if not blank and data[at : at + len(_EUDORA)] != _EUDORA:
        return False
    end = data.find(b"\n", at, at + _MAX_SEPARATOR)
    envelope = bytes(data[at : end if end >= 0 else at + _MAX_SEPARATOR]).rstrip()
    usual = _ASCTIME.match(envelope) is not None
    if not usual and not (_DATED.match(envelope) and _TIME.search(envelope)):
        return False
    if end < 0:
        return usual
    below = bytes(data[end + 1 : end + 1 + 256])
    if end + 1 + len(below) == len(data) and _BEGUN_HEADER.match(below):
        return usual
    return bool((HEADER_LINE if usual else KNOWN_LINE).match(below)) or below.startswith(b">From ")


def _without_blank_line(data: bytearray, end: int) -> int:
    """Return `end`, or the offset before the blank line that stands there."""
    for blank, size in ((b"\n\r\n", 2), (b"\n\n", 1)):
        if data[max(0, end - len(blank)) : end] == blank:
            return end - size
    return end
