"""JSON Lines read by the column: the very rows that the parser of records gives, and no others."""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.jobs.rows import parsing, plain_lines
from pax_assets.jobs.rows.parsing import ParseTask, parse_here
from pax_assets.lake import commit
from pax_assets.lake.landing import dated_objects
from pax_assets.messages.arrival import Arrival
from pax_assets.messages.options import ParseOptions
from pax_assets_tests.landing_objects import DAYS, NOW, land, line

DAY = DAYS[0]


def plain(channel: str = "sms", **more: object) -> dict[str, object]:
    """A record that is read by the column."""
    people = {"from": "+15550100001", "to": "+15550100002", "account": "+15550100002"}
    if channel == "email":
        people = {"from": "ann@example.org", "to": "ben@example.org", "mailbox": "ben@example.org"}
    return {"message_id": "m1", **people, "timestamp": "2026-01-05T10:00:00Z", "text": "hi", **more}


def outcome(tmp_path, channel: str, data: bytes) -> dict[str, list[dict]]:
    """All rows of one object, as it is ingested."""
    land(tmp_path / "landing", f"{channel}/{DAY}/a.jsonl", data)
    lake = str(tmp_path / "lake")
    task = ParseTask(
        lake=lake,
        landing=str(tmp_path / "landing"),
        staging=f"{lake}/.staging",
        channel=channel,
        day=DAY,
        received_at=NOW,
        options=ParseOptions(),
        objects=tuple(dated_objects(str(tmp_path / "landing"), channel, DAY)),
        known={},
        parser="x",
    )
    parsed = parse_here(task)
    rows = {
        "messages": commit.rows_of(lake, f"raw_{channel}", parsed.messages),
        **{k: parsing.staged_rows(parsed.beside[k], k, DAY) for k in parsing.BESIDE},
    }
    (entry,) = parsed.entries
    assert entry.records == sum(table.num_rows for table in rows.values())
    return {kind: ordered(table) for kind, table in rows.items()}


def ordered(rows: pa.Table) -> list[dict]:
    listed = rows.to_pylist()
    for row in listed:
        row.pop("received_at")
    return sorted(listed, key=lambda row: row["raw_ordinal"])


def both(tmp_path_factory, channel: str, data: bytes) -> tuple[dict, dict]:
    by_column = outcome(tmp_path_factory.mktemp("column"), channel, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_lines, "is_plain", lambda *_: False)
        by_record = outcome(tmp_path_factory.mktemp("record"), channel, data)
    return by_column, by_record


def is_read_by_column(data: bytes, channel: str) -> int:
    """How many lines of an object become rows without the parser of records."""
    arrival = Arrival(channel, NOW)
    if not plain_lines.is_plain(data, arrival):
        return 0
    return sum(chunk.rows.num_rows for chunk in plain_lines.chunks(io.BytesIO(data), arrival))


def test_lines_of_one_shape_are_read_by_the_column():
    data = "\n".join(json.dumps(plain(message_id=str(i))) for i in range(5)).encode()
    assert is_read_by_column(data, "sms") == 5


ODD = [
    {},
    {"message_id": None},
    {"message_id": 7},
    {"message_id": ' "quoted" \\ '},
    {"message_id": "naïve"},
    {"message_id": "<a@b>"},
    {"message_id": "a\u0000b"},
    {"text": None},
    {"text": 5},
    {"text": {"body": "nested"}},
    {"text": "\ud800 half a pair"},
    {"text": "üñí 😀"},
    {"timestamp": None},
    {"timestamp": 1767600000},
    {"timestamp": "1767600000"},
    {"timestamp": "2026-02-30T00:00:00Z"},
    {"timestamp": "2026-01-05T10:00:60Z"},
    {"timestamp": "1970-01-01T00:00:00Z"},
    {"timestamp": "9999-01-01T00:00:00Z"},
    {"timestamp": "-5"},
    {"timestamp": "2026-01-05T10:00:00.123456+02:00"},
    {"timestamp": "2026-01-05 10:00"},
    {"timestamp": "2026-01-05T10:00:00-00:00"},
    {"timestamp": "2026-01-05T10:00:00+05:30", "a": 1, "zone": "x"},
    {"timestamp": "2026-01-05T10:00:00+05:30", "utc_offset": "+02:00"},
    {"timestamp": "2026-01-05T10:00:00Z", "utc_offset": 7200},
    {"timestamp": "yesterday"},
    {"from": None},
    {"from": ""},
    {"from": "Ann <ann@example.org>"},
    {"from": "(555) 010-1234"},
    {"from": ["+15550100001", "+15550100009"]},
    {"from": {"number": "+15550100001", "name": "Ann"}},
    {"to": "+15550100002, +15550100003; +15550100002"},
    {"to": []},
    {"account": None},
    {"account": 'odd "account"'},
    {"direction": "outgoing"},
    {"direction": "outbound-api"},
    {"direction": "sideways"},
    {"direction": None},
    {"subject": "Re: it"},
    {"subject": 5},
    {"thread_id": "t 1"},
    {"thread_id": "t-1"},
    {"thread_id": ""},
    {"thread_id": None},
    {"conversation_id": "c", "thread_id": "t"},
    {"in_reply_to": "<x@y>"},
    {"in_reply_to": "  "},
    {"language": " de "},
    {"provider": "acme"},
    {"content_type": ""},
    {"attachments": []},
    {"attachments": [{"id": "a"}]},
    {"extra": True},
    {"extra": 1},
    {"extra": 1.0},
    {"extra": 1e400},
    {"extra": 10**18},
    {"extra": -(10**17)},
    {"extra": 2**70},
    {"extra": "</script>\u2028\x7f\x1f"},
    {"extra": None},
    {"extra": {"deep": [1]}},
    {"names": "x"},
    {"z": 1, "a": "2", "é": False},
    {"sid": "SM" + "0" * 32, "account_sid": "AC"},
    {"messages": "x"},
    {"messages": [{"text": "inner", "id": "1"}]},
    {"object": "whatsapp_business_account"},
]


@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
def test_odd_records_have_the_rows_that_the_parser_of_records_gives(tmp_path_factory, channel):
    lines = [json.dumps(plain(channel, message_id="first"))]
    for number, odd in enumerate(ODD):
        lines += [
            json.dumps(plain(channel, **{"message_id": f"o{number}", **odd})),
            json.dumps(plain(channel, message_id=f"p{number}", extra=number)),
        ]
    lines[3:3] = ["", "  ", "{broken", '{"a": 1} {"text": "two"}', "[]", "[1]", "7"]
    data = "\n".join(lines).encode() + b"\n\xff\xfe{}\r\n" + lines[0].encode() + b"\r\n\r\n"
    assert is_read_by_column(data, channel) >= 40
    by_column, by_record = both(tmp_path_factory, channel, data)
    assert by_column == by_record


def test_lines_of_local_times_are_read_by_the_column_too(tmp_path_factory):
    times = [f"2026-01-05T10:00:00{zone}" for zone in ("+05:30", "Z", "-08:00", "", "+00:00")]
    data = "\n".join(
        json.dumps(plain(message_id=str(i), timestamp=t, a=1, z="x")) for i, t in enumerate(times)
    ).encode()
    assert is_read_by_column(data, "sms") == len(times)
    by_column, by_record = both(tmp_path_factory, "sms", data)
    assert by_column == by_record
    metadata = [json.loads(row["source_metadata"]) for row in by_column["messages"]]
    offsets = [found.get("utc_offset") for found in metadata]
    assert offsets == ["+05:30", None, "-08:00", None, None]


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["+15550100001", "a@b.example", "2026-01-05T10:00:00Z", "out", "x y"]),
    st.just("2026-01-05T10:00:00+02:00"),
)
_NAMES = """message_id id text body timestamp sent_at from to account direction subject thread_id
in_reply_to language extra other sender_name cc utc_offset"""
names = st.sampled_from(_NAMES.split())


@settings(max_examples=60, deadline=None)
@given(
    channel=st.sampled_from(["sms", "whatsapp", "email"]),
    more=st.lists(st.dictionaries(names, values, max_size=4), min_size=1, max_size=6),
)
def test_any_records_have_the_same_rows_either_way(tmp_path_factory, channel, more):
    records = [plain(channel, message_id="first")]
    records += [plain(channel, **{"message_id": f"m{i}", **m}) for i, m in enumerate(more)]
    data = "\n".join(json.dumps(record) for record in records).encode()
    by_column, by_record = both(tmp_path_factory, channel, data)
    assert by_column == by_record


def test_lines_across_blocks_keep_their_numbers(tmp_path_factory, monkeypatch):
    data = "\n".join(json.dumps(plain(message_id=f"m{i}", extra="x" * i)) for i in range(40))
    monkeypatch.setattr(plain_lines, "_CHUNK", 700)
    by_column, by_record = both(tmp_path_factory, "sms", data.encode())
    assert by_column == by_record
    assert [row["raw_position"] for row in by_column["messages"]][-1] == "line 40"


def test_a_line_that_is_too_long_is_kept_in_quarantine_and_the_next_one_is_read(
    tmp_path_factory, monkeypatch
):
    lines = [json.dumps(plain(message_id=i, text="x" * n)) for i, n in (("a", 1), ("b", 9_000))]
    lines += [json.dumps(plain(message_id="c"))]
    monkeypatch.setattr(plain_lines, "_CHUNK", 1_000)
    monkeypatch.setattr(plain_lines, "MAX_RECORD_BYTES", 4_000)
    rows = outcome(tmp_path_factory.mktemp("long"), "sms", "\n".join(lines).encode())
    assert [r["provider_message_id"] for r in rows["messages"]] == ["a", "c"]
    (refused,) = rows["quarantine"]
    assert (refused["code"], refused["raw_position"]) == ("record_too_large", "line 2")
    assert rows["messages"][1]["raw_position"] == "line 3"


def test_reading_by_the_column_is_several_times_as_fast(tmp_path_factory):
    data = "\n".join(line(f"m{i}", "some words of a message") for i in range(20_000)).encode()
    start = time.process_time()
    assert is_read_by_column(data, "sms") == 20_000
    by_column = time.process_time() - start
    from pax_assets.messages import parse

    start = time.process_time()
    assert sum(1 for _ in parse(data, "sms", "x", received_at=datetime.now(UTC))) == 20_000
    assert by_column * 2 < time.process_time() - start
