"""Under test: all recognizers together, on any text."""

import subprocess
import sys
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.nlp.recognizers import TYPES, Recognized, Recognizers
from pax_assets.nlp.recognizers.plain import plain
from pax_assets.nlp.recognizers.spans import without_overlaps
from pax_assets_tests.nlp.recognizers.cases import found, recognizers

PIECES = (
    "+1 415 555 2671",
    "anna@example.com",
    "https://x.com/a",
    "bank.com",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "1Z999AA10123456784",
    "order no. ",
    "tracking ",
    "12",
    "1/",
    "(",
    ")",
    "@",
    ".",
    "-",
    "#",
    " ",
    "\n",
    "a",
    "É",
    "\u0301",
    "\u202f",
    "\u00a0",
    "\u200f",
    "\u202e",
    "\x00",
    "\ud800",
    "\udc00",
    "٤١٥",
    "４１５",
    "😀",
    "中",
    "²",
    "Ⅷ",
)
TEXTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=20).map("".join),
    st.text(st.characters(exclude_categories=()), max_size=80),
)


@given(TEXTS, st.sampled_from(["US", "GB", "DE"]))
@settings(max_examples=400, deadline=None)
def test_any_text_gives_spans_in_it_in_order_and_without_overlaps(text, region):
    end = 0
    for one in recognizers(region).find(text):
        assert end <= one.start < one.end <= len(text)
        assert not text[one.start].isspace()
        assert not text[one.end - 1].isspace()
        assert one.type in TYPES
        assert 0 < one.score <= 1
        assert one.value
        assert one.value.encode("utf-8")
        end = one.end


@given(TEXTS)
@settings(deadline=None)
def test_the_plain_text_has_the_length_of_the_original(text):
    assert len(plain(text)) == len(text)


@given(TEXTS)
@settings(deadline=None)
def test_what_stands_far_away_changes_nothing(text):
    alone = recognizers().find(text)
    after = recognizers().find("nothing here.\n" * 6 + text)
    shift = 14 * 6
    assert [(one.start + shift, one.end + shift, one.type) for one in alone] == [
        (one.start, one.end, one.type) for one in after
    ]


@pytest.mark.parametrize("text", ["", " ", "hello there", "😀🎉", "שלום \u200f", "\ud800", "\x00"])
def test_nothing_is_found_where_nothing_is(text):
    assert found(text) == []


def test_offsets_count_code_points():
    text = "😀🎉 é\u0301 anna@example.com"
    (one,) = recognizers().find(text)
    assert text[one.start : one.end] == "anna@example.com"


SIZE = 1_000_000
UNITS = (
    "1",
    ".",
    "@",
    "1 ",
    "a.",
    "a",
    "(",
    "()",
    "1/",
    "1-",
    "a@",
    "http://",
    "www.",
    "١",
    "\ud800",
)


@pytest.mark.parametrize("unit", UNITS)
def test_a_megabyte_of_anything_takes_seconds(unit):
    started = time.perf_counter()
    recognizers().find((unit * (SIZE // len(unit) + 1))[:SIZE])
    # A second here; anything that grows with the square of the length would take hours.
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize(
    "text",
    [
        "http://a/" + "(" * SIZE,
        "http://a/" + ")" * SIZE,
        "http://a/" + "([" * SIZE,
        "x" * 10_000,
        ("x" * 10_000 + "@") * 100,
        "DE89 " * 100_000,
        "order " * 100_000,
        "order no. 12 " * 20_000,
        "4111 " * 10_000,
        "4155552671 " * 2_000,
        "2012-01-02 08 " * 2_000,
    ],
    ids=lambda text: f"{text[:12]}…",
)
def test_hostile_repetitions_end(text):
    started = time.perf_counter()
    recognizers().find(text)
    assert time.perf_counter() - started < 60


def test_a_recognizer_needs_a_region_that_has_phones():
    with pytest.raises(ValueError, match="'XY' is no region with phone numbers"):
        Recognizers("XY")
    assert Recognizers("de").region == "DE"


def test_importing_loads_no_library():
    script = (
        "import sys, pax_assets.nlp.merge, pax_assets.nlp.recognizers;"
        "print({'phonenumbers', 'stdnum', 'torch', 'dagster'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def spans(*given: tuple[int, int, str]) -> list[Recognized]:
    return [Recognized(start, end, kind, "v", "r") for start, end, kind in given]


def test_of_spans_that_overlap_the_longest_stands():
    short, long, other = spans((0, 5, "iban"), (3, 12, "phone_number"), (12, 14, "url"))
    assert without_overlaps([other, short, long]) == [long, other]


def test_of_spans_of_equal_length_the_type_decides():
    phone, card = spans((0, 9, "phone_number"), (0, 9, "card_number"))
    assert without_overlaps([phone, card]) == [card]
    assert without_overlaps([card, phone]) == [card]


def test_a_span_that_lost_makes_room_for_one_that_it_overlapped():
    first, middle, last = spans((0, 10, "url"), (8, 16, "url"), (12, 18, "url"))
    assert without_overlaps([first, middle, last]) == [first, last]


@given(
    st.lists(
        st.builds(
            lambda start, length, kind, score: Recognized(
                start, start + length, kind, "v", "r", score
            ),
            st.integers(0, 30),
            st.integers(1, 12),
            st.sampled_from(TYPES),
            st.sampled_from([0.8, 1.0]),
        ),
        max_size=12,
    ),
    st.randoms(),
)
def test_the_choice_does_not_depend_on_the_order_and_leaves_no_room(given_spans, random):
    kept = without_overlaps(given_spans)
    assert all(one.end <= other.start for one, other in pairwise(kept))
    shuffled = list(given_spans)
    random.shuffle(shuffled)
    assert without_overlaps(shuffled) == kept
    for one in given_spans:
        assert any(one.start < other.end and other.start < one.end for other in kept)
