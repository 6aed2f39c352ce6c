"""Features of messages: right for any history, whatever the order in which it becomes known."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pax_assets.jobs import feature_state, message_features
from pax_assets.jobs.identities.identity import participant_id
from pax_assets.jobs.message_features import build_features
from pax_assets.jobs.point_in_time import rounded_seconds
from pax_assets.jobs.program import Engine
from pax_assets.jobs.replay import FEATURES
from pax_assets.lake import commit, content_hash, read
from pax_assets.lake.schemas import MESSAGES, SCHEMAS

MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = ("2026-01-05", "2026-01-06", "2026-01-07")
ADA, BOB, EVE = "+15550100003", "bob@example.org", "+15550100004"


def message(key: str, at: datetime, sender: str, to: list[str], **more) -> dict:
    return {
        "message_id": key,
        "channel": "sms",
        "conversation_id": "c",
        "sender": sender,
        "recipients": to,
        "sent_at": at,
        "text": "hello there",
        **more,
    }


def put(lake: str, day: str, rows: list[dict]) -> None:
    table = pa.Table.from_pylist([{**row, "arrival_day": day} for row in rows], schema=MESSAGES)
    commit.replace(lake, "messages", table, {"arrival_day": day})


def stored(lake: str) -> dict[tuple[str, str], dict]:
    rows = read(lake, "message_features").to_pylist()
    return {(row["message_id"], row["arrival_day"]): row for row in rows}


# ---- the definitions once more, slowly: every message looks at the whole history


def reference(history: list[dict]) -> list[dict]:
    """The features of each message of a history, by the sentences of `point_in_time` alone."""
    ordered = sorted(history, key=lambda m: (m["sent_at"], m["message_id"], m["arrival_day"]))
    for place, m in enumerate(ordered):
        before = ordered[:place]
        chat = [
            x
            for x in before
            if (x["channel"], x["conversation_id"]) == (m["channel"], m["conversation_id"])
        ]
        known = [x for x in chat if x["sender"]]
        others = [x for x in known if x["sender"] != m["sender"]]
        m["f"] = f = dict.fromkeys(FEATURES)
        f["conversation_messages_before"] = len(chat)
        if chat:
            f["seconds_since_conversation_message"] = seconds(m, chat[-1])
        if not m["sender"]:
            continue
        if others:
            f["seconds_since_other_side"] = seconds(m, others[-1])
            last_is_other = known[-1] is others[-1]
            if last_is_other and seconds(m, others[-1]) <= 30 * 86400:
                f["response_seconds"] = seconds(m, others[-1])
        mine = [x for x in before if x["sender"] == m["sender"]]
        answers = [x["f"]["response_seconds"] for x in mine]
        answers = [a for a in answers if a is not None]
        f["sender_sent_before"] = len(mine)
        f["sender_received_before"] = sum(m["sender"] in x["recipients"] for x in before)
        if mine:
            f["seconds_since_sender_message"] = seconds(m, mine[-1])
        f["sender_responses_before"] = len(answers)
        if answers:
            f["sender_mean_response_seconds"] = sum(answers) / len(answers)
            f["sender_median_response_seconds"] = statistics.median_low(
                [five_digits(int(a)) for a in answers]
            )
    return ordered


def seconds(later: dict, earlier: dict) -> float:
    return (later["sent_at"] - earlier["sent_at"]) / timedelta(seconds=1)


def five_digits(number: int) -> int:
    digits = f"{number:b}"
    return int(digits[:5] + "0" * (len(digits) - 5), 2)


def assert_as_by_reference(lake: str, history: list[dict]) -> None:
    rows = stored(lake)
    assert len(rows) == len(history)
    for m in reference([dict(m) for m in history]):
        row = rows[m["message_id"], m["arrival_day"]]
        assert row["sender_id"] == (participant_id(m["sender"]) if m["sender"] else None)
        seen = {name: row[name] for name in FEATURES}
        assert seen == {
            name: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
            for name, value in m["f"].items()
        }


people = st.sampled_from([ADA, BOB, EVE, ""])
minutes = st.one_of(
    st.integers(0, 3 * 24 * 60),
    st.integers(24 * 60 - 3, 24 * 60 + 3),
    st.just(-70 * 24 * 60),
    st.just(50 * 24 * 60),
)
rows = st.builds(
    lambda key, at, sender, to, chat, channel: message(
        f"m{key:02d}",
        MIDNIGHT + timedelta(minutes=at),
        sender,
        to,
        conversation_id=chat,
        channel=channel,
    ),
    st.integers(0, 40),
    minutes,
    people,
    st.lists(people, max_size=3),
    st.sampled_from(["c", "d"]),
    st.sampled_from(["sms", "email"]),
)
days_of_rows = st.lists(rows, max_size=7, unique_by=lambda m: m["message_id"])
# A step makes a day hold these messages: a late day, a day that grows, one that loses messages.
steps = st.lists(st.tuples(st.sampled_from(DAYS), days_of_rows), min_size=1, max_size=5)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_features_are_those_of_the_definition_after_every_build_in_any_order(steps):
    lake = tempfile.mkdtemp()
    taken: dict[str, list[dict]] = {}
    before: dict[str, str] = {}
    for day, found in steps:
        put(lake, day, found)
        report = build_features(lake, day)
        taken[day] = [{**m, "arrival_day": day} for m in found]
        assert_as_by_reference(lake, [m for rows in taken.values() for m in rows])
        after = hashes_by_day(lake)
        changed = {d for d in DAYS if after.get(d) != before.get(d)}
        assert {*report.revised, *([day] if report.changed else [])} == changed
        before = after
    shutil.rmtree(lake)


def hashes_by_day(lake: str) -> dict[str, str]:
    rows = read(lake, "message_features")
    days = pc.unique(rows["arrival_day"]).to_pylist()
    return {d: content_hash(rows.filter(pc.equal(rows["arrival_day"], d))) for d in days}


@given(st.integers(0, 10**9))
def test_rounding_loses_less_than_a_sixteenth_part(second):
    rounded = rounded_seconds(second * 1_000_000 + 999_999)
    assert rounded == five_digits(second)
    assert 0 <= second - rounded < max(1, second / 16)


def at(hour: int, minute: int = 0, day: int = 0) -> datetime:
    return MIDNIGHT + timedelta(days=day, hours=hour, minutes=minute)


def test_a_late_message_revises_only_what_follows_it_and_says_which_days(lake):
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB])])
    put(lake, DAYS[1], [message("b", at(9, day=1), BOB, [ADA])])
    put(lake, DAYS[2], [message("x", at(9, day=2), EVE, ["z"], conversation_id="other")])
    for day in DAYS:
        build_features(lake, day)
    late = [message("a", at(9), ADA, [BOB]), message("l", at(10), ADA, [BOB])]
    put(lake, DAYS[0], late)
    report = build_features(lake, DAYS[0])
    assert (report.changed, report.revised) == (True, {DAYS[1]: 1})
    assert stored(lake)["b", DAYS[1]]["response_seconds"] == 23 * 3600
    assert stored(lake)["b", DAYS[1]]["sender_received_before"] == 2


def test_a_build_without_news_commits_nothing(lake):
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB])])
    first, again = (build_features(lake, DAYS[0]) for _ in range(2))
    assert (first.changed, again.changed) == (True, False)
    assert (first.version, first.content_hash) == (again.version, again.content_hash)


def test_a_state_that_was_left_behind_is_made_anew(lake, monkeypatch):
    """A run that is killed between its two commits leaves features without their state."""
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB]), message("b", at(10), BOB, [ADA])])
    put(lake, DAYS[1], [message("c", at(9, day=1), ADA, [BOB])])
    build_features(lake, DAYS[0])
    with monkeypatch.context() as killed:
        killed.setattr(message_features.feature_state, "append", _killed)
        with pytest.raises(KeyboardInterrupt):
            build_features(lake, DAYS[1])
    late = message("l", at(11), ADA, [BOB])
    put(lake, DAYS[2], [late])
    build_features(lake, DAYS[2])
    history = [
        {**message("a", at(9), ADA, [BOB]), "arrival_day": DAYS[0]},
        {**message("b", at(10), BOB, [ADA]), "arrival_day": DAYS[0]},
        {**message("c", at(9, day=1), ADA, [BOB]), "arrival_day": DAYS[1]},
        {**late, "arrival_day": DAYS[2]},
    ]
    assert_as_by_reference(lake, history)


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_many_small_builds_leave_few_files_of_state(lake):
    found = []
    for number in range(30):
        found.append(message(f"m{number:02d}", at(9, number), ADA, [BOB]))
        put(lake, DAYS[0], found)
        build_features(lake, DAYS[0])
    snapshot = commit.ensure(lake, feature_state.TABLE)
    assert len(commit.partition_files(snapshot, {"event_day": "current"})) <= 24
    assert stored(lake)["m29", DAYS[0]]["sender_sent_before"] == 29


def test_the_text_is_described_beside_the_record(lake):
    mine = "Kannst du mir die Rechnung schicken? Danke! +49 30 1234567 https://x.example"
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB, BOB, ""], text=mine, language="fr")])
    build_features(lake, DAYS[0])
    row = stored(lake)["a", DAYS[0]]
    assert row["language"] == "de"
    assert row["language_confidence"] > 0.9
    assert (row["phone_count"], row["url_count"], row["question_count"]) == (1, 1, 1)
    assert row["recipient_ids"] == [participant_id(BOB)]
    assert read(lake, "message_features").schema == SCHEMAS["message_features"]
    assert read(lake, "messages")["language"].to_pylist() == ["fr"]


def test_worker_processes_say_the_same(lake, monkeypatch):
    monkeypatch.setattr("pax_assets.jobs.text_columns._INLINE_ROWS", 1)
    monkeypatch.setattr("pax_assets.jobs.text_columns._ROWS_A_BATCH", 2)
    put(lake, DAYS[0], [message(f"m{n}", at(9, n), ADA, [BOB]) for n in range(5)])
    assert build_features(lake, DAYS[0], workers=2).changed
    assert not build_features(lake, DAYS[0], workers=1).changed


def test_the_engine_says_the_same(lake, spark):
    put(lake, DAYS[0], [message(f"m{n}", at(9, n), ADA, [BOB]) for n in range(5)])
    assert build_features(lake, DAYS[0], spark=spark).changed
    assert not build_features(lake, DAYS[0]).changed


@pytest.mark.parametrize(
    ("asked", "is_cluster", "opened"),
    [
        ([], False, 0),
        ([], True, 1),
        (["--describe=spark"], False, 1),
        (["--describe=here"], True, 0),
    ],
)
def test_the_job_opens_an_engine_only_where_it_reads_texts_in_it(
    lake, spark, asked, is_cluster, opened
):
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB])])
    sessions = []
    engine = Engine(lambda: sessions.append(spark) or spark, is_cluster=is_cluster)
    report = message_features.run(engine, [f"--lake={lake}", f"--day={DAYS[0]}", *asked])
    assert (report.rows, len(sessions)) == (1, opened)


def test_days_that_are_built_at_once_wait_for_each_other(lake):
    history = []
    for number, day in enumerate(DAYS):
        found = [message(f"{day}-{n}", at(9, n, day=number), ADA, [BOB]) for n in range(3)]
        put(lake, day, found)
        history += [{**m, "arrival_day": day} for m in found]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda day: build_features(lake, day), DAYS))
    assert_as_by_reference(lake, history)
