"""Mailboxes (mbox) to messages: how archives, Takeout and most mail programs export mail.

Four variants share one name, and none says which it is. They differ in what became of a body's
line that begins with "From ", which without care reads as the next mail:

- `mboxo` wrote `>From `; a line that was `>From ` before looks the same afterwards;
- `mboxrd` put one `>` before `From `, `>From `, `>>From ` ..., so that all can be restored;
- `mboxcl` did as `mboxrd` and states every body's Content-Length;
- `mboxcl2` states the length and leaves the body alone.

The variant is decided once for a file, from its first 64 KiB (`variant`): lengths that end where
a separator stands make it `mboxcl2`, or `mboxcl` where bodies have `>From ` and never a bare
`From `; otherwise it is `mboxrd`, unless lines such as `>>From ` stand among lines that are quoted
as deeply, which `mboxrd` would have written with one `>` more. The text of a message is what the
variant's reader restores.

A file with a single mail is that mail: its position is `object`.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Literal

from pax_assets.messages.arrival import MAX_RECORD_BYTES, Arrival, UnusableError
from pax_assets.messages.email import mail
from pax_assets.messages.email.mail_source import HEADER_LINE, blank_line
from pax_assets.messages.email.mbox_split import (
    RawMail,
    end_by_length,
    mails,
    next_separator,
)
from pax_assets.messages.message import Message, Record
from pax_assets.messages.source import HEAD_BYTES, Source

Variant = Literal["mboxo", "mboxrd", "mboxcl", "mboxcl2"]

_ENVELOPE = re.compile(rb"\s*From [^\r\n]*\r?\n(?:>From [^\r\n]*\r?\n)?")
_QUOTED_FROM = re.compile(rb"^(>+)From ", re.MULTILINE)
_BARE_FROM = re.compile(rb"^From ", re.MULTILINE)
_QUOTE_DEPTH = re.compile(rb"(?:> ?)*")


def is_mbox(head: bytes, arrival: Arrival) -> bool:
    """Say whether `head` begins with a mailbox's envelope line and a header."""
    if arrival.channel != "email":
        return False
    envelope = _ENVELOPE.match(head)
    return envelope is not None and HEADER_LINE.match(head, envelope.end()) is not None


def records(source: Source, arrival: Arrival) -> Iterator[Record]:
    """Yield one record for every mail of a mailbox; memory does not grow with their number."""
    kind, found = _mails(source)
    first = list(islice(found, 2))
    ordinals: dict[str, int] = {}
    for number, raw in enumerate(chain(first, found)):
        position = "object" if len(first) == 1 else f"line {raw.line}: mail[{number}]"
        yield arrival.outcome(
            position,
            None,
            # Called before the next turn of the loop: the names still mean this mail.
            lambda: _message(raw, kind, arrival, position, ordinals),  # noqa: B023
            payload=raw.data,
        )


def _mails(source: Source) -> tuple[Variant, Iterator[RawMail]]:
    # Most objects are one small mail, and a stream's buffer of a MiB costs more than reading it.
    data = source.small() if len(source.head) < HEAD_BYTES // 2 else None
    if data is not None and _is_alone(data):
        return "mboxcl2", iter((RawMail(data, len(data), 1),))
    kind = variant(source.head)
    stream = source.stream() if data is None else io.BytesIO(data)
    return kind, mails(stream, lengths=kind in ("mboxcl", "mboxcl2"))


def _is_alone(data: bytes) -> bool:
    """Say whether nothing below a mailbox's envelope line begins another mail, or seems to.

    Then no variant differs from the others: there is nothing to split and nothing to restore.
    """
    envelope = _ENVELOPE.match(data)
    return envelope is not None and data.find(b"From ", envelope.end()) < 0


def _message(
    raw: RawMail, kind: Variant, arrival: Arrival, position: str, ordinals: dict[str, int]
) -> Message:
    if not raw.whole:
        raise UnusableError(
            "record_too_large",
            f"the mail has {raw.size} bytes, the bound is {MAX_RECORD_BYTES}; "
            "the mails around it are read",
        )
    digest = hashlib.sha256(raw.data).hexdigest()
    return mail.message(unquoted(raw.data, kind), arrival, position, digest, ordinals)


def variant(head: bytes) -> Variant:
    """Decide which mbox a file is by its first bytes; see the module's docstring."""
    bodies = _bodies_by_length(head)
    if bodies is not None:
        bare = any(_BARE_FROM.search(body) for body in bodies)
        quoted = any(_QUOTED_FROM.search(body) for body in bodies)
        return "mboxcl" if quoted and not bare else "mboxcl2"
    if b">>From " not in head and b"\n>From " not in head:
        return "mboxrd"
    raised = kept = 0
    for line in _QUOTED_FROM.finditer(head):
        depth = _depth_above(head, line.start())
        if depth is None:
            continue
        # `mboxrd` would have raised a line of its neighbour's depth. At depth 1 it may have done
        # so: an answer that begins with "From " right below the quoted line.
        raised += len(line[1]) == depth + 1 > 1
        kept += len(line[1]) == depth > 1
    return "mboxo" if kept > raised else "mboxrd"


def _depth_above(data: bytes, at: int) -> int | None:
    """Return how deep the line above the one at `at` is quoted; None for a `>From ` line."""
    above = data.rfind(b"\n", 0, max(0, at - 1)) + 1
    if above == at or _QUOTED_FROM.match(data, above):
        return None
    depth = _QUOTE_DEPTH.match(data, above, at)
    return depth[0].count(b">") if depth else 0


def _bodies_by_length(head: bytes) -> list[bytes] | None:
    """Return the bodies in `head`, cut by their Content-Length; None where that fits nothing."""
    bodies: list[bytes] = []
    rest = head
    while rest:
        end = end_by_length(rest)
        if end is None:
            break
        bodies.append(rest[blank_line(rest)[1] : end])
        if end >= len(rest):
            # Beyond the head; whether it ends at a separator is seen when the mail is read.
            break
        begin = next_separator(rest, end)
        if begin is None:
            return None
        rest = rest[begin:]
    return bodies or None


def unquoted(data: bytes, kind: Variant) -> bytes:
    """Return a mail with its body's `>From ` lines as they were before `kind` was written."""
    if kind == "mboxcl2" or b"\n>" not in data or b">From " not in data:
        return data
    blank = blank_line(data)[1]
    head, body = data[:blank], data[blank:]
    if kind == "mboxo":
        return head + _QUOTED_FROM.sub(_restored_mboxo, body)
    return head + _QUOTED_FROM.sub(lambda found: found[0][1:], body)


def _restored_mboxo(found: re.Match[bytes]) -> bytes:
    """Return the line's beginning without the one `>` that mboxo wrote.

    In a run of quoted lines the `>` is the quote's own.
    """
    if len(found[1]) > 1 or _depth_above(found.string, found.start()):
        return found[0]
    return found[0][1:]
