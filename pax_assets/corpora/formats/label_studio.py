"""Label Studio's JSON export as documents; `corpora.label_studio_tasks` is the way out.

Where a span lies is a question of its own: `label_studio_offsets`.

What an export can hold, and how it is read:

- A task without an annotation is no labelled document and is left out; so is a cancelled
  (skipped) annotation, and a draft. Where an annotation is marked as ground truth, the task's
  others do not count.
- A span of several labels becomes several spans; a relation to such a span is refused.
- A relation of several labels becomes several relations, one in both directions two. Between a
  trigger and an entity it is an argument with the label as role, whichever way it was drawn. A
  relation between two triggers is refused: arguments are entities here.
- Spans of HTML and of dialogues, and what is no span (choices, ratings, comments), are refused
  unless `ignore` names their type.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast, get_args

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats.label_studio_offsets import Region, settle_offsets
from pax_assets.corpora.label_studio_tasks import MESSAGE_ID, TRIGGERS
from pax_assets.nlp.documents import (
    LAYERS,
    Argument,
    Document,
    DocumentError,
    Entity,
    Event,
    Layer,
    Relation,
)

Which = Literal["last", "first", "agreed"]
Offsets = Literal["auto", "code points", "utf-16"]


def read(
    path: Path,
    *,
    text_field: str = "",
    events: Sequence[str] = (),
    event_tag: str = TRIGGERS,
    annotation: Which = "last",
    offsets: Offsets = "auto",
    layers: Sequence[Layer] | None = None,
    unlabelled: str = "",
    ignore: Sequence[str] = (),
    id_field: str = "doc_id",
    group_field: str = "group",
) -> Iterator[Document]:
    """Yield a document for each annotated task of a full JSON export.

    `text_field` is the field of a task's data that was labelled; without it, the one named as
    the spans' `to_name`, else the only text there is. Triggers, not entities, are spans whose
    label is in `events`, or whose `from_name` is `event_tag` (as in `labeling_config`).

    Of several annotations `annotation` takes the one that was changed "last" or "first", or with
    "agreed" any, where they say the same. `offsets` names what the export counts; "auto" finds
    out. `layers` says what was annotated; without it, entities, events where the file has or
    `events` names triggers, and relations where the file has any.

    `unlabelled` is the type of relations without a label. `ignore` names types of results to
    leave out. Ids and groups are the fields `id_field` and `group_field` of a task's data; a
    task without has its own id, and no group.

    Raises `CorpusError` for what is no such export, spans whose text is another, ids that
    point nowhere, and annotations that differ where "agreed" is asked for.
    """
    path = Path(path)
    options = _Options(
        path=path,
        text_field=text_field,
        events=_names(path, "events", events),
        event_tag=event_tag,
        which=_one_of(path, "annotation", annotation, get_args(Which)),
        offsets=_one_of(path, "offsets", offsets, get_args(Offsets)),
        unlabelled=unlabelled,
        ignore=_names(path, "ignore", ignore),
        id_field=id_field,
        group_field=group_field,
    )
    for layer in layers or ():
        _one_of(path, "layers", layer, LAYERS)
    versions = _annotated(options, _load(path))
    every = [one for of_task in versions for one in of_task]
    kept = _layers(options, every) if layers is None else tuple(layers)
    seen: dict[str, str] = {}
    for of_task in versions:
        documents = [_document(one, kept) for one in of_task]
        if any(_content(documents[0]) != _content(other) for other in documents[1:]):
            raise CorpusError(
                f"{of_task[0].where}: its {len(of_task)} annotations differ; mark one as ground "
                'truth, or read the "last"'
            )
        if (document := documents[-1]).doc_id in seen:
            raise CorpusError(
                f"{of_task[-1].where}: {document.doc_id} is the id of {seen[document.doc_id]} "
                "already; let id_field name a field of data that differs, or none"
            )
        seen[document.doc_id] = of_task[-1].where
        yield document


@dataclass(frozen=True, slots=True)
class _Options:
    path: Path
    text_field: str
    events: frozenset[str]
    event_tag: str
    which: str
    offsets: str
    unlabelled: str
    ignore: frozenset[str]
    id_field: str
    group_field: str


@dataclass(slots=True)
class _Annotated:
    """An annotation of a task, parsed. `tag` is the `to_name` of its spans, or empty."""

    where: str
    doc_id: str
    group: str | None
    message_id: str | None
    data: Mapping[str, object]
    tag: str = ""
    text: str = ""
    regions: dict[str, Region] = field(default_factory=dict)
    # (trigger, entity, role) and (head, tail, type), by region
    arguments: list[tuple[str, str, str]] = field(default_factory=list)
    linked: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def has_triggers(self) -> bool:
        """Whether a span is a trigger."""
        return any(region.triggers for region in self.regions.values())


def _names(path: Path, option: str, given: object) -> frozenset[str]:
    if isinstance(given, str) or not isinstance(given, Collection):
        raise CorpusError(f"{path}: {option} is a list of names, and not {given!r}")
    return frozenset(str(name) for name in given)


def _one_of(path: Path, option: str, given: str, known: Sequence[str]) -> str:
    if given not in known:
        raise CorpusError(f"{path}: {option} is one of {', '.join(known)}, and not {given!r}")
    return given


def _load(path: Path) -> list[object]:
    if not path.is_file():
        raise CorpusError(f"{path} does not exist or is no file: expected a Label Studio export")
    try:
        found = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CorpusError(
            f"{path}: not JSON in UTF-8: {error}; export the project as JSON"
        ) from None
    if not isinstance(found, list):
        raise CorpusError(
            f"{path}: expected a list of tasks, found {type(found).__name__}; export the project "
            "as JSON"
        )
    return found


def _annotated(options: _Options, tasks: Sequence[object]) -> list[list[_Annotated]]:
    """Return the annotations that count of each task that has any, ready but for their layers."""
    found = [_task(options, number, task) for number, task in enumerate(tasks, start=1)]
    found = [of_task for of_task in found if of_task]
    if not found:
        raise CorpusError(
            f"{options.path}: none of {len(tasks)} tasks has an annotation; label some, and "
            "export them as JSON"
        )
    every = [one for of_task in found for one in of_task]
    # An annotation without spans names no text: it has the one that the others label.
    tags = {one.tag for one in every if one.tag}
    common = tags.pop() if len(tags) == 1 else ""
    for one in every:
        one.text = _text(options, one, one.tag or common)
    settle_offsets([(one.text, one.regions.values()) for one in every], options.offsets)
    return found


def _layers(options: _Options, every: Sequence[_Annotated]) -> tuple[Layer, ...]:
    has = {
        "entities": True,
        "events": bool(options.events) or any(one.has_triggers for one in every),
        "relations": any(one.linked for one in every),
    }
    return tuple(layer for layer in LAYERS if has[layer])


def _task(options: _Options, number: int, task: object) -> list[_Annotated]:
    """Return the annotations of a task that count: none, one, or with "agreed" all."""
    where = f"{options.path}, task {number} of the file"
    if not isinstance(task, dict):
        raise CorpusError(f"{where}: expected an object, found {type(task).__name__}")
    if task.get("id") is not None:
        where = f"{options.path}, task {task['id']}"
    if "completions" in task:
        raise CorpusError(
            f"{where}: has completions, as before Label Studio 1.0; import it into a newer "
            "version and export it again"
        )
    data = task.get("data")
    if data is None and "annotations" not in task:
        raise CorpusError(
            f"{where}: has no data and no annotations, as in the JSON-MIN export, which has no "
            "relations; export the project as JSON"
        )
    if not isinstance(data, dict):
        raise CorpusError(f"{where}: data is {type(data).__name__}, expected an object")
    counted = [
        _annotation(options, where, number, task, data, annotation)
        for annotation in _that_count(where, task.get("annotations") or [])
    ]
    if options.which == "agreed":
        return counted
    return counted[:1] if options.which == "first" else counted[-1:]


def _that_count(where: str, annotations: object) -> list[dict[str, object]]:
    """Return the annotations that are not cancelled (or the ground truth), the oldest first."""
    if not isinstance(annotations, list):
        raise CorpusError(f"{where}: annotations are no list")
    counted: list[dict[str, object]] = []
    for annotation in annotations:
        if not isinstance(annotation, dict):
            raise CorpusError(
                f"{where}: an annotation is {annotation!r}, expected an object; export "
                "annotations with their results, not ids alone"
            )
        if not annotation.get("was_cancelled"):
            counted.append(annotation)
    counted = [a for a in counted if a.get("ground_truth")] or counted
    times = [_time(a.get("updated_at") or a.get("created_at")) for a in counted]
    if None in times:
        return counted
    order = sorted(range(len(counted)), key=lambda i: (cast("datetime", times[i]), i))
    return [counted[i] for i in order]


def _time(given: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time and time.tzinfo is None else time


def _annotation(
    options: _Options,
    where: str,
    number: int,
    task: Mapping[str, object],
    data: dict[str, object],
    annotation: Mapping[str, object],
) -> _Annotated:
    if annotation.get("id") is not None:
        where = f"{where}, annotation {annotation['id']}"
    names = [_name(data.get(name)) for name in (options.id_field, options.group_field, MESSAGE_ID)]
    one = _Annotated(
        where=where,
        doc_id=names[0] or _name(task.get("id")) or str(number),
        group=names[1],
        message_id=names[2],
        data=data,
    )
    results = annotation.get("result")
    if not isinstance(results, list):
        raise CorpusError(f"{where}: result is {type(results).__name__}, expected a list")
    relations = []
    for result in results:
        if not isinstance(result, dict):
            raise CorpusError(f"{where}: a result is {type(result).__name__}, expected an object")
        kind = result.get("type")
        if kind == "relation":
            relations.append(result)
        elif kind == "labels":
            _add_region(options, one, result)
        elif str(kind) not in options.ignore:
            raise CorpusError(
                f"{where}: result {result.get('id')} has the type {kind!r}; expected labels (of "
                "plain text) and relations; name the type in `ignore` to leave such results out"
            )
    for relation in relations:
        _add_relation(options, one, relation)
    return one


def _name(given: object) -> str | None:
    """Return a text or a number as text; None for what names nothing."""
    if isinstance(given, bool) or not isinstance(given, str | int):
        return None
    return str(given) or None


def _add_region(options: _Options, one: _Annotated, result: Mapping[str, object]) -> None:
    identity = _name(result.get("id"))
    if identity is None:
        raise CorpusError(f"{one.where}: a span has no id")
    where = f"{one.where}, result {identity}"
    value = result.get("value")
    if not isinstance(value, dict):
        raise CorpusError(f"{where}: value is {type(value).__name__}, expected an object")
    start, end, surface = value.get("start"), value.get("end"), value.get("text")
    # type(), for true and false are ints.
    if type(start) is not int or type(end) is not int:
        raise CorpusError(f"{where}: start {start!r} and end {end!r} are no whole numbers")
    if surface is not None and not isinstance(surface, str):
        raise CorpusError(f"{where}: its text is {type(surface).__name__}")
    labels = value.get("labels")
    if not isinstance(labels, list) or not labels or not all(_is_label(n) for n in labels):
        raise CorpusError(
            f"{where}: expected labels, found {labels!r}; label the span or delete it"
        )
    tag = _name(result.get("to_name")) or ""
    if one.tag not in ("", tag):
        raise CorpusError(
            f"{where}: labels {tag} where others of the annotation label {one.tag}; a document "
            "has one text"
        )
    one.tag = tag
    region = one.regions.setdefault(identity, Region(identity, where, start, end, surface))
    if (region.start, region.end) != (start, end):
        raise CorpusError(f"{where}: the id names another span, too")
    for label in labels:
        is_trigger = result.get("from_name") == options.event_tag or label in options.events
        marked = region.triggers if is_trigger else region.entities
        if label in marked:
            raise CorpusError(f"{where}: has the label {label} twice")
        marked.append(label)


def _is_label(given: object) -> bool:
    return isinstance(given, str) and bool(given)


def _add_relation(options: _Options, one: _Annotated, result: Mapping[str, object]) -> None:
    ends = []
    for name in ("from_id", "to_id"):
        identity = _name(result.get(name))
        if identity is None or identity not in one.regions:
            raise CorpusError(
                f"{one.where}: the {name} of a relation is {result.get(name)!r}, which is no span "
                "of the annotation"
            )
        region = one.regions[identity]
        if len(region.entities) + len(region.triggers) > 1:
            raise CorpusError(
                f"{region.where}: has several labels and a relation, and which label is related "
                "is not known; make it several spans"
            )
        ends.append(region)
    head, tail = ends
    where = f"{one.where}, relation from {head.id} to {tail.id}"
    direction = result.get("direction") or "right"
    if direction not in ("right", "left", "bi"):
        raise CorpusError(f"{where}: direction {direction!r} is none of right, left, bi")
    labels = result.get("labels") or ([options.unlabelled] if options.unlabelled else None)
    if not isinstance(labels, list) or not all(_is_label(name) for name in labels):
        raise CorpusError(
            f"{where}: expected labels, found {result.get('labels')!r}; label it, or give "
            "relations without a label a type by `unlabelled`"
        )
    if head.triggers and tail.triggers:
        raise CorpusError(f"{where}: both ends are triggers; an argument is an entity here")
    for label in labels:
        if head.triggers or tail.triggers:
            trigger, entity = (head, tail) if head.triggers else (tail, head)
            one.arguments.append((trigger.id, entity.id, label))
            continue
        if direction in ("right", "bi"):
            one.linked.append((head.id, tail.id, label))
        if direction in ("left", "bi"):
            one.linked.append((tail.id, head.id, label))


def _text(options: _Options, one: _Annotated, tag: str) -> str:
    texts = {name: value for name, value in one.data.items() if isinstance(value, str)}
    there = ", ".join(sorted(one.data)) or "none"
    if options.text_field:
        if options.text_field not in texts:
            raise CorpusError(
                f"{one.where}: {options.text_field} is no text of its data, which has {there}"
            )
        return texts[options.text_field]
    if tag in texts:
        return texts[tag]
    for name in (options.id_field, options.group_field, MESSAGE_ID):
        texts.pop(name, None)
    if len(texts) != 1:
        raise CorpusError(
            f"{one.where}: which field was labelled is not known, its data has {there}; name it "
            "as text_field"
        )
    return next(iter(texts.values()))


def _document(one: _Annotated, layers: tuple[Layer, ...]) -> Document:
    entities, events = [], []
    for region in one.regions.values():
        several = len(region.entities) + len(region.triggers) > 1
        for label in region.entities:
            name = f"{region.id}:{label}" if several else region.id
            entities.append(Entity(name, region.start, region.end, label))
        for label in region.triggers:
            name = f"{region.id}:{label}" if several else region.id
            # The same argument may be drawn twice, once each way.
            arguments = dict.fromkeys(
                Argument(entity, role)
                for trigger, entity, role in one.arguments
                if trigger == region.id
            )
            events.append(Event(name, label, region.start, region.end, tuple(arguments)))
    try:
        return Document(
            doc_id=one.doc_id,
            text=one.text,
            layers=layers,
            entities=tuple(entities),
            events=tuple(events),
            relations=tuple(dict.fromkeys(Relation(*link) for link in one.linked)),
            group=one.group,
            message_id=one.message_id,
        ).validate()
    except DocumentError as error:
        raise CorpusError(f"{one.where}: {error}") from None


def _content(document: Document) -> tuple[list[Any], ...]:
    """Return what is annotated, without ids: what two people who agree have in common."""
    spans = {e.id: (e.start, e.end, e.type) for e in document.entities}
    return (
        sorted(spans.values()),
        sorted(
            (e.start, e.end, e.type, sorted((spans[a.entity], a.role) for a in e.arguments))
            for e in document.events
        ),
        sorted((spans[r.head], spans[r.tail], r.type) for r in document.relations),
    )
