"""The entrance: any bytes on any channel give storable records, the same ones every time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pax_assets.messages import CHANNELS, ChannelEvent, Message, Quarantined, parse
from pax_assets.messages import arrival as arrival_module
from pax_assets.messages.json import documents as json_documents
from pax_assets.messages.json import jsonl
from pax_assets.messages.json.values import MAX_DEPTH
from pax_assets_tests.messages.conftest import HEAD_OF_MAIL, RECEIVED, read

_FRAGMENTS = st.sampled_from(
    [
        b'{"message_id": "1", "text": "a", "timestamp": 1697043223}',
        b'{"object": "whatsapp_business_account", "entry": [{"changes": [{"value": {"messages": [',
        b'{"messages": [{"sid": "SM1", "account_sid": "AC", "body": "x"}], "page": 0}',
        b'"\\ud800"', b"]}", b"{", b"[", b"\n", b"\r\n", b"\r", b"\x00", b"\xff\xfe",
        b"\xef\xbb\xbf",
        HEAD_OF_MAIL, b"From: a\n", b"Subject: =?utf-8?b?", b"?=", b"Content-Type: text/html\n\n",
        b'Content-Type: multipart/mixed; boundary="b"\n\n', b"--b\n", b"<p>", b"&#x", b"=3D",
    ]
)  # fmt: skip
_BYTES = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(_FRAGMENTS, st.binary(max_size=8)), max_size=12).map(b"".join),
)
_NAMES = (
    "messages entry changes value sid account_sid body text type id from to timestamp contacts "
    "statuses errors object message_id date direction num_media interactive metadata profile "
    "history threads attachments recipients account conversation_id context messaging_product "
    "system edit location order"
)
_KEYS = st.sampled_from(_NAMES.split())
_JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
        st.sampled_from(["\ud800", "text", "image", "whatsapp", "whatsapp_business_account"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=6)
    ),
    max_leaves=25,
)  # fmt: skip


@pytest.mark.parametrize("channel", CHANNELS)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=_BYTES)
@example(data=b"")
@example(data=b"[" * 100_000)
@example(data=b'{"a":' * 100_000)
def test_no_bytes_make_it_raise_and_a_replay_is_equal(channel, data) -> None:
    first = read(data, channel)
    assert read(data, channel) == first
    assert first or data.strip()[:1] in (b"{", b"[", b"\xef")


@pytest.mark.parametrize("channel", CHANNELS)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=_JSON)
def test_no_json_makes_a_parser_fail(channel, value) -> None:
    for record in read(json.dumps(value).encode(), channel):
        assert not isinstance(record, Quarantined) or record.code != "parser_error"


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=300), name=st.binary(max_size=40), kind=st.binary(max_size=40))
def test_no_mail_with_headers_is_lost(body, name, kind) -> None:
    data = HEAD_OF_MAIL + b"X: " + name + b"\nContent-Type: text/plain; " + kind + b"\n\n" + body
    (record,) = read(data, "email")
    assert isinstance(record, Message)


def test_a_channel_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="fax"):
        parse(b"", "fax", "x", received_at=RECEIVED)


def test_a_naive_arrival_counts_as_utc() -> None:
    naive = datetime(2026, 1, 7, 12)
    data = b'{"id": "a", "text": "t"}'
    (record,) = parse(data, "sms", "x", received_at=naive)
    assert isinstance(record, Message)
    assert record.sent_at == RECEIVED


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_object"),
        (b"a,b\n1,2\n", "unknown_format"),
        (b"<html></html>", "unknown_format"),
        (b"\x28\xb5\x2f\xfdxx", "packed_object"),
    ],
)
def test_an_unknown_format_is_one_row_that_says_what_is_accepted(channel, data, code) -> None:
    (record,) = read(data, channel)
    assert isinstance(record, Quarantined)
    assert (record.code, record.position, record.payload) == (code, "object", data)


def test_mail_on_another_channel_says_where_it_belongs() -> None:
    (record,) = read(HEAD_OF_MAIL + b"\nhi", "sms")
    assert isinstance(record, Quarantined)
    assert "email/" in record.reason


def test_formats_may_be_mixed_in_one_object() -> None:
    lines = [
        {"message_id": "1", "text": "a"},
        {"sid": "SM1", "account_sid": "AC1", "from": "whatsapp:+13125550142", "body": "b"},
        {
            "object": "whatsapp_business_account",
            "entry": [{"changes": [{"value": {"statuses": [{}]}}]}],
        },
    ]
    records = read("\n".join(map(json.dumps, lines)), "whatsapp")
    assert [type(record) for record in records] == [Message, Message, ChannelEvent]
    assert [record.provider for record in records] == ["jsonl", "twilio", "whatsapp_cloud"]


def test_a_record_above_the_bound_is_quarantined_and_its_payload_capped(monkeypatch) -> None:
    monkeypatch.setattr(json_documents, "MAX_RECORD_BYTES", 1000)
    monkeypatch.setattr(arrival_module, "MAX_QUARANTINE_BYTES", 100)
    line = json.dumps({"id": "a", "text": "x" * 2000})
    good = json.dumps({"id": "b", "text": "x"})
    records = read(f"{good}\n{line}\n{good}", "sms")
    assert [type(record) for record in records] == [Message, Quarantined, Message]
    assert (records[1].code, records[1].position) == ("record_too_large", "line 2")
    assert len(records[1].payload) == 100
    assert "the first 100 of" in records[1].reason


def test_a_defect_of_a_parser_costs_one_record_and_quotes_none_of_it(monkeypatch) -> None:
    def broken(record, *_):
        if record["id"] == "2":
            raise KeyError(record["text"])
        return original(record, *_)

    original = jsonl.message
    monkeypatch.setattr(jsonl, "message", broken)
    lines = "\n".join(json.dumps({"id": str(n), "text": "secret"}) for n in range(1, 4))
    records = read(lines, "sms")
    assert [type(record) for record in records] == [Message, Quarantined, Message]
    assert records[1].code == "parser_error"
    assert "secret" not in records[1].reason


def test_nesting_is_accepted_up_to_the_bound() -> None:
    def nested(depth: int) -> str:
        return '{"id": "a", "text": "x", "n": ' + "[" * depth + "]" * depth + "}"

    (accepted,) = read(nested(MAX_DEPTH - 1), "sms")
    (refused,) = read(nested(MAX_DEPTH + 1), "sms")
    assert isinstance(accepted, Message)
    assert isinstance(refused, Quarantined)


def test_a_message_id_depends_on_channel_account_and_provider_id_alone(one) -> None:
    message = one({"id": "a", "text": "t", "from": "+13125550142"}, "sms")
    assert replace(message, text="other", sender="").message_id == message.message_id
    assert replace(message, account="x").message_id != message.message_id
