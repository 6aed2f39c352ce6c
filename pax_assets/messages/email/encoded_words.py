"""RFC 2047 encoded words in mail headers, including those that are written wrongly.

The standard library's decoder raises on bad base64 and on unknown charsets, and decodes each
word alone, which breaks a character that was split over two words. A header is never worth
losing a mail: what cannot be decoded stays as it was written.
"""

from __future__ import annotations

import binascii
import re

from pax_assets.messages.charsets import decode

# The text of a word is bounded, so that a header full of unfinished words costs linear time.
_WORD = re.compile(r"=\?([^?\s]{1,80})\?([bqBQ])\?(.{0,1000}?)\?=", re.DOTALL)
_FOLD = re.compile(r"[\r\n]+[ \t]*")
_MAX_DECODED = 64 * 1024


def unfold(raw: str) -> str:
    """Return a header's value on one line, raw 8-bit bytes (surrogate escapes) decoded."""
    if not raw.isascii():
        raw = decode(_raw_bytes(raw), None)[0]
    if "\n" in raw or "\r" in raw:
        raw = _FOLD.sub(" ", raw)
    return raw.strip()


def decode_words(text: str) -> str:
    """Return `text` with its encoded words decoded; never raises."""
    if "=?" not in text or len(text) > _MAX_DECODED:
        return text
    pieces: list[str] = []
    pending = b""
    charset = ""
    end = 0
    after_word = False
    for word in _WORD.finditer(text):
        content = _content(word[2], word[3])
        if content is None:
            continue
        between = text[end : word.start()]
        name = word[1].split("*", 1)[0].lower()
        # White space between two words is folding, not text.
        joined = after_word and not between.strip()
        if not joined or name != charset:
            pieces.append(decode(pending, charset)[0])
            pending = b""
        if not joined:
            pieces.append(between)
        pending += content
        charset, end, after_word = name, word.end(), True
    pieces += (decode(pending, charset)[0], text[end:])
    return "".join(pieces)


def _raw_bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Half a surrogate pair that stands for no raw byte.
        return text.encode("utf-8", "replace")


def _content(encoding: str, text: str) -> bytes | None:
    data = _raw_bytes(text)
    if encoding in "qQ":
        return binascii.a2b_qp(data, header=True)
    data = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    # One letter too many carries no byte; missing padding is forgiven.
    data = data[: len(data) - 1] if len(data) % 4 == 1 else data
    try:
        return binascii.a2b_base64(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        return None
