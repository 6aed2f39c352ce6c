"""Under test: words joined to text, and tag sequences of each scheme to spans."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from pax_assets.corpora.formats.words import (
    TagError,
    Tagging,
    WordText,
    is_tag,
    spans_of_tags,
)

Span = tuple[int, int, str]
TYPES = ("PER", "LOC", "creative-work", "B-x", "ort", "-")
# Scheme of the tags as written: the marks for begin, inside, last, unit.
MARKS = {"bilou": "BILU", "bioes": "BIES", "bmewo": "BMEW", "iob2": "BIIB"}


def encoded(spans: list[Span], length: int, scheme: str) -> list[str]:
    """Write spans as tags: the inverse of what is tested, from the schemes' definitions."""
    tags = ["O"] * length
    if scheme == "iob1":
        for first, end, kind in spans:
            touches = any(e == first and k == kind for _, e, k in spans)
            tags[first:end] = [f"I-{kind}"] * (end - first)
            tags[first] = f"{'B' if touches else 'I'}-{kind}"
        return tags
    begin, inside, last, unit = MARKS[scheme]
    for first, end, kind in spans:
        marks = [unit] if end - first == 1 else [begin, *[inside] * (end - first - 2), last]
        tags[first:end] = [f"{mark}-{kind}" for mark in marks]
    return tags


@st.composite
def sentences(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Disjoint spans, many of which touch, in a sentence of some length."""
    at, spans = 0, []
    for gap, size, kind in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(TYPES)))
    ):
        spans.append((at + gap, at + gap + size, kind))
        at += gap + size
    return spans, at + draw(st.integers(0, 2))


@pytest.mark.parametrize(
    ("scheme", "tagging"),
    [
        ("iob1", "iob1"),
        ("iob1", "auto"),
        ("iob2", "iob2"),
        ("iob2", "auto"),
        ("bilou", "bilou"),
        ("bilou", "auto"),
        ("bioes", "bilou"),
        ("bioes", "auto"),
        ("bmewo", "bilou"),
        ("bmewo", "auto"),
    ],
)
@settings(deadline=None)
@given(sentence=sentences())
def test_spans_survive_a_round_trip_through_tags(scheme, tagging, sentence):
    spans, length = sentence
    assert list(spans_of_tags(encoded(spans, length, scheme), tagging)) == spans


tags_of_any_kind = st.lists(
    st.one_of(
        st.just("O"),
        st.builds("{}-{}".format, st.sampled_from("BILUESMW"), st.sampled_from(("PER", "LOC"))),
    )
)


@settings(deadline=None)
@given(tags_of_any_kind)
def test_any_order_of_tags_is_read_into_disjoint_spans_that_hold_each_tagged_word(tags):
    spans = list(spans_of_tags(tags))
    words = [(index, kind) for first, end, kind in spans for index in range(first, end)]
    assert words == [(i, tag[2:]) for i, tag in enumerate(tags) if tag != "O"]


@settings(deadline=None)
@given(tags_of_any_kind, st.sampled_from(get_args(Tagging)))
def test_a_named_scheme_reads_what_auto_reads_or_refuses_it(tags, tagging):
    try:
        spans = list(spans_of_tags(tags, tagging))
    except TagError as error:
        place = error.index
    else:
        assert spans == list(spans_of_tags(tags))
        return
    assert 0 <= place < len(tags)


@settings(deadline=None)
@given(st.lists(st.sampled_from(("O", "B-PER", "I-PER", "B-LOC", "I-LOC"))))
def test_begin_and_inside_are_read_as_seqeval_reads_them(tags):
    expected = [(first, last + 1, kind) for kind, first, last in get_entities(tags)]
    assert list(spans_of_tags(tags)) == expected


@pytest.mark.parametrize(
    ("tags", "tagging", "spans"),
    [
        ("", "auto", []),
        ("O O", "bilou", []),
        ("I-PER I-PER", "auto", [(0, 2, "PER")]),
        ("I-PER B-PER", "iob1", [(0, 1, "PER"), (1, 2, "PER")]),
        ("I-PER I-LOC", "iob1", [(0, 1, "PER"), (1, 2, "LOC")]),
        ("B-PER I-LOC", "auto", [(0, 1, "PER"), (1, 2, "LOC")]),
        ("L-PER L-PER", "auto", [(0, 1, "PER"), (1, 2, "PER")]),
        ("U-PER I-PER", "auto", [(0, 1, "PER"), (1, 2, "PER")]),
        ("B-PER O I-PER", "auto", [(0, 1, "PER"), (2, 3, "PER")]),
        ("B_PER I_PER", "auto", [(0, 2, "PER")]),
        ("b-PER i-PER", "iob2", [(0, 2, "PER")]),
        ("B-creative-work I-creative-work", "iob2", [(0, 2, "creative-work")]),
        ("B-PER I-per", "auto", [(0, 1, "PER"), (1, 2, "per")]),
    ],
)
def test_tags_mark_spans(tags, tagging, spans):
    assert list(spans_of_tags(tags.split(), tagging)) == spans


@pytest.mark.parametrize(
    ("tags", "tagging", "index", "complaint"),
    [
        ("O PER", "auto", 1, "'PER' is no tag such as O, B-PER or I-PER"),
        ("O B-", "auto", 1, "'B-' is no tag"),
        ("X-PER", "auto", 0, "'X-PER' is no tag"),
        ("B:PER", "auto", 0, "'B:PER' is no tag"),
        ("o", "auto", 0, "'o' is no tag"),
        ("U-PER", "iob2", 0, "'U-PER' is no tag of IOB2"),
        ("O L-PER", "iob1", 1, "'L-PER' is no tag of IOB1"),
        ("O I-PER", "iob2", 1, r"continues no span of its type \(IOB2\)"),
        ("B-LOC I-PER", "iob2", 1, r"continues no span of its type \(IOB2\)"),
        ("B-PER", "iob1", 0, "after no span of its type"),
        ("I-LOC B-PER", "iob1", 1, "after no span of its type"),
        ("I-PER O B-PER", "iob1", 2, "after no span of its type"),
        ("I-PER", "bilou", 0, r"continues no span of its type \(BILOU\)"),
        ("B-PER L-LOC", "bilou", 1, r"continues no span of its type \(BILOU\)"),
        ("U-PER L-PER", "bilou", 1, r"continues no span of its type \(BILOU\)"),
        ("B-PER O", "bilou", 1, "the span before has no closing tag"),
        ("B-PER U-PER", "bilou", 1, "the span before has no closing tag"),
        ("B-PER B-PER", "bilou", 1, "the span before has no closing tag"),
        ("O B-PER I-PER", "bilou", 2, "the last span has no closing tag"),
    ],
)
def test_a_tag_that_the_scheme_does_not_allow_is_named_with_its_place(
    tags, tagging, index, complaint
):
    with pytest.raises(TagError, match=complaint) as caught:
        list(spans_of_tags(tags.split(), tagging))
    assert caught.value.index == index


@pytest.mark.parametrize(
    ("tag", "expected"),
    [("O", True), ("B-PER", True), ("u_x", True), ("S-x", True)]
    + [(tag, False) for tag in ("", "o", "B", "B-", "B- ", "PER", "-PER", "B PER", "_", "*")],
)
def test_only_a_mark_with_a_type_is_a_tag(tag, expected):
    assert is_tag(tag) is expected


def test_an_empty_tag_is_refused_and_not_taken_for_outside():
    with pytest.raises(TagError, match="'' is no tag"):
        list(spans_of_tags(["O", ""]))


@settings(deadline=None)
@given(st.lists(st.text(max_size=5), min_size=1), st.data())
def test_a_span_of_words_covers_them_with_the_blanks_between(words, data):
    text = WordText.of(words)
    first = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(first + 1, len(words)))
    start, stop = text.span(first, end)
    assert text.text == " ".join(words)
    assert text.text[start:stop] == " ".join(words[first:end])


@pytest.mark.parametrize(("first", "end"), [(-1, 1), (0, 0), (1, 1), (1, 0), (0, 3), (2, 3)])
def test_words_that_are_not_there_have_no_span(first, end):
    with pytest.raises(IndexError, match="of a text of 2 words"):
        WordText.of(["a", "b"]).span(first, end)
