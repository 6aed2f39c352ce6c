"""How a message is written: clauses are filled, roughened as people type, and joined to a text.

Clean sentences would teach a model to read clean sentences. Chats come in lower case, with typing
errors, short forms, emoji and line breaks; mails come with greetings, signature blocks and quoted
replies. All of that happens here segment by segment, so annotations survive it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from pax_assets.nlp.documents import Argument, Entity, Event, Relation
from pax_assets.sample import names
from pax_assets.sample.circle import Binding, Circle, Person, bind
from pax_assets.sample.grammar import ENTITIES, Clause, Segment, Template, choose, pieces

_SHORT_FORMS = {
    "you": "u",
    "please": "pls",
    "are": "r",
    "before": "b4",
    "thanks": "thx",
    "and": "&",
    "because": "bc",
    "for": "4",
    "with": "w/",
    "your": "ur",
    "people": "ppl",
    "about": "abt",
}
_EMOJI = ("🙂", "👍", "😅", "🙏", "🎉", "😬", "📦", "🤔", "❤️", "😂")
_LEADS = ("also,", "btw", "fyi:", "ok so", "by the way,", "and", "hey,", "quick one:", "update:")


@dataclass(frozen=True, slots=True)
class Style:
    """How one author types."""

    chat: bool
    lower: bool = False
    short_forms: bool = False
    emoji: bool = False
    typos: float = 0.0
    line_breaks: bool = False
    full_names: float = 0.5
    stops: float = 1.0


@dataclass(frozen=True, slots=True)
class Writing:
    """A written text with its annotation and the ids of the templates that made it."""

    text: str
    entities: tuple[Entity, ...]
    events: tuple[Event, ...]
    relations: tuple[Relation, ...]
    templates: tuple[str, ...]


def new_style(rng: Random, channel: str) -> Style:
    """Draw the habits of an author on a channel."""
    if channel == "email":
        return Style(chat=False, lower=rng.random() < 0.08, typos=rng.choice((0, 0, 0.01)))
    return Style(
        chat=True,
        lower=rng.random() < 0.4,
        short_forms=rng.random() < 0.3,
        emoji=rng.random() < 0.3,
        typos=rng.choice((0, 0, 0.02, 0.05)),
        line_breaks=rng.random() < (0.35 if channel == "whatsapp" else 0.1),
        full_names=0.25,
        stops=rng.choice((0.3, 0.8, 1.0)),
    )


def _mention(slot: str, binding: Binding, style: Style, rng: Random) -> tuple[str, str]:
    """Return an entity's surface and its preposition."""
    letter, key, full = slot[0].lower(), slot.lower(), slot[0].isupper()
    if letter == "p":
        person = binding.people[key]
        return person.name if full or rng.random() < style.full_names else person.first, ""
    if letter == "s":
        return binding.people[key].last, ""
    if letter == "o":
        organization = binding.organizations[key]
        named = full or rng.random() < style.full_names
        return organization.name if named else organization.short, ""
    if letter == "l":
        return binding.places[key]
    if letter == "g":
        return binding.goods[key], ""
    if letter == "m":
        return names.money(rng), ""
    return names.time(rng, chat=style.chat)


def fill(
    template: Template, circle: Circle, style: Style, rng: Random, author: Person | None = None
) -> Clause:
    """Return the template as a clause about people and things of the circle."""
    parts = pieces(choose(template.pattern, rng))
    slots = {m["slot"].lower() for _, m in parts if m and m["slot"]}
    binding = bind(template, slots, circle, rng, author)
    out: list[Segment] = []
    seen: dict[str, int] = {}
    for text, match in parts:
        if match is None:
            out.append(Segment(text))
        elif match["trigger"]:
            trigger = rng.choice(match["trigger"].split("|"))
            out.append(Segment(trigger, "trigger", template.section, "v1"))
        elif match["filler"]:
            out.append(Segment(names.literal(match["filler"], rng)))
        else:
            slot = match["slot"]
            surface, preposition = _mention(slot, binding, style, rng)
            if match["at"] and preposition:
                out.append(Segment(preposition + " "))
            # Only the first mention of a slot bears its name: relations point there.
            seen[slot] = seen.get(slot, 0) + 1
            unique = slot if seen[slot] == 1 else f"{slot}#{seen[slot]}"
            role = match["role"] or ""
            kind = ENTITIES[slot[0].lower()]
            out.append(Segment(surface, "entity", kind, unique, role, "v1" if role else ""))
    return Clause(tuple(out), template.relations, template.ids)


def _typed(text: str, style: Style, rng: Random) -> str:
    """Return literal text as this author would type it."""

    def word(match: re.Match[str]) -> str:
        found = match.group()
        if style.short_forms and found.casefold() in _SHORT_FORMS and rng.random() < 0.6:
            return _SHORT_FORMS[found.casefold()]
        if len(found) >= 5 and rng.random() < style.typos:
            at = rng.randint(1, len(found) - 3)
            if rng.random() < 0.5:
                return found[:at] + found[at + 1] + found[at] + found[at + 2 :]
            return found[:at] + found[at + 1 :]
        return found

    return re.sub(r"[^\W\d_]+", word, text)


def sentence(clause: Clause, style: Style, rng: Random, *, last: bool = True) -> Clause:
    """Return the clause as a sentence: lead-in, case, typing habits, a final stop or emoji."""
    segments = [
        replace(s, text=_typed(s.text, style, rng)) if s.kind == "literal" else s
        for s in clause.segments
    ]
    if rng.random() < (0.2 if style.chat else 0.1):
        segments.insert(0, Segment(rng.choice(_LEADS) + " "))
    first = segments[0].text
    segments[0] = replace(segments[0], text=first[0].upper() + first[1:])
    if not segments[-1].text.endswith(("?", ".", "!", ",")):
        if rng.random() < style.stops:
            segments.append(Segment("!" if style.chat and rng.random() < 0.15 else "."))
        elif not last:
            segments.append(Segment(","))
    if style.emoji and rng.random() < 0.4:
        segments.append(Segment(" " + rng.choice(_EMOJI)))
    if style.lower:
        segments = [replace(s, text=s.text.lower()) for s in segments]
    return replace(clause, segments=tuple(segments))


def broken(clause: Clause) -> Clause:
    """Return a signature, greeting or quote with its ` / ` as line breaks."""
    return replace(
        clause,
        segments=tuple(
            replace(s, text=s.text.replace(" / ", "\n")) if s.kind == "literal" else s
            for s in clause.segments
        ),
    )


def quoted(clause: Clause) -> Clause:
    """Return a clause as a quoted line of an earlier mail."""
    segments = tuple(replace(s, text=s.text.replace("\n", "\n> ")) for s in clause.segments)
    return replace(clause, segments=(Segment("> "), *segments))


def assemble(parts: Sequence[Clause | str]) -> Writing:
    """Join clauses and the strings between them; return the text with offsets into it.

    Entities are numbered e1, e2, ... and events v1, v2, ... in the order of the text.
    """
    text = ""
    ids: dict[str, str] = {}
    entities: list[Entity] = []
    triggers: list[tuple[str, str, int, int]] = []
    roles: dict[str, list[Argument]] = {}
    stated: list[tuple[str, str, str]] = []
    used: list[str] = []
    for number, part in enumerate(parts):
        if isinstance(part, str):
            text += part
            continue
        clause = part.tagged(f"{number}.")
        used.extend(clause.templates)
        stated.extend(clause.relations)
        for segment in clause.segments:
            start, text = len(text), text + segment.text
            if segment.kind == "entity":
                ids[segment.slot] = f"e{len(entities) + 1}"
                entities.append(Entity(ids[segment.slot], start, len(text), segment.type))
                if segment.role:
                    argument = Argument(ids[segment.slot], segment.role)
                    roles.setdefault(segment.event, []).append(argument)
            elif segment.kind == "trigger":
                triggers.append((segment.slot, segment.type, start, len(text)))
    events = tuple(
        Event(f"v{n}", kind, start, end, tuple(roles.get(slot, ())))
        for n, (slot, kind, start, end) in enumerate(triggers, 1)
    )
    relations = tuple(Relation(ids[a], ids[b], name) for name, a, b in stated)
    return Writing(text, tuple(entities), events, relations, tuple(used))
