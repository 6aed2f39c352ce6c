"""How sure is sure enough: one shift a head, chosen on dev, kept in the weights.

Training by cross-entropy makes a model that is right about the most words, and most words are
nothing: where spans are few it stays silent too often for the best F1. So the score of "none" of
each head is moved by a constant that is best on dev. The constants are part of the model: torch,
ONNX and the quantized variants have them alike, and no program needs to know a threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pax_assets.inference.pipeline import Forward, Pipeline
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp import metrics
from pax_assets.nlp.documents import Document
from pax_assets.nlp.labels import LabelScheme
from pax_assets.training.model import HEADS, MessageModel

# What is added to the logit of "none", in steps: from eager to reluctant.
STEP = 0.25
REACH = 8
# Scores of dev that are held at once; of a larger dev set the first documents decide.
_MOST_BYTES = 1_000_000_000
# Head: its output, and its place among `metrics.head_f1`. Pairs after what they join.
_HEADS = {
    "entity": ("entity_logits", "entity"),
    "trigger": ("trigger_logits", "event"),
    "relation": ("relation_logits", "relation"),
    "argument": ("argument_logits", "argument"),
}


def shifts(
    forward: Forward, tokenizer: TextTokenizer, scheme: LabelScheme, gold: Sequence[Document]
) -> dict[str, float]:
    """Return, by head, what to add to the logit of "none" for the best strict F1 on `gold`.

    The model runs once; its scores are decoded again for every candidate. A candidate is judged
    together with its two neighbours, since a peak on one value is chance; 0 where nothing of the
    head is in `gold`, or where nothing is better.
    """
    recorded: list[dict[str, np.ndarray]] = []

    def record(inputs: dict[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        recorded.append(dict(forward(inputs)))
        return recorded[-1]

    documents = _held(tokenizer, scheme, gold)
    texts = [document.text for document in documents]
    Pipeline(tokenizer, scheme, record).analyze(texts)
    found = dict.fromkeys(_HEADS, 0.0)
    for head, (_, scored) in _HEADS.items():

        def f1(shift: float, head: str = head, scored: str = scored) -> float:
            replayed = (shifted(batch, {**found, head: shift}) for batch in recorded)
            analyses = Pipeline(tokenizer, scheme, lambda _: next(replayed)).analyze(texts)
            return metrics.head_f1(metrics.evaluate(documents, analyses))[scored]

        if _annotated(documents, head):
            found[head] = _best(f1)
    return found


def _best(f1: Callable[[float], float]) -> float:
    candidates = [STEP * step for step in range(-REACH, REACH + 1)]
    scores = np.array([f1(shift) for shift in candidates])
    around = np.convolve(np.pad(scores, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    # The first of equals: the one nearest to no shift at all.
    order = sorted(range(len(candidates)), key=lambda i: (-around[i], abs(candidates[i])))
    return candidates[order[0]]


def shifted(batch: Mapping[str, np.ndarray], by: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Return outputs of the model as they are with these shifts."""
    moved = dict(batch)
    for head, (output, _) in _HEADS.items():
        if by.get(head):
            moved[output] = batch[output].copy()
            moved[output][..., 0] += by[head]
    return moved


def _annotated(documents: Sequence[Document], head: str) -> bool:
    if head == "argument":
        return any(event.arguments for document in documents for event in document.events)
    layer = {"entity": "entities", "trigger": "events", "relation": "relations"}[head]
    return any(getattr(document, layer) for document in documents)


def _held(
    tokenizer: TextTokenizer, scheme: LabelScheme, gold: Sequence[Document]
) -> list[Document]:
    """Return the first documents, as many as their scores fit (those of pairs about as many)."""
    a_token = 2 * 4 * (len(scheme.entities) + len(scheme.triggers))
    held, size = [], 0
    for document, encoded in zip(gold, tokenizer.encode([d.text for d in gold]), strict=True):
        size += a_token * len(encoded)
        if held and size > _MOST_BYTES:
            break
        held.append(document)
    return held


def apply(model: MessageModel, found: Mapping[str, float]) -> None:
    """Add the shifts to those that the model has."""
    for head, shift in found.items():
        model.none_shifts[HEADS.index(head)] += shift
