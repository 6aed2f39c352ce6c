"""What `dataset.json` says of a tokenized dataset: how much, of what, and what was lost.

A label without an example in train cannot be learnt, and one that a longer span covers is not
learnt either. Both look like a weak model later, so both are named here, with their documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pax_assets.corpora.splits import SPLITS, group_of
from pax_assets.nlp.documents import Document, Types

# Spans widened to whole words; spans dropped because a longer one covers them; spans without any
# word; pairs with a lost end; second types of a pair; pairs whose ends share no window, which the
# model never sees.
LOSSES = ("misaligned", "overlapping", "empty", "unlinked", "repeated", "beyond_windows")
_SINGULAR = {"entities": "entity", "events": "event", "relations": "relation", "roles": "role"}
# Documents that are named for each kind of loss, and for labels without an example.
_NAMED = 20


class Losses:
    """Counts what labels lose on the way to tokens, and remembers where."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._documents: dict[str, list[str]] = {name: [] for name in LOSSES}

    def add(self, document: Document, losses: Mapping[str, int]) -> None:
        """Take in what one document lost."""
        self._counts.update(losses)
        for name, count in losses.items():
            if count and len(self._documents[name]) < _NAMED:
                self._documents[name].append(document.doc_id)

    def summary(self) -> dict[str, Any]:
        """Return the counts by name, and as `lost_in` the first documents of each."""
        return {
            **{name: self._counts[name] for name in LOSSES},
            "lost_in": {name: found for name, found in self._documents.items() if found},
        }


def counts(documents: Sequence[Document], rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how much a split holds; `rows` are its windows."""
    return {
        "documents": len(documents),
        "groups": len({group_of(document) for document in documents}),
        "windows": len(rows),
        "tokens": sum(len(row["input_ids"]) for row in rows),
        "entities": sum(len(document.entities) for document in documents),
        "events": sum(len(document.events) for document in documents),
        "relations": sum(len(document.relations) for document in documents),
    }


def examples(documents: Sequence[Document]) -> dict[str, dict[str, int]]:
    """Return for each label ("entity person") its number of examples by split."""
    found = Counter(
        (label, document.split) for document in documents for label in _labels(document)
    )
    return {
        label: {split: found[label, split] for split in SPLITS}
        for label in sorted({label for label, _ in found})
    }


def not_in_train(documents: Sequence[Document]) -> dict[str, list[str]]:
    """Return the labels that train has no example of, each with the first documents that do."""
    known = {label for d in documents if d.split == "train" for label in _labels(d)}
    found: dict[str, list[str]] = {}
    for document in documents:
        for label in sorted(set(_labels(document)) - known):
            if len(found.setdefault(label, [])) < _NAMED:
                found[label].append(document.doc_id)
    return dict(sorted(found.items()))


def _labels(document: Document) -> Iterator[str]:
    if "entities" in document.layers:
        yield from (f"entity {entity.type}" for entity in document.entities)
    for event in document.events:
        yield f"event {event.type}"
        yield from (f"role {argument.role}" for argument in event.arguments)
    yield from (f"relation {relation.type}" for relation in document.relations)


def sources(documents: Sequence[Document], licences: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return each source's name, licence, number of documents by split, and `silent_on`.

    These are the labels ("entity date") that some document of the source leaves open.
    """
    numbers = Counter((document.source, document.split) for document in documents)
    return [
        {
            "name": name or "unnamed",
            "licence": licences.get(name) or "not stated",
            **{split: numbers[name, split] for split in SPLITS},
            "silent_on": sorted(
                {
                    f"{_SINGULAR[kind]} {label}"
                    for document in documents
                    if document.source == name
                    for kind, labels in (document.unannotated or Types()).to_dict().items()
                    for label in labels
                }
            ),
        }
        for name in sorted({document.source for document in documents})
    ]


def texts_in_two_splits(documents: Sequence[Document]) -> int:
    """Count the texts that stand word for word in two splits."""
    splits: dict[str, set[str]] = {}
    for document in documents:
        splits.setdefault(document.text, set()).add(str(document.split))
    return sum(len(found) > 1 for found in splits.values())
