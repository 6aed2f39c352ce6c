"""The relationship graph: what is one node, what an edge counts, and that updates add up.

Whatever the order of days, the number of updates between them and the moment of a crash, the
tables equal those of one update over everything.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from pax_assets.jobs import graph
from pax_assets.jobs.graph import update_graph
from pax_assets.jobs.insights.graph_rows import NEWEST_MESSAGES
from pax_assets.jobs.insights.insight_tables import DAYS, EDGES, EVIDENCE, MENTIONS, NODES, read
from pax_assets.jobs.insights.names import node_id, normalized_name
from pax_assets.lake import commit, tables
from pax_assets.lake.schemas import SCHEMAS
from pax_assets_tests.jobs.insight_rows import (
    ACME,
    ANNA,
    BEN,
    BERLIN,
    GLOBEX,
    LIMA,
    put_findings,
)
from pax_assets_tests.jobs.message_rows import DAY_1, DAY_2, put_messages

DAY_3 = "2026-01-07"
WORKS, KNOWS, SEAT = "works_for", "knows", "located_in"


def put(lake: str, day: str, found, **kwargs) -> None:
    put_messages(lake, day, dict.fromkeys(found, ""))
    put_findings(lake, day, found, **kwargs)


def edges(lake: str) -> dict[tuple[str, str, str], dict]:
    return {(r["head_text"], r["type"], r["tail_text"]): r for r in read(lake, EDGES).to_pylist()}


def nodes(lake: str) -> dict[tuple[str, str], dict]:
    return {(r["type"], r["normalized_name"]): r for r in read(lake, NODES).to_pylist()}


def contents(lake: str) -> dict[str, list[dict]]:
    return {
        table: sorted(read(lake, table).to_pylist(), key=str)
        for table in (NODES, EDGES, MENTIONS, EVIDENCE)
    }


def test_an_edge_has_its_ends_its_count_its_time_and_its_evidence(lake: str) -> None:
    put(lake, DAY_1, {"a": [(ANNA, WORKS, ACME)], "b": [(BEN, KNOWS, ANNA)]})
    put(lake, DAY_2, {"c": [(ANNA, WORKS, ACME)]}, score=0.6)
    report = update_graph(lake, "m1")
    assert (report.nodes, report.edges, report.days) == (3, 2, (DAY_1, DAY_2))
    edge = edges(lake)["Anna Keller", WORKS, "Acme"]
    assert edge["count"] == 2
    assert edge["message_ids"] == ["c", "a"]
    assert edge["confidence"] == pytest.approx(0.9)
    assert edge["mean_confidence"] == pytest.approx(0.75)
    assert edge["first_seen"] == datetime(2026, 1, 5, 12, tzinfo=UTC)
    assert edge["last_seen"] == datetime(2026, 1, 6, 12, tzinfo=UTC)
    assert (edge["head_type"], edge["tail_type"]) == ("person", "organization")
    assert edge["head_node"] == node_id(normalized_name(ANNA[1], "person"), "person")


def test_spellings_of_one_name_are_one_node_and_the_commonest_names_it(lake: str) -> None:
    spellings = ["Acme Corp.", "ACME", "Acme Corp.", "acme, Inc."]
    put(
        lake,
        DAY_1,
        {f"m{i}": [(ANNA, WORKS, ("organization", s))] for i, s in enumerate(spellings)},
    )
    update_graph(lake, "m1")
    acme = nodes(lake)["organization", "acme"]
    assert acme["name"] == "Acme Corp."
    assert acme["names"] == ["Acme Corp.", "ACME", "acme, Inc."]
    assert acme["count"] == 4
    assert edges(lake)["Anna Keller", WORKS, "Acme Corp."]["count"] == 4


def test_a_person_and_a_place_of_one_name_are_two_nodes(lake: str) -> None:
    put(lake, DAY_1, {"a": [(("person", "Paris"), "lives_in", ("location", "Paris"))]})
    update_graph(lake, "m1")
    assert set(nodes(lake)) == {("person", "paris"), ("location", "paris")}


def test_people_are_nodes_without_a_relation_and_places_are_not(lake: str) -> None:
    put(lake, DAY_1, {"a": [(ANNA, None, BERLIN)], "b": [(ACME, SEAT, LIMA)]})
    update_graph(lake, "m1")
    assert set(nodes(lake)) == {
        ("person", "anna keller"),
        ("organization", "acme"),
        ("location", "lima"),
    }


def test_a_relation_between_two_places_is_no_edge(lake: str) -> None:
    put(lake, DAY_1, {"a": [(BERLIN, "part_of", LIMA)]})
    report = update_graph(lake, "m1")
    assert (report.nodes, report.edges) == (0, 0)


def test_a_name_does_not_relate_to_its_other_spelling(lake: str) -> None:
    put(lake, DAY_1, {"a": [(ACME, "supplies", ("organization", "ACME Inc."))]})
    report = update_graph(lake, "m1")
    assert (report.nodes, report.edges) == (1, 0)


def test_a_message_that_says_it_three_times_counts_once(lake: str) -> None:
    put(lake, DAY_1, {"a": [(ANNA, WORKS, ACME)] * 3})
    update_graph(lake, "m1")
    assert edges(lake)["Anna Keller", WORKS, "Acme"]["count"] == 1
    assert nodes(lake)["person", "anna keller"]["count"] == 1


def test_an_edge_cites_its_newest_messages_and_evidence_has_all(lake: str) -> None:
    many = {f"m{i:03d}": [(ANNA, WORKS, ACME)] for i in range(NEWEST_MESSAGES + 15)}
    put(lake, DAY_2, many)
    put(lake, DAY_1, {"oldest": [(ANNA, WORKS, ACME)]})
    update_graph(lake, "m1")
    edge = edges(lake)["Anna Keller", WORKS, "Acme"]
    assert edge["count"] == NEWEST_MESSAGES + 16
    assert edge["message_ids"] == sorted(many)[:NEWEST_MESSAGES]
    assert read(lake, EVIDENCE).num_rows == NEWEST_MESSAGES + 16


def test_an_update_takes_in_only_days_that_changed(lake: str, monkeypatch) -> None:
    put(lake, DAY_1, {"a": [(ANNA, WORKS, ACME)]})
    put(lake, DAY_2, {"b": [(BEN, WORKS, ACME)]})
    update_graph(lake, "m1")
    put(lake, DAY_2, {"b": [(BEN, WORKS, GLOBEX)]})
    report = update_graph(lake, "m1")
    assert (report.days, report.complete) == ((DAY_2,), False)
    assert set(edges(lake)) == {
        ("Anna Keller", WORKS, "Acme"),
        ("Ben Osei", WORKS, "Globex"),
    }
    assert set(nodes(lake)) == {
        ("person", "anna keller"),
        ("person", "ben osei"),
        ("organization", "acme"),
        ("organization", "globex"),
    }
    assert nodes(lake)["organization", "acme"]["count"] == 1


def test_an_update_without_a_change_commits_nothing(lake: str) -> None:
    put(lake, DAY_1, {"a": [(ANNA, WORKS, ACME)]})
    update_graph(lake, "m1")
    before = [tables.version(lake, t) for t in (NODES, EDGES, MENTIONS, EVIDENCE, DAYS)]
    report = update_graph(lake, "m1")
    assert report.days == ()
    assert [tables.version(lake, t) for t in (NODES, EDGES, MENTIONS, EVIDENCE, DAYS)] == before


def test_an_empty_lake_gives_an_empty_graph(lake: str) -> None:
    report = update_graph(lake, "m1")
    assert (report.nodes, report.edges, report.days) == (0, 0, ())
    assert tables.exists(lake, NODES)


def test_findings_of_a_message_that_left_its_day_do_not_count(lake: str) -> None:
    """Its insights follow when the day is scored again; until then it must not count twice."""
    put(lake, DAY_2, {"a": [(ANNA, WORKS, ACME)], "b": [(BEN, WORKS, ACME)]})
    update_graph(lake, "m1")
    put(lake, DAY_1, {"a": [(ANNA, WORKS, ACME)]})
    update_graph(lake, "m1")
    assert edges(lake)["Anna Keller", WORKS, "Acme"]["count"] == 1
    put_messages(lake, DAY_2, {"b": ""})
    update_graph(lake, "m1")
    edge = edges(lake)["Anna Keller", WORKS, "Acme"]
    assert (edge["count"], edge["last_seen"].day) == (1, 5)


def test_only_the_released_model_speaks(lake: str) -> None:
    put(lake, DAY_1, {"a": [(ANNA, WORKS, ACME)]}, model_version="m1")
    put(lake, DAY_2, {"b": [(BEN, WORKS, GLOBEX)]}, model_version="m2")
    update_graph(lake, "m1")
    assert set(edges(lake)) == {("Anna Keller", WORKS, "Acme")}
    report = update_graph(lake, "m2")
    assert set(edges(lake)) == {("Ben Osei", WORKS, "Globex")}
    assert report.days == (DAY_1, DAY_2)


def _random_days(seed: int) -> dict[str, dict[str, list]]:
    chance = random.Random(seed)
    things = [
        ANNA,
        BEN,
        ACME,
        GLOBEX,
        BERLIN,
        LIMA,
        ("organization", "ACME Inc"),
        ("person", "ben osei"),
    ]
    days = [f"2026-01-{number:02d}" for number in range(1, 8)]
    return {
        day: {
            f"{day}-{number}": [
                (
                    chance.choice(things),
                    chance.choice([WORKS, KNOWS, SEAT, None]),
                    chance.choice(things),
                )
                for _ in range(chance.randrange(4))
            ]
            for number in range(chance.randrange(1, 6))
        }
        for day in days
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_days_in_any_order_with_updates_between_give_the_graph_of_one_update(
    lake: str, tmp_path: Path, seed: int
) -> None:
    days = _random_days(seed)
    at_once = str(tmp_path / "at_once")
    for day, found in days.items():
        put(at_once, day, found)
    update_graph(at_once, "m1")

    order = list(days)
    random.Random(seed).shuffle(order)
    put(lake, order[0], _random_days(seed + 100)[order[0]])  # to be replaced below
    update_graph(lake, "m1")
    for number, day in enumerate(order):
        put(lake, day, days[day])
        if number % 2:
            update_graph(lake, "m1")
    update_graph(lake, "m1")
    assert contents(lake) == contents(at_once)


@pytest.mark.parametrize("survives", range(1, 6))
def test_a_crash_at_any_commit_is_put_right_by_the_next_update(
    lake: str, tmp_path: Path, monkeypatch, survives: int
) -> None:
    first, second, third = (
        {"a": [(ANNA, WORKS, ACME)]},
        {"a": [(BEN, WORKS, GLOBEX)]},
        {"a": [(ANNA, KNOWS, BEN)]},
    )
    put(lake, DAY_2, {"z": [(ACME, SEAT, LIMA)]})
    put(lake, DAY_1, first)
    update_graph(lake, "m1")
    put(lake, DAY_1, second)
    real, done = commit.commit, []

    def crashing(*args, **kwargs) -> None:
        if len(done) == survives:
            raise KeyboardInterrupt
        done.append(1)
        real(*args, **kwargs)

    monkeypatch.setattr(commit, "commit", crashing)
    with pytest.raises(KeyboardInterrupt):
        update_graph(lake, "m1")
    monkeypatch.setattr(commit, "commit", real)
    # What the crashed update saw is gone: nobody but a full recount would notice its traces.
    put(lake, DAY_1, third)
    assert update_graph(lake, "m1").complete

    unharmed = str(tmp_path / "unharmed")
    put(unharmed, DAY_2, {"z": [(ACME, SEAT, LIMA)]})
    put(unharmed, DAY_1, third)
    update_graph(unharmed, "m1")
    assert contents(lake) == contents(unharmed)


def _put_participants(lake: str, names: dict[str, list[str]]) -> None:
    rows = [{"participant_id": key, "display_names": display} for key, display in names.items()]
    commit.overwrite(
        lake, "participants", pa.Table.from_pylist(rows, schema=SCHEMAS["participants"])
    )


def test_a_node_is_linked_to_the_only_participant_of_its_name(lake: str) -> None:
    put(lake, DAY_1, {"a": [(ANNA, WORKS, ACME), (BEN, KNOWS, ANNA), (ACME, SEAT, BERLIN)]})
    _put_participants(
        lake,
        {
            "p1": ["anna  keller", "AK"],
            "p2": ["Ben Osei"],
            "p3": ["Ben Osei"],
            "p4": ["ACME Inc."],
            "p5": ["Berlin"],
        },
    )
    update_graph(lake, "m1")
    linked = {name: row["participant_id"] for (_, name), row in nodes(lake).items()}
    assert linked == {"anna keller": "p1", "ben osei": None, "acme": "p4", "berlin": None}


def test_a_participant_who_gives_a_name_later_is_linked_later(lake: str) -> None:
    put(lake, DAY_1, {"a": [(ANNA, WORKS, ACME)]})
    update_graph(lake, "m1")
    assert nodes(lake)["person", "anna keller"]["participant_id"] is None
    _put_participants(lake, {"p1": ["Anna Keller"]})
    assert update_graph(lake, "m1").days == ()
    assert nodes(lake)["person", "anna keller"]["participant_id"] == "p1"


def test_two_updates_at_once_end_in_the_right_graph(lake: str, monkeypatch) -> None:
    put(lake, DAY_1, {"a": [(ANNA, WORKS, ACME)]})
    real, nested = graph._taken_in, []

    def overtaken(*args):
        if not nested:
            nested.append(True)
            put(lake, DAY_2, {"b": [(BEN, WORKS, GLOBEX)]})
            update_graph(lake, "m1")
        return real(*args)

    monkeypatch.setattr(graph, "_taken_in", overtaken)
    update_graph(lake, "m1")
    assert set(edges(lake)) == {("Anna Keller", WORKS, "Acme"), ("Ben Osei", WORKS, "Globex")}
