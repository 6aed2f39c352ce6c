"""JSON records as data teams hold them: names of fields, broken lines, odd values."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax_assets.messages import CHANNELS, Message, Quarantined, message_id
from pax_assets.messages.message import conversation_key
from pax_assets_tests.messages.conftest import RECEIVED, read

LINE = {"message_id": "m1", "text": "See you at 5", "timestamp": "2026-01-05T10:00:00Z"}


def test_three_fields_make_a_message_on_any_channel(one) -> None:
    for channel in CHANNELS:
        message = one(LINE, channel)
        assert message.text == "See you at 5"
        assert message.message_id == message_id(channel, "", "m1")
        assert (message.provider, message.source_kind) == ("jsonl", "export")
        assert message.sent_at.isoformat() == "2026-01-05T10:00:00+00:00"
        assert (message.position, message.direction, message.sender) == ("line 1", "unknown", "")


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"id": "a", "body": "t"}, {"provider_message_id": "a", "text": "t"}),
        ({"id": 12, "content": "t"}, {"provider_message_id": "12", "text": "t"}),
        ({"messageId": "a", "message": "t"}, {"provider_message_id": "a", "text": "t"}),
        ({"Message ID": "a", "Text": "t"}, {"provider_message_id": "a", "text": "t"}),
        ({"id": "row", "message_id": "a", "text": "t"}, {"provider_message_id": "a"}),
        ({"id": "a", "text": 12345}, {"text": "12345"}),
        ({"id": "a", "text": ""}, {"text": ""}),
        ({"id": "a", "text": {"body": "t"}}, {"text": "t"}),
        ({"id": "a", "text": None, "body": "t"}, {"text": "t"}),
        ({"id": "a", "text": "  \r\n two\tlines \u0000 "}, {"text": "  \r\n two\tlines \u0000 "}),
        ({"id": "a", "text": "t", "from_number": "(312) 555-0142"}, {"sender": "+13125550142"}),
        ({"id": "a", "text": "t", "sender": {"phone": "+13125550142"}}, {"sender": "+13125550142"}),
        (
            {"id": "a", "text": "t", "to": ["+13125550142", "+13125550143"]},
            {"recipients": ("+13125550142", "+13125550143")},
        ),
        (
            {"id": "a", "text": "t", "recipients": "+13125550142; +13125550143"},
            {"recipients": ("+13125550142", "+13125550143")},
        ),
        (
            {"id": "a", "text": "t", "account": "+13125550142", "direction": "Incoming"},
            {"account": "+13125550142", "direction": "inbound"},
        ),
        ({"id": "a", "text": "t", "direction": "outbound-api"}, {"direction": "outbound"}),
        (
            {"id": "a", "text": "t", "account": "+13125550142", "from": "+13125550142"},
            {"direction": "outbound"},
        ),
        (
            {"id": "a", "text": "t", "account": "+13125550142", "to": "+13125550142"},
            {"direction": "inbound"},
        ),
        ({"id": "a", "text": "t", "lang": "de"}, {"language": "de"}),
        ({"id": "a", "text": "t", "provider": "acme"}, {"provider": "acme"}),
        ({"id": "a", "text": "t", "in_reply_to": "b"}, {"reply_to": "b"}),
        ({"id": "a", "text": "t", "subject": "s"}, {"subject": "s"}),
    ],
)
def test_fields_are_known_by_their_common_names(record, expected, one) -> None:
    message = one(record, "sms")
    assert {name: getattr(message, name) for name in expected} == expected


def test_what_has_no_column_is_kept_in_source_metadata(one) -> None:
    message = one({**LINE, "id": 7, "campaign": {"n": [1, 2]}, "score": 0.5}, "sms")
    assert message.source_metadata == {"id": 7, "campaign": {"n": [1, 2]}, "score": 0.5}


def test_names_stand_beside_the_addresses(one) -> None:
    message = one({**LINE, "from": "+13125550142", "sender_name": "Ann"}, "sms")
    assert message.source_metadata["names"] == {"+13125550142": "Ann"}
    mail = one({**LINE, "from": "Ann Lee <Ann@X.org>", "to": "b@x.org, c@x.org"}, "email")
    assert (mail.sender, mail.recipients) == ("ann@x.org", ("b@x.org", "c@x.org"))
    assert mail.source_metadata["names"] == {"ann@x.org": "Ann Lee"}


def test_attachments_are_read_from_strings_and_objects(one) -> None:
    entries = ["http://x/1", {"id": "2", "mime_type": "image/png", "filename": "a.png"}, None]
    message = one({"id": "a", "attachments": entries}, "whatsapp")
    assert message.text == ""
    assert [asdict(item) for item in message.attachments] == [
        {"kind": "file", "id": "http://x/1", "mime": None, "sha256": None, "filename": None},
        {"kind": "image", "id": "2", "mime": "image/png", "sha256": None, "filename": "a.png"},
    ]


@pytest.mark.parametrize(
    ("fields", "offset"),
    [
        ({"timestamp": "2026-01-05T10:00:00+05:45"}, "+05:45"),
        ({"timestamp": "2026-01-05 10:00:00.5 -0330"}, "-03:30"),
        ({"timestamp": "Mon, 05 Jan 2026 10:00:00 +0100"}, "+01:00"),
        ({"timestamp": "2026-01-05T10:00:00Z"}, None),
        ({"timestamp": "2026-01-05T10:00:00+00:00"}, None),
        ({"timestamp": "2026-01-05T10:00:00-00:00"}, None),
        ({"timestamp": "2026-01-05T10:00:00+25:00"}, None),
        ({"timestamp": 1767600000}, None),
        # What the record says itself stays as it is.
        ({"timestamp": "2026-01-05T10:00:00Z", "utc_offset": "+02:00"}, "+02:00"),
        ({"timestamp": "2026-01-05T10:00:00+01:00", "utc_offset": 7200}, 7200),
    ],
)
def test_a_local_time_keeps_its_offset(fields, offset, one) -> None:
    message = one(LINE | fields, "sms")
    assert message.source_metadata.get("utc_offset") == offset
    assert message.message_id == one(LINE, "sms").message_id


@pytest.mark.parametrize("time", [None, "soon", "9999-99-99", 10**400, [], 0])
def test_without_a_readable_time_the_arrival_counts(time, one) -> None:
    message = one({"id": "a", "text": "t", "timestamp": time}, "sms")
    assert (message.sent_at, message.sent_at_precision) == (RECEIVED, "received")
    kept = message.source_metadata.get("unread_timestamp")
    assert kept == (str(time) if isinstance(time, int) and time else time)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('{"message_id": "m2", "text": "cut o', "json_truncated"),
        ('{"message_id": "m2", "text"', "json_truncated"),
        ('{"message_id": "m2",', "json_truncated"),
        ("{", "json_truncated"),
        ('{"message_id": "m2"] }', "json_invalid"),
        ('{"message_id": "m2" "text": "x"}', "json_invalid"),
        ("garbage", "json_invalid"),
        ("true story", "json_invalid"),
        ("tru", "json_truncated"),
        ("-", "json_truncated"),
        ("17", "not_an_object"),
        ('"text"', "not_an_object"),
        ("null", "not_an_object"),
        ("{}", "no_text"),
        ('{"message_id": "m2"}', "no_text"),
        ('{"message_id": "m2", "text": null}', "no_text"),
        ('{"message_id": "m2", "text": ["a"]}', "text_not_text"),
        ('{"message_id": "m2", "text": true}', "text_not_text"),
        (b'{"message_id": "m2", "text": "caf\xe9"}', "invalid_utf8"),
        (b"\x00\x00\x00\x00", "nul_bytes"),
        (b"\x00\x00" + json.dumps(LINE).encode(), "json_invalid"),
        ('{"text": "x", "a": ' + "[" * 200 + "]" * 200 + "}", "json_too_deep"),
        ('{"text": "x", "a": ' + "[" * 5000 + "]" * 5000 + "}", "json_too_deep"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_line_is_quarantined_alone_with_its_number(line, code, place) -> None:
    good = json.dumps(LINE).encode()
    bad = line.encode() if isinstance(line, str) else line
    lines = [good, good]
    lines.insert(place, bad)
    records = read(b"\n".join(lines), "sms")
    assert [type(record) for record in records].count(Message) == 2
    broken = records[place]
    assert isinstance(broken, Quarantined)
    assert (broken.code, broken.position) == (code, f"line {place + 1}")
    assert broken.payload == bad


@pytest.mark.parametrize(
    ("rest", "code", "said"),
    [
        (b" and words after it", "json_invalid", "text that is no JSON document"),
        (b" and a brace after it}", "json_invalid", "text that is no JSON document"),
        (b",", "json_invalid", "text that is no JSON document"),
        (b"\x00\x00\x00", "nul_bytes", "3 NUL bytes and nothing else"),
        (b'{"message_id": "m2", "te', "json_truncated", "it was cut off"),
    ],
)
def test_what_follows_a_document_on_its_line_costs_itself_only(rest, code, said) -> None:
    good = json.dumps(LINE).encode()
    first, broken, last = read(good + rest + b"\n" + good, "sms")
    assert (first.position, last.position) == ("line 1 (1)", "line 2")
    assert isinstance(broken, Quarantined)
    assert (broken.code, broken.position, broken.payload) == (code, "line 1 (2)", rest.strip())
    assert said in broken.reason


def test_blank_lines_are_no_records_but_count_as_lines() -> None:
    text = "\r\n\n" + json.dumps(LINE) + "\r\n   \r\n" + json.dumps(LINE) + "\r\n\r\n"
    assert [record.position for record in read(text, "sms")] == ["line 3", "line 5"]


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: ("\n\n" + text).encode(),
    ],
)
def test_byte_order_marks_and_line_ends_change_nothing(encode) -> None:
    text = "".join(json.dumps(LINE | {"message_id": str(n)}) + "\n" for n in range(3))
    records = read(encode(text), "sms")
    assert [record.message_id for record in records] == [
        message_id("sms", "", str(n)) for n in range(3)
    ]
    assert [record.sha256 for record in records] == [r.sha256 for r in read(text, "sms")]


@pytest.mark.parametrize(
    "layout",
    [
        lambda items: json.dumps(items),
        lambda items: json.dumps(items, indent=2),
        lambda items: json.dumps({"messages": items}),
        lambda items: "".join(json.dumps(item) for item in items),
        lambda items: "\n".join(json.dumps(item, indent=2) for item in items),
    ],
)
def test_arrays_and_documents_set_end_to_end_are_read_too(layout) -> None:
    items = [LINE | {"message_id": str(n)} for n in range(3)]
    records = read(layout(items), "sms")
    assert [getattr(record, "provider_message_id", record) for record in records] == list("012")
    assert len({record.position for record in records}) == 3


def test_a_cut_document_of_many_lines_costs_itself_only() -> None:
    whole = json.dumps(LINE, indent=2)
    records = read(f"{whole}\n{whole[:20]}\n{whole}\n", "sms")
    assert [type(record) for record in records] == [Message, Quarantined, Message]
    assert records[1].position == "line 6"


def test_an_unreadable_document_of_many_lines_is_one_record() -> None:
    records = read(json.dumps([LINE, LINE], indent=2)[:-20], "sms")
    assert [(r.position, r.code) for r in records] == [("object", "json_truncated")]


def test_half_a_surrogate_pair_is_replaced_and_noted(one) -> None:
    message = one(
        b'{"id": "a\\ud800", "text": "x\\ud800y", "from": "\\udc00", "k\\ud800": 1}', "sms"
    )
    assert message.text == "x\ufffdy"
    assert message.provider_message_id == "a\\ud800"
    assert message.source_metadata["replaced_surrogates"] == 4
    assert one(b'{"id": "a", "text": "\\ud83d\\ude00"}', "sms").text == "\U0001f600"


def test_numbers_beyond_any_column_are_kept_as_digits(one) -> None:
    digits = "9" * 5000
    message = one(f'{{"id": {digits}, "text": "x", "n": {digits}, "e": 1e999, "f": NaN}}', "sms")
    assert message.provider_message_id == digits
    assert message.source_metadata == {"n": digits, "e": "inf", "f": "NaN"}


def test_records_without_an_id_get_a_stable_one_by_content_and_ordinal() -> None:
    line = json.dumps({"text": "ok", "from": "+13125550142", "timestamp": "2026-01-05"}) + "\n"
    first, second = read(line * 2, "sms")
    assert first.message_id != second.message_id
    assert [r.message_id for r in read(line * 3, "sms")][:2] == [
        first.message_id,
        second.message_id,
    ]


def test_conversations_come_from_the_thread_else_the_parties_else_nothing(one) -> None:
    there = one({**LINE, "from": "+13125550142", "to": "+13125550143"}, "sms")
    back = one({**LINE, "from": "+13125550143", "to": "+13125550142"}, "sms")
    parties = ["+13125550142", "+13125550143"]
    assert there.conversation_id == back.conversation_id == conversation_key("sms", "", parties)
    threaded = one({**LINE, "thread_id": 9, "from": "+13125550142"}, "sms")
    assert threaded.conversation_id == conversation_key("sms", "", ["thread:9"])
    assert threaded.source_metadata["conversation_id"] == "9"
    alone = [one({**LINE, "message_id": key}, "sms").conversation_id for key in "ab"]
    assert alone[0] != alone[1]


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(st.lists(_TEXT, min_size=1, max_size=8), st.booleans())
def test_rendered_lines_parse_to_the_same_texts(texts, ascii_only) -> None:
    lines = [
        json.dumps(LINE | {"message_id": str(n), "text": text}, ensure_ascii=ascii_only)
        for n, text in enumerate(texts)
    ]
    records = read("\n".join(lines), "whatsapp")
    assert [(r.text, r.provider_message_id, r.position) for r in records] == [
        (text, str(n), f"line {n + 1}") for n, text in enumerate(texts)
    ]
