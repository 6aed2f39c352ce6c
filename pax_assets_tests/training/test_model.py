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
    LEAST_BEGIN,
    MessageModel,
    candidates,
    flops_per_token,
    pairs_of,
    score_pairs,
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
def test_a_row_of_logits_for_every_token_and_every_pair(model: MessageModel, batch, length):
    tensors = inputs([length] * batch, length)
    out = run(model, *tensors)
    assert out["entity_logits"].shape == (batch, length, 9)
    assert out["trigger_logits"].shape == (batch, length, 3)
    for head, classes, same_list in (("relation", 2, True), ("argument", 4, False)):
        pairs, logits = out[f"{head}_pairs"], out[f"{head}_logits"]
        assert pairs.dtype == torch.int64
        assert pairs.shape == (len(logits), 3)
        assert logits.shape == (len(pairs), classes)
        assert len({tuple(pair) for pair in pairs.tolist()}) == len(pairs)
        row, first, second = pairs.unbind(1)
        assert (tensors[2][row, first] > 0).all()
        assert (tensors[2][row, second] > 0).all()
        if same_list:
            assert (first != second).all()


def eager(model: MessageModel) -> MessageModel:
    """A model to which every word may begin anything, so that there are pairs to look at."""
    with torch.no_grad():
        for head, begins in (
            (model.entity_head, model.entity_begins),
            (model.trigger_head, model.trigger_begins),
        ):
            head.bias[begins] += 20.0
    return model


def by_pair(out: dict[str, torch.Tensor], head: str) -> dict[tuple[int, ...], torch.Tensor]:
    pairs, logits = out[f"{head}_pairs"].tolist(), out[f"{head}_logits"]
    return {tuple(pair): scores for pair, scores in zip(pairs, logits, strict=True)}


def test_padding_and_neighbours_change_nothing(toy_model: Path):
    model = eager(artifact.load(toy_model)[0])
    ids, attention, words = inputs([12, 30, 5], 30)
    together = run(model, ids, attention, words)
    for row, length in enumerate([12, 30, 5]):
        cut = (slice(row, row + 1), slice(0, length))
        alone = run(model, ids[cut], attention[cut], words[cut])
        for name in ("entity_logits", "trigger_logits"):
            torch.testing.assert_close(
                together[name][row, :length], alone[name][0], atol=1e-5, rtol=0
            )
        starts = int(words[row].sum())
        for head, count in (
            ("relation", starts * (starts - 1)),
            ("argument", min(starts, 16) * starts),
        ):
            own = {
                (0, *pair[1:]): scores
                for pair, scores in by_pair(together, head).items()
                if pair[0] == row
            }
            wanted = by_pair(alone, head)
            assert len(wanted) == count
            assert own.keys() == wanted.keys()
            for pair, scores in wanted.items():
                torch.testing.assert_close(own[pair], scores, atol=1e-5, rtol=0)


def test_where_no_word_begins_anything_there_are_no_pairs(toy_model: Path):
    model = eager(artifact.load(toy_model)[0])
    ids, attention, words = inputs([12, 30], 30)
    out = run(model, ids, attention, torch.zeros_like(words))
    assert out["relation_pairs"].shape == out["argument_pairs"].shape == (0, 3)
    assert len(out["relation_logits"]) == len(out["argument_logits"]) == 0


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


def test_a_word_that_hardly_begins_a_span_is_no_candidate():
    least = torch.tensor(LEAST_BEGIN)
    logit = torch.log(least / (1 - least) * 2)  # beside two labels with logit 0
    logits = torch.zeros(1, 3, 3)
    logits[0, :, 1] = torch.stack((logit - 0.01, logit + 0.01, logit + 5))
    assert candidates(logits, BEGINS, torch.ones(1, 3), 2).tolist() == [[2, 1]]
    assert candidates(logits[:, :1], BEGINS, torch.ones(1, 1), 2).tolist() == [[-1, -1]]


def test_each_candidate_is_paired_with_each_other_one_of_its_row():
    entities = torch.tensor([[4, 1, -1], [-1, -1, -1], [7, -1, -1]])
    triggers = torch.tensor([[1, -1], [3, 2], [5, 7]])
    relations = pairs_of(entities, entities, same_list=True).tolist()
    assert sorted(relations) == [[0, 1, 4], [0, 4, 1]]
    # A trigger may be an entity, too.
    arguments = pairs_of(triggers, entities, same_list=False).tolist()
    assert sorted(arguments) == [[0, 1, 1], [0, 1, 4], [2, 5, 7], [2, 7, 7]]


def test_training_and_inference_score_a_pair_alike(model: MessageModel, toy_dataset: Path):
    """The loss scores the pairs of gold beginnings, inference those of candidates."""
    window = next(w for w in load_windows(toy_dataset / "dev.parquet") if len(w.relations))
    batch = collate([window], pad=0)
    with torch.inference_mode():
        sums, counts = LossModule(model).eval()(batch)
        out = run(model, batch.input_ids, batch.attention_mask, batch.word_shapes)
        scored = by_pair(out, "relation")
        starts = np.flatnonzero(
            begin_mask(("O", *["B-", "I-"] * 4))[batch.entity_labels[0].clamp(min=0)]
        )
        [(_, head, tail, kind)] = batch.relations.tolist()
        shift = model.none_shifts[HEADS.index("relation")]
        expected = 0.0
        for first in starts:
            for second in starts:
                if first != second:
                    logits = scored[0, first, second].clone()
                    logits[0] -= shift  # what is added after training
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
        few = torch.tensor([[0, 3, 9]])
        many = torch.tensor([[0, 11, 9], [0, 9, 3], [0, 3, 9], [0, 2, 3]])
        one, other = (
            score_pairs(model.relation_head, states, (features, features), pairs)
            for pairs in (few, many)
        )
    torch.testing.assert_close(one[0], other[2], atol=1e-5, rtol=0)


def test_words_between_two_ends_count_and_words_around_them_do_not(model: MessageModel):
    """The mean of what stands between comes from running sums, whichever end is first."""
    states = torch.randn(1, 12, model.entity_head.in_features, dtype=torch.float32)
    features = model.word_features(states, model.entity_head(states))
    changed = {"between": states.clone(), "around": states.clone()}
    changed["between"][0, 5] += 1.0
    changed["around"][0, [0, 1, 9, 11]] += 1.0
    pairs = torch.tensor([[0, 2, 8], [0, 8, 2]])
    with torch.inference_mode():
        scored = {
            name: score_pairs(model.relation_head, other, (features, features), pairs)
            for name, other in (("as it is", states), *changed.items())
        }
    torch.testing.assert_close(scored["around"], scored["as it is"], atol=1e-4, rtol=0)
    moved = (scored["between"] - scored["as it is"]).abs().amax(dim=1)
    assert (moved > 1e-3).all()


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
