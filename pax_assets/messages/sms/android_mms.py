"""What an MMS of an Android backup holds: parts and addresses instead of one body and one party.

A group's MMS names everybody; one with a picture has its text in a part of its own, among layout
(SMIL) that nobody wrote. The bytes of a part stay in the landed object, its digest names them.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass, field
from hashlib import sha256

from pax_assets.messages.addresses import phone
from pax_assets.messages.json.values import Json
from pax_assets.messages.message import Attachment
from pax_assets.messages.sms.android_xml import Element, Entry

# PduHeaders of Android: BCC, CC, FROM and TO.
_FROM = "137"
_TO = ("151", "130", "129")
# Android writes this for its owner, whose number it may not know.
_OWNER = "insert-address-token"
_LAYOUT = "application/smil"
_MISSING = ("", "null")


@dataclass(slots=True)
class Content:
    """What a message says, from whom and to whom (the owner has no number: an empty sender)."""

    text: str
    sender: str
    recipients: tuple[str, ...]
    attachments: tuple[Attachment, ...] = ()
    other: Json = field(default_factory=dict)


def parties(stated: str | None, default_region: str) -> tuple[str, ...]:
    """Return the numbers of an address; those of a group are joined by `~`."""
    if stated is None or stated in _MISSING:
        return ()
    numbers = (number.strip() for number in stated.split("~"))
    return tuple(
        dict.fromkeys(
            phone(number, default_region)
            for number in numbers
            if number not in _MISSING and number != _OWNER
        )
    )


def read_mms(entry: Entry, *, inbound: bool, default_region: str) -> Content:
    """Return what an `<mms>` entry holds."""
    others = parties(entry.element.attributes.get("address"), default_region)
    senders: list[str] = []
    named: list[str] = []
    for element in entry.inner:
        if element.tag == "addr":
            party = parties(element.attributes.get("address"), default_region)
            kind = element.attributes.get("type")
            (senders if kind == _FROM else named if kind in _TO else []).extend(party)
    if not senders and inbound:
        # Without addresses a chat of two has one possible sender.
        senders = list(others) if len(others) == 1 else []
    content = Content(
        text="",
        sender=senders[0] if senders else "",
        recipients=tuple(dict.fromkeys(named)) or (() if inbound else others),
    )
    _read_parts(entry, content)
    return content


def _read_parts(entry: Entry, content: Content) -> None:
    texts: list[str] = []
    attachments: list[Attachment] = []
    layouts: list[Json] = []
    unknown: list[Json] = []
    for element in entry.inner:
        if element.tag == "part":
            mime = _known(element, "ct") or "application/octet-stream"
            text = _known(element, "text")
            if mime == _LAYOUT:
                layouts.append({**element.attributes})
            elif mime == "text/plain" and text is not None:
                texts.append(text)
            else:
                attachments.append(_attachment(element, mime))
        elif element.tag != "addr":
            unknown.append({"tag": element.tag, **element.attributes})
    content.text = "\n".join(texts)
    content.attachments = tuple(attachments)
    if layouts:
        content.other["layout"] = layouts
    if unknown:
        content.other["unknown_elements"] = unknown


def _attachment(part: Element, mime: str) -> Attachment:
    names = (_known(part, key) for key in ("cl", "name", "fn"))
    return Attachment(
        kind=mime.partition("/")[0],
        id=_known(part, "cid"),
        mime=mime,
        sha256=_digest(part),
        filename=next((name for name in names if name), None),
    )


def _digest(part: Element) -> str | None:
    """Return the digest of what the part's bytes are; None where it has none, or no base64."""
    if "data" in part.large:
        return part.large["data"].sha256
    data, text = _known(part, "data"), _known(part, "text")
    if data is not None:
        try:
            return sha256(b64decode("".join(data.split()), validate=True)).hexdigest()
        except (binascii.Error, ValueError):
            return None
    return sha256(text.encode("utf-8", "replace")).hexdigest() if text is not None else None


def _known(element: Element, key: str) -> str | None:
    value = element.attributes.get(key)
    return None if value is None or value in _MISSING else value
