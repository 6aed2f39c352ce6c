"""The label scheme: which number of a logit means which type.

Training, export and service must agree on it to the last index; a scheme rebuilt from other
documents would silently permute the answers. So it is built once, travels with every artifact
as `labels.json`, and is read from there ever after.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pax_assets.nlp.documents import Document

OUTSIDE = "O"
NONE = "none"
FILE = "labels.json"


class LabelSchemeError(ValueError):
    """A `labels.json` that cannot be used; the message names what is wrong."""


# Relation or role → the pairs of types that were seen at its ends, sorted: entity types of head and
# tail, or the types of trigger and entity. What is not in it may join anything.
Ends = Mapping[str, tuple[tuple[str, str], ...]]


def bio(types: Iterable[str]) -> tuple[str, ...]:
    """Return `("O", "B-a", "I-a", "B-b", ...)` for the sorted distinct `types`."""
    return (OUTSIDE, *(f"{mark}-{name}" for name in sorted(set(types)) for mark in "BI"))


@dataclass(frozen=True)
class LabelScheme:
    """Label lists of the heads, and the window that the model was trained with.

    `entities` and `triggers` are BIO lists as `bio` makes them; `relations` and `roles` begin
    with "none". `max_length` counts tokens of a window with special tokens; `stride` is the
    overlap of neighbouring windows in tokens.

    `relation_ends` and `role_ends` are `Ends` of relations and roles: who may stand at both ends.
    """

    entities: tuple[str, ...]
    triggers: tuple[str, ...]
    relations: tuple[str, ...]
    roles: tuple[str, ...]
    max_length: int = 256
    stride: int = 64
    relation_ends: Ends = field(default_factory=dict)
    role_ends: Ends = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("entities", "triggers"):
            labels = getattr(self, name)
            if labels != bio(label[2:] for label in labels[1:]):
                raise LabelSchemeError(f"{name}: not a sorted BIO list: {list(labels)}")
        for name in ("relations", "roles"):
            labels = getattr(self, name)
            if not labels or labels[0] != NONE or len(set(labels)) != len(labels):
                raise LabelSchemeError(f"{name}: must begin with 'none', no doubles: {labels}")
        if not 0 <= self.stride < self.max_length:
            raise LabelSchemeError(
                f"stride {self.stride} does not fit a window of {self.max_length} tokens"
            )
        for name, known, ends in (
            ("relation_ends", self.relations, self.relation_ends),
            ("role_ends", self.roles, self.role_ends),
        ):
            if unknown := sorted(set(ends) - set(known[1:])):
                raise LabelSchemeError(f"{name}: {unknown[0]!r} is none of {known[1:]}")

    @classmethod
    def from_documents(
        cls, documents: Iterable[Document], *, max_length: int = 256, stride: int = 64
    ) -> LabelScheme:
        """Collect every type that occurs in `documents`, in alphabetical order.

        Types of entities that stand in a document as mere ends (without its layer) do not count.
        What may stand at the ends is learnt from documents that are not held out (dev, test).
        """
        documents = list(documents)
        for document in documents:
            if NONE in (*document.types().relations, *document.types().roles):
                raise LabelSchemeError(
                    f"document {document.doc_id}: a relation or role is called {NONE!r}, which "
                    "says that there is none; leave it out, or map it to another name"
                )
        entities: set[str] = set()
        triggers: set[str] = set()
        relations: set[str] = set()
        roles: set[str] = set()
        for document in documents:
            if "entities" in document.layers:
                entities.update(e.type for e in document.entities)
            triggers.update(e.type for e in document.events)
            relations.update(r.type for r in document.relations)
            roles.update(a.role for e in document.events for a in e.arguments)
        return cls(
            bio(entities),
            bio(triggers),
            (NONE, *sorted(relations)),
            (NONE, *sorted(roles)),
            max_length,
            stride,
            *_seen_ends(document for document in documents if document.split in (None, "train")),
        )

    def possible_relations(self, head: str, tail: str) -> np.ndarray:
        """Return bool (R,): which relations, "none" among them, may join two entity types."""
        return _possible(self.relations, self.relation_ends, (head, tail))

    def possible_roles(self, trigger: str, entity: str) -> np.ndarray:
        """Return bool (A,): which roles, "none" among them, an entity may play in an event."""
        return _possible(self.roles, self.role_ends, (trigger, entity))

    @cached_property
    def entity_ids(self) -> dict[str, int]:
        """BIO label → index."""
        return {label: i for i, label in enumerate(self.entities)}

    @cached_property
    def trigger_ids(self) -> dict[str, int]:
        """BIO label → index."""
        return {label: i for i, label in enumerate(self.triggers)}

    @cached_property
    def relation_ids(self) -> dict[str, int]:
        """Relation type → index."""
        return {label: i for i, label in enumerate(self.relations)}

    @cached_property
    def role_ids(self) -> dict[str, int]:
        """Argument role → index."""
        return {label: i for i, label in enumerate(self.roles)}

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `labels.json`."""
        return {
            "entities": list(self.entities),
            "triggers": list(self.triggers),
            "relations": list(self.relations),
            "roles": list(self.roles),
            "max_length": self.max_length,
            "stride": self.stride,
            "relation_ends": {name: list(map(list, e)) for name, e in self.relation_ends.items()},
            "role_ends": {name: list(map(list, e)) for name, e in self.role_ends.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LabelScheme:
        """Build from the content of `labels.json`; `LabelSchemeError` names what is off."""
        try:
            return cls(
                tuple(data["entities"]),
                tuple(data["triggers"]),
                tuple(data["relations"]),
                tuple(data["roles"]),
                int(data["max_length"]),
                int(data["stride"]),
                _pairs(data.get("relation_ends", {})),
                _pairs(data.get("role_ends", {})),
            )
        except LabelSchemeError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LabelSchemeError(f"labels: missing or ill-typed field: {error}") from error

    def save(self, folder: Path) -> None:
        """Write `labels.json` into `folder`."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=2)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> LabelScheme:
        """Read `labels.json` of an artifact; `LabelSchemeError` where absent or unusable."""
        path = folder / FILE
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except LabelSchemeError as error:
            raise LabelSchemeError(f"{path}: {error}") from error
        except FileNotFoundError:
            raise LabelSchemeError(f"{path} does not exist: not an artifact of PAX") from None
        except json.JSONDecodeError as error:
            raise LabelSchemeError(f"{path} is not JSON: {error}") from error


def _seen_ends(documents: Iterable[Document]) -> tuple[Ends, Ends]:
    """Collect the types at the ends of relations and of roles.

    Left out is what occurs in a document whose entities, or some types of them, were not
    annotated: it may join what nobody marked there.
    """
    relations: dict[str, set[tuple[str, str]]] = {}
    roles: dict[str, set[tuple[str, str]]] = {}
    free: set[str] = set()
    for document in documents:
        types = {entity.id: entity.type for entity in document.entities}
        if "entities" not in document.layers or document.unannotated:
            free.update(r.type for r in document.relations)
            free.update(a.role for e in document.events for a in e.arguments)
            continue
        for r in document.relations:
            relations.setdefault(r.type, set()).add((types[r.head], types[r.tail]))
        for event in document.events:
            for a in event.arguments:
                roles.setdefault(a.role, set()).add((event.type, types[a.entity]))
    kept = [
        {name: tuple(sorted(pairs)) for name, pairs in sorted(found.items()) if name not in free}
        for found in (relations, roles)
    ]
    return kept[0], kept[1]


def _possible(names: tuple[str, ...], ends: Ends, pair: tuple[str, str]) -> np.ndarray:
    return np.array([name not in ends or pair in ends[name] for name in names])


def _pairs(data: Mapping[str, Any]) -> Ends:
    return {name: tuple((str(a), str(b)) for a, b in pairs) for name, pairs in data.items()}


def begin_mask(labels: tuple[str, ...]) -> np.ndarray:
    """Return a boolean mask (len(labels),) of the `B-` labels of a BIO list."""
    return np.array([label.startswith("B-") for label in labels], dtype=bool)
