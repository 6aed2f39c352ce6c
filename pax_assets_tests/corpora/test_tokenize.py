"""Under test: the tokenized dataset, file by file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pax_assets.corpora.formats import jsonl
from pax_assets.corpora.tokenize import SCHEMA, EmptyCorpusError, tokenize
from pax_assets.nlp.documents import Document, Entity, Relation
from pax_assets.nlp.labels import LabelScheme, LabelSchemeError
from pax_assets_tests.toy_model import toy_corpus


@pytest.fixture(scope="module")
def dataset(toy_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    tokenize(toy_corpus(), toy_encoder, folder, encoder_name="toy")
    return folder


def rows(folder: Path, split: str) -> list[dict]:
    return pq.read_table(folder / f"{split}.parquet").to_pylist()


def test_every_file_of_the_contract_is_there(dataset: Path):
    assert {path.name for path in dataset.iterdir()} == {
        *(f"{split}.parquet" for split in ("train", "dev", "test")),
        *(f"{split}_gold.jsonl" for split in ("train", "dev", "test")),
        "labels.json",
        "dataset.json",
        "tokenizer.json",
    }
    assert pq.read_schema(dataset / "dev.parquet").equals(SCHEMA)


def test_labels_and_offsets_lead_back_to_the_gold_entities(dataset: Path):
    scheme = LabelScheme.load(dataset)
    for split in ("train", "dev", "test"):
        gold = {
            document.doc_id: document for document in jsonl.read(dataset / f"{split}_gold.jsonl")
        }
        for row in rows(dataset, split):
            document = gold[row["doc_id"]]
            begins = {
                (row["offsets_start"][i], scheme.entities[label][2:])
                for i, label in enumerate(row["entity_labels"])
                if label > 0 and scheme.entities[label].startswith("B-")
            }
            assert begins == {(e.start, e.type) for e in document.entities}
            heads = {row["offsets_start"][pair["head"]] for pair in row["relations"]}
            by_id = {e.id: e for e in document.entities}
            assert heads == {by_id[r.head].start for r in document.relations}


def test_special_tokens_and_later_pieces_carry_no_label(dataset: Path):
    for row in rows(dataset, "train"):
        for position, (word, label) in enumerate(
            zip(row["word_ids"], row["entity_labels"], strict=True)
        ):
            later = position > 0 and word == row["word_ids"][position - 1]
            assert (label == -100) == (word == -1 or later)


def test_the_summary_counts_what_was_written(dataset: Path):
    summary = json.loads((dataset / "dataset.json").read_text())
    assert summary["encoder"] == "toy"
    assert summary["counts"]["train"]["windows"] == len(rows(dataset, "train"))
    assert sum(part["documents"] for part in summary["counts"].values()) == 240
    assert summary["misaligned"] == 0


def test_the_same_documents_give_the_same_bytes(dataset: Path, toy_encoder: Path, tmp_path: Path):
    tokenize(toy_corpus(), toy_encoder, tmp_path, encoder_name="toy")
    for path in dataset.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_long_text_is_cut_into_windows_that_lose_nothing(toy_encoder: Path, tmp_path: Path):
    words = ["anna"] * 200
    text = " ".join(words)
    entities = tuple(Entity(f"e{i}", 5 * i, 5 * i + 4, "person") for i in range(200))
    long = Document(
        "long",
        text,
        ("entities", "relations"),
        entities,
        relations=(Relation("e0", "e1", "knows"), Relation("e0", "e199", "knows")),
        split="train",
    )
    summary = tokenize(
        [
            long,
            *(
                replace(document, split=split, group=split)
                for document, split in zip(toy_corpus(2), ("dev", "test"), strict=True)
            ),
        ],
        toy_encoder,
        tmp_path,
        max_length=34,
        stride=8,
    )
    windows = rows(tmp_path, "train")
    assert max(len(row["input_ids"]) for row in windows) == 34
    starts = {start for row in windows for start in row["offsets_start"][1:-1]}
    assert starts == {entity.start for entity in entities}
    # the pair whose ends lie 198 words apart is in no window, and that is said
    assert [len(row["relations"]) for row in windows] == [1] + [0] * (len(windows) - 1)
    assert summary["beyond_windows"] == 1


def test_a_corpus_without_a_dev_part_is_refused(toy_encoder: Path, tmp_path: Path):
    documents = [replace(document, split="train") for document in toy_corpus(4)]
    with pytest.raises(EmptyCorpusError, match="of 4 annotated documents none is in dev"):
        tokenize(documents, toy_encoder, tmp_path)


def test_relations_without_any_entity_type_to_join_are_refused(toy_encoder: Path, tmp_path: Path):
    documents = [
        Document(
            split,
            "Ben of Acme",
            ("relations",),
            (Entity("a", 0, 3, "nominal"), Entity("b", 7, 11, "nominal")),
            relations=(Relation("a", "b", "works_for"),),
            split=split,
        )
        for split in ("train", "dev", "test")
    ]
    with pytest.raises(EmptyCorpusError, match="has works_for, but no entities to join"):
        tokenize(documents, toy_encoder, tmp_path)


def test_a_relation_that_is_called_none_is_named(toy_encoder: Path, tmp_path: Path):
    documents = toy_corpus(40)
    odd = next(d for d in documents if d.relations)
    odd = replace(odd, doc_id="odd", relations=(replace(odd.relations[0], type="none"),))
    with pytest.raises(LabelSchemeError, match="document odd: a relation or role is called 'none'"):
        tokenize([*documents, odd], toy_encoder, tmp_path)
