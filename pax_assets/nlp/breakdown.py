"""Where a model is good and where not: scores by channel and length, calibration, its errors.

One F1 hides that chats are read well and long mails are not, and that a score of 0.9 is right half
of the time. Errors are named by document and offsets, and never by their words: what is made of
this is shown and kept where messages must not be.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pax_assets.nlp import metrics
from pax_assets.nlp.documents import Analysis, Document

# Upper bounds of the length classes, in code points.
_LENGTHS = (50, 200, 1000)
_BINS = 10
_MOST_ERRORS = 200

Judged = Sequence[tuple[Document, Analysis]]


def breakdown(gold: Sequence[Document], predicted: Sequence[Analysis]) -> dict[str, Any]:
    """Return what there is to say of `predicted[i]` against `gold[i]` beside the scores.

    `{"channels": {name: part}, "lengths": {name: part}, "calibration": {head: ...}, "errors":
    [...], "errors_in_all": n}`: parts as `_part` makes them, calibration as `calibration` does,
    errors `{"doc_id", "kind", "start", "end", "gold", "found"}` of entities and triggers.
    """
    pairs = [(d, metrics.judgeable(d, a)) for d, a in zip(gold, predicted, strict=True)]
    errors = list(_errors(pairs))
    return {
        "channels": _parts(pairs, lambda document: document.channel or "other"),
        "lengths": _parts(pairs, lambda document: length_class(len(document.text))),
        "calibration": {
            head: calibration(_judged(pairs, head)) for head in ("entity", "event", "relation")
        },
        "errors": errors[:_MOST_ERRORS],
        "errors_in_all": len(errors),
    }


def length_class(characters: int) -> str:
    """Return the name of a text's length class."""
    for low, high in zip((0, *_LENGTHS), _LENGTHS, strict=False):
        if characters <= high:
            return f"{low + 1 if low else 0} to {high} characters"
    return f"over {_LENGTHS[-1]} characters"


def _parts(pairs: Judged, name_of: Callable[[Document], str]) -> dict[str, dict[str, Any]]:
    groups: dict[str, list[tuple[Document, Analysis]]] = {}
    for document, analysis in pairs:
        groups.setdefault(name_of(document), []).append((document, analysis))
    return {name: _part(groups[name]) for name in sorted(groups)}


def _part(pairs: Judged) -> dict[str, Any]:
    """Return `documents`, and by head `f1` and `support`."""
    result = metrics.evaluate([d for d, _ in pairs], [a for _, a in pairs])
    return {
        "documents": len(pairs),
        **{
            head: {"f1": result[head]["f1"], "support": result[head]["support"]}
            for head in metrics.head_f1(result)
        },
    }


def calibration(judged: Iterable[tuple[float, bool]]) -> dict[str, Any]:
    """Compare scores with how often they are right: pairs of (score, is right).

    Returns `{"bins": [{"low", "high", "count", "score", "right"}], "ece"}`: means within ten
    equal bins of the score, empty ones left out; `ece` is the expected calibration error (Naeini
    et al. 2015), None where nothing was found.
    """
    rows = np.array([(score, right) for score, right in judged], dtype=float).reshape(-1, 2)
    place = np.minimum((rows[:, 0] * _BINS).astype(int), _BINS - 1)
    bins = []
    for number in range(_BINS):
        inside = rows[place == number]
        if len(inside):
            score, right = inside.mean(axis=0)
            low, high = number / _BINS, (number + 1) / _BINS
            bins.append(
                {
                    "low": low,
                    "high": high,
                    "count": len(inside),
                    "score": float(score),
                    "right": float(right),
                }
            )
    distance = sum(b["count"] * abs(b["score"] - b["right"]) for b in bins)
    return {"bins": bins, "ece": distance / len(rows) if len(rows) else None}


def _judged(pairs: Judged, head: str) -> Iterator[tuple[float, bool]]:
    layer = {"entity": "entities", "event": "events", "relation": "relations"}[head]
    for document, analysis in pairs:
        if layer not in document.layers or (
            head == "relation" and "entities" not in document.layers
        ):
            continue
        if head == "relation":
            there = {e.id: (e.start, e.end, e.type) for e in document.entities}
            found = {e.id: (e.start, e.end, e.type) for e in analysis.entities}
            right: set[Hashable] = {
                (r.type, there[r.head], there[r.tail]) for r in document.relations
            }
            for relation in analysis.relations:
                ends = found[relation.head], found[relation.tail]
                yield relation.score, (relation.type, *ends) in right
        else:
            spans = {(s.type, s.start, s.end) for s in getattr(document, layer)}
            for span in getattr(analysis, layer):
                yield span.score, (span.type, span.start, span.end) in spans


def _errors(pairs: Judged) -> Iterator[dict[str, Any]]:
    for document, analysis in pairs:
        for layer in ("entities", "events"):
            if layer not in document.layers:
                continue
            gold = {(s.start, s.end): s.type for s in getattr(document, layer)}
            found = {(s.start, s.end): s.type for s in getattr(analysis, layer)}
            for span in sorted(gold.keys() | found.keys()):
                wanted, got = gold.get(span), found.get(span)
                if wanted != got:
                    yield {
                        "doc_id": document.doc_id,
                        "kind": _kind(span, gold, found),
                        "start": span[0],
                        "end": span[1],
                        "gold": wanted,
                        "found": got,
                    }


def _kind(
    span: tuple[int, int], gold: dict[tuple[int, int], str], found: dict[tuple[int, int], str]
) -> str:
    """Return "type", "boundary" (another span overlaps it), "missed" or "invented"."""
    if span in gold and span in found:
        return "type"
    others = found if span in gold else gold
    if any(start < span[1] and span[0] < end for start, end in others):
        return "boundary"
    return "missed" if span in gold else "invented"
