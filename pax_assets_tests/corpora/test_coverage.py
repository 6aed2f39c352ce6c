"""Under test: of what a source says nothing, from the documents to what a model learns of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pax_assets.corpora.coverage import with_unannotated
from pax_assets.corpora.tokenize import tokenize
from pax_assets.nlp.documents import (
    Argument,
    Document,
    DocumentError,
    Entity,
    Event,
    Relation,
    Types,
)
from pax_assets.nlp.labels import LabelScheme
from pax_assets.training import train
from pax_assets_tests.model_fixtures import TOY_RECIPE
from pax_assets_tests.toy_model import toy_corpus

FULL = Document(
    "full",
    "Anna pays Acme on Friday",
    ("entities", "events", "relations"),
    (Entity("a", 0, 4, "person"), Entity("b", 10, 14, "org"), Entity("c", 18, 24, "date")),
    (Event("v", "payment", 5, 9, (Argument("a", "payer"), Argument("c", "when"))),),
    (Relation("a", "b", "works_for"),),
    source="full",
)
PEOPLE = Document("people", "Ben left", ("entities",), (Entity("a", 0, 3, "person"),), source="p")


def unsaid(*documents: Document) -> dict[str, Types | None]:
    return {d.doc_id: d.unannotated for d in with_unannotated(in_train(*documents))}


def in_train(*documents: Document) -> list[Document]:
    return [replace(document, split="train") for document in documents]


def test_a_source_is_silent_on_types_of_the_mix_that_it_never_has():
    assert unsaid(FULL, PEOPLE) == {"full": None, "people": Types(entities=("date", "org"))}


def test_one_document_with_the_type_makes_its_whole_source_a_witness():
    other = Document("day", "Friday", ("entities",), (Entity("a", 0, 6, "date"),), source="p")
    assert unsaid(FULL, PEOPLE, other)["people"] == Types(entities=("org",))


def test_a_corpus_of_one_source_is_silent_on_nothing():
    assert not any(unsaid(*(replace(d, source="") for d in (FULL, PEOPLE))).values())


def test_a_type_without_an_example_in_train_is_left_open_by_nobody():
    """Every word of train could be one, and nothing would speak against it."""
    documents = [*in_train(PEOPLE), replace(FULL, split="dev")]
    assert not any(document.unannotated for document in with_unannotated(documents))


def test_a_source_without_any_label_in_its_layer_is_one_of_counterexamples():
    nothing = Document("none", "Ben left", ("entities", "relations"), source="n")
    assert unsaid(FULL, nothing)["none"] is None


def test_events_roles_and_relations_are_kinds_like_entities():
    other = Document(
        "other",
        "Ben met Eve",
        ("entities", "events", "relations"),
        (Entity("a", 0, 3, "person"), Entity("b", 8, 11, "person")),
        (Event("v", "meeting", 4, 7, (Argument("a", "who"),)),),
        (Relation("a", "b", "knows"),),
        source="o",
    )
    found = unsaid(FULL, other)
    assert found["full"] == Types(events=("meeting",), relations=("knows",), roles=("who",))
    assert found["other"] == Types(("date", "org"), ("payment",), ("works_for",), ("payer", "when"))


def test_a_source_of_triggers_alone_never_looked_for_arguments():
    triggers = Document("t", "Ben met", ("events",), events=(Event("v", "call", 4, 7),), source="t")
    assert unsaid(FULL, triggers)["t"] == Types(events=("payment",), roles=("payer", "when"))


def test_what_is_a_mere_end_of_a_relation_is_no_type_that_was_annotated():
    ends = Document(
        "ends",
        "Ben of Acme",
        ("relations",),
        (Entity("a", 0, 3, "nominal"), Entity("b", 7, 11, "nominal")),
        relations=(Relation("a", "b", "works_for"),),
        source="e",
    )
    assert not any(unsaid(FULL, ends).values())


@pytest.mark.parametrize("own", [Types(entities=("place",)), Types()])
def test_a_document_that_says_it_itself_is_believed(own):
    assert unsaid(FULL, replace(PEOPLE, unannotated=own))["people"] == own


def test_relations_of_a_document_with_open_types_may_join_what_nobody_marked_there():
    bound = LabelScheme.from_documents(in_train(FULL)).relation_ends
    assert bound == {"works_for": (("person", "org"),)}
    open_ended = replace(FULL, unannotated=Types(entities=("government",)))
    assert LabelScheme.from_documents(in_train(FULL, open_ended)).relation_ends == {}


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"entities": ["person"]}, "document people: has entities of the type 'person', which"),
        ({"labels": ["person"]}, "'labels' is none of entities, events, relations, roles"),
        ({"entities": "person"}, "document people: entities is a list, and not str"),
        ({"entities": [3]}, "document people: one of entities is a text, and not 3"),
        (["person"], "document people: unannotated is an object, and not list"),
    ],
)
def test_a_document_that_says_it_wrongly_is_refused(given, complaint):
    with pytest.raises(DocumentError, match=complaint):
        Document.from_dict({**PEOPLE.to_dict(), "unannotated": given})


def test_it_survives_the_way_through_json():
    for types in (None, Types(), Types(entities=("date",), roles=("when",))):
        own = replace(PEOPLE, unannotated=types)
        assert Document.from_dict(json.loads(own.to_json())) == own


def test_rows_of_the_dataset_and_its_summary_say_it(toy_encoder: Path, tmp_path: Path):
    corpus = [replace(FULL, doc_id=split, split=split) for split in ("train", "dev", "test")]
    summary = tokenize([*corpus, replace(PEOPLE, split="train")], toy_encoder, tmp_path)
    scheme = LabelScheme.load(tmp_path)
    full, people = pq.read_table(tmp_path / "train.parquet").to_pylist()
    silent = {scheme.entities[label] for label in people["silent_entities"]}
    assert silent == {"B-date", "I-date", "B-org", "I-org"}
    assert full["silent_entities"] == people["silent_roles"] == []
    assert {source["name"]: source["silent_on"] for source in summary["sources"]} == {
        "full": [],
        "p": ["entity date", "entity org"],
    }


def half_marked(*, two_sources: bool) -> list[Document]:
    """Every third document has all types; in the others nobody looked for organizations."""
    corpus = []
    for number, document in enumerate(toy_corpus(240)):
        if number % 3:
            kept = tuple(e for e in document.entities if e.type != "org")
            ids = {e.id for e in kept}
            document = replace(
                document,
                entities=kept,
                relations=tuple(r for r in document.relations if {r.head, r.tail} <= ids),
                source="partial" if two_sources else "",
                split="train",
            )
        else:
            split = ("train", "train", "dev", "test")[number // 3 % 4]
            document = replace(document, source="complete" if two_sources else "", split=split)
        corpus.append(replace(document, group=document.doc_id))
    return corpus


def test_a_type_is_learnt_from_the_source_that_has_it_beside_one_that_has_it_not(
    toy_encoder: Path, tmp_path: Path
):
    """Two thirds of the documents leave organizations unmarked: as one source, they win."""
    recalls = {}
    for two_sources in (False, True):
        folder = tmp_path / str(two_sources)
        tokenize(half_marked(two_sources=two_sources), toy_encoder, folder / "dataset")
        train.main(
            [
                f"--dataset={folder / 'dataset'}",
                f"--output={folder / 'model'}",
                f"--encoder={toy_encoder}",
                *TOY_RECIPE,
            ]
        )
        metrics = json.loads((folder / "model" / "metrics.json").read_text())
        recalls[two_sources] = metrics["test"]["types"]["entity"]["org"]["recall"]
    assert recalls[True] > 0.9
    assert recalls[False] < 0.5
