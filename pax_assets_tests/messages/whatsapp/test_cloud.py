"""Cloud API payloads: every type of message, every kind of event, people without a number."""

from __future__ import annotations

import base64
import json
from hashlib import sha256

import pytest

from pax_assets.messages import ChannelEvent, Message, Quarantined, message_id
from pax_assets_tests.messages.conftest import RECEIVED, read

BASE = {"from": "13125550100", "id": "wamid.A", "timestamp": "1697043223"}
CONTACT = {"profile": {"name": "Ann", "username": "ann"}, "wa_id": "13125550100", "user_id": "US.1"}


def payload(*, contacts: list[object] | None = None, field: str = "messages", **lists) -> dict:
    """A payload of one change whose value holds `lists`."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "1 312 555 0177", "phone_number_id": "77"},
        "contacts": [CONTACT] if contacts is None else contacts,
        **lists,
    }
    change = {"field": field, "value": value}
    return {"object": "whatsapp_business_account", "entry": [{"id": "W", "changes": [change]}]}


def message(kind: str, body: object, **more: object) -> dict:
    """A message record of one type."""
    return {**BASE, "type": kind, kind: body, **more}


MEDIA = {"id": "9", "mime_type": "image/png", "sha256": "x"}


@pytest.mark.parametrize(
    ("record", "text", "content_type"),
    [
        (message("text", {"body": "Hi \U0001f600\n"}), "Hi \U0001f600\n", "text/plain"),
        (message("text", {"body": ""}), "", "text/plain"),
        (message("image", MEDIA), "", "whatsapp/image"),
        (message("image", {**MEDIA, "caption": "Us"}), "Us", "whatsapp/image"),
        (message("video", {**MEDIA, "caption": "Us"}), "Us", "whatsapp/video"),
        (message("audio", {**MEDIA, "voice": True}), "", "whatsapp/audio"),
        (message("sticker", MEDIA), "", "whatsapp/sticker"),
        (message("document", {**MEDIA, "filename": "a.pdf"}), "", "whatsapp/document"),
        (message("location", {"latitude": 1.5, "longitude": "2"}), "1.5,2", "whatsapp/location"),
        (
            message(
                "location", {"latitude": 1, "longitude": 2, "name": "Cafe", "address": "Here 1"}
            ),
            "Cafe\nHere 1",
            "whatsapp/location",
        ),
        (
            message(
                "contacts", [{"name": {"formatted_name": "Bo"}, "phones": [{"phone": "+1 2"}]}]
            ),
            "Bo +1 2",
            "whatsapp/contacts",
        ),
        (
            message(
                "interactive",
                {"type": "button_reply", "button_reply": {"id": "1", "title": "Yes"}},
            ),
            "Yes",
            "whatsapp/interactive.button_reply",
        ),
        (
            message(
                "interactive",
                {"type": "list_reply", "list_reply": {"id": "1", "title": "A", "description": "B"}},
            ),
            "A\nB",
            "whatsapp/interactive.list_reply",
        ),
        (
            message(
                "interactive",
                {"type": "nfm_reply", "nfm_reply": {"body": "Sent", "response_json": "{}"}},
            ),
            "Sent",
            "whatsapp/interactive.nfm_reply",
        ),
        (message("button", {"text": "Stop", "payload": "p"}), "Stop", "whatsapp/button"),
        (
            message(
                "order",
                {
                    "text": "Please",
                    "product_items": [
                        {
                            "product_retailer_id": "TEA",
                            "quantity": 2,
                            "item_price": 3.5,
                            "currency": "EUR",
                        }
                    ],
                },
            ),
            "Please\n2 x TEA, 3.5 EUR",
            "whatsapp/order",
        ),
        ({**BASE, "text": {"body": "no type"}}, "no type", "text/plain"),
        (message("ptv", {"id": "9", "mime_type": "video/mp4"}), "", "whatsapp/ptv"),
        (
            message("interactive", {"type": "button", "body": {"text": "Shall we?"}, "action": {}}),
            "Shall we?",
            "whatsapp/interactive.button",
        ),
    ],
)
def test_every_type_reads_as_what_a_person_saw(record, text, content_type, one) -> None:
    parsed = one(payload(messages=[record]), "whatsapp")
    assert (parsed.text, parsed.content_type) == (text, content_type)
    assert parsed.position == "entry[0].changes[0].messages[0]"
    assert parsed.message_id == message_id("whatsapp", "+13125550177", "wamid.A")
    assert (parsed.sender, parsed.recipients) == ("+13125550100", ("+13125550177",))
    assert (parsed.direction, parsed.source_kind) == ("inbound", "webhook")
    assert parsed.sent_at.isoformat() == "2023-10-11T16:53:43+00:00"
    assert parsed.source_metadata["names"] == {"+13125550100": "Ann"}


def test_media_become_attachments_with_a_hex_digest(one) -> None:
    digest = sha256(b"picture")
    media = {**MEDIA, "filename": "a.png", "sha256": base64.b64encode(digest.digest()).decode()}
    (attachment,) = one(payload(messages=[message("image", media)]), "whatsapp").attachments
    assert (attachment.kind, attachment.id, attachment.filename) == ("image", "9", "a.png")
    assert attachment.sha256 == digest.hexdigest()


@pytest.mark.parametrize(
    ("record", "kind", "about"),
    [
        (message("reaction", {"message_id": "wamid.B", "emoji": "!"}), "reaction", "wamid.B"),
        (message("reaction", {"message_id": "wamid.B"}), "reaction", "wamid.B"),
        (message("edit", {"original_message_id": "wamid.B"}), "edit", "wamid.B"),
        (message("revoke", {"original_message_id": "wamid.B"}), "deletion", "wamid.B"),
        (message("system", {"body": "changed", "wa_id": "2"}), "system", "wamid.A"),
        ({**BASE, "type": "request_welcome"}, "system", "wamid.A"),
        ({**BASE, "type": "unsupported", "errors": [{"code": 131051}]}, "error", "wamid.A"),
        (message("unsupported", {"type": "poll_creation"}), "error", "wamid.A"),
        (message("unsupported", {"type": "edit"}, errors=[{"code": 131051}]), "edit", None),
        (message("unsupported", {"type": "revoke"}), "deletion", None),
        (message("unsupported", {"type": "pin"}), "system", None),
        ({**BASE, "type": "unknown", "errors": [{"code": 131051}]}, "error", "wamid.A"),
        (message("hologram", {"body": "of 2031"}), "error", "wamid.A"),
        (message("template", {"name": "offer"}), "error", "wamid.A"),
        ({**BASE, "type": "text", "errors": [{"code": 1}]}, "error", "wamid.A"),
        (message("interactive", {"type": "call_permission_reply"}), "call", "wamid.A"),
    ],
)
def test_what_happens_to_messages_is_a_channel_event(record, kind, about) -> None:
    (event,) = read(payload(messages=[record]), "whatsapp")
    assert isinstance(event, ChannelEvent)
    assert (event.kind, event.provider_message_id) == (kind, about)
    assert (event.actor, event.account) == ("+13125550100", "+13125550177")
    note = event.payload.pop("pax_note", "")
    assert event.payload == record
    # Whoever opens the row learns why it is no message.
    silent = kind == "error" and "errors" not in record
    assert (record["type"] in note) == silent


@pytest.mark.parametrize(
    ("lists", "kind"),
    [
        *(
            ({"statuses": [{"id": "w", "status": status, "timestamp": "1697043223"}]}, "status")
            for status in ("sent", "delivered", "read", "played", "failed", "of 2031")
        ),
        ({"statuses": [{"id": "w", "status": "RINGING", "type": "call"}]}, "call"),
        ({"errors": [{"code": 131000, "title": "Something went wrong"}]}, "error"),
        ({"calls": [{"id": "w", "event": "connect", "from": "13125550100"}]}, "call"),
        ({"event": "ACCOUNT_UPDATE"}, "system"),
        ({"messages": "not a list"}, "system"),
    ],
)
def test_other_notices_are_channel_events_too(lists, kind) -> None:
    (event,) = read(payload(**lists), "whatsapp")
    assert isinstance(event, ChannelEvent)
    assert event.kind == kind


@pytest.mark.parametrize(
    ("record", "contact", "sender"),
    [
        ({"from_user_id": "US.9"}, {"user_id": "US.9", "profile": {"name": "Bo"}}, "US.9"),
        ({"from_user_id": "US.9"}, {"user_id": "US.9", "wa_id": "4915550100"}, "US.9"),
        ({}, {"user_id": "US.9", "profile": {"name": "Bo"}}, "US.9"),
        ({}, {"wa_id": "4915550100", "user_id": "US.9"}, "+4915550100"),
        ({}, {}, ""),
    ],
)
def test_people_without_a_number_are_known_by_their_user_id(record, contact, sender, one) -> None:
    record = {
        "id": "wamid.A",
        "timestamp": "1697043223",
        "type": "text",
        "text": {"body": "x"},
        **record,
    }
    parsed = one(payload(messages=[record], contacts=[contact]), "whatsapp")
    assert parsed.sender == sender
    if "profile" in contact:
        assert parsed.source_metadata["names"] == {sender: "Bo"}


def test_echoes_and_history_keep_their_direction() -> None:
    ours = {
        "id": "1",
        "from": "13125550177",
        "to": "13125550100",
        "type": "text",
        "text": {"body": "a"},
    }
    theirs = {"id": "2", "from": "13125550100", "type": "text", "text": {"body": "b"}}
    history = [{"threads": [{"id": "13125550100", "messages": [ours, theirs]}]}]
    records = read(payload(history=history, message_echoes=[ours]), "whatsapp")
    assert [record.direction for record in records] == ["outbound", "outbound", "inbound"]
    assert len({record.conversation_id for record in records}) == 1
    assert records[1].position == "entry[0].changes[0].history[0].threads[0].messages[0]"


def test_replies_forwards_and_groups_are_kept(one) -> None:
    record = message(
        "text", {"body": "x"}, context={"id": "wamid.P", "forwarded": True}, group_id="G1"
    )
    parsed = one(payload(messages=[record]), "whatsapp")
    assert parsed.reply_to == "wamid.P"
    assert parsed.source_metadata["context"]["forwarded"] is True
    other = one(payload(messages=[{**record, "from": "13125550199"}]), "whatsapp")
    assert parsed.conversation_id == other.conversation_id


def test_several_entries_changes_and_messages_all_count() -> None:
    two = payload(messages=[message("text", {"body": "a"}), message("reaction", {})])
    entry = two["entry"][0]
    two["entry"] = [entry, {"id": "V", "changes": entry["changes"] * 2}]
    records = read(two, "whatsapp")
    assert len({record.position for record in records}) == len(records) == 6


@pytest.mark.parametrize(
    "layout",
    [
        lambda a, b: json.dumps([a, b]),
        lambda a, b: json.dumps({"first": a, "second": b}, indent=2),
        lambda a, b: json.dumps(a) + "\n" + json.dumps(b),
        lambda a, b: json.dumps(a) + json.dumps(b),
        lambda a, b: json.dumps(a, indent=2) + "\n" + json.dumps(b, indent=2),
        lambda a, b: json.dumps(a["entry"][0]) + "\n" + json.dumps(b["entry"][0]),
        lambda a, b: "\n".join(json.dumps(p["entry"][0]["changes"][0]["value"]) for p in (a, b)),
    ],
)
def test_payloads_are_read_from_every_layout(layout) -> None:
    first = payload(messages=[message("text", {"body": "a"})])
    second = payload(messages=[message("text", {"body": "b"})])
    records = read(layout(first, second), "whatsapp")
    assert [getattr(record, "text", record) for record in records] == ["a", "b"]
    assert len({record.position for record in records}) == 2


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (None, "not_an_object"),
        ("x", "not_an_object"),
        ({}, "no_id"),
        ({"id": "w"}, "no_body"),
        ({"id": "w", "type": "text"}, "no_body"),
        ({"id": "w", "type": "text", "text": {}}, "no_body"),
        ({"id": "w", "type": "interactive", "interactive": {}}, "no_body"),
        (message("text", {"body": "x"}, context=json.loads("[" * 90 + "]" * 90)), "json_too_deep"),
    ],
)
def test_a_bad_record_leaves_the_others(record, code) -> None:
    good = message("text", {"body": "a"})
    records = read(payload(messages=[good, record, good]), "whatsapp")
    assert [type(item) for item in records] == [Message, Quarantined, Message]
    assert (records[1].code, records[1].position) == (code, "entry[0].changes[0].messages[1]")
    assert json.loads(records[1].payload) == record


@pytest.mark.parametrize(
    "change",
    [
        {"entry": []},
        {"entry": None},
        {"entry": [{}]},
        {"entry": ["x", 3]},
        {"entry": [{"id": "W", "changes": [None]}]},
        {"entry": [{"id": "W", "changes": [{"value": "x"}]}]},
    ],
)
def test_an_empty_or_mangled_envelope_leaves_a_row(change) -> None:
    assert read(payload() | change, "whatsapp")


def test_a_payload_of_sms_is_quarantined_with_the_right_folder() -> None:
    (record,) = read(payload(messages=[message("text", {"body": "a"})]), "sms")
    assert isinstance(record, Quarantined)
    assert record.code == "wrong_channel"
    assert "whatsapp/" in record.reason


def test_a_time_that_is_missing_is_the_arrival(one) -> None:
    parsed = one(payload(messages=[message("text", {"body": "a"}, timestamp=None)]), "whatsapp")
    assert (parsed.sent_at, parsed.sent_at_precision) == (RECEIVED, "received")


@pytest.mark.parametrize(
    "record",
    [
        {"id": "a", "text": "x", "entry": [1, 2]},
        {"id": "a", "text": "x", "messaging_product": "whatsapp"},
        {"id": "a", "text": "x", "object": "page", "entry": [{"changes": []}]},
    ],
)
def test_a_record_that_only_resembles_a_payload_is_read_as_it_is(record, one) -> None:
    assert one(record, "whatsapp").provider == "jsonl"
