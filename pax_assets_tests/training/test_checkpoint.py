"""Under test: checkpoints on disk: whole or refused, and written as often as they are worth."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch  # noqa: TID253 - the room under test is torch's

from pax_assets.training import checkpoint
from pax_assets.training.checkpoint import CheckpointError, Position, State
from pax_assets.training.device import Place
from pax_assets.training.keeper import AT_LEAST_SECONDS, Keeper, Pace
from pax_assets.training.reporting import Reporter

IDENTITY = {"format": 1, "recipe seed": 13, "processes": 1, "recipe rate": 3e-4}
ALONE = Place(0, 1, torch.device("cpu"), False)


def content(value: float = 0.5) -> State:
    entry = {"epoch": 1, "train_loss": 0.1 + 0.2, "dev_mean_f1": 0.25}
    return State(Position(1, 3, 40, 1.5), [entry], {"model.w": torch.full((2, 3), value)})


def test_what_is_written_is_read_bit_by_bit(tmp_path: Path):
    folder = checkpoint.write(tmp_path / "room", 7, IDENTITY, content())
    found = checkpoint.read(folder, IDENTITY)
    assert (found.position, found.history) == (content().position, content().history)
    assert torch.equal(found.tensors["model.w"], content().tensors["model.w"])


def test_a_checkpoint_takes_the_place_of_the_one_before_and_of_drafts(tmp_path: Path):
    checkpoint.write(tmp_path, 7, IDENTITY, content())
    (tmp_path / ".0123abcd").mkdir()
    last = checkpoint.write(tmp_path, 12, IDENTITY, content())
    assert list(tmp_path.iterdir()) == [last]
    assert checkpoint.folders(tmp_path) == [last]


def test_what_else_lies_in_the_folder_is_left_alone(tmp_path: Path):
    theirs = [tmp_path / name for name in ("data", ".git", "step-1", "notes.txt")]
    for path in theirs[:3]:
        path.mkdir()
    theirs[3].write_text("mine")
    for step in (7, 12):
        checkpoint.write(tmp_path, step, IDENTITY, content())
    checkpoint.remove(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(theirs)
    alone = tmp_path / "room"
    checkpoint.write(alone, 7, IDENTITY, content())
    checkpoint.remove(alone)
    assert not alone.exists()


def test_a_draft_is_not_a_checkpoint(tmp_path: Path):
    folder = checkpoint.write(tmp_path, 7, IDENTITY, content())
    folder.rename(tmp_path / ".0123cafe")
    assert checkpoint.folders(tmp_path) == []
    assert checkpoint.folders(tmp_path / "nowhere") == []


def cut(folder: Path) -> None:
    os.truncate(folder / "state.safetensors", 100)


def flip(folder: Path) -> None:
    """As a page that never reached the disk: the size is right, the content is not."""
    path = folder / "state.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def lose(folder: Path) -> None:
    (folder / "state.safetensors").unlink()


def say(text: str):
    return lambda folder: (folder / "state.json").write_text(text)


def change(**fields: object):
    def changed(folder: Path) -> None:
        path = folder / "state.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    return changed


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (cut, "damaged: its checksum differs"),
        (flip, "damaged: its checksum differs"),
        (lose, "incomplete or damaged"),
        (say(""), "no JSON"),
        (say('{"fingerprint": '), "no JSON"),
        (say("[]"), "incomplete or damaged"),
        (say("{}"), "incomplete or damaged"),
        (say('{"fingerprint": 3}'), "incomplete or damaged"),
        (change(fingerprint={}), "another format, another processes, another recipe rate"),
        (change(fingerprint={**IDENTITY, "recipe seed": 14}), "with another recipe seed$"),
        (change(fingerprint={**IDENTITY, "recipe new": 1}), "with another recipe new$"),
        (change(checksum=None), "checksum differs"),
        (change(position=None), "not what PAX writes"),
        (change(position={"epoch": 1, "day": 2}), "not what PAX writes"),
        (change(position={"epoch": -1}), "not what PAX writes"),
        (change(position={"epoch": True}), "not what PAX writes"),
        (change(position={"epoch": "1"}), "not what PAX writes"),
        (change(history=[{}]), "not what PAX writes"),
        (change(history=[3]), "not what PAX writes"),
        (change(history=None), "not what PAX writes"),
        (change(history=[{"dev_mean_f1": "high"}]), "not what PAX writes"),
    ],
)
def test_a_torn_or_foreign_checkpoint_is_refused(tmp_path: Path, harm, complaint: str):
    folder = checkpoint.write(tmp_path, 7, IDENTITY, content())
    harm(folder)
    with pytest.raises(CheckpointError, match=complaint):
        checkpoint.read(folder, IDENTITY)


def test_bytes_that_are_no_utf_8_are_refused(tmp_path: Path):
    folder = checkpoint.write(tmp_path, 7, IDENTITY, content())
    (folder / "state.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(CheckpointError, match="no JSON"):
        checkpoint.read(folder, IDENTITY)


def keeper(room: Path, steps: int = 1) -> Keeper:
    return Keeper(room, IDENTITY, ALONE, Reporter(True, None), Pace(steps, ALONE))


def test_the_farthest_checkpoint_that_is_whole_is_taken(tmp_path: Path, capsys):
    keeper(tmp_path / "a").after_step(7, lambda: content(1.0))
    keeper(tmp_path / "b").after_step(8, lambda: content(2.0))
    (torn,) = checkpoint.folders(tmp_path / "b")
    torn = torn.rename(tmp_path / "a" / torn.name)
    cut(torn)
    found = keeper(tmp_path / "a").load()
    assert found is not None
    assert found.tensors["model.w"][0, 0] == 1.0
    assert "is not used: state.safetensors is damaged" in capsys.readouterr().err


def test_a_full_disk_does_not_end_the_training(tmp_path: Path, capsys):
    (tmp_path / "file").write_text("no folder can be here")
    keeper(tmp_path / "file" / "room").after_step(3, content)
    assert "no checkpoint of step 3" in capsys.readouterr().err


class Learner(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.frozen = torch.nn.Linear(2, 2).requires_grad_(False)
        self.free = torch.nn.Linear(2, 2)
        self.register_buffer("shift", torch.zeros(1))


def learner(steps: int) -> tuple[Learner, torch.optim.AdamW]:
    model = Learner()
    optimizer = torch.optim.AdamW(model.free.parameters(), fused=True)
    for _ in range(steps):
        model.free(torch.rand(4, 2)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, optimizer


def test_a_learner_gets_back_what_it_learnt_and_remembered():
    one, other = learner(3), learner(0)
    tensors = checkpoint.learner(*one)
    assert not any("frozen" in name for name in tensors)
    checkpoint.restore_learner(*other, tensors)
    restored = checkpoint.learner(*other)
    assert restored.keys() == tensors.keys()
    assert all(torch.equal(restored[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("model.free.weight", None),
        ("model.free.weight", torch.zeros(3, 2)),
        ("optimizer.exp_avg.free.bias", None),
        ("optimizer.step.free.bias", torch.zeros(1)),
        ("model.other", torch.zeros(1)),
        ("model.frozen.weight", torch.zeros(2, 2)),
    ],
)
def test_tensors_of_another_model_change_nothing(name: str, tensor: torch.Tensor | None):
    model, optimizer = learner(1)
    tensors = checkpoint.learner(*learner(2))
    tensors.pop(name, None)
    if tensor is not None:
        tensors[name] = tensor
    before = checkpoint.learner(model, optimizer)
    with pytest.raises(CheckpointError, match=f"1 tensors do not fit this model, first '{name}'"):
        checkpoint.restore_learner(model, optimizer, tensors)
    after = checkpoint.learner(model, optimizer)
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("step_seconds", [0.01, 0.3, 5.0])
@pytest.mark.parametrize("write_seconds", [0.05, 0.8, 12.0])
@pytest.mark.parametrize("epoch_steps", [7, 2000])
def test_checkpoints_take_less_than_2_per_cent_of_the_time(
    step_seconds: float, write_seconds: float, epoch_steps: int
):
    now, spent, gaps, last = 0.0, 0.0, [], 0.0
    pace = Pace(0, ALONE, clock=lambda: now)
    steps = int(40 * max(AT_LEAST_SECONDS, 100 * write_seconds) / step_seconds)
    for step in range(1, steps):
        now += step_seconds
        ended = step % epoch_steps == 0
        if pace.due(step, ended=ended):
            now += write_seconds
            spent += write_seconds
            gaps.append(now - last)
            last = now
            pace.written(step, write_seconds)
    assert gaps
    assert spent < 0.02 * now + write_seconds
    # And a kill does not cost much more than what is saved by not writing more often.
    allowed = max(AT_LEAST_SECONDS, write_seconds / 0.015)
    assert max(gaps) < 1.2 * allowed + write_seconds + 25 * step_seconds


def test_a_fixed_pace_is_every_so_many_steps_and_each_epochs_end():
    pace = Pace(4, ALONE)
    due = [(step, ended) for step in range(1, 10) for ended in (False, True)]
    assert [step for step, ended in due if not ended and pace.due(step, ended=False)] == [4, 8]
    assert pace.due(9, ended=True)
