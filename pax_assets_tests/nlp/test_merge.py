"""Under test: one answer from the model's spans and those of the recognizers."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.nlp.documents import (
    Analysis,
    FoundArgument,
    FoundEntity,
    FoundEvent,
    FoundRelation,
)
from pax_assets.nlp.merge import merged
from pax_assets.nlp.recognizers import TYPES, Recognized


def entity(text: str, surface: str, kind: str, name: str, score: float = 0.9) -> FoundEntity:
    start = text.index(surface)
    return FoundEntity(name, kind, surface, start, start + len(surface), score)


def recognized(text: str, surface: str, kind: str, rule: str = "rule") -> Recognized:
    start = text.index(surface)
    return Recognized(start, start + len(surface), kind, surface.lower(), rule)


def shown(analysis: Analysis) -> list[tuple[str, str, str]]:
    return [(e.id, e.type, e.text) for e in analysis.entities]


def test_where_nothing_is_recognized_the_analysis_is_the_same_object():
    analysis = Analysis((FoundEntity("e1", "org", "Acme", 0, 4, 0.9),), language="en")
    assert merged(analysis, [], "Acme") is analysis


def test_what_only_a_rule_found_is_added_in_text_order_and_ids_follow():
    text = "Anna +4912345678 Acme"
    analysis = Analysis(
        (entity(text, "Anna", "person", "e1"), entity(text, "Acme", "org", "e2")),
        (FoundEvent("v1", "meet", "Anna", 0, 4, 0.8, (FoundArgument("e2", "who", 0.7),)),),
        (FoundRelation("e1", "e2", "works_for", 0.6),),
        "en",
    )
    answer = merged(analysis, [recognized(text, "+4912345678", "phone_number")], text)
    assert shown(answer) == [
        ("e1", "person", "Anna"),
        ("e2", "phone_number", "+4912345678"),
        ("e3", "org", "Acme"),
    ]
    assert answer.entities[1].value == "+4912345678"
    assert [e.recognizer for e in answer.entities] == [None, "rule", None]
    assert answer.events[0].arguments == (FoundArgument("e3", "who", 0.7),)
    assert answer.relations == (FoundRelation("e1", "e3", "works_for", 0.6),)
    assert answer.language == "en"


def test_a_recognized_span_stands_for_the_spans_that_it_covers_and_takes_over_their_links():
    text = "anna@acme.org works for Acme"
    analysis = Analysis(
        (
            entity(text, "anna", "person", "e1"),
            entity(text, "acme.org", "org", "e2"),
            entity(text, "Acme", "org", "e3"),
        ),
        (
            FoundEvent(
                "v1",
                "pay",
                "works",
                14,
                19,
                0.8,
                (
                    FoundArgument("e1", "who", 0.5),
                    FoundArgument("e2", "who", 0.7),
                    FoundArgument("e2", "whom", 0.4),
                ),
            ),
        ),
        (
            FoundRelation("e1", "e2", "works_for", 0.9),
            FoundRelation("e1", "e3", "works_for", 0.5),
            FoundRelation("e2", "e3", "works_for", 0.6),
            FoundRelation("e3", "e1", "knows", 0.3),
        ),
    )
    answer = merged(analysis, [recognized(text, "anna@acme.org", "email_address")], text)
    assert shown(answer) == [("e1", "email_address", "anna@acme.org"), ("e2", "org", "Acme")]
    assert answer.relations == (
        FoundRelation("e1", "e2", "works_for", 0.6),
        FoundRelation("e2", "e1", "knows", 0.3),
    )
    assert answer.events[0].arguments == (
        FoundArgument("e1", "who", 0.7),
        FoundArgument("e1", "whom", 0.4),
    )


@pytest.mark.parametrize(
    ("surface", "left"),
    [
        ("Anna Keller <anna@x.org>", "Anna Keller"),
        ("anna@x.org>) Anna", "Anna"),
        ("Anna Keller <anna@x.org>) Anna", "Anna Keller"),
    ],
)
def test_of_a_span_that_reaches_beyond_a_recognized_one_the_words_are_left(surface, left):
    text = "from Anna Keller <anna@x.org>) Anna and Acme"
    analysis = Analysis(
        (entity(text, surface, "person", "e1"), entity(text, "Acme", "org", "e2")),
        (),
        (FoundRelation("e1", "e2", "works_for", 0.5),),
    )
    answer = merged(analysis, [recognized(text, "anna@x.org", "email_address")], text)
    assert sorted(e.text for e in answer.entities) == sorted([left, "anna@x.org", "Acme"])
    (relation,) = answer.relations
    names = {e.id: e.text for e in answer.entities}
    assert (names[relation.head], names[relation.tail]) == (left, "Acme")


def test_an_accent_stays_with_its_letter_when_a_span_is_cut():
    text = "Jose\u0301 <j@x.org>"
    analysis = Analysis((FoundEntity("e1", "person", text, 0, len(text), 0.9),))
    answer = merged(analysis, [recognized(text, "j@x.org", "email_address")], text)
    assert answer.entities[0].text == "Jose\u0301"


def test_a_longer_span_of_the_same_type_leaves_nothing():
    text = "call +4912345678"
    analysis = Analysis((FoundEntity("e1", "phone_number", text, 0, len(text), 0.9),))
    answer = merged(analysis, [recognized(text, "+4912345678", "phone_number")], text)
    assert shown(answer) == [("e1", "phone_number", "+4912345678")]


def test_a_bare_host_inside_a_name_leaves_the_name():
    text = "ask the booking.com Support Team"
    analysis = Analysis((entity(text, "booking.com Support Team", "org", "e1"),))
    host = recognized(text, "booking.com", "url", "url_host")
    assert merged(analysis, [host], text) == analysis
    link = replace(host, recognizer="url_scheme")
    assert [e.type for e in merged(analysis, [link], text).entities] == ["url", "org"]


def test_a_bare_host_that_is_the_whole_name_wins():
    text = "ask booking.com"
    analysis = Analysis((entity(text, "booking.com", "org", "e1"),))
    host = recognized(text, "booking.com", "url", "url_host")
    assert shown(merged(analysis, [host], text)) == [("e1", "url", "booking.com")]


def test_a_bare_host_beside_a_number_in_one_span_is_not_lost():
    text = "booking.com Team +4912345678"
    analysis = Analysis((FoundEntity("e1", "org", text, 0, len(text), 0.9),))
    found = [
        recognized(text, "booking.com", "url", "url_host"),
        recognized(text, "+4912345678", "phone_number"),
    ]
    assert shown(merged(analysis, found, text)) == [
        ("e1", "url", "booking.com"),
        ("e2", "org", "Team"),
        ("e3", "phone_number", "+4912345678"),
    ]


def test_links_of_a_covered_span_go_to_the_one_that_shares_most_with_it():
    text = "ab cdef gh"
    analysis = Analysis(
        (entity(text, "ab cdef", "money", "e1"), entity(text, "gh", "org", "e2")),
        (),
        (FoundRelation("e2", "e1", "owes", 0.5),),
    )
    found = [recognized(text, "ab", "money"), recognized(text, "cdef", "url")]
    answer = merged(analysis, found, text)
    assert answer.relations == (FoundRelation("e3", "e2", "owes", 0.5),)


TEXT = "ab 12 x.y Éa\u0301 34-5 @c \ud800 gh 678"


@st.composite
def analyses(draw: st.DrawFn) -> Analysis:
    edges = sorted(draw(st.sets(st.integers(0, len(TEXT)), max_size=12)))
    spans = [pair for pair in zip(edges[::2], edges[1::2], strict=False) if draw(st.booleans())]
    entities = tuple(
        FoundEntity(
            f"e{i}",
            draw(st.sampled_from(["org", "person", "url"])),
            TEXT[start:end],
            start,
            end,
            draw(st.sampled_from([0.5, 0.9])),
        )
        for i, (start, end) in enumerate(spans, 1)
    )
    if not entities:
        return Analysis()
    names = st.sampled_from([e.id for e in entities])
    scores = st.sampled_from([0.2, 0.4, 0.6])
    links = draw(st.lists(st.tuples(names, names, scores), max_size=8))
    arguments = draw(
        st.lists(st.tuples(names, st.sampled_from(["who", "what"]), scores), max_size=6)
    )
    return Analysis(
        entities,
        (
            FoundEvent(
                "v1", "meet", TEXT[:2], 0, 2, 0.9, tuple(FoundArgument(*a) for a in arguments)
            ),
        ),
        tuple(FoundRelation(a, b, "knows", s) for a, b, s in links if a != b),
    )


FOUND = st.lists(
    st.builds(
        lambda start, length, kind, rule: Recognized(
            start, min(start + length, len(TEXT)), kind, "v", rule
        ),
        st.integers(0, len(TEXT) - 1),
        st.integers(1, 9),
        st.sampled_from(TYPES),
        st.sampled_from(["rule", "url_host"]),
    ),
    min_size=1,
    max_size=5,
)


@given(analyses(), FOUND)
@settings(max_examples=500, deadline=None)
def test_the_answer_is_well_formed(analysis, found):
    answer = merged(analysis, found, TEXT)
    if answer is analysis:
        return
    end = 0
    for number, one in enumerate(answer.entities, 1):
        assert one.id == f"e{number}"
        assert end <= one.start < one.end <= len(TEXT)
        assert TEXT[one.start : one.end] == one.text
        end = one.end
    order = {e.id: i for i, e in enumerate(answer.entities)}
    ends = [(order[r.head], order[r.tail]) for r in answer.relations]
    assert ends == sorted(ends)
    assert all(head != tail for head, tail in ends)
    assert len({(r.head, r.tail, r.type) for r in answer.relations}) == len(answer.relations)
    for before, event in zip(analysis.events, answer.events, strict=True):
        assert replace(event, arguments=()) == replace(before, arguments=())
        places = [order[a.entity] for a in event.arguments]
        assert places == sorted(places)
        assert len({(a.entity, a.role) for a in event.arguments}) == len(event.arguments)
        assert {a.role for a in event.arguments} == {a.role for a in before.arguments}


@given(analyses(), FOUND)
@settings(max_examples=300, deadline=None)
def test_merging_again_changes_nothing(analysis, found):
    once = merged(analysis, found, TEXT)
    assert merged(once, found, TEXT) == once
    assert merged(once, [], TEXT) is once


@given(analyses(), FOUND)
@settings(max_examples=300, deadline=None)
def test_what_no_rule_touches_stays_as_the_model_said(analysis, found):
    answer = merged(analysis, found, TEXT)
    untouched = {
        (e.type, e.start, e.end, e.score)
        for e in analysis.entities
        if all(one.end <= e.start or e.end <= one.start for one in found)
    }
    assert untouched <= {
        (e.type, e.start, e.end, e.score) for e in answer.entities if e.recognizer is None
    }
