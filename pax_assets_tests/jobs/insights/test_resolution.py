"""Who a name means: over messages, conversations and channels, whatever the order of days."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pax_assets.jobs.graph import update_graph
from pax_assets.jobs.insights.insight_tables import (
    CONTEXT,
    EDGES,
    GRAPH_TABLES,
    MENTIONS,
    NODES,
    RESOLUTIONS,
    TIMELINE,
    VALUES,
    read,
)
from pax_assets.jobs.insights.resolution import People, people_rows, resolutions_of
from pax_assets.jobs.insights.value_rows import Reading
from pax_assets.lake import tables
from pax_assets.lake.schemas import SCHEMAS
from pax_assets_tests.jobs.insights.store import ANNA, BEN, ME, Message, put_days, put_people

P = "person"
EVERYBODY = [([ANNA, "anna@example.org"], ["Anna Keller"]), ([BEN], ["Ben Osei"]), ([ME], [])]


def said(lake: str) -> dict[tuple[str, str], tuple[str, str | None]]:
    """By message and words: the name of the node that was meant, and the rule."""
    names = {row["node_id"]: row["name"] for row in read(lake, NODES).to_pylist()}
    return {
        (row["message_id"], row["name"]): (names[row["node_id"]], row["resolved_by"])
        for row in read(lake, MENTIONS).to_pylist()
    }


def contents(lake: str) -> dict[str, list[dict]]:
    return {t: sorted(read(lake, t).to_pylist(), key=str) for t in GRAPH_TABLES}


def graph_of(lake: str, *messages: Message, people=EVERYBODY) -> dict:
    put_days(lake, messages)
    put_people(lake, people)
    update_graph(lake, "m1")
    return said(lake)


def words(key: str, at: str, *names: str, sender: str | None = BEN, to=(ME,), c: str = "c1"):
    return Message(key, at, sender, to, dict.fromkeys(names, P), conversation=c)


def test_a_first_name_is_the_participant_of_the_conversation(lake) -> None:
    found = graph_of(lake, words("a", "2026-01-05T10:00", "Anna", to=[ANNA, ME]))
    assert found == {("a", "Anna"): ("Anna Keller", "participant_in_conversation")}
    [node] = read(lake, NODES).to_pylist()
    assert (node["normalized_name"], node["names"]) == ("anna keller", ["Anna"])
    assert node["participant_id"] is not None
    [row] = read(lake, RESOLUTIONS).to_pylist()
    assert (row["conversation_id"], row["confidence"]) == ("c1", 0.9)


def test_a_first_name_is_the_person_who_was_named_in_full(lake) -> None:
    found = graph_of(
        lake,
        words("a", "2026-01-05T10:00", "Eve"),
        words("b", "2026-01-06T10:00", "Eve Moss"),
        words("c", "2026-01-06T10:00", "Eve", c="c2"),
    )
    assert found["a", "Eve"] == ("Eve Moss", "named_in_conversation")
    # In another conversation she may be anybody.
    assert found["c", "Eve"] == ("Eve", None)
    assert read(lake, NODES).num_rows == 2


@pytest.mark.parametrize("names", [("Anna Schmidt",), ("Anna Schmidt", "Anna Keller")])
def test_where_two_fit_nobody_is_meant(lake, names) -> None:
    found = graph_of(
        lake, words("a", "2026-01-05T10:00", "Anna", to=[ANNA, ME]),
        words("b", "2026-01-06T10:00", *names),
    )  # fmt: skip
    assert found["a", "Anna"] == ("Anna", None)


def test_two_participants_of_one_name_are_told_apart_by_the_conversation(lake) -> None:
    people = [([ANNA], ["Anna Keller"]), (["+441111111111"], ["Anna Keller"]), ([BEN], [])]
    found = graph_of(
        lake,
        words("a", "2026-01-05T10:00", "Anna Keller", to=[ANNA]),
        words("b", "2026-01-05T10:00", "Anna Keller", to=["+441111111111"], c="c2"),
        words("c", "2026-01-05T10:00", "Anna Keller", to=[ME], c="c3"),
        people=people,
    )
    assert {rule for _, rule in found.values()} == {"participant_in_conversation", None}
    ids = {row["message_id"]: row["node_id"] for row in read(lake, MENTIONS).to_pylist()}
    assert len(set(ids.values())) == 3
    linked = {row["node_id"]: row["participant_id"] for row in read(lake, NODES).to_pylist()}
    assert linked[ids["c"]] is None
    assert linked[ids["a"]] != linked[ids["b"]]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("+49 170 1111111", "phone_number"), ("Anna@Example.org", "email_address"),
     ("+491701111111", "PHONE")],
)  # fmt: skip
def test_an_address_in_a_text_is_whoever_has_it(lake, text, kind) -> None:
    message = Message("a", "2026-01-05T10:00", BEN, [ME], {text: kind, "Acme": "organization"},
                      relations=[(text, "works_for", "Acme")])  # fmt: skip
    found = graph_of(lake, message)
    assert found["a", text] == ("Anna Keller", "identity")
    [edge] = read(lake, EDGES).to_pylist()
    assert (edge["head_text"], edge["head_type"]) == ("Anna Keller", "person")


def test_an_address_of_nobody_is_no_person(lake) -> None:
    found = graph_of(
        lake, Message("a", "2026-01-05T10:00", BEN, [ME], {"+493099999999": "phone_number"})
    )
    assert found == {}
    assert read(lake, VALUES)["address"].to_pylist() == ["+493099999999"]


def test_i_am_the_sender_and_you_the_only_recipient(lake) -> None:
    found = graph_of(
        lake,
        words("a", "2026-01-05T10:00", "I", "you", to=[ANNA]),
        words("b", "2026-01-05T11:00", "you", to=[ANNA, ME]),
    )
    assert found["a", "I"] == ("Ben Osei", "sender")
    assert found["a", "you"] == ("Anna Keller", "recipient")
    assert found["b", "you"][1] is None


def test_without_a_conversation_a_first_name_stays_itself(lake) -> None:
    message = Message("a", "2026-01-05T10:00", BEN, [ANNA], {"Anna": P, "Anna Keller": P})
    assert graph_of(lake, message)["a", "Anna"] == ("Anna", None)


def test_events_have_the_people_that_are_meant(lake) -> None:
    event = Message(
        "a", "2026-01-05T10:00", BEN, [ANNA, ME],
        {"Anna": P, "Friday": "time", "5pm": "time", "Lisbon": "location", "twice": "manner"},
        [("meeting", "meet", {"participant": "Anna", "time": "Friday", "when": "5pm",
                              "place": "Lisbon", "how": "twice"})],
        conversation="c1",
    )  # fmt: skip
    graph_of(lake, event)
    [row] = read(lake, TIMELINE).to_pylist()
    names = {node["node_id"]: node["name"] for node in read(lake, NODES).to_pylist()}
    [part] = row["participants"]
    assert (names[part["node_id"]], part["role"]) == ("Anna Keller", "participant")
    assert part["resolved_by"] == "participant_in_conversation"
    assert part["node_id"] in row["recipient_nodes"]
    # Two spans that say one time: Friday at 5 by the clock of a German number.
    assert (row["starts_at"].isoformat(), row["precision"]) == ("2026-01-09T16:00:00+00:00", "hour")
    assert (row["time_text"], row["place"]) == ("Friday, 5pm", "Lisbon")
    assert [(part["role"], part["text"]) for part in row["others"]] == [("how", "twice")]


def test_a_later_message_only_brings_back_the_days_that_it_explains(lake) -> None:
    graph_of(
        lake,
        words("a", "2026-01-05T10:00", "Eve"),
        words("x", "2026-01-06T10:00", "Eve", c="c2"),
        words("y", "2026-01-07T10:00", "Zoe"),
    )
    put_days(lake, [words("b", "2026-01-08T10:00", "Eve Moss")])
    report = update_graph(lake, "m1")
    assert (report.days, report.days_resolved_again) == (("2026-01-08",), ("2026-01-05",))
    assert said(lake)["a", "Eve"] == ("Eve Moss", "named_in_conversation")
    put_days(lake, [words("b", "2026-01-08T10:00", "Eve Moss", "Eve Stone")])
    assert update_graph(lake, "m1").days_resolved_again == ("2026-01-05",)
    assert said(lake)["a", "Eve"] == ("Eve", None)


def test_a_participant_who_tells_a_name_later_is_found_in_older_days(lake) -> None:
    graph_of(lake, words("a", "2026-01-05T10:00", "Anna", to=[ANNA]), people=[([ANNA], [])])
    assert said(lake)["a", "Anna"][1] is None
    put_people(lake, EVERYBODY)
    report = update_graph(lake, "m1")
    assert (report.days, report.days_resolved_again) == ((), ("2026-01-05",))
    assert said(lake)["a", "Anna"] == ("Anna Keller", "participant_in_conversation")
    before = {t: tables.version(lake, t) for t in GRAPH_TABLES}
    assert update_graph(lake, "m1").days_resolved_again == ()
    assert {t: tables.version(lake, t) for t in GRAPH_TABLES} == before


def test_another_zone_reads_every_time_again(lake) -> None:
    message = Message("a", "2026-01-05T10:00", "cara@x.example", [ME], {"tomorrow": "time"})
    graph_of(lake, message)
    update_graph(lake, "m1", Reading(zone="Asia/Tokyo"))
    [row] = read(lake, VALUES).to_pylist()
    assert (row["zone"], row["zone_from"]) == ("Asia/Tokyo", "default")
    assert row["starts_at"].isoformat() == "2026-01-05T15:00:00+00:00"


def _random_messages(seed: int) -> list[Message]:
    chance = random.Random(seed)
    names = ["Anna", "Anna Keller", "Anna Moss", "Ben", "Ben Osei", "Eve", "I", "you"]
    out = []
    for number in range(30):
        day, key = chance.randrange(1, 9), f"m{number}"
        entities = dict.fromkeys(chance.sample(names, chance.randrange(1, 4)), P)
        entities |= {"Acme": "organization", "tomorrow": "time", "+49 170 1111111": "phone"}
        first = next(iter(entities))
        out.append(
            Message(
                key, f"2026-01-{day:02d}T10:00", chance.choice([ANNA, BEN, ME, None]),
                chance.sample([ANNA, BEN, ME], chance.randrange(3)), entities,
                [("meeting", "meet", {"participant": first, "time": "tomorrow"})],
                [(first, "works_for", "Acme")], conversation=chance.choice(["c1", "c2", None]),
            )
        )  # fmt: skip
    return out


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_days_gives_every_table_of_one_update(lake, tmp_path: Path, seed) -> None:
    messages = _random_messages(seed)
    days = sorted({m.sent_at[:10] for m in messages})
    at_once = str(tmp_path / "at_once")
    put_days(at_once, messages)
    put_people(at_once, EVERYBODY)
    update_graph(at_once, "m1")
    chance = random.Random(seed)
    chance.shuffle(days)
    steps = [EVERYBODY[:1], [([ANNA], ["Anna"]), ([BEN], ["Anna Keller"])], EVERYBODY]
    for day, people in itertools.zip_longest(days, steps):
        put_days(lake, messages, [day] if day else [])
        if people:
            put_people(lake, people)
        update_graph(lake, "m1")
    assert contents(lake) == contents(at_once)


_CONTEXTS = st.lists(
    st.tuples(st.sampled_from(["c1", "c2"]), st.sampled_from(["Anna", "Anna Keller", "Anna B C"])),
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(_CONTEXTS, st.randoms())
def test_resolution_depends_on_what_is_said_and_not_on_its_order(said_in, chance) -> None:
    import pyarrow as pa

    from pax_assets.jobs.insights.insight_tables import SCHEMAS as INSIGHTS
    from pax_assets.jobs.insights.names import node_id, normalized_name

    people = People(people_rows(SCHEMAS["participants"].empty_table()))
    rows = []
    for conversation, name in said_in:
        normalized = normalized_name(name, P)
        of = {"conversation_id": conversation, "kind": "named", "type": P}
        rows.append(of | {"key": node_id(normalized, P), "normalized_name": normalized})
    one = resolutions_of(pa.Table.from_pylist(rows, schema=INSIGHTS[CONTEXT]), people)
    chance.shuffle(rows)
    assert one.equals(
        resolutions_of(pa.Table.from_pylist(rows + rows, schema=INSIGHTS[CONTEXT]), people)
    )
    for row in one.to_pylist():
        names = {name for c, name in said_in if c == row["conversation_id"]}
        assert len(names - {"Anna"}) == 1
