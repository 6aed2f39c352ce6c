"""Under test: the label scheme, which must mean the same on both sides of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pax_assets.nlp.documents import Argument, Document, Entity, Event, Relation
from pax_assets.nlp.labels import LabelScheme, LabelSchemeError, begin_mask, bio
from pax_assets_tests.toy_model import toy_corpus


def test_a_scheme_is_built_from_documents_in_alphabetical_order():
    scheme = LabelScheme.from_documents(toy_corpus(40))
    assert scheme.entities == (
        "O",
        *(f"{mark}-{kind}" for kind in ("org", "person", "place", "time") for mark in "BI"),
    )
    assert scheme.triggers == ("O", "B-meeting", "I-meeting")
    assert scheme.relations == ("none", "works_for")
    assert scheme.roles == ("none", "participant", "when", "where")


def test_the_order_of_documents_does_not_matter():
    corpus = toy_corpus(40)
    assert LabelScheme.from_documents(corpus) == LabelScheme.from_documents(corpus[::-1])


def test_a_scheme_survives_its_file(tmp_path: Path):
    scheme = LabelScheme.from_documents(toy_corpus(40), max_length=128, stride=32)
    scheme.save(tmp_path)
    assert LabelScheme.load(tmp_path) == scheme


def document(number: int, ends: tuple[str, str], **fields) -> Document:
    """A relation `knows` between two entities of these types."""
    entities = tuple(Entity(f"e{i}", i, i + 1, kind) for i, kind in enumerate(ends))
    return Document(
        **{
            "doc_id": str(number),
            "text": "abc",
            "layers": ("entities", "relations"),
            "entities": entities,
            "relations": (Relation("e0", "e1", "knows"),),
            **fields,
        }
    )


def test_only_types_that_were_seen_at_the_ends_of_a_relation_may_stand_there():
    scheme = LabelScheme.from_documents(
        [
            document(1, ("person", "org")),
            document(2, ("org", "person"), relations=()),
            document(3, ("org", "org"), split="test"),
        ]
    )
    assert scheme.relation_ends == {"knows": (("person", "org"),)}
    assert scheme.possible_relations("person", "org").tolist() == [True, True]
    for never_trained_on in (("org", "person"), ("org", "org")):
        assert scheme.possible_relations(*never_trained_on).tolist() == [True, False]


def test_a_relation_of_ends_whose_types_nobody_annotated_may_join_anything():
    scheme = LabelScheme.from_documents(
        [document(1, ("person", "org")), document(2, ("end", "end"), layers=("relations",))]
    )
    assert scheme.relation_ends == {}
    assert scheme.possible_relations("org", "org").all()


def test_roles_are_bound_to_events_and_types_of_entities():
    event = Event("v", "meeting", 2, 3, (Argument("e0", "who"),))
    scheme = LabelScheme.from_documents(
        [
            document(
                1,
                ("person", "time"),
                layers=("entities", "events"),
                relations=(),
                events=(event,),
            )
        ]
    )
    assert scheme.possible_roles("meeting", "person").tolist() == [True, True]
    assert scheme.possible_roles("meeting", "time").tolist() == [True, False]
    assert scheme.possible_roles("payment", "person").tolist() == [True, False]


def test_documents_without_labels_give_a_scheme_of_nothing():
    scheme = LabelScheme.from_documents([])
    assert (scheme.entities, scheme.relations) == (("O",), ("none",))


def test_types_may_hold_a_dash():
    labels = bio(["card-no", "a"])
    assert labels == ("O", "B-a", "I-a", "B-card-no", "I-card-no")
    assert begin_mask(labels).tolist() == [False, True, False, True, False]


GOOD = {
    "entities": ["O", "B-a", "I-a"],
    "triggers": ["O"],
    "relations": ["none"],
    "roles": ["none"],
    "max_length": 256,
    "stride": 64,
}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"entities": ["B-a", "I-a", "O"]}, "entities: not a sorted BIO list"),
        ({"entities": ["O", "B-a"]}, "entities: not a sorted BIO list"),
        ({"relations": ["knows"]}, "relations: must begin with 'none'"),
        ({"roles": ["none", "x", "x"]}, "roles: must begin with 'none'"),
        ({"stride": 256}, "stride 256 does not fit"),
        ({"max_length": None}, "missing or ill-typed"),
        ({"relation_ends": {"knows": []}}, "relation_ends: 'knows' is none of"),
        ({"role_ends": {"none": []}}, "role_ends: 'none' is none of"),
        ({"relation_ends": []}, "missing or ill-typed"),
        ({"relation_ends": {"none": [["a"]]}}, "missing or ill-typed"),
    ],
)
def test_a_wrong_label_file_is_refused_with_the_reason(tmp_path: Path, change, complaint):
    (tmp_path / "labels.json").write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(LabelSchemeError, match=complaint):
        LabelScheme.load(tmp_path)


@pytest.mark.parametrize(("content", "complaint"), [(None, "does not exist"), ("{", "not JSON")])
def test_an_unreadable_label_file_is_named(tmp_path: Path, content, complaint):
    if content is not None:
        (tmp_path / "labels.json").write_text(content)
    with pytest.raises(LabelSchemeError, match=rf"labels\.json.*{complaint}"):
        LabelScheme.load(tmp_path)
