"""Under test: logits to spans, pairs to relations and arguments, for many texts at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pax_assets.nlp import decoding
from pax_assets.nlp.decoding import Pairs, best_paths, decode, softmax, viterbi
from pax_assets.nlp.documents import Analysis
from pax_assets.nlp.labels import LabelScheme, bio
from pax_assets.nlp.windows import TokenizedTexts

SCHEME = LabelScheme(
    bio(["org", "person"]), bio(["meet"]), ("none", "knows"), ("none", "who"), 8, 2
)
LABELS = SCHEME.entities  # O B-org I-org B-person I-person


def bounds_of(lengths: Sequence[int]) -> np.ndarray:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)


def one_hot(ids: Sequence[int], classes: int) -> np.ndarray:
    return 8.0 * np.eye(classes)[list(ids)].reshape(-1, classes)


def pairs(scored: dict[tuple[int, int], Sequence[float]], classes: int = 2) -> Pairs:
    """Pairs of words with their logits."""
    return Pairs(
        np.array(list(scored), dtype=np.int64).reshape(-1, 2),
        np.array(list(scored.values()), dtype=np.float32).reshape(-1, classes),
    )


def tokenized(texts: Sequence[str]) -> TokenizedTexts:
    """One token a word."""
    starts, ends = [], []
    for text in texts:
        position = 0
        for word in text.split():
            position = text.index(word, position)
            starts.append(position)
            position += len(word)
            ends.append(position)
    lengths = [len(text.split()) for text in texts]
    words = np.concatenate([np.arange(length) for length in (*lengths, 0)])
    return TokenizedTexts.of(
        texts, bounds_of(lengths), np.arange(len(words)), words, np.array(starts), np.array(ends)
    )


def decoded(
    texts: Sequence[str],
    entities: str,
    triggers: str | None = None,
    *,
    related: Pairs | None = None,
    arguments: Pairs | None = None,
    scheme: LabelScheme = SCHEME,
) -> list[Analysis]:
    """Decode texts of which labels, by word through all texts, are nearly certain."""
    entity_ids = [scheme.entity_ids[label] for label in entities.split()]
    trigger_ids = [scheme.trigger_ids[label] for label in (triggers or "").split()]
    return decode(
        texts,
        tokenized(texts),
        scheme,
        (
            one_hot(entity_ids, len(scheme.entities)),
            one_hot(trigger_ids or [0] * len(entity_ids), len(scheme.triggers)),
        ),
        (
            related or pairs({}, len(scheme.relations)),
            arguments or pairs({}, len(scheme.roles)),
        ),
    )


def found_entities(analysis: Analysis) -> list[tuple[str, str]]:
    return [(e.type, e.text) for e in analysis.entities]


@pytest.mark.parametrize(
    ("path", "spans"),
    [
        ("O O", []),
        ("B-org", [("org", "a")]),
        ("B-org I-org O B-person", [("org", "a b"), ("person", "d")]),
        ("B-org B-org I-org", [("org", "a"), ("org", "b c")]),
        ("B-org B-person I-person I-person", [("org", "a"), ("person", "b c d")]),
        ("O O B-org I-org", [("org", "c d")]),
    ],
)
def test_a_valid_path_is_read_as_spans(path: str, spans):
    text = " ".join("abcd"[: len(path.split())])
    [analysis] = decoded([text], path)
    assert found_entities(analysis) == spans


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
    probabilities /= probabilities.sum(-1, keepdims=True)
    path = best_paths(probabilities, bounds_of([len(probabilities)]))
    assert [LABELS[i] for i in path] == expected.split()


def is_valid(path: Sequence[int]) -> bool:
    return all(
        not LABELS[now].startswith("I-") or (before > 0 and LABELS[before][2:] == LABELS[now][2:])
        for before, now in zip((0, *path), path, strict=False)
    )


def best_by_trying(scores: np.ndarray) -> float:
    rows = np.arange(len(scores))
    return max(
        scores[rows, list(candidate)].sum()
        for candidate in itertools.product(range(len(LABELS)), repeat=len(scores))
        if is_valid(candidate)
    )


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=5),
    data=st.data(),
    table=st.sampled_from([1, 6, 1 << 16]),
)
def test_each_path_is_the_best_of_all_valid_ones_of_its_own_text(lengths, data, table):
    shape = (sum(lengths), len(LABELS))
    logits = data.draw(arrays(np.float64, shape, elements=st.floats(-4, 4)))
    probabilities = softmax(logits) if len(logits) else logits
    bounds = bounds_of(lengths)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(decoding, "_TABLE", table)
        path = best_paths(probabilities, bounds)
    for begin, end in itertools.pairwise(bounds.tolist()):
        own, scores = path[begin:end], np.log(probabilities[begin:end])
        assert is_valid(own.tolist())
        assert scores[np.arange(end - begin), own].sum() == pytest.approx(best_by_trying(scores))


@settings(max_examples=30, deadline=None)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 3), st.integers(1, 4), st.just(len(LABELS))),
        elements=st.floats(-4, 4),
    )
)
def test_the_search_over_many_sequences_is_that_over_each(logits):
    probabilities = softmax(logits)
    together = viterbi(probabilities)
    for row, path in zip(probabilities, together, strict=True):
        assert path.tolist() == viterbi(row[None])[0].tolist()
        scores = np.log(row)
        assert scores[np.arange(len(path)), path].sum() == pytest.approx(best_by_trying(scores))


def test_no_span_goes_on_in_the_next_text():
    texts = ["Anna", "", "Maria went", "   ", "Acme"]
    found = decoded(texts, "B-person I-person O I-org")
    # What begins with an I begins nothing; the search takes the best label that may stand there.
    assert [e.text for e in found[0].entities] == ["Anna"]
    assert all(
        texts[number][e.start : e.end] == e.text
        for number, analysis in enumerate(found)
        for e in analysis.entities
    )
    assert [len(analysis.entities) for analysis in found[1::2]] == [0, 0]


def test_entities_events_and_relations_come_out_with_ids_in_text_order():
    text = " Anna met  Ben of Acme Inc"
    [found] = decoded(
        [text],
        "B-person O B-person O B-org I-org",
        "O B-meet O O O O",
        related=pairs({(0, 2): (1, 5), (2, 0): (1, 0)}),
        arguments=pairs({(1, 0): (1, 5), (1, 2): (1, 0)}),
    )
    assert [(e.id, e.type, e.text, e.start, e.end) for e in found.entities] == [
        ("e1", "person", "Anna", 1, 5),
        ("e2", "person", "Ben", 11, 14),
        ("e3", "org", "Acme Inc", 18, 26),
    ]
    assert [(v.id, v.type, v.text) for v in found.events] == [("v1", "meet", "met")]
    assert [(a.entity, a.role) for a in found.events[0].arguments] == [("e1", "who")]
    assert [(r.head, r.tail, r.type) for r in found.relations] == [("e1", "e2", "knows")]
    assert all(0 < e.score <= 1 for e in found.entities)


def test_every_text_has_its_own_ids_and_its_own_links():
    texts = ["Anna met Ben", "", "so", "Ben met Anna"]
    entities = "B-person O B-person O B-person O B-person"
    found = decoded(
        texts,
        entities,
        "O B-meet O O O B-meet O",
        related=pairs({(6, 4): (0, 5), (0, 2): (0, 5)}),
        arguments=pairs({(5, 6): (0, 5), (1, 0): (0, 5)}),
    )
    assert [[(r.head, r.tail) for r in one.relations] for one in found] == [
        [("e1", "e2")],
        [],
        [],
        [("e2", "e1")],
    ]
    assert [[a.entity for v in one.events for a in v.arguments] for one in found] == [
        ["e1"],
        [],
        [],
        ["e2"],
    ]
    assert [[v.id for v in one.events] for one in found] == [["v1"], [], [], ["v1"]]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    seed=st.integers(0, 2**16),
)
def test_an_answer_is_the_same_alone_and_among_other_texts(lengths, seed):
    random = np.random.default_rng(seed)
    texts = [" ".join(random.choice(["ab", "c", "def"], size=n)) for n in lengths]
    bounds = bounds_of(lengths)
    logits = [random.normal(size=(bounds[-1], classes)).astype(np.float32) for classes in (5, 3)]
    scored = [
        {
            (first, second): random.normal(size=2)
            for begin, end in itertools.pairwise(bounds.tolist())
            for first, second in itertools.product(range(begin, end), repeat=2)
        }
        for _ in range(2)
    ]
    together = decode(
        texts,
        tokenized(texts),
        SCHEME,
        (logits[0], logits[1]),
        (pairs(scored[0]), pairs(scored[1])),
    )
    for text, (begin, end), analysis in zip(
        texts, itertools.pairwise(bounds.tolist()), together, strict=True
    ):
        own = [
            {(i - begin, j - begin): x for (i, j), x in one.items() if begin <= i < end}
            for one in scored
        ]
        [alone] = decode(
            [text],
            tokenized([text]),
            SCHEME,
            (logits[0][begin:end], logits[1][begin:end]),
            (pairs(own[0]), pairs(own[1])),
        )
        assert alone == analysis


def test_no_texts_have_no_analyses():
    nothing = np.zeros((0, 5)), np.zeros((0, 3))
    assert decode([], tokenized([]), SCHEME, nothing, (pairs({}), pairs({}))) == []


def test_a_relation_whose_end_is_no_entity_is_left_out():
    [found] = decoded(["Anna met Ben"], "B-person O O", related=pairs({(0, 2): (0, 5)}))
    assert found.relations == ()


def test_a_relation_with_a_word_inside_an_entity_is_left_out():
    related = pairs({(0, 3): (0, 5), (0, 2): (0, 3)})
    [found] = decoded(["Anna of Acme Inc"], "B-person O B-org I-org", related=related)
    assert [(r.head, r.tail, r.score) for r in found.relations] == [
        ("e1", "e2", pytest.approx(softmax(np.array([0.0, 3.0]))[1], abs=1e-6))
    ]


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
    [analysis] = decoded(
        ["Anna met Ben"],
        "B-person O B-person",
        related=pairs({(0, 2): (1.0, 5.0, 3.0)}, classes=3),
        scheme=scheme,
    )
    assert [r.type for r in analysis.relations] == found


def test_a_role_that_the_event_does_not_have_is_not_found():
    for ends, roles in (({"who": (("meet", "person"),)}, ["who"]), ({"who": ()}, [])):
        [analysis] = decoded(
            ["Anna met Ben"],
            "B-person O B-person",
            "O B-meet O",
            arguments=pairs({(1, 0): (1, 5)}),
            scheme=replace(SCHEME, role_ends=ends),
        )
        [event] = analysis.events
        assert [a.role for a in event.arguments] == roles


def test_an_entity_is_not_related_to_itself():
    [found] = decoded(["Anna"], "B-person", related=pairs({(0, 0): (0, 5)}))
    assert found.relations == ()


def test_a_pair_that_two_windows_saw_counts_once_with_the_surer_score():
    for strengths in ((3.0, 5.0), (5.0, 3.0)):
        seen = Pairs(np.array([[0, 2], [0, 2]]), np.array([[1.0, by] for by in strengths]))
        [found] = decoded(
            ["Anna met Ben"], "B-person O B-person", "O B-meet O", related=seen, arguments=None
        )
        [relation] = found.relations
        assert relation.score == pytest.approx(softmax(np.array([1.0, 5.0]))[1], abs=1e-6)


def test_a_pair_that_only_one_of_two_windows_believes_in_is_found():
    seen = Pairs(np.array([[0, 2], [0, 2]]), np.array([[9.0, 0.0], [0.0, 3.0]]))
    [found] = decoded(["Anna met Ben"], "B-person O B-person", related=seen)
    assert [(r.head, r.tail) for r in found.relations] == [("e1", "e2")]


def test_the_score_of_a_span_is_the_mean_of_its_words():
    logits = np.array([[0, 0, 0, 3, 0], [0, 0, 0, 0, 2.0], [9, 0, 0, 0, 0]])
    text = "Anna Maria left"
    none = pairs({})
    [found] = decode([text], tokenized([text]), SCHEME, (logits, np.zeros((3, 3))), (none, none))
    [entity] = found.entities
    of_words = softmax(logits)[[0, 1], [3, 4]]
    assert entity.score == pytest.approx(of_words.mean(), abs=1e-6)


def test_a_span_of_whitespace_alone_is_no_entity():
    # Some tokenizers make a token of blanks.
    text = "\u00a0 "
    tokens = TokenizedTexts.of(
        [text], bounds_of([1]), np.arange(1), np.arange(1), np.array([0]), np.array([2])
    )
    logits = one_hot([SCHEME.entity_ids["B-org"]], 5), np.zeros((1, 3))
    [found] = decode([text], tokens, SCHEME, logits, (pairs({}), pairs({})))
    assert found.entities == ()
