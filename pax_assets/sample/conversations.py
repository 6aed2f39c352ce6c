"""The sample's conversations: who writes what to whom, on which channel, in which split.

A split must not cut a conversation, and the people of one split must not turn up in another.
So circles are made per split, and a circle holds several conversations: the same person writes a
text message, a chat and a mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from random import Random

from pax_assets.messages.message import Channel
from pax_assets.nlp.documents import LAYERS, Layer, Split
from pax_assets.sample.circle import Circle, Person, new_circle
from pax_assets.sample.grammar import EVENTS, RELATIONS, Clause, Template, templates, wrapped
from pax_assets.sample.writing import (
    Style,
    Writing,
    assemble,
    broken,
    fill,
    new_style,
    quoted,
    sentence,
)

SIZES: dict[Split, int] = {"train": 1300, "dev": 250, "test": 300}
UNLABELLED = 130
# Part of the labelled conversations that lie in the landing sample.
LANDED = 0.4
# Conversations of one circle, one after another.
_CHANNELS: tuple[Channel, ...] = (
    "sms",
    "whatsapp",
    "email",
    "sms",
    "whatsapp",
    "sms",
    "email",
    "whatsapp",
)
_SECTIONS = {
    **dict.fromkeys(EVENTS, 1.2),
    **dict.fromkeys(RELATIONS, 1.3),
    "distractor": 1.4,
}
_NAMED_SLOT = re.compile(r"\{@?[pol]\d")
_SUBJECTS = ("Update", "Quick question", "Next steps", "Open points", "Our call", "For your files")


@dataclass(frozen=True, slots=True)
class SampleMessage:
    """One message: its text with all annotations, and the layers that the gold corpus shows."""

    writing: Writing
    inbound: bool
    layers: tuple[Layer, ...]
    body: tuple[Clause | str, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages between one contact and the sample's own business, oldest first.

    `landed` conversations are written as landing objects; `labelled` ones are in the gold corpus.
    `host` answers for the business.
    """

    id: str
    channel: Channel
    split: Split
    contact: Person
    host: Person
    subject: str
    landed: bool
    labelled: bool
    messages: tuple[SampleMessage, ...]


def _sections(rng: Random, count: int) -> list[str]:
    return rng.choices(list(_SECTIONS), weights=list(_SECTIONS.values()), k=count)


def _clause(section: str, circle: Circle, style: Style, rng: Random) -> Clause:
    """Write a clause of a section, often inside another one that brings in more names.

    A relation nearly always gets company of its head's type, so that types do not give it away.
    """
    lines = templates(circle.split)
    template: Template = rng.choice(lines[section])
    outer = lines["around"]
    crowded = len(_NAMED_SLOT.findall(template.pattern)) > 2
    odds = 0.0 if section == "filler" else 0.1 if crowded else 0.15
    if template.relations and not crowded:
        odds = 0.9
        head = template.relations[0][1][0]
        outer = tuple(t for t in outer if f"{{{head}8}}" in t.pattern)
    if "?" not in template.pattern and rng.random() < odds:
        template = wrapped(template, rng.choice(outer))
    return fill(template, circle, style, rng)


def _chat(circle: Circle, style: Style, rng: Random, channel: Channel) -> tuple[Clause | str, ...]:
    """Write a text message or a chat message of one to three sentences."""
    weights = (0.75, 0.25, 0.0) if channel == "sms" else (0.6, 0.35, 0.05)
    sections = _sections(rng, rng.choices((1, 2, 3), weights=weights)[0])
    if rng.random() < 0.22:
        sections.insert(rng.randint(0, len(sections)), "filler")
    if rng.random() < 0.04:
        sections = ["filler"]
    parts: list[Clause | str] = []
    for number, section in enumerate(sections):
        clause = _clause(section, circle, style, rng)
        parts.append(sentence(clause, style, rng, last=number == len(sections) - 1))
        if number < len(sections) - 1:
            parts.append("\n" if style.line_breaks else " ")
    return tuple(parts)


def _mail(
    circle: Circle,
    style: Style,
    rng: Random,
    author: Person,
    earlier: tuple[Clause | str, ...] | None,
) -> tuple[Clause | str, ...]:
    """Write a mail body: greeting, paragraphs, closing, signature and perhaps a quoted reply."""
    lines = templates(circle.split)

    def frame(section: str, person: Person | None = None) -> Clause:
        return broken(fill(rng.choice(lines[section]), circle, style, rng, person))

    parts: list[Clause | str] = [frame("greeting"), "\n\n"]
    sections = _sections(rng, rng.choices((2, 3, 4), weights=(0.4, 0.4, 0.2))[0])
    if rng.random() < 0.5:
        sections.insert(rng.choice((0, len(sections))), "filler")
    for number, section in enumerate(sections):
        if number:
            parts.append("\n\n" if rng.random() < 0.25 else " ")
        clause = _clause(section, circle, style, rng)
        parts.append(sentence(clause, style, rng, last=number == len(sections) - 1))
    parts.extend(("\n\n", frame("closing"), "\n", frame("signature", author)))
    if earlier is not None:
        said = [part for part in earlier if isinstance(part, Clause) and len(part.segments) > 3]
        if said and rng.random() < 0.5:
            quote = rng.choice(said[:3])
            parts.extend(("\n\n", frame("quote"), "\n", quoted(quote)))
    return (*parts, "\n")


def _layers(split: Split, rng: Random) -> tuple[Layer, ...]:
    """Dev and test are annotated in full; a quarter of train lacks one layer or two."""
    if split != "train":
        return LAYERS
    options: tuple[tuple[Layer, ...], ...] = (
        LAYERS,
        ("entities",),
        ("entities", "events"),
        ("entities", "relations"),
    )
    return rng.choices(options, weights=(0.76, 0.12, 0.08, 0.04))[0]


def _conversation(
    rng: Random, circle: Circle, channel: Channel, name: str, *, labelled: bool, longest: int
) -> Conversation:
    # One regular contact per organisation: the same person texts, chats and writes mail.
    contact = rng.choice([o.staff[0] for o in circle.organizations])
    host = rng.choice([p for p in circle.people if p.mail != contact.mail])
    count = rng.randint(1, 4) if channel == "email" else rng.randint(3, 7)
    messages: list[SampleMessage] = []
    styles = {True: new_style(rng, channel), False: new_style(rng, channel)}
    for number in range(min(count, longest)):
        # The Cloud API's webhooks carry only what the contact wrote.
        inbound = channel == "whatsapp" or number == 0 or rng.random() < 0.6
        if channel == "email":
            earlier = messages[-1].body if messages else None
            author = contact if inbound else host
            body = _mail(circle, styles[inbound], rng, author, earlier)
        else:
            body = _chat(circle, styles[inbound], rng, channel)
        layers = _layers(circle.split, rng)
        messages.append(SampleMessage(assemble(body), inbound, layers, body))
    landed = rng.random() < LANDED or not labelled
    subject = rng.choice(_SUBJECTS)
    return Conversation(
        name, channel, circle.split, contact, host, subject, landed, labelled, tuple(messages)
    )


def _conversations(seed: int, split: Split, size: int, *, labelled: bool) -> Iterator[Conversation]:
    kind = split if labelled else "unlabelled"
    written = number = 0
    while written < size:
        rng = Random(f"{seed}/{kind}/{number}")  # noqa: S311 - a sample, no secret
        circle = new_circle(rng, split)
        for index, channel in enumerate(_CHANNELS):
            # Neutral ids: landing objects are named by them and must not tell the split.
            name = "c" + sha256(f"{seed}/{kind}/{number}/{index}".encode()).hexdigest()[:9]
            conversation = _conversation(
                rng, circle, channel, name, labelled=labelled, longest=size - written
            )
            written += len(conversation.messages)
            if conversation.messages:
                yield conversation
        number += 1


@lru_cache(maxsize=4)
def conversations(seed: int = 13) -> tuple[Conversation, ...]:
    """Return all conversations of the sample for a seed, always the same."""
    out: list[Conversation] = []
    for split, size in SIZES.items():
        out.extend(_conversations(seed, split, size, labelled=True))
    out.extend(_conversations(seed, "train", UNLABELLED, labelled=False))
    return tuple(out)
