"""Under test: what is said of a corpus that cannot teach all that it holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pax_assets.corpora.tokenize import tokenize
from pax_assets.nlp.documents import Document, Entity, Relation
from pax_assets_tests.toy_model import toy_corpus

KEPT = [
    replace(document, split=split, group=document.doc_id)
    for document, split in zip(toy_corpus(3), ("train", "dev", "test"), strict=True)
]


def odd(doc_id: str, split: str, *entities: tuple[int, int, str], **fields) -> Document:
    return Document(
        **{
            "doc_id": doc_id,
            "text": "Anna Lee of Acme",
            "layers": ("entities", "relations"),
            "entities": tuple(
                Entity(f"e{i}", start, end, kind) for i, (start, end, kind) in enumerate(entities)
            ),
            "split": split,
            **fields,
        }
    ).validate()


def test_documents_that_lose_labels_are_named(toy_encoder: Path, tmp_path: Path):
    pair = (Relation("e0", "e1", "works_for"), Relation("e0", "e1", "knows"))
    summary = tokenize(
        [
            *KEPT,
            odd("nested", "train", (0, 8, "person"), (0, 4, "person")),
            odd("cut", "train", (0, 6, "person")),
            odd("blank", "train", (4, 5, "person")),
            odd("twice", "train", (0, 8, "person"), (12, 16, "org"), relations=pair),
        ],
        toy_encoder,
        tmp_path,
    )
    assert summary["lost_in"] == {
        "overlapping": ["nested"],
        "misaligned": ["cut"],
        "empty": ["blank"],
        "repeated": ["twice"],
    }
    assert {summary[name] for name in summary["lost_in"]} == {1}
    assert (summary["unlinked"], summary["beyond_windows"]) == (0, 0)


def test_a_label_without_an_example_in_train_is_named_with_its_documents(
    toy_encoder: Path, tmp_path: Path
):
    documents = [
        *KEPT,
        odd("new", "dev", (0, 8, "person"), (12, 16, "brand")),
        odd("newer", "test", (12, 16, "brand")),
    ]
    summary = tokenize(documents, toy_encoder, tmp_path)
    assert summary["not_in_train"]["entity brand"] == ["new", "newer"]
    assert summary["examples"]["entity brand"] == {"train": 0, "dev": 1, "test": 1}
    assert "entity person" not in summary["not_in_train"]
