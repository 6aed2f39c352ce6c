"""Under test: a run that was killed goes on, and ends as if it had not been killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch  # noqa: TID253 - the room under test is torch's
from safetensors.torch import load_file

from pax_assets.training import checkpoint
from pax_assets.training.checkpoint import Position, State
from pax_assets.training.record import Record
from pax_assets.training.train import main
from pax_assets_tests.model_fixtures import TOY_RECIPE
from pax_assets_tests.training.test_train import torchrun

# Dropout and hidden tokens draw random numbers in every step.
RECIPE = (
    *TOY_RECIPE[1:],
    "--epochs=3",
    "--batch-tokens=128",
    "--encoder-dropout=0.1",
    "--head-dropout=0.1",
    "--hidden-tokens=0.2",
    "--checkpoint-steps=5",
)
# Ends its process with SIGKILL after some steps, between two checkpoints.
KILLED = """
import os, signal, sys
from torch.optim.optimizer import register_optimizer_step_post_hook
from pax_assets.training.train import main

left = int(sys.argv[1])

def count(*_):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

register_optimizer_step_post_hook(count)
main(sys.argv[2:])
"""
KILLED_AFTER = 24


@pytest.fixture
def given(toy_encoder: Path, toy_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    # One thread, as if another process were beside this one: faster here, and always the same.
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    return [f"--dataset={toy_dataset}", f"--encoder={toy_encoder}", *RECIPE]


def history(model: Path) -> list[dict]:
    """The epochs' records without what a clock said."""
    timed = {"seconds", "dev_seconds", "tokens_per_second"}
    epochs = json.loads((model / "metrics.json").read_text())["epochs"]
    return [{k: v for k, v in entry.items() if k not in timed} for entry in epochs]


def differing(one: Path, other: Path) -> list[str]:
    """The names of tensors of two models that differ in any bit."""
    first, second = (load_file(model / "model.safetensors") for model in (one, other))
    assert first.keys() == second.keys()
    return [name for name in first if not torch.equal(first[name], second[name])]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_that_is_killed_in_mid_epoch_ends_like_one_that_is_not(
    given: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str], processes: int
):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    script = tmp_path / "killed.py"
    script.write_text(KILLED)

    def run(output: Path) -> str:
        if processes == 1:
            main([*given, f"--output={output}"])
            return capfd.readouterr().err
        done = torchrun(processes, *given, f"--output={output}")
        assert done.returncode == 0, done.stderr
        return done.stderr

    run(whole)
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command += [str(script), str(KILLED_AFTER), *given, f"--output={killed}"]
    done = subprocess.run(command, check=False, stderr=subprocess.DEVNULL, timeout=200)
    assert done.returncode == (-signal.SIGKILL if processes == 1 else 1)
    assert not killed.exists()

    room = tmp_path / "killed.checkpoint"
    (folder,) = checkpoint.folders(room)
    left = json.loads((folder / "state.json").read_text())
    assert 0 < left["step"] < KILLED_AFTER
    assert left["position"]["epoch"] > 0
    assert left["position"]["batches"] > 0
    assert len(left["history"]) == left["position"]["epoch"]

    said = run(killed)
    assert f"(step {left['step']})" in said
    assert "epoch 1/3" not in said
    assert history(killed) == history(whole)
    assert differing(killed, whole) == []
    assert not room.exists()
    assert not (tmp_path / "whole.checkpoint").exists()


@pytest.mark.parametrize("options", [[], ["--no-resume"]])
def test_a_checkpoint_of_another_run_is_ignored_with_a_reason(
    given: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str], options: list[str]
):
    output, room = tmp_path / "model", tmp_path / "kept"
    foreign = State(Position(2), [], {"model.w": torch.zeros(1)})
    checkpoint.write(room, 40, {"format": 0, "recipe day": 3}, foreign)
    main([*given, "--epochs=1", f"--output={output}", f"--checkpoint={room}", *options])
    said = capfd.readouterr().err
    reason = f"checkpoint {room} is not used: it is of a run with another code, another dataset dev"
    assert (reason in said) == (not options)
    assert "resuming" not in said
    assert [entry["epoch"] for entry in history(output)] == [1]
    assert not room.exists()


@pytest.mark.parametrize(
    ("scores", "patience", "stops"),
    [
        ([], 1, False),
        ([0.5], 1, False),
        ([0.5, 0.5], 1, True),
        ([0.5, 0.4, 0.6], 1, False),
        ([0.5, 0.4, 0.3], 2, True),
        ([0.5, 0.4, 0.3], 3, False),
        ([0.5, 0.4, 0.3], 0, False),
        ([0.0, 0.0], 1, True),
    ],
)
def test_patience_ends_after_epochs_without_a_better_one(scores, patience, stops):
    record = Record()
    for epoch, score in enumerate(scores, start=1):
        entry = {"epoch": epoch, "dev_mean_f1": score, "dev_loss": 1.0}
        record.add(entry, torch.nn.Linear(1, 1))
    assert record.out_of_patience(patience) is stops


def test_all_processes_stop_together(given: list[str], tmp_path: Path):
    """Who learns nothing is never better than in its first epoch."""
    output = tmp_path / "model"
    idle = ["--encoder-rate=0", "--head-rate=0", "--epochs=9", "--patience=1"]
    done = torchrun(2, *given, *idle, f"--output={output}")
    assert done.returncode == 0, done.stderr
    assert "no better epoch in 1: stopping" in done.stderr
    assert [entry["epoch"] for entry in history(output)] == [1, 2]


def test_where_dev_has_nothing_to_find_the_epoch_with_the_lowest_loss_is_kept():
    record = Record()
    for epoch, loss in enumerate((3.0, 1.0, 2.0), 1):
        record.add({"epoch": epoch, "dev_mean_f1": 0.0, "dev_loss": loss}, torch.nn.Linear(1, 1))
    assert record.best_epoch == 2
