"""What a run found out so far: every epoch's scores, and the weights of the best one.

Rank 0 alone has a record; the others' stays empty.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from pax_assets.training.checkpoint import State, learnt
from pax_assets.training.loop import Trainer

_BEST = "best."


class Record:
    """Epochs' records in order; the best is the first with the highest mean dev F1.

    Among equals, as where dev has nothing to find, it is that with the lowest dev loss.
    """

    def __init__(self) -> None:
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}

    @property
    def best_epoch(self) -> int:
        """The number of the best epoch, 0 before the first."""
        if not self.history:
            return 0
        return max(self.history, key=lambda e: (e["dev_mean_f1"], -e["dev_loss"]))["epoch"]

    def add(self, entry: dict[str, Any], model: nn.Module) -> None:
        """Add the record of the epoch that the model just went through."""
        self.history.append(entry)
        if self.best_epoch == entry["epoch"]:
            self.best = {k: v.detach().cpu().clone() for k, v in learnt(model).items()}

    def out_of_patience(self, patience: int) -> bool:
        """Whether `patience` epochs went by without a better one (0: never)."""
        return 0 < patience <= len(self.history) - self.best_epoch

    def state(self, trainer: Trainer) -> State:
        """Return what a checkpoint holds of this run."""
        state = trainer.state(self.history)
        state.tensors.update({_BEST + name: value for name, value in self.best.items()})
        return state

    def restore(self, state: State) -> None:
        """Go on from a state."""
        self.history = state.history
        self.best = {
            name.removeprefix(_BEST): value
            for name, value in state.tensors.items()
            if name.startswith(_BEST)
        }
