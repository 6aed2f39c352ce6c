"""Under test: Re-DocRED's clusters as mentions, the pair that a relation joins, and refusals."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats import redocred
from pax_assets.nlp.documents import Document

SENTENCES = [
    ["Ada", "Byron", "was", "born", "in", "London", "."],
    ["Byron", "wrote", "to", "Babbage", "."],
    ["He", "left", "London", "."],
]


def mention(sentence: int, first: int, end: int, kind: str = "PER") -> dict:
    return {"name": "?", "pos": [first, end], "sent_id": sentence, "type": kind}


def label(head: int, tail: int, *evidence: int, kind: str = "P19") -> dict:
    return {"h": head, "t": tail, "r": kind, "evidence": list(evidence)}


ADA = [mention(0, 0, 2), mention(1, 0, 1)]
LONDON = [mention(0, 5, 6, "LOC"), mention(2, 2, 3, "LOC")]
BABBAGE = [mention(1, 3, 4)]


def document(*labels: dict, clusters: list | None = None, **fields: object) -> dict:
    return {
        "title": "Ada",
        "sents": SENTENCES,
        "vertexSet": [ADA, LONDON, BABBAGE] if clusters is None else clusters,
        "labels": list(labels),
    } | fields


def write(folder: Path, data: object) -> Path:
    path = folder / "pedia.json"
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    return path


def read_one(folder: Path, data: dict, **options: str) -> Document:
    (found,) = redocred.read(write(folder, [data]), **options)
    return found


def joined(found: Document) -> list[tuple[tuple[str, int], str, tuple[str, int]]]:
    ends = {e.id: (found.text[e.start : e.end], e.start) for e in found.entities}
    return [(ends[r.head], r.type, ends[r.tail]) for r in found.relations]


def test_every_mention_is_an_entity(tmp_path: Path):
    found = read_one(tmp_path, document())
    assert found.doc_id == "Ada"
    assert found.text == "Ada Byron was born in London . Byron wrote to Babbage . He left London ."
    assert found.layers == ("entities", "relations")
    assert [(found.text[e.start : e.end], e.start, e.type) for e in found.entities] == [
        ("Ada Byron", 0, "PER"),
        ("London", 22, "LOC"),
        ("Byron", 31, "PER"),
        ("Babbage", 46, "PER"),
        ("London", 64, "LOC"),
    ]


def test_a_relation_joins_the_mentions_of_one_sentence(tmp_path: Path):
    found = read_one(tmp_path, document(label(0, 1, 0), label(2, 0, 1, kind="P3342")))
    assert joined(found) == [
        (("Ada Byron", 0), "P19", ("London", 22)),
        (("Babbage", 46), "P3342", ("Byron", 31)),
    ]


def test_without_a_sentence_in_common_a_relation_joins_the_nearest_mentions(tmp_path: Path):
    found = read_one(tmp_path, document(label(2, 1)))
    assert joined(found) == [(("Babbage", 46), "P19", ("London", 64))]


def test_relations_across_sentences_are_left_out_if_the_option_says_so(tmp_path: Path):
    data = document(label(2, 1), label(0, 1))
    found = read_one(tmp_path, data, relations="same_sentence")
    assert joined(found) == [(("Ada Byron", 0), "P19", ("London", 22))]
    assert found.layers == ("entities", "relations")


AB = ["a", "x", "b"]


@pytest.mark.parametrize(
    ("sentences", "heads", "tails", "evidence", "pair"),
    [
        # One sentence counts more than the distance in words.
        (
            [["a", "x", "x", "b"], ["a"]],
            [mention(0, 0, 1), mention(1, 0, 1)],
            [mention(0, 3, 4)],
            [],
            (0, 6),
        ),
        # Of two sentences with both, the one that is evidence; without evidence, the first.
        (
            [AB, AB],
            [mention(0, 0, 1), mention(1, 0, 1)],
            [mention(0, 2, 3), mention(1, 2, 3)],
            [1],
            (6, 10),
        ),
        (
            [AB, AB],
            [mention(0, 0, 1), mention(1, 0, 1)],
            [mention(0, 2, 3), mention(1, 2, 3)],
            [],
            (0, 4),
        ),
        # In one sentence the nearer pair.
        ([["a", "a", "b"]], [mention(0, 0, 1), mention(0, 1, 2)], [mention(0, 2, 3)], [], (2, 4)),
        # Apart from each other rather than one in the other, as long as it is in one sentence.
        (
            [["a", "b", "x", "b"]],
            [mention(0, 0, 2)],
            [mention(0, 1, 2), mention(0, 3, 4)],
            [],
            (0, 6),
        ),
        ([["a", "b"], ["b"]], [mention(0, 0, 2)], [mention(0, 1, 2), mention(1, 0, 1)], [], (0, 2)),
    ],
)
def test_which_mentions_a_relation_joins(tmp_path, sentences, heads, tails, evidence, pair):
    data = document(label(0, 1, *evidence), clusters=[heads, tails], sents=sentences)
    ((head, _, tail),) = joined(read_one(tmp_path, data))
    assert (head[1], tail[1]) == pair


def test_a_mention_that_is_listed_twice_is_one_entity(tmp_path: Path):
    clusters = [[*ADA, ADA[0]], LONDON, [ADA[1]]]
    found = read_one(tmp_path, document(label(0, 1), label(0, 1), clusters=clusters))
    assert len(found.entities) == 4
    assert len(found.relations) == 1


def test_mentions_in_others_and_of_other_types_are_kept(tmp_path: Path):
    clusters = [[mention(0, 0, 2), mention(0, 1, 2)], [mention(0, 0, 2, "ORG")]]
    found = read_one(tmp_path, document(clusters=clusters))
    assert [(e.start, e.end, e.type) for e in found.entities] == [
        (0, 9, "ORG"),
        (0, 9, "PER"),
        (4, 9, "PER"),
    ]


def test_a_relation_within_a_cluster_joins_two_of_its_mentions(tmp_path: Path):
    assert joined(read_one(tmp_path, document(label(0, 0)))) == [
        (("Ada Byron", 0), "P19", ("Byron", 31))
    ]


def test_without_labels_nothing_is_said_of_relations(tmp_path: Path):
    data = {key: value for key, value in document().items() if key != "labels"}
    assert read_one(tmp_path, data).layers == ("entities",)


def test_words_may_be_blanks_and_sentences_empty(tmp_path: Path):
    sentences = [[], ["\xa0", "London", ""]]
    found = read_one(tmp_path, document(sents=sentences, clusters=[[mention(1, 1, 2, "LOC")]]))
    assert [found.text[e.start : e.end] for e in found.entities] == ["London"]


@st.composite
def documents(draw: st.DrawFn) -> tuple[dict, set[tuple[str, str]]]:
    sentences = draw(
        st.lists(st.lists(st.text(min_size=1), min_size=1, max_size=6), min_size=1, max_size=4)
    )
    mentions = []
    for _ in range(draw(st.integers(1, 6))):
        number = draw(st.integers(0, len(sentences) - 1))
        first = draw(st.integers(0, len(sentences[number]) - 1))
        end = draw(st.integers(first + 1, len(sentences[number])))
        mentions.append(mention(number, first, end, draw(st.sampled_from("XY"))))
    expected = {
        (" ".join(sentences[m["sent_id"]][m["pos"][0] : m["pos"][1]]), m["type"]) for m in mentions
    }
    return document(sents=sentences, clusters=[[one] for one in mentions]), expected


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents())
def test_entities_have_the_words_of_their_mentions(tmp_path: Path, case):
    data, expected = case
    found = read_one(tmp_path, data)
    assert {(found.text[e.start : e.end], e.type) for e in found.entities} == expected


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (["Ada"], "a document is an object, and not list"),
        (document(title=""), "title is a text"),
        (document(title=None), "title is a text, and not None"),
        (document(sents="Ada"), "sents is a list, and not str"),
        (document(sents=["Ada"]), "sentence 0 is a list, and not str"),
        (document(sents=[["Ada", 3]]), "a word of sentence 0 is a text, and not 3"),
        (document(sents=[[], []]), "sents has no words"),
        (document(vertexSet=None), "vertexSet is a list"),
        (document(clusters=[{}]), "cluster 0 is a list, and not dict"),
        (document(clusters=[[]]), "cluster 0 has no mentions"),
        (document(clusters=[ADA, ["Ada"]]), "mention 0 of cluster 1 is an object"),
        (document(clusters=[[mention(3, 0, 1)]]), "is in sentence 3 of 3, counted from 0"),
        (document(clusters=[[mention(-1, 0, 1)]]), "is in sentence -1 of 3"),
        (document(clusters=[[mention(0, 0, 1) | {"sent_id": "0"}]]), "sent_id of mention 0"),
        (document(clusters=[[mention(0, 0, 1) | {"sent_id": True}]]), "is a whole number"),
        (document(clusters=[[mention(2, 3, 5)]]), r"the words \[3, 5\) of sentence 2, which has 4"),
        (document(clusters=[[mention(2, -2, -1)]]), r"the words \[-2, -1\)"),
        (document(clusters=[[mention(0, 1, 1)]]), r"the words \[1, 1\)"),
        (document(clusters=[[mention(0, 0, 1) | {"pos": [0]}]]), "pos of .* is two numbers"),
        (document(clusters=[[mention(0, 0, 1) | {"pos": 0}]]), "pos of .* is a list"),
        (document(clusters=[[mention(0, 0, 1) | {"pos": [0, 1.0]}]]), "whole number, and not 1.0"),
        (document(clusters=[[mention(0, 0, 1, "")]]), "type of mention 0 of cluster 0 is a text"),
        (document(labels={}), "labels is a list"),
        (document(labels=[0]), "label 0 is an object"),
        (document(label(0, 3)), "label 0 joins cluster 3 of 3, counted from 0"),
        (document(label(-1, 0)), "label 0 joins cluster -1 of 3"),
        (document(label(0, 1) | {"h": None}), "h of label 0 is a whole number"),
        (document(label(0, 1) | {"r": 19}), "r of label 0 is a text"),
        (document(label(0, 1) | {"evidence": 0}), "evidence of label 0 is a list"),
        (document(label(0, 1) | {"evidence": ["0"]}), "evidence of label 0 is a whole number"),
        (document(label(2, 2)), "the relation P19 joins a mention with itself"),
    ],
)
def test_a_document_that_contradicts_itself_is_named(tmp_path: Path, data, complaint):
    path = write(tmp_path, [document(title="Another"), data])
    with pytest.raises(CorpusError, match=rf"pedia\.json, document 2.*: .*{complaint}"):
        list(redocred.read(path))


def test_two_documents_of_one_title_are_refused(tmp_path: Path):
    with pytest.raises(CorpusError, match=r"document 2 \(Ada\): document 1 has this title already"):
        list(redocred.read(write(tmp_path, [document(), document()])))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not JSON in UTF-8"),
        (b"\xff", "not JSON in UTF-8"),
        (b'[{"title": ', "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON in UTF-8"),
        (b"{}", "expected a list of documents, found dict"),
        (b"[]", "found an empty one"),
    ],
)
def test_what_is_no_list_of_documents_is_refused(tmp_path: Path, content, complaint):
    with pytest.raises(CorpusError, match=rf"pedia\.json: .*{complaint}"):
        list(redocred.read(write(tmp_path, content)))


def test_what_is_no_file_is_refused(tmp_path: Path):
    for path in (tmp_path, tmp_path / "nowhere.json"):
        with pytest.raises(CorpusError, match="does not exist or is no file"):
            list(redocred.read(path))
    with pytest.raises(CorpusError, match="relations is nearest or same_sentence, and not 'all'"):
        read_one(tmp_path, document(), relations="all")


@pytest.mark.parametrize(
    ("part", "mentions", "related", "together"),
    [("dev", 13_153, 17_276, 7_979), ("test", 12_949, 17_448, 8_156)],
)
def test_the_corpus_is_read_whole(shared_data: Path, part, mentions, related, together):
    path = shared_data / "redocred" / f"{part}_revised.json"
    raw = json.loads(path.read_text("utf-8"))
    documents = list(redocred.read(path))
    assert len(documents) == len(raw) == 500
    merged = 0
    for found, given_document in zip(documents, raw, strict=True):
        sents, clusters = given_document["sents"], given_document["vertexSet"]
        listed = {
            (m["sent_id"], *m["pos"], m["type"]): " ".join(
                sents[m["sent_id"]][m["pos"][0] : m["pos"][1]]
            )
            for cluster in clusters
            for m in cluster
        }
        assert sorted(found.text[e.start : e.end] for e in found.entities) == sorted(
            listed.values()
        )
        kinds = Counter(one["r"] for one in given_document["labels"])
        lost = kinds - Counter(r.type for r in found.relations)
        merged += lost.total()
    # In dev, one document has two clusters of one mention, and labels both.
    assert merged == (8 if part == "dev" else 0)
    assert sum(len(found.entities) for found in documents) == mentions
    assert sum(len(found.relations) for found in documents) == related
    near = redocred.read(path, relations="same_sentence")
    assert sum(len(found.relations) for found in near) == together
