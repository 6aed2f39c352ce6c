"""How a word is written: what an uncased encoder does not see, and names are known by.

The embedded encoder reads lower-cased text. "us" and "US", "apple" and "Apple" are one word to
it; in messages, the capital is often all there is. So the shape of each word travels beside its
ids. For cased encoders it says nothing new and costs one addition.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

# A word's shape is one of these, twice: after a blank, or glued to what stands before it.
CASES = ("lower", "Capitalised", "UPPER", "one capital", "miXed", "digits", "d1gits", "signs")
# Shapes are numbers from 1; 0 is where no word begins.
SHAPES = 2 * len(CASES) + 1
# Longer words are looked at each time: whoever sends long ones does not fill the memory.
_REMEMBERED = 24


def word_shapes(text: str, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return int32 (W,): the shapes of the words `text[start:end]`."""
    return np.array(shapes_in(text, starts.tolist(), ends.tolist()), dtype=np.int32)


def shapes_in(text: str, starts: Sequence[int], ends: Sequence[int]) -> list[int]:
    """Return the shapes of the words `text[start:end]`."""
    return [
        shape(text[start:end], glued=start > 0 and not text[start - 1].isspace())
        for start, end in zip(starts, ends, strict=True)
    ]


def shape(word: str, *, glued: bool = False) -> int:
    """Return the number of a word's shape, from 1; `glued` if no blank stands before it."""
    case = _known_case(word) if len(word) <= _REMEMBERED else _case(word)
    return 1 + case + (len(CASES) if glued else 0)


@lru_cache(maxsize=1 << 16)
def _known_case(word: str) -> int:
    # People use the same words again and again.
    return _case(word)


def _case(word: str) -> int:
    word = word.strip()
    if any(map(str.isdigit, word)):
        return 6 if any(map(str.isalpha, word)) else 5
    if not any(map(str.isalnum, word)):
        return 7
    if word.isupper():
        return 2 if len(word) > 1 else 3
    if word[:1].isupper() and word[1:].islower():
        return 1
    # Scripts without capitals are neither lower nor upper.
    return 4 if any(map(str.isupper, word)) else 0
