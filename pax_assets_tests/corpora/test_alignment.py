"""Under test: character spans to word labels, and that every loss is counted."""

from __future__ import annotations

import numpy as np
import pytest

from pax_assets.corpora.alignment import IGNORED, align
from pax_assets.nlp.documents import Argument, Document, Entity, Event, Relation
from pax_assets.nlp.labels import LabelScheme
from pax_assets.nlp.windows import Tokens

SCHEME = LabelScheme(
    ("O", "B-p", "I-p"), ("O", "B-t", "I-t"), ("none", "r", "s"), ("none", "x"), 16, 4
)
#        0    5   9   13 15
TEXT = "Anna Lou met Al ."
# "Anna" is cut into two pieces: An ##na
TOKENS = Tokens.of(
    TEXT,
    np.arange(6),
    np.array([0, 0, 1, 2, 3, 4]),
    np.array([0, 2, 5, 9, 13, 16]),
    np.array([2, 4, 8, 12, 15, 17]),
)
X = IGNORED


def document(*spans: tuple[int, int], layers=("entities", "events", "relations"), **more):
    entities = tuple(Entity(f"e{i}", *span, "p") for i, span in enumerate(spans))
    return Document("d", TEXT, layers, entities, **more)


@pytest.mark.parametrize(
    ("spans", "labels", "losses"),
    [
        ([], [0, X, 0, 0, 0, 0], {}),
        ([(0, 8), (13, 15)], [1, X, 2, 0, 1, 0], {}),
        ([(0, 4), (5, 8)], [1, X, 1, 0, 0, 0], {}),
        ([(1, 3)], [1, X, 0, 0, 0, 0], {"misaligned": 1}),
        ([(6, 14)], [0, X, 1, 2, 2, 0], {"misaligned": 1}),
        ([(0, 9)], [1, X, 2, 0, 0, 0], {}),  # the space behind is no part of a word
        ([(4, 5)], [0, X, 0, 0, 0, 0], {"empty": 1}),
        ([(5, 8), (0, 8)], [1, X, 2, 0, 0, 0], {"overlapping": 1}),
    ],
)
def test_spans_become_word_labels(spans, labels, losses):
    aligned = align(document(*spans), TOKENS, SCHEME)
    assert aligned.entity_labels.tolist() == labels
    assert dict(aligned.losses) == losses


def test_a_layer_that_was_not_annotated_gives_no_labels():
    aligned = align(document((0, 4), layers=("entities",)), TOKENS, SCHEME)
    assert aligned.entity_labels[0] == 1
    assert (aligned.trigger_labels == IGNORED).all()


def test_pairs_point_to_the_first_pieces_of_their_ends():
    aligned = align(
        document(
            (5, 8),
            (13, 15),
            events=(Event("v", "t", 9, 12, (Argument("e0", "x"), Argument("e1", "x"))),),
            relations=(Relation("e1", "e0", "s"),),
        ),
        TOKENS,
        SCHEME,
    )
    assert aligned.relations == [(4, 2, 2)]
    assert aligned.arguments == [(3, 2, 1), (3, 4, 1)]


def test_a_pair_whose_end_was_lost_and_a_second_type_of_a_pair_are_counted():
    aligned = align(
        document(
            (0, 8),
            (5, 8),
            (13, 15),
            relations=(
                Relation("e0", "e1", "r"),
                Relation("e0", "e2", "r"),
                Relation("e0", "e2", "s"),
            ),
        ),
        TOKENS,
        SCHEME,
    )
    assert aligned.relations == [(0, 4, 1)]
    assert dict(aligned.losses) == {"overlapping": 1, "unlinked": 1, "repeated": 1}
