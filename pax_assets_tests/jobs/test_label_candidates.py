"""Under test: which messages are proposed for labelling."""

from __future__ import annotations

from collections.abc import Sequence

from pax_assets.corpora.annotations import to_table
from pax_assets.jobs.label_candidates import label_candidates
from pax_assets.lake import commit
from pax_assets.nlp.documents import Analysis, Document, FoundEntity
from pax_assets_tests.jobs.message_rows import DAY_1, DAY_2, put_messages


class Unsure:
    """A model that is the less sure the longer a text is."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def analyze(self, texts: Sequence[str]) -> list[Analysis]:
        self.asked += texts
        return [
            Analysis((FoundEntity("e1", "person", t[:1], 0, 1, 1 / len(t)),), (), ()) for t in texts
        ]


def test_the_most_uncertain_of_the_newest_come_first(lake):
    put_messages(lake, DAY_1, {"old": "the oldest of all these messages"})
    put_messages(lake, DAY_2, {"a": "ab", "b": "abcdef", "c": "abcd"})
    found = label_candidates(lake, Unsure(), 2, looked_at=3)
    assert [(c.doc_id, c.message_id, c.text) for c in found] == [
        ("b", "b", "abcdef"),
        ("c", "c", "abcd"),
    ]
    assert [c.doc_id for c in label_candidates(lake, Unsure(), 9)] == ["old", "b", "c", "a"]


def test_what_has_labels_or_no_text_is_not_proposed(lake):
    put_messages(lake, DAY_1, {"known": "labelled", "blank": " \n", "new": "new"})
    labelled = Document("d", "labelled", ("entities",), message_id="known")
    own_text = Document("e", "of no message", ("entities",))
    commit.overwrite(lake, "annotations", to_table([labelled, own_text]))
    model = Unsure()
    assert [c.doc_id for c in label_candidates(lake, model, 9)] == ["new"]
    assert model.asked == ["new"]


def test_an_empty_store_has_nothing_to_propose(lake):
    assert label_candidates(lake, Unsure(), 9) == []
