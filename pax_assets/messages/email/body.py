"""The text and the attachments of a mail, out of whatever MIME tree it has.

Plain text wins over HTML, a forwarded mail is an attachment unless there is nothing else, and a
tree that is deeper or broader than any honest mail is read flat instead of not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from email.message import Message as MimePart
from functools import lru_cache
from typing import cast

from pax_assets.messages.charsets import codec_of, decode
from pax_assets.messages.email.encoded_words import decode_words, unfold
from pax_assets.messages.email.html_text import html_text_and_marks
from pax_assets.messages.email.quotes import Span
from pax_assets.messages.message import Attachment

# Honest mail nests multiparts four or five deep and has a few dozen parts.
MAX_DEPTH = 20
MAX_ATTACHMENTS = 1000
# A longer Content-Type is no usual one.
_MAX_CACHED = 200

Part = MimePart


class MailBody:
    """What a mail says: `text`, the kind of part it came from, attachments, oddities.

    `marks` are the quotes and signatures that the HTML names, as spans of `text`.

    Line ends of the transport (CRLF) become `\\n`, everything else of a plain text stays as the
    sender's program wrote it, quoted replies and signatures included.
    """

    def __init__(self, mail: Part) -> None:
        self.attachments: list[Attachment] = []
        self.charsets: dict[str, str] = {}
        self.defects: list[str] = []
        self._plain = False
        self._html = False
        self._embedded: list[Part] = []
        self._other_texts: list[Part] = []
        self._marked: list[tuple[str, list[Span]]] = []
        self.text = self._read(mail, 0)
        if not self.text.strip() and self._embedded:
            # A forward or a digest without a word of its own: what it carries is the text.
            embedded, self._embedded = self._embedded, []
            self.text = _join(self._read(part, 1) for part in embedded)
        if not self.text.strip() and self._other_texts:
            # text/enriched and its like, where nothing better is there.
            self.text = _join(self._decoded(part) for part in self._other_texts)
        self.marks = list(self._marks())
        self.content_type = "text/html" if self._html and not self._plain else "text/plain"

    def _read(self, part: Part, depth: int) -> str:
        kind = declared(part)[0]
        children = _children(part)
        if kind.startswith("message/"):
            self._embedded += children
            self._attach(part)
            return ""
        if children:
            if depth >= MAX_DEPTH:
                self.defects.append("mime_too_deep")
                return _join(self._leaf(leaf) for leaf in _leaves(part))
            if kind.endswith("/alternative"):
                return self._alternative(children, depth)
            return _join(self._read(child, depth + 1) for child in children)
        return self._leaf(part)

    def _alternative(self, children: list[Part], depth: int) -> str:
        chosen = ""
        plain_first = sorted(children, key=lambda child: child.get_content_type() != "text/plain")
        for child in plain_first:
            if not chosen.strip():
                chosen = self._read(child, depth + 1)
            else:
                for leaf in _leaves(child):
                    if leaf.get_content_maintype() != "text":
                        self._attach(leaf)
        return chosen

    def _leaf(self, part: Part) -> str:
        kind = declared(part)[0]
        # A multipart without any part is a text whose boundary is missing or wrong.
        is_text = kind in ("text/plain", "text/html") or kind.startswith(("multipart/", "message/"))
        attached = self._is_attached(part)
        if not is_text or attached:
            if kind.startswith("text/") and not attached:
                self._other_texts.append(part)
            self._attach(part)
            return ""
        text = self._decoded(part)
        if kind == "text/html":
            self._html = True
            text, marks = html_text_and_marks(text)
            if marks:
                self._marked.append((text, marks))
            return text
        self._plain = self._plain or bool(text.strip())
        return text

    def _marks(self) -> Iterator[Span]:
        """Yield the marks of every HTML part at the place where its text now stands."""
        end = 0
        for part, marks in self._marked:
            start = self.text.find(part, end)
            if start >= 0:
                end = start + len(part)
                for mark in marks:
                    yield Span(mark.kind, mark.start + start, mark.end + start)

    def _is_attached(self, part: Part) -> bool:
        disposition = part.get("content-disposition")
        if disposition is None:
            return False
        if str(disposition).strip().lower().startswith("attachment"):
            return True
        # Shown inline but named (a patch, a log): a file, once the mail has said something.
        return _filename(part) is not None and (self._plain or self._html)

    def _decoded(self, part: Part) -> str:
        charset = declared(part)[1]
        text, used = decode(_payload(part), charset)
        if charset is not None and codec_of(charset) != used:
            self.charsets[charset] = used
        return text.replace("\r\n", "\n")

    def _attach(self, part: Part) -> None:
        if len(self.attachments) >= MAX_ATTACHMENTS:
            if "too_many_attachments" not in self.defects:
                self.defects.append("too_many_attachments")
            return
        digest = None
        # The bytes of an embedded mail are not kept by the parser: no digest is better than
        # one of something rewritten.
        if not part.is_multipart():
            digest = hashlib.sha256(_payload(part)).hexdigest()
        content_id = part.get("content-id")
        self.attachments.append(
            Attachment(
                kind=part.get_content_maintype(),
                id=unfold(str(content_id)).strip("<>") or None if content_id else None,
                mime=part.get_content_type(),
                sha256=digest,
                filename=_filename(part),
            )
        )


def _children(part: Part) -> list[Part]:
    # Asked of a leaf, `get_payload` would decode it by a charset that may not even be a name.
    payload = part.get_payload() if part.is_multipart() else []
    return [child for child in cast(list[object], payload) if isinstance(child, MimePart)]


def _leaves(part: Part) -> Iterator[Part]:
    """Yield the leaves below `part` in order; without recursion."""
    pending = [part]
    while pending:
        item = pending.pop()
        children = _children(item)
        if children:
            pending += reversed(children)
        else:
            yield item


def _payload(part: Part) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def declared(part: Part) -> tuple[str, str | None]:
    """Return the content type of a part, and the charset that it declares."""
    header = part.get("content-type")
    if header is None:
        return part.get_content_type(), None
    if isinstance(header, str) and len(header) <= _MAX_CACHED:
        return _declared_by(header)
    return part.get_content_type(), _charset(part)


@lru_cache(maxsize=4096)
def _declared_by(header: str) -> tuple[str, str | None]:
    """Do the same for a header's value: few values stand in nearly all mail."""
    part = MimePart()
    part["Content-Type"] = header
    return part.get_content_type(), _charset(part)


def _charset(part: Part) -> str | None:
    try:
        return part.get_content_charset()
    except (ValueError, LookupError, TypeError, AttributeError):
        # Parameters so broken that the standard library stumbles: as if none was declared.
        return None


def _filename(part: Part) -> str | None:
    try:
        name = part.get_filename()
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return decode_words(unfold(name)) if name else None


def _join(texts: Iterator[str]) -> str:
    joined = ""
    for text in texts:
        if not text.strip():
            continue
        if joined and not joined.endswith("\n"):
            joined += "\n"
        joined += text
    return joined
