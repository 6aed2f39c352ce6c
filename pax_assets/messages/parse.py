"""One entrance for every landed object: what it is shows in its bytes.

Providers, gateways and people name files as they like, so a name or an extension decides
nothing here. JSON is cut into documents and each is recognised alone; on the e-mail channel
everything that begins with a mail header is mail. Whatever is left is quarantined with a
sentence that says what would have been accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast

from pax_assets.messages import jsonl, mail, twilio_rest, whatsapp_cloud
from pax_assets.messages.arrival import Arrival
from pax_assets.messages.json_documents import (
    BrokenJson,
    JsonDocument,
    documents,
    looks_like_json,
    sha256_source,
)
from pax_assets.messages.json_values import Json, as_dict, as_list
from pax_assets.messages.mail_source import mail_start
from pax_assets.messages.message import CHANNELS, Channel, Record

_ACCEPTED = {
    "sms": "JSON Lines or Twilio's REST message list",
    "whatsapp": "WhatsApp Cloud API webhook payloads, JSON Lines or Twilio's REST message list",
    "email": "RFC 5322 mail (.eml) or JSON Lines",
}
_PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2"}
_MAX_KEY = 80
# A list of lists of lists is no provider's format.
_MAX_NESTED_LISTS = 3


def parse(
    data: bytes, channel: str, uri: str, *, received_at: datetime, default_region: str
) -> Iterator[Record]:
    """Yield one `Message`, `ChannelEvent` or `Quarantined` for every record of an object.

    `data` are the object's bytes, `channel` one of `CHANNELS`, `uri` where it lies (named in
    reasons only), `received_at` when it arrived (naive counts as UTC), `default_region` the
    ISO 3166 region of phone numbers without a country code. No bytes make it raise, every
    string that it yields encodes to UTF-8, and the same arguments give the same records.
    Raises `ValueError` for a channel that does not exist.
    """
    if channel not in CHANNELS:
        raise ValueError(f"no such channel: {channel!r} (for {uri}); use one of {CHANNELS}")
    if received_at.tzinfo is None:
        received_at = received_at.replace(tzinfo=UTC)
    arrival = Arrival(cast(Channel, channel), received_at.astimezone(UTC), default_region)
    return _records(data, arrival)


def _records(data: bytes, arrival: Arrival) -> Iterator[Record]:
    data = _as_utf8(data)
    if not data.strip():
        yield arrival.quarantined("object", "empty_object", "the object is empty", data)
    elif packed := next((kind for magic, kind in _PACKED.items() if data.startswith(magic)), None):
        reason = f"the object is packed with {packed}; unpack it before landing"
        yield arrival.quarantined("object", "packed_object", reason, data)
    elif arrival.channel == "email" and _is_mail(data):
        yield from mail.records(data, arrival)
    elif looks_like_json(data):
        yield from _json_records(data, arrival)
    elif arrival.channel == "email":
        # Quarantines it, with the reason.
        yield from mail.records(data, arrival)
    else:
        reason = f"neither {_ACCEPTED[arrival.channel]}"
        if mail_start(data) is not None:
            reason = "this is mail; land it under email/"
        yield arrival.quarantined("object", "unknown_format", reason, data)


def _is_mail(data: bytes) -> bool:
    if mail_start(data) is None:
        return False
    if data.lstrip()[:1] not in (b"{", b"["):
        return True
    # A stray brace before a mail, or JSON whose text quotes a mail's headers.
    return not isinstance(next(documents(data), None), JsonDocument)


def _as_utf8(data: bytes) -> bytes:
    """Return `data` without a byte order mark, UTF-16 (PowerShell's default) as UTF-8."""
    if data.startswith(b"\xef\xbb\xbf"):
        return data[3:]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16").encode("utf-8")
        except UnicodeDecodeError:
            # Not UTF-16 after all: what it is instead shows below.
            return data
    return data


def _json_records(data: bytes, arrival: Arrival) -> Iterator[Record]:
    ordinals: jsonl.Ordinals = {}
    for document in documents(data):
        if isinstance(document, BrokenJson):
            yield arrival.quarantined(
                document.position, document.code, document.reason, document.raw
            )
        else:
            yield from _of_value(document.value, "", document, arrival, ordinals)


def _of_value(
    value: object,
    path: str,
    document: JsonDocument,
    arrival: Arrival,
    ordinals: jsonl.Ordinals,
    nested: int = 0,
) -> Iterator[Record]:
    """Yield the records of a JSON value at `path` of its document, recognised by its keys."""
    position = document.position(path)
    if isinstance(value, list) and nested < _MAX_NESTED_LISTS:
        for number, item in enumerate(as_list(value)):
            place = f"{path}[{number}]"
            yield from _of_value(item, place, document, arrival, ordinals, nested + 1)
        return
    if not isinstance(value, dict):
        reason = f"a JSON {type(value).__name__} where a message object was expected"
        yield arrival.quarantined(position, "not_an_object", reason, value)
        return
    mapping = as_dict(value)
    if whatsapp_cloud.is_payload(mapping):
        if arrival.channel == "whatsapp":
            yield from whatsapp_cloud.records(mapping, path, document, arrival)
        else:
            reason = "this is a WhatsApp Cloud API payload; land it under whatsapp/"
            yield arrival.quarantined(position, "wrong_channel", reason, value)
    elif twilio_rest.is_message_list(mapping) or twilio_rest.is_message_resource(mapping):
        if arrival.channel != "email":
            yield from twilio_rest.records(mapping, path, document, arrival)
        else:
            reason = "this is a Twilio message; land it under sms/ or whatsapp/"
            yield arrival.quarantined(position, "wrong_channel", reason, value)
    elif nested < _MAX_NESTED_LISTS and (items := _inner_items(mapping, path)):
        for place, item in items:
            yield from _of_value(item, place, document, arrival, ordinals, nested + 1)
    else:
        raw = sha256_source(document, value)
        yield arrival.outcome(
            position,
            mapping,
            lambda: jsonl.message(mapping, raw, position, arrival, ordinals),
            payload=raw,
        )


def _inner_items(mapping: Json, path: str) -> list[tuple[str, object]]:
    """Return the records that an object only wraps: a list under `messages`, named payloads."""
    prefix = f"{path}." if path else ""
    if isinstance(mapping.get("messages"), list):
        return [
            (f"{prefix}messages[{number}]", item)
            for number, item in enumerate(as_list(mapping["messages"]))
        ]
    if any(whatsapp_cloud.is_payload(as_dict(item)) for item in mapping.values()):
        return [(f"{prefix}{key[:_MAX_KEY]}", item) for key, item in mapping.items()]
    return []
