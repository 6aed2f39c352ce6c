"""Under test: steps of the training loop, apart from files and processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch  # noqa: TID253 - the room under test is torch's

from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp.labels import LabelScheme
from pax_assets.training import artifact
from pax_assets.training.checkpoint import CheckpointError, Position, State
from pax_assets.training.data import load_windows
from pax_assets.training.device import Place
from pax_assets.training.loop import DivergedError, Trainer
from pax_assets.training.model import HeadsConfig
from pax_assets.training.recipe import Recipe

RECIPE = {
    "epochs": 3,
    "encoder_rate": 2e-3,
    "head_rate": 3e-3,
    "freeze_embeddings": False,
    "batch_tokens": 256,
    "encoder_dropout": 0.0,
    "head_dropout": 0.0,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """For so small a model two only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trainer(encoder: Path, dataset: Path, *, compiled: bool = False, **changes: float) -> Trainer:
    recipe = Recipe(**{**RECIPE, **changes})  # pyright: ignore[reportArgumentType]
    torch.manual_seed(recipe.seed)
    heads = HeadsConfig(dropout=recipe.head_dropout)
    model = artifact.build(encoder, LabelScheme.load(dataset), heads)
    windows = load_windows(dataset / "train.parquet")
    place = Place(0, 1, torch.device("cpu"), False, compiled)
    return Trainer(model, windows, recipe, place, TextTokenizer.load(dataset).pad)


def losses(encoder: Path, dataset: Path, **changes: float) -> list[dict[str, float]]:
    runs = trainer(encoder, dataset, **changes)
    return [runs.run_epoch().heads for _ in range(3)]


def test_a_compiled_encoder_learns_the_same_and_its_weights_keep_their_names(
    toy_encoder: Path, toy_dataset: Path, monkeypatch: pytest.MonkeyPatch
):
    """Traced as on a GPU, but run by torch: a machine of tests may have no compiler."""
    asked = {}

    def traced(module: torch.nn.Module, **how: bool) -> None:
        asked.update(how)
        real(module, backend="aot_eager", **how)

    real = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", traced)
    plain = trainer(toy_encoder, toy_dataset)
    compiled = trainer(toy_encoder, toy_dataset, compiled=True)
    for _ in range(2):
        expected = plain.run_epoch().heads
        assert compiled.run_epoch().heads == pytest.approx(expected, rel=1e-4)
    assert asked == {"dynamic": True}
    assert set(compiled.model.state_dict()) == set(plain.model.state_dict())


@pytest.mark.parametrize("parts", [2, 5])
def test_a_batch_in_parts_teaches_what_the_whole_batch_teaches(
    toy_encoder: Path, toy_dataset: Path, parts: int
):
    whole = losses(toy_encoder, toy_dataset)
    divided = losses(toy_encoder, toy_dataset, accumulate=parts)
    for one, other in zip(whole, divided, strict=True):
        assert one == pytest.approx(other, rel=1e-3)


def test_looking_at_the_parts_first_leaves_dropout_as_it_is(toy_encoder: Path, toy_dataset: Path):
    """The counts come from a pass of their own; the pairs in it are those that are learnt from."""
    runs = trainer(toy_encoder, toy_dataset, accumulate=2, encoder_dropout=0.3, head_dropout=0.3)
    counted, learnt = [], []
    judged = runs._judged.forward

    def spy(batch):
        sums, counts = judged(batch)
        (learnt if torch.is_grad_enabled() else counted).append(counts)
        return sums, counts

    runs._judged.forward = spy
    runs.run_epoch()
    assert torch.equal(torch.stack(counted), torch.stack(learnt))


def test_a_place_outside_the_plan_is_refused(toy_encoder: Path, toy_dataset: Path):
    runs = trainer(toy_encoder, toy_dataset)
    runs.run_epoch()
    tensors = runs.state([]).tensors
    for position in (Position(4), Position(3, 1), Position(0, 999)):
        with pytest.raises(CheckpointError, match="is not in this run's plan"):
            runs.restore(State(position, [], tensors))
    with pytest.raises(CheckpointError, match="tensors do not fit"):
        runs.restore(State(Position(1), [], {"totals": torch.zeros(2, 4)}))
    runs.restore(State(Position(3), [], tensors))
    assert runs.epoch == 3


def test_a_training_that_diverges_stops_and_says_what_to_lower(
    toy_encoder: Path, toy_dataset: Path
):
    runs = trainer(toy_encoder, toy_dataset, encoder_rate=1e30)
    with pytest.raises(
        DivergedError, match=r"epoch 1, by step \d+: .*Lower encoder_rate \(1e\+30\)"
    ):
        runs.run_epoch()
    with pytest.raises(DivergedError):  # nor does a checkpoint take the place of a good one
        runs.state([])
