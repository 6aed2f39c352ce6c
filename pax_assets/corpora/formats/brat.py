"""brat's standoff format: each `.txt` has a `.ann` beside it that says what is where in it.

    T1<tab>Person 0 4<tab>Anna              offsets, and the words once more
    T2<tab>Meet 5 8<tab>met
    E1<tab>Meet:T2 Agent:T1 Agent2:T3       trigger and arguments
    R1<tab>Knows Arg1:T1 Arg2:T3

Offsets count code points of the `.txt` as it is, with each character of its line ends. A text that
was saved again with other line ends shifts every later label and nothing else shows it, so the
words that a T line repeats are compared with the text, blanks aside.

A T line that an event names as its trigger is no entity, all others are. A number at the end of a
role ("Agent2") only tells equal roles apart, for brat, too, and is taken off. Of a relation, the
end whose name comes first in the alphabet is the head: Arg1.

What a document has no place for: spans in pieces (pieces with only blanks between them are one
span: brat breaks spans at line ends), and events that take part in events or relations. Options
say what becomes of them, and by default they are errors. Attributes (A, M), normalisations (N),
notes (#) and equivalences (*) are left out.

The format does not say what was annotated. Entities, events or relations are a layer of every
document if any text of the folder has them. And brat needs an empty `.ann` before work begins, so
an empty one means that nothing is in the text, or that nobody has looked: see `empty`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from pax_assets.corpora.errors import CorpusError
from pax_assets.nlp.documents import (
    LAYERS,
    Argument,
    Document,
    DocumentError,
    Entity,
    Event,
    Relation,
)

_LOG = logging.getLogger(__name__)
_ID = re.compile(r"[A-Za-z][0-9]\S*|#\S*|\*")
_LEFT_OUT = "AMN#*"
# Texts have fewer than 10^9 characters; Python refuses to read numbers of thousands of digits.
_OFFSETS = re.compile(r"[0-9]{1,9} [0-9]{1,9}(?:;[0-9]{1,9} [0-9]{1,9})*")
_LINK = re.compile(r"([^\s:]+):([^\s:]+)")


class _Wrong(ValueError):
    """What is wrong with a line; whoever knows the file says where."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")


class _Options(NamedTuple):
    cover: bool
    drop: bool


class _Links(NamedTuple):
    """An E or R line: type, an event's trigger, and (name, id) of what takes part."""

    line: int
    type: str
    trigger: str
    ends: list[tuple[str, str]]


class _Span(NamedTuple):
    line: int
    type: str
    start: int
    end: int


_Row = TypeVar("_Row", _Links, _Span)


@dataclass(slots=True)
class _Annotations:
    """The lines of one file, by id; they may point to later lines."""

    spans: dict[str, _Span] = field(default_factory=dict)
    events: dict[str, _Links] = field(default_factory=dict)
    relations: dict[str, _Links] = field(default_factory=dict)


def read(
    path: Path,
    *,
    discontinuous: Literal["error", "cover"] = "error",
    nested_events: Literal["error", "drop"] = "error",
    empty: Literal["keep", "leave_out"] = "keep",
) -> Iterator[Document]:
    """Yield a document for each `.ann` of a folder and its folders, by path; or for the one given.

    Ids are the paths in the folder without suffix. `discontinuous` says what becomes of a span in
    pieces: an error, or one span from the first piece to the last ("cover"). `nested_events` says
    the same of events that are arguments or ends of relations: an error, or that such arguments
    and relations are left out ("drop"). `empty` says whether a text whose `.ann` is empty is one
    with nothing in it ("keep") or not annotated yet ("leave_out", which allows texts that have no
    `.ann` at all). Files that begin with a dot are not read.

    Raises `CorpusError` for files that are absent, not UTF-8 or without their other half, lines
    that are no annotations, offsets whose words are others, and ids that point nowhere.
    """
    path = Path(path)
    for name, given, known in (
        ("discontinuous", discontinuous, ("error", "cover")),
        ("nested_events", nested_events, ("error", "drop")),
        ("empty", empty, ("keep", "leave_out")),
    ):
        if given not in known:
            raise CorpusError(f"{path}: {name} is {' or '.join(known)}, and not {given!r}")
    options = _Options(discontinuous == "cover", nested_events == "drop")
    found: list[Document] = []
    dropped = 0
    for name, file in _files(path, complete=empty == "keep"):
        text, lines = _content(file.with_suffix(".txt")), _content(file)
        try:
            annotations = _annotations(lines, text, options)
            document, links = _document(name, text, annotations, options)
        except (_Wrong, DocumentError) as error:
            raise CorpusError(f"{file}, {error}") from None
        dropped += links
        if annotations.spans or empty == "keep":
            found.append(document)
    # The layers are known only when all files are.
    layers = tuple(layer for layer in LAYERS if any(getattr(one, layer) for one in found))
    if not layers:
        raise CorpusError(f"{path}: nothing is annotated, no .ann has a T line")
    if dropped:
        _LOG.info("%s: left out %d arguments and relations that join events", path, dropped)
    for document in found:
        yield replace(document, layers=layers).validate()


def _files(path: Path, *, complete: bool) -> list[tuple[str, Path]]:
    """Return names and `.ann` files; `complete` if every text must have one."""
    if path.is_file():
        if path.suffix != ".ann":
            raise CorpusError(f"{path}: expected a folder, or an .ann file")
        return [(path.stem, path)]
    if not path.is_dir():
        raise CorpusError(f"{path} does not exist: expected a folder of .txt and .ann files")
    texts, annotations = _named(path, "txt"), _named(path, "ann")
    if not annotations:
        raise CorpusError(f"{path} has no .ann file")
    if lonely := sorted(set(annotations) - set(texts)):
        raise CorpusError(f"{annotations[lonely[0]]} has no .txt beside it")
    if complete and (lonely := sorted(set(texts) - set(annotations))):
        raise CorpusError(
            f"{texts[lonely[0]]} has no .ann beside it, not even an empty one; add it, move the "
            'text away if it is none of the corpus, or set the option empty = "leave_out"'
        )
    return sorted(annotations.items())


def _named(folder: Path, suffix: str) -> dict[str, Path]:
    found = {file.relative_to(folder): file for file in folder.rglob(f"*.{suffix}")}
    return {
        inside.with_suffix("").as_posix(): file
        for inside, file in found.items()
        if not any(part.startswith(".") for part in inside.parts)
    }


def _content(file: Path) -> str:
    try:
        # Neither a byte order mark nor line ends are touched: both count in offsets.
        return file.read_bytes().decode("utf-8")
    except OSError as error:
        raise CorpusError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise CorpusError(f"{file}: not UTF-8: {error}") from None


def _annotations(content: str, text: str, options: _Options) -> _Annotations:
    found = _Annotations()
    for number, line in enumerate(content.removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        name, tab, rest = line.rstrip("\r").partition("\t")
        if not tab or not _ID.fullmatch(name):
            raise _Wrong(number, f"expected an id such as T1 and a tab, found {line[:40]!r}")
        if name[0] == "T":
            _add(found.spans, name, _span(number, rest, text, options))
        elif name[0] == "E":
            _add(found.events, name, _event(number, rest))
        elif name[0] == "R":
            _add(found.relations, name, _relation(number, rest))
        elif name[0] not in _LEFT_OUT:
            raise _Wrong(number, f"{name[:20]!r} is no id of brat's (T, E, R, A, M, N, # or *)")
    return found


def _add(rows: dict[str, _Row], name: str, row: _Row) -> None:
    if name in rows:
        raise _Wrong(row.line, f"{name} stands on line {rows[name].line} already")
    rows[name] = row


def _span(line: int, rest: str, text: str, options: _Options) -> _Span:
    where, tab, words = rest.partition("\t")
    kind, _, offsets = where.partition(" ")
    if not tab or not kind or not _OFFSETS.fullmatch(offsets):
        raise _Wrong(line, f"expected a type, offsets, a tab and words, found {rest[:60]!r}")
    pieces = [(int(start), int(end)) for start, end in map(str.split, offsets.split(";"))]
    for start, end in pieces:
        if not start < end <= len(text):
            raise _Wrong(line, f"[{start}, {end}) is no span of a text of {len(text)} characters")
    there = " ".join(text[start:end] for start, end in pieces)
    if "".join(there.split()) != "".join(words.split()) or not there.strip():
        hint = "; do its line ends count twice (CR LF)?" if "\r\n" in text else ""
        raise _Wrong(
            line,
            f"the words are {words[:60]!r}, but at {offsets[:40]} the text has "
            f"{there[:60]!r}{hint}",
        )
    for (_, end), (start, _) in pairwise(pieces):
        if start < end:
            raise _Wrong(line, f"the pieces {offsets[:40]} overlap, or are not in order")
        if text[end:start].strip() and not options.cover:
            raise _Wrong(
                line,
                f"the span is in pieces ({offsets[:40]}), which a document cannot hold; with the "
                'option discontinuous = "cover" it goes from the first to the last',
            )
    return _Span(line, kind, pieces[0][0], pieces[-1][1])


def _event(line: int, rest: str) -> _Links:
    links = [_LINK.fullmatch(part) for part in rest.split()]
    pairs = [(link[1], link[2]) for link in links if link]
    if not pairs or len(pairs) < len(links):
        raise _Wrong(line, f"expected Type:T1 and arguments such as Role:T2, found {rest[:60]!r}")
    (kind, trigger), *arguments = pairs
    roles = [(name.rstrip("0123456789") or name, end) for name, end in arguments]
    return _Links(line, kind, trigger, list(dict.fromkeys(roles)))


def _relation(line: int, rest: str) -> _Links:
    kind, *parts = rest.split() or [""]
    links = [_LINK.fullmatch(part) for part in parts]
    ends = {link[1]: link[2] for link in links if link}
    if ":" in kind or not len(links) == len(ends) == 2:
        raise _Wrong(line, f"expected a type and two ends (Arg1:T1 Arg2:T2), found {rest[:60]!r}")
    return _Links(line, kind, "", sorted(ends.items()))


def _document(
    name: str, text: str, annotations: _Annotations, options: _Options
) -> tuple[Document, int]:
    """Return the document, and the number of links to events that were left out."""
    triggers = {_trigger(event, annotations.spans) for event in annotations.events.values()}
    entities = {
        name: Entity(name, span.start, span.end, span.type)
        for name, span in annotations.spans.items()
        if name not in triggers
    }
    nested = triggers | set(annotations.events)
    dropped = 0
    events = []
    for each, event in annotations.events.items():
        span = annotations.spans[event.trigger]
        ends = _ends(event, entities, nested, options)
        dropped += len(event.ends) - len(ends)
        arguments = tuple(Argument(end, role) for role, end in ends)
        events.append(Event(each, event.type, span.start, span.end, arguments))
    relations = []
    for relation in annotations.relations.values():
        ends = _ends(relation, entities, nested, options)
        if len(ends) == 2:
            relations.append(Relation(ends[0][1], ends[1][1], relation.type))
        else:
            dropped += 1
    document = Document(
        doc_id=name,
        text=text,
        layers=LAYERS,
        entities=tuple(entities.values()),
        events=tuple(events),
        relations=tuple(dict.fromkeys(relations)),
    )
    return document.validate(), dropped


def _trigger(event: _Links, spans: Mapping[str, _Span]) -> str:
    span = spans.get(event.trigger)
    if span is None:
        raise _Wrong(event.line, f"the trigger {event.trigger[:20]} is on no T line of the file")
    if span.type != event.type:
        # Else an entity that somebody annotated would be lost as a trigger.
        raise _Wrong(
            event.line,
            f"a {event.type[:40]} has the trigger {event.trigger}, which is a {span.type[:40]}",
        )
    return event.trigger


def _ends(
    links: _Links, entities: Mapping[str, Entity], nested: set[str], options: _Options
) -> Sequence[tuple[str, str]]:
    """Return the ends that are entities."""
    for name, end in links.ends:
        if end not in entities and end not in nested:
            raise _Wrong(links.line, f"{name}:{end[:20]} points to no T or E line of the file")
        if end in nested and not options.drop:
            raise _Wrong(
                links.line,
                f"{name}:{end} is an event, and only entities take part in events and relations; "
                'the option nested_events = "drop" leaves such links out',
            )
    return [(name, end) for name, end in links.ends if end in entities]
