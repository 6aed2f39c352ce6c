"""Under test: CoNLL04 as JSON in both of its forms, and relations whose ends are numbers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats import conll04
from pax_assets.nlp.documents import Document

TAGGED = {
    "tokens": ["Anna", "Karenina", "of", "Oblonsky", "lives", "in", "Moscow"],
    "tags": ["B-Peop", "L-Peop", "O", "U-Other", "O", "O", "U-Loc"],
    "relations": [{"head": 0, "tail": 2, "type": "Live_In"}],
    "orig_id": 7,
}
LISTED = {
    **{key: TAGGED[key] for key in ("tokens", "relations", "orig_id")},
    "entities": [
        {"type": "Peop", "start": 0, "end": 2},
        {"type": "Other", "start": 3, "end": 4},
        {"type": "Loc", "start": 6, "end": 7},
    ],
}
ENTITY = LISTED["entities"][0]
RELATION = TAGGED["relations"][0]


def write(folder: Path, data: object) -> Path:
    path = folder / "news.json"
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        path.write_text(json.dumps(data), encoding="utf-8")
    return path


def without(data: dict, key: str) -> dict:
    return {name: value for name, value in data.items() if name != key}


def shown(document: Document) -> list[tuple[str, str, str]]:
    text = {e.id: f"{document.text[e.start : e.end]} ({e.type})" for e in document.entities}
    return [(text[r.head], r.type, text[r.tail]) for r in document.relations]


@pytest.mark.parametrize("sentence", [TAGGED, LISTED], ids=["tags", "entities"])
def test_both_forms_give_the_same_document(tmp_path: Path, sentence):
    (document,) = conll04.read(write(tmp_path, [sentence]))
    assert document.text == "Anna Karenina of Oblonsky lives in Moscow"
    assert document.layers == ("entities", "relations")
    assert [(e.id, document.text[e.start : e.end], e.type) for e in document.entities] == [
        ("e0", "Anna Karenina", "Peop"),
        ("e1", "Oblonsky", "Other"),
        ("e2", "Moscow", "Loc"),
    ]
    assert shown(document) == [("Anna Karenina (Peop)", "Live_In", "Moscow (Loc)")]
    assert document.doc_id == "7"


def test_entities_in_any_order_keep_their_numbers(tmp_path: Path):
    turned = {**LISTED, "entities": LISTED["entities"][::-1]}
    (document,) = conll04.read(write(tmp_path, [turned]))
    assert shown(document) == [("Moscow (Loc)", "Live_In", "Anna Karenina (Peop)")]


def test_nested_entities_are_kept(tmp_path: Path):
    nested = {**LISTED, "entities": [*LISTED["entities"], {"type": "Org", "start": 0, "end": 4}]}
    (document,) = conll04.read(write(tmp_path, [nested]))
    assert [(e.start, e.end) for e in document.entities] == [(0, 13), (17, 25), (35, 41), (0, 25)]


def test_a_sentence_without_a_number_is_called_after_its_place(tmp_path: Path):
    nameless = without(LISTED, "orig_id")
    documents = conll04.read(write(tmp_path, [nameless, {**nameless, "orig_id": "x-1"}, nameless]))
    assert [document.doc_id for document in documents] == ["news.json:1", "x-1", "news.json:3"]


def test_other_keys_and_a_byte_order_mark_do_no_harm(tmp_path: Path):
    data = b"\xef\xbb\xbf" + json.dumps([{**TAGGED, "pos": ["NNP"] * 7}]).encode()
    assert len(list(conll04.read(write(tmp_path, data)))) == 1


def test_a_sentence_may_have_neither_entities_nor_relations(tmp_path: Path):
    (document,) = conll04.read(
        write(tmp_path, [{"tokens": ["Rain", "."], "tags": ["O", "O"], "relations": []}])
    )
    assert (document.text, document.entities, document.relations) == ("Rain .", (), ())


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not JSON in UTF-8"),
        (b"[{", "not JSON in UTF-8: .*line 1 column 3"),
        (b'["\xff"]', "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON in UTF-8"),
        (b"[1" + b"0" * 10_000 + b"]", "not JSON in UTF-8"),
        ([], "expected a list of sentences, found an empty one"),
        ({"entities": {}}, "expected a list of sentences, found dict"),
        ("tokens", "expected a list of sentences, found str"),
    ],
)
def test_a_file_that_is_no_list_of_sentences_is_refused(tmp_path: Path, data, complaint):
    with pytest.raises(CorpusError, match=rf"news\.json: {complaint}"):
        list(conll04.read(write(tmp_path, data)))


@pytest.mark.parametrize(
    ("sentence", "complaint"),
    [
        ([], "expected an object with tokens, found list"),
        ({}, "tokens is a list, and not NoneType"),
        ({**TAGGED, "tokens": "Anna"}, "tokens is a list, and not str"),
        ({**TAGGED, "tokens": []}, "tokens is empty"),
        ({**TAGGED, "tokens": ["a", 1]}, "a token is a text, and not 1"),
        ({**TAGGED, "tokens": ["a", " "]}, "a token is a text, and not ' '"),
        ({**TAGGED, "tokens": ["a"]}, "7 tags for 1 tokens"),
        ({**TAGGED, "tags": [None] * 7}, "a tag is a text, and not None"),
        ({**TAGGED, "tags": {"O": 7}}, "tags is a list, and not dict"),
        ({**TAGGED, "tags": ["O"] * 6 + ["B-Loc"]}, "tag 6: the last span has no closing tag"),
        ({**TAGGED, "tags": ["O"] * 6 + ["L-Loc"]}, "tag 6: 'L-Loc' continues no span"),
        ({**TAGGED, "tags": ["Peop"] + ["O"] * 6}, "tag 0: 'Peop' is no tag"),
        ({**LISTED, **TAGGED}, "expected either tags or entities"),
        (without(TAGGED, "tags"), "expected either tags or entities"),
        ({**LISTED, "entities": None}, "entities is a list, and not NoneType"),
        ({**LISTED, "entities": ["Peop"]}, "entity 0 is an object, and not str"),
        ({**LISTED, "entities": [{}]}, "start of entity 0 is a whole number, and not None"),
        ({**LISTED, "entities": [{**ENTITY, "end": 2.0}]}, "end of entity 0 is .*, and not 2.0"),
        ({**LISTED, "entities": [{**ENTITY, "start": True}]}, "start of entity 0 is a whole"),
        ({**LISTED, "entities": [{**ENTITY, "start": 2}]}, r"entity 0 has the words \[2, 2\)"),
        ({**LISTED, "entities": [{**ENTITY, "start": -1}]}, r"entity 0 has the words \[-1, 2\)"),
        ({**LISTED, "entities": [{**ENTITY, "end": 8}]}, r"entity 0 has the words \[0, 8\)"),
        ({**LISTED, "entities": [without(ENTITY, "type")]}, "the type of entity 0 is a text"),
        ({**LISTED, "entities": [{**ENTITY, "type": ""}]}, "the type of entity 0 is a text"),
        (without(TAGGED, "relations"), "relations is a list, and not NoneType"),
        ({**TAGGED, "relations": [[0, 2]]}, "relation 0 is an object, and not list"),
        ({**TAGGED, "relations": [RELATION, {**RELATION, "tail": 3}]}, "relation 1 has the tail 3"),
        ({**TAGGED, "relations": [{**RELATION, "head": -1}]}, "relation 0 has the head -1"),
        ({**TAGGED, "relations": [{**RELATION, "head": "0"}]}, "head of relation 0 is a whole"),
        ({**TAGGED, "relations": [{**RELATION, "tail": 0}]}, "relation 0 joins entity 0 with"),
        ({**TAGGED, "relations": [without(RELATION, "type")]}, "the type of relation 0 is a text"),
        ({**TAGGED, "orig_id": 1.5}, "orig_id is a number or a text"),
        ({**TAGGED, "orig_id": [1]}, "orig_id is a number or a text"),
        ({**TAGGED, "orig_id": True}, "orig_id is a number or a text"),
        ({**TAGGED, "orig_id": ""}, "orig_id is a number or a text"),
        ({**TAGGED, "orig_id": "3"}, "sentence 1 has this orig_id already"),
    ],
)
def test_a_bad_sentence_is_named_with_its_fault(tmp_path: Path, sentence, complaint):
    path = write(tmp_path, [{**TAGGED, "orig_id": 3}, sentence])
    with pytest.raises(CorpusError, match=rf"news\.json, sentence 2.*: {complaint}"):
        list(conll04.read(path))


def test_the_number_of_a_bad_sentence_is_told_shortly(tmp_path: Path):
    path = write(tmp_path, [{**TAGGED, "tags": [], "orig_id": "x" * 5000}])
    with pytest.raises(CorpusError, match=r"sentence 1 \(orig_id 'xxx.*\): 0 tags") as caught:
        list(conll04.read(path))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("name", ["nothing.json", "."])
def test_a_missing_file_or_a_folder_is_named(tmp_path: Path, name):
    with pytest.raises(CorpusError, match="does not exist or is no file"):
        list(conll04.read(tmp_path / name))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.sampled_from(["", "O", "U-Loc", "Anna"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*TAGGED, *LISTED, *ENTITY, *RELATION]), inner)
    ),
    max_leaves=6,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([TAGGED, LISTED]), st.dictionaries(st.sampled_from([*LISTED]), values))
def test_any_json_is_read_or_refused(tmp_path: Path, sentence, changes):
    path = write(tmp_path, [sentence | changes])
    try:
        for document in conll04.read(path):
            document.validate()
    except CorpusError as error:
        complaint = str(error)
    else:
        return
    assert complaint.startswith(f"{path}, sentence 1")


@pytest.mark.parametrize(("part", "sentences"), [("train", 922), ("dev", 231), ("test", 288)])
def test_the_corpus_is_read_whole(shared_data: Path, part, sentences):
    path = shared_data / "research_only" / "conll04" / f"conll04_{part}.json"
    documents = list(conll04.read(path))
    assert len(documents) == sentences
    raw = {str(sentence["orig_id"]): sentence for sentence in json.loads(path.read_text("utf-8"))}
    # In BILOU each B or U begins an entity; that its words are right, its relations tell: their
    # ends are of the types that the corpus' own description gives.
    begun = Counter(tag[2:] for s in raw.values() for tag in s["tags"] if tag[0] in "BU")
    assert Counter(e.type for d in documents for e in d.entities) == begun
    assert Counter(r.type for d in documents for r in d.relations) == Counter(
        r["type"] for sentence in raw.values() for r in sentence["relations"]
    )
    ends = set()
    for document in documents:
        sentence = raw[document.doc_id]
        types = {entity.id: entity.type for entity in document.entities}
        ends |= {(types[r.head], r.type, types[r.tail]) for r in document.relations}
        tagged = [
            word
            for word, tag in zip(sentence["tokens"], sentence["tags"], strict=True)
            if tag != "O"
        ]
        assert " ".join(document.text[e.start : e.end] for e in document.entities) == " ".join(
            tagged
        )
    assert ends == {
        ("Peop", "Work_For", "Org"),
        ("Peop", "Kill", "Peop"),
        ("Org", "OrgBased_In", "Loc"),
        ("Peop", "Live_In", "Loc"),
        ("Loc", "Located_In", "Loc"),
    }
