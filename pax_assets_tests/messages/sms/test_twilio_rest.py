"""Twilio's message resources: directions, statuses, media, and the layouts they arrive in."""

from __future__ import annotations

import json

import pytest

from pax_assets.messages import ChannelEvent, Message, Quarantined, message_id
from pax_assets_tests.messages.conftest import RECEIVED, read

SID = "SM" + "0" * 31 + "1"
INBOUND = {
    "sid": SID,
    "account_sid": "AC" + "0" * 32,
    "messaging_service_sid": None,
    "from": "+13125550100",
    "to": "+13125550142",
    "body": "Where is my order?",
    "num_segments": "1",
    "num_media": "0",
    "direction": "inbound",
    "status": "received",
    "error_code": None,
    "date_created": "Mon, 05 Jan 2026 10:00:00 +0000",
    "date_sent": "Mon, 05 Jan 2026 10:00:01 +0000",
    "subresource_uris": {"media": f"/2010-04-01/Messages/{SID}/Media.json"},
}
OUTBOUND = INBOUND | {
    "sid": "SM" + "0" * 31 + "2",
    "from": "+13125550142",
    "to": "+13125550100",
    "direction": "outbound-api",
    "status": "delivered",
}


def _page(*items: object) -> dict[str, object]:
    return {"messages": list(items), "page": 0, "page_size": 50, "next_page_uri": None}


PAGE_LINES = json.dumps(_page(INBOUND), indent=1).count("\n") + 1


def test_a_page_gives_a_record_for_each_message() -> None:
    first, second = read(_page(INBOUND, OUTBOUND), "sms")
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert first.message_id == message_id("sms", "+13125550142", SID)
    assert (first.sender, first.recipients) == ("+13125550100", ("+13125550142",))
    assert (first.direction, second.direction) == ("inbound", "outbound")
    assert first.account == second.account == "+13125550142"
    assert first.conversation_id == second.conversation_id
    assert first.sent_at.isoformat() == "2026-01-05T10:00:01+00:00"
    assert (first.provider, first.source_kind) == ("twilio", "rest")
    assert (first.position, second.position) == ("messages[0]", "messages[1]")
    assert first.source_metadata["status"] == "received"


def test_an_empty_page_holds_no_record() -> None:
    assert read(_page(), "sms") == []


@pytest.mark.parametrize(
    ("text", "positions"),
    [
        (json.dumps(INBOUND), ["line 1"]),
        (json.dumps(INBOUND, indent=1), ["line 1"]),
        (json.dumps([INBOUND, OUTBOUND]), ["[0]", "[1]"]),
        (json.dumps(INBOUND) + "\n" + json.dumps(OUTBOUND), ["line 1", "line 2"]),
        (json.dumps(INBOUND) + json.dumps(OUTBOUND), ["line 1 (1)", "line 1 (2)"]),
        (
            json.dumps(_page(INBOUND)) + "\n" + json.dumps(_page(OUTBOUND)),
            ["line 1: messages[0]", "line 2: messages[0]"],
        ),
        (json.dumps([_page(INBOUND), _page(OUTBOUND)]), ["[0].messages[0]", "[1].messages[0]"]),
        (
            json.dumps(_page(INBOUND), indent=1) + "\n" + json.dumps(_page(OUTBOUND), indent=1),
            ["line 1: messages[0]", f"line {PAGE_LINES + 1}: messages[0]"],
        ),
    ],
)
def test_every_layout_of_resources_and_pages_is_read(text, positions) -> None:
    records = read(text, "sms")
    assert all(isinstance(record, Message) for record in records), records
    assert [record.provider for record in records] == ["twilio"] * len(positions)
    assert [record.position for record in records] == positions


def test_the_digest_does_not_depend_on_the_layout() -> None:
    (plain,) = read(INBOUND, "sms")
    (pretty,) = read(json.dumps(_page(INBOUND), indent=3), "sms")
    assert plain.sha256 == pretty.sha256


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"status": "failed", "error_code": 30003}, "message"),
        ({"status": "undelivered"}, "message"),
        ({"status": "queued"}, "message"),
        ({"status": "scheduled", "date_sent": None}, "draft"),
        ({"status": "canceled", "date_sent": None}, "draft"),
        ({"status": "accepted", "from": None, "date_sent": None}, "draft"),
    ],
)
def test_a_failed_message_is_a_message_and_an_unsent_one_a_draft(change, expected) -> None:
    (record,) = read(_page(OUTBOUND | change), "sms")
    if expected == "message":
        assert isinstance(record, Message)
        assert record.source_metadata["status"] == change["status"]
    else:
        assert isinstance(record, ChannelEvent)
        assert (record.kind, record.provider_message_id) == ("draft", OUTBOUND["sid"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"from": "whatsapp:+13125550100"}, {"channel": "whatsapp", "sender": "+13125550100"}),
        ({"from": "(312) 555-0100"}, {"sender": "+13125550100", "channel": "sms"}),
        ({"from": "72975"}, {"sender": "72975"}),
        ({"body": None}, {"text": ""}),
        ({"body": ""}, {"text": ""}),
        ({"body": "a\n\U0001f600 "}, {"text": "a\n\U0001f600 "}),
        ({"date_sent": None}, {"sent_at_precision": "second"}),
        (
            {"date_sent": None, "date_created": "never"},
            {"sent_at": RECEIVED, "sent_at_precision": "received"},
        ),
        ({"direction": None}, {"direction": "unknown"}),
        ({"to": None}, {"recipients": (), "account": "AC" + "0" * 32}),
        ({"num_media": "many"}, {"attachments": ()}),
        ({"num_media": -1}, {"attachments": ()}),
    ],
)
def test_fields_are_read_as_they_come(change, expected, one) -> None:
    message = one(_page(INBOUND | change), "sms")
    assert {name: getattr(message, name) for name in expected} == expected


def test_media_are_counted_as_attachments(one) -> None:
    assert [a.id for a in one(_page(INBOUND | {"num_media": "2"}), "sms").attachments] == [
        f"/2010-04-01/Messages/{SID}/Media.json#0",
        f"/2010-04-01/Messages/{SID}/Media.json#1",
    ]
    assert len(one(_page(INBOUND | {"num_media": 9999}), "sms").attachments) == 100


@pytest.mark.parametrize(
    ("item", "code"),
    [(None, "not_an_object"), ("x", "not_an_object"), ({"body": "x"}, "no_id"), ({}, "no_id")],
)
def test_a_bad_item_leaves_the_others(item, code) -> None:
    records = read(_page(INBOUND, item, OUTBOUND), "sms")
    assert [type(record) for record in records] == [Message, Quarantined, Message]
    assert (records[1].code, records[1].position) == (code, "messages[1]")


def test_on_the_mail_channel_it_is_quarantined_with_the_right_folder() -> None:
    (record,) = read(_page(INBOUND), "email")
    assert isinstance(record, Quarantined)
    assert record.code == "wrong_channel"
    assert "sms/" in record.reason
