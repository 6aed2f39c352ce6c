"""Under test: the shapes of words, which tell an uncased encoder how a word is written."""

from __future__ import annotations

import numpy as np
import pytest

from pax_assets.nlp.shapes import CASES, SHAPES, shape, shapes_in, word_shapes


@pytest.mark.parametrize(
    ("word", "case"),
    [
        ("anna", "lower"),
        ("Anna", "Capitalised"),
        ("Ö3ö", "d1gits"),
        ("\u00d6zil", "Capitalised"),
        ("US", "UPPER"),
        ("I", "one capital"),
        ("iPhone", "miXed"),
        ("McDonald", "miXed"),
        ("2026", "digits"),
        ("\u0664\u0662", "digits"),
        ("b2b", "d1gits"),
        ("B2B", "d1gits"),
        ("4x4", "d1gits"),
        ("@", "signs"),
        ("...", "signs"),
        ("", "signs"),
        ("\u4f60\u597d", "lower"),
        ("\u05e9\u05dc\u05d5\u05dd", "lower"),
    ],
)
def test_a_word_has_the_shape_of_its_letters(word, case):
    assert CASES[shape(word) - 1] == case
    assert shape(word, glued=True) == shape(word) + len(CASES) < SHAPES


def test_words_glued_to_what_stands_before_them_are_told_apart():
    text = "@Anna met Bo"
    starts, ends = np.array([0, 1, 6, 10]), np.array([1, 5, 9, 12])
    signs, capitalised, lower = shape("@"), shape("Anna"), shape("met")
    glued = shape("Anna", glued=True)
    assert word_shapes(text, starts, ends).tolist() == [signs, glued, lower, capitalised]


def test_no_words_have_no_shapes():
    assert word_shapes("", np.array([], int), np.array([], int)).tolist() == []
    assert shapes_in("", [], []) == []


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("anna", "a" * 10_000),
        ("Anna", "A" + "a" * 24),
        ("US", "U" * 25),
        ("b2b", "b2" * 20),
        ("42", "4" * 30),
        ("@", "." * 999),
    ],
)
def test_a_long_word_has_the_shape_that_a_short_one_has(short, long):
    assert shape(long) == shape(short)
    assert shape(long, glued=True) == shape(short, glued=True)


def test_a_word_is_told_from_its_glued_self_however_often_it_comes():
    text = "Bo @Bo Bo @Bo"
    starts, ends = [0, 3, 4, 7, 10, 11], [2, 4, 6, 9, 11, 13]
    found = shapes_in(text, starts, ends)
    assert found[0] == found[3] == shape("Bo")
    assert found[2] == found[5] == shape("Bo", glued=True) != found[0]
    assert found == word_shapes(text, np.array(starts), np.array(ends)).tolist()
