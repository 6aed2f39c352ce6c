"""A mix of corpora, declared in one TOML file: which files, which splits, what their labels mean.

Corpora name the same thing differently (`PER`, `person`, `Peop`) and annotate different layers.
Both are said here once, beside the paths, so that a label of another name is a line of
configuration and not of code. What is misspelt is refused: a mapping of a label that a source does
not have would otherwise be a label that silently keeps its old name.

    [[source]]
    name = "tweets"                  # begins the documents' ids; the file's name without it
    format = "conll"                 # one of FORMATS
    path = "wnut17/train.conll"      # relative to this file; or `splits` instead
    split = "train"                  # without it, documents are divided by conversation
    licence = "CC BY 4.0"            # said in the cards of the models that it trains
    layers = ["entities"]            # of the layers that the source has, only these
    complete = true                  # what is not marked here is none of any type of the mix

    [source.splits]                  # a file for each split
    train = "wnut17/train.conll"
    dev = "wnut17/dev.conll"

    [source.options]                 # arguments of the format's `read`
    tagging = "iob2"

    [source.entities]                # the same for events, relations, roles
    PER = "person"
    "creative-work" = ""             # left out, with what points to it
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast, get_args

from pax_assets.corpora.errors import CorpusError
from pax_assets.nlp.documents import (
    LAYERS,
    Argument,
    Document,
    DocumentError,
    Entity,
    Event,
    Layer,
    Relation,
    Split,
    Types,
)

# Format: its module. Imported when a source has it, for some need a library of their own.
FORMATS = {
    "brat": "brat",
    "casie": "casie",
    "conll": "conll",
    "conll04": "conll04",
    "docbin": "docbin",
    "hub": "hub",
    "jsonl": "jsonl",
    "label_studio": "label_studio",
    "mailex": "mailex",
    "redocred": "redocred",
    "semeval2010t8": "semeval2010t8",
}
_KINDS = ("entities", "events", "relations", "roles")
_HUB = "hub:"


@dataclass(frozen=True)
class Source:
    """One `[[source]]`. `parts` are (path, split or None); mappings are by kind of label."""

    name: str
    format: str
    parts: tuple[tuple[str, Split | None], ...]
    layers: tuple[Layer, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    mappings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    licence: str = ""
    complete: bool = False

    def documents(self) -> Iterator[Document]:
        """Yield the documents, with mapped labels and ids that begin with the source's name.

        Raises `CorpusError` for what the format's loader refuses, for two documents of one id,
        for a mapping of a label that the source does not have, and for a layer that none of its
        documents has.
        """
        seen: dict[str, str] = {}
        layers: set[Layer] = set()
        labels: dict[str, set[str]] = {kind: set() for kind in _KINDS}
        for path, split in self.parts:
            before = len(seen)
            for document in _reader(self.format)(_address(path), **self.options):
                if document.doc_id in seen:
                    raise CorpusError(
                        f"{path}: document {document.doc_id} stands in {seen[document.doc_id]} "
                        "already; a doc_id names one document (files with ids of their own "
                        "each can be sources of different names)"
                    )
                seen[document.doc_id] = path
                layers.update(document.layers)
                _note(document, labels)
                yield self._mapped(document, split, path)
            if len(seen) == before:
                raise CorpusError(f"{path} has no documents: leave it out of source {self.name}")
        if lacking := [layer for layer in self.layers or () if layer not in layers]:
            raise CorpusError(
                f"source {self.name}: layers has {', '.join(lacking)}, but no document of the "
                f"source; they have {_list(layers)}"
            )
        for kind, mapping in self.mappings.items():
            if unknown := sorted(set(mapping) - labels[kind]):
                raise CorpusError(
                    f"source {self.name}: {', '.join(unknown)} mapped under {kind}, but the "
                    f"source has no such label; it has {_list(labels[kind])}"
                )

    def _mapped(self, document: Document, split: Split | None, path: str) -> Document:
        of = {kind: dict(self.mappings.get(kind, {})) for kind in _KINDS}
        layers = document.layers
        if self.layers is not None:
            layers = tuple(layer for layer in layers if layer in self.layers)
        entities = tuple(
            Entity(e.id, e.start, e.end, name)
            for e in document.entities
            if (name := of["entities"].get(e.type, e.type))
        )
        kept = {entity.id for entity in entities}
        events = tuple(
            Event(e.id, name, e.start, e.end, _arguments(e, kept, of["roles"]))
            for e in document.events
            if (name := of["events"].get(e.type, e.type))
        )
        relations = tuple(
            Relation(r.head, r.tail, name)
            for r in document.relations
            if (name := of["relations"].get(r.type, r.type)) and {r.head, r.tail} <= kept
        )
        events = events if "events" in layers else ()
        relations = relations if "relations" in layers else ()
        if "entities" not in layers:
            used = {a.entity for e in events for a in e.arguments}
            used |= {end for r in relations for end in (r.head, r.tail)}
            entities = tuple(entity for entity in entities if entity.id in used)
        mapped = replace(
            document,
            doc_id=f"{self.name}/{document.doc_id}",
            group=self._group(document),
            layers=layers,
            entities=entities,
            events=events,
            relations=relations,
            split=split or document.split,
            source=self.name,
            unannotated=self._unannotated(document, of),
        )
        try:
            return mapped.validate()
        except DocumentError as error:
            raise CorpusError(f"{path}: {error}") from None

    def _group(self, document: Document) -> str | None:
        """Return the group, which of a message is the store's, and so the same in all sources."""
        if not document.group or document.message_id:
            return document.group
        return f"{self.name}/{document.group}"

    def _unannotated(self, document: Document, of: Mapping[str, Mapping[str, str]]) -> Types | None:
        if self.complete:
            return Types()
        if document.unannotated is None:
            return None
        said = document.unannotated.to_dict()
        return Types(
            **{
                kind: tuple(sorted({name for one in names if (name := of[kind].get(one, one))}))
                for kind, names in said.items()
            }
        )


def _arguments(event: Event, kept: set[str], roles: Mapping[str, str]) -> tuple[Argument, ...]:
    return tuple(
        Argument(a.entity, name)
        for a in event.arguments
        if a.entity in kept and (name := roles.get(a.role, a.role))
    )


def _note(document: Document, labels: dict[str, set[str]]) -> None:
    labels["entities"].update(e.type for e in document.entities)
    labels["events"].update(e.type for e in document.events)
    labels["relations"].update(r.type for r in document.relations)
    labels["roles"].update(a.role for e in document.events for a in e.arguments)
    for kind, names in (document.unannotated or Types()).to_dict().items():
        labels[kind].update(names)


def read_sources(path: Path) -> list[Source]:
    """Return the sources that a TOML file declares; `CorpusError` names what is wrong with it."""
    if not path.is_file():
        raise CorpusError(
            f"{path} does not exist or is no file: expected a TOML file of label sources"
        )
    try:
        declared = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorpusError(f"{path} is no TOML: {error}") from None
    tables = declared.pop("source", None)
    if declared or not isinstance(tables, list) or not tables:
        extra = f", and not {', '.join(declared)}" if declared else ""
        raise CorpusError(f"{path}: expected one or more [[source]] tables{extra}")
    sources = [_source(path, number, table) for number, table in enumerate(tables, 1)]
    names = [source.name for source in sources]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise CorpusError(
            f"{path}: two sources are called {', '.join(double)}; give each a `name` of its own"
        )
    return sources


def _source(file: Path, number: int, table: object) -> Source:
    where = f"{file}, source {number}"
    if not isinstance(table, dict):
        raise CorpusError(f"{where}: a source is a [[source]] table, and not {table!r}")
    known = {"name", "format", "path", "split", "splits", "layers", "licence", "options"}
    known |= {"complete", *_KINDS}
    _require_among(where, "key", table, known)
    kind = table.get("format")
    if not isinstance(kind, str) or kind not in FORMATS:
        raise CorpusError(f"{where}: format {kind!r} is not known; it is one of {_list(FORMATS)}")
    layers = table.get("layers")
    if layers is not None:
        if not isinstance(layers, list) or not layers:
            raise CorpusError(f"{where}: layers is a list of layers, and not {layers!r}")
        _require_among(where, "layer", layers, LAYERS)
    options = table.get("options", {})
    if not isinstance(options, dict):
        raise CorpusError(f"{where}: options is a table, such as tagging = 'iob2'")
    _require_among(where, f"option of format {kind}", options, _options(kind))
    mappings = {name: _mapping(where, name, table[name]) for name in _KINDS if name in table}
    parts = tuple(_parts(where, file.parent, table))
    name = table.get("name", _name(parts[0][0]))
    # A slash ends the name in a document's id; in the name, two sources could share an id.
    if not isinstance(name, str) or not name.strip() or "/" in name:
        raise CorpusError(f"{where}: name is a text without a slash, and not {name!r}")
    licence = table.get("licence", "")
    if not isinstance(licence, str):
        raise CorpusError(f"{where}: licence is a text, and not {licence!r}")
    complete = table.get("complete", False)
    if not isinstance(complete, bool):
        raise CorpusError(f"{where}: complete is true or false, and not {complete!r}")
    kept = tuple(layers) if layers else None
    return Source(name, kind, parts, kept, options, mappings, licence, complete)


def _name(path: str) -> str:
    """Return what a source is called that has no name: after its file, or its data set."""
    return path.rpartition("/")[2] if path.startswith(_HUB) else Path(path).stem


def _parts(where: str, base: Path, table: Mapping[str, Any]) -> Iterator[tuple[str, Split | None]]:
    splits, path, split = table.get("splits"), table.get("path"), table.get("split")
    if (path is None) == (splits is None):
        raise CorpusError(f"{where}: give either `path` or `splits`")
    if split is not None:
        _require_among(where, "split", [split], get_args(Split))
    if path is not None:
        yield _beside(where, base, path), cast("Split | None", split)
        return
    if split is not None:
        raise CorpusError(f"{where}: `split` says of which split `path` is; `splits` says it, too")
    if not isinstance(splits, dict) or not splits:
        raise CorpusError(f"{where}: `splits` is a table of files: train, dev, test")
    _require_among(where, "split", splits, get_args(Split))
    for name, part in splits.items():
        yield _beside(where, base, part), cast("Split", name)


def _beside(where: str, base: Path, path: object) -> str:
    if not isinstance(path, str) or not path:
        raise CorpusError(f"{where}: a path is a text, and not {path!r}")
    return path if path.startswith(_HUB) else str(base / path)


def _mapping(where: str, kind: str, given: object) -> dict[str, str]:
    if not isinstance(given, dict) or not all(
        isinstance(name, str) and name == name.strip() for name in given.values()
    ):
        raise CorpusError(f"{where}: {kind} is a table of names for labels, such as PER = 'person'")
    return given


def _require_among(where: str, what: str, given: Iterable[object], known: Iterable[str]) -> None:
    for one in given:
        if one not in tuple(known):
            raise CorpusError(f"{where}: {what} {one!r} is not known; there is {_list(known)}")


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _reader(kind: str) -> Callable[..., Iterator[Document]]:
    return import_module(f"pax_assets.corpora.formats.{FORMATS[kind]}").read


def _options(kind: str) -> list[str]:
    """Return the names of what a format's `read` takes beside the path."""
    return list(inspect.signature(_reader(kind)).parameters)[1:]


def _address(path: str) -> Any:
    return path if path.startswith(_HUB) else Path(path)
