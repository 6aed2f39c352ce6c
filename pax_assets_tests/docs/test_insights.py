"""The questions of docs/insights.md: asked as they stand, of a store whose answers are known."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from pax_assets.jobs.graph import update_graph
from pax_assets.jobs.insights.insight_tables import GRAPH_TABLES
from pax_assets.jobs.insights.questions import open_graph
from pax_assets.jobs.insights.resolution import CONFIDENCE
from pax_assets.settings import Settings
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.docs.pages import reports
from pax_assets_tests.jobs.insights.store import (
    ANNA,
    BEN,
    CARA,
    ME,
    Message,
    put_days,
    put_people,
)

PAGE = (PROJECT / "docs" / "insights.md").read_text()
QUESTIONS = dict(re.findall(r"^### (.*?)\n.*?```sql\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
TODAY = date(2026, 1, 20)  # a Tuesday
ORG, PERSON, TIME = "organization", "person", "time"

STORE = [
    # Dora brings Acme up with Cara; Cara tells me; Anna hears of it from me, and then tells Ben.
    Message("m01", "2025-12-29T09:00", CARA, [ME], {"Acme": ORG}, conversation="c-cara",
            channel="email"),
    Message("m02", "2026-01-02T10:00", ME, [ANNA], {"ACME Inc.": ORG}, conversation="c-anna"),
    Message("m03", "2026-01-03T10:00", ANNA, [ME, BEN],
            {"acme": ORG, "Ben Osei": PERSON, "Anna Keller": PERSON},
            relations=[("Ben Osei", "works_for", "acme"), ("Anna Keller", "knows", "Ben Osei")],
            conversation="c-group"),
    Message("m04", "2026-01-04T10:00", BEN, [ME, ANNA],
            {"Acme": ORG, "Ben": PERSON, "Dora Lind": PERSON},
            relations=[("Ben", "reports_to", "Dora Lind"), ("Dora Lind", "works_for", "Acme")],
            conversation="c-group"),
    Message("m05", "2025-12-30T10:00", ANNA, [ME], {"Dora Lind": PERSON, "Acme": ORG},
            relations=[("Dora Lind", "works_for", "Acme")], conversation="c-old"),
    # Requests: an old one that nobody answered, an old one that I answered, a new one, and mine.
    Message("m06", "2026-01-05T08:00", BEN, [ME], {"10 ladders": "product"},
            [("request", "send", {"item": "10 ladders"})], conversation="c-ben"),
    Message("m07", "2026-01-06T08:00", ANNA, [ME], {"the list": "product"},
            [("request", "need", {"item": "the list"})], conversation="c-list"),
    Message("m08", "2026-01-06T09:00", ME, [ANNA], {}, conversation="c-list"),
    Message("m09", "2026-01-19T08:00", BEN, [ME], {"a drill": "product"},
            [("request", "want", {"item": "a drill"})], conversation="c-drill"),
    Message("m10", "2026-01-05T08:30", ME, [CARA], {"a quote": "product"},
            [("request", "want", {"item": "a quote"})], conversation="c-quote"),
    # Payments: two in euros and one without a currency still due, one due and over, one made.
    Message("m11", "2026-01-19T12:00", ME, [ANNA],
            {"€1.200,50": "money", "by Friday": TIME, "Anna Keller": PERSON},
            [("payment", "pay", {"amount": "€1.200,50", "time": "by Friday",
                                 "payee": "Anna Keller"})], conversation="c-anna"),
    Message("m12", "2026-01-18T12:00", BEN, [ME], {"300 EUR": "money", "end of the month": TIME},
            [("payment", "transfer", {"amount": "300 EUR", "time": "end of the month"})],
            conversation="c-ben"),
    Message("m13", "2026-01-18T13:00", BEN, [ME], {"5k": "money", "next month": TIME},
            [("payment", "transfer", {"amount": "5k", "time": "next month"})],
            conversation="c-ben"),
    Message("m14", "2026-01-07T12:00", BEN, [ME], {"€70": "money", "tomorrow": TIME},
            [("payment", "pay", {"amount": "€70", "time": "tomorrow"})], conversation="c-ben"),
    Message("m15", "2026-01-07T13:00", BEN, [ME], {"€80": "money", "yesterday": TIME},
            [("payment", "paid", {"amount": "€80", "time": "yesterday"})], conversation="c-ben"),
    # Meetings: this week, next week twice, and the week after.
    Message("m16", "2026-01-19T15:00", ANNA, [ME], {"tomorrow": TIME, "Ben": PERSON},
            [("meeting", "meet", {"time": "tomorrow", "participant": "Ben"})],
            conversation="c-list"),
    Message("m17", "2026-01-19T15:30", ANNA, [ME, BEN],
            {"next Tuesday at 5pm": TIME, "Ben": PERSON, "Acme": ORG, "Lisbon": "location"},
            [("meeting", "meet", {"time": "next Tuesday at 5pm", "participant": "Ben",
                                  "host": "Acme", "place": "Lisbon"})], conversation="c-group"),
    Message("m18", "2026-01-19T16:00", CARA, [ME], {"next week": TIME, "Eve Moss": PERSON},
            [("meeting", "call", {"time": "next week", "participant": "Eve Moss"})],
            conversation="c-cara"),
    Message("m19", "2026-01-19T17:00", CARA, [ME], {"next month": TIME, "Eve Moss": PERSON},
            [("meeting", "call", {"time": "next month", "participant": "Eve Moss"})],
            conversation="c-cara"),
    # Pumps: announced and confirmed, announced and not, and something else.
    Message("m20", "2026-01-08T08:00", CARA, [ME], {"water pumps": "product", "Friday": TIME},
            [("delivery", "arrive", {"item": "water pumps", "time": "Friday"})],
            conversation="c-cara"),
    Message("m21", "2026-01-12T08:00", ME, [CARA], {"Water Pumps": "product"},
            [("delivery", "got", {"item": "Water Pumps"})], conversation="c-quote"),
    Message("m22", "2026-01-09T08:00", CARA, [ME], {"heat pumps": "product", "Monday": TIME},
            [("delivery", "arrive", {"item": "heat pumps", "time": "Monday"})],
            conversation="c-cara"),
    Message("m23", "2026-01-10T08:00", CARA, [ME], {"heat pumps": "product", "tomorrow": TIME},
            [("request", "send", {"item": "heat pumps", "time": "tomorrow"})],
            conversation="c-pumps"),
    Message("m24", "2026-01-11T08:00", CARA, [ME], {"lamps": "product", "tomorrow": TIME},
            [("delivery", "arrive", {"item": "lamps", "time": "tomorrow"})],
            conversation="c-cara"),
    # Ben's way to Globex.
    Message("m25", "2025-12-31T08:00", BEN, [ME],
            {"Ben Osei": PERSON, "Cara Diaz": PERSON, "Globex": ORG, "soonish": TIME},
            relations=[("Ben Osei", "knows", "Cara Diaz"), ("Cara Diaz", "works_for", "Globex")],
            conversation="c-ben"),
]  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> str:
    folder = str(tmp_path_factory.mktemp("project") / ".pax" / "lake")
    put_days(folder, STORE)
    put_people(
        folder,
        [
            ([ME], ["Me Myself"]),
            ([ANNA], ["Anna Keller"]),
            ([BEN], ["Ben Osei"]),
            ([CARA], ["Cara Diaz"]),
        ],
    )
    update_graph(folder, "m1")
    return folder


@pytest.fixture(scope="module")
def ask(lake):
    db = open_graph(lake, TODAY)
    asked = set()

    def ask(question: str) -> list[tuple]:
        asked.add(question)
        return db.sql(QUESTIONS[question]).fetchall()

    yield ask
    assert asked == set(QUESTIONS), "each question of the page is asked here"


def at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def test_every_question_can_be_asked_of_today(lake) -> None:
    db = open_graph(lake)
    [(today,)] = db.sql("select getvariable('today') = current_date").fetchall()
    assert today
    for query in QUESTIONS.values():
        db.sql(query).fetchall()


def test_who_introduced_whom_to_acme(ask) -> None:
    assert ask("Who introduced whom to Acme, and when?") == [
        ("Cara Diaz", "Me Myself", at("2025-12-29T09:00"), "m01"),
        ("Anna Keller", "Ben Osei", at("2026-01-03T10:00"), "m03"),
    ]


def test_who_talked_about_acme_first(ask) -> None:
    assert ask("Who talked about Acme first?") == [
        ("Cara Diaz", at("2025-12-29T09:00"), "email", "m01")
    ]


def test_open_requests(ask) -> None:
    found = ask("Which requests to me are open and older than a week?")
    assert [(who, item, key) for _, who, _, item, key in found] == [
        ("Ben Osei", "10 ladders", "m06"),
        ("Cara Diaz", "heat pumps", "m23"),
    ]


def test_who_works_for_acme(ask) -> None:
    found = ask("Who works for Acme, and whom do they report to?")
    assert [(who, boss, messages) for who, boss, _, messages in found] == [
        ("Ben Osei", "Dora Lind", 1),
        ("Dora Lind", None, 2),
    ]


def test_promises_to_pay(ask) -> None:
    found = ask("What was promised to be paid, to whom, until when?")
    assert [row[1:] for row in found] == [
        ("", Decimal("70.0000"), "EUR", at("2026-01-08T23:00"), None, "m14"),
        ("Anna Keller", Decimal("1200.5000"), "EUR", at("2026-01-23T23:00"), "by", "m11"),
        ("", Decimal("300.0000"), "EUR", at("2026-01-31T23:00"), None, "m12"),
        ("", Decimal("5000.0000"), None, at("2026-02-28T23:00"), None, "m13"),
    ]


def test_totals_by_currency(ask) -> None:
    assert ask("And how much is that in total, by currency?") == [
        ("EUR", Decimal("1500.5000"), 2),
        ("unknown", Decimal("5000.0000"), 1),
    ]


def test_meetings_of_next_week(ask) -> None:
    found = ask("Which meetings are next week, and with whom?")
    assert found == [
        (at("2026-01-26"), "week", None, "m18", ["Eve Moss"]),
        (at("2026-01-27T16:00"), "hour", "Lisbon", "m17", ["Acme", "Ben Osei"]),
    ]


def test_what_changed_for_acme(ask) -> None:
    found = ask("What changed for Acme this month?")
    # That Dora works for Acme was known in December.
    assert [row[1:4] for row in found] == [("Ben Osei", "works_for", "Acme")]


def test_deliveries_without_a_confirmation(ask) -> None:
    found = ask("Which deliveries of pumps were never confirmed?")
    assert [(item, key) for _, item, _, key in found] == [("heat pumps", "m22")]


def test_the_way_to_globex(ask) -> None:
    assert ask("How do I get from Anna Keller to Globex?") == [
        ("Anna Keller > Ben Osei > Cara Diaz > Globex", 3)
    ]


def test_names_that_were_taken_for_somebody(ask) -> None:
    found = ask("Which names were taken for somebody, least sure first?")
    # In c-list nobody called Ben takes part, or is named in full.
    assert found == [("Ben", "Ben Osei", "participant_in_conversation", 0.9, 2)]


def test_what_nobody_understood(ask) -> None:
    assert ask("What was said of times and sums that nobody understood?") == [
        ("time", "soonish", 1)
    ]


def test_the_page_begins_with_what_opens_the_tables(lake, monkeypatch, tmp_path) -> None:
    [block] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(lake.removesuffix("/.pax/lake"))
    namespace: dict = {}
    exec(compile(block, "docs/insights.md", "exec"), namespace)
    names = {name for (name,) in namespace["db"].sql("show tables").fetchall()}
    expected = {t.removeprefix("relationship_graph/") for t in GRAPH_TABLES} - {"values"}
    assert names >= expected | {"mentioned_values", "messages"}


def test_the_command_writes_the_files_that_the_page_names(lake, tmp_path) -> None:
    [block] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PAX_")}
    path = str(PROJECT / ".venv" / "bin")
    block = block.replace("--lake .pax/lake", f"--lake {lake}")
    block = block.replace("--to exports", f"--to {tmp_path}/exports")
    [report] = reports(block, lake, kept, path)
    assert [name.rpartition("/")[2] for name in report["exports"]] == [
        "graph.graphml",
        "graph.json",
    ]
    assert json.loads((tmp_path / "exports" / "graph.json").read_text())["nodes"]


def test_the_page_names_every_table_rule_and_only_settings_that_exist() -> None:
    tables = set(re.findall(r"`(\w+)`", PAGE))
    assert {t.removeprefix("relationship_graph/") for t in GRAPH_TABLES} <= tables
    rules = re.findall(r"^\| `(\w+)` \|.*\| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert {rule: float(trusted) for rule, trusted in rules} == CONFIDENCE
    named = set(re.findall(r"PAX_[A-Z_]+", PAGE)) - {"PAX_LAKE"}
    assert named <= {f"PAX_{name.upper()}" for name in Settings.model_fields}
