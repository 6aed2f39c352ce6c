"""Bytes of a mail to text, whatever charset they claim.

Mail names charsets that do not exist, says `us-ascii` over 8-bit bytes and `iso-8859-1` over
UTF-8. A strict decoder loses such a mail, a careless one (`errors="ignore"`) loses its letters.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

# Names that mail uses and Python does not know, or knows too narrowly: mail that says gb2312
# or ks_c_5601 is in practice written in the superset.
_ALIASES = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "x-euc-tw": "big5",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "x-sjis": "cp932",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "utf8mb4": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "macintosh": "mac-roman",
}
# Python's codecs also include transforms (punycode, unicode_escape, idna) that are no charset
# of any mail, some of them quadratic; only these families are used.
_FAMILIES = re.compile(
    r"(?:ascii|utf-|utf_|iso8859|iso2022|cp(?:437|7|8[56]|9|125)|mac|koi8|gb|big5|euc_|shift_|"
    r"johab|hz|tis-620|kz1048|ptcp154|hp-roman8)"
)
_NOT_ASCII_COMPATIBLE = re.compile(r"(?:iso2022|hz|utf[-_](?:7|16|32))")
# What is sent under these names is Windows-1252 or UTF-8 at least as often.
_WESTERN = {"ascii", "iso8859-1", "cp1252"}
_C1 = re.compile("[\x80-\x9f]")
_GOOD_NON_ASCII = re.compile("[^\x00-\x7f\ufffd]")


@lru_cache(maxsize=1024)
def codec_of(declared: str) -> str | None:
    """Return Python's name of a declared charset; `None` where it is no charset of text."""
    name = declared.strip().strip("\"'").strip().lower()
    try:
        codec = codecs.lookup(_ALIASES.get(name, name)).name
    except (LookupError, ValueError):
        return None
    return codec if _FAMILIES.match(codec) else None


def decode(data: bytes, declared: str | None) -> tuple[str, str]:
    """Return `data` as text, and the charset that was used.

    The declared charset is believed where its bytes fit, except that bytes which are valid
    UTF-8 are UTF-8 where a Western charset, an unknown one or none is declared. Never raises;
    what no charset explains becomes U+FFFD.
    """
    codec = codec_of(declared) if declared else None
    if data.isascii() and (codec is None or not _NOT_ASCII_COMPATIBLE.match(codec)):
        return data.decode("ascii"), codec or "ascii"
    if codec is not None and codec not in _WESTERN:
        try:
            return data.decode(codec), codec
        except ValueError:
            # Wrongly declared: the guesses below.
            pass
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return _guess(data, codec)


def _guess(data: bytes, codec: str | None) -> tuple[str, str]:
    if codec is not None and codec not in _WESTERN:
        text = data.decode(codec, "replace")
        # Latin-1 under a UTF-8 label has hardly a valid sequence; damaged UTF-8 has many.
        if text.count("\ufffd") <= len(_GOOD_NON_ASCII.findall(text)):
            return text, codec
    latin = data.decode("latin-1")
    # Without the control characters at 0x80 to 0x9f the two Western charsets are the same.
    if codec == "iso8859-1" and not _C1.search(latin):
        return latin, codec
    try:
        return data.decode("cp1252"), "cp1252"
    except UnicodeDecodeError:
        return latin, "iso8859-1"
