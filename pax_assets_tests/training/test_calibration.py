"""Under test: shifting the scores of "none" to what is best on dev."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch  # noqa: TID253 - the room under test is torch's

from pax_assets.corpora.formats import jsonl
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.training import artifact, calibration
from pax_assets.training.evaluation import score, torch_forward, torch_pipeline


@pytest.fixture
def trained(toy_model: Path, toy_dataset: Path):
    model, scheme = artifact.load(toy_model)
    gold = list(jsonl.read(toy_dataset / "dev_gold.jsonl"))
    return model, scheme, TextTokenizer.load(toy_model), gold


@pytest.mark.parametrize("direction", [1, -1])
def test_a_model_that_is_too_shy_or_too_eager_is_brought_back(trained, direction):
    model, scheme, tokenizer, gold = trained

    def entity_f1() -> float:
        return score(torch_pipeline(model, tokenizer, scheme), gold)["entity"]["f1"]

    right = entity_f1()
    while (before := entity_f1()) == right:
        calibration.apply(model, {"entity": direction})
    found = calibration.shifts(torch_forward(model), tokenizer, scheme, gold)
    assert found["entity"] * direction < 0
    calibration.apply(model, found)
    assert entity_f1() > before


def test_what_the_decoder_sees_is_what_the_biases_do(trained):
    model, scheme, tokenizer, gold = trained
    texts = [document.text for document in gold]
    shifted = calibration.shifted({"entity_logits": torch.zeros(1, 2, 3).numpy()}, {"entity": 0.5})
    assert shifted["entity_logits"][0, 0].tolist() == [0.5, 0.0, 0.0]
    by = {"entity": 1.5, "trigger": -1.0, "relation": 0.75, "argument": -0.5}
    forward = torch_forward(model)
    pipeline = type(torch_pipeline(model, tokenizer, scheme))
    replayed = pipeline(
        tokenizer, scheme, lambda inputs: calibration.shifted(forward(inputs), by)
    ).analyze(texts)
    calibration.apply(model, by)
    assert [a.to_dict() for a in pipeline(tokenizer, scheme, forward).analyze(texts)] == [
        a.to_dict() for a in replayed
    ]


def test_nothing_is_shifted_where_nothing_is_annotated(trained):
    model, scheme, tokenizer, gold = trained
    bare = [d for d in gold if "relations" not in d.layers or not d.relations]
    found = calibration.shifts(torch_forward(model), tokenizer, scheme, bare[:3])
    assert found["relation"] == 0
