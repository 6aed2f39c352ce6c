"""CASIE: news of computer security in JSON, a file an article, with events and their arguments.

The offsets of the published files do not all agree with their texts. In 32 of the 1,000 articles
every offset is 1, 2 or 12 characters too large, and one trigger goes on after the end of its text
(1,095 of 31,186 spans). A loader that trusts the offsets trains on "ttacks last year, " for
"ransomware attacks"; one that drops what does not fit loses whole articles. Each span also states
its words, so `repair` puts it where they are.

An event's type is its `subtype` (Databreach, Phishing, Ransom, DiscoverVulnerability,
PatchVulnerability); TextEE writes "Attack:Databreach", where the first part follows from the
second. A trigger is called nugget. An argument's type (Person, Money) becomes its entity's, its
role stays the argument's; two arguments with one span and one type share an entity.

Only arguments of events are annotated, not every entity of a text. A model must find arguments
somewhere, so they count as the layer entities unless the option `entities` says otherwise: a
person who takes part in no event is then a negative example.

Left out, for a document has no place for them: which events are one (`hopper`), whether an event
happened (`realis`), subtypes of roles, references to knowledge bases.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from pax_assets.corpora.errors import CorpusError
from pax_assets.nlp.documents import Argument, Document, DocumentError, Entity, Event, Layer
from pax_assets.nlp.json_values import WrongValueError as _Wrong
from pax_assets.nlp.json_values import as_list, as_number, as_object, as_text

# How far from its offset a span is looked for. Farther off, frequent words are other words.
NEARBY = 16

_LAYERS: dict[str, tuple[Layer, ...]] = {
    "arguments": ("entities", "events"),
    "ends": ("events",),
}
_LOG = logging.getLogger(__name__)


class _Place(NamedTuple):
    start: int
    end: int
    type: str


def read(
    path: Path,
    *,
    listed_in: str = "",
    entities: Literal["arguments", "ends"] = "arguments",
    repair: bool = True,
) -> Iterator[Document]:
    """Yield the articles of a folder of annotation files, in the order of their names, or of one.

    `listed_in` names a text file with one article a line (`2191.txt` or `2191.json` for
    `2191.json`), and only these are read, in that order; it is relative to where the folder
    stands, such as `../textee_split1/dev.txt` for `casie/data/annotation`. With `entities` as
    "ends", arguments are mere ends, and the layer entities is not listed. Without `repair`, a
    span whose offsets do not fit its words is an error, and so is an argument that stands twice.

    Articles of one title stay in one split: some were published twice, or in parts. Raises
    `CorpusError` for files that are absent or no such articles, and for spans beyond repair.
    """
    path = Path(path)
    if entities not in tuple(_LAYERS):
        raise CorpusError(f"{path}: entities is one of {', '.join(_LAYERS)}, and not {entities!r}")
    if not isinstance(repair, bool):
        raise CorpusError(f"{path}: repair is true or false, and not {repair!r}")
    if not isinstance(listed_in, str):
        raise CorpusError(f"{path}: listed_in is the path of a file, and not {listed_in!r}")
    repaired: Counter[str] = Counter()
    for file in _files(path, listed_in):
        try:
            fields = _fields(file)
            content = as_text(fields.get("content"), "content")
            article = _Article(content, repair, repaired)
            document = _document(file.stem, fields, _LAYERS[entities], article)
        except (_Wrong, DocumentError) as error:
            raise CorpusError(f"{file}: {error}") from None
        yield document
    if repaired:
        _LOG.info("%s: repaired spans: %s", path, dict(repaired))


def _files(path: Path, listed_in: str) -> list[Path]:
    if path.is_file():
        if listed_in:
            raise CorpusError(f"{path} is a file: listed_in picks files of a folder")
        return [path]
    if not path.is_dir():
        raise CorpusError(f"{path} does not exist: expected a folder of annotation files")
    # Names that begin with a dot are what archives and editors leave beside files.
    there = {file.stem: file for file in path.glob("*.json") if not file.name.startswith(".")}
    if not there:
        raise CorpusError(f"{path} has no .json file: expected a folder of annotation files")
    if not listed_in:
        return [there[name] for name in sorted(there)]
    return list(_listed(path.absolute().parent, listed_in, there).values())


def _listed(base: Path, listed_in: str, there: Mapping[str, Path]) -> dict[str, Path]:
    file = base / listed_in
    try:
        lines = file.read_bytes().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{file}: not UTF-8: {error}") from None
    except (OSError, ValueError):
        raise CorpusError(
            f"{file} cannot be read: listed_in is relative to the place of the folder, {base}"
        ) from None
    found: dict[str, Path] = {}
    for number, line in enumerate(lines, start=1):
        name = line.strip().removesuffix(".txt").removesuffix(".json")
        if not name:
            continue
        if name not in there:
            raise CorpusError(f"{file}, line {number}: the folder has no {name[:80]}.json")
        if name in found:
            raise CorpusError(f"{file}, line {number}: {name} is listed already")
        found[name] = there[name]
    if not found:
        raise CorpusError(f"{file} lists nothing: expected the name of an article on each line")
    return found


def _fields(file: Path) -> Mapping[str, object]:
    try:
        data = json.loads(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise _Wrong(f"cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"not JSON in UTF-8: {error}") from None
    return as_object(data, "the file")


@dataclass(frozen=True, slots=True)
class _Article:
    """The text of an article and what was done to its spans: moved, cut, dropped."""

    content: str
    repair: bool
    repaired: Counter[str]

    def event(
        self, given: Mapping[str, object], number: int, entities: dict[_Place, Entity]
    ) -> Event:
        """Return an event; what takes part in it and is new is added to `entities`."""
        what = f"event {given.get('index', number)!s:.20}"
        start, end = self.span(
            as_object(given.get("nugget"), f"the nugget of {what}"), f"the nugget of {what}"
        )
        arguments: list[Argument] = []
        for each in as_list(given.get("argument", []), f"argument of {what}"):
            place, role = self.argument(as_object(each, f"an argument of {what}"), what)
            entity = entities.setdefault(place, Entity(f"e{len(entities) + 1}", *place))
            argument = Argument(entity.id, role)
            if argument not in arguments:
                arguments.append(argument)
            elif self.repair:
                self.repaired["dropped"] += 1
            else:
                raise _Wrong(f"{what} has the {role} at offset {place.start} twice")
        kind = as_text(given.get("subtype"), f"the subtype of {what}")
        return Event(f"v{number}", kind, start, end, tuple(arguments))

    def argument(self, given: Mapping[str, object], event: str) -> tuple[_Place, str]:
        """Return the place and the role of an argument."""
        what = f"argument {given.get('index', '')!s:.20} of {event}"
        start, end = self.span(given, what)
        role = as_object(given.get("role"), f"the role of {what}").get("type")
        kind = as_text(given.get("type"), f"the type of {what}")
        return _Place(start, end, kind), as_text(role, f"the type of the role of {what}")

    def span(self, given: Mapping[str, object], what: str) -> tuple[int, int]:
        """Return where a span's words are: at its offsets or, if those are wrong, near them."""
        words = as_text(given.get("text"), f"the text of {what}")
        start, end = (
            as_number(given.get(key), f"{key} of {what}") for key in ("startOffset", "endOffset")
        )
        there = self.content[start:end] if 0 <= start <= end else ""
        if there == words:
            return start, end
        problem = f"{what} is {words!r:.60}, but at [{start}, {end}) stands {there!r:.60}"
        if not self.repair:
            raise _Wrong(f"{problem}; the option repair looks for the words nearby")
        near = range(max(0, start - NEARBY), start + NEARBY + 1)
        found = [at for at in near if self.content.startswith(words, at)]
        nearest = sorted(found, key=lambda at: abs(at - start))[:2]
        if len(nearest) == 2 and nearest[0] + nearest[1] == 2 * start:
            raise _Wrong(f"{problem}; the words stand as near before it as after it")
        if nearest:
            self.repaired["moved"] += 1
            return nearest[0], nearest[0] + len(words)
        if 0 <= start < len(self.content) < end and words.startswith(self.content[start:]):
            self.repaired["cut"] += 1
            return start, len(self.content)
        raise _Wrong(f"{problem}; the words do not stand within {NEARBY} characters of it")


def _document(
    name: str, fields: Mapping[str, object], layers: tuple[Layer, ...], article: _Article
) -> Document:
    entities: dict[_Place, Entity] = {}
    events = tuple(
        article.event(given, number, entities) for number, given in enumerate(_events(fields), 1)
    )
    title = as_object(fields.get("info", {}), "info").get("title")
    return Document(
        doc_id=name,
        text=article.content,
        layers=layers,
        entities=tuple(entities.values()),
        events=events,
        group=title if isinstance(title, str) and title.strip() else name,
    ).validate()


def _events(fields: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    annotated = as_object(fields.get("cyberevent"), "cyberevent")
    for hopper in as_list(annotated.get("hopper"), "hopper"):
        for event in as_list(as_object(hopper, "a hopper").get("events"), "events of a hopper"):
            yield as_object(event, "an event")
