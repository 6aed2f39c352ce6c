"""Of which types a source says nothing, because nobody looked for them there.

A mix of a corpus of persons and places with one that has dates too must not teach that the first
has no dates: most of what a mixed model would then learn of dates is that they are rare. Nobody
writes down what was not annotated, but what a source never marks it cannot teach: of every type
that the mix can teach and none of its documents has, a source says neither that it is there nor
that it is not. Such types cost its words no loss (`training.losses`) and its documents no score
(`nlp.metrics`). A document that says itself what it leaves open is believed instead.

Three things a source does say by what it lacks. Where train has no example of a type, nothing
would speak against it: there "none" means none. A source without any entity, event or relation in
a layer that it lists is one of counterexamples. And one that never names a role, in events that
have no arguments, never looked for arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pax_assets.nlp.documents import KINDS, Document, Types
from pax_assets.nlp.labels import LabelScheme

# The dataset's columns: for each head the numbers of the labels of which a row says nothing.
SILENT = ("silent_entities", "silent_triggers", "silent_relations", "silent_roles")
_LAYER = {"roles": "events"}


def with_unannotated(documents: Sequence[Document]) -> list[Document]:
    """Return the documents (with splits) with what they and their sources leave open."""
    taught = _types(document for document in documents if document.split == "train")
    of: dict[str, list[Document]] = {}
    for document in documents:
        of.setdefault(document.source, []).append(document)
    known = {source: _types(part) for source, part in of.items()}
    return [_silenced(document, taught, known[document.source]) for document in documents]


def _types(documents: Iterable[Document]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for document in documents:
        types = document.types()
        for kind, names in found.items():
            names.update(getattr(types, kind))
    return found


def _silenced(
    document: Document, taught: dict[str, set[str]], known: dict[str, set[str]]
) -> Document:
    if document.unannotated is not None:
        return document
    types = Types(
        **{
            kind: tuple(sorted(taught[kind] - known[kind]))
            for kind in KINDS
            if _LAYER.get(kind, kind) in document.layers and (known[kind] or kind == "roles")
        }
    )
    return replace(document, unannotated=types) if types else document


def silent(document: Document, scheme: LabelScheme) -> list[list[int]]:
    """Return for each head the numbers of the labels that the document leaves open."""
    types = document.unannotated or Types()
    spans = [(scheme.entities, types.entities), (scheme.triggers, types.events)]
    pairs = [(scheme.relations, types.relations), (scheme.roles, types.roles)]
    return [
        *([i for i, label in enumerate(labels) if label[2:] in names] for labels, names in spans),
        *([i for i, label in enumerate(labels) if label in names] for labels, names in pairs),
    ]
