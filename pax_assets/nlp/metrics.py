"""Strict scores of analyses against gold documents, the way the field counts them.

A lenient count (overlap, types ignored) hides exactly the faults that a consumer of the API
sees. A head is judged only on documents whose `layers` say that it was annotated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pax_assets.nlp.documents import (
    Analysis,
    Document,
    Entity,
    Event,
    FoundEntity,
    FoundEvent,
    FoundRelation,
    Relation,
)

NOTHING = "none"


@dataclass(slots=True)
class Tally:
    """Counts of gold, predicted and correct items, overall and by type."""

    gold: Counter[str] = field(default_factory=Counter)
    predicted: Counter[str] = field(default_factory=Counter)
    correct: Counter[str] = field(default_factory=Counter)

    def add(
        self, gold: Iterable[tuple[str, Hashable]], predicted: Iterable[tuple[str, Hashable]]
    ) -> None:
        """Count one document's items, each `(type, key)`; equal items match one to one."""
        wanted, found = Counter(gold), Counter(predicted)
        for into, items in (
            (self.gold, wanted),
            (self.predicted, found),
            (self.correct, wanted & found),
        ):
            for (kind, _), count in items.items():
                into[kind] += count

    def micro(self) -> dict[str, float]:
        """Precision, recall and F1 over all types, and the number of gold items."""
        return scores(self.gold.total(), self.predicted.total(), self.correct.total())

    def by_type(self) -> dict[str, dict[str, float]]:
        """The same for each type that occurs in gold or prediction, in alphabetical order."""
        return {
            kind: scores(self.gold[kind], self.predicted[kind], self.correct[kind])
            for kind in sorted(self.gold.keys() | self.predicted.keys())
        }


def scores(gold: int, predicted: int, correct: int) -> dict[str, float]:
    """Return precision, recall, f1 (0.0 where undefined) and support."""
    precision = correct / predicted if predicted else 0.0
    recall = correct / gold if gold else 0.0
    total = gold + predicted
    f1 = 2 * correct / total if total else 0.0
    return {"precision": precision, "recall": recall, "f1": f1, "support": gold}


def evaluate(gold: Sequence[Document], predicted: Sequence[Analysis]) -> dict[str, Any]:
    """Score `predicted[i]` against `gold[i]`.

    Returns `{"entity", "event", "event_identification", "argument", "relation",
    "relation_boundaries": {precision, recall, f1, support}, "types": {head: {type: ...}},
    "confusion": {head: {"labels": [...], "matrix": [[...]]}}}` (`confusions`). An
    entity counts with exact offsets and type; an event by its trigger's offsets and type
    (identification: offsets alone); an
    argument by event type, the entity's offsets and role; a relation by type and both ends with
    offsets and types (boundaries: without the ends' types). In a document without the layer
    `entities` only the ends that it names are judged, and pairs of them by their boundaries.
    What was found of types that a document leaves open is left out (`judgeable`).
    `ValueError` where the two lengths differ.
    """
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold documents, {len(predicted)} analyses")
    predicted = [judgeable(d, a) for d, a in zip(gold, predicted, strict=True)]
    tallies = {
        name: Tally()
        for name in (
            "entity",
            "event",
            "event_identification",
            "argument",
            "relation",
            "relation_boundaries",
        )
    }
    for document, analysis in zip(gold, predicted, strict=True):
        _count(tallies, document, analysis)
    result: dict[str, Any] = {name: tally.micro() for name, tally in tallies.items()}
    result["types"] = {
        name: tallies[name].by_type() for name in ("entity", "event", "argument", "relation")
    }
    result["confusion"] = confusions(gold, predicted)
    return result


def head_f1(result: dict[str, Any]) -> dict[str, float]:
    """Return the F1 of the heads that gates look at: entity, event, argument, relation."""
    return {name: result[name]["f1"] for name in ("entity", "event", "argument", "relation")}


def judged_f1(result: dict[str, Any]) -> dict[str, float]:
    """Return the F1 of the heads for which there was something to find."""
    return {head: f1 for head, f1 in head_f1(result).items() if result[head]["support"]}


def judgeable(document: Document, analysis: Analysis) -> Analysis:
    """Return the analysis without what the document leaves open (`unannotated`).

    Where it marks a span, it does say what is there: what overlaps that is judged.
    """
    silent = document.unannotated
    if not silent:
        return analysis
    entities = tuple(
        e
        for e in analysis.entities
        if e.type not in silent.entities or _overlaps(e, document.entities)
    )
    known = {entity.id for entity in entities}
    return replace(
        analysis,
        entities=entities,
        events=tuple(
            replace(
                event,
                arguments=tuple(
                    a for a in event.arguments if a.entity in known and a.role not in silent.roles
                ),
            )
            for event in analysis.events
            if event.type not in silent.events or _overlaps(event, document.events)
        ),
        relations=tuple(
            r
            for r in analysis.relations
            if {r.head, r.tail} <= known and r.type not in silent.relations
        ),
    )


def _overlaps(span: FoundEntity | FoundEvent, others: Iterable[Entity | Event]) -> bool:
    return any(span.start < other.end and other.start < span.end for other in others)


def _count(tallies: dict[str, Tally], document: Document, analysis: Analysis) -> None:
    gold_at = {e.id: (e.start, e.end, e.type) for e in document.entities}
    found_at = {e.id: (e.start, e.end, e.type) for e in analysis.entities}
    if "entities" in document.layers:
        tallies["entity"].add(
            ((e.type, (e.start, e.end)) for e in document.entities),
            ((e.type, (e.start, e.end)) for e in analysis.entities),
        )
    if "events" in document.layers:
        tallies["event"].add(
            ((e.type, (e.start, e.end)) for e in document.events),
            ((e.type, (e.start, e.end)) for e in analysis.events),
        )
        tallies["event_identification"].add(
            (("trigger", (e.start, e.end)) for e in document.events),
            (("trigger", (e.start, e.end)) for e in analysis.events),
        )
        found_arguments = _arguments(analysis.events, found_at)
        if "entities" not in document.layers:
            ends = {span[:2] for span in gold_at.values()}
            found_arguments = {one for one in found_arguments if one[1][1] in ends}
        tallies["argument"].add(_arguments(document.events, gold_at), found_arguments)
    if "relations" in document.layers:
        gold_pairs = [(r.type, gold_at[r.head], gold_at[r.tail]) for r in document.relations]
        found_pairs = [(r.type, found_at[r.head], found_at[r.tail]) for r in analysis.relations]
        if "entities" in document.layers:
            tallies["relation"].add(
                ((kind, (head, tail)) for kind, head, tail in gold_pairs),
                ((kind, (head, tail)) for kind, head, tail in found_pairs),
            )
        else:
            # The ends are known to be ends, and that is all: other pairs were not judged, and
            # the types of these are not what an entity head could have learnt.
            ends = {span[:2] for span in gold_at.values()}
            found_pairs = [p for p in found_pairs if p[1][:2] in ends and p[2][:2] in ends]
        tallies["relation_boundaries"].add(
            ((kind, (head[:2], tail[:2])) for kind, head, tail in gold_pairs),
            ((kind, (head[:2], tail[:2])) for kind, head, tail in found_pairs),
        )


def _arguments(
    events: Iterable[Event | FoundEvent], spans: Mapping[str, tuple[int, int, str]]
) -> set[tuple[str, tuple[str, tuple[int, int]]]]:
    return {(a.role, (e.type, spans[a.entity][:2])) for e in events for a in e.arguments}


def confusions(
    gold: Sequence[Document], predicted: Sequence[Analysis]
) -> dict[str, dict[str, Any]]:
    """Count types by equal places, for entities, events (triggers) and relations (pairs of spans).

    Returns for each `{"labels": [...], "matrix": [[...]]}`: rows gold, columns predicted, last is
    "none". What was not found stands in the last column, what is not in the gold in the last
    row; a relation found between wrong spans is both. Documents without the layer are left out;
    relations also where the layer of their ends is absent.
    """
    found: dict[str, Counter[tuple[str, str]]] = {
        "entity": Counter(),
        "event": Counter(),
        "relation": Counter(),
    }
    for document, analysis in zip(gold, predicted, strict=True):
        if "entities" in document.layers:
            _pair_up(found["entity"], _at(document.entities), _at(analysis.entities))
        if "events" in document.layers:
            _pair_up(found["event"], _at(document.events), _at(analysis.events))
        if {"entities", "relations"} <= set(document.layers):
            _pair_up(
                found["relation"],
                _between(document.relations, document.entities),
                _between(analysis.relations, analysis.entities),
            )
    return {head: _matrix(pairs) for head, pairs in found.items()}


def _at(spans: Sequence[Entity | Event | FoundEntity | FoundEvent]) -> dict[Any, str]:
    return {(span.start, span.end): span.type for span in spans}


def _between(
    relations: Sequence[Relation | FoundRelation], entities: Sequence[Entity | FoundEntity]
) -> dict[Any, str]:
    at = {entity.id: (entity.start, entity.end) for entity in entities}
    return {(at[r.head], at[r.tail]): r.type for r in relations}


def _pair_up(
    pairs: Counter[tuple[str, str]], wanted: Mapping[Any, str], found: Mapping[Any, str]
) -> None:
    for place in wanted.keys() | found.keys():
        pairs[wanted.get(place, NOTHING), found.get(place, NOTHING)] += 1


def _matrix(pairs: Counter[tuple[str, str]]) -> dict[str, Any]:
    labels = [*sorted({name for pair in pairs for name in pair} - {NOTHING}), NOTHING]
    matrix = np.zeros((len(labels), len(labels)), dtype=int)
    place = {label: i for i, label in enumerate(labels)}
    for (row, column), count in pairs.items():
        matrix[place[row], place[column]] = count
    return {"labels": labels, "matrix": matrix.tolist()}
