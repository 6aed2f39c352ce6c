"""Where a mail begins in its bytes, and how its header block is mended before parsing.

Programs put a mailbox envelope, a blank line or a byte order mark before a mail, break a long
header without indenting the rest, and write `Subject :`. The standard library ends the headers
at the first such line, and sender, date and id behind it would be lost in the body.
"""

from __future__ import annotations

import re

_KNOWN = (
    rb"(?:from|to|cc|bcc|date|subject|message-id|received|return-path|delivered-to|sender|"
    rb"reply-to|mime-version|content-type|content-transfer-encoding|in-reply-to|references|"
    rb"x-[!-9;-~]+|list-[!-9;-~]+|resent-[!-9;-~]+|dkim-signature|authentication-results|"
    rb"arc-[!-9;-~]+|envelope-to|auto-submitted|precedence|importance|priority)"
)
KNOWN_LINE = re.compile(rb"(?i:" + _KNOWN + rb")[ \t]*:")
_KNOWN_ANYWHERE = re.compile(rb"(?:^|[\r\n])((?i:" + _KNOWN + rb")[ \t]*:)")
HEADER_LINE = re.compile(rb"([!-9;-~]+)[ \t]*:")
_BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n")
# A header must begin within this many bytes, or the object is no mail.
_MAX_JUNK = 4096
_MAX_BOUNDARY_LINES = 20_000
# Boundaries times bytes; a mail of 60 MB with a dozen boundaries stays below.
_MAX_COMPARISONS = 1_000_000_000


def mail_start(data: bytes) -> int | None:
    """Return the offset at which a mail begins; `None` where no mail header is near.

    A mailbox envelope line (`From ann@example.org Thu Aug 22 ...`) belongs to the mail.
    """
    begin = 0
    while data[begin : begin + 1] in (b"\r", b"\n", b" ", b"\t"):
        begin += 1
    if data.startswith(b">From ", begin):
        begin = _next_line(data, begin)
    headers = begin
    if data.startswith(b"From ", begin):
        headers = _next_line(data, begin)
    if _has_header(data, headers):
        return begin
    found = _KNOWN_ANYWHERE.search(data, begin, begin + _MAX_JUNK)
    return found.start(1) if found else None


def blank_line(data: bytes | bytearray, at: int = 0, until: int | None = None) -> tuple[int, int]:
    """Return where the first blank line from `at` and the line break before it begin and end.

    Both are the end of the data (or `until`) where there is none.
    """
    until = len(data) if until is None else min(until, len(data))
    found = data.find(b"\n\n", at, until)
    # Ten times as fast as the pattern, which is needed only where another line break is used.
    if found >= 0 and data.find(b"\r", at, found) < 0:
        return found, found + 2
    other = _BLANK.search(data, at, until)
    return (other.start(), other.end()) if other else (until, until)


def _next_line(data: bytes, at: int) -> int:
    end = re.compile(rb"\r\n|\r|\n").search(data, at)
    return end.end() if end else len(data)


def _has_header(data: bytes, at: int) -> bool:
    """Say whether a header block with a header that mail knows begins at `at`."""
    if KNOWN_LINE.match(data, at):
        return True
    if not HEADER_LINE.match(data, at):
        return False
    return bool(_KNOWN_ANYWHERE.search(b"\n" + data[at : blank_line(data, at)[0]]))


def repaired(source: bytes) -> bytes:
    """Return a mail whose header block holds headers and folded lines only.

    A line that is neither, but has a known header somewhere below it, was part of the header
    above it and is folded. The first one with none below it begins the body.
    """
    blank, below = blank_line(source)
    block, rest = source[:blank], source[below:]
    lines = block.splitlines()
    last_known = max(
        (number for number, line in enumerate(lines) if KNOWN_LINE.match(line)), default=0
    )
    mended: list[bytes] = []
    for number, line in enumerate(lines):
        header = HEADER_LINE.match(line)
        if header and number <= last_known:
            mended.append(header[1] + b":" + line[header.end() :])
        elif number == 0 or header or line[:1] in (b" ", b"\t"):
            mended.append(line)
        elif number < last_known:
            mended.append(b" " + line)
        else:
            body = b"\n".join(lines[number:]) + (b"\n\n" + rest if rest else b"")
            return b"\n".join(mended) + b"\n\n" + body
    return b"\n".join(mended) + b"\n\n" + rest


def has_too_many_parts(source: bytes) -> bool:
    """Say whether the MIME parser would need minutes for the structure of a mail.

    It compares every line with every open boundary, and builds an object for every part.
    """
    boundaries = source.count(b"oundary")
    if not boundaries:
        return False
    return (
        source.count(b"\n--") > _MAX_BOUNDARY_LINES or boundaries * len(source) > _MAX_COMPARISONS
    )
