"""Twilio's webhook forms: what becomes of their parameters, and the ids they share with REST.

Whole records of each form are in `golden/twilio_form`.
"""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.messages import ChannelEvent, Message, Quarantined, message_id
from pax_assets.messages import source as source_module
from pax_assets_tests.messages.conftest import HEAD_OF_MAIL, RECEIVED, read

SID = "SM" + "0" * 31 + "1"
ACCOUNT = "AC" + "0" * 32
FORM = {
    "MessageSid": SID,
    "SmsSid": SID,
    "SmsMessageSid": SID,
    "AccountSid": ACCOUNT,
    "From": "+13125550100",
    "To": "+13125550142",
    "Body": "Where is my order?",
    "NumMedia": "0",
    "SmsStatus": "received",
    "ApiVersion": "2010-04-01",
}
WHATSAPP = FORM | {"From": "whatsapp:+13125550100", "To": "whatsapp:+13125550142"}


def _form(*forms: dict[str, str]) -> str:
    return "\n".join(urlencode(form) for form in forms)


@pytest.mark.parametrize(
    ("form", "channel"),
    [
        (FORM, "sms"),
        (WHATSAPP, "whatsapp"),
        (FORM | {"From": "72975"}, "sms"),
        (FORM | {"From": "rcs:ann_agent"}, "sms"),
        (FORM | {"To": "(312) 555-0142"}, "sms"),
    ],
)
def test_the_webhook_and_the_rest_list_give_one_message_one_id(form, channel) -> None:
    resource = {
        "sid": SID,
        "account_sid": ACCOUNT,
        "from": form["From"],
        "to": form["To"],
        "body": form["Body"],
        "num_media": "0",
        "direction": "inbound",
        "status": "received",
        "date_sent": "Mon, 05 Jan 2026 10:00:01 +0000",
    }
    (posted,) = read(_form(form), channel)
    (listed,) = read({"messages": [resource], "page": 0}, channel)
    assert isinstance(posted, Message)
    assert isinstance(listed, Message)
    assert posted.message_id == listed.message_id == message_id(channel, posted.account, SID)
    for name in ("channel", "conversation_id", "sender", "recipients", "direction", "text"):
        assert getattr(posted, name) == getattr(listed, name), name
    assert (posted.source_kind, listed.source_kind) == ("webhook", "rest")
    assert (posted.sent_at, posted.sent_at_precision) == (RECEIVED, "received")


@pytest.mark.parametrize(
    ("form", "landed", "place"),
    [
        (FORM, "whatsapp", "sms/"),
        (FORM, "email", "sms/"),
        (WHATSAPP, "sms", "whatsapp/"),
        (WHATSAPP, "email", "whatsapp/"),
        (FORM | {"SmsStatus": "delivered"}, "whatsapp", "sms/"),
        ({"MessageSid": SID, "SmsStatus": "sent"}, "email", "sms/ or whatsapp/"),
    ],
)
def test_a_form_on_the_wrong_channel_says_where_it_belongs(form, landed, place) -> None:
    (record,) = read(_form(form), landed)
    assert isinstance(record, Quarantined)
    assert record.code == "wrong_channel"
    assert record.reason.endswith(f"land it under {place}")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({}, "message"),
        ({"SmsStatus": "receiving"}, "message"),
        ({"SmsStatus": ""}, "message"),
        ({"SmsStatus": "sent"}, "status"),
        ({"SmsStatus": "received", "MessageStatus": "read"}, "status"),
        ({"MessageStatus": "delivered"}, "status"),
        ({"MessageStatus": "a status of next year"}, "status"),
    ],
)
def test_a_status_other_than_received_is_about_a_message_of_ours(change, kind) -> None:
    (record,) = read(_form(FORM | change), "sms")
    if kind == "message":
        assert isinstance(record, Message)
    else:
        assert isinstance(record, ChannelEvent)
        assert (record.kind, record.provider_message_id) == ("status", SID)
        # It went the other way: what is From is our own number.
        assert (record.account, record.actor) == ("+13125550100", "+13125550142")
        assert record.payload == FORM | change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"NumMedia": "x"}, 0),
        ({"NumMedia": "-1"}, 0),
        ({"NumMedia": "²"}, 0),
        ({"NumMedia": "9" * 5000}, 0),
        ({"NumMedia": "9999"}, 100),
        ({"NumMedia": "2", "MediaUrl0": "https://m.example/0"}, 2),
        ({"NumMedia": "0", "MediaUrl0": "https://m.example/0"}, 1),
        ({"MediaContentType0": "image/png", "MediaContentType2": "image/png"}, 1),
    ],
)
def test_media_are_counted_and_bounded(change, expected, one) -> None:
    message = one(_form(FORM | change), "sms")
    assert len(message.attachments) == expected


def test_every_parameter_without_a_column_is_kept_under_its_name(one) -> None:
    extra = {f"ParameterOf2027No{number}": f"v {number} é" for number in range(50)}
    message = one(_form(FORM | extra | {"SmsSid": "SM2", "FromCity": ""}), "sms")
    kept = {"AccountSid", "NumMedia", "SmsStatus", "ApiVersion"}
    assert message.source_metadata == (
        extra | {name: FORM[name] for name in kept} | {"SmsSid": "SM2"}
    )


@pytest.mark.parametrize(("scheme", "channel"), [("", "sms"), ("whatsapp:", "whatsapp")])
def test_a_plus_that_was_not_escaped_is_still_one(scheme, channel, one) -> None:
    form = FORM | {"From": f"{scheme}+447700900123", "To": f"{scheme}+13125550142"}
    message = one(urlencode(form, safe="+"), channel)
    assert (message.sender, message.account) == ("+447700900123", "+13125550142")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (_form({k: v for k, v in FORM.items() if k != "From"}), "no_sender"),
        (_form({k: v for k, v in FORM.items() if k != "To"}), "no_recipient"),
        ("Body=x&From=%2B13125550100", "no_id"),
        ("MessageSid=&Body=x", "no_id"),
        ("MessageSid=SM1&Body=%C3%28", "invalid_utf8"),
        (b"MessageSid=SM1&Body=\xff", "invalid_utf8"),
        ("MessageSid=SM1&Body=%C3%", "form_truncated"),
        ("MessageSid=SM1&Body=%C", "form_truncated"),
        ("MessageSid=SM1&" + "a=b&" * 2000, "too_many_parameters"),
        ("no form at all", "not_a_form"),
        ("&&&", "not_a_form"),
        ("\x00\x00", "not_a_form"),
    ],
)
def test_a_bad_line_costs_itself_only(line, code) -> None:
    bad = line if isinstance(line, bytes) else line.encode()
    good = _form(FORM).encode()
    records = read(good + b"\r\n\r\n" + bad + b"\n" + good, "sms")
    assert [type(record) for record in records] == [Message, Quarantined, Message]
    assert [record.position for record in records] == ["line 1", "line 3", "line 4"]
    assert (records[1].code, records[1].payload) == (code, bad.strip())


def test_a_line_above_the_bound_costs_itself_only(monkeypatch) -> None:
    for name in ("MAX_RECORD_BYTES", "MAX_QUARANTINE_BYTES"):
        monkeypatch.setattr(source_module, name, 1500 * 1000)
    long = _form(FORM | {"Body": "x" * 2_000_000})
    records = read(f"{_form(FORM)}\n{long}\n{_form(FORM)}", "sms")
    assert [type(record) for record in records] == [Message, Quarantined, Message]
    assert records[1].code == "record_too_large"


@pytest.mark.parametrize(
    ("data", "channel"),
    [
        (HEAD_OF_MAIL + b"\nA=b&MessageSid=SM1&From=1&To=2\n", "email"),
        (b"a=b\n" + HEAD_OF_MAIL + b"\nA=b&MessageSid=SM1&From=1&To=2\n", "email"),
        (json.dumps({"text": "a=b&MessageSid=SM1", "id": "1"}).encode(), "sms"),
        (json.dumps({"text": "a", "url": "https://x/?b=c&MessageSid=SM1"}).encode(), "sms"),
        (b'{"id":"1","text":"x=1&MessageSid=SM1&From=2"}', "sms"),
    ],
)
def test_what_only_quotes_a_form_is_not_one(data, channel, one) -> None:
    assert one(data, channel).provider != "twilio"


_NUMBERS = st.integers(10**9, 10**14).map(lambda number: f"+1{number}"[:14])
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
_FORMS = st.fixed_dictionaries(
    {
        "MessageSid": st.integers(0, 2**128 - 1).map(lambda number: f"SM{number:032x}"),
        "From": _NUMBERS,
        "To": _NUMBERS,
        "Body": _TEXTS,
        "AccountSid": st.just(ACCOUNT),
    },
    optional={
        "FromCity": _TEXTS,
        "ButtonText": _TEXTS,
        "ButtonPayload": _TEXTS,
        "OptOutType": _TEXTS,
    },
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_FORMS, min_size=1, max_size=5), st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_rendered_forms_parse_to_what_was_rendered(forms, end) -> None:
    records = read(end.join(urlencode(form) for form in forms), "sms")
    assert len(records) == len(forms)
    for record, form in zip(records, forms, strict=True):
        assert isinstance(record, Message), record
        assert record.provider_message_id == form["MessageSid"]
        assert (record.sender, record.account) == (form["From"], form["To"])
        assert record.text == (form["Body"] or form.get("ButtonText", ""))
        for name in ("FromCity", "ButtonPayload", "OptOutType"):
            assert record.source_metadata.get(name, "") == form.get(name, "")


_PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "MessageSid=SM1",
                "&",
                "=",
                "%",
                "%2B1",
                "+1312555",
                "From=",
                "To=",
                "Body=",
                "\n",
                "NumMedia=",
                "SmsStatus=",
                "whatsapp:",
                "whatsapp%3A",
                "MediaUrl0=",
                "%00",
                "%ED%A0%80",
            ]
        ),
        st.text(max_size=5),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(_PIECES, st.sampled_from(["sms", "whatsapp", "email"]))
def test_no_form_makes_the_parser_fail_and_a_replay_is_equal(pieces, channel) -> None:
    data = f"a=b&MessageSid=SM{'&'.join(pieces)}".encode("utf-8", "replace")
    records = read(data, channel)
    assert records
    assert records == read(data, channel)
    assert not any(getattr(record, "code", "") == "parser_error" for record in records)
