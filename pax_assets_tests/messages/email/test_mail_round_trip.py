"""Mail that the standard library wrote is read as it was meant, alone and in a mailbox."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pax_assets.messages.email import mail as mail_parser
from pax_assets_tests.messages.conftest import read

ATOM = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
ADDRESS = st.builds("{}@{}.example".format, ATOM, ATOM)
# What a person types; a header cannot hold a line break, and folding moves white space.
WORDS = st.lists(
    st.text(
        st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Cn", "Co"]),
        min_size=1,
        max_size=8,
    ).filter(lambda word: "=?" not in word),
    max_size=6,
).map(" ".join)
# A mail without words has its attachments or its other part for a text, by intent.
LINES = (
    st.lists(
        WORDS
        | st.sampled_from(["", "From here", ">From there", "> quoted", "-- ", ".", " indented"]),
        min_size=1,
        max_size=6,
    )
    .map(lambda lines: "".join(f"{line}\n" for line in lines))
    .filter(str.strip)
)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
ZONES = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
ENCODINGS = st.sampled_from(["7bit", "8bit", "quoted-printable", "base64"])


@st.composite
def mails(draw) -> tuple[bytes, dict[str, object]]:
    """Return a mail and what its message must say."""
    sender, identifier = draw(ADDRESS), draw(ADDRESS)
    recipients = draw(st.lists(ADDRESS, min_size=1, max_size=4, unique=True))
    subject, text, moment = draw(WORDS), draw(LINES), draw(MOMENTS)
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    written = EmailMessage(policy=policy.default.clone(linesep=line_end))
    written["From"] = f'"{draw(ATOM)}" <{sender}>'
    written["To"] = ", ".join(recipients)
    written["Subject"] = "SUBJECT"
    written["Date"] = format_datetime(moment.astimezone(draw(ZONES)))
    written["Message-ID"] = f"<{identifier}>"
    encoding = draw(ENCODINGS)
    if encoding == "7bit" and not text.isascii():
        encoding = "8bit"
    written.set_content(text, cte=encoding)
    files = draw(st.lists(st.tuples(ATOM, st.binary(max_size=30)), max_size=2))
    if draw(st.booleans()):
        written.add_alternative(f"<p>{draw(ATOM)}</p>", subtype="html")
    for name, data in files:
        written.add_attachment(data, "application", "x-pax", filename=f"{name}.bin")
    for number, part in enumerate(written.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_{number}")
    # Python 3.11's `EmailMessage` drops a blank where it folds encoded words; `Header` does not.
    folded = Header(subject, "utf-8", header_name="Subject").encode(linesep=line_end)
    return written.as_bytes().replace(b"SUBJECT", folded.encode()), {
        "sender": sender,
        "recipients": tuple(recipients),
        "subject": subject,
        "sent_at": moment,
        "provider_message_id": identifier,
        "text": text,
        "files": [f"{name}.bin" for name, _ in files],
    }


def _found(message) -> dict[str, object]:
    names = ("sender", "recipients", "subject", "sent_at", "provider_message_id", "text")
    return {name: getattr(message, name) for name in names} | {
        "files": [attachment.filename for attachment in message.attachments]
    }


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mails())
def test_a_written_mail_is_read_as_it_was_meant(case) -> None:
    written, meant = case
    (message,) = read(written, "email")
    assert _found(message) == meant
    assert read(written, "email") == [message]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(mails(), min_size=2, max_size=4))
def test_a_written_mailbox_gives_every_mail(cases) -> None:
    data = b""
    for written, _ in cases:
        lines = written.replace(b"\r\n", b"\n").splitlines(keepends=True)
        mangled = [b">" + x if x.lstrip(b">").startswith(b"From ") else x for x in lines]
        data += b"From ann@x.example Mon Jan  5 10:00:00 2026\n" + b"".join(mangled) + b"\n"
    records = read(data, "email")
    assert [_found(record) for record in records] == [meant for _, meant in cases]
    assert len({record.position for record in records}) == len(cases)


HEADERS = st.lists(
    st.sampled_from(
        [
            b"From: a@x.org\n",
            b"Subject: x\r\n folded\r\n",
            b"Subject:\n\tfolded\n",
            b"X-Odd :y\n",
            b"Content-Type: text/html\n",
            b"Content-Type: multipart/mixed; boundary=b\n",
            b"Content-Transfer-Encoding: base64\n",
            b"no header\n",
            b": nameless\n",
            b"X:\xff\xfe\n",
            b"X: a\rb\n",
            b"From x\n",
            b" \n",
        ]
    ),
    max_size=6,
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(HEADERS, st.sampled_from([b"\n", b"\r\n", b""]), st.binary(max_size=30))
def test_the_short_way_through_a_mail_ends_where_the_library_does(head, blank, body) -> None:
    """Of a mail that is read without the standard library's parser, both say the same."""
    source = b"To: b@y.org\n" + head + blank + body
    fast = mail_parser._single_part(source)
    if fast is None:
        return
    slow = message_from_bytes(source)
    assert not slow.defects
    unfolded = [(name, value.replace("\r\n", "\n")) for name, value in slow.raw_items()]
    assert list(fast.raw_items()) == unfolded
    assert fast.get_payload(decode=True) == slow.get_payload(decode=True)
    assert fast.get_unixfrom() == slow.get_unixfrom()
