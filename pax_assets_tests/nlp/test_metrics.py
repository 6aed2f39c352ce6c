"""Under test: strict scores, also against seqeval's count of the same predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from pax_assets.nlp.breakdown import breakdown
from pax_assets.nlp.documents import (
    Analysis,
    Argument,
    Document,
    Entity,
    Event,
    FoundArgument,
    FoundEntity,
    FoundEvent,
    FoundRelation,
    Relation,
    Types,
)
from pax_assets.nlp.labels import bio
from pax_assets.nlp.metrics import evaluate, head_f1, judged_f1

TEXT = "Anna pays Ben on Friday for Acme"
ALL = ("entities", "events", "relations")
ENTITIES = (
    Entity("a", 0, 4, "person"),
    Entity("b", 10, 13, "person"),
    Entity("c", 28, 32, "org"),
)
PAYER = Argument("a", "payer")
GOLD = Document(
    "d",
    TEXT,
    ALL,
    ENTITIES,
    (Event("v", "payment", 5, 9, (PAYER, Argument("b", "payee"))),),
    (Relation("a", "c", "works_for"),),
)


def found(
    entities=((0, 4, "person"), (10, 13, "person"), (28, 32, "org")),
    trigger=(5, 9, "payment"),
    arguments=(("e1", "payer"), ("e2", "payee")),
    relations=(("e1", "e3", "works_for"),),
) -> Analysis:
    return Analysis(
        tuple(
            FoundEntity(f"e{i}", kind, TEXT[start:end], start, end, 0.9)
            for i, (start, end, kind) in enumerate(entities, start=1)
        ),
        (
            FoundEvent(
                "v1",
                trigger[2],
                TEXT[trigger[0] : trigger[1]],
                trigger[0],
                trigger[1],
                0.9,
                tuple(FoundArgument(entity, role, 0.9) for entity, role in arguments),
            ),
        )
        if trigger
        else (),
        tuple(FoundRelation(*relation, 0.9) for relation in relations),
    )


WRONG_TYPE = ((0, 4, "org"), (10, 13, "person"), (28, 32, "org"))
WRONG_END = ((0, 3, "person"), (10, 13, "person"), (28, 32, "org"))


@pytest.mark.parametrize(
    ("analysis", "expected"),
    [
        (found(), {}),
        (
            found(entities=WRONG_TYPE),
            # boundaries still match, so the relation counts in the lenient score; the argument
            # is identified by its offsets
            {"entity": 2 / 3, "relation": 0.0},
        ),
        (
            found(entities=WRONG_END),
            {"entity": 2 / 3, "relation": 0.0, "relation_boundaries": 0.0, "argument": 0.5},
        ),
        (
            found(trigger=(5, 9, "meeting")),
            {"event": 0.0, "argument": 0.0},
        ),
        (
            found(trigger=(5, 8, "payment")),
            {"event": 0.0, "event_identification": 0.0},
        ),
        (found(arguments=(("e1", "payee"), ("e2", "payee"))), {"argument": 0.5}),
        (
            found(relations=(("e3", "e1", "works_for"),)),
            {"relation": 0.0, "relation_boundaries": 0.0},
        ),
        (
            found(relations=(("e1", "e3", "works_for"), ("e1", "e2", "works_for"))),
            {"relation": 2 / 3, "relation_boundaries": 2 / 3},
        ),
        (
            Analysis(),
            dict.fromkeys(
                (
                    "entity",
                    "event",
                    "event_identification",
                    "argument",
                    "relation",
                    "relation_boundaries",
                ),
                0.0,
            ),
        ),
    ],
)
def test_each_fault_costs_what_the_strict_count_says(analysis, expected):
    result = evaluate([GOLD], [analysis])
    names = (
        "entity",
        "event",
        "event_identification",
        "argument",
        "relation",
        "relation_boundaries",
    )
    assert {name: result[name]["f1"] for name in names} == pytest.approx(
        {**dict.fromkeys(names, 1.0), **expected}
    )


def test_no_gold_and_no_prediction_scores_zero_with_no_support():
    result = evaluate([Document("d", "x", ALL)], [Analysis()])
    assert result["entity"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    assert head_f1(result) == {"entity": 0.0, "event": 0.0, "argument": 0.0, "relation": 0.0}


def test_a_layer_that_was_not_annotated_is_not_judged():
    only_entities = Document("d", TEXT, ("entities",), ENTITIES)
    result = evaluate([only_entities], [found()])
    assert result["entity"]["f1"] == 1.0
    assert result["event"]["support"] == 0
    assert result["types"]["relation"] == {}


def test_mere_ends_of_relations_are_judged_by_boundaries_and_other_pairs_not_at_all():
    ends = (Entity("a", 0, 4, "nominal"), Entity("c", 28, 32, "nominal"))
    gold = Document("d", TEXT, ("relations",), ends, (), (Relation("a", "c", "works_for"),))
    more = found(relations=(("e1", "e3", "works_for"), ("e1", "e2", "knows")))
    result = evaluate([gold.validate()], [more])
    assert result["relation_boundaries"]["f1"] == 1.0
    assert result["relation"]["support"] == result["entity"]["support"] == 0
    other = found(relations=(("e3", "e1", "works_for"),))
    assert evaluate([gold], [other])["relation_boundaries"]["f1"] == 0.0


def test_types_are_scored_one_by_one():
    types = evaluate([GOLD], [found(entities=WRONG_TYPE)])["types"]["entity"]
    assert types["org"]["precision"] == 0.5
    assert types["org"]["recall"] == 1.0
    assert types["person"]["recall"] == 0.5


def test_the_confusion_matrix_tells_wrong_types_from_missed_and_invented_spans():
    analysis = found(entities=((0, 4, "org"), (10, 12, "person"), (28, 32, "org")), relations=())
    confusion = evaluate([GOLD], [analysis])["confusion"]["entity"]
    assert confusion["labels"] == ["org", "person", "none"]
    assert confusion["matrix"] == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]


def test_triggers_and_relations_are_confused_alike():
    analysis = found(trigger=(5, 9, "visit"), relations=(("e1", "e2", "knows"),))
    confusion = evaluate([GOLD], [analysis])["confusion"]
    assert confusion["event"]["labels"] == ["payment", "visit", "none"]
    assert confusion["event"]["matrix"] == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    # found between other ends: one was missed, one invented
    assert confusion["relation"]["labels"] == ["knows", "works_for", "none"]
    assert confusion["relation"]["matrix"] == [[0, 0, 0], [0, 0, 1], [1, 0, 0]]


def test_what_was_not_annotated_is_not_confused():
    gold = Document("d", TEXT, ("events",), (), (), ())
    confusion = evaluate([gold], [found()])["confusion"]
    assert confusion["entity"] == confusion["relation"] == {"labels": ["none"], "matrix": [[0]]}


def test_lists_of_different_length_are_refused():
    with pytest.raises(ValueError, match="1 gold documents, 0 analyses"):
        evaluate([GOLD], [])


LABELS = bio(["a", "b"])


def valid(path: list[int]) -> np.ndarray:
    """Repair an arbitrary path: an I after anything else of its type becomes a B."""
    result = list(path)
    for i, label in enumerate(result):
        before = result[i - 1] if i else 0
        if label and label % 2 == 0 and before not in (label, label - 1):
            result[i] = label - 1
    return np.array(result, dtype=int)


PATH = st.lists(st.integers(0, 4), min_size=1, max_size=12).map(valid)


def spans_of(path) -> list[tuple[int, int, str]]:
    """First word, last word and type of each span in a valid BIO path."""
    spans: list[tuple[int, int, str]] = []
    for word, label in enumerate(LABELS[i] for i in path):
        if label.startswith("B-"):
            spans.append((word, word, label[2:]))
        elif label.startswith("I-"):
            first, _, kind = spans.pop()
            spans.append((first, word, kind))
    return spans


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(PATH, PATH), min_size=1, max_size=5))
def test_strict_entity_f1_equals_seqevals(pairs):
    gold, predicted, gold_labels, predicted_labels = [], [], [], []
    for one, other in pairs:
        length = min(len(one), len(other))
        text = "x" * length
        wanted, guessed = one[:length], other[:length]
        gold.append(
            Document(
                "d",
                text,
                ALL,
                tuple(
                    Entity(f"e{i}", first, last + 1, kind)
                    for i, (first, last, kind) in enumerate(spans_of(wanted))
                ),
            )
        )
        predicted.append(
            Analysis(
                tuple(
                    FoundEntity(f"e{i}", kind, text[first : last + 1], first, last + 1, 1.0)
                    for i, (first, last, kind) in enumerate(spans_of(guessed))
                )
            )
        )
        gold_labels.append([LABELS[i] for i in wanted])
        predicted_labels.append([LABELS[i] for i in guessed])
    theirs = f1_score(gold_labels, predicted_labels, mode="strict", scheme=IOB2, zero_division=0)
    assert evaluate(gold, predicted)["entity"]["f1"] == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("silent", "gold"),
    [
        (Types(entities=("org",)), {"entities": ENTITIES[:2], "relations": ()}),
        (Types(events=("payment",)), {"events": ()}),
        (Types(relations=("works_for",)), {"relations": ()}),
        (Types(roles=("payee",)), {"events": (replace(GOLD.events[0], arguments=(PAYER,)),)}),
    ],
)
def test_what_a_document_says_nothing_of_is_neither_right_nor_wrong(silent, gold):
    document = replace(GOLD, **gold, unannotated=silent).validate()
    result = evaluate([document], [found()])
    assert set(judged_f1(result).values()) == {1.0}
    assert breakdown([document], [found()])["errors"] == []
    kept = {name for types in result["types"].values() for name in types}
    assert not kept & {name for names in silent.to_dict().values() for name in names}
    strict = evaluate([replace(document, unannotated=Types())], [found()])
    assert strict["types"] != result["types"]


def test_a_found_span_of_an_open_type_is_wrong_where_another_one_is_marked():
    document = replace(GOLD, entities=ENTITIES[:2], relations=(), unannotated=Types(("org", "day")))
    over_anna = found(entities=((0, 9, "day"), (10, 13, "person"), (28, 32, "org")), relations=())
    result = evaluate([document], [over_anna])["entity"]
    assert (result["precision"], result["recall"]) == (0.5, 0.5)


def test_arguments_of_a_document_without_entities_are_judged_at_its_ends_alone():
    document = replace(
        GOLD,
        layers=("events",),
        entities=ENTITIES[:1],
        events=(replace(GOLD.events[0], arguments=(PAYER,)),),
        relations=(),
    ).validate()
    assert evaluate([document], [found()])["argument"]["f1"] == 1.0
