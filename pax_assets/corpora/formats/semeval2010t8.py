"""SemEval-2010 task 8: sentences, each with two marked nominals and the relation between them.

    15<tab>"They saw that the <e1>equipment</e1> was put inside <e2>drawers</e2>."
    Content-Container(e1,e2)
    Comment: no movement

The order of the names in brackets is the relation's direction, not that of the words: with
`Cause-Effect(e2,e1)` the second nominal is the cause. The first name is the head.

`Other` says of one pair that none of the nine relations joins it, and nothing of other pairs in
the sentence. A document here has the layer relations only: the nominals are the marked ends of
its relation, not all entities of the text. With no relation there is no end, so a sentence of
`Other` becomes a document with its text and neither entities nor relations. Whoever wants the
pair itself gives it a type of its own with the option `other`: then it is a relation like
others, from the first nominal to the second (an order that means nothing).

Nominals have no types; all are of the type "nominal". Comments are meant for people and left out.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pax_assets.corpora.errors import CorpusError
from pax_assets.nlp.documents import Document, DocumentError, Entity, Relation

NOMINAL = "nominal"
# The distributed archive has 2 MB, its largest file 1.4 MB. What a header says of a size binds
# nobody, so reading stops here, too.
MAX_BYTES = 16 * 1024 * 1024
_SENTENCE = re.compile(r'([0-9]+)[\t ]+"(.*)"')
_RELATION = re.compile(r"([^\s()]+) ?\((e[12]), ?(e[12])\)")
_OTHER = "Other"
_COMMENT = "Comment:"
_MARK = re.compile(r"<(/?)(e[12])>")
_ENCRYPTED = 0x1

# What zipfile raises for bytes that are no archive, and for those of one that were altered.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class _Line(NamedTuple):
    number: int
    text: str


class _Wrong(ValueError):
    """What is wrong with a line; whoever knows the file says where."""

    def __init__(self, line: _Line, problem: str) -> None:
        super().__init__(f"line {line.number}: {problem}")


def read(path: Path, *, member: str = "", other: str = "") -> Iterator[Document]:
    """Yield a document for each sentence of a file such as TRAIN_FILE.TXT or TEST_FILE_FULL.TXT.

    `member` is the file's name in a zip archive, or how it ends ("TRAIN_FILE.TXT"). `other` is
    the type of relation that the pairs of `Other` get; without it they get none.

    Raises `CorpusError` for a file or member that is absent, too large or damaged, for sentences
    without a relation (as in the test file for participants), and for two of one number.
    """
    path = Path(path)
    for name, option in (("member", member), ("other", other)):
        if not isinstance(option, str):
            raise CorpusError(f"{path}: {name} is a text, and not {option!r}")
    if not path.is_file():
        raise CorpusError(f"{path} does not exist or is no file: expected marked sentences")
    where = f"{path}, member {member}" if member else str(path)
    try:
        content = (_unpacked(path, member) if member else _content(path)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{where}: not UTF-8: {error}") from None
    found = False
    try:
        for document in _documents(content, other):
            found = True
            yield document
    except _Wrong as error:
        raise CorpusError(f"{where}, {error}") from None
    if not found:
        raise CorpusError(f'{where} holds no sentences: expected lines such as 1<tab>"..."')


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if content.startswith(b"PK\x03\x04"):
        raise CorpusError(f"{path} is a zip archive: name a file in it with the option member")
    return _bounded(str(path), content)


def _unpacked(path: Path, member: str) -> bytes:
    where = f"{path}, member {member}"
    if path.stat().st_size > MAX_BYTES:
        # zipfile reads the directory, which may be the whole archive, into memory.
        raise CorpusError(f"{path}: an archive of more than {MAX_BYTES} bytes")
    try:
        with zipfile.ZipFile(path) as archive:
            found = _find(path, archive, member)
            _require_plain(where, found)
            with archive.open(found) as packed:
                return _bounded(where, packed.read(MAX_BYTES + 1))
    except CorpusError:
        raise
    except _DAMAGED as error:
        raise CorpusError(f"{where}: a damaged zip archive, or none: {error}") from None


def _find(path: Path, archive: zipfile.ZipFile, member: str) -> zipfile.ZipInfo:
    files = [info for info in archive.infolist() if not info.is_dir()]
    found = [info for info in files if f"/{info.filename}".endswith(f"/{member}")]
    exact = [info for info in found if info.filename == member]
    if len(exact or found) != 1:
        there = ", ".join(info.filename for info in (found or files)[:20]) or "no file"
        problem = "more than one file is called so" if found else "no file is called so"
        raise CorpusError(f"{path}, member {member}: {problem}; the archive has {there}")
    return (exact or found)[0]


def _require_plain(where: str, info: zipfile.ZipInfo) -> None:
    """Refuse other packings than these two: only of them does zipfile bound a single read."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise CorpusError(f"{where}: packed neither plainly nor by deflate; unpack it yourself")
    if info.flag_bits & _ENCRYPTED:
        raise CorpusError(f"{where}: encrypted; unpack it yourself")


def _bounded(where: str, content: bytes) -> bytes:
    if len(content) > MAX_BYTES:
        raise CorpusError(f"{where}: more than {MAX_BYTES} bytes, which is no file of this task")
    return content


def _documents(content: str, other: str) -> Iterator[Document]:
    seen: dict[str, int] = {}
    lines = enumerate(io.StringIO(content, newline="\n"), start=1)
    for sentence, relation in _examples(_Line(n, line.strip()) for n, line in lines):
        document = _document(sentence, relation, other)
        if document.doc_id in seen:
            raise _Wrong(
                sentence,
                f"sentence {document.doc_id} stands on line {seen[document.doc_id]} already",
            )
        seen[document.doc_id] = sentence.number
        yield document


def _examples(lines: Iterable[_Line]) -> Iterator[tuple[_Line, _Line]]:
    """Yield the lines of each sentence and its relation; comments and empty lines fall away."""
    sentence = relation = None
    for line in lines:
        if sentence is not None:
            if not line.text or _SENTENCE.fullmatch(line.text):
                raise _Wrong(
                    sentence,
                    "a sentence without a relation on the next line; the test file for "
                    "participants has none, TEST_FILE_FULL.TXT has them",
                )
            yield sentence, line
            sentence, relation = None, line
        elif _SENTENCE.fullmatch(line.text):
            sentence, relation = line, None
        elif relation is not None and line.text.startswith(_COMMENT):
            relation = None
        elif line.text:
            raise _Wrong(line, f"expected a numbered sentence in quotes, found {line.text[:60]!r}")
    if sentence is not None:
        raise _Wrong(sentence, "the file breaks off before the sentence's relation")


def _document(sentence: _Line, relation: _Line, other: str) -> Document:
    name, _, quoted = sentence.text.partition('"')
    text, spans = _nominals(sentence, quoted[:-1])
    kind, head, tail = _relation(relation)
    kind = kind or other
    try:
        return Document(
            doc_id=name.strip(),
            text=text,
            layers=("relations",),
            entities=tuple(Entity(end, *spans[end], NOMINAL) for end in spans) if kind else (),
            relations=(Relation(head, tail, kind),) if kind else (),
        ).validate()
    except DocumentError as error:
        raise _Wrong(sentence, str(error)) from None


def _nominals(sentence: _Line, marked: str) -> tuple[str, dict[str, tuple[int, int]]]:
    """Return the text without marks, and the offsets of e1 and e2 in it."""
    pieces: list[str] = []
    at: dict[str, int] = {}
    length = last = 0
    for mark in _MARK.finditer(marked):
        pieces.append(marked[last : mark.start()])
        length += len(pieces[-1])
        last = mark.end()
        if mark[0] in at or (mark[1] and f"<{mark[2]}>" not in at):
            raise _Wrong(sentence, f"{mark[0]} stands twice, or ends what has not begun")
        at[mark[0]] = length
    spans = {}
    for end in ("e1", "e2"):
        if f"<{end}>" not in at or f"</{end}>" not in at:
            raise _Wrong(sentence, f"expected one nominal between <{end}> and </{end}>")
        spans[end] = at[f"<{end}>"], at[f"</{end}>"]
        if spans[end][0] == spans[end][1]:
            raise _Wrong(sentence, f"nothing stands between <{end}> and </{end}>")
    return "".join(pieces) + marked[last:], spans


def _relation(line: _Line) -> tuple[str, str, str]:
    """Return type, head and tail; of `Other` an empty type, and the order of the words."""
    if line.text == _OTHER:
        return "", "e1", "e2"
    found = _RELATION.fullmatch(line.text)
    if not found or found[2] == found[3]:
        raise _Wrong(
            line,
            f"expected a relation such as Cause-Effect(e1,e2), or Other; found {line.text[:60]!r}",
        )
    return found[1], found[2], found[3]
