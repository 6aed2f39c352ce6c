"""When two addresses are one person's: rules that cite who said so.

A wrong merge puts one customer's history under another's name, and nobody sees it. So nothing is
guessed: each rule repeats what a provider, a contact card or the data team states, and leaves a
row that names its source. Equal display names are no evidence: there are many Annas. The rules:

* `whatsapp_contact`: a WhatsApp payload gives one person's phone number (`wa_id`) and user id.
* `twilio_sender`: a Twilio form gives a sender's `WaId` and `ExternalUserId`.
* `number_changed`, `user_id_changed`: WhatsApp's notice that a person changed number or user id.
* `contact_card`: a contact card that was sent names phones and mailboxes of one person.
* `stated`: a line of the data team's own, in `<landing>/identities/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from pax_assets.jobs.identities.identity import canonical, kind_of
from pax_assets.messages.addresses import phone, whatsapp_number
from pax_assets.messages.json.values import Json, as_dict, as_list, as_token

# Rows of `messages` whose metadata lacks all of these say nothing about identities.
MARKS = ('"user_id"', '"ExternalUserId"', '"external_user_id"', '"contacts"')
MESSAGE_COLUMNS = ["message_id", "sender", "direction", "sent_at", "source_metadata"]
EVENT_COLUMNS = ["kind", "occurred_at", "received_at", "payload", "raw_uri", "raw_position"]
_NUMBER_CHANGES = frozenset({"customer_changed_number", "user_changed_number"})
# Numbers of a house and not of a person.
_SHARED_PHONES = frozenset({"main", "fax", "pager", "company"})
_MOST_ON_A_CARD = 20


class Evidence(NamedTuple):
    """Two identities of one person, in order, and who says so where and when."""

    first: str
    second: str
    rule: str
    source: str
    position: str
    stated_at: datetime | None


class UnusableLine(ValueError):
    """A line of an identities file that says nothing usable; the message says why."""


def of_message(row: Mapping[str, Any]) -> Iterator[Evidence]:
    """Yield what a row of `messages` (`MESSAGE_COLUMNS`) states."""
    metadata = _object(row["source_metadata"])
    sender = row["sender"] or ""
    where = (row["message_id"], "", row["sent_at"])
    if row["direction"] != "outbound":
        wa_id, user = as_token(metadata.get("wa_id")), as_token(metadata.get("user_id"))
        numbers = [whatsapp_number(wa_id)] if wa_id else []
        if kind_of(sender) == "phone":
            numbers.append(sender)
        if user:
            yield from _pairs([*numbers, user], "whatsapp_contact", where)
        external = _first(metadata, "ExternalUserId", "external_user_id")
        number = _first(metadata, "WaId", "wa_id")
        if external:
            same = [whatsapp_number(external), sender]
            if number:
                same.append(whatsapp_number(number))
            yield from _pairs(same, "twilio_sender", where)
    for card in as_list(metadata.get("contacts")):
        yield from _pairs(_on_card(as_dict(card)), "contact_card", where)


def of_event(row: Mapping[str, Any]) -> Iterator[Evidence]:
    """Yield what a row of `channel_events` (`EVENT_COLUMNS`) states."""
    if row["kind"] != "system":
        return
    record = _object(row["payload"])
    notice = as_dict(record.get("system"))
    where = (row["raw_uri"], row["raw_position"], row["occurred_at"] or row["received_at"])
    kind = as_token(notice.get("type"))
    if kind in _NUMBER_CHANGES:
        was = as_token(record.get("from")) or as_token(notice.get("customer"))
        now = _first(notice, "new_wa_id", "wa_id")
        if was and now:
            both = [whatsapp_number(was), whatsapp_number(now)]
            yield from _pairs(both, "number_changed", where)
    elif kind == "user_changed_user_id":
        was, now = as_token(record.get("from_user_id")), as_token(notice.get("user_id"))
        if was and now:
            yield from _pairs([was, now], "user_id_changed", where)


def of_line(line: str, region: str, source: str, number: int) -> Iterator[Evidence]:
    """Yield what a line of an identities file states; raise `UnusableLine` where it is unusable.

    A line is `{"identities": ["+49 30 1234567", "ada@example.org", "US.1349120"]}`, two or more
    of one person; other keys are the data team's own. Numbers without `+` are of `region`.
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise UnusableLine("not JSON; write one object a line") from None
    listed = value.get("identities") if isinstance(value, dict) else None
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise UnusableLine('no list of addresses under "identities"')
    same = {_spelled(item, region) for item in listed} - {""}
    if len(same) < 2:
        raise UnusableLine("fewer than two addresses, which links nothing")
    if any(kind_of(item) == "other" for item in same):
        raise UnusableLine("an address is no phone number, mailbox or WhatsApp user id")
    yield from _pairs(same, "stated", (source, f"line {number}", None))


def _spelled(raw: str, region: str) -> str:
    text = raw.strip()
    if "@" in text:
        return text.lower()
    return text if kind_of(text) == "whatsapp" else phone(text, region)


def _on_card(card: Json) -> list[str]:
    """Return the phone numbers and mailboxes of one contact card."""
    found: list[str] = []
    for item in as_list(card.get("phones")):
        entry = as_dict(item)
        if (as_token(entry.get("type")) or "").lower() in _SHARED_PHONES:
            continue
        wa_id, dialled = as_token(entry.get("wa_id")), as_token(entry.get("phone"))
        if wa_id:
            found.append(whatsapp_number(wa_id))
        elif dialled and dialled.strip().startswith("+"):
            # A national number means another person in another country.
            found.append(phone(dialled, ""))
    found += [
        address.strip().lower()
        for item in as_list(card.get("emails"))
        if (address := as_token(as_dict(item).get("email")))
    ]
    return [item for item in found if kind_of(item) in ("phone", "email")][:_MOST_ON_A_CARD]


def _pairs(
    identities: Iterable[str], rule: str, where: tuple[str, str, datetime | None]
) -> Iterator[Evidence]:
    """Link identities of one person in a chain, the canonical one first."""
    distinct = {identity for identity in identities if identity}
    ordered: list[str] = []
    while distinct:
        ordered.append(canonical(distinct))
        distinct.remove(ordered[-1])
    for one, other in pairwise(ordered):
        first, second = sorted((one, other))
        yield Evidence(first, second, rule, *where)


def _first(value: Json, *keys: str) -> str | None:
    return next((text for key in keys if (text := as_token(value.get(key)))), None)


def _object(text: str | None) -> Json:
    return as_dict(json.loads(text)) if text else {}
