"""Checkpoints: all that a killed training run needs to go on as if nothing had happened.

A checkpoint that restores only weights makes another model than the run that was killed would
have made: the optimizer starts cold and dropout draws other numbers. Here everything that the
next step depends on is kept, in safetensors and JSON: a pickle would be code to run. A folder
appears whole or not at all. What a power cut does to its pages on the way to the disk is not
waited for (that would cost more than the writing) but noticed, by a checksum.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pax_assets.training.device import Place
from pax_assets.training.encoder import WEIGHTS

FORMAT = 1
_CODE = [Path(__file__).with_name(f"{name}.py") for name in ("data", "loop", "losses", "model")]
# What training and the choice of the best epoch depend on; the test part is read only after.
_DATASET_FILES = (
    "train.parquet",
    "dev.parquet",
    "dev_gold.jsonl",
    "labels.json",
    "tokenizer.json",
)
_OURS = re.compile(r"step-[0-9]{9}-[0-9a-f]{8}|\.[0-9a-f]{8}")
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a run is: finished epochs, and what was done of the one after them."""

    epoch: int = 0
    batches: int = 0
    tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """A run between two steps: its place in the plan, its epochs' records and its tensors."""

    position: Position
    history: list[dict[str, Any]]
    tensors: dict[str, Tensor]

    def described(self) -> dict[str, Any]:
        """Return what is not a tensor, for JSON."""
        return {"position": asdict(self.position), "history": self.history}


def state(described: Any, tensors: dict[str, Tensor]) -> State:
    """Return a state from `State.described` and its tensors. Raises `CheckpointError`."""
    try:
        position = Position(**described["position"])
        history = list(described["history"])
        numbers = (position.epoch, position.batches, position.tokens)
        whole = all(type(number) is int and number >= 0 for number in numbers)
        judged = all(isinstance(entry["dev_mean_f1"], float) for entry in history)
        if not (whole and isinstance(position.seconds, float) and judged):
            raise CheckpointError("its position or its history are not what PAX writes")
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"its state.json is not what PAX writes ({error!r})") from error
    return State(position, history, tensors)


def fingerprint(
    dataset: Path, encoder: Path, recipe: Mapping[str, Any], place: Place
) -> dict[str, Any]:
    """Return all that must be alike where a run goes on; `encoder` is its folder."""
    return {
        "format": FORMAT,
        **{f"dataset {name}": _digest(dataset / name) for name in _DATASET_FILES},
        **{f"encoder {name}": _digest(encoder / name) for name in ("config.json", WEIGHTS)},
        **{f"recipe {name}": value for name, value in recipe.items()},
        "processes": place.world,
        "device": place.device.type,
        "precision": "bf16" if place.bf16 else "fp32",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        # Steps of another loss or another model would not be the same run's.
        "code": hashlib.sha256(b"".join(file.read_bytes() for file in _CODE)).hexdigest(),
    }


def write(room: Path, step: int, identity: Mapping[str, Any], content: State) -> Path:
    """Write a checkpoint into `room`, then remove the ones before it; return its folder."""
    room.mkdir(parents=True, exist_ok=True)
    draft = room / f".{uuid.uuid4().hex[:8]}"
    draft.mkdir()
    try:
        weights = draft / "state.safetensors"
        save_file(content.tensors, weights)
        described = {
            "fingerprint": dict(identity),
            "step": step,
            **content.described(),
            "checksum": _checksum(weights),
        }
        (draft / "state.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
        # A name of its own: a folder of the same step may lie there, of a run that does not fit.
        folder = room / f"step-{step:09d}-{draft.name[1:]}"
        os.replace(draft, folder)  # noqa: PTH105 - the one call that is atomic everywhere
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    for other in _ours(room):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    return folder


def remove(room: Path) -> None:
    """Remove all checkpoints of `room`, and the room where nothing else is in it."""
    for folder in _ours(room):
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        room.rmdir()


def _ours(room: Path) -> list[Path]:
    """Return the folders in `room` that `write` made; a person may have named any folder."""
    if not room.is_dir():
        return []
    return [path for path in room.iterdir() if path.is_dir() and _OURS.fullmatch(path.name)]


def folders(room: Path) -> list[Path]:
    """Return the finished checkpoints in `room`, the farthest first; mostly there is one."""
    return sorted((path for path in _ours(room) if path.name[0] != "."), reverse=True)


def read(folder: Path, identity: Mapping[str, Any]) -> State:
    """Read one of `folders`. Raises `CheckpointError` where it is torn or of another run."""
    weights = folder / "state.safetensors"
    try:
        described = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        written = described["fingerprint"]
        different = sorted(
            name
            for name in {*written, *identity}
            if name not in written or name not in identity or written[name] != identity[name]
        )
        if different:
            raise CheckpointError(f"it is of a run with another {', another '.join(different)}")
        if described["checksum"] != _checksum(weights):
            raise CheckpointError(f"{weights.name} is damaged: its checksum differs")
        # Cloned: tensors of a mapped file would vanish with it.
        tensors = {name: tensor.clone() for name, tensor in load_file(weights).items()}
    except (OSError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise CheckpointError(f"it is incomplete or damaged ({error!r})") from error
    except ValueError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"its state.json is no JSON ({error})") from error
    return state(described, tensors)


def learnt(model: nn.Module) -> dict[str, Tensor]:
    """Return a model's tensors that training changes: all but the frozen ones."""
    frozen = {name for name, value in model.named_parameters() if not value.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name not in frozen}


def learner(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return copies, on the CPU, of what is learnt and of what the optimizer remembers."""
    tensors = {f"model.{name}": value for name, value in learnt(model).items()}
    for name, parameter in model.named_parameters():
        for moment, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{moment}.{name}"] = value
    return {name: value.detach().cpu().clone() for name, value in tensors.items()}


def restore_learner(
    model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    """Bring `learner`'s tensors back. Raises `CheckpointError`, and then nothing is changed."""
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    shapes = {f"model.{name}": value.shape for name, value in learnt(model).items()}
    for name, value in trained.items():
        shapes |= {
            f"optimizer.{moment}.{name}": torch.Size() if moment == "step" else value.shape
            for moment in _MOMENTS
        }
    check(shapes, under(tensors, "model.", "optimizer."))
    with torch.no_grad():
        for name, value in learnt(model).items():
            value.copy_(tensors[f"model.{name}"])
    for name, value in trained.items():
        optimizer.state[value] = {
            moment: tensors[f"optimizer.{moment}.{name}"].to(value.device) for moment in _MOMENTS
        }


def under(tensors: Mapping[str, Tensor], *prefixes: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with one of these."""
    return {name: value for name, value in tensors.items() if name.startswith(prefixes)}


def check(expected: Mapping[str, torch.Size], found: Mapping[str, Tensor]) -> None:
    """Raise `CheckpointError` unless the tensors are those that are expected."""
    wrong = sorted(
        name
        for name in {*expected, *found}
        if name not in expected or name not in found or found[name].shape != expected[name]
    )
    if wrong:
        raise CheckpointError(f"{len(wrong)} tensors do not fit this model, first {wrong[0]!r}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum(path: Path) -> int:
    value = 0
    for block in _blocks(path):
        value = zlib.crc32(block, value)
    return value


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            yield block
