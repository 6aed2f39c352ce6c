"""CoNLL04 as JSON: sentences of news with entities, and the relations between them.

The corpus (Roth and Yih, 2004) goes round in two forms of one list. SpERT's says where each
entity is (`entities`: type, and words from `start` up to `end`); that of TablERT says it with
BILOU `tags`. In both, a relation names its ends by number: the place of the entity in the list,
which for tags is its place in the sentence. One tag read wrongly would therefore not lose one
entity but point every later relation at its neighbour, so tags are read strictly.

Words are joined with blanks. The id of a document is its `orig_id`, the number that the sentence
has in the corpus, the same in every file; without one, the file's name and the place in the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats.json_list import json_list
from pax_assets.corpora.formats.words import TagError, WordText, spans_of_tags
from pax_assets.nlp.documents import Document, DocumentError, Entity, Relation
from pax_assets.nlp.json_values import WrongValueError as _Wrong
from pax_assets.nlp.json_values import as_list, as_number, as_object, as_text


def read(path: Path) -> Iterator[Document]:
    """Yield a document for each sentence, with the layers entities and relations.

    Raises `CorpusError` for a file that is absent, empty or no list of sentences, a sentence that
    contradicts itself, and a second one of the same `orig_id`.
    """
    path = Path(path)
    seen: dict[str, int] = {}
    for number, sentence in enumerate(json_list(path, "sentences"), start=1):
        where = f"{path}, sentence {number}"
        if isinstance(sentence, dict) and "orig_id" in sentence:
            where += f" (orig_id {sentence['orig_id']!r:.40})"
        try:
            document = _document(f"{path.name}:{number}", sentence)
        except (_Wrong, DocumentError) as error:
            raise CorpusError(f"{where}: {error}") from None
        if document.doc_id in seen:
            raise CorpusError(f"{where}: sentence {seen[document.doc_id]} has this orig_id already")
        seen[document.doc_id] = number
        yield document


def _document(name: str, sentence: object) -> Document:
    if not isinstance(sentence, dict):
        raise _Wrong(f"expected an object with tokens, found {type(sentence).__name__}")
    words = [as_text(word, "a token") for word in as_list(sentence.get("tokens"), "tokens")]
    if not words:
        raise _Wrong("tokens is empty")
    if ("tags" in sentence) == ("entities" in sentence):
        raise _Wrong("expected either tags or entities")
    found = _tagged if "tags" in sentence else _listed
    text = WordText.of(words)
    entities = tuple(
        Entity(f"e{index}", *text.span(first, end), kind)
        for index, (first, end, kind) in enumerate(found(sentence, len(words)))
    )
    return Document(
        doc_id=_doc_id(sentence, name),
        text=text.text,
        layers=("entities", "relations"),
        entities=entities,
        relations=tuple(_relations(sentence, entities)),
    ).validate()


def _doc_id(sentence: Mapping[str, object], name: str) -> str:
    given = sentence.get("orig_id")
    if given is None:
        return name
    if isinstance(given, bool) or not isinstance(given, int | str) or given == "":
        raise _Wrong("orig_id is a number or a text")
    return str(given)


def _tagged(sentence: Mapping[str, object], length: int) -> Iterator[tuple[int, int, str]]:
    tags = [as_text(tag, "a tag") for tag in as_list(sentence.get("tags"), "tags")]
    if len(tags) != length:
        raise _Wrong(f"{len(tags)} tags for {length} tokens")
    try:
        yield from spans_of_tags(tags, "bilou")
    except TagError as error:
        raise _Wrong(f"tag {error.index}: {error}") from None


def _listed(sentence: Mapping[str, object], length: int) -> Iterator[tuple[int, int, str]]:
    for index, entity in enumerate(as_list(sentence.get("entities"), "entities")):
        fields = as_object(entity, f"entity {index}")
        first = as_number(fields.get("start"), f"start of entity {index}")
        end = as_number(fields.get("end"), f"end of entity {index}")
        if not 0 <= first < end <= length:
            raise _Wrong(f"entity {index} has the words [{first}, {end}) of a sentence of {length}")
        yield first, end, as_text(fields.get("type"), f"the type of entity {index}")


def _relations(sentence: Mapping[str, object], entities: Sequence[Entity]) -> Iterator[Relation]:
    for index, relation in enumerate(as_list(sentence.get("relations"), "relations")):
        name = f"relation {index}"
        fields = as_object(relation, name)
        head, tail = (_end(fields, key, name, len(entities)) for key in ("head", "tail"))
        if head == tail:
            raise _Wrong(f"{name} joins entity {head} with itself")
        kind = as_text(fields.get("type"), f"the type of {name}")
        yield Relation(entities[head].id, entities[tail].id, kind)


def _end(fields: Mapping[str, object], key: str, name: str, entities: int) -> int:
    place = as_number(fields.get(key), f"{key} of {name}")
    # A place before the first would be taken for one from the last.
    if not 0 <= place < entities:
        raise _Wrong(
            f"{name} has the {key} {place}, and the sentence {entities} entities (counted from 0)"
        )
    return place
