"""MailEx's trigger file: threads of e-mails in JSON, with a tag for each word of each turn.

A turn's `text` begins with all earlier turns of its thread, each closed by the word [CONTEXT] and
the last by [SEP], too. Their words are not outside of events: they have no labels at all (-100),
and their triggers are tagged in the samples that are these turns. A loader that takes the whole
text teaches a model that the same words are and are not a trigger, so a document here is the turn
alone. Earlier turns that have no sample of their own, for they hold no event, are lost with this.

Tags are B_, I_ and S_ with the type, and S_ is no span of one word as in BIOES: it marks words
that two triggers share. "updated/S the/S file/I ... and plan/I" is "updated the file" and
"updated the plan". An I_ after a gap goes on with the last trigger of its type: "What/B do/I the
two of you want/I". `trigger_spans` repeats the words of each trigger, so the reading is checked.

A span of PAX has no gaps. Such a trigger (17 of the 874 that are published) becomes the span from
its first to its last word, unless the option `discontinuous` refuses it; triggers with words in
common overlap then, and two with all words in common are two events of one span.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats.json_list import json_list
from pax_assets.corpora.formats.words import WordText
from pax_assets.nlp.documents import Document, DocumentError, Event
from pax_assets.nlp.json_values import WrongValueError as _Wrong
from pax_assets.nlp.json_values import as_list

_TURN_END = "[CONTEXT]"
_CONTEXT_END = "[SEP]"
_UNLABELLED = -100


@dataclass(slots=True)
class _Stem:
    """A trigger that was begun, or the words with which two or more begin (`shared`).

    `own` are the words that follow: of one trigger, or a list for each that shares the stem.
    """

    type: str
    words: list[int]
    shared: bool
    own: list[list[int]] = field(default_factory=list)

    def triggers(self) -> Iterator[list[int]]:
        """Yield the words of each trigger, as positions."""
        if not self.shared:
            yield self.words
            return
        for words in self.own:
            yield self.words + words
        # Words are shared by two triggers at least; one without words of its own is the stem.
        for _ in range(2 - len(self.own)):
            yield list(self.words)


def read(path: Path, *, discontinuous: Literal["cover", "error"] = "cover") -> Iterator[Document]:
    """Yield a document for each turn, with the layer events; a thread's turns are one group.

    Ids are the thread's file name and the turn's number in it, from 1. `discontinuous` says what
    becomes of triggers with gaps: the span from first to last word ("cover"), or an error.

    Raises `CorpusError` for a file that is absent, empty or no list of turns, a turn whose words,
    tags and `trigger_spans` contradict each other, and two of one number.
    """
    path = Path(path)
    if discontinuous not in ("cover", "error"):
        raise CorpusError(f"{path}: discontinuous is cover or error, and not {discontinuous!r}")
    seen: dict[str, int] = {}
    for number, turn in enumerate(json_list(path, "turns"), start=1):
        where = f"{path}, turn {number} of the file"
        try:
            document = _document(turn, cover=discontinuous == "cover")
        except (_Wrong, DocumentError) as error:
            raise CorpusError(f"{where}: {error}") from None
        if document.doc_id in seen:
            raise CorpusError(f"{where}: {document.doc_id} is turn {seen[document.doc_id]} already")
        seen[document.doc_id] = number
        yield document


def _document(turn: object, *, cover: bool) -> Document:
    if not isinstance(turn, dict):
        raise _Wrong(f"expected an object with text and trigger_labels, found {turn!r:.40}")
    thread = turn.get("file_name")
    if not isinstance(thread, str) or not thread.removesuffix(".json").strip():
        raise _Wrong(f"file_name is the name of a thread, and not {thread!r:.40}")
    thread = thread.removesuffix(".json")
    words, tags, earlier = _own(turn)
    text = WordText.of(words)
    triggers = list(_triggers(tags))
    _check(turn, words, triggers)
    if not cover:
        for kind, trigger in triggers:
            if len(trigger) <= trigger[-1] - trigger[0]:
                raise _Wrong(
                    f"the trigger {' '.join(words[at] for at in trigger)!r} ({kind}) has gaps; "
                    'the option discontinuous = "cover" makes it one span'
                )
    spans = sorted((*text.span(found[0], found[-1] + 1), kind) for kind, found in triggers)
    return Document(
        doc_id=f"{thread}/{earlier + 1}",
        text=text.text,
        layers=("events",),
        events=tuple(
            Event(f"v{number}", kind, start, end)
            for number, (start, end, kind) in enumerate(spans, start=1)
        ),
        group=thread,
    ).validate()


def _own(turn: Mapping[str, object]) -> tuple[list[str], list[str], int]:
    """Return the words and tags of the turn without earlier ones, and the number of these."""
    words, tags = (
        as_list(turn.get("text"), "text"),
        as_list(turn.get("trigger_labels"), "trigger_labels"),
    )
    if len(words) != len(tags):
        raise _Wrong(f"{len(tags)} trigger_labels for {len(words)} words")
    first = next((at for at, tag in enumerate(tags) if tag != _UNLABELLED), len(tags))
    earlier = words[:first].count(_TURN_END)
    if first and words[max(0, first - 2) : first] != [_TURN_END, _CONTEXT_END]:
        raise _Wrong(
            f"words [0, {first}) have no labels ({_UNLABELLED}); earlier turns end with "
            f"{_TURN_END} {_CONTEXT_END}"
        )
    if first == len(words):
        raise _Wrong("no word has a label")
    own_words, own_tags = [], []
    for at in range(first, len(words)):
        word, tag = words[at], tags[at]
        if not isinstance(word, str) or not isinstance(tag, str):
            raise _Wrong(f"word {at} is {word!r:.40} with the label {tag!r:.40}; both are texts")
        own_words.append(word)
        own_tags.append(tag)
    return own_words, own_tags, earlier


def _triggers(tags: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    """Yield the type and the words of each trigger."""
    stems: list[_Stem] = []
    for at, tag in enumerate(tags):
        if tag == "O":
            continue
        mark, kind = tag[:1], tag[2:]
        if mark not in "BIS" or tag[1:2] != "_" or not kind:
            raise _Wrong(f"word {at} of the turn: {tag!r:.40} is no tag such as O, B_x, I_x or S_x")
        before = tags[at - 1] if at else "O"
        goes_on = before[2:] == kind
        last = next((stem for stem in reversed(stems) if stem.type == kind), None)
        if mark == "B" or (mark == "S" and not (goes_on and before[0] == "S")):
            stems.append(_Stem(kind, [at], shared=mark == "S"))
        elif last is None:
            raise _Wrong(f"word {at} of the turn: {tag!r} goes on with no trigger of its type")
        elif mark == "S" or not last.shared:
            last.words.append(at)
        elif goes_on and before[0] == "I":
            last.own[-1].append(at)
        else:
            last.own.append([at])
    for stem in stems:
        for words in stem.triggers():
            yield stem.type, words


def _check(
    turn: Mapping[str, object], words: Sequence[str], triggers: Sequence[tuple[str, list[int]]]
) -> None:
    """Compare with the triggers' words, which the file states once more, in no order."""
    if "trigger_spans" not in turn:
        return
    stated = Counter(map(str, as_list(turn.get("trigger_spans"), "trigger_spans")))
    tagged = Counter(" ".join(words[at] for at in trigger) for _, trigger in triggers)
    if stated != tagged:
        raise _Wrong(
            f"the tags mark {sorted((tagged - stated).elements())!r:.80}, and trigger_spans has "
            f"{sorted((stated - tagged).elements())!r:.80} instead"
        )
