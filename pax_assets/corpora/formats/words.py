"""Words and their tags to text and spans, for the many formats that come as words.

The words are joined with single blanks, and offsets count in that text: no format of words says
how its text was spaced.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Tagging = Literal["auto", "iob1", "iob2", "bilou"]
# Begin, inside, last, unit; BIOES and BMEWO call the last two otherwise.
_MARKS = {"B": "B", "I": "I", "M": "I", "L": "L", "E": "L", "U": "U", "S": "U", "W": "U"}
_OUTSIDE = "O"


class TagError(ValueError):
    """A tag that the scheme does not allow; `index` is its word's position."""

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(problem)
        self.index = index


class EmptySpanError(TagError):
    """A span of empty words only."""


@dataclass(frozen=True, slots=True)
class WordText:
    """Words joined with blanks. `starts` and `ends` are the words' half-open offsets."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, words: Sequence[str]) -> WordText:
        """Join `words`."""
        starts, ends, at = [], [], 0
        for word in words:
            starts.append(at)
            ends.append(at + len(word))
            at += len(word) + 1
        return cls(" ".join(words), tuple(starts), tuple(ends))

    def span(self, first: int, end: int) -> tuple[int, int]:
        """Return the offsets of the words `[first, end)`; `IndexError` where there are none."""
        if not 0 <= first < end <= len(self.starts):
            raise IndexError(f"words [{first}, {end}) of a text of {len(self.starts)} words")
        return self.starts[first], self.ends[end - 1]


def is_tag(tag: str, separators: str = "-_") -> bool:
    """Say whether `tag` has the form of a tag: O, or a mark, a separator and a type."""
    return tag == _OUTSIDE or (
        len(tag) > 2 and tag[1] in separators and tag[0].upper() in _MARKS and bool(tag[2:].strip())
    )


def tagged_text(
    words: Sequence[str], tags: Sequence[str], tagging: Tagging = "auto"
) -> tuple[str, list[tuple[int, int, str]]]:
    """Return the words as a text, and the offsets and types of the spans that `tags` mark.

    A word that is empty is left out of the text and counts in its span, since a tag may continue
    over it. Raises `TagError`, `EmptySpanError` for a span of such words only.
    """
    kept = [index for index, word in enumerate(words) if word]
    text = WordText.of([words[index] for index in kept])
    spans = []
    for first, end, kind in spans_of_tags(tags, tagging):
        inside = bisect_left(kept, first), bisect_left(kept, end)
        if inside[0] == inside[1]:
            raise EmptySpanError(first, f"an entity ({kind}) of empty words only")
        spans.append((*text.span(*inside), kind))
    return text.text, spans


def spans_of_tags(
    tags: Sequence[str], tagging: Tagging = "auto", separators: str = "-_"
) -> Iterator[tuple[int, int, str]]:
    """Yield `(first, end, type)`, words half-open, of each span that `tags` mark, in order.

    With "auto" any tag sequence is read as most evaluations read it: a span begins at a `B`, a
    unit, or any tag that does not continue the one before. That covers IOB1, IOB2, BILOU and
    BIOES. With a named scheme a sequence that the scheme does not allow raises `TagError`; so
    does, with each, what is no tag (`is_tag`).
    """
    # A span is collected from `first` on (-1: none); it is open until a last word or a unit.
    first, kind, is_open = -1, "", False
    for index, tag in enumerate(tags):
        mark, name = _parts(index, tag, separators)
        of_one_type = is_open and name == kind
        continues = of_one_type and mark in "IL"
        if tagging in ("iob1", "iob2"):
            _require_iob(index, tag, mark, tagging, after_its_type=of_one_type)
        elif tagging == "bilou":
            _require_bilou(index, tag, mark, continues=continues, is_open=is_open)
        if first >= 0 and not continues:
            yield first, index, kind
            first = -1
        if mark == _OUTSIDE:
            is_open = False
            continue
        if not continues:
            first, kind = index, name
        is_open = mark in "BI"
    if tagging == "bilou" and is_open:
        raise TagError(len(tags) - 1, "the last span has no closing tag")
    if first >= 0:
        yield first, len(tags), kind


def _parts(index: int, tag: str, separators: str) -> tuple[str, str]:
    if not is_tag(tag, separators):
        raise TagError(index, f"{tag!r} is no tag such as O, B-PER or I-PER")
    return (_OUTSIDE, "") if tag == _OUTSIDE else (_MARKS[tag[0].upper()], tag[2:])


def _require_iob(
    index: int, tag: str, mark: str, tagging: Tagging, *, after_its_type: bool
) -> None:
    if mark in "LU":
        raise TagError(index, f"{tag!r} is no tag of {tagging.upper()}")
    if tagging == "iob2" and mark == "I" and not after_its_type:
        raise TagError(index, f"{tag!r} continues no span of its type (IOB2)")
    if tagging == "iob1" and mark == "B" and not after_its_type:
        raise TagError(index, f"{tag!r} stands after no span of its type (IOB1 begins with I)")


def _require_bilou(index: int, tag: str, mark: str, *, continues: bool, is_open: bool) -> None:
    if mark in "IL" and not continues:
        raise TagError(index, f"{tag!r} continues no span of its type (BILOU)")
    if is_open and not continues:
        raise TagError(index, f"{tag!r} stands where the span before has no closing tag (BILOU)")
