"""An Android backup's bytes, made into XML that a parser can read in bounded memory.

The app writes emoji as two character references that are no XML (`&#55357;&#56832;`), control
characters as references that XML forbids, and whole videos as one base64 attribute, for which an
XML parser needs a multiple of their size. So before the parser sees them, references are
repaired, broken UTF-8 becomes U+FFFD, and the attributes `data` of MMS parts are hashed as they
pass and replaced by a short token.
"""

from __future__ import annotations

import binascii
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

# A tag of more bytes loses the attribute that makes it so large.
MAX_TAG_BYTES = 4 * 1024 * 1024
_CHUNK = 256 * 1024
# No character reference is longer.
_HELD_BACK = 32

# A run of references that are half a pair each, or that XML forbids. (Written without a group
# around its beginning: the regular expression engine looks for `&#` first.)
_ODD = (
    rb"&#(?:0*(?:5[5-7][0-9]{3}|[12]?[0-9]|3[01]|6553[45])|"
    rb"[xX]0*(?:[dD][89a-fA-F][0-9a-fA-F]{2}|1?[0-9a-fA-F]|[fF]{3}[eEfF]));"
)
_REFERENCES = re.compile(_ODD + rb"(?:" + _ODD + rb")*+")
_REFERENCE = re.compile(rb"&#(?:([0-9]+)|[xX]([0-9a-fA-F]+));")
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r")
_CONTROL = re.compile(b"[" + re.escape(_CONTROLS) + b"]")
_REPLACEMENT = "\ufffd".encode()

_ATTRIBUTES = rb"(?:\s+[\w:.-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*+"
_PART = re.compile(rb"<part" + _ATTRIBUTES)
_DATA = re.compile(rb"\s+data\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_OPEN_VALUE = re.compile(rb"<([\w:.-]+)" + _ATTRIBUTES + rb"\s+([\w:.-]+)\s*=\s*([\"'])")
# A start or an end tag, complete.
WHOLE_TAG = re.compile(rb"</?[\w:.-]+" + _ATTRIBUTES + rb"\s*/?>")
_BASE64_SPACE = re.compile(rb"\s+|&#(?:0*(?:9|10|13)|[xX]0*(?:9|[aA]|[dD]));")


class TooLargeError(Exception):
    """A piece of XML that no backup has and no parser could hold: a comment of a gigabyte."""

    def __init__(self, start: bytes) -> None:
        super().__init__()
        self.start = start


@dataclass(frozen=True, slots=True)
class LargeValue:
    """An attribute's value that is not kept: its size in the backup, and what it decodes to.

    `sha256` is the digest of the decoded bytes; None where the value is no base64.
    """

    size: int
    sha256: str | None


class Taken:
    """The values that were taken out, each under the token that stands in its place."""

    def __init__(self) -> None:
        # Unguessable, so that no message can name a token.
        self._prefix = f"taken-{secrets.token_hex(16)}-"
        self._values: dict[str, LargeValue] = {}
        self._count = 0

    def put(self, value: LargeValue) -> bytes:
        """Keep `value`; return its token."""
        self._count += 1
        token = f"{self._prefix}{self._count}"
        self._values[token] = value
        return token.encode()

    def holds(self, token: bytes) -> bool:
        """Whether a value is the token of one that was taken out already."""
        return token.decode("ascii", "replace") in self._values

    def clear(self) -> None:
        """Forget the values of tags that nobody will read."""
        self._values.clear()

    def without_tokens(self, raw: bytes) -> bytes:
        """Return bytes for a person: tokens are random, records must be the same every time."""
        return re.sub(self._prefix.encode() + rb"[0-9]+", b"(taken out)", raw)

    def pop(self, attributes: dict[str, str]) -> dict[str, LargeValue]:
        """Move the values whose tokens are among `attributes` out of both."""
        if not self._values:
            return {}
        names = [name for name, value in attributes.items() if value in self._values]
        return {name: self._values.pop(attributes.pop(name)) for name in names}


def repaired(stream: BinaryIO, taken: Taken) -> Iterator[bytes]:
    """Yield the stream's bytes in pieces that end before a tag; raise `TooLargeError`.

    Each piece is UTF-8 without characters that XML forbids. No tag spans two pieces.
    """
    buffer = b""
    while chunk := stream.read(_CHUNK):
        buffer += chunk
        cut = max(buffer.rfind(b"<"), 0)
        if cut:
            yield _repaired(buffer[:cut], taken)
            buffer = buffer[cut:]
        if len(buffer) > MAX_TAG_BYTES:
            ready, buffer = _shortened(buffer, stream, taken)
            yield _repaired(ready, taken)
    yield _repaired(buffer, taken)


def _repaired(piece: bytes, taken: Taken) -> bytes:
    try:
        piece.decode()
    except UnicodeDecodeError:
        # Halves of a pair, each in three bytes (CESU-8), are joined; anything else is replaced.
        text = piece.decode("utf-8", "surrogatepass") if _is_cesu(piece) else None
        if text is None:
            piece = piece.decode("utf-8", "replace").encode()
        else:
            piece = _joined(text).encode()
    if len(piece.translate(None, _CONTROLS)) < len(piece):
        piece = _CONTROL.sub(_REPLACEMENT, piece)
    piece = _REFERENCES.sub(_characters, piece)
    return (
        _DATA.sub(lambda found: _without_data(found, taken), piece) if b"data" in piece else piece
    )


def _is_cesu(piece: bytes) -> bool:
    try:
        piece.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _joined(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _characters(found: re.Match[bytes]) -> bytes:
    """Return the characters that a run of references means; U+FFFD for what is none."""
    text = "".join(
        chr(int(decimal) if decimal else int(hexadecimal, 16))
        for decimal, hexadecimal in _REFERENCE.findall(found[0])
    )
    return b"".join(
        b"&#%d;" % (ord(character) if _is_allowed(character) else 0xFFFD)
        for character in _joined(text)
    )


def _is_allowed(character: str) -> bool:
    return (character >= " " and character not in "\ufffe\uffff") or character in "\t\n\r"


def _without_data(found: re.Match[bytes], taken: Taken) -> bytes:
    value = found[1] if found[1] is not None else found[2]
    start = found.string.rfind(b"<", 0, found.start())
    if (
        value == b"null"
        or taken.holds(value)
        or not _PART.fullmatch(found.string, start, found.start())
    ):
        # Taken already, or a message that quotes XML.
        return found[0]
    digest = _Base64Digest()
    digest.update(value)
    return b' data="%b"' % taken.put(digest.value())


def _shortened(buffer: bytes, stream: BinaryIO, taken: Taken) -> tuple[bytes, bytes]:
    """Split a buffer without a second tag into what is ready and what begins the next buffer."""
    opened = _OPEN_VALUE.match(buffer)
    if opened is not None and opened.end() <= MAX_TAG_BYTES:
        tag, name, quote = opened.groups()
        digest = _Base64Digest(decode=(tag, name) == (b"part", b"data"))
        rest = buffer[opened.end() :]
        while (end := rest.find(quote)) < 0:
            digest.update(rest)
            rest = stream.read(_CHUNK)
            if not rest:
                # Cut off inside the value: the tag stays open, and the XML parser says so.
                return b"", buffer[: opened.end()]
        digest.update(rest[:end])
        return b"", buffer[: opened.end()] + taken.put(digest.value()) + rest[end:]
    if buffer.startswith(b"<") and not WHOLE_TAG.match(buffer):
        raise TooLargeError(buffer[:_CHUNK])
    # Text between tags, which no backup has; a reference or a character may span the cut.
    cut = len(buffer) - _HELD_BACK
    while buffer[cut] & 0xC0 == 0x80 and cut > 1:
        cut -= 1
    return buffer[:cut], buffer[cut:]


class _Base64Digest:
    """Digest of what base64 decodes to, piece by piece."""

    def __init__(self, *, decode: bool = True) -> None:
        self._size = 0
        self._digest = sha256() if decode else None
        self._rest = b""

    def update(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._digest is None:
            return
        piece = self._rest + piece
        reference = piece.rfind(b"&", -_HELD_BACK)
        whole = len(piece) if reference < 0 or b";" in piece[reference:] else reference
        text = _BASE64_SPACE.sub(b"", piece[:whole])
        cut = len(text) - len(text) % 4
        self._rest = text[cut:] + piece[whole:]
        self._decode(text[:cut])

    def value(self) -> LargeValue:
        if self._digest is not None and self._rest:
            # Some writers leave out the padding.
            self._decode(self._rest + b"=" * (-len(self._rest) % 4))
        return LargeValue(self._size, self._digest.hexdigest() if self._digest else None)

    def _decode(self, text: bytes) -> None:
        try:
            decoded = binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error:
            self._digest = None
        else:
            if self._digest is not None:
                self._digest.update(decoded)
