"""Under test: the division into train, dev and test by conversation."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from pax_assets.corpora.splits import SplitError, assign_splits, group_of
from pax_assets_tests.toy_model import toy_corpus


def test_documents_of_one_group_stay_together():
    splits: dict[str, set] = {}
    for document in assign_splits(toy_corpus(400)):
        splits.setdefault(group_of(document), set()).add(document.split)
    assert all(len(found) == 1 for found in splits.values())


def test_about_eight_in_ten_train():
    counts = Counter(document.split for document in assign_splits(toy_corpus(2000)))
    assert 0.75 < counts["train"] / 2000 < 0.85
    assert 0.06 < counts["dev"] / 2000 < 0.14
    assert 0.06 < counts["test"] / 2000 < 0.14


def test_the_division_depends_on_nothing_but_group_and_seed():
    corpus = toy_corpus(100)
    assert assign_splits(corpus[::-1])[::-1] == assign_splits(corpus)
    assert assign_splits(corpus, seed=1) != assign_splits(corpus, seed=2)


def test_a_split_that_is_given_is_kept_and_its_group_follows():
    one, other, *_ = toy_corpus(2)
    assert one.group == other.group
    assigned = assign_splits([replace(one, split="test"), other])
    assert [document.split for document in assigned] == ["test", "test"]


def test_a_group_in_two_splits_is_an_error_that_names_it():
    one, other, *_ = toy_corpus(2)
    with pytest.raises(SplitError, match=r"group talk-0 .*toy-0 in train.*toy-1 in test"):
        assign_splits([replace(one, split="train"), replace(other, split="test")])


def test_a_document_without_group_stands_alone():
    document = replace(toy_corpus(1)[0], group=None)
    assert group_of(document) == "toy-0"
    assert assign_splits([document])[0].split in {"train", "dev", "test"}
