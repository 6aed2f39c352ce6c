"""Annotated documents and analyses: the two shapes in which spans travel through PAX.

A document is what people labelled; an analysis is what the model says. Both count offsets in
Unicode code points, half-open, into the text as it was received. Keeping them in one module
(and free of torch and Dagster) lets the service, the training process and the corpus loaders
agree without importing each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from pax_assets.nlp.json_values import (
    WrongValueError,
    as_list,
    as_number,
    as_object,
    as_string,
    as_text,
)

Layer = Literal["entities", "events", "relations"]
LAYERS: tuple[Layer, ...] = ("entities", "events", "relations")
# Of what there are types: those of the layers, and the roles of arguments.
KINDS = (*LAYERS, "roles")
Split = Literal["train", "dev", "test"]


class DocumentError(ValueError):
    """A document that contradicts itself; the message names the document and the place."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A typed span `text[start:end]`."""

    id: str
    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class Argument:
    """An entity (by id) that plays `role` in an event."""

    entity: str
    role: str


@dataclass(frozen=True, slots=True)
class Event:
    """A trigger span with its arguments."""

    id: str
    type: str
    start: int
    end: int
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """A typed, directed link between two entities (by id)."""

    head: str
    tail: str
    type: str


@dataclass(frozen=True, slots=True)
class Types:
    """Names of types, by kind; false where there are none."""

    entities: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entities or self.events or self.relations or self.roles)

    def to_dict(self) -> dict[str, list[str]]:
        """Return the kinds that have types."""
        return {kind: list(getattr(self, kind)) for kind in KINDS if getattr(self, kind)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Types:
        """Build from lists of names by kind; `WrongValueError` names what is off."""
        for kind in data:
            if kind not in KINDS:
                raise WrongValueError(f"{kind!r} is none of {', '.join(KINDS)}")
        return cls(
            **{
                kind: tuple(
                    sorted({as_text(name, f"one of {kind}") for name in as_list(names, kind)})
                )
                for kind, names in data.items()
            }
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A labelled text. `layers` names what was annotated: a layer that is absent says nothing.

    `unannotated` are types of the layers that are there which nobody looked for: that none is
    marked says nothing, and what a model finds of them is neither right nor wrong. No types at all
    say that the document is complete; None, that nobody said (`corpora.coverage` then derives it).

    A document without the layer `entities` may still have the entities that its relations and
    arguments join: they are known to be entities, and nothing is said of all others.

    `group` keeps documents together in one split (a conversation); `split` is set where the
    source prescribes it. `message_id` ties the labels to a row of the feature store, which says the
    `channel`.
    """

    doc_id: str
    text: str
    layers: tuple[Layer, ...]
    entities: tuple[Entity, ...] = ()
    events: tuple[Event, ...] = ()
    relations: tuple[Relation, ...] = ()
    group: str | None = None
    split: Split | None = None
    message_id: str | None = None
    channel: str | None = None
    source: str = ""
    unannotated: Types | None = None

    def types(self) -> Types:
        """Return the types that occur; those of mere ends of relations and arguments do not."""
        entities = self.entities if "entities" in self.layers else ()
        return Types(
            tuple(sorted({e.type for e in entities})),
            tuple(sorted({e.type for e in self.events})),
            tuple(sorted({r.type for r in self.relations})),
            tuple(sorted({a.role for e in self.events for a in e.arguments})),
        )

    def validate(self) -> Document:
        """Return self if offsets, ids and layers agree; raise `DocumentError` otherwise."""
        entity_ids = {entity.id for entity in self.entities}
        if len(entity_ids) != len(self.entities):
            raise DocumentError(f"document {self.doc_id}: two entities share an id")
        if len({event.id for event in self.events}) != len(self.events):
            raise DocumentError(f"document {self.doc_id}: two events share an id")
        if self.split is not None and self.split not in get_args(Split):
            raise DocumentError(
                f"document {self.doc_id}: split is {self.split!r}, expected one of "
                f"{', '.join(get_args(Split))}, or none"
            )
        for span in (*self.entities, *self.events):
            if not 0 <= span.start < span.end <= len(self.text):
                raise DocumentError(
                    f"document {self.doc_id}: span {span.id} [{span.start}, {span.end}) does not "
                    f"lie in a text of {len(self.text)} characters"
                )
        for event in self.events:
            for argument in event.arguments:
                if argument.entity not in entity_ids:
                    raise DocumentError(
                        f"document {self.doc_id}: event {event.id} has an argument "
                        f"{argument.entity!r} that is no entity of the document"
                    )
        for relation in self.relations:
            if relation.head == relation.tail:
                raise DocumentError(
                    f"document {self.doc_id}: relation {relation.type} joins {relation.head!r} "
                    "with itself, which no model here can say; leave it out"
                )
            for end in (relation.head, relation.tail):
                if end not in entity_ids:
                    raise DocumentError(
                        f"document {self.doc_id}: relation {relation.type} points to {end!r}, "
                        "which is no entity of the document"
                    )
        for layer in self.layers:
            if layer not in LAYERS:
                raise DocumentError(f"document {self.doc_id}: unknown layer {layer!r}")
        for layer in ("events", "relations"):
            if getattr(self, layer) and layer not in self.layers:
                raise DocumentError(
                    f"document {self.doc_id}: has {layer} but does not list the layer"
                )
        if self.unannotated:
            marked = self.types()
            for kind in KINDS:
                if both := set(getattr(marked, kind)) & set(getattr(self.unannotated, kind)):
                    raise DocumentError(
                        f"document {self.doc_id}: has {kind} of the type {min(both)!r}, which it "
                        "says was not annotated"
                    )
        if "entities" not in self.layers:
            ends = {a.entity for event in self.events for a in event.arguments}
            ends |= {end for r in self.relations for end in (r.head, r.tail)}
            if loose := sorted(entity_ids - ends):
                raise DocumentError(
                    f"document {self.doc_id}: does not list the layer entities, so it may have "
                    f"the ends of relations and arguments only, and {loose[0]!r} is none"
                )
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON shape of DESIGN's contract; optional fields only where set."""
        out: dict[str, Any] = {
            "doc_id": self.doc_id,
            "text": self.text,
            "layers": list(self.layers),
            "entities": [
                {"id": e.id, "start": e.start, "end": e.end, "type": e.type} for e in self.entities
            ],
            "events": [
                {
                    "id": e.id,
                    "type": e.type,
                    "start": e.start,
                    "end": e.end,
                    "arguments": [{"entity": a.entity, "role": a.role} for a in e.arguments],
                }
                for e in self.events
            ],
            "relations": [{"head": r.head, "tail": r.tail, "type": r.type} for r in self.relations],
        }
        for name in ("group", "split", "message_id", "channel", "source"):
            if getattr(self, name):
                out[name] = getattr(self, name)
        if self.unannotated is not None:
            out["unannotated"] = self.unannotated.to_dict()
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Document:
        """Build and validate a document from its JSON shape; `DocumentError` names what is off.

        Keys that the shape does not have are refused: of a misspelt one all labels would be lost.
        """
        name = data.get("doc_id", "<no doc_id>")
        try:
            document = cls._read(data)
        except KeyError as error:
            raise DocumentError(f"document {name}: {error} is missing") from error
        except WrongValueError as error:
            raise DocumentError(f"document {name}: {error}") from error
        return document.validate()

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> Document:
        known = {one.name for one in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise WrongValueError(
                f"{unknown[0]!r} is no field of a document; it has {', '.join(sorted(known))}"
            )
        return cls(
            doc_id=as_text(data["doc_id"], "doc_id"),
            text=as_string(data["text"], "text"),
            layers=tuple(as_list(data["layers"], "layers")),  # pyright: ignore[reportArgumentType]
            entities=tuple(
                Entity(_id(e), *_span(e), as_text(e["type"], "an entity's type"))
                for e in _objects(data, "entities", "an entity")
            ),
            events=tuple(
                Event(
                    _id(e),
                    as_text(e["type"], "an event's type"),
                    *_span(e),
                    tuple(
                        Argument(_name(a["entity"], "entity"), as_text(a["role"], "a role"))
                        for a in _objects(e, "arguments", "an argument")
                    ),
                )
                for e in _objects(data, "events", "an event")
            ),
            relations=tuple(
                Relation(
                    _name(r["head"], "head"),
                    _name(r["tail"], "tail"),
                    as_text(r["type"], "a relation's type"),
                )
                for r in _objects(data, "relations", "a relation")
            ),
            group=_optional(data, "group"),
            split=_optional(data, "split"),  # pyright: ignore[reportArgumentType] - validated
            message_id=_optional(data, "message_id"),
            channel=_optional(data, "channel"),
            source=_optional(data, "source") or "",
            unannotated=None
            if data.get("unannotated") is None
            else Types.from_dict(as_object(data["unannotated"], "unannotated")),
        )

    def to_json(self) -> str:
        """One line of JSON, in ASCII escapes where the text holds lone surrogates."""
        line = json.dumps(self.to_dict(), ensure_ascii=False)
        try:
            line.encode("utf-8")
        except UnicodeEncodeError:
            return json.dumps(self.to_dict(), ensure_ascii=True)
        return line


def _objects(data: Mapping[str, Any], key: str, what: str) -> list[Mapping[str, Any]]:
    return [as_object(one, what) for one in as_list(data.get(key, []), key)]


def _id(data: Mapping[str, Any]) -> str:
    return _name(data["id"], "id")


def _name(given: object, what: str) -> str:
    """Return an id within a document; some tools count them."""
    return str(given) if type(given) is int else as_text(given, what)


def _span(data: Mapping[str, Any]) -> tuple[int, int]:
    return as_number(data["start"], "start"), as_number(data["end"], "end")


def _optional(data: Mapping[str, Any], key: str) -> str | None:
    return None if data.get(key) is None else as_string(data[key], key)


@dataclass(frozen=True, slots=True)
class FoundEntity:
    """An entity that was found; `score` in (0, 1].

    `recognizer` names the rule that found it (`nlp.recognizers`), None says that the model did.
    `value` is the normalised form that the rule gives, such as a phone number in E.164.
    """

    id: str
    type: str
    text: str
    start: int
    end: int
    score: float
    value: str | None = None
    recognizer: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON shape of DESIGN's contract; optional fields only where set."""
        out: dict[str, Any] = {
            "id": self.id,
            "type": self.type,
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "score": self.score,
        }
        if self.value is not None:
            out["value"] = self.value
        if self.recognizer is not None:
            out["recognizer"] = self.recognizer
        return out


@dataclass(frozen=True, slots=True)
class FoundArgument:
    """An argument that the model found."""

    entity: str
    role: str
    score: float


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event that the model found; `text[start:end]` is the trigger."""

    id: str
    type: str
    text: str
    start: int
    end: int
    score: float
    arguments: tuple[FoundArgument, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundRelation:
    """A relation that the model found."""

    head: str
    tail: str
    type: str
    score: float


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is found in one text. Entity and event ids count from e1 and v1 in text order."""

    entities: tuple[FoundEntity, ...] = ()
    events: tuple[FoundEvent, ...] = ()
    relations: tuple[FoundRelation, ...] = ()
    language: str | None = field(default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON shape of DESIGN's *Analysis* contract, without id and version."""
        return {
            "language": self.language,
            "entities": [e.to_dict() for e in self.entities],
            "events": [
                {
                    "id": e.id,
                    "type": e.type,
                    "trigger": {"text": e.text, "start": e.start, "end": e.end},
                    "score": e.score,
                    "arguments": [
                        {"entity": a.entity, "role": a.role, "score": a.score} for a in e.arguments
                    ],
                }
                for e in self.events
            ],
            "relations": [
                {"head": r.head, "tail": r.tail, "type": r.type, "score": r.score}
                for r in self.relations
            ],
        }
