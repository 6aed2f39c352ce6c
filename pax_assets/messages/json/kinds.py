"""JSON objects of every provider: cut into documents, each recognised by its keys.

The same object may hold a webhook payload, a list that wraps messages and a line of a
warehouse's export, for gateways and people put files together. So a record is recognised where
it stands, not by the company it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pax_assets.messages.arrival import MAX_RECORD_BYTES, Arrival
from pax_assets.messages.json import jsonl
from pax_assets.messages.json.documents import (
    BrokenJson,
    JsonDocument,
    documents,
    documents_of_line,
    sha256_source,
)
from pax_assets.messages.json.values import Json, as_dict, as_list
from pax_assets.messages.message import CHANNELS, Channel, Record
from pax_assets.messages.sms import sns, twilio_rest
from pax_assets.messages.source import Line, Source
from pax_assets.messages.whatsapp import cloud

_MAX_KEY = 80
# A list of lists of lists is no provider's format.
_MAX_NESTED_LISTS = 3


@dataclass(frozen=True, slots=True)
class _Kind:
    """A provider's JSON: its name, how its keys show it, where it may land, who reads it."""

    name: str
    recognises: Callable[[Json], bool]
    channels: tuple[Channel, ...]
    records: Callable[[Json, str, JsonDocument, Arrival], Iterator[Record]]


_KINDS = (
    _Kind(
        "a WhatsApp Cloud API payload",
        cloud.is_payload,
        ("whatsapp",),
        cloud.records,
    ),
    _Kind(
        "a Twilio message",
        lambda value: twilio_rest.is_message_list(value) or twilio_rest.is_message_resource(value),
        ("sms", "whatsapp"),
        twilio_rest.records,
    ),
    # What is inside says itself where it belongs.
    _Kind(
        "a notification of AWS",
        lambda value: sns.is_envelope(value) or sns.is_raw_payload(value),
        CHANNELS,
        sns.records,
    ),
)


# A record without lists and objects inside is a provider's only if it has one of these keys.
_MARKS = frozenset(
    {
        "object",
        "sid",
        "Type",
        "notificationType",
        "eventType",
        "originationNumber",
        "inboundMessageId",
        "MessageSid",
    }
)


def is_provider_shape(keys: frozenset[str]) -> bool:
    """Whether a record of scalars with these keys may be more than a line of an export."""
    return not _MARKS.isdisjoint(keys)


def records(source: Source, arrival: Arrival) -> Iterator[Record]:
    """Yield the records of an object that looks like JSON.

    A small object may be pretty-printed or hold documents end to end; one above
    `MAX_RECORD_BYTES` must have its documents one a line.
    """
    ordinals: jsonl.Ordinals = {}
    data = source.small()
    found = documents(data) if data is not None else _by_line(source)
    for document in found:
        yield from of_document(document, arrival, ordinals)


def of_document(
    document: JsonDocument | BrokenJson, arrival: Arrival, ordinals: jsonl.Ordinals
) -> Iterator[Record]:
    """Yield the records of one document; `ordinals` belongs to the whole object."""
    if isinstance(document, BrokenJson):
        yield arrival.quarantined(document.position, document.code, document.reason, document.raw)
    else:
        yield from _of_value(document.value, "", document, arrival, ordinals)


def _by_line(source: Source) -> Iterator[JsonDocument | BrokenJson]:
    for line in source.lines():
        yield from _documents_of(line)


def of_line(line: Line, arrival: Arrival, ordinals: jsonl.Ordinals) -> Iterator[Record]:
    """Yield the records of one line of JSON Lines; `ordinals` belongs to the whole object."""
    for document in _documents_of(line):
        yield from of_document(document, arrival, ordinals)


def _documents_of(line: Line) -> Iterator[JsonDocument | BrokenJson]:
    if line.whole:
        yield from documents_of_line(line.number, line.data)
        return
    reason = (
        f"the line has {line.size} bytes, the bound is {MAX_RECORD_BYTES}; "
        "split it into one record a line"
    )
    yield BrokenJson(f"line {line.number}", "record_too_large", reason, line.data)


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
    kind = next((kind for kind in _KINDS if kind.recognises(mapping)), None)
    if kind is not None:
        if arrival.channel in kind.channels:
            yield from kind.records(mapping, path, document, arrival)
        else:
            places = " or ".join(f"{channel}/" for channel in kind.channels)
            reason = f"this is {kind.name}; land it under {places}"
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
    if any(cloud.is_payload(as_dict(item)) for item in mapping.values()):
        return [(f"{prefix}{key[:_MAX_KEY]}", item) for key, item in mapping.items()]
    return []
