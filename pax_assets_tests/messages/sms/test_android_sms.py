"""Backups of SMS Backup & Restore: every entry is a row, whatever the file went through."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.messages import ChannelEvent, Message, Quarantined, parse
from pax_assets.messages.options import ParseOptions
from pax_assets.messages.sms import android_bytes
from pax_assets_tests.messages.conftest import RECEIVED, read
from pax_assets_tests.messages.streams import Pieces, with_peak

ANN, BO, CY = "+13125550142", "+13125550143", "+13125550144"
WHEN = "1697043223123"


def tag(element: str, inner: str = "", /, **attributes: str) -> str:
    stated = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<{element}{stated}>{inner}</{element}>" if inner else f"<{element}{stated} />"


def sms(**changed: str) -> str:
    stated = {"address": ANN, "date": WHEN, "type": "1", "subject": "null", "body": "hello"}
    return tag("sms", **(stated | changed))


def mms(parts: str = "", addrs: str = "", **changed: str) -> str:
    stated = {"address": ANN, "date": WHEN, "msg_box": "1", "m_id": "null", "sub": "null"}
    inner = f"<parts>{parts}</parts><addrs>{addrs}</addrs>"
    return tag("mms", inner, **(stated | changed))


def backup(*entries: str, count: int | None = None, root: str = "smses") -> str:
    number = len(entries) if count is None else count
    lines = "\n  ".join(entries)
    return (
        "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n"
        f'<{root} count="{number}" backup_date="{WHEN}">\n  {lines}\n</{root}>'
    )


def entries_of(data: str | bytes) -> list:
    """The records of a backup's entries; the event of the backup itself is the last one."""
    *found, own = read(data, "sms")
    assert isinstance(own, ChannelEvent)
    assert own.kind == "system"
    return found


def the_one(*entries: str):
    (record,) = entries_of(backup(*entries))
    return record


# SMS.


def test_a_received_sms_is_a_message_from_the_other_party() -> None:
    message = the_one(sms(contact_name="Ann", read="1", service_center="null"))
    assert isinstance(message, Message)
    assert (message.sender, message.recipients, message.account) == (ANN, (), "")
    assert (message.direction, message.text, message.subject) == ("inbound", "hello", None)
    assert message.sent_at == datetime(2023, 10, 11, 16, 53, 43, 123000, tzinfo=UTC)
    assert message.sent_at_precision == "millisecond"
    assert message.source_metadata == {"read": "1", "names": {ANN: "Ann"}}
    assert message.position == "sms[0]"


def test_a_sent_sms_goes_to_the_other_party_in_the_same_conversation() -> None:
    received, sent = entries_of(backup(sms(), sms(type="2")))
    assert (sent.sender, sent.recipients, sent.direction) == ("", (ANN,), "outbound")
    assert sent.conversation_id == received.conversation_id
    assert sent.message_id != received.message_id


@pytest.mark.parametrize(
    ("kind", "event"), [("3", "draft"), ("4", "status"), ("5", "error"), ("6", "status")]
)
def test_what_was_not_sent_is_an_event(kind, event) -> None:
    record = the_one(sms(type=kind))
    assert isinstance(record, ChannelEvent)
    assert (record.kind, record.actor) == (event, ANN)
    assert record.payload["body"] == "hello"


@pytest.mark.parametrize("kind", ["null", "0", "7", ""])
def test_an_sms_of_no_known_kind_is_quarantined_with_its_values(kind) -> None:
    record = the_one(sms(type=kind))
    assert isinstance(record, Quarantined)
    assert (record.code, record.position) == ("unknown_message_type", "sms[0]")
    assert b"hello" in record.payload


def test_numbers_are_written_with_their_country() -> None:
    data = backup(sms(address="020 7946 0958")).encode()
    options = ParseOptions(default_region="GB")
    first, *_ = parse(data, "sms", "x", received_at=RECEIVED, options=options)
    assert first.sender == "+442079460958"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("&#55357;&#56832;", "\U0001f600"),
        ("&#xD83D;&#xDE00;", "\U0001f600"),
        ("&#55357;&#xde00;", "\U0001f600"),
        ("a&#128512;b", "a\U0001f600b"),
        ("&#55357;&#56832;&#55357;&#56833;", "\U0001f600\U0001f601"),
        ("&#55357;x", "\ufffdx"),
        ("&#56832;&#55357;", "\ufffd\ufffd"),
        ("a&#0;b&#1;c&#x1F;d&#65535;", "a\ufffdb\ufffdc\ufffdd\ufffd"),
        ("a\x00b\x0bc", "a\ufffdb\ufffdc"),
        ("a&#10;b&#13;&#10;c&#9;d", "a\nb\r\nc\td"),
        ("&lt;b&gt; &amp;amp; &quot;", '<b> &amp; "'),
        ("data=&quot;QUJD&quot;", 'data="QUJD"'),
        ("&#55000;", chr(55000)),
        ("", ""),
    ],
)
def test_text_comes_out_as_it_was_meant(written, text) -> None:
    message = the_one(sms(body=written))
    assert message.text == text


def test_single_quotes_may_hold_what_looks_like_attributes() -> None:
    message = the_one(f"<sms address='{ANN}' date='{WHEN}' type='1' body=' data=\"QUJD\" '/>")
    assert message.text == ' data="QUJD" '


def test_a_body_that_is_missing_is_an_empty_text() -> None:
    assert the_one(sms(body="null")).text == ""


@pytest.mark.parametrize(
    "date", ["null", "0", "-5", "-1697043223123", "253402300799000", "soon", "", "9" * 30, "1000"]
)
def test_a_date_that_is_none_gives_the_time_of_arrival(date) -> None:
    message = the_one(sms(date=date))
    assert (message.sent_at, message.sent_at_precision) == (RECEIVED, "received")
    assert message.source_metadata["unread_timestamp"] == (None if date == "null" else date)


def test_a_date_in_seconds_is_read_as_such() -> None:
    assert the_one(sms(date="1697043223")).sent_at.year == 2023


def test_equal_messages_stay_two_and_the_next_backup_repeats_their_ids() -> None:
    first = entries_of(backup(sms(), sms(), sms(body="other")))
    later = entries_of(backup(sms(body="earlier", date="1600000000000"), sms(), sms()))
    assert len({message.message_id for message in first}) == 3
    assert [m.message_id for m in first[:2]] == [m.message_id for m in later[1:]]


def test_a_message_without_an_address_stands_alone() -> None:
    first, second = entries_of(backup(sms(address="null"), sms(address="null", body="x")))
    assert first.sender == ""
    assert first.conversation_id != second.conversation_id


# MMS.


def part(**stated: str) -> str:
    return tag("part", **({"seq": "0", "ct": "text/plain", "name": "null"} | stated))


def addr(address: str, kind: str) -> str:
    return tag("addr", address=address, type=kind, charset="106")


def test_an_mms_gathers_its_texts_its_media_and_its_addresses() -> None:
    picture = b"\x89PNG\r\n" * 100
    data = base64.b64encode(picture).decode()
    lines = "&#10;".join(data[at : at + 76] for at in range(0, len(data), 76))
    message = the_one(
        mms(
            part(ct="application/smil", text="&lt;smil/&gt;")
            + part(text="look")
            + part(text="here")
            + part(ct="image/png", cl="a.png", cid="&lt;1&gt;", text="null", data=lines),
            addr(ANN, "137") + addr("insert-address-token", "151") + addr(BO, "130"),
            address=f"{ANN}~{BO}",
            m_id="abc@mms",
            sub="Holiday",
        )
    )
    assert isinstance(message, Message)
    assert (message.sender, message.recipients) == (ANN, (BO,))
    assert (message.text, message.subject) == ("look\nhere", "Holiday")
    assert message.provider_message_id == "abc@mms"
    (attachment,) = message.attachments
    assert attachment.sha256 == sha256(picture).hexdigest()
    assert (attachment.kind, attachment.mime) == ("image", "image/png")
    assert (attachment.filename, attachment.id) == ("a.png", "<1>")
    assert message.source_metadata["layout"][0]["text"] == "<smil/>"


def test_a_group_is_one_conversation_in_whatever_order_it_is_named() -> None:
    first, second, alone = entries_of(
        backup(
            mms(part(text="a"), addr(ANN, "137"), address=f"{ANN}~{BO}"),
            mms(part(text="b"), addr(BO, "137"), address=f"{BO}~{ANN}"),
            mms(part(text="c"), addr(ANN, "137"), address=ANN),
        )
    )
    assert first.conversation_id == second.conversation_id != alone.conversation_id
    assert alone.conversation_id == the_one(sms()).conversation_id
    assert (second.sender, second.recipients) == (BO, ())


def test_a_sent_mms_without_addresses_goes_to_everybody_it_names() -> None:
    message = the_one(mms(part(text="a"), address=f"{ANN}~{BO}~{CY}", msg_box="2"))
    assert (message.sender, message.recipients) == ("", (ANN, BO, CY))


def test_an_mms_that_only_announces_another_is_an_event() -> None:
    record = the_one(mms(m_type="130", tr_id="T1"))
    assert (type(record), record.kind) == (ChannelEvent, "status")
    assert record.provider_message_id == "T1"


@pytest.mark.parametrize("data", ["???", "QUJ", "QUJDx", "=QUJD", "&#10;"])
def test_data_that_is_no_base64_has_no_digest(data) -> None:
    message = the_one(mms(part(ct="image/png", data=data)))
    (attachment,) = message.attachments
    assert attachment.sha256 in (None, sha256(b"AB").hexdigest(), sha256(b"").hexdigest())


def test_a_hundred_megabytes_of_base64_are_hashed_and_not_kept() -> None:
    size = 100 * 1024 * 1024
    block = base64.b64encode(bytes(range(256)) * 3 * 1024)
    blocks = size // len(block)
    raw = sha256()
    for _ in range(blocks):
        raw.update(bytes(range(256)) * 3 * 1024)

    def pieces():
        yield backup(sms()).removesuffix("</smses>").encode()
        yield b'<mms address="5" date="1" msg_box="1"><parts><part ct="video/mp4" data="'
        for _ in range(blocks):
            yield block
        yield b'" cl="a.mp4"/></parts></mms>'
        yield (sms(body="after") + "</smses>").encode()

    records, peak = with_peak(
        lambda: list(parse(Pieces(pieces()), "sms", "x", received_at=RECEIVED))
    )
    assert [type(record) for record in records] == [Message, Message, Message, ChannelEvent]
    assert records[1].attachments[0].sha256 == raw.hexdigest()
    assert records[1].attachments[0].filename == "a.mp4"
    assert peak < 40 * 1024 * 1024


def test_a_small_and_a_streamed_attachment_have_the_same_digest(monkeypatch) -> None:
    content = bytes(range(251)) * 4000
    encoded = base64.b64encode(content).decode()
    folded = "&#10;".join(encoded[at : at + 77] for at in range(0, len(encoded), 77))
    data = backup(mms(part(ct="image/png", data=folded)))
    whole = entries_of(data)
    monkeypatch.setattr(android_bytes, "MAX_TAG_BYTES", 1000)
    monkeypatch.setattr(android_bytes, "_CHUNK", 333)
    assert entries_of(data) == whole
    assert whole[0].attachments[0].sha256 == sha256(content).hexdigest()


# Calls, and the backup itself.


def test_a_call_log_is_events() -> None:
    call = tag("call", number="(312) 555-0142", duration="63", date=WHEN, type="2")
    record, own = read(backup(call, root="calls"), "sms")
    assert (record.kind, record.actor, record.position) == ("call", ANN, "call[0]")
    assert record.occurred_at == datetime(2023, 10, 11, 16, 53, 43, 123000, tzinfo=UTC)
    assert record.payload["duration"] == "63"
    assert own.position == "calls"


def test_the_backup_says_how_many_entries_it_should_hold() -> None:
    (own,) = read("<smses/>", "sms")
    assert "note" not in own.payload
    assert "note" not in read(backup(sms(), mms()), "sms")[-1].payload
    own = read(backup(sms(), count=7), "sms")[-1]
    assert own.payload["note"]
    assert own.payload["count"] == "7"
    assert own.payload["read"] == {"sms": 1}


def test_a_tag_that_no_backup_has_is_quarantined_with_its_values() -> None:
    record, after = entries_of(backup(tag("rcs", body="new"), sms()))
    assert (record.code, record.position) == ("unknown_element", "rcs[0]")
    assert b"new" in record.payload
    assert isinstance(after, Message)


@pytest.mark.parametrize("channel", ["whatsapp", "email"])
def test_a_backup_on_another_channel_says_where_it_belongs(channel) -> None:
    (record,) = read(backup(sms()), channel)
    assert (record.code, "sms/" in record.reason) == ("wrong_channel", True)


def test_other_xml_is_no_backup() -> None:
    (record,) = read("<?xml version='1.0'?><feed><entry/></feed>", "sms")
    assert record.code == "unknown_format"


def test_a_backup_in_utf_16_is_read() -> None:
    data = backup(sms(body="\u00e9\U0001f600")).replace("UTF-8", "UTF-16").encode("utf-16")
    assert entries_of(data)[0].text == "\u00e9\U0001f600"


# What is broken.


@pytest.mark.parametrize(
    ("broken", "position"),
    [
        (sms(body="AT&T"), "sms[1]"),
        (sms(body="&nbsp;"), "sms[1]"),
        (sms(body='say "hi"'), "sms[1]"),
        (sms(body="a < b"), "sms[1]"),
        ("<sms a='1' a='2'/>", "sms[1]"),
        ("<sms address='1' body='x'></smss>", "sms[1]"),
        ("<mms address='1'><parts><part text='x'></parts></mms>", "mms[0]"),
        ("<mms address='1'><parts>", "mms[0]"),
    ],
)
def test_a_broken_entry_costs_itself_only(broken, position) -> None:
    records = entries_of(backup(sms(body="one"), broken, sms(body="two"), sms(body="three")))
    kinds = [type(record) for record in records]
    assert kinds == [Message, Quarantined, Message, Message]
    assert (records[1].code, records[1].position) == ("xml_invalid", position)
    assert records[1].payload.startswith(broken[:4].encode())
    assert [r.text for r in records if isinstance(r, Message)] == ["one", "two", "three"]
    assert records[-1].position == ("sms[3]" if position == "sms[1]" else "sms[2]")


def test_invalid_utf_8_is_replaced_and_costs_nothing_else() -> None:
    data = backup(sms(body="one"), sms(body="@"), sms(body="two")).encode()
    first, second, third = entries_of(data.replace(b"@", b"a\xff\xc3b"))
    assert (first.text, second.text, third.text) == ("one", "a\ufffd\ufffdb", "two")


def test_halves_of_a_pair_in_three_bytes_each_are_joined() -> None:
    data = backup(sms(body="@")).encode()
    emoji = "\ud83d\ude00".encode("utf-8", "surrogatepass")
    assert entries_of(data.replace(b"@", emoji))[0].text == "\U0001f600"
    assert entries_of(data.replace(b"@", emoji[:3]))[0].text == "\ufffd"


@pytest.mark.parametrize("cut", ["in the tag", "between entries", "in a part", "in the data"])
def test_a_truncated_backup_keeps_what_was_before_the_cut(cut) -> None:
    last = {
        "in the tag": sms()[:40],
        "between entries": "",
        "in a part": mms(part(text="look"))[:150],
        "in the data": mms(part(ct="image/png", data="QUJD" * 50))[:-100],
    }[cut]
    data = backup(sms(), sms(body="two")).removesuffix("</smses>") + last
    records = entries_of(data)
    assert [type(record) for record in records] == [Message, Message, Quarantined]
    assert records[-1].code == "xml_truncated"
    expected = {"in the tag": "sms[2]", "between entries": "object"}.get(cut, "mms[0]")
    assert records[-1].position == expected


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 900), chunk=st.integers(1, 200))
def test_no_cut_loses_or_doubles_an_entry(cut, chunk) -> None:
    entries = [sms(body=f"text &#55357;&#56832; {n}") for n in range(4)]
    data = backup(*entries, mms(part(text="x") + part(ct="a/b", data="QUJD"))).encode()
    cut = min(cut, len(data))
    pieces = [data[at : min(at + chunk, cut)] for at in range(0, cut, chunk)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(android_bytes, "_CHUNK", chunk)
        records = list(parse(Pieces(pieces), "sms", "x", received_at=RECEIVED))
    assert records == read(data[:cut], "sms")
    found = [record.text for record in records if isinstance(record, Message)]
    whole = [record.text for record in read(data, "sms") if isinstance(record, Message)]
    assert found == whole[: len(found)]
    assert len(found) >= data[:cut].count(b"/>\n") - data[:cut].count(b"part")


def test_two_backups_in_one_object_are_both_read() -> None:
    data = backup(sms(body="one")) + "\n" + backup(sms(body="two"))
    records = entries_of(data)
    assert [r.text for r in records if isinstance(r, Message)] == ["one", "two"]


# Properties.

_XML_TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\ufffe\uffff", exclude_categories=("Cc", "Cs"))
    | st.sampled_from("\n\t\r"),
    max_size=40,
).filter(lambda text: text != "null")
_NUMBERS = st.sampled_from([ANN, BO, CY, "12345", "BANK"])
_DATES = st.integers(800_000_000_000, 4_102_444_800_000)


def attribute(text: str) -> str:
    """Write a value as the app does: line breaks and characters beyond 16 bit as references."""
    written = quoteattr(text, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
    return "".join(
        f"&#{0xD7C0 + (ord(c) >> 10)};&#{0xDC00 | ord(c) & 0x3FF};" if ord(c) > 0xFFFF else c
        for c in written
    )


@settings(max_examples=150, deadline=None)
@given(
    messages=st.lists(st.tuples(_NUMBERS, _DATES, st.booleans(), _XML_TEXT, _XML_TEXT), max_size=5)
)
def test_what_the_app_writes_is_what_is_read(messages) -> None:
    entries = [
        f'<sms address="{number}" date="{date}" type="{1 if inbound else 2}" '
        f"body={attribute(text)} service_center={attribute(extra)}/>"
        for number, date, inbound, text, extra in messages
    ]
    found = entries_of(backup(*entries))
    assert [
        (
            message.sender if message.direction == "inbound" else message.recipients[0],
            message.sent_at,
            message.direction == "inbound",
            message.text,
            message.source_metadata["service_center"],
        )
        for message in found
    ] == [
        (number, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=date), *rest)
        for number, date, *rest in messages
    ]
    assert len({message.message_id for message in found}) == len(messages)


_SHARDS = st.sampled_from(
    [
        b"<smses>", b"</smses>", b"<sms ", b"<mms ", b"<parts>", b"<part ", b"</mms>", b"/>", b">",
        b' data="', b" body='", b'"', b"'", b"&#55357;", b"&#56832;", b"&amp;", b"&x;", b"<!--",
        b"-->", b"<![CDATA[", b"]]>", b"<!DOCTYPE smses>", b"<?x", b"?>", b"\xff", b"\x00", b"=",
        b' type="1"', b' msg_box="2"', b' date="1697043223123"', b"<calls>", b"<call ", b"\n",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    shards=st.lists(st.one_of(_SHARDS, st.binary(max_size=6)), max_size=30),
    chunk=st.integers(1, 50),
)
def test_no_bytes_make_it_raise_in_whatever_pieces_they_come(shards, chunk) -> None:
    data = b"<smses>" + b"".join(shards)
    records = read(data, "sms")
    assert records
    assert not any(isinstance(r, Quarantined) and r.code == "parser_error" for r in records)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(android_bytes, "_CHUNK", chunk)
        pieces = list(parse(data, "sms", "x", received_at=RECEIVED))
    assert [r for r in pieces if isinstance(r, Message)] == [
        r for r in records if isinstance(r, Message)
    ]
