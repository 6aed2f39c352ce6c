"""Real mails, texts and payloads: none is lost, and each outcome is what it should be."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from pax_assets.messages import ChannelEvent, Message
from pax_assets_tests.messages.conftest import read


def test_no_mail_of_the_corpus_is_lost(shared_data) -> None:
    texts, ids = 0, set()
    paths = sorted((shared_data / "spamassassin_ham").glob("0*.txt"))
    assert len(paths) == 2463
    for path in paths:
        (mail,) = read(path.read_bytes(), "email")
        assert isinstance(mail, Message), path.name
        assert mail.sender, path.name
        assert mail.sent_at_precision == "second", path.name
        ids.add(mail.message_id)
        texts += bool(mail.text.strip())
    # No mail of this corpus is without words.
    assert texts == len(paths)
    assert len(ids) == len(paths)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("call_status", {"call": 1}),
        ("deleted_message", {"deletion": 1}),
        ("edited_message", {"edit": 1}),
        ("message_status", {"status": 7}),
        ("system", {"system": 2}),
        ("message", {"message": 17, "reaction": 3, "error": 4}),
    ],
)
def test_webhook_updates_have_the_outcomes_that_they_mean(name, expected, shared_data) -> None:
    data = (shared_data / "whatsapp_cloud_api_updates" / f"{name}.json").read_bytes()
    records = read(data, "whatsapp")
    kinds = Counter(
        "message" if isinstance(r, Message) else r.kind if isinstance(r, ChannelEvent) else r.code
        for r in records
    )
    assert kinds == expected
    texts = {r.position.split(".")[0]: r.text for r in records if isinstance(r, Message)}
    if name == "message":
        assert texts["text"] == "Body Text"
        assert texts["video"] == texts["document"] == "caption"
        assert texts["order"].startswith("3 x HAMBURGER")
    # One payload a line gives the same records.
    lines = "\n".join(json.dumps(item) for item in json.loads(data).values())
    assert [r.sha256 for r in read(lines, "whatsapp")] == [r.sha256 for r in records]


def test_texts_in_twilio_pages_come_back_as_they_were(shared_data) -> None:
    lines = (shared_data / "uci_sms" / "SMSSpamCollection").read_text("utf-8").splitlines()
    texts = [line.split("\t", 1)[1] for line in lines][:1000]
    items = [
        {
            "sid": f"SM{number:032x}",
            "account_sid": "AC" + "0" * 32,
            "from": f"+1312555{number % 100:04d}",
            "to": "+13125550142",
            "body": text,
            "direction": "inbound",
            "status": "received",
            "date_sent": "Mon, 05 Jan 2026 10:00:00 +0000",
        }
        for number, text in enumerate(texts)
    ]
    page = {"messages": items, "page": 0, "page_size": 1000}
    assert [record.text for record in read(page, "sms")] == texts
