"""Under test: a training that begins with a model of PAX instead of a bare encoder."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch  # noqa: TID253 - the room under test is torch's

from pax_assets.corpora.tokenize import tokenize
from pax_assets.nlp import metrics
from pax_assets.nlp.labels import LabelScheme
from pax_assets.training import artifact
from pax_assets.training.artifact import ModelArtifactError
from pax_assets.training.train import main
from pax_assets_tests.model_fixtures import TOY_RECIPE
from pax_assets_tests.toy_model import toy_corpus


def test_all_that_means_the_same_is_taken_over(toy_model: Path, toy_dataset: Path):
    former, scheme = artifact.load(toy_model)
    model = artifact.build(toy_model, LabelScheme.load(toy_dataset))
    before, after = former.state_dict(), model.state_dict()
    different = {name for name in before if not torch.equal(before[name], after[name])}
    assert different <= {"none_shifts"}  # dev says anew how sure is sure enough
    assert scheme.entities == LabelScheme.load(toy_dataset).entities


def test_heads_whose_labels_changed_begin_afresh(toy_model: Path, toy_dataset: Path):
    scheme = LabelScheme.load(toy_dataset)
    more = replace(scheme, triggers=(*scheme.triggers, "B-visit", "I-visit"))
    former, _ = artifact.load(toy_model)
    model = artifact.build(toy_model, more)

    def same(name: str) -> bool:
        parts = (getattr(one, name).state_dict() for one in (former, model))
        first, second = parts
        return all(torch.equal(first[k], second[k]) for k in first if first[k].ndim > 1)

    assert all(map(same, ("encoder", "shapes", "entity_head", "relation_head")))
    assert model.trigger_head.out_features == former.trigger_head.out_features + 2
    assert model.argument_head.first.in_features == former.argument_head.first.in_features + 2


def test_an_epoch_more_keeps_what_was_learnt_and_both_cards(
    toy_model: Path, toy_dataset: Path, tmp_path: Path
):
    output = tmp_path / "model"
    given = [f"--dataset={toy_dataset}", f"--output={output}", f"--encoder={toy_model}"]
    main([*given, *TOY_RECIPE[1:], "--epochs=1", "--warm-up=0"])
    result = json.loads((output / "metrics.json").read_text())
    assert min(metrics.head_f1(result["test"]).values()) > 0.95
    card = (output / "MODEL_CARD.md").read_text()
    assert "Training went on from another model" in card
    assert (output / "MODEL_CARD.before.md").read_text() == (
        toy_model / "MODEL_CARD.md"
    ).read_text()
    third = tmp_path / "third"
    main(
        [
            f"--dataset={toy_dataset}",
            f"--output={third}",
            f"--encoder={output}",
            *TOY_RECIPE[1:],
            "--epochs=1",
        ]
    )
    assert (third / "MODEL_CARD.before.md").read_text().count("# PAX message model\n") == 2


def test_a_model_of_another_version_is_refused_with_its_name(
    toy_model: Path, toy_dataset: Path, tmp_path: Path
):
    old = tmp_path / "old"
    shutil.copytree(toy_model, old)
    config = json.loads((old / "config.json").read_text())
    (old / "config.json").write_text(json.dumps({**config, "architecture": "pax-message-model-1"}))
    with pytest.raises(
        ModelArtifactError, match=r"old holds a 'pax-message-model-1', this version"
    ):
        artifact.build(old, LabelScheme.load(toy_dataset))


def test_windows_that_the_former_model_cannot_take_are_refused(toy_model: Path, tmp_path: Path):
    tokenize(toy_corpus(60), toy_model, tmp_path, max_length=2048)
    with pytest.raises(ValueError, match="takes 512 tokens, the dataset's windows have up to 2048"):
        artifact.build(toy_model, LabelScheme.load(tmp_path))
