"""The sample's gold labels: well formed, split without leaks, and not solvable without a model.

The last tests print two baselines. A list of the training names must fail on held-out text, and
relations whose heads are drawn by chance must score what chance scores; else the sample could be
learned by heart and a good score on it would not even show that the line works.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from itertools import pairwise
from random import Random

import pytest

from pax_assets.nlp.documents import LAYERS, Document
from pax_assets.nlp.metrics import Tally
from pax_assets.sample import gold
from pax_assets.sample.conversations import SIZES, conversations
from pax_assets.sample.grammar import EVENTS, RELATIONS, templates

SEED = 13
NAMED = ("person", "organization", "product", "location")
SIGNATURES = {
    "works_for": {("person", "organization")},
    "located_in": {("organization", "location")},
    "reports_to": {("person", "person")},
    "supplies": {("organization", "product"), ("organization", "organization")},
    "knows": {("person", "person")},
}
ROLES = {
    "meeting": {"participant": {"person", "organization"}, "time": {"time"}, "place": {"location"}},
    "payment": {
        "payer": {"person", "organization"},
        "payee": {"person", "organization"},
        "amount": {"money"},
        "time": {"time"},
    },
    "delivery": {
        "item": {"product"},
        "recipient": {"person", "organization"},
        "place": {"location"},
        "time": {"time"},
    },
    "request": {
        "requester": {"person", "organization"},
        "recipient": {"person", "organization"},
        "item": {"product"},
        "time": {"time"},
    },
}


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return gold(SEED)


def _part(documents, *splits):
    return [d for d in documents if d.split in splits]


def _surface(document, span):
    return document.text[span.start : span.end].casefold()


def test_gold_is_the_same_for_a_seed_and_differs_between_seeds(documents):
    conversations.cache_clear()
    assert [d.to_json() for d in gold(SEED)] == [d.to_json() for d in documents]
    assert [d.text for d in gold(SEED + 1)] != [d.text for d in documents]


def test_documents_are_valid_have_unique_ids_and_survive_json(documents):
    assert len({d.doc_id for d in documents}) == len(documents)
    for document in documents:
        assert Document.from_dict(document.to_dict()) == document


def test_the_splits_have_their_sizes_and_no_conversation_lies_in_two(documents):
    assert Counter(d.split for d in documents) == SIZES
    splits = defaultdict(set)
    for document in documents:
        splits[document.group].add(document.split)
    assert all(len(found) == 1 for found in splits.values())


def test_only_train_lacks_layers_and_every_kind_of_lack_occurs(documents):
    assert {d.layers for d in _part(documents, "dev", "test")} == {LAYERS}
    found = Counter(d.layers for d in _part(documents, "train"))
    assert found[("entities",)] > 80
    assert found[("entities", "events")] > 60
    assert found[("entities", "relations")] > 20
    assert found[LAYERS] > 800


def _words(text: str) -> list[tuple[int, int]]:
    """Words as BERT's basic tokenizer cuts them: at white space and around punctuation."""

    def is_mark(char: str) -> bool:
        return unicodedata.category(char).startswith("P") or char in "$+<=>^`|~"

    out = []
    for match in re.finditer(r"\S+", text):
        start = match.start()
        for at in range(match.start(), match.end()):
            if is_mark(text[at]):
                if start < at:
                    out.append((start, at))
                out.append((at, at + 1))
                start = at + 1
        if start < match.end():
            out.append((start, match.end()))
    return out


def test_spans_begin_and_end_at_words_and_do_not_overlap(documents):
    for document in documents:
        words = _words(document.text)
        starts, ends = {a for a, _ in words}, {b for _, b in words}
        spans = sorted((s.start, s.end) for s in (*document.entities, *document.events))
        for start, end in spans:
            assert start in starts, document.text[start:end]
            assert end in ends, document.text[start:end]
            assert document.text[start:end].strip() == document.text[start:end]
        assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_relations_and_arguments_join_the_types_that_the_guidelines_name(documents):
    seen = Counter()
    for document in documents:
        types = {e.id: e.type for e in document.entities}
        for relation in document.relations:
            seen[relation.type] += 1
            assert (types[relation.head], types[relation.tail]) in SIGNATURES[relation.type]
        for event in document.events:
            seen[event.type] += 1
            for argument in event.arguments:
                assert types[argument.entity] in ROLES[event.type][argument.role]
    assert set(seen) == set(RELATIONS) | set(EVENTS)
    assert min(seen.values()) > 100


def test_no_template_of_one_split_occurs_in_another():
    patterns = {
        split: {t.pattern.casefold() for lines in templates(split).values() for t in lines}
        for split in SIZES
    }
    used = {
        split: {
            template
            for c in conversations(SEED)
            if c.split == split and c.labelled
            for m in c.messages
            for template in m.writing.templates
        }
        for split in SIZES
    }
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert not patterns[one] & patterns[other]
        assert not used[one] & used[other]
    assert len(used["train"]) > 300


def test_no_name_of_one_split_occurs_in_another(documents):
    names = {
        split: {
            _surface(d, e) for d in _part(documents, split) for e in d.entities if e.type in NAMED
        }
        for split in SIZES
    }
    assert not names["train"] & names["dev"]
    assert not names["train"] & names["test"]
    assert not names["dev"] & names["test"]


def test_all_channels_styles_and_lengths_occur(documents):
    assert {c.channel for c in conversations(SEED)} == {"sms", "whatsapp", "email"}
    texts = [d.text for d in documents]
    assert sum(t == t.lower() for t in texts) > 200
    assert any("\n> " in t for t in texts)
    assert any("🙂" in t for t in texts)
    assert max(len(t.split()) for t in texts) < 200


def test_a_lookup_of_training_names_fails_on_held_out_text(documents):
    votes = defaultdict(Counter)
    for document in _part(documents, "train"):
        for entity in document.entities:
            votes[_surface(document, entity)][entity.type] += 1
    known = {surface: kinds.most_common(1)[0][0] for surface, kinds in votes.items()}
    longest = max(len(surface.split()) + surface.count("-") * 2 for surface in known) + 4
    tally = Tally()
    for document in _part(documents, "dev", "test"):
        words, found, at = _words(document.text), [], 0
        while at < len(words):
            for size in range(min(longest, len(words) - at), 0, -1):
                start, end = words[at][0], words[at + size - 1][1]
                kind = known.get(document.text[start:end].casefold())
                if kind:
                    found.append((kind, (start, end)))
                    at += size
                    break
            else:
                at += 1
        tally.add([(e.type, (e.start, e.end)) for e in document.entities], found)
    score = tally.micro()
    print(f"\nlookup baseline on held-out: entity F1 {score['f1']:.3f} (must stay under .40)")
    assert score["f1"] < 0.40


def _relation_f1(documents, predict) -> float:
    tally = Tally()
    for document in documents:
        tally.add(
            [(r.type, (r.head, r.tail)) for r in document.relations],
            predict(document),
        )
    return tally.micro()["f1"]


def _heads(document, relation):
    """Entities that could be the head by their type: all of the true head's type but the tail."""
    types = {e.id: e.type for e in document.entities}
    return [
        name
        for name, kind in types.items()
        if kind == types[relation.head] and name != relation.tail
    ]


def test_relations_with_shuffled_heads_fall_to_chance(documents):
    held_out = _part(documents, "dev", "test")
    rng = Random(SEED)

    def shuffled(document):
        return [(r.type, (rng.choice(_heads(document, r)), r.tail)) for r in document.relations]

    score = sum(_relation_f1(held_out, shuffled) for _ in range(20)) / 20
    shares = [1 / len(_heads(d, r)) for d in held_out for r in d.relations]
    chance = sum(shares) / len(shares)
    print(f"\ngold relations with shuffled heads: F1 {score:.3f}; chance {chance:.3f}")
    assert abs(score - chance) < 0.03
    assert score < 0.45


def test_relations_cannot_be_read_off_entity_types(documents):
    held_out = _part(documents, "dev", "test")

    def all_pairs(document):
        return [
            (name, (head.id, tail.id))
            for name, pairs in SIGNATURES.items()
            for head in document.entities
            for tail in document.entities
            if head.id != tail.id and (head.type, tail.type) in pairs
        ]

    score = _relation_f1(held_out, all_pairs)
    print(f"\nevery pair of fitting types as a relation: F1 {score:.3f}")
    assert score < 0.30
