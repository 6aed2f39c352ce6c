"""Under test: logits to spans, and the merging of windows."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pax_assets.nlp.decoding import TextDecoder, WindowScores, best_path, softmax, spans_of_path
from pax_assets.nlp.labels import LabelScheme, bio
from pax_assets.nlp.windows import Tokens, split_windows

SCHEME = LabelScheme(
    bio(["org", "person"]), bio(["meet"]), ("none", "knows"), ("none", "who"), 8, 2
)
LABELS = SCHEME.entities  # O B-org I-org B-person I-person
EMPTY = np.full(2, -1)


@pytest.mark.parametrize(
    ("path", "spans"),
    [
        ("O O", []),
        ("B-org", [(0, 0, "org")]),
        ("B-org I-org O B-person", [(0, 1, "org"), (3, 3, "person")]),
        ("B-org B-org I-org", [(0, 0, "org"), (1, 2, "org")]),
        ("B-org B-person I-person I-person", [(0, 0, "org"), (1, 3, "person")]),
    ],
)
def test_a_valid_path_is_read_as_spans(path, spans):
    ids = np.array([SCHEME.entity_ids[label] for label in path.split()])
    assert spans_of_path(ids, LABELS) == spans


@pytest.mark.parametrize(
    ("greedy", "second", "expected"),
    [
        # an I that follows nothing of its type is not believed
        ("I-org", "B-org", "B-org"),
        ("B-person I-org", "O I-person", "B-person I-person"),
        ("B-org I-org O", "O O O", "B-org I-org O"),
    ],
)
def test_an_impossible_sequence_is_replaced_by_the_best_possible_one(greedy, second, expected):
    probabilities = np.full((len(greedy.split()), len(LABELS)), 0.01)
    for word, (best, next_best) in enumerate(zip(greedy.split(), second.split(), strict=True)):
        probabilities[word, SCHEME.entity_ids[next_best]] = 0.45
        probabilities[word, SCHEME.entity_ids[best]] = 0.5
    path = best_path(probabilities / probabilities.sum(-1, keepdims=True))
    assert [LABELS[i] for i in path] == expected.split()


def is_valid(path: tuple[int, ...]) -> bool:
    return all(
        not LABELS[now].startswith("I-") or (before > 0 and LABELS[before][2:] == LABELS[now][2:])
        for before, now in zip((0, *path), path, strict=False)
    )


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.just(5)), elements=st.floats(-4, 4)))
def test_the_path_is_the_best_of_all_valid_ones(logits):
    probabilities = softmax(logits)
    path = best_path(probabilities)
    assert is_valid(tuple(path))
    scores = np.log(probabilities)
    rows = np.arange(len(logits))
    best = max(
        scores[rows, list(candidate)].sum()
        for candidate in itertools.product(range(5), repeat=len(logits))
        if is_valid(candidate)
    )
    assert scores[rows, path].sum() == pytest.approx(best)


def word_tokens(text: str) -> Tokens:
    """One token a word; offsets of the words."""
    starts, ends, position = [], [], 0
    for word in text.split():
        position = text.index(word, position)
        starts.append(position)
        position += len(word)
        ends.append(position)
    count = len(starts)
    return Tokens.of(text, np.arange(count), np.arange(count), np.array(starts), np.array(ends))


def one_hot(ids: list[int], classes: int) -> np.ndarray:
    return 8.0 * np.eye(classes)[ids]


def scores(
    entities: list[str],
    triggers: list[str] | None = None,
    *,
    at: tuple[int, int] = (-1, -1),
    related: float = 0.0,
    argument: float = 0.0,
) -> WindowScores:
    """Scores of a window without special tokens; `at` are the two entity candidates."""
    relation = np.zeros((2, 2, 2))
    relation[0, 1, 1] = related
    relation[..., 0] = 1.0
    role = np.zeros((2, 2, 2))
    role[..., 0] = 1.0
    role[0, 0, 1] = argument
    trigger_ids = [SCHEME.trigger_ids[label] for label in triggers or ["O"] * len(entities)]
    first_trigger = next((i for i, label in enumerate(trigger_ids) if label), -1)
    return WindowScores(
        one_hot([SCHEME.entity_ids[label] for label in entities], 5),
        one_hot(trigger_ids, 3),
        np.array(at),
        np.array([first_trigger, -1]),
        relation,
        role,
    )


def test_entities_events_and_relations_come_out_with_ids_in_text_order():
    text = " Anna met  Ben of Acme Inc"
    decoder = TextDecoder(word_tokens(text), SCHEME, prefix=0)
    decoder.add(
        split_windows(6, 8, 2)[0],
        scores(
            ["B-person", "O", "B-person", "O", "B-org", "I-org"],
            ["O", "B-meet", "O", "O", "O", "O"],
            at=(0, 2),
            related=5.0,
            argument=5.0,
        ),
    )
    found = decoder.analysis(text)
    assert [(e.id, e.type, e.text, e.start, e.end) for e in found.entities] == [
        ("e1", "person", "Anna", 1, 5),
        ("e2", "person", "Ben", 11, 14),
        ("e3", "org", "Acme Inc", 18, 26),
    ]
    assert [(v.id, v.type, v.text) for v in found.events] == [("v1", "meet", "met")]
    assert [(a.entity, a.role) for a in found.events[0].arguments] == [("e1", "who")]
    assert [(r.head, r.tail, r.type) for r in found.relations] == [("e1", "e2", "knows")]
    assert all(0 < e.score <= 1 for e in found.entities)


def test_a_relation_whose_end_is_no_entity_is_left_out():
    text = "Anna met Ben"
    decoder = TextDecoder(word_tokens(text), SCHEME, prefix=0)
    decoder.add(split_windows(3, 8, 2)[0], scores(["B-person", "O", "O"], at=(0, 2), related=5.0))
    assert decoder.analysis(text).relations == ()


@pytest.mark.parametrize(
    ("ends", "found"),
    [
        ({}, ["knows"]),
        ({"knows": (("person", "person"),)}, ["knows"]),
        ({"knows": (("person", "org"),), "likes": ()}, []),
        ({"knows": (("person", "org"),), "likes": (("person", "person"),)}, ["likes"]),
    ],
)
def test_of_relations_that_the_types_of_the_ends_allow_the_best_is_found(ends, found):
    scheme = replace(SCHEME, relations=("none", "knows", "likes"), relation_ends=ends)
    relation = np.zeros((2, 2, 3))
    relation[..., 0] = 1.0
    relation[0, 1] = 1.0, 5.0, 3.0
    window = replace(scores(["B-person", "O", "B-person"], at=(0, 2)), relation_logits=relation)
    decoder = TextDecoder(word_tokens("Anna met Ben"), scheme, prefix=0)
    decoder.add(split_windows(3, 8, 2)[0], window)
    assert [r.type for r in decoder.analysis("Anna met Ben").relations] == found


def test_a_role_that_the_event_does_not_have_is_not_found():
    text = "Anna met Ben"
    labels = ["B-person", "O", "B-person"], ["O", "B-meet", "O"]
    window = scores(*labels, at=(0, 2), argument=5.0)
    for ends, roles in (({"who": (("meet", "person"),)}, ["who"]), ({"who": ()}, [])):
        decoder = TextDecoder(word_tokens(text), replace(SCHEME, role_ends=ends), prefix=0)
        decoder.add(split_windows(3, 8, 2)[0], window)
        [event] = decoder.analysis(text).events
        assert [a.role for a in event.arguments] == roles


def test_an_entity_is_not_related_to_itself():
    text = "Anna"
    decoder = TextDecoder(word_tokens(text), SCHEME, prefix=0)
    decoder.add(split_windows(1, 8, 2)[0], scores(["B-person"], at=(0, 0), related=5.0))
    assert decoder.analysis(text).relations == ()


def test_special_tokens_before_a_window_shift_nothing():
    text = "Anna knows Ben"
    plain = scores(["B-person", "O", "B-person"], at=(0, 2), related=5.0)
    shifted = WindowScores(
        np.concatenate((one_hot([1], 5), plain.entity_logits, one_hot([1], 5))),
        np.concatenate((one_hot([1], 3), plain.trigger_logits, one_hot([1], 3))),
        plain.entity_index + 1,
        EMPTY,
        plain.relation_logits,
        plain.argument_logits,
    )
    analyses = []
    for prefix, window in ((0, plain), (1, shifted)):
        decoder = TextDecoder(word_tokens(text), SCHEME, prefix)
        decoder.add(split_windows(3, 6, 2)[0], window)
        analyses.append(decoder.analysis(text))
    assert analyses[0] == analyses[1]


def test_an_entity_over_a_cut_is_one_entity_and_the_owner_is_believed():
    words = [*"abcde", "Anna", "Maria", *"hijkl"]
    text = " ".join(words)
    windows = split_windows(len(words), 8, 4)  # [0, 8) owns 0..5, [4, 12) owns 6..11
    truth = ["O"] * 5 + ["B-person", "I-person"] + ["O"] * 5
    decoder = TextDecoder(word_tokens(text), SCHEME, prefix=0)
    for window in windows:
        labels = truth[window.start : window.end]
        # what a window says of tokens that it does not own must not count
        for position in range(window.start, window.end):
            if not window.own_start <= position < window.own_end:
                labels[position - window.start] = "B-org"
        decoder.add(window, scores(labels))
    found = decoder.analysis(text)
    assert [(e.type, e.text) for e in found.entities] == [("person", "Anna Maria")]


def test_a_relation_seen_in_two_windows_counts_once_with_the_better_score():
    words = [*"abcd", "Anna", "Ben", *"ghijkl"]
    text = " ".join(words)
    decoder = TextDecoder(word_tokens(text), SCHEME, prefix=0)
    for window, strength in zip(split_windows(len(words), 8, 4), (3.0, 5.0), strict=True):
        labels = ["O"] * len(words)
        labels[4] = labels[5] = "B-person"
        at = (4 - window.start, 5 - window.start)
        decoder.add(window, scores(labels[window.start : window.end], at=at, related=strength))
    relations = decoder.analysis(text).relations
    assert [(r.head, r.tail) for r in relations] == [("e1", "e2")]
    assert relations[0].score == pytest.approx(softmax(np.array([1.0, 5.0]))[1], abs=1e-6)


def test_a_span_of_whitespace_alone_is_no_entity():
    tokens = Tokens.of("  ", np.arange(1), np.arange(1), np.array([0]), np.array([2]))
    decoder = TextDecoder(tokens, SCHEME, prefix=0)
    decoder.add(split_windows(1, 8, 2)[0], scores(["B-org"]))
    assert decoder.analysis("\u00a0 ").entities == ()
