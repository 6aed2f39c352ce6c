"""The label scheme: which number of a logit means which type.

Training, export and service must agree on it to the last index; a scheme rebuilt from other
documents would silently permute the answers. So it is built once, travels with every artifact
as `labels.json`, and is read from there ever after.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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


def bio(types: Iterable[str]) -> tuple[str, ...]:
    """Return `("O", "B-a", "I-a", "B-b", ...)` for the sorted distinct `types`."""
    return (OUTSIDE, *(f"{mark}-{name}" for name in sorted(set(types)) for mark in "BI"))


@dataclass(frozen=True)
class LabelScheme:
    """Label lists of the heads, and the window that the model was trained with.

    `entities` and `triggers` are BIO lists as `bio` makes them; `relations` and `roles` begin
    with "none". `max_length` counts tokens of a window with special tokens; `stride` is the
    overlap of neighbouring windows in tokens.
    """

    entities: tuple[str, ...]
    triggers: tuple[str, ...]
    relations: tuple[str, ...]
    roles: tuple[str, ...]
    max_length: int = 256
    stride: int = 64

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

    @classmethod
    def from_documents(
        cls, documents: Iterable[Document], *, max_length: int = 256, stride: int = 64
    ) -> LabelScheme:
        """Collect every type that occurs in `documents`, in alphabetical order.

        Types of entities that stand in a document as mere ends (without its layer) do not count.
        """
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
        )

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
            )
        except (KeyError, TypeError) as error:
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
        except FileNotFoundError:
            raise LabelSchemeError(f"{path} does not exist: not an artifact of PAX") from None
        except json.JSONDecodeError as error:
            raise LabelSchemeError(f"{path} is not JSON: {error}") from error


def begin_mask(labels: tuple[str, ...]) -> np.ndarray:
    """Return a boolean mask (len(labels),) of the `B-` labels of a BIO list."""
    return np.array([label.startswith("B-") for label in labels], dtype=bool)
