"""Which language a message is in: right for short texts, silent where unsure, offline, lazy."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax_assets.nlp.language import UNDETERMINED, identify
from pax_assets_tests.benchmarks.languages import short_messages


def test_short_messages_of_sixteen_languages_are_named():
    own = short_messages()
    found = [language.language for language in identify([text for _, text in own])]
    right = sum(f == expected for f, (expected, _) in zip(found, own, strict=True))
    unsure = found.count(UNDETERMINED)
    assert len({language for language, _ in own}) == 16
    assert right / len(own) > 0.95
    assert (len(own) - right - unsure) / len(own) < 0.03


@pytest.mark.parametrize(
    "text",
    ["", "12345", "\U0001f642\U0001f642", "https://example.org/ein/langer/pfad", "a@b.example"],
)
def test_no_words_are_no_language(text):
    assert identify([text]) == [(UNDETERMINED, 0.0)]


def test_an_address_does_not_decide_and_lines_do_not_matter():
    plain, odd = identify(
        [
            "Wo treffen wir uns morgen",
            "Wo TREFFEN\nwir uns\r\nmorgen https://the-english-site.example",
        ]
    )
    assert plain == odd
    assert plain.language == "de"


@given(st.lists(st.text(), max_size=5))
def test_any_text_gives_one_answer(texts):
    found = identify(texts)
    assert len(found) == len(texts)
    assert all(0 <= language.confidence <= 1 for language in found)
    assert found == [identify([text])[0] for text in texts]


def test_nothing_is_loaded_before_the_first_text_and_no_client_ever():
    program = (
        "import sys\n"
        "from pax_assets.nlp.language import identify\n"
        "before = 'fasttext' in sys.modules\n"
        "identify(['hello there'])\n"
        "print(before, 'requests' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
