"""Mailboxes: where mails begin, the four variants, what is torn, too large or cut off."""

from __future__ import annotations

import io
import tracemalloc
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.messages import Message, Quarantined, parse
from pax_assets.messages import arrival as arrivals
from pax_assets.messages.email import mbox, mbox_split
from pax_assets_tests.messages.conftest import RECEIVED, read

ENVELOPE = b"From ann@x.org Mon Jan  5 10:00:00 2026\n"


def _mail(number: int, body: bytes = b"hi\n", headers: bytes = b"") -> bytes:
    return b"From: ann@x.org\nMessage-ID: <%d@x.org>\n%s\n%s" % (number, headers, body)


def _mbox(*mails: bytes, envelope: bytes = ENVELOPE) -> bytes:
    return b"".join(envelope + mail + b"\n" for mail in mails)


def _texts(data: bytes) -> list[str]:
    records = read(data, "email")
    assert all(isinstance(record, Message) for record in records), records
    return [record.text for record in records]


def test_each_mail_is_one_record_with_its_number_and_line() -> None:
    data = _mbox(_mail(1), _mail(2, b"two\nlines\n"), _mail(3))
    records = read(data, "email")
    assert [r.provider_message_id for r in records] == ["1@x.org", "2@x.org", "3@x.org"]
    assert [r.position for r in records] == [
        "line 1: mail[0]",
        "line 7: mail[1]",
        "line 14: mail[2]",
    ]
    lines = data.splitlines(keepends=True)
    assert all(lines[line - 1] == ENVELOPE for line in (1, 7, 14))
    assert records[1].text == "two\nlines\n"
    assert records[1].sha256 == sha256(ENVELOPE + _mail(2, b"two\nlines\n")).hexdigest()


@pytest.mark.parametrize(
    "envelope",
    [
        b"From ann@x.org  Thu Aug 22 12:36:23 2002\n",
        b"From ann at x.org  Thu Aug 22 12:36:23 2002\n",
        b"From - Thu Aug 22 12:36:23 2002\n",
        b"From MAILER-DAEMON Fri Jul  8 12:08:34 2011\n",
        b"From 1234567890@xxx Mon Jan 05 10:00:00 +0000 2026\n",
        b"From ann@x.org Thu Aug 22 12:36 MET 2002\n",
        b"From ann@x.org Thu, 22 Aug 2002 12:36:23 +0200\n",
        b"From ann@x.org 2026-01-05T10:00:00Z\n",
        b'From "ann lee"@x.org Thu Aug 22 12:36:23 2002\r\n',
        b"From ann@x.org Thu Aug 22 12:36:23 2002 remote from uucp\n",
    ],
)
def test_the_envelopes_that_programs_write_separate(envelope) -> None:
    data = _mbox(_mail(1), _mail(2), envelope=envelope)
    assert _texts(data) == ["hi\n", "hi\n"]
    crlf = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert _texts(crlf) == ["hi\n", "hi\n"]


@pytest.mark.parametrize(
    "paragraph",
    [
        b"From here on it rains.\n",
        b"From the desk of Ann\nSubject: rain\n",
        b"From 10:30 on we met.\nNote: in May\n",
        b"From Mon Jan 5 on it rains, and from 10:00 it pours.\nBring boots\n",
        b"From ann@x.org Mon Jan  5 10:00:00 2026\nwhich is how a mailbox begins\n",
        b"From ann@x.org Mon Jan  5 10:00:00 2026\n\nSubject: not in the next line\n",
        b"From May 10:00\nWhen: we meet\n",
    ],
)
def test_a_paragraph_that_begins_with_from_is_no_separator(paragraph) -> None:
    first, second = _texts(_mbox(_mail(1, b"hi\n\n" + paragraph), _mail(2)))
    assert first == "hi\n\n" + paragraph.decode()
    assert second == "hi\n"


def test_an_envelope_inside_a_paragraph_is_no_separator() -> None:
    body = b"it said\n" + ENVELOPE + b"Subject: x\n"
    assert len(_texts(_mbox(_mail(1, body), _mail(2)))) == 2


def test_eudora_leaves_no_blank_line() -> None:
    envelope = b"From ???@??? Mon Jan 05 10:00:00 2026\n"
    data = envelope + _mail(1) + envelope + _mail(2)
    assert _texts(data) == ["hi\n", "hi\n"]


@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n"])
def test_a_single_mail_below_an_envelope_is_itself(ending, one) -> None:
    data = ENVELOPE + _mail(1) + ending
    message = one(data, "email")
    assert (message.position, message.sha256) == ("object", sha256(data).hexdigest())
    assert message.text == "hi\n" + ending.decode()


@pytest.mark.parametrize(
    ("kind", "written", "text"),
    [
        ("mboxrd", b">From here\n>>From there\n", "From here\n>From there\n"),
        ("mboxrd", b">>From here\n>>From there\n", ">From here\n>From there\n"),
        ("mboxrd", b"> old\n>>From the old\n", "> old\n>From the old\n"),
        (
            "mboxo",
            b">From here\n\n>> old\n>>From the old\n",
            "From here\n\n>> old\n>>From the old\n",
        ),
        ("mboxo", b">> 1\n>>From 1\n> 2\n>From 2\n", ">> 1\n>>From 1\n> 2\n>From 2\n"),
        ("mboxrd", b"> old\n>From me\n", "> old\nFrom me\n"),
    ],
)
def test_what_became_of_from_lines_is_undone(kind, written, text) -> None:
    data = _mbox(_mail(1, written), _mail(2))
    assert mbox.variant(data) == kind
    assert _texts(data) == [text, "hi\n"]


def _with_length(number: int, body: bytes) -> bytes:
    return _mail(number, body, b"Content-Length: %d\n" % len(body))


def test_mboxcl2_keeps_a_whole_mailbox_inside_a_mail() -> None:
    inner = b"look:\n\n" + _mbox(_mail(7), _mail(8)) + b">From x\n"
    data = _mbox(_with_length(1, inner), _with_length(2, b"hi\n"))
    assert mbox.variant(data) == "mboxcl2"
    assert _texts(data) == [inner.decode(), "hi\n"]


def test_mboxcl_follows_lengths_and_restores_from_lines() -> None:
    data = _mbox(_with_length(1, b"hi\n\n>From here\n"), _with_length(2, b">>From b\n"))
    assert mbox.variant(data) == "mboxcl"
    assert _texts(data) == ["hi\n\nFrom here\n", ">From b\n"]


@pytest.mark.parametrize("length", [b"0", b"1", b"40", b"99999", b"9999999999", b"-1", b"x"])
def test_a_length_that_ends_nowhere_is_not_believed(length) -> None:
    mails = [_mail(n, b"hi\n", b"Content-Length: " + length + b"\n") for n in range(3)]
    assert _texts(_mbox(*mails)) == ["hi\n"] * 3


def test_one_wrong_length_costs_no_mail() -> None:
    wrong = _mail(2, b"hi\n", b"Content-Length: 70\n")
    data = _mbox(_with_length(1, b"hi\n"), wrong, _with_length(3, b"ho\n"), _mail(4))
    assert _texts(data) == ["hi\n", "hi\n", "ho\n", "hi\n"]


def test_a_truncated_last_mail_stays_a_message() -> None:
    data = _mbox(_mail(1), _mail(2, b"a long text\n"))
    for size in range(len(ENVELOPE + _mail(1)) + 60, len(data)):
        records = read(data[:size], "email")
        assert [type(record) for record in records] == [Message, Message], data[:size]
    assert [r.text for r in read(data[:-7], "email")] == ["hi\n", "a long"]


def test_no_cut_loses_the_mails_before_it() -> None:
    data = _mbox(_mail(1), _mail(2, b"a long text\n"))
    for size in range(len(ENVELOPE + _mail(1)), len(data)):
        records = read(data[:size], "email")
        assert records[0].provider_message_id == "1@x.org"
        assert records[0].text.startswith("hi\n")
        assert not any(isinstance(r, Quarantined) and r.code == "parser_error" for r in records)


def test_equal_mails_without_an_id_stay_apart() -> None:
    mail = b"From: ann@x.org\nDate: Mon, 05 Jan 2026 10:00:00 +0000\n\nok\n"
    first, second = read(_mbox(mail, mail), "email")
    alone = read(mail, "email")[0]
    assert first.message_id == alone.message_id != second.message_id
    assert [r.message_id for r in read(_mbox(mail, mail), "email")] == [
        first.message_id,
        second.message_id,
    ]


def test_a_mail_above_the_bound_is_quarantined_alone(monkeypatch) -> None:
    for module in (arrivals, mbox_split, mbox):
        monkeypatch.setattr(module, "MAX_RECORD_BYTES", 3_000_000)
    huge = b"line of text\n" * 600_000
    data = _mbox(_mail(1), _mail(2, huge), _mail(3), _mail(4, huge))
    records = read(data, "email")
    assert [type(r) for r in records] == [Message, Quarantined, Message, Quarantined]
    assert [r.code for r in records if isinstance(r, Quarantined)] == ["record_too_large"] * 2
    assert records[1].payload.startswith(ENVELOPE + b"From: ann@x.org\nMessage-ID: <2@")
    assert f"{len(ENVELOPE + _mail(2, huge))} bytes" in records[1].reason
    for record in records:
        line = int(record.position.split(":")[0].removeprefix("line "))
        assert data.splitlines()[line - 1] + b"\n" == ENVELOPE


class _Endless(io.RawIOBase):
    """A mailbox that is written while it is read."""

    def __init__(self, mail: bytes, count: int) -> None:
        self._mail, self._left, self._rest = mail, count, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if not self._rest and self._left:
            batch = min(self._left, 100)
            self._rest, self._left = self._mail * batch, self._left - batch
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def test_memory_does_not_grow_with_the_mailbox() -> None:
    def peak(count: int) -> int:
        stream = io.BufferedReader(
            _Endless(ENVELOPE + _mail(1, b"x" * 40_000 + b"\n") + b"\n", count)
        )
        tracemalloc.start()
        total = sum(1 for _ in parse(stream, "email", "test", received_at=RECEIVED))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == count
        return found

    assert peak(1500) < peak(150) + 2_000_000


BODIES = st.lists(
    st.sampled_from(["hi", "", "From here", ">From x", ">>From y", "From ", "> q", "\u00fc", " "]),
    max_size=8,
).map(lambda lines: "".join(f"{line}\n" for line in lines))


@settings(max_examples=60, deadline=None)
@given(bodies=st.lists(BODIES, min_size=2, max_size=5), kind=st.sampled_from(["mboxrd", "mboxcl2"]))
def test_reading_undoes_writing(bodies, kind) -> None:
    mails = []
    for number, body in enumerate(bodies):
        data = body.encode()
        if kind == "mboxrd":
            lines = data.splitlines(keepends=True)
            data = b"".join(b">" + x if x.lstrip(b">").startswith(b"From ") else x for x in lines)
        length = b"Content-Length: %d\n" % len(data) if kind == "mboxcl2" else b""
        head = b"Content-Type: text/plain; charset=utf-8\n" + length
        mails.append(_mail(number, data, head))
    written = _mbox(*mails)
    if mbox.variant(written) == "mboxcl" and kind == "mboxcl2":
        # Without a bare "From " line in it the file looks like mboxcl.
        return
    if mbox.variant(written) == "mboxo":
        return
    assert _texts(written) == bodies


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                ENVELOPE,
                b"From ",
                b"\n",
                b"\r\n",
                b"Subject: x\n",
                b"Content-Length: 9\n",
                b">From \n",
            ]
        )
        | st.binary(max_size=20),
        max_size=20,
    )
)
def test_no_bytes_raise_and_lines_are_where_mails_begin(parts) -> None:
    data = ENVELOPE + b"Subject: x\n" + b"".join(parts)
    records = read(data, "email")
    assert not any(isinstance(r, Quarantined) and r.code == "parser_error" for r in records)
    assert records
    if len(records) > 1:
        lines = data.split(b"\n")
        for number, record in enumerate(records):
            line, _, place = record.position.partition(": ")
            assert place == f"mail[{number}]"
            assert lines[int(line.removeprefix("line ")) - 1].startswith(b"From ")
