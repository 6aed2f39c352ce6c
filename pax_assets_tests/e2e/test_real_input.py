"""Real mails, texts and payloads, from landing to insights: nothing lost, nothing twice."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest

from pax_assets.defs.insights.assets import insights
from pax_assets.defs.resources import LakeResource, SparkResource
from pax_assets.jobs.conversations import update_conversations
from pax_assets.jobs.features import build_messages
from pax_assets.jobs.ingest import IngestReport, ingest
from pax_assets.jobs.participants import update_participants
from pax_assets.lake import read
from pax_assets_tests.e2e.conftest import FinishedLine
from pax_assets_tests.landing_objects import NOW, hashes

DAY = "2026-01-05"
MAILS, TEXTS, PAGE = 500, 1000, 50


def twilio_pages(lines: list[str]) -> list[dict]:
    """Wrap texts as Twilio's REST API lists them, 50 a page."""
    messages = [
        {
            "sid": f"SM{number:032x}",
            "account_sid": "AC" + "0" * 32,
            "from": f"+1312555{number % 40:04d}",
            "to": "+13125550142",
            "body": text,
            "direction": "inbound",
            "status": "received",
            "num_media": "0",
            "date_sent": f"Mon, 05 Jan 2026 {number // 60 % 24:02d}:{number % 60:02d}:00 +0000",
        }
        for number, text in enumerate(lines)
    ]
    return [
        {"messages": messages[at : at + PAGE], "page": at // PAGE, "page_size": PAGE}
        for at in range(0, len(messages), PAGE)
    ]


@pytest.fixture(scope="module")
def texts(shared_data: Path) -> list[str]:
    lines = (shared_data / "uci_sms" / "SMSSpamCollection").read_text("utf-8").splitlines()
    return [line.split("\t", 1)[1] for line in lines][:TEXTS]


@pytest.fixture(scope="module")
def landing(shared_data: Path, texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("landing")
    for channel in ("email", "sms", "whatsapp"):
        (root / channel / DAY).mkdir(parents=True)
    for mail in sorted((shared_data / "spamassassin_ham").glob("0*.txt"))[:MAILS]:
        (root / "email" / DAY / f"{mail.stem}.eml").write_bytes(mail.read_bytes())
    for number, page in enumerate(twilio_pages(texts)):
        (root / "sms" / DAY / f"page-{number:03d}.json").write_text(json.dumps(page))
    for payload in (shared_data / "whatsapp_cloud_api_updates").glob("*.json"):
        (root / "whatsapp" / DAY / payload.name).write_bytes(payload.read_bytes())
    return root


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("lake"))


def run(spark, lake: str, landing: Path) -> dict[str, IngestReport]:
    reports = {
        channel: ingest(lake, str(landing), channel, DAY, NOW, workers=2)
        for channel in ("sms", "whatsapp", "email")
    }
    build_messages(spark, lake, DAY)
    update_conversations(spark, lake)
    update_participants(spark, lake)
    return reports


@pytest.fixture(scope="module")
def reports(spark, lake: str, landing: Path) -> dict[str, IngestReport]:
    return run(spark, lake, landing)


def test_the_four_outcomes_add_up_for_every_object(reports):
    objects = [outcome for report in reports.values() for outcome in report.objects]
    assert len(objects) == MAILS + TEXTS // PAGE + 6
    assert [o for o in objects if not o.reconciled] == []


def test_no_mail_is_lost_for_being_ugly(reports):
    assert [o for o in reports["email"].objects if (o.records, o.messages) != (1, 1)] == []


def test_every_text_is_a_message_with_its_words_unchanged(reports, lake, texts):
    assert [o.messages for o in reports["sms"].objects] == [PAGE] * (TEXTS // PAGE)
    assert Counter(read(lake, "raw_sms", ["text"])["text"].to_pylist()) == Counter(texts)


def test_every_record_of_a_whatsapp_payload_has_an_outcome(reports):
    totals = reports["whatsapp"].totals
    assert totals["records"] == 36
    assert (totals["messages"] + totals["duplicates"], totals["channel_events"]) == (17, 19)
    assert totals["quarantined"] == 0


def test_the_feature_store_holds_each_message_once(reports, lake):
    ids = read(lake, "messages", ["message_id"])["message_id"].to_pylist()
    assert len(ids) == len(set(ids)) == sum(r.totals["messages"] for r in reports.values())
    assert read(lake, "conversations").num_rows > 0
    assert read(lake, "participants").num_rows > 0


def test_a_second_run_adds_nothing(spark, reports, lake, landing):
    before = hashes(lake)
    again = run(spark, lake, landing)
    assert [report.ingested for report in again.values()] == [0, 0, 0]
    assert {c: r.totals for c, r in again.items()} == {c: r.totals for c, r in reports.items()}
    assert hashes(lake) == before


@pytest.fixture(scope="module")
def scored(spark, reports, lake: str, line: FinishedLine) -> dg.ExecuteInProcessResult:
    """Insights of the real messages, by the model that the demo released."""
    assert line.exit_code == 0, line.output[-4000:]
    for artifact in ("released_model", "onnx_model"):
        shutil.copytree(line.lake / artifact, f"{lake}/{artifact}")
    return score(lake)


def score(lake: str) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [insights],
        partition_key=DAY,
        resources={"lake": LakeResource(root=lake, landing=lake), "spark": SparkResource()},
    )


@pytest.mark.timeout(1200)
def test_every_real_message_is_scored_once(scored, lake):
    checks = scored.get_asset_check_evaluations()
    assert len(checks) == 3
    assert all(check.passed for check in checks)
    done = read(lake, "insights/scored", ["message_id"])["message_id"].to_pylist()
    stored = read(lake, "messages", ["message_id"])["message_id"].to_pylist()
    assert sorted(done) == sorted(stored)


@pytest.mark.timeout(1200)
def test_what_was_found_stands_in_the_text_where_it_says(scored, lake):
    stored = read(lake, "messages", ["message_id", "text"]).to_pylist()
    texts = {row["message_id"]: row["text"] for row in stored}
    found = read(lake, "insights/entities", ["message_id", "text", "start", "end"]).to_pylist()
    assert found
    for row in found:
        assert texts[row["message_id"]][row["start"] : row["end"]] == row["text"]


@pytest.mark.timeout(1200)
def test_scoring_again_adds_nothing(scored, lake):
    tables = ("insights/scored", "insights/entities", "insights/events", "insights/relations")
    before = hashes(lake, tables)
    assert score(lake).success
    assert hashes(lake, tables) == before
