"""Who writes checkpoints, when, and how every process gets back what it had.

Rank 0 writes and reads; what it read it hands to the others, so that no disk has to be shared.
Each process has random numbers of its own, all of them are in the checkpoint. How often: a
checkpoint costs little on a small model and seconds on a large one, so the time decides, not a
number of steps that would fit one machine.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from pax_assets.training import checkpoint
from pax_assets.training.checkpoint import CheckpointError, State
from pax_assets.training.device import Place
from pax_assets.training.reporting import Reporter

# The share of the time that checkpoints may take, and how long there is none at least.
SHARE = 0.015
AT_LEAST_SECONDS = 20.0
# The clock is rank 0's: the processes agree on the next step at which it is looked at.
_LOOK = 20
_DESCRIBED = "described"


class Pace:
    """When to write: every `steps` steps and after each epoch, or (0) as the time allows."""

    def __init__(
        self, steps: int, place: Place, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._steps = steps
        self._place = place
        self._clock = clock
        self._cost = 0.0
        self._since = clock()
        self._since_step: int | None = None
        self._next = 0

    def due(self, step: int, *, ended: bool) -> bool:
        """Whether to write after this step; `ended` after an epoch. Alike on all processes."""
        if self._steps:
            return ended or step % self._steps == 0
        if self._since_step is None:
            self._since_step, self._next = step, step + _LOOK
        if step < self._next and not ended:
            return False
        wait = shared_number(self._wait(step), self._place)
        self._next = step + wait
        return not wait

    def _wait(self, step: int) -> int:
        """Return how many steps to wait, going by the time that steps took so far."""
        elapsed = self._clock() - self._since
        missing = max(AT_LEAST_SECONDS, self._cost / SHARE) - elapsed
        if missing <= 0:
            return 0
        steps = max(1, step - (self._since_step or 0))
        # Never far beyond what was seen: the first steps may be no measure of the others.
        return min(math.ceil(missing / max(elapsed, 1e-6) * steps), max(_LOOK, steps))

    def written(self, step: int, seconds: float) -> None:
        """Note that a checkpoint was written, and how long it took."""
        self._cost = seconds
        self._since, self._since_step, self._next = self._clock(), step, step + _LOOK


class Keeper:
    """The checkpoints of one run, in the folder `room`."""

    def __init__(
        self, room: Path, identity: Mapping[str, Any], place: Place, report: Reporter, pace: Pace
    ) -> None:
        self._room = room
        self._identity = identity
        self._place = place
        self._report = report
        self._pace = pace

    def after_step(self, step: int, content: Callable[[], State], *, ended: bool = False) -> None:
        """Write a checkpoint if it is time; every process calls this after every step."""
        if not self._pace.due(step, ended=ended):
            return
        started = time.monotonic()
        random = _all_random_states(self._place)
        if self._place.rank == 0:
            found = content()
            found.tensors.update(random)
            try:
                checkpoint.write(self._room, step, self._identity, found)
            except OSError as error:
                self._report.line(f"no checkpoint of step {step} ({error}); training goes on")
        self._pace.written(step, time.monotonic() - started)

    def load(self) -> State | None:
        """Return the checkpoint to go on from, alike on all processes; None where none fits."""
        found = self._fitting() if self._place.rank == 0 else None
        if self._place.world == 1:
            return found
        return _shared_state(found, self._place)

    def refuse(self, error: CheckpointError) -> None:
        """Say that the checkpoint is not used."""
        self._report.line(f"checkpoint {self._room} is not used: {error}")

    def _fitting(self) -> State | None:
        for folder in checkpoint.folders(self._room):
            try:
                found = checkpoint.read(folder, self._identity)
                checkpoint.check(
                    {name: state.shape for name, state in _random_names(self._place).items()},
                    checkpoint.under(found.tensors, "random."),
                )
            except CheckpointError as error:
                self.refuse(error)
            else:
                return found
        return None

    def remove(self) -> None:
        """Remove all checkpoints: the artifact is written."""
        if self._place.rank == 0:
            checkpoint.remove(self._room)


def restore_random_state(tensors: Mapping[str, Tensor], place: Place) -> None:
    """Go on with this process's random numbers where they were."""
    torch.set_rng_state(tensors[f"random.cpu.{place.rank}"])
    if place.device.type == "cuda":
        torch.cuda.set_rng_state(tensors[f"random.cuda.{place.rank}"], place.device)


def _random_states(place: Place) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if place.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(place.device)
    return states


def _random_names(place: Place) -> dict[str, Tensor]:
    """Return what a checkpoint must hold of random states, with tensors of the right shapes."""
    return {
        f"random.{kind}.{rank}": state
        for kind, state in _random_states(place).items()
        for rank in range(place.world)
    }


def _all_random_states(place: Place) -> dict[str, Tensor]:
    """Return the random states of all processes, by kind and rank."""
    found = {}
    for kind, state in _random_states(place).items():
        mine = state.to(place.device)
        every = [mine]
        if place.world > 1:
            every = [torch.empty_like(mine) for _ in range(place.world)]
            torch.distributed.all_gather(every, mine)
        found |= {f"random.{kind}.{rank}": one.cpu() for rank, one in enumerate(every)}
    return found


def shared_number(number: int, place: Place) -> int:
    """Return rank 0's number on every process."""
    if place.world == 1:
        return number
    tensor = torch.tensor([number], device=place.device)
    torch.distributed.broadcast(tensor, 0)
    return int(tensor)


def _shared_state(found: State | None, place: Place) -> State | None:
    """Return rank 0's state on every process."""
    data = torch.empty(0, dtype=torch.uint8)
    if found:
        described = json.dumps(found.described()).encode()
        tensors = {**found.tensors, _DESCRIBED: torch.tensor(list(described), dtype=torch.uint8)}
        data = torch.frombuffer(bytearray(save(tensors)), dtype=torch.uint8)
    size = shared_number(len(data), place)
    if not size:
        return None
    data = (data if place.rank == 0 else torch.empty(size, dtype=torch.uint8)).to(place.device)
    torch.distributed.broadcast(data, 0)
    if found:
        return found
    tensors = load(data.cpu().numpy().tobytes())
    described = json.loads(bytes(tensors.pop(_DESCRIBED).tolist()))
    return checkpoint.state(described, tensors)
