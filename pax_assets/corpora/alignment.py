"""Character spans to token labels, and what is lost on the way.

A model labels words; annotators mark characters. Where a mark cuts a word, or two marks
overlap, something has to give, and a silent loss here looks like a weak model later. Spans are
widened to whole words, of overlapping ones the longest stays, and each such case is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pax_assets.nlp.documents import Document, Entity, Event
from pax_assets.nlp.labels import LabelScheme
from pax_assets.nlp.text import trimmed
from pax_assets.nlp.windows import Tokens

IGNORED = -100


@dataclass(slots=True)
class Aligned:
    """A document's labels on its tokens (without special tokens).

    `entity_labels` and `trigger_labels` are int32 (n,), `IGNORED` on all but first pieces and
    where the layer was not annotated. `entity_tokens` and `trigger_tokens` give the first token
    of each span that was kept, by id. `losses` counts misaligned, overlapping, empty,
    unlinked, repeated.
    """

    entity_labels: np.ndarray
    trigger_labels: np.ndarray
    entity_tokens: dict[str, int]
    trigger_tokens: dict[str, int]
    relations: list[tuple[int, int, int]] = field(default_factory=list)
    arguments: list[tuple[int, int, int]] = field(default_factory=list)
    losses: Counter[str] = field(default_factory=Counter)


def align(document: Document, tokens: Tokens, scheme: LabelScheme) -> Aligned:
    """Label the tokens of a document's text."""
    losses: Counter[str] = Counter()
    entity_labels, entity_tokens = _label(
        document.entities, document.text, tokens, scheme.entity_ids, losses
    )
    trigger_labels, trigger_tokens = _label(
        document.events, document.text, tokens, scheme.trigger_ids, losses
    )
    if "entities" not in document.layers:
        entity_labels[:] = IGNORED
    if "events" not in document.layers:
        trigger_labels[:] = IGNORED
    aligned = Aligned(entity_labels, trigger_labels, entity_tokens, trigger_tokens, losses=losses)
    for relation in document.relations:
        _link(
            aligned.relations,
            entity_tokens.get(relation.head),
            entity_tokens.get(relation.tail),
            scheme.relation_ids[relation.type],
            losses,
        )
    for event in document.events:
        for argument in event.arguments:
            _link(
                aligned.arguments,
                trigger_tokens.get(event.id),
                entity_tokens.get(argument.entity),
                scheme.role_ids[argument.role],
                losses,
            )
    return aligned


def _link(
    pairs: list[tuple[int, int, int]],
    first: int | None,
    second: int | None,
    kind: int,
    losses: Counter[str],
) -> None:
    """Add a pair unless an end was lost or the pair has a type already (one type a pair)."""
    if first is None or second is None:
        losses["unlinked"] += 1
    elif any(pair[:2] == (first, second) for pair in pairs):
        losses["repeated"] += 1
    else:
        pairs.append((first, second, kind))


def _label(
    spans: Sequence[Entity | Event],
    text: str,
    tokens: Tokens,
    ids: dict[str, int],
    losses: Counter[str],
) -> tuple[np.ndarray, dict[str, int]]:
    positions = np.flatnonzero(tokens.first_pieces)
    starts = tokens.starts[positions]
    ends = tokens.word_ends[positions]
    word_labels = np.zeros(len(positions), dtype=np.int32)
    first_tokens: dict[str, int] = {}
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        start, end = trimmed(text, span.start, span.end)
        # words that share a character with the span
        first = int(np.searchsorted(ends, start, side="right"))
        last = int(np.searchsorted(starts, end, side="left"))
        if first >= last:
            losses["empty"] += 1
            continue
        if word_labels[first:last].any():
            losses["overlapping"] += 1
            continue
        word_start, word_end = trimmed(text, int(starts[first]), int(ends[last - 1]))
        if (word_start, word_end) != (start, end):
            losses["misaligned"] += 1
        # The type of a mere end of a relation may be in no scheme; its layer is ignored anyway.
        word_labels[first:last] = ids.get(f"I-{span.type}", IGNORED)
        word_labels[first] = ids.get(f"B-{span.type}", IGNORED)
        first_tokens[span.id] = int(positions[first])
    labels = np.full(len(tokens), IGNORED, dtype=np.int32)
    labels[positions] = word_labels
    return labels, first_tokens
