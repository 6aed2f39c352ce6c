"""Under test: corpora that are legal and awkward; they train, and nothing of them is left out."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pax_assets.corpora.tokenize import tokenize
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp.documents import Document, Entity
from pax_assets.training import train
from pax_assets.training.artifact import load
from pax_assets.training.evaluation import torch_pipeline
from pax_assets_tests.toy_model import toy_corpus

LENGTH = 100_000


def long_document() -> Document:
    """A text of 100,000 characters with a person at its very end."""
    beginning = "please ben will meet dmitri in lima on sunday hello "
    text = (beginning * (LENGTH // len(beginning) + 1))[: LENGTH - 4] + " ben"
    end = Entity("e0", LENGTH - 3, LENGTH, "person")
    return Document("long", text, ("entities",), (end,), split="test").validate()


@pytest.fixture(scope="module")
def odd_model(toy_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one epoch leaves on a corpus with a very long document, a type with one example in
    train, and a type that is in test alone.
    """
    folder = tmp_path_factory.mktemp("odd")
    once = Document("once", "acme", ("entities",), (Entity("e0", 0, 4, "brand"),), split="train")
    unseen = Document("unseen", "lima", ("entities",), (Entity("e0", 0, 4, "river"),), split="test")
    long = long_document()
    corpus = [*toy_corpus(60), once, unseen, long]
    corpus.append(replace(long, doc_id="long too", split="train"))
    tokenize(corpus, toy_encoder, folder / "dataset", max_length=128, stride=16)
    train.main(
        [
            f"--dataset={folder / 'dataset'}",
            f"--output={folder / 'model'}",
            f"--encoder={toy_encoder}",
            "--epochs=1",
        ]
    )
    return folder / "model"


def test_a_type_that_was_never_or_once_seen_has_its_place_and_its_score(odd_model: Path):
    found = json.loads((odd_model / "metrics.json").read_text())
    types = found["test"]["types"]["entity"]
    assert (types["river"]["recall"], types["river"]["support"]) == (0.0, 1)
    card = (odd_model / "MODEL_CARD.md").read_text()
    assert "entity brand (1)" in card
    assert "entity river (0)" in card


def test_a_text_of_100_000_characters_is_read_to_its_end(odd_model: Path):
    model, scheme = load(odd_model)
    text = long_document().text
    # A model that calls every word a person shows which ones are looked at.
    model.none_shifts[0] = -100.0
    [analysis] = torch_pipeline(model, TextTokenizer.load(odd_model), scheme).analyze([text])
    assert all(text[e.start : e.end] == e.text for e in analysis.entities)
    covered = {p for e in analysis.entities for p in range(e.start, e.end)}
    assert all(p in covered for p, sign in enumerate(text) if not sign.isspace())


def test_a_corpus_of_entities_alone_makes_a_model_that_is_judged_by_them_alone(
    toy_encoder: Path, tmp_path: Path
):
    corpus = [
        replace(d, layers=("entities",), events=(), relations=())
        for d in toy_corpus(60)
        if "entities" in d.layers
    ]
    tokenize(corpus, toy_encoder, tmp_path / "dataset")
    train.main(
        [
            f"--dataset={tmp_path / 'dataset'}",
            f"--output={tmp_path / 'model'}",
            f"--encoder={toy_encoder}",
            "--epochs=1",
        ]
    )
    lineage = json.loads((tmp_path / "model" / "lineage.json").read_text())
    assert {split: list(f1) for split, f1 in lineage["f1"].items()} == {
        "dev": ["entity"],
        "test": ["entity"],
    }
    command = [sys.executable, "-m", "pax_assets.training.export"]
    command += [f"--model={tmp_path / 'model'}", f"--dataset={tmp_path / 'dataset'}"]
    subprocess.run([*command, f"--output={tmp_path / 'onnx'}"], check=True, capture_output=True)
    report = json.loads((tmp_path / "onnx" / "report.json").read_text())
    assert report["parity"]["passed"]
    assert report["recommended"]["cpu"] is not None
