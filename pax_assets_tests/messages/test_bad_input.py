"""Every malformed object ends in rows with a code and a position, in bounded memory.

One case a way of being malformed, whatever format it hits; what belongs to a single format is
tested with that format.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
import zlib
from functools import partial

import pytest

from pax_assets.messages import CHANNELS, Message, Quarantined, parse
from pax_assets_tests.messages.conftest import HEAD_OF_MAIL, RECEIVED, read
from pax_assets_tests.messages.streams import MIB, Pieces, repeated, with_peak

GIB = 1024 * MIB
GOOD = b'{"id": "good", "text": "x"}'
CLOUD = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "metadata": {"phone_number_id": "1"},
                        "messages": [
                            {
                                "from": "13125550142",
                                "id": "wamid.1",
                                "timestamp": "1697043223",
                                "type": "text",
                                "text": {"body": "hi"},
                            }
                        ],
                    },
                }
            ]
        }
    ],
}


def sms_xml(inner: bytes, before: bytes = b"") -> bytes:
    return b"<?xml version='1.0'?>" + before + b"<smses>" + inner + b"</smses>"


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def problems(records) -> list[tuple[str, str]]:
    return [(r.code, r.position) for r in records if isinstance(r, Quarantined)]


# XML bombs.

_LAUGHS = b"<!DOCTYPE smses [<!ENTITY a0 'ha'>" + b"".join(
    b"<!ENTITY a%d '%b'>" % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12)
)
_BOMBS = {
    "billion laughs": sms_xml(b"<sms body='&a11;'/>", _LAUGHS + b"]>"),
    "quadratic": sms_xml(
        b"<sms body='" + b"&a;" * 50_000 + b"'/>",
        b"<!DOCTYPE smses [<!ENTITY a '" + b"x" * 50_000 + b"'>]>",
    ),
    "external entity": sms_xml(
        b"<sms body='&x;'/>", b'<!DOCTYPE smses [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    ),
    "external document type": sms_xml(b"", b'<!DOCTYPE smses SYSTEM "http://127.0.0.1/x.dtd">'),
    "parameter entity": sms_xml(
        b"", b'<!DOCTYPE smses [<!ENTITY % p SYSTEM "http://127.0.0.1/x"> %p;]>'
    ),
    "document type alone": sms_xml(b"<sms/>", b"<!DOCTYPE smses>"),
}


@pytest.mark.parametrize("bomb", _BOMBS.values(), ids=_BOMBS)
def test_xml_that_declares_anything_is_refused_at_its_declaration(bomb) -> None:
    records, peak = with_peak(lambda: read(bomb, "sms"))
    assert problems(records) == [("xml_forbidden", "object")]
    assert not any(isinstance(record, Message) for record in records)
    assert b"root:" not in records[0].payload
    assert peak < 30 * MIB


def test_an_undeclared_entity_costs_its_entry() -> None:
    good = b"<sms address='1' date='1697043223000' type='1' body='b'/>"
    records = read(sms_xml(b"<sms body='&x;'/>" + good), "sms")
    assert problems(records) == [("xml_invalid", "sms[0]")]
    assert [r.text for r in records if isinstance(r, Message)] == ["b"]


def endless(start: bytes, unit: bytes, end: bytes = b"", size: int = 300 * MIB) -> Pieces:
    return Pieces(repeated(start, unit, size, end))


@pytest.mark.parametrize(
    ("start", "unit", "end", "code"),
    [
        (b"<smses><sms body='", b"x", b"'/></smses>", "record_too_large"),
        (b"<smses><sms body='", b"x", b"", "xml_truncated"),
        (b"<smses>", b"text ", b"</smses>", None),
        (b"<smses>", b"\xc3\xa9", b"</smses>", None),
        (b"<smses><!-- ", b"x", b"--></smses>", "record_too_large"),
        (b"<smses><?x ", b"x", b"?></smses>", "record_too_large"),
        (b"<smses><", b"x", b"/></smses>", "record_too_large"),
        (b"<smses><sms ", b"a='1' ", b"/></smses>", "record_too_large"),
        (b"<smses>", b"<a>", b"</smses>", "xml_too_deep"),
        (b"<smses><sms body='&", b"x", b"'/></smses>", "record_too_large"),
    ],
    ids=[
        "value", "value cut off", "text", "text beyond ASCII", "comment", "instruction", "name",
        "attributes", "depth", "reference",
    ],
)  # fmt: skip
def test_xml_without_end_is_a_row_in_bounded_memory(start, unit, end, code) -> None:
    stream = endless(start, unit, end)
    records, peak = with_peak(lambda: list(parse(stream, "sms", "x", received_at=RECEIVED)))
    assert [found for found, _ in problems(records)] == ([code] if code else [])
    assert records
    assert peak < 60 * MIB


def test_xml_with_ever_new_names_is_stopped() -> None:
    names = (b"<n%d a%d='1'/>" % (number, number) for number in range(1_000_000))
    records, peak = with_peak(
        lambda: list(parse(Pieces([b"<smses>", *names]), "sms", "x", received_at=RECEIVED))
    )
    assert problems(records)[-1] == ("xml_invalid", "object")
    assert len(records) < 2500
    assert peak < 100 * MIB


def test_an_entry_of_endless_parts_is_one_row_and_the_next_one_is_read() -> None:
    part = b"<part ct='text/plain' text='" + b"x" * 1000 + b"'/>"
    good = b"<sms address='1' date='1697043223000' type='1' body='after'/></smses>"
    start, end = b"<smses><mms msg_box='1'><parts>", b"</parts></mms>" + good
    stream = endless(start, part, end, 80 * MIB)
    records, peak = with_peak(lambda: list(parse(stream, "sms", "x", received_at=RECEIVED)))
    assert problems(records) == [("record_too_large", "mms[0]")]
    assert [r.text for r in records if isinstance(r, Message)] == ["after"]
    assert peak < 400 * MIB


def test_nothing_but_broken_entries_ends_after_a_thousand() -> None:
    records = read(sms_xml(b"<sms a=1/>" * 5000), "sms")
    found = problems(records)
    assert len(found) == 1001
    assert set(found[:-1]) == {("xml_invalid", f"sms[{n}]") for n in range(1000)}
    assert found[-1] == ("xml_invalid", "object")


# A gigabyte in one line.


@pytest.mark.parametrize(
    ("channel", "start", "end", "code", "position"),
    [
        ("sms", b'{"id": "a", "text": "', b'"}\n' + GOOD, "record_too_large", "line 1"),
        ("sms", GOOD + b"\n", b"\n" + GOOD, "record_too_large", "line 2"),
        ("sms", b"x", b"", "unknown_format", "object"),
        ("whatsapp", b'{"object": "', b'"}\n' + GOOD, "record_too_large", "line 1"),
        ("email", HEAD_OF_MAIL + b"\n", b"", "record_too_large", "object"),
        ("email", HEAD_OF_MAIL + b"X-Long: ", b"\n\nbody", "record_too_large", "object"),
        ("email", b'{"id": "a", "text": "', b'"}\n' + GOOD, "record_too_large", "line 1"),
    ],
    ids=["json", "second line", "text", "cloud", "body", "header", "mail as json"],
)
def test_a_line_of_a_gigabyte_is_a_row(channel, start, end, code, position) -> None:
    stream = endless(start, b"x", end, GIB)
    records, peak = with_peak(lambda: list(parse(stream, channel, "x", received_at=RECEIVED)))
    assert problems(records) == [(code, position)]
    goods = (start + end).count(GOOD)
    assert [r.text for r in records if isinstance(r, Message)] == ["x"] * goods
    assert peak < 200 * MIB


@pytest.mark.parametrize(
    ("channel", "start"),
    [
        ("email", b"From ann@x.org Thu Jan  1 00:00:00 2026\n" + HEAD_OF_MAIL + b"\n"),
        ("whatsapp", b"13/06/2018, 21:25 - Ann: hi\n13/06/2018, 21:26 - Bo: "),
        ("sms", b"MessageSid=SM" + b"0" * 32 + b"&AccountSid=AC" + b"0" * 32 + b"&Body="),
    ],
    ids=["mbox", "chat", "form"],
)
def test_a_record_of_300_mib_is_a_row_in_every_other_format(channel, start) -> None:
    stream = endless(start, b"x")
    records, peak = with_peak(lambda: list(parse(stream, channel, "x", received_at=RECEIVED)))
    assert len(problems(records)) == 1
    assert peak < 400 * MIB


# Bombs in archives (the bounds themselves are tested with the containers).


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_bomb_of_zeros_is_one_row_on_every_channel(channel) -> None:
    squeeze = zlib.compressobj(9, wbits=31)
    packed = b"".join(squeeze.compress(b"\0" * MIB) for _ in range(400)) + squeeze.flush()
    assert len(packed) < MIB
    for bomb in (packed, zipped("bomb", b"\0" * (100 * MIB))):
        records, peak = with_peak(partial(read, bomb, channel))
        assert "expansion_too_large" in [code for code, _ in problems(records)]
        assert not any(isinstance(record, Message) for record in records)
        assert peak < 350 * MIB


# Bytes that do not belong.


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"\xef\xbb\xbf", b" \t\r\n", gzip.compress(b""), zipped("a", b"")]
)
def test_what_is_empty_is_one_row_that_says_so(channel, data) -> None:
    (record,) = read(data, channel)
    assert isinstance(record, Quarantined)
    assert record.code == "empty_object"


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("noise", [b"\0", b"\xff", b"\xed\xa0\x80", b"\xc3", b"\x1b[0m", b"\x85"])
def test_a_bad_byte_in_a_line_costs_that_line_at_most(channel, noise) -> None:
    bad = b'{"id": "bad", "text": "a' + noise + b'b"}'
    records = read(b"\n".join([GOOD, bad, GOOD.replace(b"good", b"best")]), channel)
    ids = [r.provider_message_id for r in records if isinstance(r, Message)]
    assert (ids[0], ids[-1]) == ("good", "best")
    assert len(records) == 3
    for code, position in problems(records):
        assert (code, position) == ("invalid_utf8", "line 2")


@pytest.mark.parametrize("noise", [b"\0", b"\xff", b"\xed\xa0\x80", b"\xc3"])
def test_a_bad_byte_in_a_mail_or_in_a_backup_costs_no_message(noise) -> None:
    for place in (b"Subject: a@b\n", b"From: a@b <x@y.org>\n", b"Content-Type: text/@\n"):
        (mail,) = read(
            place.replace(b"@", noise, 1) + HEAD_OF_MAIL + b"\nbo" + noise + b"dy", "email"
        )
        assert isinstance(mail, Message)
    sms = b"<sms address='1' date='1697043223000' type='1' body='a" + noise + b"b'/>"
    message, _ = read(sms_xml(sms), "sms")
    assert isinstance(message, Message)
    assert message.text[0] + message.text[-1] == "ab"


@pytest.mark.parametrize(
    "data", [b"\0" * 1000, b"\xff" * 1000, b"\0\xff" * 5000, bytes(range(256))]
)
@pytest.mark.parametrize("channel", CHANNELS)
def test_noise_is_one_row(channel, data) -> None:
    (record,) = read(data, channel)
    assert isinstance(record, Quarantined)


# Times that are none.

_TIMES = [
    0, 1, -1, -1697043223, -62135596800, 253402300799, 253402300799000, 10**30, "0", "-1",
    "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01", "1969-12-31T23:59:59Z",
]  # fmt: skip


@pytest.mark.parametrize("time", _TIMES)
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_time_out_of_range_is_the_time_of_arrival_and_keeps_what_was_said(channel, time) -> None:
    (message,) = read({"id": "a", "text": "x", "timestamp": time}, channel)
    assert isinstance(message, Message)
    assert (message.sent_at, message.sent_at_precision) == (RECEIVED, "received")
    assert str(message.source_metadata["unread_timestamp"]) == str(time)


@pytest.mark.parametrize("time", map(str, _TIMES))
def test_no_provider_s_time_out_of_range_reaches_a_row(time) -> None:
    cloud = json.loads(json.dumps(CLOUD).replace("1697043223", time))
    twilio = {"sid": "SM1", "account_sid": "AC1", "from": "+1", "body": "x", "date_sent": time}
    xml = f"<smses><sms address='1' date='{time}' type='1' body='b'/></smses>"
    for data, channel in ((cloud, "whatsapp"), (twilio, "sms"), (xml, "sms")):
        records = read(data, channel)
        (message,) = [record for record in records if isinstance(record, Message)]
        assert message.sent_at == RECEIVED
        assert message.sent_at_precision == "received"


@pytest.mark.parametrize(
    "date",
    [
        "Thu, 01 Jan 1970 00:00:00 +0000", "Fri, 31 Dec 9999 23:59:59 +0000",
        "Thu, 24 Aug 2023 05:01:45 +9999", "Thu, 24 Aug 99999999999 05:01:45", "-1", "\0", "",
    ],
)  # fmt: skip
def test_a_mail_of_no_possible_date_keeps_the_time_of_arrival(date) -> None:
    (message,) = read(HEAD_OF_MAIL + f"Date: {date}\n\nbody".encode(), "email")
    assert isinstance(message, Message)
    assert message.sent_at == RECEIVED


# Halves and depths.


@pytest.mark.parametrize("channel", CHANNELS)
def test_half_a_surrogate_pair_becomes_one_replacement_character(channel) -> None:
    (message,) = read(b'{"id": "a\\ud800", "text": "x\\ud800y\\udc00", "from": "\\ud800"}', channel)
    assert message.text == "x\ufffdy\ufffd"
    assert message.source_metadata["replaced_surrogates"] >= 3


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(
    "deep",
    [
        b'{"a":' * 100_000,
        b"[" * 100_000,
        b'{"id": "a", "text": "x", "n": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"id": "a", "text": "x", "n": ' + b'{"a":' * 500 + b"1" + b"}" * 501,
    ],
    ids=["objects", "arrays", "record of arrays", "record of objects"],
)
def test_what_nests_without_end_is_a_row(channel, deep) -> None:
    records = read(deep + b"\n" + GOOD, channel)
    assert problems(records)
    assert all(code.startswith("json_") for code, _ in problems(records))
    assert problems(records)[0][1] in ("line 1", "object")


def test_mail_that_nests_without_end_is_a_message_or_a_row() -> None:
    nested = HEAD_OF_MAIL
    for depth in range(2000):
        nested += b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (depth, depth)
    (record,) = read(nested + b"\nbody", "email")
    assert isinstance(record, (Message, Quarantined))
    assert not isinstance(record, Quarantined) or record.code != "parser_error"
