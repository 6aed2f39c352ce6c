"""Overlapping windows over a tokenized text, and which window answers for which token.

An encoder sees a few hundred tokens; a mail has thousands. Cutting the text loses its tail, and
cutting without overlap blinds the model at each edge. Here windows overlap, and each token is
owned by exactly one window: the one in which it lies farther from a cut. Whoever merges by
ownership can neither lose a token nor count one twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pax_assets.nlp.shapes import shapes_in, word_shapes


@dataclass(frozen=True, slots=True)
class Tokens:
    """One text as tokens, without special tokens. All arrays are int32 of shape (n,).

    `ids` are vocabulary indices; `words` numbers the word of each piece (-1: none); `starts`
    and `ends` are half-open code point offsets into the text; `shapes` are `nlp.shapes` of the
    words, on their first pieces, and 0 elsewhere.
    """

    ids: np.ndarray
    words: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    shapes: np.ndarray

    @classmethod
    def of(
        cls, text: str, ids: np.ndarray, words: np.ndarray, starts: np.ndarray, ends: np.ndarray
    ) -> Tokens:
        """Return the tokens of `text`, with the shapes of its words."""
        tokens = cls(ids, words, starts, ends, np.zeros(len(ids), dtype=np.int32))
        first = tokens.first_pieces
        tokens.shapes[first] = word_shapes(text, starts[first], tokens.word_ends[first])
        return tokens

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def first_pieces(self) -> np.ndarray:
        """Boolean (n,): the first piece of each word."""
        if not len(self):
            return np.zeros(0, dtype=bool)
        before = np.concatenate(([-1], self.words[:-1]))
        return (self.words >= 0) & (self.words != before)

    @property
    def word_ends(self) -> np.ndarray:
        """Code point offset (n,) at which the word of each piece ends."""
        if not len(self):
            return self.ends
        last_pieces = np.flatnonzero(np.append(self.words[1:] != self.words[:-1], True))
        return self.ends[last_pieces[np.searchsorted(last_pieces, np.arange(len(self)))]]


@dataclass(frozen=True, slots=True)
class TokenizedTexts:
    """Several texts as one run of tokens, so that they are windowed and decoded at once.

    Text i has the tokens `[bounds[i], bounds[i + 1])`, `bounds` int64 (N + 1,). In `tokens`, words
    are numbered through all texts; offsets count from the beginning of each text.
    """

    tokens: Tokens
    bounds: np.ndarray

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        bounds: np.ndarray,
        ids: np.ndarray,
        words: np.ndarray,
        starts: np.ndarray,
        ends: np.ndarray,
    ) -> TokenizedTexts:
        """Join tokens of `texts`, whose `words` (T,) count from 0 in each (-1: none)."""
        # A text has fewer words than tokens, so that its numbers stay below the next text's.
        numbered = np.where(words < 0, -1, words + np.repeat(bounds[:-1], np.diff(bounds)))
        shapes = np.zeros(len(ids), dtype=np.int32)
        tokens = Tokens(ids, numbered.astype(np.int32), starts, ends, shapes)
        first = np.flatnonzero(tokens.first_pieces)
        word_starts, word_ends = starts[first].tolist(), tokens.word_ends[first].tolist()
        borders = np.searchsorted(first, bounds).tolist()
        found: list[int] = []
        for text, (begin, end) in zip(texts, pairwise(borders), strict=True):
            found += shapes_in(text, word_starts[begin:end], word_ends[begin:end])
        shapes[first] = found
        return cls(tokens, bounds)

    def __iter__(self) -> Iterator[Tokens]:
        """Yield the tokens of each text."""
        all_ = self.tokens
        for begin, end in pairwise(self.bounds.tolist()):
            piece = slice(begin, end)
            words = all_.words[piece]
            yield Tokens(
                all_.ids[piece],
                np.where(words < 0, -1, words - begin).astype(np.int32),
                all_.starts[piece],
                all_.ends[piece],
                all_.shapes[piece],
            )


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens `[start, end)` of a text, of which it owns `[own_start, own_end)`."""

    start: int
    end: int
    own_start: int
    own_end: int


def split_windows(length: int, body: int, stride: int) -> list[Window]:
    """Cut `length` tokens into windows of at most `body` tokens that overlap by `stride`.

    The owned ranges partition `range(length)`; between two windows the border lies in the
    middle of their overlap. No windows for an empty text. `ValueError` unless stride < body.
    """
    if not 0 <= stride < body:
        raise ValueError(f"an overlap of {stride} does not fit a window of {body} tokens")
    if length == 0:
        return []
    starts: Sequence[int] = range(0, max(1, length - stride), body - stride)
    bounds = [(start, min(start + body, length)) for start in starts]
    borders = [0]
    for (_, end), (start, _) in pairwise(bounds):
        borders.append((start + end + 1) // 2)
    borders.append(length)
    return [Window(*bounds[i], borders[i], borders[i + 1]) for i in range(len(bounds))]
