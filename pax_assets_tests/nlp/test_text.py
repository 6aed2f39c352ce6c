"""Under test: text for the tokenizer, with every code point where it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax_assets.nlp.text import encodable, trimmed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a\ud83db", "a\ufffdb"),
        ("\udfff\ud800", "\ufffd\ufffd"),
        ("🙂\x00\u202f", "🙂\x00\u202f"),
    ],
)
def test_lone_surrogates_become_replacement_characters(text, expected):
    assert encodable(text) == expected


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_text_becomes_encodable_at_the_same_length(text):
    result = encodable(text)
    result.encode("utf-8")
    assert len(result) == len(text)


@pytest.mark.parametrize(
    ("text", "span", "expected"),
    [
        ("  ab ", (0, 5), (2, 4)),
        ("ab", (0, 2), (0, 2)),
        ("\u202f\u00a0x", (0, 3), (2, 3)),
        ("   ", (0, 3), (0, 0)),
        ("abc", (1, 1), (1, 1)),
    ],
)
def test_spans_lose_their_outer_whitespace(text, span, expected):
    assert trimmed(text, *span) == expected
