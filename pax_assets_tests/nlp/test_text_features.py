"""What is counted in a text, case by case, and that counting never takes long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax_assets.nlp.text_features import normalized, script, text_features


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"char_count": 0, "word_count": 0, "line_count": 0, "uppercase_share": None}),
        ("Hi\n\nyou -- there\n", {"word_count": 3, "line_count": 3, "char_count": 17}),
        ("see www.example.org, https://x.example/?q=1", {"url_count": 2}),
        ("HTTP://LOCALHOST:3000/a", {"url_count": 1}),
        ("a.b@c.example, <d@e.example>; not@here", {"email_count": 2}),
        ("call +49 (151) 234-5678 or 0151/2345678", {"phone_count": 2, "number_count": 6}),
        ("1.234,56 and 10:30", {"number_count": 2, "phone_count": 0}),
        ("code 123456", {"number_count": 1, "phone_count": 0}),
        (
            "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd!",
            {"emoji_count": 3},
        ),
        ("ABc1", {"uppercase_share": 2 / 3}),
        ("\u4f60\u597d", {"uppercase_share": None, "word_count": 1}),
        ("\u00bfQu\u00e9? No! \u061f", {"question_count": 3, "exclamation_count": 1}),
        ("What?!", {"question_count": 1, "exclamation_count": 1}),
    ],
)
def test_a_text_is_counted(text, expected):
    found = text_features(text)._asdict()
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Zyyy"),
        ("123 \U0001f642", "Zyyy"),
        ("hello", "Latn"),
        ("caf\u00e9", "Latn"),
        ("\u041f\u0440\u0438\u0432\u0435\u0442 ok", "Cyrl"),
        ("\u0645\u0631\u062d\u0628\u0627", "Arab"),
        ("\u0928\u092e\u0938\u094d\u0924\u0947", "Deva"),
        ("\u4f60\u597d", "Hani"),
        ("\u4e86\u89e3\u3067\u3059", "Jpan"),
        ("\uc548\ub155", "Kore"),
        ("\u0393\u03b5\u03b9\u03b1", "Grek"),
        ("\u05e9\u05dc\u05d5\u05dd", "Hebr"),
        ("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "Thai"),
    ],
)
def test_a_text_has_a_script(text, expected):
    assert script(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello  World\n", "hello world"),
        ("\uff28\uff45\uff4c\uff4c\uff4f", "hello"),
        ("STRASSE", "stra\u00dfe"),
    ],
)
def test_near_duplicates_have_one_digest(one, other):
    assert text_features(one).normalized_sha256 == text_features(other).normalized_sha256


def test_other_words_have_another():
    digests = {text_features(t).normalized_sha256 for t in ("hello", "hello!", "hallo")}
    assert len(digests) == 3


@given(st.text())
def test_any_text_can_be_counted(text):
    found = text_features(text)
    assert found.char_count == len(text)
    assert found.uppercase_share is None or 0 <= found.uppercase_share <= 1
    assert found.word_count <= found.char_count
    assert normalized(text) == " ".join(normalized(text).split())


@pytest.mark.parametrize(
    "unit", ["a", "1", "1 ", "a@", ".", "\U0001f642", "www.", "+(", "a.b", "@a."]
)
def test_a_megabyte_of_anything_is_counted_in_time(unit):
    started = time.perf_counter()
    text_features(unit * (1_000_000 // len(unit)))
    assert time.perf_counter() - started < 3
