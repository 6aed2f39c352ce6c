"""Columns of words and tags, a line a word, as CoNLL-2003, WNUT-17 and the Broad Twitter Corpus.

The format has no grammar, only custom, and two customs meet in tweets: `#` begins a comment in
some files and is a word in others, a hashtag or the sign alone. Taken wrongly, words are lost
without a trace. So a comment is only what CoNLL-U has: `# ` before the first word of a sentence,
on a line that is none of a word and its tag. All that is neither is refused.

What the files of such corpora hold, and how it is read:

- Columns are separated by tabs, or by tabs and blanks where the first line of a word has no
  tab. Every word has as many columns as the first.
- A line of blanks or tabs ends a sentence, as an empty one does. The last need not be there.
- `-DOCSTART-` (or `# newdoc`) begins a section: an article. Its sentences share a group. What
  stands before the first section belongs to none.
- A cell may be empty where a word was (a character lost in cleaning). It is left out of the
  text and counts in its span; a span of such words only is refused.
- Several tags in one cell are refused: a word has one tag here.

Words are joined with blanks, sentences with line ends. Ids are the file's name and the line of
the first word (or of the section), so that they differ between the files of a corpus and lead to
the place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats.words import (
    EmptySpanError,
    TagError,
    Tagging,
    is_tag,
    tagged_text,
)
from pax_assets.nlp.documents import Document, DocumentError, Entity

Documents = Literal["sentence", "docstart"]
_SECTION = "-DOCSTART-"
# `# sent_id = 7`, of CoNLL-U. The blanks are blanks: a column between tabs is no such thing.
_METADATA = re.compile(r"# +[\w:.-]+ = ")
_NEW = re.compile(r"# +(newdoc|newpar)\b")
_SEVERAL_TAGS = re.compile(r"[,;|](?:[BILUESMW][-_]|O$)", re.IGNORECASE)
_BLANKS = " \t"


class _Word(NamedTuple):
    line: int
    word: str
    tag: str


@dataclass(slots=True)
class _Sentence:
    """The words of a sentence; `section` is the line on which its section begins, 0: none."""

    section: int
    words: list[_Word] = field(default_factory=list)


def read(
    path: Path,
    *,
    tagging: Tagging = "auto",
    word_column: int = 0,
    tag_column: int = -1,
    documents: Documents = "sentence",
) -> Iterator[Document]:
    """Yield the documents of a file: each sentence, or with "docstart" each section.

    `tagging` names the scheme of the tags, which are then checked; "auto" reads any. Columns
    count from 0, or from the last as -1.

    Raises `CorpusError` for a file that is absent, empty or not UTF-8, a line without its
    columns, a tag that is none or that the scheme does not allow, and a wrong option.
    """
    path = Path(path)
    _check_options(path, tagging, word_column, tag_column, documents)
    if not path.is_file():
        raise CorpusError(f"{path} does not exist or is no file: expected words and tags")
    columns = _Columns(path, word_column, tag_column)
    if documents == "docstart":
        parts = (list(part) for _, part in groupby(columns.sentences(), lambda s: s.section))
    else:
        parts = ([sentence] for sentence in columns.sentences())
    found = False
    for part in parts:
        # A part is complete when the next one has begun or the file has ended.
        if documents == "docstart" and not columns.section:
            raise CorpusError(
                f"{path}: no line is {_SECTION}, so the file has no sections; "
                'leave out documents = "docstart" to read each sentence as a document'
            )
        found = True
        yield _document(path, part, tagging, documents)
    if not found:
        raise CorpusError(f"{path} holds no words: expected lines of a word and its tag")


def _check_options(path: Path, tagging: object, word: object, tag: object, docs: object) -> None:
    for name, given, known in (
        ("tagging", tagging, get_args(Tagging)),
        ("documents", docs, get_args(Documents)),
    ):
        if given not in known:
            raise CorpusError(f"{path}: {name} is one of {', '.join(known)}, and not {given!r}")
    for name, given in (("word_column", word), ("tag_column", tag)):
        if not isinstance(given, int) or isinstance(given, bool):
            raise CorpusError(f"{path}: {name} is the number of a column, and not {given!r}")


class _Columns:
    """A file's lines as sentences. `section` is the line of the section that was begun last."""

    def __init__(self, path: Path, word_column: int, tag_column: int) -> None:
        self.path = path
        self.section = 0
        self._word_column = word_column
        self._tag_column = tag_column
        # Of the first word's line: which it is, what separates its columns, how many there are.
        self._first = 0
        self._has_tabs = False
        self._width = 0

    def sentences(self) -> Iterator[_Sentence]:
        sentence = _Sentence(0)
        for number, line in self._lines():
            starts_section = self._starts_section(line, at_start=not sentence.words)
            if starts_section or not line.strip(_BLANKS):
                if sentence.words:
                    yield sentence
                if starts_section:
                    self.section = number
                sentence = _Sentence(self.section)
            elif sentence.words or not self._is_comment(line):
                sentence.words.append(self._word(number, line))
        if sentence.words:
            yield sentence

    def _lines(self) -> Iterator[tuple[int, str]]:
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise self._wrong(number, f"not UTF-8: {error}") from None
                text = text.rstrip("\r\n")
                if "\r" in text:
                    raise self._wrong(number, "a carriage return within a line; end lines with LF")
                yield number, text

    def _starts_section(self, line: str, *, at_start: bool) -> bool:
        if _SECTION in line:
            return line.split()[0] == _SECTION or _SECTION in self._cells(line)
        new = _NEW.match(line) if at_start else None
        return new is not None and new[1] == "newdoc" and self._is_comment(line)

    def _is_comment(self, line: str) -> bool:
        """Say whether a line before a sentence's first word is a comment, and no word `#`."""
        if not line.startswith("# "):
            return False
        if _METADATA.match(line):
            return True
        cells = line.split()
        if "\t" in line or self._is_word(cells):
            return False
        # With as many columns as words have it may be a word with a wrong tag: then the tag is
        # to be refused.
        return self._has_tabs or len(cells) != self._width or _NEW.match(line) is not None

    def _is_word(self, cells: Sequence[str]) -> bool:
        if self._width and len(cells) != self._width:
            return False
        return -len(cells) <= self._tag_column < len(cells) and is_tag(cells[self._tag_column])

    def _cells(self, line: str) -> list[str]:
        if self._has_tabs or (not self._width and "\t" in line):
            return [cell.strip(_BLANKS) for cell in line.split("\t")]
        return re.split(r"[ \t]+", line.strip(_BLANKS))

    def _word(self, number: int, line: str) -> _Word:
        cells = self._cells(line)
        if not self._width:
            self._first, self._width, self._has_tabs = number, len(cells), "\t" in line
            self._check_columns(number)
        if len(cells) != self._width:
            separated = "tabs" if self._has_tabs else "blanks"
            raise self._wrong(
                number,
                f"expected {self._width} columns between {separated} as on line {self._first}, "
                f"found {len(cells)}"
                + ("; a comment stands before a sentence" if line.startswith("# ") else ""),
            )
        word, tag = cells[self._word_column], cells[self._tag_column]
        if not tag:
            raise self._wrong(number, f"{word!r} has no tag; a word outside of all spans has O")
        if _SEVERAL_TAGS.search(tag):
            raise self._wrong(
                number,
                f"{tag!r} are several tags of one word; keep one, or name another tag_column",
            )
        return _Word(number, word, tag)

    def _check_columns(self, number: int) -> None:
        places = []
        for name, column in (("word", self._word_column), ("tag", self._tag_column)):
            if not -self._width <= column < self._width:
                raise self._wrong(
                    number, f"{self._width} columns, and none is {name}_column {column}"
                )
            places.append(column % self._width)
        if places[0] == places[1]:
            raise self._wrong(
                number,
                f"word_column and tag_column are both column {places[0]} of {self._width}; "
                "expected a word and a tag with a tab or blanks between",
            )

    def _wrong(self, line: int, problem: str) -> CorpusError:
        return CorpusError(f"{self.path}, line {line}: {problem}")


def _document(
    path: Path, sentences: Sequence[_Sentence], tagging: Tagging, documents: Documents
) -> Document:
    texts: list[str] = []
    entities: list[Entity] = []
    start = 0
    for sentence in sentences:
        text, spans = _spans(path, sentence, tagging)
        for first, end, kind in spans:
            entities.append(Entity(f"e{len(entities) + 1}", start + first, start + end, kind))
        texts.append(text)
        start += len(text) + 1
    section, first_line = sentences[0].section, sentences[0].words[0].line
    by_section = documents == "docstart" and section
    try:
        return Document(
            doc_id=f"{path.name}:{section if by_section else first_line}",
            text="\n".join(texts),
            layers=("entities",),
            entities=tuple(entities),
            group=f"{path.name}:{section}" if section else None,
        ).validate()
    except DocumentError as error:
        raise CorpusError(f"{path}, line {first_line}: {error}") from None


def _spans(
    path: Path, sentence: _Sentence, tagging: Tagging
) -> tuple[str, list[tuple[int, int, str]]]:
    """Return a sentence's text, and the offsets and types of its spans."""
    words = sentence.words
    try:
        return tagged_text([word.word for word in words], [word.tag for word in words], tagging)
    except TagError as error:
        at = words[error.index]
        hint = 'tagging = "auto" reads tags in any order' if is_tag(at.tag) else "see tag_column"
        if isinstance(error, EmptySpanError):
            hint = "give the word, or the tag O"
        raise CorpusError(f"{path}, line {at.line}: {error}; {hint}") from None
