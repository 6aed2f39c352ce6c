"""What AWS tells through SNS: two-way SMS and received mail, in an envelope or bare.

Whole records of each form are in `golden/aws_sms` and `golden/ses`.
"""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.messages import ChannelEvent, Message, ParseOptions, Quarantined, parse
from pax_assets_tests.messages.conftest import HEAD_OF_MAIL, RECEIVED, check_storable, read

TOPIC = "arn:aws:sns:us-east-1:111122223333:topic"
SMS = {
    "originationNumber": "+14255550182",
    "destinationNumber": "+12125550101",
    "messageKeyword": "JOIN",
    "messageBody": "JOIN the list",
    "inboundMessageId": "in-1",
    "previousPublishedMessageId": "out-1",
}
MAIL = HEAD_OF_MAIL + b"Date: Wed, 07 Jan 2026 12:58:21 +0100\n\nhello\n"


def _envelope(payload: object, **change: object) -> dict[str, object]:
    message = payload if isinstance(payload, str) else json.dumps(payload)
    return {
        "Type": "Notification",
        "MessageId": "m-1",
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": "2026-01-07T11:58:30.123Z",
        "Signature": "c2ln",
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
    } | change


def _notice(content: str | None = None, **action: object) -> dict[str, object]:
    notice: dict[str, object] = {
        "notificationType": "Received",
        "receipt": {
            "timestamp": "2026-01-07T11:58:29.456Z",
            "recipients": ["Help@Shop.example", "sales@shop.example"],
            "spamVerdict": {"status": "FAIL"},
            "virusVerdict": {"status": "PASS"},
            "action": {"type": "SNS"} | action,
        },
        "mail": {"messageId": "ses-1", "source": "ann@x.org", "headersTruncated": False},
    }
    return notice if content is None else notice | {"content": content}


def test_an_envelope_adds_the_time_and_changes_no_id() -> None:
    (wrapped,) = read(_envelope(SMS), "sms")
    (raw,) = read(SMS, "sms")
    assert isinstance(wrapped, Message)
    assert isinstance(raw, Message)
    for name in ("message_id", "account", "sender", "text", "conversation_id", "sha256"):
        assert getattr(wrapped, name) == getattr(raw, name), name
    assert (wrapped.account, wrapped.reply_to) == ("+12125550101", "out-1")
    assert wrapped.sent_at.isoformat() == "2026-01-07T11:58:30.123000+00:00"
    assert wrapped.sent_at_precision == "millisecond"
    assert (raw.sent_at, raw.sent_at_precision) == (RECEIVED, "received")
    assert wrapped.source_metadata["sns"] == {"MessageId": "m-1", "TopicArn": TOPIC}


@pytest.mark.parametrize("wrap", [_envelope, lambda payload: payload])
@pytest.mark.parametrize(
    ("missing", "code"),
    [
        ("inboundMessageId", "no_id"),
        ("messageBody", "no_text"),
        ("originationNumber", "no_sender"),
        ("destinationNumber", "no_recipient"),
    ],
)
def test_an_sms_without_a_field_that_it_needs_is_quarantined(wrap, missing, code) -> None:
    for payload in ({k: v for k, v in SMS.items() if k != missing}, SMS | {missing: None}):
        (record,) = read(wrap(payload), "sms")
        assert isinstance(record, Quarantined)
        assert record.code == code


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
def test_a_handshake_is_an_event_on_any_channel(kind, channel) -> None:
    envelope = _envelope("You have chosen ...", Type=kind, Token="t")
    (record,) = read(envelope, channel)
    assert isinstance(record, ChannelEvent)
    assert (record.kind, record.actor, record.payload) == ("handshake", TOPIC, envelope)


@pytest.mark.parametrize(
    ("payload", "landed", "place"),
    [(SMS, "email", "sms/"), (SMS, "whatsapp", "sms/"), (_notice("x"), "sms", "email/")],
)
def test_a_payload_on_the_wrong_channel_says_where_it_belongs(payload, landed, place) -> None:
    for document in (_envelope(payload), payload):
        (record,) = read(document, landed)
        assert isinstance(record, Quarantined)
        assert record.code == "wrong_channel"
        assert record.reason.endswith(f"land it under {place}")


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        (_envelope("not JSON"), "unknown_notification"),
        (_envelope(""), "unknown_notification"),
        (_envelope(json.dumps(SMS) * 2), "unknown_notification"),
        (_envelope([SMS]), "unknown_notification"),
        (_envelope({"AlarmName": "cpu"}), "unknown_notification"),
        (_envelope({"Type": "Notification", "Message": "{}", "TopicArn": "x"}),
         "unknown_notification"),
        (_envelope("{" * 100), "unknown_notification"),
        (_envelope('{"mail": ' + '{"a": ' * 100 + "1" + "}" * 101), "json_too_deep"),
        (_envelope(SMS, Message=None), "no_message"),
        (_envelope(SMS, Message={"a": 1}), "no_message"),
    ],
)  # fmt: skip
def test_other_notifications_are_quarantined_with_their_bytes(envelope, code) -> None:
    raw = json.dumps(envelope).encode()
    (record,) = read(raw, "sms")
    assert isinstance(record, Quarantined)
    assert (record.code, record.payload) == (code, raw)


def _routes() -> dict[str, bytes]:
    """One mail, as each of the ways in delivers it."""
    text, encoded = MAIL.decode(), base64.b64encode(MAIL).decode()
    return {
        "eml": MAIL,
        "utf8": json.dumps(_envelope(_notice(text, encoding="UTF-8"))).encode(),
        "raw_delivery": json.dumps(_notice(text)).encode(),
        "base64": json.dumps(_envelope(_notice(encoded, encoding="BASE64"))).encode(),
        "base64_lower": json.dumps(_envelope(_notice(encoded, encoding="Base64"))).encode(),
        "base64_unsaid": json.dumps(_envelope(_notice(encoded))).encode(),
        "s3": json.dumps(_envelope(_notice(type="S3", bucketName="b", objectKey="k"))).encode(),
    }


def _fetch(bucket: str, key: str) -> bytes:
    assert (bucket, key) == ("b", "k")
    return MAIL


def test_one_mail_is_one_message_whatever_way_it_came() -> None:
    options = ParseOptions(fetch=_fetch)
    found: dict[str, Message] = {}
    for way, data in _routes().items():
        (record,) = parse(data, "email", way, received_at=RECEIVED, options=options)
        assert isinstance(record, Message), (way, record)
        check_storable(record)
        found[way] = record
    mail = found.pop("eml")
    for way, message in found.items():
        for name in ("message_id", "account", "conversation_id", "text", "sent_at", "sha256",
                     "sender", "recipients", "subject"):  # fmt: skip
            assert getattr(message, name) == getattr(mail, name), (way, name)
        assert message.direction == "inbound"
        ses = message.source_metadata["ses"]
        assert isinstance(ses, dict)
        assert ses["message_id"] == "ses-1"
        assert ses["verdicts"] == {"spam": "FAIL", "virus": "PASS"}
        assert ses["recipients"] == ["help@shop.example", "sales@shop.example"]


def _refused(bucket: str, key: str) -> bytes:
    raise PermissionError(13, "a text that quotes secrets")


def _too_large(bucket: str, key: str) -> bytes:
    raise OSError(27, "too large")


def _broken(bucket: str, key: str) -> bytes:
    raise RuntimeError("a text that quotes secrets")


@pytest.mark.parametrize(
    ("fetch", "code", "says"),
    [
        (None, "content_not_fetched", "nothing may be fetched here"),
        (_refused, "content_not_fetched", "PermissionError"),
        (_too_large, "record_too_large", "more than"),
        (_broken, "parser_error", "RuntimeError"),
    ],
)
def test_a_mail_that_cannot_be_fetched_is_quarantined_and_the_next_is_read(
    fetch, code, says
) -> None:
    data = _routes()["s3"] + b"\n" + _routes()["utf8"]
    records = list(
        parse(data, "email", "x", received_at=RECEIVED, options=ParseOptions(fetch=fetch))
    )
    first, second = records
    assert isinstance(first, Quarantined)
    assert isinstance(second, Message)
    assert first.code == code
    assert says in first.reason
    assert "secrets" not in first.reason
    assert first.payload == _routes()["s3"]


@pytest.mark.parametrize(
    ("dated", "expected"),
    [
        (b"Date: Wed, 07 Jan 2026 12:58:21 +0100\n", ("2026-01-07T11:58:21+00:00", "second")),
        (b"", ("2026-01-07T11:58:29.456000+00:00", "millisecond")),
    ],
)
def test_a_mail_without_any_date_has_the_time_at_which_ses_took_it(dated, expected, one) -> None:
    message = one(_notice((HEAD_OF_MAIL + dated + b"\nx").decode()), "email")
    assert (message.sent_at.isoformat(), message.sent_at_precision) == expected


@pytest.mark.parametrize(
    ("told", "actor"),
    [
        ({"notificationType": "Bounce", "bounce": {"bouncedRecipients": [
            {"emailAddress": "Ann@x.org"}]}}, "ann@x.org"),
        ({"notificationType": "Complaint", "complaint": {"complainedRecipients": [
            {"emailAddress": "ann@x.org"}, {"emailAddress": "bo@x.org"}]}}, None),
        ({"eventType": "Delivery", "delivery": {"recipients": ["ann@x.org"]}}, "ann@x.org"),
        ({"eventType": "Open", "open": {"ipAddress": "192.0.2.1"}}, "dest@x.org"),
        ({"eventType": "An event of 2027"}, "dest@x.org"),
        ({"eventType": "Bounce", "bounce": "x"}, "dest@x.org"),
    ],
)  # fmt: skip
def test_the_fate_of_sent_mail_is_an_event_of_the_sending_mailbox(told, actor) -> None:
    mail = {"messageId": "ses-9", "source": "Help <help@shop.example>",
            "destination": ["dest@x.org"], "timestamp": "2026-01-07T10:00:00.000Z"}  # fmt: skip
    (record,) = read(_envelope(told | {"mail": mail}), "email")
    assert isinstance(record, ChannelEvent)
    assert (record.kind, record.account, record.actor) == ("status", "help@shop.example", actor)
    assert (record.provider_message_id, record.payload) == ("ses-9", told | {"mail": mail})
    named = mail | {"commonHeaders": {"messageId": "<out-1@shop.example>"}}
    (record,) = read(told | {"mail": named}, "email")
    assert isinstance(record, ChannelEvent)
    assert record.provider_message_id == "out-1@shop.example"


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
_NUMBERS = st.integers(10**9, 10**10 - 1).map(lambda number: f"+1{number}")
_PAYLOADS = st.fixed_dictionaries(
    {
        "originationNumber": _NUMBERS,
        "destinationNumber": _NUMBERS,
        "messageBody": _TEXTS,
        "inboundMessageId": st.uuids().map(str),
    },
    optional={"previousPublishedMessageId": st.uuids().map(str), "messageKeyword": _TEXTS},
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_PAYLOADS, min_size=1, max_size=5), st.sampled_from(["", "\n", "\r\n"]))
def test_rendered_envelopes_parse_to_what_was_rendered(payloads, end) -> None:
    rendered = end.join(json.dumps(_envelope(payload)) for payload in payloads)
    records = read(rendered, "sms")
    assert len(records) == len(payloads)
    for record, payload in zip(records, payloads, strict=True):
        assert isinstance(record, Message), record
        assert record.provider_message_id == payload["inboundMessageId"]
        assert (record.sender, record.account, record.text) == (
            payload["originationNumber"], payload["destinationNumber"], payload["messageBody"]
        )  # fmt: skip
        assert record.reply_to == payload.get("previousPublishedMessageId")
    assert read(rendered, "sms") == records


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=8),
    st.sampled_from(["Received", "Bounce", "S3", "SNS", "BASE64", "TEXT_SENT", "ann@x.org", "FAIL"])
)  # fmt: skip
_NAMES = (
    "receipt mail content action type bucketName objectKey encoding recipients timestamp source "
    "destination headersTruncated commonHeaders messageId spamVerdict status bounce complaint "
    "bouncedRecipients emailAddress kmsKeyArn originationNumber destinationNumber messageBody "
    "inboundMessageId eventTimestamp originationPhoneNumber"
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(_NAMES.split()), inner, max_size=6),
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(_NAMES.split()), _VALUES, max_size=8),
    st.sampled_from(["Received", "Bounce", "TEXT_SENT", None]),
    st.sampled_from(["sms", "email"]),
    st.booleans(),
)
def test_no_payload_makes_the_parser_fail(payload, kind, channel, wrapped) -> None:
    payload |= {"notificationType": kind, "eventType": kind}
    document = _envelope(payload) if wrapped else payload
    options = ParseOptions(fetch=lambda bucket, key: MAIL)
    data = json.dumps(document).encode()
    for record in parse(data, channel, "x", received_at=RECEIVED, options=options):
        check_storable(record)
        assert getattr(record, "code", "") != "parser_error"
