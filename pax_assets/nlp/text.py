"""Text that a tokenizer can take, with every code point where it was.

Hostile JSON carries lone surrogates (`"\\ud83d"`). They cannot be written as UTF-8, so a
tokenizer raises on them and one message fails a whole batch. Dropping them would shift all
offsets behind; one replacement character for each keeps offsets valid in the original.
"""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def encodable(text: str) -> str:
    """Return `text` with each lone surrogate replaced by U+FFFD: same length, valid UTF-8."""
    return _SURROGATE.sub("\ufffd", text)


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Shrink `[start, end)` so that it neither begins nor ends with whitespace.

    Some tokenizers count the space before a word to the word. Returns `(start, start)` where
    nothing but whitespace is left.
    """
    while end > start and text[end - 1].isspace():
        end -= 1
    while start < end and text[start].isspace():
        start += 1
    return start, end
