"""Clause templates: a small notation in which a sentence and its annotation are written at once.

Labelling generated text afterwards would need the very model that the labels are to train. Here
each clause carries its spans, roles and relations from the start, so offsets cannot be wrong.

The notation, one clause a line under a `[section]`:

* `[a|b|]` one of the alternatives (may be empty, may hold slots); nests.
* `{p1}` a person, `o` organization, `l` location, `g` product, `m` money, `t` time; the digit tells
  slots apart. `{s1}` is a person's surname alone; upper case (`{P1}`) is the full form.
* `{p1:payer}` the entity plays that role in the clause's event.
* `{@t1}` puts the fitting preposition before a time or place ("on Friday", "in Porto").
* `{q}`, `{n}`, `{ref}`, `{phone}`, `{title}`: filler without annotation.
* `<paid|wired>` the trigger of the event that the section names.
* ` => works_for(p1,o1)` relations that the clause states; a relation section has a default.
* `{}` in the section `around` is where another clause goes.
* ` / ` in signatures, greetings and quotes is a line break.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from random import Random
from typing import Literal

from pax_assets.nlp.documents import Split

EVENTS = ("meeting", "payment", "delivery", "request")
ENTITIES = {
    "p": "person",
    "s": "person",
    "o": "organization",
    "l": "location",
    "g": "product",
    "m": "money",
    "t": "time",
}
_DEFAULT_RELATION = {
    "works_for": "works_for(p1,o1)",
    "located_in": "located_in(o1,l1)",
    "reports_to": "reports_to(p1,p2)",
    "supplies": "supplies(o1,g1)",
    "knows": "knows(p1,p2)",
}
RELATIONS = tuple(_DEFAULT_RELATION)
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_PIECE = re.compile(
    r"\{(?P<at>@?)(?P<slot>[psolgmtPSOLG]\d)(?::(?P<role>\w+))?\}"
    r"|\{(?P<filler>\w+)\}|<(?P<trigger>[^<>]+)>"
)
_RELATION = re.compile(r"(\w+)\((\w\d),(\w\d)\)")


@dataclass(frozen=True, slots=True)
class Template:
    """One line of a template file, or two joined by `wrapped`.

    `ids` are hashes of the patterns, so that equal lines share one.
    """

    ids: tuple[str, ...]
    section: str
    pattern: str
    relations: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text: literal, an entity mention or a trigger.

    `slot` names the mention; within a document it is made unique by `Clause.tagged`. `role` is
    the part that the mention plays in the event whose trigger has the slot `event`.
    """

    text: str
    kind: Literal["literal", "entity", "trigger"] = "literal"
    type: str = ""
    slot: str = ""
    role: str = ""
    event: str = ""


@dataclass(frozen=True, slots=True)
class Clause:
    """Segments in order, with the relations (type, head slot, tail slot) that they state."""

    segments: tuple[Segment, ...]
    relations: tuple[tuple[str, str, str], ...] = ()
    templates: tuple[str, ...] = ()

    def tagged(self, tag: str) -> Clause:
        """Return the clause with `tag` before all slots, so that clauses can be joined."""
        return replace(
            self,
            segments=tuple(
                replace(s, slot=tag + s.slot, event=tag + s.event if s.event else "")
                if s.slot
                else s
                for s in self.segments
            ),
            relations=tuple((name, tag + a, tag + b) for name, a, b in self.relations),
        )


@cache
def templates(split: Split) -> dict[str, tuple[Template, ...]]:
    """Return the templates of a split by section; ValueError names a line that cannot be used."""
    path = files("pax_assets.sample") / "data" / f"{split}.txt"
    out: dict[str, list[Template]] = {}
    section = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if re.fullmatch(r"\[\w+\]", line):
            section = line[1:-1]
            out[section] = []
        elif line.strip() and not line.startswith("#"):
            pattern, _, stated = line.partition(" => ")
            stated = stated or _DEFAULT_RELATION.get(section, "")
            relations = tuple((m[1], m[2], m[3]) for m in _RELATION.finditer(stated))
            slots = {m["slot"] for m in _PIECE.finditer(pattern)}
            missing = sorted({s for _, a, b in relations for s in (a, b)} - slots)
            if missing or (section in EVENTS and "<" not in pattern):
                raise ValueError(
                    f"{split}.txt:{number}: the clause lacks {missing or 'a trigger'}: {line!r}"
                )
            digest = hashlib.sha256(pattern.casefold().encode()).hexdigest()[:12]
            out[section].append(Template((f"{section}:{digest}",), section, pattern, relations))
    return {name: tuple(values) for name, values in out.items()}


def wrapped(inner: Template, outer: Template) -> Template:
    """Return the clause `inner` inside `outer` ("Ana says ..."); their slots must differ."""
    return Template(
        inner.ids + outer.ids,
        inner.section,
        outer.pattern.replace("{}", inner.pattern),
        inner.relations + outer.relations,
    )


def choose(pattern: str, rng: Random) -> str:
    """Return `pattern` with every `[a|b]` replaced by one alternative, inner ones first."""
    while match := _CHOICE.search(pattern):
        pick = rng.choice(match.group(1).split("|"))
        pattern = pattern[: match.start()] + pick + pattern[match.end() :]
    return re.sub(r" +([,.?!:]|$)", r"\1", re.sub(r" {2,}", " ", pattern)).strip()


def pieces(pattern: str) -> list[tuple[str, re.Match[str] | None]]:
    """Return a pattern without choices as literal text and slots, in order.

    A trigger's alternatives are drawn by the caller from the match.
    """
    out: list[tuple[str, re.Match[str] | None]] = []
    end = 0
    for match in _PIECE.finditer(pattern):
        if match.start() > end:
            out.append((pattern[end : match.start()], None))
        out.append((match.group(), match))
        end = match.end()
    if end < len(pattern):
        out.append((pattern[end:], None))
    return out
