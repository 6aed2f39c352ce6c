"""From logits to an Analysis: the one decoder of training, service and batch scoring.

Scores that are decoded by two programs drift apart by the details: how a span that begins with
`I-` is repaired, which window is believed in an overlap, when a relation counts. All of them
call this module, with NumPy only, so that a number measured in training is the number served.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pax_assets.nlp.documents import (
    Analysis,
    FoundArgument,
    FoundEntity,
    FoundEvent,
    FoundRelation,
)
from pax_assets.nlp.labels import LabelScheme
from pax_assets.nlp.text import trimmed
from pax_assets.nlp.windows import TokenizedTexts

# Scores are rounded so that a JSON answer is short; finer than any tolerance in the contracts.
SCORE_DIGITS = 6
# Words of sequences that are searched at once.
_TABLE = 1 << 16


@dataclass(frozen=True, slots=True)
class Pairs:
    """Scored pairs of words.

    `words` (P, 2) are their places among the words of all texts; `logits` (P, C), class 0 means
    none. A pair that two windows saw occurs twice.
    """

    words: np.ndarray
    logits: np.ndarray

    def found(self) -> dict[tuple[int, int], np.ndarray]:
        """Return the probabilities (C,) of pairs that are not "none"; of two, the surer ones."""
        some = np.flatnonzero(self.logits.argmax(axis=-1) > 0)
        kept: dict[tuple[int, int], np.ndarray] = {}
        for (first, second), scores in zip(
            self.words[some].tolist(), softmax(self.logits[some]), strict=True
        ):
            pair = (first, second)
            if pair not in kept or scores.max() > kept[pair].max():
                kept[pair] = scores
        return dict(sorted(kept.items()))


@dataclass(frozen=True, slots=True)
class Span:
    """Words `[first, last]` (positions among the words of a text) with a type and a score."""

    first: int
    last: int
    type: str
    score: float


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def best_paths(probabilities: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return the most probable valid BIO label of each word, shape (W,), from (W, E).

    Labels are ordered as `nlp.labels.bio` does: 0 is O, 2k+1 is B and 2k+2 is I of type k. An
    I may only follow the B or I of its own type in its sequence `[bounds[i], bounds[i + 1])`.
    Where the labels that are best one by one already form a valid sequence they are the answer;
    else a Viterbi search finds it.
    """
    path = probabilities.argmax(axis=1)
    before = np.concatenate(([0], path[:-1]))
    before[bounds[:-1][bounds[:-1] < len(path)]] = 0
    inside = (path > 0) & (path % 2 == 0)
    invalid = np.flatnonzero(inside & (before != path) & (before != path - 1))
    sequences = np.unique(np.searchsorted(bounds, invalid, side="right"))
    begins, ends = bounds[sequences - 1], bounds[sequences]
    for begin, end, group in _alike(begins, ends):
        words = begin[:, None] + np.arange(group)
        real = words < end[:, None]
        padded = np.zeros((len(begin), group, probabilities.shape[1]), probabilities.dtype)
        padded[..., 0] = 1  # after the end only O, which changes nothing before it
        padded[real] = probabilities[words[real]]
        path[words[real]] = viterbi(padded)[real]
    return path


def _alike(begins: np.ndarray, ends: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Group sequences of like length; yield begins, ends, and the longest length of each group."""
    order = np.argsort(ends - begins, kind="stable")
    while len(order):
        lengths = (ends - begins)[order]
        # Each group at most doubles in length, and its table stays small.
        fits = (lengths <= 2 * lengths[0]) & (lengths * np.arange(1, len(order) + 1) <= _TABLE)
        count = max(1, int(fits.sum()))
        chosen, order = order[:count], order[count:]
        yield begins[chosen], ends[chosen], int(lengths[count - 1])


def viterbi(probabilities: np.ndarray) -> np.ndarray:
    """Return the most probable valid BIO labels (N, W) of N sequences (N, W, E)."""
    scores = np.log(np.maximum(probabilities, 1e-30))
    sequences, words, labels = scores.shape
    is_inside = np.arange(labels) % 2 == 0
    is_inside[0] = False
    own_begin = np.maximum(np.arange(labels) - 1, 0)
    back = np.zeros((words, sequences, labels), dtype=np.int32)
    best = np.where(is_inside, -np.inf, scores[:, 0])
    for word in range(1, words):
        any_previous = best.argmax(axis=1)[:, None]
        own_previous = np.where(best[:, own_begin] > best, own_begin, np.arange(labels))
        back[word] = np.where(is_inside, own_previous, any_previous)
        best = np.take_along_axis(best, back[word], axis=1) + scores[:, word]
    path = np.empty((sequences, words), dtype=np.int64)
    path[:, -1] = best.argmax(axis=1)
    rows = np.arange(sequences)
    for word in range(words - 1, 0, -1):
        path[:, word - 1] = back[word, rows, path[:, word]]
    return path


def decode(
    texts: Sequence[str],
    tokenized: TokenizedTexts,
    scheme: LabelScheme,
    token_logits: tuple[np.ndarray, np.ndarray],
    pairs: tuple[Pairs, Pairs],
) -> list[Analysis]:
    """Return what was found in each text, offsets into the texts as they are.

    `token_logits` are those of entities (W, E) and of triggers (W, T), W counting the words (first
    pieces) of all texts; `pairs` are relations (head, tail) and arguments (trigger, entity).
    """
    return _Decoder(texts, tokenized, scheme).decode(token_logits, pairs)


class _Decoder:
    """Spans of all texts at once; objects only for what was found."""

    def __init__(
        self, texts: Sequence[str], tokenized: TokenizedTexts, scheme: LabelScheme
    ) -> None:
        tokens = tokenized.tokens
        first = np.flatnonzero(tokens.first_pieces)
        self._texts = texts
        self._scheme = scheme
        # words of text i are [bounds[i], bounds[i + 1])
        self._bounds = np.searchsorted(first, tokenized.bounds)
        self._starts = tokens.starts[first]
        self._ends = tokens.word_ends[first]

    def decode(
        self, token_logits: tuple[np.ndarray, np.ndarray], pairs: tuple[Pairs, Pairs]
    ) -> list[Analysis]:
        entity_logits, trigger_logits = token_logits
        entities: list[list[FoundEntity]] = [[] for _ in self._texts]
        entity_at: dict[int, FoundEntity] = {}
        for span, text, start, end in self._placed(entity_logits, self._scheme.entities):
            surface = self._texts[text][start:end]
            name = f"e{len(entities[text]) + 1}"
            entities[text].append(FoundEntity(name, span.type, surface, start, end, span.score))
            entity_at[span.first] = entities[text][-1]
        events: list[list[FoundEvent]] = [[] for _ in self._texts]
        arguments = _by_first(pairs[1])
        for span, text, start, end in self._placed(trigger_logits, self._scheme.triggers):
            surface = self._texts[text][start:end]
            name = f"v{len(events[text]) + 1}"
            found = self._arguments(span.type, arguments.get(span.first, ()), entity_at)
            events[text].append(
                FoundEvent(name, span.type, surface, start, end, span.score, tuple(found))
            )
        relations = self._relations(pairs[0], entity_at)
        return [
            Analysis(tuple(one), tuple(two), tuple(relations.get(text, ())))
            for text, (one, two) in enumerate(zip(entities, events, strict=True))
        ]

    def _placed(
        self, logits: np.ndarray, labels: tuple[str, ...]
    ) -> Iterator[tuple[Span, int, int, int]]:
        """Yield spans with their text and their place in it, without blanks at the ends."""
        spans = _spans(softmax(logits), labels, self._bounds)
        texts = np.searchsorted(self._bounds, [span.first for span in spans], side="right") - 1
        for span, text in zip(spans, texts.tolist(), strict=True):
            begin, after = int(self._starts[span.first]), int(self._ends[span.last])
            start, end = trimmed(str(self._texts[text]), begin, after)
            if start < end:
                yield span, text, start, end

    def _relations(
        self, pairs: Pairs, entity_at: Mapping[int, FoundEntity]
    ) -> dict[int, list[FoundRelation]]:
        relations: dict[int, list[FoundRelation]] = {}
        for (first, last), scores in pairs.found().items():
            if first == last or first not in entity_at or last not in entity_at:
                continue
            head, tail = entity_at[first], entity_at[last]
            kind = _best(scores, self._scheme.possible_relations(head.type, tail.type))
            if kind:
                text = int(np.searchsorted(self._bounds, first, side="right")) - 1
                relations.setdefault(text, []).append(
                    FoundRelation(
                        head.id, tail.id, self._scheme.relations[kind], _rounded(scores[kind])
                    )
                )
        return relations

    def _arguments(
        self,
        trigger: str,
        pairs: Sequence[tuple[int, np.ndarray]],
        entity_at: Mapping[int, FoundEntity],
    ) -> Iterator[FoundArgument]:
        for word, scores in pairs:
            if word not in entity_at:
                continue
            entity = entity_at[word]
            role = _best(scores, self._scheme.possible_roles(trigger, entity.type))
            if role:
                yield FoundArgument(entity.id, self._scheme.roles[role], _rounded(scores[role]))


def _by_first(pairs: Pairs) -> dict[int, list[tuple[int, np.ndarray]]]:
    grouped: dict[int, list[tuple[int, np.ndarray]]] = {}
    for (first, second), scores in pairs.found().items():
        grouped.setdefault(first, []).append((second, scores))
    return grouped


def _best(scores: np.ndarray, possible: np.ndarray) -> int:
    """Return the best class (C,) among those that are possible; 0 (none) always is."""
    return int(np.where(possible, scores, -1.0).argmax())


def _rounded(score: float) -> float:
    return round(float(score), SCORE_DIGITS)


def _spans(probabilities: np.ndarray, labels: tuple[str, ...], bounds: np.ndarray) -> list[Span]:
    """Decode (W, labels) into spans; a span's score is the mean of its words' scores.

    `bounds` (N + 1,) are the borders of sequences: no span crosses one.
    """
    if not len(probabilities):
        return []
    path = best_paths(probabilities, bounds)
    begins = np.flatnonzero(path % 2 == 1)
    if not len(begins):
        return []
    outside = np.flatnonzero((path == 0) | (path % 2 == 1))
    after = np.append(outside, len(path))[np.searchsorted(outside, begins, side="right")]
    chosen = probabilities[np.arange(len(path)), path].astype(np.float64)
    # Sums over a span alone: over all words they would be rounded by what stands before it.
    ends = np.stack((begins, after), axis=1).ravel()
    sums = np.add.reduceat(np.append(chosen, 0.0), ends)[::2]
    least = 10.0**-SCORE_DIGITS
    return [
        Span(first, end - 1, labels[label][2:], max(round(score, SCORE_DIGITS), least))
        for first, end, label, score in zip(
            begins.tolist(),
            after.tolist(),
            path[begins].tolist(),
            (sums / (after - begins)).tolist(),
            strict=True,
        )
    ]
