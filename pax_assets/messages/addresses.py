"""Who wrote to whom: phone numbers and mailboxes in one spelling each.

The same person appears as `+1 (555) 010-1234`, `whatsapp:+15550101234` and `15550101234`, or as
`Ann <ANN@Example.org>`. Conversations and participants can only be joined on one spelling.
"""

from __future__ import annotations

import re
from email.utils import getaddresses
from functools import lru_cache

from pax_assets.messages.email.encoded_words import decode_words

_SCHEME = re.compile(r"(?:whatsapp|tel|sms|smsto|mms|rcs)[:;]", re.IGNORECASE)
_DIALLED = re.compile(r"[+0-9()\[\]./ \u00a0\u2010-\u2015-]+")
# `+49 (0)170 1234567`: the nought is dialled inside the country only.
_TRUNK = re.compile(r"(?<=[0-9])[ \u00a0]?\(0\)")
_NON_DIGIT = re.compile(r"[^0-9]")
_BARE = re.compile(r"[^\s<>,;:()\"\\\[\]]+@[^\s<>,;:()\"\\]+")
_NAMED = re.compile(r"\"?([^\"<>,;:()@\\]*?)\"?\s*<\s*([^\s<>,;()\"]+@[^\s<>,;()\"]+)\s*>")
_ANYWHERE = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w.-]{1,255}")
# The standard library's address parser is slow on long input; beyond this a regex must do.
_MAX_PARSED = 64 * 1024
# A longer list is neither one mailbox nor worth remembering.
_MAX_SHORT = 1000


@lru_cache(maxsize=65536)
def phone(raw: str, default_region: str) -> str:
    """Return a phone number as `+<digits>`; anything else (short codes, names) stripped.

    A number without `+` is read as one of `default_region` (ISO 3166, such as `US`).
    """
    text = _SCHEME.sub("", raw.strip(), count=1).strip()
    if not _DIALLED.fullmatch(text):
        return text
    if text.startswith("+"):
        digits = _NON_DIGIT.sub("", _TRUNK.sub("", text, count=1))
        return f"+{digits}" if 7 <= len(digits) <= 15 else text
    digits = _NON_DIGIT.sub("", text)
    return _national(text, default_region) if 7 <= len(digits) <= 17 else text


def whatsapp_number(raw: str) -> str:
    """Return a WhatsApp id as `+<digits>`: WhatsApp writes international numbers without `+`."""
    text = _SCHEME.sub("", raw.strip(), count=1).strip()
    if _DIALLED.fullmatch(text):
        digits = _NON_DIGIT.sub("", _TRUNK.sub("", text, count=1))
        if 7 <= len(digits) <= 15:
            return f"+{digits}"
    return text


def _national(text: str, default_region: str) -> str:
    # Its metadata takes a while to load, and most objects hold international numbers only.
    import phonenumbers

    try:
        number = phonenumbers.parse(text, default_region)
    except phonenumbers.NumberParseException:
        return text
    if (
        phonenumbers.is_possible_number_with_reason(number)
        != phonenumbers.ValidationResult.IS_POSSIBLE
    ):
        return text
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def mailboxes(raw: str) -> list[tuple[str, str]]:
    """Return the `(display name, address)` pairs of an address list, addresses in lower case.

    `raw` is the header before its encoded words are decoded: a decoded name may hold a comma.
    Groups without members (`undisclosed-recipients:;`) give nothing.
    """
    text = raw.strip()
    return list(_short_list(text)) if len(text) < _MAX_SHORT else _address_list(text)


@lru_cache(maxsize=16384)
def _short_list(text: str) -> tuple[tuple[str, str], ...]:
    """Do the same for a list of usual length: of ten in a mailbox nine were there before."""
    if _BARE.fullmatch(text):
        return (("", text.lower()),)
    named = _NAMED.fullmatch(text)
    if named:
        return ((decode_words(named[1]).strip(), named[2].lower()),)
    return tuple(_address_list(text))


def _address_list(text: str) -> list[tuple[str, str]]:
    pairs = _parsed(text)
    found = [
        (decode_words(name).strip(), address.strip().lower())
        for name, address in pairs
        if address.strip()
    ]
    if found or not text:
        return found
    return [("", address.lower()) for address in _ANYWHERE.findall(text[:_MAX_PARSED])]


def _parsed(text: str) -> list[tuple[str, str]]:
    if len(text) > _MAX_PARSED:
        return []
    try:
        return getaddresses([text])
    except (RecursionError, ValueError, IndexError, TypeError):
        # Comments nested a thousand deep and their like: the caller falls back to a regex.
        return []
