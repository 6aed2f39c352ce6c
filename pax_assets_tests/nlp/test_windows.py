"""Under test: windows that overlap, and that no token is lost or owned twice."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax_assets.nlp.windows import TokenizedTexts, Tokens, split_windows


@pytest.mark.parametrize(
    ("length", "bounds"),
    [
        (0, []),
        (1, [(0, 1)]),
        (10, [(0, 10)]),
        (11, [(0, 10), (6, 11)]),
        (16, [(0, 10), (6, 16)]),
        (17, [(0, 10), (6, 16), (12, 17)]),
    ],
)
def test_windows_of_ten_overlap_by_four(length, bounds):
    assert [(w.start, w.end) for w in split_windows(length, 10, 4)] == bounds


def test_a_token_in_an_overlap_is_owned_where_it_lies_farther_from_the_cut():
    first, second = split_windows(16, 10, 4)
    assert (first.own_end, second.own_start) == (8, 8)


@given(
    length=st.integers(0, 3000),
    body=st.integers(2, 300),
    stride=st.integers(0, 298),
)
def test_every_token_is_owned_by_exactly_one_window_that_contains_it(length, body, stride):
    stride = min(stride, body - 1)
    windows = split_windows(length, body, stride)
    owners = np.zeros(length, dtype=int)
    for window in windows:
        assert 0 < window.end - window.start <= body
        assert window.start <= window.own_start < window.own_end <= window.end
        owners[window.own_start : window.own_end] += 1
    assert (owners == 1).all()


@given(length=st.integers(1, 3000), body=st.integers(10, 300), stride=st.integers(0, 9))
def test_neighbouring_windows_overlap_by_the_stride(length, body, stride):
    windows = split_windows(length, body, stride)
    for one, other in pairwise(windows):
        assert one.end - other.start == stride


def test_an_overlap_as_long_as_the_window_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        split_windows(10, 4, 4)


def tokens(words: list[int], ends: list[int]) -> Tokens:
    n = len(words)
    text = "x" * max([0, *ends])
    return Tokens.of(text, np.arange(n), np.array(words), np.zeros(n, dtype=int), np.array(ends))


@pytest.mark.parametrize(
    ("words", "first", "ends", "word_ends"),
    [
        ([], [], [], []),
        ([0, 0, 1], [1, 0, 1], [2, 4, 7], [4, 4, 7]),
        ([-1, 0, -1, 1, 1], [0, 1, 0, 1, 0], [0, 2, 3, 5, 9], [0, 2, 3, 9, 9]),
        ([3, 3, 4], [1, 0, 1], [1, 2, 3], [2, 2, 3]),
    ],
)
def test_first_pieces_and_word_ends(words, first, ends, word_ends):
    sample = tokens(words, ends)
    assert sample.first_pieces.astype(int).tolist() == first
    assert sample.word_ends.tolist() == word_ends


def test_several_texts_are_one_run_of_words_and_each_by_itself_again():
    texts = ["Anna met", "", "x", "@Bo 2026"]
    bounds = np.array([0, 3, 3, 4, 7])
    words = np.array([0, 0, 1, -1, 0, 1, 2])
    starts = np.array([0, 2, 5, 0, 0, 1, 4])
    ends = np.array([2, 4, 8, 1, 1, 3, 8])
    together = TokenizedTexts.of(texts, bounds, np.arange(7), words, starts, ends)
    run = together.tokens
    # First pieces in a row of different texts stay words of their own.
    assert run.first_pieces.tolist() == [True, False, True, False, True, True, True]
    assert run.word_ends.tolist() == [4, 4, 8, 1, 1, 3, 8]
    for text, (begin, end), own in zip(texts, pairwise(bounds.tolist()), together, strict=True):
        here = slice(begin, end)
        alone = Tokens.of(text, np.arange(7)[here], words[here], starts[here], ends[here])
        for name in Tokens.__slots__:
            assert getattr(own, name).tolist() == getattr(alone, name).tolist(), name


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=6), min_size=1),
)
def test_a_words_pieces_are_of_one_text(sizes):
    """Each text is words of so many further pieces, some with a piece before that is no word."""
    numbers: list[list[int]] = []
    for text in sizes:
        words: list[int] = []
        for number, (more, blank) in enumerate(text):
            words += [-1] * blank + [number] * (1 + more)
        numbers.append(words)
    bounds = np.concatenate(([0], np.cumsum([len(words) for words in numbers])))
    count = int(bounds[-1])
    flat = np.array([number for words in numbers for number in words], dtype=np.int64)
    places = np.concatenate([np.arange(len(words)) for words in numbers])
    texts = ["x" * len(words) for words in numbers]
    run = TokenizedTexts.of(texts, bounds, np.arange(count), flat, places, places + 1)
    assert run.tokens.first_pieces.sum() == sum(len(text) for text in sizes)
    assert [tokens.words.tolist() for tokens in run] == numbers
