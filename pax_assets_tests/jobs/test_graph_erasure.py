"""Erasing a person from the graph: also what others' rows know of them by being resolved."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pax_assets.jobs.graph import update_graph
from pax_assets.jobs.insights.graph_export import FILES, export_graph
from pax_assets.jobs.insights.insight_tables import MENTIONS, PEOPLE, RESOLUTIONS, TIMELINE, read
from pax_assets.lake import commit, erase, tables
from pax_assets_tests.byte_search import found_in
from pax_assets_tests.jobs.insights.store import ANNA, BEN, ME, Message, put_days, put_people

MAIL = "anna.keller@example.org"
NEEDLES = ["491701111111", MAIL, "Keller", "keller"]
PERSON = "person"


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def place(lake: str, tmp_path: Path) -> tuple[str, str]:
    event = [("meeting", "meet", {"participant": "Anna"})]
    put_days(
        lake,
        [
            Message("hers", "2026-01-05T10:00", ANNA, [BEN], {"Ben": PERSON, "Anna Keller": PERSON},
                    conversation="c1"),
            # Ben's words say "Anna" only; who that is comes from her messages.
            Message("his", "2026-01-06T10:00", BEN, [ME], {"Anna": PERSON, "Acme": "organization"},
                    event, [("Anna", "works_for", "Acme")], conversation="c1"),
            Message("other", "2026-01-07T10:00", BEN, [ME], {"Eve Moss": PERSON}),
            Message("number", "2026-01-07T10:00", BEN, [ME], {"+49 170 1111111": "phone"},
                    more={"text": "call +49 170 1111111"}),
        ],
    )  # fmt: skip
    rows = tables.read(lake, "messages")
    # What an erasure looks for a person in is what was received.
    numbers = pa.array(range(rows.num_rows), pa.int64())
    uris = pa.array([f"landing/{key}" for key in rows["message_id"].to_pylist()])
    place = rows.column_names.index("raw_uri")
    received = rows.set_column(place, "raw_uri", uris).append_column("raw_ordinal", numbers)
    commit.append(lake, "raw_whatsapp", received)
    put_people(lake, [([ANNA, MAIL], ["Anna Keller"]), ([BEN], ["Ben Osei"]), ([ME], [])])
    update_graph(lake, "m1")
    export_graph(lake)
    landing = tmp_path / "landing"
    landing.mkdir()
    return lake, str(landing)


def test_the_search_finds_her_in_tables_and_files_before(place) -> None:
    lake, _ = place
    found = str(found_in(Path(lake), ["Keller", "keller", "491701111111"]))
    for table in ("graph.graphml", "graph.json", "mentions", "people", "resolutions", "values"):
        assert table in found


@pytest.mark.parametrize("killed_at", [None, 1, 3, 5, 7, 9, 11, 13, 15])
def test_nothing_of_her_is_left_and_the_next_update_has_everybody_else(
    place, monkeypatch, killed_at
) -> None:
    lake, landing = place
    if killed_at is not None:
        real, done = commit.commit, []

        def crashing(*args, **kwargs) -> None:
            if len(done) == killed_at:
                raise Killed
            done.append(1)
            real(*args, **kwargs)

        monkeypatch.setattr(commit, "commit", crashing)
        with pytest.raises(Killed):
            erase(lake, landing, [ANNA, MAIL], landing_gone=True)
        monkeypatch.setattr(commit, "commit", real)
    erase(lake, landing, [ANNA, MAIL], landing_gone=True)
    assert found_in(Path(lake), NEEDLES) == {}
    assert not [name for name in FILES if (Path(lake) / "relationship_graph" / name).exists()]
    put_people(lake, [([BEN], ["Ben Osei"]), ([ME], [])])
    update_graph(lake, "m1")
    said = {row["message_id"]: row for row in read(lake, MENTIONS).to_pylist()}
    assert set(said) == {"his", "other"}
    assert {row["resolved_by"] for row in said.values()} == {None}
    assert read(lake, TIMELINE)["message_id"].to_pylist() == ["his"]


def test_one_address_of_hers_takes_what_is_known_of_her_by_it(place) -> None:
    """Her messages were sent from the number, and stay; that she is who Ben means does not."""
    lake, landing = place
    erase(lake, landing, [MAIL], landing_gone=True)
    assert found_in(Path(lake), [MAIL]) == {}
    assert "Anna Keller" not in str(read(lake, PEOPLE).to_pylist())
    kept = {row["message_id"] for row in read(lake, MENTIONS).to_pylist()}
    assert "hers" in kept
    assert "Anna" not in {row["name"] for row in read(lake, MENTIONS).to_pylist()}
    assert read(lake, RESOLUTIONS).num_rows == 0


def test_a_dry_run_changes_nothing(place) -> None:
    lake, landing = place
    before = read(lake, MENTIONS).to_pylist()
    report = erase(lake, landing, [ANNA, MAIL], landing_gone=True, dry_run=True)
    assert report.rows["relationship_graph/people"] >= 2
    assert (Path(lake) / "relationship_graph" / FILES[0]).exists()
    assert read(lake, MENTIONS).to_pylist() == before
