"""The sample as landing objects: five days of traffic in the providers' own formats.

A demo that starts from clean tables shows nothing of a platform that reads channels. So the
sample lands what providers send: pages of a message list, webhook payloads, mails; with delivery
statuses and reactions, objects that come twice, and records that are broken on arrival.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from pax_assets.sample import mail
from pax_assets.sample.timeline import (
    DAYS,
    WHATSAPP_NUMBER,
    WHATSAPP_NUMBER_ID,
    LandedMessage,
    landed,
)

_ACCOUNT_SID = "AC" + "5a" * 16
_PAGE = 40


def write_landing(root: Path, seed: int = 13) -> int:
    """Write the landing objects below `root` and return how many there are.

    Objects lie at `<root>/<channel>/<YYYY-MM-DD>/<object>` for the days 2026-01-05 to
    2026-01-09. The bytes are the same for a seed; objects of an earlier call are overwritten.
    """
    written = 0
    for name, data in objects(seed):
        path = Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        written += 1
    return written


def objects(seed: int = 13) -> Iterator[tuple[str, bytes]]:
    """Yield `(path below the landing root, bytes)` of every object, each path once."""
    days: dict[tuple[str, str, date], list[LandedMessage]] = defaultdict(list)
    for message in landed(seed):
        form = "jsonl" if message.form == "jsonl" else ""
        days[message.channel, form, message.sent_at.date()].append(message)
    for messages in days.values():
        messages.sort(key=lambda m: (m.sent_at, m.conversation.id, m.number))
    for index, day in enumerate(DAYS):
        rng = Random(f"{seed}/objects/{day}")  # noqa: S311 - a sample, no secret
        before = day - timedelta(days=1)
        yield from _sms(days["sms", "", day], days["sms", "", before], day)
        yield from _whatsapp(days["whatsapp", "", day], days["whatsapp", "", before], day, rng)
        yield from _mails(days["email", "", day], days["email", "", before], day)
        for channel in ("sms", "whatsapp"):
            yield from _lines(channel, days[channel, "jsonl", day], day, broken=index % 2 == 0)


def _sms(today: list[LandedMessage], before: list[LandedMessage], day: date):
    """Yield Twilio message lists: pages of today; the first page starts with yesterday's end."""
    records = [_twilio(m) for m in before[-2:] + today]
    if records:
        # A record that lost its sid on the way: it must not stop the others of its page.
        records.append({**records[-1], "sid": None, "body": "(no sid)"})
    for number, start in enumerate(range(0, len(records), _PAGE)):
        page = {
            "messages": records[start : start + _PAGE],
            "page": number,
            "page_size": _PAGE,
            "start": start,
            "end": min(start + _PAGE, len(records)) - 1,
            "uri": f"/2010-04-01/Accounts/{_ACCOUNT_SID}/Messages.json?Page={number}",
        }
        yield f"sms/{day}/messages-page-{number}.json", _json(page, indent=1)


def _twilio(message: LandedMessage) -> dict[str, object]:
    contact, own = message.conversation.contact.phone, message.own_address
    inbound = message.message.inbound
    sent = message.sent_at.strftime("%a, %d %b %Y %H:%M:%S +0000")
    return {
        "sid": message.native_id,
        "account_sid": _ACCOUNT_SID,
        "messaging_service_sid": None,
        "from": contact if inbound else own,
        "to": own if inbound else contact,
        "body": message.text,
        "num_segments": str(1 + len(message.text) // 160),
        "num_media": "0",
        "direction": "inbound" if inbound else "outbound-api",
        "status": "received" if inbound else "delivered",
        "error_code": None,
        "error_message": None,
        "price": None,
        "price_unit": "USD",
        "date_created": sent,
        "date_updated": sent,
        "date_sent": sent,
        "api_version": "2010-04-01",
        "uri": f"/2010-04-01/Accounts/{_ACCOUNT_SID}/Messages/{message.native_id}.json",
    }


def _whatsapp(today: list[LandedMessage], before: list[LandedMessage], day: date, rng: Random):
    """Yield webhook payloads, one a line, and one payload as an object of its own."""
    lines = [_json(_payload([m], rng)) for m in before[:2]]
    pending: list[LandedMessage] = []
    for message in today:
        if pending and (message.conversation is not pending[0].conversation or len(pending) > 2):
            lines.append(_json(_payload(pending, rng)))
            pending = []
        pending.append(message)
        if rng.random() < 0.6:
            lines.append(_json(_payload(pending, rng)))
            pending = []
    if pending:
        lines.append(_json(_payload(pending, rng)))
    for message in today:
        if rng.random() < 0.12:
            lines.append(_json(_status(message, rng)))
        if rng.random() < 0.06:
            lines.append(_json(_reaction(message, rng)))
    if not today:
        return
    lost = _payload([today[0]], rng)
    del lost["entry"][0]["changes"][0]["value"]["messages"][0]["id"]
    lines.insert(len(lines) // 2, _json(lost))
    lines.append(lines[0][: len(lines[0]) * 2 // 3] + b"\n")
    yield f"whatsapp/{day}/webhooks.jsonl", b"".join(lines)
    yield f"whatsapp/{day}/webhook-redelivered.json", lines[len(lines) // 3]


def _envelope(value: dict[str, object]) -> dict[str, Any]:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": WHATSAPP_NUMBER,
            "phone_number_id": WHATSAPP_NUMBER_ID,
        },
        **value,
    }
    change = {"value": value, "field": "messages"}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "102290129340398", "changes": [change]}],
    }


def _payload(messages: list[LandedMessage], rng: Random) -> dict[str, Any]:
    contact = messages[0].conversation.contact
    number = contact.phone.lstrip("+")
    contacts = [{"profile": {"name": contact.name}, "wa_id": number}]
    return _envelope(
        {"contacts": contacts, "messages": [_whatsapp_message(m, rng) for m in messages]}
    )


def _whatsapp_message(message: LandedMessage, rng: Random) -> dict[str, object]:
    out: dict[str, object] = {
        "from": message.conversation.contact.phone.lstrip("+"),
        "id": message.native_id,
        "timestamp": str(int(message.sent_at.timestamp())),
    }
    if message.native_id.endswith("0"):
        # One in sixteen is the caption of a picture.
        digest = f"{rng.getrandbits(256):064x}"
        media = {"mime_type": "image/jpeg", "sha256": digest, "id": str(rng.getrandbits(50))}
        return {**out, "type": "image", "image": {"caption": message.text, **media}}
    return {**out, "type": "text", "text": {"body": message.text}}


def _status(message: LandedMessage, rng: Random) -> dict[str, Any]:
    status = {
        "id": f"wamid.{rng.getrandbits(128):032X}",
        "status": rng.choice(("sent", "delivered", "read")),
        "timestamp": str(int(message.sent_at.timestamp()) + rng.randint(1, 90)),
        "recipient_id": message.conversation.contact.phone.lstrip("+"),
    }
    return _envelope({"statuses": [status]})


def _reaction(message: LandedMessage, rng: Random) -> dict[str, Any]:
    contact = message.conversation.contact
    number = contact.phone.lstrip("+")
    reaction = {
        "from": number,
        "id": f"wamid.{rng.getrandbits(128):032X}",
        "timestamp": str(int(message.sent_at.timestamp()) + 60),
        "type": "reaction",
        "reaction": {"message_id": message.native_id, "emoji": rng.choice("👍🙏😂")},
    }
    contacts = [{"profile": {"name": contact.name}, "wa_id": number}]
    return _envelope({"contacts": contacts, "messages": [reaction]})


def _mails(today: list[LandedMessage], before: list[LandedMessage], day: date):
    """Yield mails; the last one of yesterday comes again, and one object is no mail at all."""
    for message in today:
        name = f"{message.conversation.id}-{message.number}"
        yield f"email/{day}/{name}.eml", mail.render(message)
    for message in before[-1:]:
        yield f"email/{day}/redelivered-{message.conversation.id}.eml", mail.render(message)
    if day == DAYS[2]:
        yield f"email/{day}/upload-failed.eml", b"<empty upload>\n"


def _lines(channel: str, today: Iterable[LandedMessage], day: date, *, broken: bool):
    """Yield a JSON Lines file of a data team's own export; some days its last line is cut."""
    lines = [
        _json(
            {
                "message_id": m.native_id,
                "conversation_id": m.conversation.id,
                "account": m.own_address,
                "direction": "inbound" if m.message.inbound else "outbound",
                "sender": m.sender.phone if m.message.inbound else m.own_address,
                "recipient": m.own_address if m.message.inbound else m.receiver.phone,
                "timestamp": m.sent_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "text": m.text,
            }
        )
        for m in today
    ]
    if not lines:
        return
    if broken:
        lines.append(lines[0][: len(lines[0]) // 2] + b"\n")
    yield f"{channel}/{day}/team-export.jsonl", b"".join(lines)


def _json(value: object, indent: int | None = None) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=indent).encode() + b"\n"
