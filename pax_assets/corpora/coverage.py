"""Of which types a source says nothing, because nobody looked for them there.

A mix of a corpus of persons and places with one that has dates too must not teach that the first
has no dates: most of what a mixed model would then learn of dates is that they are rare. Nobody
writes down what was not annotated, but what a source never marks it cannot teach: of every type of
the mix that none of its documents has, a source says neither that it is there nor that it is not.
Such types cost its words no loss (`training.losses`) and its documents no score (`nlp.metrics`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pax_assets.nlp.documents import KINDS, Document, Types
from pax_assets.nlp.labels import LabelScheme

# The dataset's columns: for each head the numbers of the labels of which a row says nothing.
SILENT = ("silent_entities", "silent_triggers", "silent_relations", "silent_roles")
_LAYER = {"roles": "events"}


def with_unannotated(documents: Sequence[Document]) -> list[Document]:
    """Return the documents with `unannotated` as their source and they themselves say it."""
    everything = _union(documents)
    of: dict[str, list[Document]] = {}
    for document in documents:
        of.setdefault(document.source, []).append(document)
    known = {source: _union(part) for source, part in of.items()}
    return [_silenced(document, everything, known[document.source]) for document in documents]


def _union(documents: Sequence[Document]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for document in documents:
        types = document.types()
        for kind, names in found.items():
            names.update(getattr(types, kind))
    return found


def _silenced(
    document: Document, everything: dict[str, set[str]], known: dict[str, set[str]]
) -> Document:
    unsaid = {
        kind: tuple(
            sorted((everything[kind] - known[kind]) | set(getattr(document.unannotated, kind)))
        )
        for kind in KINDS
        if _LAYER.get(kind, kind) in document.layers
    }
    types = Types(**unsaid)
    return document if types == document.unannotated else replace(document, unannotated=types)


def silent(types: Types, scheme: LabelScheme) -> list[list[int]]:
    """Return the numbers of these types' labels, for each head."""
    spans = [(scheme.entities, types.entities), (scheme.triggers, types.events)]
    pairs = [(scheme.relations, types.relations), (scheme.roles, types.roles)]
    return [
        *([i for i, label in enumerate(labels) if label[2:] in names] for labels, names in spans),
        *([i for i, label in enumerate(labels) if label in names] for labels, names in pairs),
    ]
