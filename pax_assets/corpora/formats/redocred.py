"""DocRED and Re-DocRED: documents in JSON, with relations between clusters of mentions.

`vertexSet` lists the clusters, each with all mentions of one thing; `labels` joins clusters, not
mentions, by their places in that list. A relation of PAX joins two spans. All pairs of mentions
would be many, most of them in sentences that say nothing of the relation, so each relation becomes
one between one mention of each cluster: a pair in one sentence if there is any, apart from each
other rather than one within the other, in a sentence that is named as evidence, near, early, in
this order of weight. In a little more than half of Re-DocRED's relations no sentence has both.

Every mention is an entity, with the type that it has itself (in 18 clusters of 19,463 they
differ). The same words with the same type are one entity, be they listed twice in a cluster or in
two clusters; mentions within others are kept. `pos` says where a mention is; `name` is how a
person would write it, and does not always agree with the words, so it is not read.

Sentences are joined with blanks, as their words are. Without `labels`, as in DocRED's test file,
a document has the layer entities only. A title names one document, in the official scores, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats.json_list import json_list
from pax_assets.corpora.formats.words import WordText
from pax_assets.nlp.documents import Document, DocumentError, Entity, Relation
from pax_assets.nlp.json_values import WrongValueError as _Wrong
from pax_assets.nlp.json_values import as_list, as_number, as_object, as_text


class _Mention(NamedTuple):
    """Words `[first, end)` of the document, in one sentence."""

    first: int
    end: int
    type: str
    sentence: int


class _Label(NamedTuple):
    """A relation between the clusters `head` and `tail`."""

    head: int
    tail: int
    type: str
    evidence: frozenset[int]


def read(
    path: Path, *, relations: Literal["nearest", "same_sentence"] = "nearest"
) -> Iterator[Document]:
    """Yield the documents of a file; their ids are their titles.

    With `relations` as "same_sentence", relations whose ends share no sentence are left out: the
    layer then says that a pair is not related, although the document as a whole says that it is.

    Raises `CorpusError` for a file that is absent, empty or no list of documents, a document that
    contradicts itself, and two of one title.
    """
    path = Path(path)
    if relations not in ("nearest", "same_sentence"):
        raise CorpusError(
            f"{path}: relations is nearest or same_sentence, and not {relations!r:.40}"
        )
    seen: dict[str, int] = {}
    for number, given in enumerate(json_list(path, "documents"), start=1):
        where = f"{path}, document {number}"
        try:
            fields = as_object(given, "a document")
            title = as_text(fields.get("title"), "title")
            where += f" ({title:.80})"
            document = _document(title, fields, across=relations == "nearest")
        except (_Wrong, DocumentError) as error:
            raise CorpusError(f"{where}: {error}") from None
        if title in seen:
            raise CorpusError(f"{where}: document {seen[title]} has this title already")
        seen[title] = number
        yield document


def _document(title: str, fields: Mapping[str, object], *, across: bool) -> Document:
    words: list[str] = []
    sentences: list[tuple[int, int]] = []
    for number, sentence in enumerate(as_list(fields.get("sents"), "sents")):
        first = len(words)
        for word in as_list(sentence, f"sentence {number}"):
            if not isinstance(word, str):
                raise _Wrong(f"a word of sentence {number} is a text, and not {word!r:.40}")
            words.append(word)
        sentences.append((first, len(words)))
    if not words:
        raise _Wrong("sents has no words")
    text = WordText.of(words)
    clusters = [
        list(_mentions(cluster, number, sentences))
        for number, cluster in enumerate(as_list(fields.get("vertexSet"), "vertexSet"))
    ]
    names = {
        mention: f"e{number}"
        for number, mention in enumerate(sorted({m for c in clusters for m in c}), start=1)
    }
    labels = list(_labels(fields["labels"], len(clusters))) if "labels" in fields else None
    pairs = ((_nearest(clusters[one.head], clusters[one.tail], one), one) for one in labels or ())
    found = {
        Relation(names[head], names[tail], one.type): None
        for (head, tail), one in pairs
        if across or head.sentence == tail.sentence
    }
    return Document(
        doc_id=title,
        text=text.text,
        layers=("entities",) if labels is None else ("entities", "relations"),
        entities=tuple(
            Entity(name, *text.span(mention.first, mention.end), mention.type)
            for mention, name in names.items()
        ),
        relations=tuple(found),
    ).validate()


def _mentions(
    cluster: object, number: int, sentences: Sequence[tuple[int, int]]
) -> Iterator[_Mention]:
    mentions = as_list(cluster, f"cluster {number}")
    if not mentions:
        raise _Wrong(f"cluster {number} has no mentions")
    for each, mention in enumerate(mentions):
        what = f"mention {each} of cluster {number}"
        fields = as_object(mention, what)
        sentence = as_number(fields.get("sent_id"), f"sent_id of {what}")
        if not 0 <= sentence < len(sentences):
            raise _Wrong(f"{what} is in sentence {sentence} of {len(sentences)}, counted from 0")
        pos = as_list(fields.get("pos"), f"pos of {what}")
        if len(pos) != 2:
            raise _Wrong(f"pos of {what} is two numbers, and not {pos!r:.40}")
        start, end = (as_number(at, f"pos of {what}") for at in pos)
        first, last = sentences[sentence]
        if not 0 <= start < end <= last - first:
            raise _Wrong(
                f"{what} has the words [{start}, {end}) of sentence {sentence}, which has "
                f"{last - first}"
            )
        kind = as_text(fields.get("type"), f"type of {what}")
        yield _Mention(first + start, first + end, kind, sentence)


def _labels(given: object, clusters: int) -> Iterator[_Label]:
    for number, label in enumerate(as_list(given, "labels")):
        what = f"label {number}"
        fields = as_object(label, what)
        head, tail = (as_number(fields.get(key), f"{key} of {what}") for key in "ht")
        for end in (head, tail):
            # A place before the first would be taken for one from the last.
            if not 0 <= end < clusters:
                raise _Wrong(f"{what} joins cluster {end} of {clusters}, counted from 0")
        evidence = as_list(fields.get("evidence", []), f"evidence of {what}")
        yield _Label(
            head,
            tail,
            as_text(fields.get("r"), f"r of {what}"),
            frozenset(as_number(sentence, f"evidence of {what}") for sentence in evidence),
        )


def _nearest(
    heads: Sequence[_Mention], tails: Sequence[_Mention], label: _Label
) -> tuple[_Mention, _Mention]:
    """Return the pair of mentions that says most of the relation, by the order at the top."""
    pairs = [(head, tail) for head in heads for tail in tails if head != tail]
    if not pairs:
        raise _Wrong(f"the relation {label.type} joins a mention with itself")

    def weight(pair: tuple[_Mention, _Mention]) -> tuple[bool, bool, bool, int, int, int]:
        head, tail = pair
        gap = max(head.first, tail.first) - min(head.end, tail.end)
        return (
            head.sentence != tail.sentence,
            gap < 0,
            not {head.sentence, tail.sentence} <= label.evidence,
            gap,
            head.first,
            tail.first,
        )

    return min(pairs, key=weight)
