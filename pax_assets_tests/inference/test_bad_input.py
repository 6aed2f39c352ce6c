"""Under test: texts that break weak runtimes, with recognizers at work: spans, and time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.inference.runtime import Runtime
from pax_assets.nlp.documents import Analysis
from pax_assets.training.parity import labels
from pax_assets_tests.bentos.lookup_model import write_lookup_artifact

MEGABYTE = 1_000_000
SENTENCE = "well anna will meet ben in paris on friday, call +1 415 555 2671 or a@b.org "
HARD: dict[str, str] = {
    "empty": "",
    "blank": " \t\r\n\u3000",
    "only emoji": "🙂🙃👩‍👩‍👧‍👦🇩🇪❤️" * 40,
    "right to left with marks": (
        "\u202bשלום anna\u202c \u200fעם דנה\u200e +1 415 555 2671 \u2067x\u2069"
    ),
    "vowel signs": "שָׁלוֹם anna क्षि ben กำ",
    "NUL": "\x00anna\x00works for\x00acme\x00",
    "lone surrogates": "\ud83d anna \udc00 works for acme \ud83d\ud83d a@b.org\udfff",
    "a narrow blank": "meet anna at 5\u202fPM\u202f, +1\u202f415\u202f555\u202f2671",
    "combining sequences": "a\u0301nna " + "e" + "\u0301" * 500 + " ben\u0308 works for acme",
    "a word of 10,000 characters": "anna " + "x" * 10_000 + " works for acme",
    "10,000 digits": "anna " + "4" * 10_000 + " a@b.org",
    "10,000 dots": "a." * 5_000 + "org anna",
    "10,000 signs": "@" * 10_000 + "b.org anna",
    "special tokens": "[SEP] anna [CLS][MASK] works for acme [PAD]",
    "other line ends": "anna\u2028works\x85for\x0bacme\x0c",
    "a word that grows in lower case": "\u0130stanbul anna \ufb03 works for acme \u00df",
    "beyond the plane": "𝔸nna 𝟜𝟙𝟝 works for acme \U0010ffff",
}
# Pieces that a text may be made of: what is looked for, and what is hostile.
PIECES = st.one_of(
    st.sampled_from(
        ["anna", "ben", "works for", "acme", "will meet", "friday", "+1 415 555 2671", "a@b.org"]
    ),
    st.sampled_from(["https://x.org/?q=1", "DE89370400440532013000", "4111 1111 1111 1111"]),
    st.sampled_from(["\x00", "\ud83d", "\udc00", "\u202f", "\u0301", "\u202b", "\u2066", "🇩🇪"]),
    st.text(alphabet=st.characters(exclude_categories=()), max_size=12),
)
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from(["", " ", "\n"])), max_size=14).map(
    lambda pieces: "".join(piece + blank for piece, blank in pieces)
)


@pytest.fixture(scope="module")
def runtime(toy_onnx: Path) -> Runtime:
    return Runtime.load(toy_onnx, threads=1, region="US")


def check(text: str, analysis: Analysis) -> None:
    end = 0
    for entity in analysis.entities:
        assert text[entity.start : entity.end] == entity.text != ""
        assert end <= entity.start  # in order, and none in another one
        end = entity.end
    for event in analysis.events:
        assert text[event.start : event.end] == event.text != ""
    known = [entity.id for entity in analysis.entities]
    assert known == [f"e{number}" for number in range(1, len(known) + 1)]
    linked = {argument.entity for event in analysis.events for argument in event.arguments}
    linked |= {end for r in analysis.relations for end in (r.head, r.tail)}
    assert linked <= set(known)
    found = [*analysis.entities, *analysis.events, *analysis.relations]
    found += [argument for event in analysis.events for argument in event.arguments]
    assert all(0 < one.score <= 1 for one in found)


@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
def test_hard_texts_get_answers_with_spans_of_the_text_as_it_is(runtime: Runtime, text: str):
    [analysis] = runtime.analyze([text])
    check(text, analysis)


def test_what_there_is_to_find_is_found_among_hard_signs(runtime: Runtime):
    names = ("lone surrogates", "a narrow blank", "special tokens", "10,000 digits")
    for name, analysis in zip(names, runtime.analyze([HARD[n] for n in names]), strict=True):
        assert "anna" in {entity.text for entity in analysis.entities}, name
    [narrow] = runtime.analyze([HARD["a narrow blank"]])
    assert {e.value for e in narrow.entities if e.recognizer} == {"+14155552671"}
    [surrogates] = runtime.analyze([HARD["lone surrogates"]])
    assert "a@b.org" in {e.text for e in surrogates.entities}


def test_hard_texts_are_answered_alike_alone_and_together(runtime: Runtime):
    together = runtime.analyze(list(HARD.values()))
    for text, analysis in zip(HARD.values(), together, strict=True):
        check(text, analysis)
        assert labels(runtime.analyze([text])[0]) == labels(analysis)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_any_texts_get_answers_with_spans_of_the_text_as_it_is(runtime: Runtime, texts: list[str]):
    analyses = runtime.analyze(texts)
    assert len(analyses) == len(texts)
    for text, analysis in zip(texts, analyses, strict=True):
        check(text, analysis)


def seconds(runtime: Runtime, text: str) -> float:
    started = time.process_time()
    [analysis] = runtime.analyze([text])
    spent = time.process_time() - started
    check(text, analysis)
    return spent


@pytest.fixture(scope="module")
def lookup(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """A model that costs next to nothing, so that all else shows."""
    return Runtime.load(
        write_lookup_artifact(tmp_path_factory.mktemp("lookup")), threads=1, region="US"
    )


@pytest.mark.parametrize(
    ("piece", "size"),
    [
        (SENTENCE, MEGABYTE),
        ("x", MEGABYTE),
        ("4", MEGABYTE),
        ("\u0301", MEGABYTE),
        ("🙂", MEGABYTE),
        ("\u202f", MEGABYTE),
        ("\x00", MEGABYTE),
        # A token for each sign.
        ("a.", MEGABYTE // 5),
        ("@", MEGABYTE // 5),
        ("4 ", MEGABYTE // 5),
    ],
    ids=lambda value: ascii(value)[:12],
)
def test_a_text_of_four_times_the_length_takes_four_times_as_long(
    lookup: Runtime, piece: str, size: int
):
    """Processor time, so that the neighbours on a machine do not count; quadratic would be 16.

    What takes less than some tenths of a second for the whole is too short to be told.
    """
    text = (piece * (size // len(piece) + 1))[:size]
    quarter = min(seconds(lookup, text[: size // 4]) for _ in range(2))
    whole = seconds(lookup, text)
    assert whole < 8 * max(quarter, 0.05)
