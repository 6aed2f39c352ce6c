"""From logits to an Analysis: the one decoder of training, service and batch scoring.

Scores that are decoded by two programs drift apart by the details: how a span that begins with
`I-` is repaired, which window is believed in an overlap, when a relation counts. All of them
call this module, with NumPy only, so that a number measured in training is the number served.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

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
from pax_assets.nlp.windows import Tokens, Window

# Scores are rounded so that a JSON answer is short; finer than any tolerance in the contracts.
SCORE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class WindowScores:
    """What the model says of one window. L counts its tokens with specials, without padding.

    `entity_logits` (L, E) and `trigger_logits` (L, T) are per token; `entity_index` (Ke,) and
    `trigger_index` (Kt,) are positions of candidates in the window, -1 where a place is empty;
    `relation_logits` (Ke, Ke, R) are head by tail, `argument_logits` (Kt, Ke, A) trigger by
    entity. Class 0 means none.
    """

    entity_logits: np.ndarray
    trigger_logits: np.ndarray
    entity_index: np.ndarray
    trigger_index: np.ndarray
    relation_logits: np.ndarray
    argument_logits: np.ndarray


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


def best_path(probabilities: np.ndarray) -> np.ndarray:
    """Return the most probable valid BIO label of each word, shape (W,), from (W, E).

    Labels are ordered as `nlp.labels.bio` does: 0 is O, 2k+1 is B and 2k+2 is I of type k. An
    I may only follow the B or I of its own type. Where the labels that are best one by one
    already form a valid sequence they are the answer; else a Viterbi search finds it.
    """
    path = probabilities.argmax(axis=1)
    inside = (path > 0) & (path % 2 == 0)
    before = np.concatenate(([0], path[:-1]))
    if not np.any(inside & (before != path) & (before != path - 1)):
        return path
    scores = np.log(np.maximum(probabilities, 1e-30))
    words, labels = scores.shape
    is_inside = np.arange(labels) % 2 == 0
    is_inside[0] = False
    own_begin = np.maximum(np.arange(labels) - 1, 0)
    back = np.zeros((words, labels), dtype=np.int64)
    best = np.where(is_inside, -np.inf, scores[0])
    for word in range(1, words):
        any_previous = int(best.argmax())
        from_begin = best[own_begin] > best
        own_previous = np.where(from_begin, own_begin, np.arange(labels))
        back[word] = np.where(is_inside, own_previous, any_previous)
        best = best[back[word]] + scores[word]
    path = np.empty(words, dtype=np.int64)
    path[-1] = best.argmax()
    for word in range(words - 1, 0, -1):
        path[word - 1] = back[word, path[word]]
    return path


def spans_of_path(path: np.ndarray, labels: tuple[str, ...]) -> list[tuple[int, int, str]]:
    """Return `(first word, last word, type)` of each span in a valid BIO path, in order."""
    spans: list[tuple[int, int, str]] = []
    for word in np.flatnonzero(path):
        label = labels[path[word]]
        if label.startswith("B-"):
            spans.append((int(word), int(word), label[2:]))
        else:
            first, _, kind = spans[-1]
            spans[-1] = (first, int(word), kind)
    return spans


class TextDecoder:
    """Collects the windows of one text, then says what was found.

    Per word only the scores of the owning window are kept, and of the pairs only those that
    some window calls a relation or an argument: memory grows with the text, not with the
    number of possible pairs.
    """

    def __init__(self, tokens: Tokens, scheme: LabelScheme, prefix: int) -> None:
        """`prefix` counts the special tokens before the first token of every window."""
        self._tokens = tokens
        self._scheme = scheme
        self._prefix = prefix
        self._first_pieces = np.flatnonzero(tokens.first_pieces)
        words = len(self._first_pieces)
        # position of a token -> its word among the words of the text, -1 for later pieces
        self._word_of = np.full(len(tokens), -1, dtype=np.int64)
        self._word_of[self._first_pieces] = np.arange(words)
        self._entities = np.zeros((words, len(scheme.entities)), dtype=np.float32)
        self._triggers = np.zeros((words, len(scheme.triggers)), dtype=np.float32)
        self._relations: dict[tuple[int, int], np.ndarray] = {}
        self._arguments: dict[tuple[int, int], np.ndarray] = {}

    def add(self, window: Window, scores: WindowScores) -> None:
        """Take in one window's scores."""
        first, last = np.searchsorted(self._first_pieces, (window.own_start, window.own_end))
        words = slice(int(first), int(last))
        rows = self._first_pieces[words] - window.start + self._prefix
        self._entities[words] = softmax(scores.entity_logits[rows])
        self._triggers[words] = softmax(scores.trigger_logits[rows])
        entities = self._candidate_words(window, scores.entity_index)
        triggers = self._candidate_words(window, scores.trigger_index)
        _keep_pairs(self._relations, entities, entities, scores.relation_logits)
        _keep_pairs(self._arguments, triggers, entities, scores.argument_logits)

    def _candidate_words(self, window: Window, index: np.ndarray) -> np.ndarray:
        """Map candidate positions (K,) in the window to words of the text, -1 where none."""
        positions = index + (window.start - self._prefix)
        valid = (index >= self._prefix) & (positions < window.end)
        return np.where(valid, self._word_of[np.where(valid, positions, 0)], -1)

    def analysis(self, text: str) -> Analysis:
        """Return entities, events and relations, offsets into `text` (the original one)."""
        starts = self._tokens.starts[self._first_pieces]
        ends = self._tokens.word_ends[self._first_pieces]
        entities: list[FoundEntity] = []
        entity_at: dict[int, FoundEntity] = {}
        for span in _spans(self._entities, self._scheme.entities):
            start, end = trimmed(text, int(starts[span.first]), int(ends[span.last]))
            if start == end:
                continue
            name = f"e{len(entities) + 1}"
            entities.append(FoundEntity(name, span.type, text[start:end], start, end, span.score))
            entity_at[span.first] = entities[-1]
        events: list[FoundEvent] = []
        pairs_at = self._pairs_by_trigger()
        for span in _spans(self._triggers, self._scheme.triggers):
            start, end = trimmed(text, int(starts[span.first]), int(ends[span.last]))
            if start == end:
                continue
            events.append(
                FoundEvent(
                    f"v{len(events) + 1}",
                    span.type,
                    text[start:end],
                    start,
                    end,
                    span.score,
                    tuple(
                        self._found_arguments(span.type, pairs_at.get(span.first, []), entity_at)
                    ),
                )
            )
        return Analysis(tuple(entities), tuple(events), tuple(self._found_relations(entity_at)))

    def _found_relations(self, entity_at: Mapping[int, FoundEntity]) -> Iterator[FoundRelation]:
        for (first, last), scores in sorted(self._relations.items(), key=itemgetter(0)):
            if first == last or first not in entity_at or last not in entity_at:
                continue
            head, tail = entity_at[first], entity_at[last]
            kind = _best(scores, self._scheme.possible_relations(head.type, tail.type))
            if kind:
                name = self._scheme.relations[kind]
                yield FoundRelation(head.id, tail.id, name, _rounded(scores[kind]))

    def _found_arguments(
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

    def _pairs_by_trigger(self) -> dict[int, list[tuple[int, np.ndarray]]]:
        pairs: dict[int, list[tuple[int, np.ndarray]]] = {}
        for (trigger, entity), scores in sorted(self._arguments.items(), key=itemgetter(0)):
            pairs.setdefault(trigger, []).append((entity, scores))
        return pairs


def _keep_pairs(
    kept: dict[tuple[int, int], np.ndarray],
    rows: np.ndarray,
    columns: np.ndarray,
    logits: np.ndarray,
) -> None:
    """Add the scores of pairs that are not "none"; of a pair in two windows the surer ones."""
    best = logits.argmax(axis=-1)
    found = (best > 0) & (rows >= 0)[:, None] & (columns >= 0)[None, :]
    for i, j in zip(*np.nonzero(found), strict=True):
        scores = softmax(logits[i, j])
        pair = (int(rows[i]), int(columns[j]))
        if pair not in kept or scores.max() > kept[pair].max():
            kept[pair] = scores


def _best(scores: np.ndarray, possible: np.ndarray) -> int:
    """Return the best class (C,) among those that are possible; 0 (none) always is."""
    return int(np.where(possible, scores, -1.0).argmax())


def _rounded(score: float) -> float:
    return round(float(score), SCORE_DIGITS)


def _spans(probabilities: np.ndarray, labels: tuple[str, ...]) -> list[Span]:
    """Decode (W, labels) into spans; a span's score is the mean of its words' scores."""
    if not len(probabilities):
        return []
    path = best_path(probabilities)
    chosen = probabilities[np.arange(len(path)), path]
    spans = []
    for first, last, kind in spans_of_path(path, labels):
        score = round(float(chosen[first : last + 1].mean()), SCORE_DIGITS)
        spans.append(Span(first, last, kind, max(score, 10.0**-SCORE_DIGITS)))
    return spans
