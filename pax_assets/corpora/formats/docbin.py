"""spaCy's `DocBin` (`.spacy` files), read without spaCy.

spaCy would be a large dependency for one loader, and its format is small: zlib around msgpack, with
a table of 64-bit numbers, a row a token. The trap is in the numbers. A string stands in the table
as its MurmurHash64A, but for the names that spaCy itself uses, which have small numbers of their
own: `PERSON` and `ORG`, and words such as "number", "agent" and "mark".

What a file can hold, and how it is read:

- A text is its tokens and the blanks between them; where a document says that its spacing is not
  known, one blank stands between two tokens.
- Entities are those of the tokens (`doc.ents`) or, with `span_key`, of a span group, where spans
  may overlap. A document without either has no layer entities, which says nothing of them.
- A token may have no annotation where others of its document have one. PAX has no such thing: it
  is refused, or read as lying outside of all entities (`missing`).
- Categories, syntax, links to a knowledge base and user data have no place here and are not read.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats.words import WordText
from pax_assets.nlp.documents import Document, DocumentError, Entity

Missing = Literal["refuse", "outside"]

# Columns of the table, by the numbers that spaCy gives them.
_ORTH, _ENT_IOB, _ENT_TYPE = 65, 77, 78
# Values of ENT_IOB.
_NOT_ANNOTATED, _INSIDE, _OUTSIDE, _BEGIN = range(4)
# (first number, names): the strings that stand as numbers of their own, in spaCy 3.
_SYMBOLS = (
    (
        1,
        "IS_ALPHA IS_ASCII IS_DIGIT IS_LOWER IS_PUNCT IS_SPACE IS_TITLE IS_UPPER LIKE_URL LIKE_NUM "
        "LIKE_EMAIL IS_STOP IS_OOV_DEPRECATED IS_BRACKET IS_QUOTE IS_LEFT_PUNCT IS_RIGHT_PUNCT "
        "IS_CURRENCY",
    ),
    (19, " ".join(f"FLAG{number}" for number in range(19, 64))),
    (
        64,
        "ID ORTH LOWER NORM SHAPE PREFIX SUFFIX LENGTH CLUSTER LEMMA POS TAG DEP ENT_IOB ENT_TYPE "
        "HEAD SENT_START SPACY PROB LANG ADJ ADP ADV AUX CONJ CCONJ DET INTJ NOUN NUM PART PRON "
        "PROPN PUNCT SCONJ SYM VERB X EOL SPACE",
    ),
    (104, " ".join(f"DEPRECATED{number:03}" for number in range(1, 277))),
    (
        380,
        "PERSON NORP FACILITY ORG GPE LOC PRODUCT EVENT WORK_OF_ART LANGUAGE LAW DATE TIME PERCENT "
        "MONEY QUANTITY ORDINAL CARDINAL acomp advcl advmod agent amod appos attr aux auxpass cc "
        "ccomp complm conj cop csubj csubjpass dep det dobj expl hmod hyph infmod intj iobj mark "
        "meta neg nmod nn npadvmod nsubj nsubjpass num number oprd obj obl parataxis partmod pcomp "
        "pobj poss possessive preconj prep prt punct quantmod relcl rcmod root xcomp acl ENT_KB_ID "
        "MORPH ENT_ID IDX _",
    ),
)
_NUMBERS = {
    name: number
    for first, names in _SYMBOLS
    for number, name in enumerate(names.split(), start=first)
}


def read(
    path: Path,
    *,
    span_key: str = "",
    missing: Missing = "refuse",
    most_bytes: int = 1 << 30,
) -> Iterator[Document]:
    """Yield the documents of a `.spacy` file; their ids are its name and their positions from 1.

    Entities are those of `doc.ents`, or of the span group `span_key`. `missing` says what becomes
    of tokens without annotation among others that have one: "refuse", or they lie "outside". A
    file that unpacks to more than `most_bytes` is refused.

    Raises `CorpusError` for what is no DocBin, a number that stands for no string, spans outside
    of their document, and a file that annotates no entities.
    """
    path = Path(path)
    if missing not in get_args(Missing):
        known = ", ".join(get_args(Missing))
        raise CorpusError(f"{path}: missing is one of {known}, and not {missing!r}")
    file = _DocBin.parse(path, _unpacked(path, most_bytes))
    file.require_entities(span_key, missing)
    for number in range(1, len(file.lengths) + 1):
        where = f"{path}, document {number}"
        text = file.text(number - 1, where)
        found = (
            file.of_group(number - 1, where, span_key)
            if span_key
            else file.of_tokens(number - 1, where, missing)
        )
        try:
            yield Document(
                doc_id=f"{path.name}:{number}",
                text=text.text,
                layers=() if found is None else ("entities",),
                entities=tuple(
                    Entity(f"e{n}", *text.span(first, end), kind)
                    for n, (first, end, kind) in enumerate(found or (), start=1)
                ),
            ).validate()
        except DocumentError as error:
            raise CorpusError(f"{where}: {error}") from None


def _unpacked(path: Path, most_bytes: int) -> bytes:
    if not path.is_file():
        raise CorpusError(f"{path} does not exist or is no file: expected a .spacy file")
    packed = path.read_bytes()
    unpacking = zlib.decompressobj()
    try:
        # One byte more than allowed shows that there are too many.
        unpacked = unpacking.decompress(packed, most_bytes + 1)
    except zlib.error as error:
        raise CorpusError(
            f"{path}: no DocBin of spaCy 3 ({error}); `spacy convert` makes one of other formats"
        ) from None
    if len(unpacked) > most_bytes:
        raise CorpusError(
            f"{path}: unpacks to more than {most_bytes} bytes; divide the file, or raise most_bytes"
        )
    if not unpacking.eof or unpacking.unused_data:
        raise CorpusError(f"{path}: cut short, or followed by something else; write it again")
    return unpacked


@dataclass(frozen=True, slots=True)
class _DocBin:
    """A parsed file. `starts` are the documents' first rows in `table` and `spaces`."""

    path: Path
    table: np.ndarray
    columns: Mapping[int, int]
    spaces: np.ndarray
    lengths: np.ndarray
    starts: np.ndarray
    strings: Mapping[int, str]
    spacing_unknown: Sequence[bool]
    groups: Sequence[bytes]

    @classmethod
    def parse(cls, path: Path, unpacked: bytes) -> _DocBin:
        """Check the parts of a file, and that they fit each other."""
        content = _message(path, unpacked)
        if not isinstance(content, dict):
            raise CorpusError(f"{path}: no DocBin: expected a map, found {type(content).__name__}")
        attributes = _list_of(path, content, "attrs", int)
        strings = _list_of(path, content, "strings", str)
        lengths = _numbers(path, content, "lengths", "<i4")
        count = len(lengths)
        flags = _list_of(path, content, "flags", dict) if "flags" in content else [{}] * count
        groups = (
            _list_of(path, content, "span_groups", bytes)
            if "span_groups" in content
            else [b""] * count
        )
        table = _numbers(path, content, "tokens", "<u8")
        spaces = _numbers(path, content, "spaces", "|u1")
        tokens = int(lengths.sum(dtype=np.int64))
        if (
            (lengths < 0).any()
            or not attributes
            or len(table) != tokens * len(attributes)
            or len(spaces) != tokens
            or not len(flags) == len(groups) == count
        ):
            raise CorpusError(
                f"{path}: no DocBin: its parts do not fit each other ({count} documents, {tokens} "
                f"tokens, {len(attributes)} attributes, {len(table)} values, {len(spaces)} spaces, "
                f"{len(flags)} flags, {len(groups)} span groups)"
            )
        if _ORTH not in attributes:
            raise CorpusError(f"{path}: no DocBin: its tokens have no text (ORTH)")
        return cls(
            path=path,
            table=table.reshape(tokens, len(attributes)),
            columns={attribute: column for column, attribute in enumerate(attributes)},
            spaces=spaces,
            lengths=lengths,
            starts=np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))),
            strings=_numbered(strings),
            spacing_unknown=[bool(flag.get("has_unknown_spaces")) for flag in flags],
            groups=groups,
        )

    def require_entities(self, span_key: str, missing: Missing) -> None:
        """Refuse a file that says nothing of entities: it is the wrong file or option."""
        if not len(self.table):
            raise CorpusError(f"{self.path} has no tokens")
        if span_key:
            if span_key not in self._keys():
                raise CorpusError(f"{self.path}: no span group {span_key!r}; {self._there()}")
            return
        if not {_ENT_IOB, _ENT_TYPE} <= set(self.columns):
            raise CorpusError(f"{self.path}: has no entities (ENT_IOB, ENT_TYPE); {self._there()}")
        if missing == "refuse" and not self.table[:, self.columns[_ENT_IOB]].any():
            raise CorpusError(
                f"{self.path}: no token is annotated as in or outside of an entity; "
                f'{self._there()}; missing = "outside" reads the file as without entities'
            )

    def _keys(self) -> set[str]:
        numbers = range(len(self.lengths))
        return {key for n in numbers for key in self._groups(n, f"{self.path}, document {n + 1}")}

    def _there(self) -> str:
        keys = ", ".join(sorted(self._keys()))
        return f"span_key may be {keys}" if keys else "it has no span groups"

    def text(self, index: int, where: str) -> WordText:
        """Return a document's tokens as text."""
        rows = slice(self.starts[index], self.starts[index + 1])
        words = [
            self._string(number, f"{where}, token {token}")
            for token, number in enumerate(self.table[rows, self.columns[_ORTH]].tolist(), start=1)
        ]
        if self.spacing_unknown[index]:
            return WordText.of(words)
        starts, ends, parts, at = [], [], [], 0
        for word, has_space in zip(words, self.spaces[rows].tolist(), strict=True):
            starts.append(at)
            ends.append(at + len(word))
            parts.append(word + " " if has_space else word)
            at += len(parts[-1])
        return WordText("".join(parts), tuple(starts), tuple(ends))

    def of_tokens(
        self, index: int, where: str, missing: Missing
    ) -> list[tuple[int, int, str]] | None:
        """Return the spans of `doc.ents`, tokens half-open; None where it is not annotated."""
        rows = slice(self.starts[index], self.starts[index + 1])
        marks = self.table[rows, self.columns[_ENT_IOB]].tolist()
        kinds = self.table[rows, self.columns[_ENT_TYPE]].tolist()
        if missing == "refuse" and _NOT_ANNOTATED in marks:
            if not any(marks):
                return None
            raise CorpusError(
                f"{where}, token {marks.index(_NOT_ANNOTATED) + 1}: not annotated, where other "
                'tokens are; annotate it, or read such tokens as no entities by missing = "outside"'
            )
        found: list[tuple[int, int, str]] = []
        first = -1
        for token, (mark, kind) in enumerate(zip(marks, kinds, strict=True)):
            if mark > _BEGIN or (mark == _INSIDE and not kind):
                raise CorpusError(
                    f"{where}, token {token + 1}: ENT_IOB {mark} with ENT_TYPE {kind} says nothing"
                )
            if mark == _INSIDE and first >= 0:
                if kind != kinds[first]:
                    raise CorpusError(
                        f"{where}, token {token + 1}: continues an entity of another type"
                    )
                continue
            if first >= 0:
                found.append((first, token, self._kind(kinds[first], where, first)))
            # A token that begins an entity of no type is one that may be in none.
            first = token if mark in (_INSIDE, _BEGIN) and kind else -1
        if first >= 0:
            found.append((first, len(marks), self._kind(kinds[first], where, first)))
        return found

    def of_group(self, index: int, where: str, span_key: str) -> list[tuple[int, int, str]] | None:
        """Return the spans of a span group, tokens half-open; None where there is no such group."""
        packed = self._groups(index, where).get(span_key)
        if packed is None:
            return None
        length = int(self.lengths[index])
        found = []
        for number, (label, first, end) in enumerate(packed, start=1):
            if not 0 <= first < end <= length:
                raise CorpusError(
                    f"{where}: span {number} of {span_key} is tokens [{first}, {end}) of {length}"
                )
            if not label:
                raise CorpusError(f"{where}: span {number} of {span_key} has no label")
            found.append((first, end, self._string(label, f"{where}, span {number} of {span_key}")))
        return found

    def _groups(self, index: int, where: str) -> dict[str, list[tuple[int, int, int]]]:
        """Return the (label, first token, end) of the spans of each group."""
        packed = self.groups[index]
        groups = _message(where, packed) if packed else []
        # The first form was a list of groups, which go by their own names.
        if isinstance(groups, dict):
            named = [(keys, group) for group, keys in groups.items()]
        elif isinstance(groups, list):
            named = [(None, group) for group in groups]
        else:
            raise CorpusError(f"{where}: its span groups are {type(groups).__name__}")
        found = {}
        for keys, group in named:
            content = _message(where, group) if isinstance(group, bytes) else None
            if not isinstance(content, dict) or not isinstance(content.get("spans"), list):
                raise CorpusError(f"{where}: a span group without spans")
            spans = [_span(where, span) for span in content["spans"]]
            for key in keys if isinstance(keys, list) else [content.get("name")]:
                found[str(key)] = spans
        return found

    def _string(self, number: int, where: str) -> str:
        if number not in self.strings:
            raise CorpusError(f"{where}: {number} stands for no string of the file")
        return self.strings[number]

    def _kind(self, number: int, where: str, token: int) -> str:
        return self._string(number, f"{where}, token {token + 1}")


def _message(where: Path | str, packed: bytes) -> Any:
    import msgpack

    try:
        return msgpack.unpackb(packed, raw=False, strict_map_key=False)
    # Whatever msgpack raises for wrong bytes: its own errors, and those of Python for a string
    # that is not UTF-8, a list as a key, too deep nesting.
    except (msgpack.UnpackException, ValueError, TypeError, RecursionError) as error:
        raise CorpusError(f"{where}: no DocBin: not msgpack: {error}") from None


def _list_of(path: Path, content: Mapping[str, object], name: str, kind: type) -> list[Any]:
    found = content.get(name)
    if not isinstance(found, list) or not all(isinstance(item, kind) for item in found):
        raise CorpusError(f"{path}: no DocBin: {name} is no list of {kind.__name__}")
    return found


def _numbers(path: Path, content: Mapping[str, object], name: str, form: str) -> np.ndarray:
    found = content.get(name)
    if not isinstance(found, bytes) or len(found) % np.dtype(form).itemsize:
        raise CorpusError(f"{path}: no DocBin: {name} are no numbers ({form})")
    return np.frombuffer(found, form)


def _span(where: str, packed: object) -> tuple[int, int, int]:
    """Return (label, first token, end); spans have had an id, too, since spaCy 3.4."""
    if not isinstance(packed, bytes) or len(packed) not in (32, 40):
        raise CorpusError(f"{where}: a span of a group that is none")
    label, first, end, _, _ = struct.unpack(">Qllll", packed[-24:])
    return label, first, end


def _numbered(strings: Sequence[str]) -> dict[int, str]:
    numbered = {0: ""}
    for string in strings:
        # Lone surrogates: spaCy has none, but a string of this file may.
        numbered[_hash64(string.encode("utf-8", "surrogatepass"))] = string
        if string in _NUMBERS:
            numbered[_NUMBERS[string]] = string
    return numbered


def _hash64(data: bytes, seed: int = 1) -> int:
    """MurmurHash64A, of Austin Appleby (public domain)."""
    factor, mask = 0xC6A4A7935BD1E995, (1 << 64) - 1
    value = (seed ^ (len(data) * factor)) & mask
    whole = len(data) - len(data) % 8
    for (part,) in struct.iter_unpack("<Q", data[:whole]):
        part = part * factor & mask
        part = (part ^ part >> 47) * factor & mask
        value = (value ^ part) * factor & mask
    if data[whole:]:
        value = (value ^ int.from_bytes(data[whole:], "little")) * factor & mask
    value = (value ^ value >> 47) * factor & mask
    return value ^ value >> 47
