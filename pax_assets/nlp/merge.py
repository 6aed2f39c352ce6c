"""One answer from two finders: the model's spans and those of the recognizers.

The model reads meaning and errs at edges; a recognizer knows one form and its exact edges. Kept
apart, every reader would join them in a way of his own; so the rule is written once, here:

1. Entities never overlap. Of recognized spans that overlap, `without_overlaps` says which stands.
2. A recognized span wins over the model's spans that it overlaps. One exception: a bare host
   (`url_host`, "booking.com") inside a longer span with more words ("booking.com Support Team"),
   which nothing else recognized touches, is a part of that name, and the model's span stays.
3. A span of the model that loses is cut back to what is left of it, if a letter is left and its
   type is another one than that of the span which cut it ("Anna Keller +1 415 ..." leaves "Anna
   Keller"); of several pieces the one with the most characters, then the first, goes on. It keeps
   its type, score and links.
4. If nothing is left, the recognized span stands for it and takes over its arguments and
   relations: of several the one that shares the most characters with it, then the first. Links
   keep their scores, also where the scheme of the model never joined these types: the model spoke
   of what stands at this place ("anna@example.org will pay"), and only its type is better known
   now.
5. Links of an entity with itself are dropped. Of equal links (same ends and type, same event,
   entity and role) the surest stands.
6. Ids count from e1 in text order again, relations are in the order of their ends, arguments in
   the order of their entities. Events, their triggers and ids are not touched: a trigger may
   overlap an entity.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from pax_assets.nlp.documents import (
    Analysis,
    FoundArgument,
    FoundEntity,
    FoundEvent,
    FoundRelation,
)
from pax_assets.nlp.recognizers.spans import Recognized, without_overlaps

_PART_OF_NAMES = frozenset({"url_host"})
_START, _END = attrgetter("start"), attrgetter("end")


def merged(analysis: Analysis, found: Sequence[Recognized], text: str) -> Analysis:
    """Return `analysis` with `found` in it, by the rule above; itself where nothing is found.

    The model's entities must not overlap each other. `found` may: it is what recognizers say of
    `text`. For every entity of the result `text[e.start:e.end] == e.text`.
    """
    if not found:
        return analysis
    model = sorted(analysis.entities, key=_START)
    standing = _without_parts_of_names(without_overlaps(found), model, text)
    if not standing:
        return analysis
    entity_at = {one.start: _entity(one, text) for one in standing}
    spans = list(entity_at.values())
    heirs: dict[str, FoundEntity] = {}
    for entity in model:
        rivals = _overlapping(standing, entity)
        if not rivals:
            heir = entity
            spans.append(heir)
        elif rest := _rest(entity, rivals, text):
            heir = rest
            spans.append(heir)
        else:
            heir = entity_at[max(rivals, key=lambda one: _shared(one, entity)).start]
        heirs[entity.id] = heir
    return _numbered(analysis, spans, heirs)


def _without_parts_of_names(
    found: list[Recognized], model: Sequence[FoundEntity], text: str
) -> list[Recognized]:
    """Leave out bare hosts that lie in a longer name of the model."""
    if not any(one.recognizer in _PART_OF_NAMES for one in found):
        return found
    parts: set[int] = set()
    for entity in model:
        inside = _overlapping(found, entity)
        if all(
            one.recognizer in _PART_OF_NAMES and entity.start <= one.start and one.end <= entity.end
            for one in inside
        ) and any(_has_letter(text[start:end]) for start, end in _around(entity, inside)):
            parts.update(one.start for one in inside)
    return [one for one in found if one.start not in parts]


def _rest(entity: FoundEntity, rivals: Sequence[Recognized], text: str) -> FoundEntity | None:
    """Return what is left of `entity` without `rivals`, None where that is nothing to keep."""
    if any(one.type == entity.type for one in rivals):
        return None
    pieces = [
        _bare(text, start, end)
        for start, end in _around(entity, rivals)
        if _has_letter(text[start:end])
    ]
    if not pieces:
        return None
    start, end = max(pieces, key=lambda piece: piece[1] - piece[0])
    return replace(entity, text=text[start:end], start=start, end=end)


def _around(entity: FoundEntity, rivals: Sequence[Recognized]) -> list[tuple[int, int]]:
    """Return the pieces of `entity` between `rivals`, which are in text order."""
    edges = [entity.start, *(edge for one in rivals for edge in (one.start, one.end)), entity.end]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(start, end) for start, end in pairs if start < end]


def _bare(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave out blanks and punctuation at both ends, such as the bracket before an address."""
    while not text[start].isalnum():
        start += 1
    # A mark (an accent, a vowel sign) belongs to the letter before it.
    while not text[end - 1].isalnum() and unicodedata.category(text[end - 1])[0] != "M":
        end -= 1
    return start, end


def _has_letter(text: str) -> bool:
    return any(map(str.isalpha, text))


def _shared(one: Recognized, entity: FoundEntity) -> int:
    return min(one.end, entity.end) - max(one.start, entity.start)


def _overlapping(spans: Sequence[Recognized], entity: FoundEntity) -> Sequence[Recognized]:
    """Return those of `spans`, sorted and without overlaps, that share a character with it."""
    first = bisect_right(spans, entity.start, key=_END)
    return spans[first : bisect_left(spans, entity.end, key=_START)]


def _entity(one: Recognized, text: str) -> FoundEntity:
    surface = text[one.start : one.end]
    return FoundEntity(
        "", one.type, surface, one.start, one.end, one.score, one.value, one.recognizer
    )


def _numbered(
    analysis: Analysis, spans: Iterable[FoundEntity], heirs: Mapping[str, FoundEntity]
) -> Analysis:
    ordered = sorted(spans, key=_START)
    position_at = {entity.start: index for index, entity in enumerate(ordered)}
    places = {old: position_at[entity.start] for old, entity in heirs.items()}
    return replace(
        analysis,
        entities=tuple(replace(e, id=f"e{i}") for i, e in enumerate(ordered, 1)),
        events=tuple(_event(event, places) for event in analysis.events),
        relations=_relations(analysis.relations, places),
    )


def _event(event: FoundEvent, places: Mapping[str, int]) -> FoundEvent:
    surest: dict[tuple[int, str], float] = {}
    for argument in event.arguments:
        key = (places[argument.entity], argument.role)
        surest[key] = max(argument.score, surest.get(key, 0.0))
    arguments = (
        FoundArgument(f"e{place + 1}", role, surest[place, role])
        for place, role in sorted(surest, key=lambda key: key[0])
    )
    return replace(event, arguments=tuple(arguments))


def _relations(
    relations: Iterable[FoundRelation], places: Mapping[str, int]
) -> tuple[FoundRelation, ...]:
    surest: dict[tuple[int, int, str], float] = {}
    for relation in relations:
        head, tail = places[relation.head], places[relation.tail]
        if head != tail:
            key = (head, tail, relation.type)
            surest[key] = max(relation.score, surest.get(key, 0.0))
    return tuple(
        FoundRelation(f"e{head + 1}", f"e{tail + 1}", kind, surest[head, tail, kind])
        for head, tail, kind in sorted(surest, key=lambda key: key[:2])
    )
