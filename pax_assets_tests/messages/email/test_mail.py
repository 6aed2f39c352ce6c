"""RFC 5322 mail: bodies, charsets, headers and ids, as tidy and as ugly as mail gets."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest

from pax_assets.messages import Message, Quarantined, message_id
from pax_assets.messages.email.mail import thread_key
from pax_assets_tests.messages.conftest import RECEIVED, read

HEAD = (
    b"From: Ann Lee <Ann@X.org>\r\nTo: Bo <bo@y.org>\r\nSubject: Lunch\r\n"
    b"Date: Mon, 05 Jan 2026 10:00:00 +0100\r\nMessage-ID: <1@x.org>\r\n"
)


def test_a_plain_mail_becomes_a_message(one) -> None:
    data = HEAD + b"\r\nShall we?\r\n-- \r\nAnn\r\n"
    mail = one(data, "email")
    assert mail.text == "Shall we?\n-- \nAnn\n"
    assert mail.message_id == message_id("email", "", "1@x.org")
    assert mail.conversation_id == thread_key("1@x.org")
    assert (mail.sender, mail.recipients) == ("ann@x.org", ("bo@y.org",))
    assert mail.source_metadata == {
        "names": {"ann@x.org": "Ann Lee", "bo@y.org": "Bo"},
        "spans": [{"kind": "signature", "start": 10, "end": 17}],
        "utc_offset": "+01:00",
    }
    assert mail.sent_at.isoformat() == "2026-01-05T09:00:00+00:00"
    assert (mail.subject, mail.content_type, mail.position) == ("Lunch", "text/plain", "object")
    assert (mail.provider, mail.source_kind, mail.direction) == ("rfc5322", "mail", "unknown")
    assert mail.sha256 == sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("declared", "body", "text"),
    [
        (b"utf-8", "Grüße".encode(), "Grüße"),
        (b"iso-8859-1", "Grüße".encode("latin-1"), "Grüße"),
        (b"iso-8859-1", b"\x93hi\x94 \x80", "\u201chi\u201d \u20ac"),
        (b"iso-8859-1", "Grüße".encode(), "Grüße"),
        (b"us-ascii", "Grüße".encode(), "Grüße"),
        (b"us-ascii", "Grüße".encode("latin-1"), "Grüße"),
        (b"utf-8", "Grüße".encode("latin-1"), "Grüße"),
        (b"no-such-charset", "Grüße".encode(), "Grüße"),
        (b"unknown-8bit", "Grüße".encode("latin-1"), "Grüße"),
        (b"unicode_escape", b"\\ud800 x", "\\ud800 x"),
        (b"punycode", b"plain", "plain"),
        (b"rot13", b"plain", "plain"),
        (b'""', b"plain", "plain"),
        (b"\xff\xfe", b"plain", "plain"),
        (b"a\x00b", b"pl\xe4in", "pl\u00e4in"),
        (b"gb2312", "你好".encode("gb2312"), "你好"),
        (b"iso-2022-jp", "日本".encode("iso-2022-jp"), "日本"),
        (b"koi8-r", "Привет".encode("koi8-r"), "Привет"),
        (b"windows-1251", "Привет".encode("cp1251"), "Привет"),
        (b"shift_jis", "日本".encode("cp932"), "日本"),
        (b"utf-8", "Grüße gr\u00fc\u00df".encode() + b"\xff", "Grüße grüß\ufffd"),
    ],
)
def test_a_body_is_decoded_whatever_charset_it_claims(declared, body, text, one) -> None:
    header = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=" + declared + b"\r\n\r\n"
    assert one(HEAD + header + body, "email").text == text
    encoded = b"Content-Transfer-Encoding: base64\r\n" + header + base64.encodebytes(body)
    assert one(HEAD + encoded, "email").text == text


def test_a_charset_that_was_not_believed_is_noted(one) -> None:
    header = b"Content-Type: text/plain; charset=x-nothing\r\n\r\n"
    mail = one(HEAD + header + "Grüße".encode(), "email")
    assert mail.source_metadata["charsets"] == {"x-nothing": "utf-8"}


@pytest.mark.parametrize(
    ("raw", "subject"),
    [
        (b"Lunch\r\n at noon", "Lunch at noon"),
        (b"Lunch\r\n\t  at\r\n noon", "Lunch at noon"),
        (b"=?utf-8?b?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?utf-8?b?R3LDvMOfZQ?=", "Grüße"),
        (b"=?utf-8?b?!!!?= x", " x"),
        (b"=?UTF-8?Q?Gr=C3=BC=C3=9Fe_you?=", "Grüße you"),
        (b"=?utf-8?q?Gr=C3?= =?utf-8?q?=BC=C3=9Fe?=", "Grüße"),
        (b"=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a?= and =?iso-8859-1?q?=FC?=", "a and ü"),
        (b"=?utf-8?q?two words?=", "two words"),
        (b"=?utf-8?q?why??=", "why?"),
        (b"=?nowhere?q?=C3=BC?=", "ü"),
        (b"=?utf-8*en?q?x?=", "x"),
        (b"=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        (b"", ""),
    ],
)
def test_a_subject_is_unfolded_and_decoded(raw, subject, one) -> None:
    data = b"From: a@x.org\r\nSubject: " + raw + b"\r\n\r\nhi"
    assert one(data, "email").subject == subject


def _multipart(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return (
        b"MIME-Version: 1.0\r\nContent-Type: multipart/"
        + kind
        + b'; boundary="b"\r\n\r\n'
        + body
        + b"--b--\r\n"
    )


PLAIN = b"Content-Type: text/plain\r\n\r\nPlain words"
HTML = b"Content-Type: text/html\r\n\r\n<p>Rich <b>words</b></p>"
EMPTY = b"Content-Type: text/plain\r\n\r\n  "
PATCH = (
    b'Content-Type: text/plain\r\nContent-Disposition: attachment; filename="a.patch"\r\n\r\n+line'
)
PICTURE = (
    b"Content-Type: image/png\r\nContent-ID: <pic@x>\r\n"
    b'Content-Disposition: inline; filename="=?utf-8?q?gr=C3=BCn.png?="\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(b"picture")
)
FORWARD = b"Content-Type: message/rfc822\r\n\r\nFrom: c@z.org\r\nSubject: Old\r\n\r\nOld words\r\n"


@pytest.mark.parametrize(
    ("body", "text", "content_type", "attached"),
    [
        (_multipart(b"alternative", PLAIN, HTML), "Plain words", "text/plain", []),
        (_multipart(b"alternative", HTML, PLAIN), "Plain words", "text/plain", []),
        (_multipart(b"alternative", EMPTY, HTML), "Rich words", "text/html", []),
        (_multipart(b"alternative", HTML), "Rich words", "text/html", []),
        (_multipart(b"mixed", PLAIN, PATCH), "Plain words", "text/plain", ["a.patch"]),
        (_multipart(b"mixed", PLAIN, PLAIN), "Plain words\nPlain words", "text/plain", []),
        (_multipart(b"related", HTML, PICTURE), "Rich words", "text/html", ["grün.png"]),
        (_multipart(b"mixed", PICTURE), "", "text/plain", ["grün.png"]),
        (_multipart(b"mixed", PLAIN, FORWARD), "Plain words", "text/plain", [None]),
        (_multipart(b"mixed", FORWARD), "Old words", "text/plain", [None]),
        (_multipart(b"digest", FORWARD, FORWARD), "Old words\nOld words", "text/plain", [None] * 2),
        (_multipart(b"unheard-of", PLAIN), "Plain words", "text/plain", []),
        (HTML, "Rich words", "text/html", []),
        (
            b"Content-Type: text/enriched\r\n\r\n<bold>x</bold>",
            "<bold>x</bold>",
            "text/plain",
            [None],
        ),
        (b"Content-Type: nonsense\r\n\r\nwords", "words", "text/plain", []),
        (b"Content-Type: multipart/mixed\r\n\r\nno boundary", "no boundary", "text/plain", []),
        (b"Content-Transfer-Encoding: what\r\n\r\nwords", "words", "text/plain", []),
        (
            b"Content-Transfer-Encoding: quoted-printable\r\n\r\na=20b=\r\nc=ZZ",
            "a bc=ZZ",
            "text/plain",
            [],
        ),
    ],
)
def test_the_text_is_found_in_any_mime_tree(body, text, content_type, attached, one) -> None:
    mail = one(HEAD + body, "email")
    assert mail.text.strip() == text
    assert mail.content_type == content_type
    assert [attachment.filename for attachment in mail.attachments] == attached


def test_an_attachment_has_the_digest_of_its_own_bytes(one) -> None:
    (picture,) = one(HEAD + _multipart(b"mixed", PICTURE), "email").attachments
    assert picture.sha256 == sha256(b"picture").hexdigest()
    assert (picture.kind, picture.mime, picture.id) == ("image", "image/png", "pic@x")


@pytest.mark.parametrize("depth", [40, 300, 2000])
def test_nested_multiparts_are_bounded_and_keep_their_text(depth, one) -> None:
    nest = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n)
        for n in range(depth)
    )
    mail = one(HEAD + nest + b"\r\nthe innermost words\r\n", "email")
    assert "the innermost words" in mail.text
    assert "mime_too_deep" in mail.source_metadata["defects"]
    assert mail.provider_message_id == "1@x.org"


def test_a_mail_of_countless_parts_is_read_flat(one) -> None:
    data = (
        HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\nx\r\n" * 30_000
    )
    mail = one(data, "email")
    assert mail.source_metadata["defects"] == ["mime_too_many_parts"]
    assert mail.text.count("x") == 30_000


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<style>p {}</style><script>x < y</script>hi", "hi"),
        ("<head><title>t</title></head><body>hi</body>", "hi"),
        ("a<!-- <p>no</p> -->b", "ab"),
        ("a <!-- never closed", "a <!-- never closed"),
        ("<style>never closed", "never closed"),
        ("5 &lt; 6 &amp; &eacute;&#233;&nbsp;&unknown;", "5 < 6 & éé\xa0&unknown;"),
        ("if a < b then", "if a < b then"),
        ("a <b", "a <b"),
        ("<td>1</td><td>2</td>", "1 2"),
        ("<ul><li>x<li>y</ul>", "x\n\ny".replace("\n\n", "\n")),
        ("<pre>a\n  b</pre>", "a\nb"),
        ("a\n\n   b", "a b"),
        ("&#" + "9" * 5000 + ";", "&#" + "9" * 5000 + ";"),
        ("&#xD800;", "\ufffd"),
        ("", ""),
    ],
)
def test_html_reads_as_a_person_sees_it(markup, text, one) -> None:
    header = b"Content-Type: text/html; charset=utf-8\r\n\r\n"
    assert one(HEAD + header + markup.encode(), "email").text == text


@pytest.mark.parametrize(
    ("headers", "sent_at", "precision", "source"),
    [
        (b"Date: Mon, 05 Jan 2026 10:00:00 +0000\r\n", "2026-01-05T10:00:00", "second", None),
        (
            b"Date: nonsense\r\nReceived: by b; Mon, 05 Jan 2026 12:00:00 +0000\r\n"
            b"Received: by a;\r\n Mon, 05 Jan 2026 11:00:00 +0000\r\n",
            "2026-01-05T11:00:00",
            "second",
            "received_header",
        ),
        (b"", RECEIVED.isoformat()[:19], "received", "arrival"),
        (b"Date: Mon, 05 Jan 1850 10:00:00\r\n", RECEIVED.isoformat()[:19], "received", "arrival"),
    ],
)
def test_the_time_falls_back_to_transport_and_arrival(
    headers, sent_at, precision, source, one
) -> None:
    mail = one(b"From: a@x.org\r\n" + headers + b"\r\nhi", "email")
    assert mail.sent_at.isoformat() == sent_at + "+00:00"
    assert mail.sent_at_precision == precision
    assert mail.source_metadata.get("date_source") == source


@pytest.mark.parametrize(
    ("headers", "offset"),
    [
        ("Date: Mon, 05 Jan 2026 10:00:00 +0530", "+05:30"),
        ("Date: Mon, 05 Jan 2026 10:00:00 -0330 (NST)", "-03:30"),
        ("Date: 5 Jan 2026 10:00 -0500", "-05:00"),
        ("Date: Mon, 05 Jan 2026 10:00:00 EST", "-05:00"),
        ("Date: Mon, 05 Jan 2026 10:00:00 +0000", "+00:00"),
        ("Date: 5 Jan 2026 10:00 +0000", "+00:00"),
        # In UTC, wherever the sender is.
        ("Date: Mon, 05 Jan 2026 10:00:00 -0000", None),
        ("Date: 5 Jan 2026 10:00 -0000", None),
        ("Date: Mon, 05 Jan 2026 10:00:00 GMT", None),
        ("Date: Mon, 05 Jan 2026 10:00:00 +0000\r\nThread-Index: AQHa", None),
        ("Date: Mon, 05 Jan 2026 10:00:00 +0100\r\nThread-Index: AQHa", "+01:00"),
        ("Date: Mon, 05 Jan 2026 10:00:00", None),
        # A server's clock.
        ("Received: by a; Mon, 05 Jan 2026 11:00:00 +0100", None),
        ("Date: nonsense\r\nReceived: by a; Mon, 05 Jan 2026 11:00:00 +0100", None),
        ("Subject: hi", None),
    ],
)
def test_the_sender_s_clock_is_that_of_the_date_header(headers, offset, one) -> None:
    mail = one(f"From: a@x.org\r\nMessage-ID: <1@x.org>\r\n{headers}\r\n\r\nhi".encode(), "email")
    assert mail.source_metadata.get("utc_offset") == offset
    assert mail.provider_message_id == "1@x.org"


def test_a_mailbox_envelope_gives_sender_and_time_where_headers_do_not(one) -> None:
    data = b"From ann@x.org  Thu Aug 22 12:36:23 2002\nSubject: hi\n\ntext"
    mail = one(data, "email")
    assert mail.sender == "ann@x.org"
    assert mail.sent_at.isoformat() == "2002-08-22T12:36:23+00:00"
    assert (mail.source_metadata["date_source"], mail.zone_assumed) == ("envelope", "UTC")


def test_a_mail_without_an_id_gets_a_stable_one_from_its_content(one) -> None:
    data = b"From: a@x.org\r\nDate: Mon, 05 Jan 2026 10:00:00 +0000\r\nSubject: Re: Lunch\r\n\r\n"
    first, again, other = (one(data + text, "email") for text in (b"hi", b"hi", b"ho"))
    assert first.provider_message_id.startswith("derived:")
    assert first.message_id == again.message_id != other.message_id


@pytest.mark.parametrize(
    ("headers", "root", "reply_to"),
    [
        (b"", "1@x.org", None),
        (b"In-Reply-To: <p@x>\r\n", "p@x", "p@x"),
        (b"References: <r@x>\r\n <p@x>\r\n", "r@x", "p@x"),
        (b"References: <r@x> <p@x>\r\nIn-Reply-To: Your mail <p@x>\r\n", "r@x", "p@x"),
        (b"References: <>\r\nIn-Reply-To: your mail of Monday\r\n", "1@x.org", None),
    ],
)
def test_the_thread_is_its_first_message(headers, root, reply_to, one) -> None:
    mail = one(HEAD + headers + b"\r\nhi", "email")
    assert (mail.conversation_id, mail.reply_to) == (thread_key(root), reply_to)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (b"Delivered-To: Me@y.org\r\n", {"account": "me@y.org", "direction": "inbound"}),
        (b"Received: by a; date\r\n", {"account": "", "direction": "inbound"}),
        (b"Cc: c@y.org, bo@y.org\r\n", {"recipients": ("bo@y.org", "c@y.org")}),
        (b"To: d@y.org\r\n", {"recipients": ("bo@y.org", "d@y.org")}),
        (b"Content-Language: de\r\n", {"language": "de"}),
    ],
)
def test_delivery_headers_and_copies_are_used(headers, expected, one) -> None:
    mail = one(HEAD + headers + b"\r\nhi", "email")
    assert {name: getattr(mail, name) for name in expected} == expected


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n" + HEAD + b"\r\nhi",
        b"\xef\xbb\xbf" + HEAD + b"\r\nhi",
        HEAD.replace(b"\r\n", b"\n") + b"\nhi",
        HEAD.replace(b"\r\n", b"\r") + b"\rhi",
        b">From ann@x.org Thu Aug 22 12:36:23 2002\r\n" + HEAD + b"\r\nhi",
        b"stray line\r\n" + HEAD + b"\r\nhi",
        b"{\r\n" + HEAD + b"\r\nhi",
        HEAD.replace(b"Subject:", b"Subject :") + b"\r\nhi",
        HEAD.replace(b"Subject: Lunch\r\n", b"Subject: Lun\r\nch not indented\r\n") + b"\r\nhi",
        (HEAD + b"\r\nhi").decode().encode("utf-16"),
        HEAD + b"no blank line before the text, hi",
        HEAD + b"X-Junk: \x00\xff\xfe\r\n\r\nhi",
    ],
)
def test_an_ugly_header_block_loses_nothing(data, one) -> None:
    mail = one(data, "email")
    assert mail.provider_message_id == "1@x.org"
    assert (mail.sender, mail.recipients) == ("ann@x.org", ("bo@y.org",))
    assert mail.subject is not None
    assert mail.subject.startswith("Lun")
    assert mail.text.endswith("hi")


@pytest.mark.parametrize("data", [HEAD, HEAD + b"\r\n", b"Subject: only\r\n"])
def test_a_mail_without_a_body_is_a_message_without_text(data, one) -> None:
    assert one(data, "email").text == ""


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_object"),
        (b" \r\n\t", "empty_object"),
        (b"\x00\x01\x02" * 100, "not_mail"),
        (b"Dear Bo,\nlunch?\n", "not_mail"),
        (b"Dear Bo,\n[Ann] lunch?\n", "not_mail"),
        (b"note: this is no mail\n\nat all", "not_mail"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not_mail"),
    ],
)
def test_only_what_is_no_mail_is_quarantined(data, code) -> None:
    (record,) = read(data, "email")
    assert isinstance(record, Quarantined)
    assert (record.code, record.position, record.payload) == (code, "object", data)


def test_a_body_that_begins_with_a_brace_is_still_mail(one) -> None:
    assert isinstance(one(HEAD + b'\r\n{"text": "x"}\r\n', "email"), Message)
