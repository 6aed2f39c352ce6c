"""Under test: the forward pass: shapes, candidates, and that rows do not see each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch  # noqa: TID253 - the room under test is torch's

from pax_assets.corpora.alignment import IGNORED
from pax_assets.inference.pipeline import OUTPUTS
from pax_assets.nlp.labels import begin_mask
from pax_assets.training import artifact
from pax_assets.training.data import collate, load_windows
from pax_assets.training.encoder import EncoderError
from pax_assets.training.losses import LossModule
from pax_assets.training.model import (
    HEADS,
    MessageModel,
    all_pairs,
    candidates,
    flops_per_token,
)

BEGINS = torch.from_numpy(begin_mask(("O", "B-a", "I-a")))


@pytest.fixture(scope="module")
def model(toy_model: Path) -> MessageModel:
    return artifact.load(toy_model)[0]


def inputs(lengths: list[int], padded_to: int) -> tuple[torch.Tensor, ...]:
    random = np.random.default_rng(7)
    ids = np.zeros((len(lengths), padded_to), dtype=np.int64)
    attention = np.zeros_like(ids)
    words = np.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :length] = random.integers(5, 60, size=length)
        attention[row, :length] = 1
        words[row, 1 : length - 1] = 1
    return tuple(torch.from_numpy(array) for array in (ids, attention, words))


def run(model: MessageModel, *tensors: torch.Tensor) -> dict[str, torch.Tensor]:
    with torch.inference_mode():
        return dict(zip(OUTPUTS, model(*tensors), strict=True))


@pytest.mark.parametrize(("batch", "length"), [(1, 1), (2, 3), (3, 40)])
def test_shapes_do_not_depend_on_the_length_of_the_text(model: MessageModel, batch, length):
    out = run(model, *inputs([length] * batch, length))
    assert out["entity_logits"].shape == (batch, length, 9)
    assert out["trigger_logits"].shape == (batch, length, 3)
    assert out["entity_index"].shape == (batch, 32)
    assert out["trigger_index"].shape == (batch, 16)
    assert out["relation_logits"].shape == (batch, 32, 32, 2)
    assert out["argument_logits"].shape == (batch, 16, 32, 4)


def test_padding_and_neighbours_change_nothing(model: MessageModel):
    ids, attention, words = inputs([12, 30, 5], 30)
    together = run(model, ids, attention, words)
    for row, length in enumerate([12, 30, 5]):
        cut = (slice(row, row + 1), slice(0, length))
        alone = run(model, ids[cut], attention[cut], words[cut])
        for name in ("entity_logits", "trigger_logits"):
            torch.testing.assert_close(
                together[name][row, :length], alone[name][0], atol=1e-5, rtol=0
            )
        filled = int((alone["entity_index"][0] >= 0).sum())
        assert filled == int(words[row].sum())
        assert together["entity_index"][row].tolist() == alone["entity_index"][0].tolist()
        torch.testing.assert_close(
            together["relation_logits"][row, :filled, :filled],
            alone["relation_logits"][0, :filled, :filled],
            atol=1e-5,
            rtol=0,
        )


@pytest.mark.parametrize(
    ("begin_logits", "mask", "expected"),
    [
        ([0.0, 3.0, 1.0], [1, 1, 1], [1, 2, 0, -1]),
        ([0.0, 3.0, 1.0], [1, 0, 1], [2, 0, -1, -1]),
        ([5.0, 3.0, 1.0], [0, 0, 0], [-1, -1, -1, -1]),
        ([1.0, 5.0, 3.0, 2.0, 0.0, 4.0], [1] * 6, [1, 5, 2, 3]),
    ],
)
def test_the_likeliest_beginnings_of_words_are_the_candidates(begin_logits, mask, expected):
    logits = torch.zeros(1, len(mask), 3)
    logits[0, :, 1] = torch.tensor(begin_logits)
    assert candidates(logits, BEGINS, torch.tensor([mask]), 4).tolist() == [expected]


def test_training_and_inference_score_a_pair_alike(model: MessageModel, toy_dataset: Path):
    """The loss scores chosen pairs one by one, inference all pairs by broadcasting."""
    window = next(w for w in load_windows(toy_dataset / "dev.parquet") if len(w.relations))
    batch = collate([window], pad=0)
    with torch.inference_mode():
        sums, counts = LossModule(model).eval()(batch)
        out = run(model, batch.input_ids, batch.attention_mask, batch.word_shapes)
        index = out["entity_index"][0].tolist()
        starts = np.flatnonzero(
            begin_mask(("O", *["B-", "I-"] * 4))[batch.entity_labels[0].clamp(min=0)]
        )
        [(_, head, tail, kind)] = batch.relations.tolist()
        expected = 0.0
        for first in starts:
            for second in starts:
                if first != second:
                    logits = out["relation_logits"][0, index.index(first), index.index(second)]
                    gold = kind if (first, second) == (head, tail) else 0
                    expected -= float(logits.log_softmax(-1)[gold])
    relation = HEADS.index("relation")
    assert counts[relation] == len(starts) * (len(starts) - 1)
    assert float(sums[relation]) == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_layers_that_were_not_annotated_give_no_loss(model: MessageModel, toy_dataset: Path):
    window = next(w for w in load_windows(toy_dataset / "train.parquet") if not w.has_events)
    with torch.inference_mode():
        sums, counts = LossModule(model).eval()(collate([window], pad=0))
    judged = dict(zip(HEADS, counts.tolist(), strict=True))
    assert judged["entity"] > 0
    assert judged["trigger"] == judged["relation"] == judged["argument"] == 0
    assert sums[1:].abs().max() == 0


def test_of_mere_ends_the_pairs_that_were_annotated_are_learnt(
    model: MessageModel, toy_dataset: Path
):
    windows = load_windows(toy_dataset / "train.parquet")
    window = next(w for w in windows if w.has_relations and len(w.relations) == 1)
    ignored = np.full_like(window.entity_labels, IGNORED)
    window = replace(window, entity_labels=ignored, has_entities=False, has_events=False)
    with torch.inference_mode():
        _, counts = LossModule(model).eval()(collate([window], pad=0))
    judged = dict(zip(HEADS, counts.tolist(), strict=True))
    # The pair and its reverse; of other words nobody said whether they are in relations.
    assert (judged["entity"], judged["relation"], judged["argument"]) == (0, 2, 0)


def test_every_trained_weight_gets_a_gradient_even_without_labels(
    toy_model: Path, toy_dataset: Path
):
    model, _ = artifact.load(toy_model)
    window = next(w for w in load_windows(toy_dataset / "train.parquet") if not w.has_events)
    sums, _ = LossModule(model)(collate([window], pad=0))
    sums.sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_a_candidate_pair_does_not_depend_on_other_candidates(model: MessageModel):
    ids, attention, shapes = inputs([20], 20)
    with torch.inference_mode():
        states, logits, _ = model.encode(ids, attention, shapes)
        features = model.word_features(states, logits)
        few, many = torch.tensor([[3, 9]]), torch.tensor([[11, 9, 2, 3]])
        one = all_pairs(model.relation_head, states, (features, few), (features, few))
        other = all_pairs(model.relation_head, states, (features, many), (features, many))
    torch.testing.assert_close(one[0, 0, 1], other[0, 3, 1], atol=1e-5, rtol=0)


def test_windows_longer_than_the_encoders_positions_are_refused(toy_encoder, toy_dataset):
    from dataclasses import replace

    from pax_assets.nlp.labels import LabelScheme

    scheme = replace(LabelScheme.load(toy_dataset), max_length=1024)
    with pytest.raises(
        EncoderError, match="takes 512 tokens, the dataset's windows have up to 1024"
    ):
        artifact.build(toy_encoder, scheme)


def test_a_token_costs_six_operations_for_each_multiplied_weight(model: MessageModel):
    hidden, inner, layers = (
        getattr(model.encoder.config, name)
        for name in ("hidden_size", "intermediate_size", "num_hidden_layers")
    )
    assert flops_per_token(model) == 6 * layers * (4 * hidden**2 + 2 * hidden * inner)
