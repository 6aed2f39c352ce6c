"""The sample's landing objects, read back by the project's own parsers.

Labels are keyed by message id and count offsets into the text as stored: both must be exactly
what the parsers give, or the join with the feature store is empty.
"""

from collections import Counter
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from pax_assets.messages import ChannelEvent, Message, Quarantined, parse
from pax_assets.sample import gold, write_landing
from pax_assets.sample.landing import objects
from pax_assets.sample.timeline import DAYS

SEED = 13


@pytest.fixture(scope="module")
def records():
    return [
        (path, record)
        for path, data in objects(SEED)
        for record in parse(
            data,
            path.split("/")[0],
            path,
            received_at=datetime(2026, 1, 10, tzinfo=UTC),
        )
    ]


def test_the_bytes_are_the_same_for_a_seed_and_differ_between_seeds():
    def digests(seed: int) -> dict[str, str]:
        return {path: sha256(data).hexdigest() for path, data in objects(seed)}

    first = digests(SEED)
    assert first == digests(SEED)
    assert first != digests(SEED + 1)


def test_write_landing_writes_every_object_under_channel_and_day(tmp_path):
    written = write_landing(tmp_path, SEED)
    found = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert len(found) == written
    assert found == sorted(path for path, _ in objects(SEED))
    places = {tuple(path.split("/")[:2]) for path in found}
    assert places == {(c, str(d)) for c in ("sms", "whatsapp", "email") for d in DAYS}


def test_every_labelled_message_is_in_the_store_with_the_text_that_was_labelled(records):
    stored = {r.message_id: r.text for _, r in records if isinstance(r, Message)}
    tied = [d for d in gold(SEED) if d.message_id]
    assert len(tied) > 500
    assert len({d.message_id for d in tied}) == len(tied)
    assert [d.doc_id for d in tied if stored.get(d.message_id) != d.text] == []


def test_some_landed_messages_have_no_labels(records):
    labelled = {d.message_id for d in gold(SEED) if d.message_id}
    landed = {r.message_id for _, r in records if isinstance(r, Message)}
    assert 50 < len(landed - labelled) < len(labelled)


def test_all_channels_and_all_four_outcomes_occur(records):
    kinds = Counter((r.channel, type(r)) for _, r in records)
    for channel in ("sms", "whatsapp", "email"):
        assert kinds[channel, Message] > 100
        assert kinds[channel, Quarantined] >= 1
    events = Counter(r.kind for _, r in records if isinstance(r, ChannelEvent))
    assert events["status"]
    assert events["reaction"]
    ids = Counter(r.message_id for _, r in records if isinstance(r, Message))
    repeated = {key for key, count in ids.items() if count > 1}
    again = {r.channel for _, r in records if isinstance(r, Message) and r.message_id in repeated}
    assert again == {"sms", "whatsapp", "email"}


def test_records_are_broken_in_the_ways_that_the_sample_means(records):
    codes = {r.code for _, r in records if isinstance(r, Quarantined)}
    assert codes == {"no_id", "json_truncated", "not_mail"}


def test_mail_is_written_as_different_programs_write_it():
    mails = [data for path, data in objects(SEED) if path.endswith(".eml")]
    for mark in (
        b"multipart/alternative",
        b"Transfer-Encoding: base64",
        b"Transfer-Encoding: quoted-printable",
        b"charset=iso-8859-1",
        b"Subject: Re:\r\n ",
        b"In-Reply-To:",
    ):
        assert any(mark in data for data in mails), mark
    assert any(b"Message-ID" not in data for data in mails)


def test_a_person_is_known_by_phone_chat_and_mail(records):
    channels: dict[str, set[str]] = {}
    for _, record in records:
        if isinstance(record, Message):
            for name in dict(record.source_metadata.get("names") or {}).values():
                channels.setdefault(str(name), set()).add(record.channel)
    assert sum(len(found) > 1 for found in channels.values()) >= 10


def test_messages_lie_on_their_day(records):
    for path, record in records:
        if isinstance(record, Message) and "redelivered" not in path:
            assert (
                0
                <= (datetime.fromisoformat(path.split("/")[1]).date() - record.sent_at.date()).days
                <= 1
            )
