"""Under test: which texts are worth a person's time."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax_assets.corpora.selection import Candidate, choose, normalised, uncertainty
from pax_assets.nlp.documents import (
    Analysis,
    FoundArgument,
    FoundEntity,
    FoundEvent,
    FoundRelation,
)


def entity(score: float) -> FoundEntity:
    return FoundEntity("e1", "person", "Anna", 0, 4, score)


def event(score: float, *arguments: float) -> FoundEvent:
    return FoundEvent(
        "v1", "meeting", "met", 5, 8, score, tuple(FoundArgument("e1", "who", s) for s in arguments)
    )


def candidate(doc_id: str, text: str, *scores: float) -> Candidate:
    return Candidate(doc_id, text, Analysis(tuple(entity(score) for score in scores)))


@pytest.mark.parametrize(
    ("analysis", "least", "mean"),
    [
        (Analysis(), 0.0, 0.0),
        (Analysis((entity(1.0),)), 0.0, 0.0),
        (Analysis((entity(0.75), entity(0.25))), 0.75, 0.5),
        (Analysis((entity(1.0),), (event(0.5),)), 0.5, 0.25),
        (Analysis((entity(1.0),), (event(1.0, 0.25, 0.75),)), 0.75, 0.25),
        (Analysis((entity(1.0),), (), (FoundRelation("e1", "e1", "is", 0.5),)), 0.5, 0.25),
    ],
)
def test_every_kind_of_finding_counts(analysis, least, mean):
    assert uncertainty(analysis) == least
    assert uncertainty(analysis, "mean") == mean


@pytest.mark.parametrize("score", [float("nan"), -0.1, 1.1])
def test_what_is_no_score_is_refused(score):
    with pytest.raises(ValueError, match=r"a score lies in \[0, 1\]"):
        uncertainty(Analysis((entity(score),)))


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="measure is one of least, mean"):
        uncertainty(Analysis(), "most")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="cannot choose -1 texts"):
        choose([], -1)


def test_the_most_uncertain_texts_are_chosen_and_texts_without_findings_come_last():
    texts = [
        candidate("sure", "a", 0.9),
        candidate("nothing", "b"),
        candidate("doubtful", "c", 0.99, 0.3),
        candidate("middling", "d", 0.6),
    ]
    assert [c.doc_id for c in choose(texts, 3)] == ["doubtful", "middling", "sure"]
    assert [c.doc_id for c in choose(texts, 9)][-1] == "nothing"
    assert choose(texts, 0) == []


def test_by_the_mean_a_long_text_with_one_doubt_is_less_urgent():
    texts = [candidate("long", "a", 0.3, *[0.9] * 9), candidate("short", "b", 0.5)]
    assert [c.doc_id for c in choose(texts, 2)] == ["long", "short"]
    assert [c.doc_id for c in choose(texts, 2, measure="mean")] == ["short", "long"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Your code is 4711.", "your code  is 0815."),
        ("Meet at 9:30\n", "meet at 10:05"),
        ("Ｍｅｅｔ", "meet"),
        ("STRASSE", "straße"),
        ("now ٣٤", "now 7"),
    ],
)
def test_near_duplicates_are_chosen_once_the_most_uncertain(one, other):
    texts = [candidate("sure", one, 0.9), candidate("doubtful", other, 0.4)]
    assert [c.doc_id for c in choose(texts, 2)] == ["doubtful"]


@pytest.mark.parametrize(
    ("one", "other"), [("yes", "yes!"), ("😀", "🎉"), ("a b", "ab"), ("", "0")]
)
def test_texts_that_say_something_else_are_no_near_duplicates(one, other):
    assert normalised(one) != normalised(other)


@given(
    scores=st.lists(st.sampled_from([0.2, 0.5, 0.5, 1.0]), max_size=12),
    count=st.integers(0, 12),
    seed=st.integers(0, 9),
)
def test_the_choice_does_not_depend_on_the_order(scores, count, seed):
    texts = [candidate(f"d{i}", f"text {chr(97 + i % 5)}", s) for i, s in enumerate(scores)]
    shuffled = random.Random(seed).sample(texts, len(texts))
    chosen = choose(shuffled, count)
    assert chosen == choose(texts, count)
    assert len(chosen) == min(count, len({c.text for c in texts}))
