"""Under test: scores by channel and length, calibration, and errors without words."""

from __future__ import annotations

import pytest

from pax_assets.nlp.breakdown import breakdown, calibration, length_class
from pax_assets.nlp.documents import (
    Analysis,
    Document,
    Entity,
    Event,
    FoundEntity,
    FoundEvent,
    FoundRelation,
    Relation,
)

TEXT = "Anna pays Ben on Friday for Acme"


def gold(name: str, *, channel: str | None = None, text: str = TEXT) -> Document:
    return Document(
        name,
        text,
        ("entities", "events", "relations"),
        (Entity("a", 0, 4, "person"), Entity("c", 28, 32, "org")),
        (Event("v", "payment", 5, 9),),
        (Relation("a", "c", "works_for"),),
        channel=channel,
    )


def found(*spans: tuple[int, int, str, float], trigger: str = "payment") -> Analysis:
    entities = tuple(
        FoundEntity(f"e{i}", kind, TEXT[start:end], start, end, score)
        for i, (start, end, kind, score) in enumerate(spans, 1)
    )
    relations = (FoundRelation("e1", "e2", "works_for", 0.7),) if len(spans) > 1 else ()
    return Analysis(entities, (FoundEvent("v1", trigger, "pays", 5, 9, 0.8, ()),), relations)


RIGHT = found((0, 4, "person", 0.9), (28, 32, "org", 0.95))


def test_channels_and_lengths_are_scored_apart():
    long = gold("l", channel="email", text=TEXT + " " * 200)
    result = breakdown(
        [gold("a", channel="sms"), gold("b"), long], [RIGHT, found((0, 4, "org", 0.5)), RIGHT]
    )
    assert {name: part["documents"] for name, part in result["channels"].items()} == {
        "email": 1,
        "other": 1,
        "sms": 1,
    }
    assert result["channels"]["sms"]["entity"] == {"f1": 1.0, "support": 2}
    assert result["channels"]["other"]["entity"]["f1"] == 0.0
    assert result["lengths"]["0 to 50 characters"]["documents"] == 2
    assert result["lengths"]["201 to 1000 characters"]["event"]["f1"] == 1.0


@pytest.mark.parametrize(
    ("characters", "name"),
    [
        (0, "0 to 50 characters"),
        (50, "0 to 50 characters"),
        (51, "51 to 200 characters"),
        (1000, "201 to 1000 characters"),
        (1001, "over 1000 characters"),
    ],
)
def test_length_classes_have_no_gap(characters, name):
    assert length_class(characters) == name


def test_calibration_is_how_far_scores_are_from_being_right():
    result = calibration([(0.95, True), (0.95, True), (0.85, False), (1.0, True)])
    assert [(b["low"], b["count"], b["right"]) for b in result["bins"]] == [
        (0.8, 1, 0.0),
        (0.9, 3, 1.0),
    ]
    assert result["ece"] == pytest.approx((0.85 + 3 * (1 - 2.9 / 3)) / 4)
    assert calibration([]) == {"bins": [], "ece": None}


def test_each_head_is_calibrated_on_what_it_found():
    result = breakdown([gold("a")], [found((0, 4, "person", 0.6), (28, 31, "org", 0.6))])
    assert result["calibration"]["entity"]["bins"][0]["right"] == 0.5
    assert result["calibration"]["relation"]["bins"][0]["right"] == 0.0
    assert result["calibration"]["event"]["ece"] == pytest.approx(0.2)


def test_errors_say_where_and_what_and_no_words():
    analysis = found((0, 4, "org", 0.9), (28, 31, "org", 0.9), (17, 23, "time", 0.9), trigger="x")
    result = breakdown([gold("a")], [analysis])
    assert [(e["kind"], e["start"], e["end"], e["gold"], e["found"]) for e in result["errors"]] == [
        ("type", 0, 4, "person", "org"),
        ("invented", 17, 23, None, "time"),
        ("boundary", 28, 31, None, "org"),
        ("boundary", 28, 32, "org", None),
        ("type", 5, 9, "payment", "x"),
    ]
    assert result["errors_in_all"] == 5
    assert "Anna" not in str(result)
    missed = breakdown([gold("a")], [Analysis()])["errors"]
    assert {error["kind"] for error in missed} == {"missed"}
