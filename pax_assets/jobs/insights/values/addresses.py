"""Telephone numbers and mail addresses of texts, as participants' identities are written.

A number in a text is its owner's only if both are spelled alike: E.164 here and there.
"""

from __future__ import annotations

from functools import lru_cache

from pax_assets.messages.addresses import mailboxes, phone

_MAX_LENGTH = 254


@lru_cache(maxsize=65536)
def phone_value(text: str, region: str = "US") -> str | None:
    """Return a number in E.164; None for what is no possible number.

    `region` (ISO 3166) is that of numbers without `+`.
    """
    import phonenumbers

    if not text or len(text) > _MAX_LENGTH or "@" in text:
        return None
    spelled = phone(text.strip().removeprefix("tel:").strip(" ,;:!?"), region)
    try:
        number = phonenumbers.parse(spelled, None)
    except phonenumbers.NumberParseException:
        return None
    return spelled if phonenumbers.is_possible_number(number) else None


@lru_cache(maxsize=65536)
def mail_value(text: str) -> str | None:
    """Return one mail address in lower case; None for anything else."""
    if not text or len(text) > _MAX_LENGTH or "@" not in text:
        return None
    found = [a for _, a in mailboxes(text.strip().removeprefix("mailto:").strip(" ,;:!?"))]
    whole = len(found) == 1 and "@" in found[0].strip("@") and " " not in found[0]
    return found[0] if whole else None
