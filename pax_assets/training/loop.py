"""The training loop: epochs over batches, on one process or several with equal results.

An own loop rather than a framework's trainer: three heads with partial labels need losses that
are divided by the count of the whole batch, and dev scores that come from the real decoder. Between
two steps a run can be taken down and set up again (`Trainer.state`, `Trainer.restore`).
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from pax_assets.training import checkpoint
from pax_assets.training.checkpoint import CheckpointError, Position, State
from pax_assets.training.data import LabelledWindow, collate, epoch_batches, shard
from pax_assets.training.device import Place
from pax_assets.training.evaluation import autocast
from pax_assets.training.losses import Batch, LossModule
from pax_assets.training.model import HEADS, MessageModel
from pax_assets.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class EpochLoss:
    """Mean losses of an epoch, and how long it took."""

    total: float
    heads: dict[str, float]
    seconds: float
    tokens: int


class DivergedError(RuntimeError):
    """The loss is no number any more; the message names the step, the heads and what to change."""


class Trainer:
    """Runs a recipe over windows, an epoch at each call of `run_epoch`; `epoch` says how many."""

    def __init__(
        self,
        model: MessageModel,
        windows: list[LabelledWindow],
        recipe: Recipe,
        place: Place,
        pad: int,
        mask: int | None = None,
    ) -> None:
        self._windows = windows
        self._recipe = recipe
        self._place = place
        self._pad = pad
        self._mask = mask
        self.model = model.to(place.device)
        model.encoder.get_input_embeddings().requires_grad_(not recipe.freeze_embeddings)
        for module in model.encoder.modules():
            if isinstance(module, nn.Dropout):
                module.p = recipe.encoder_dropout
        if place.compiled:
            # In place, so that weights keep their names; lengths differ from batch to batch.
            model.encoder.compile(dynamic=True)
        self._judged = LossModule(model)
        self._losses: Any = self._judged
        if place.world > 1:
            self._losses = nn.parallel.DistributedDataParallel(
                self._judged, broadcast_buffers=False
            )
        self._optimizer = optimizer(model, recipe)
        self._rates = [group["lr"] for group in self._optimizer.param_groups]
        self._plan = [
            epoch_batches(
                [len(window) for window in windows],
                recipe.batch_tokens,
                seed=recipe.seed,
                epoch=epoch,
                rows_at_least=place.world,
            )
            for epoch in range(recipe.epochs)
        ]
        # Losses are means over what is judged. Triggers are few among words, and relations among
        # pairs: at equal weight they come last. Chosen on the dev parts of the sample and CASIE.
        self._weights = torch.tensor(
            [
                recipe.entity_weight,
                recipe.trigger_weight,
                recipe.relation_weight,
                recipe.argument_weight,
            ],
            device=place.device,
        )
        self._position = Position()
        # Of the running epoch: summed losses and counts of each head.
        self._totals = torch.zeros(2, len(HEADS), device=place.device)

    @property
    def epoch(self) -> int:
        """How many epochs are finished."""
        return self._position.epoch

    @property
    def step(self) -> int:
        """How many steps are done."""
        return sum(map(len, self._plan[: self.epoch])) + self._position.batches

    def run_epoch(self, after_step: Callable[[], None] = lambda: None) -> EpochLoss:
        """Train until the end of the epoch; the model is the caller's after each step.

        Raises `DivergedError`.
        """
        self._losses.train()
        begun = self._position
        started = time.monotonic()
        for parts in self._parts(self._plan[begun.epoch][begun.batches :]):
            self._set_rates()
            self._totals += self._learn(parts)
            self._position = Position(
                begun.epoch,
                self._position.batches + 1,
                self._position.tokens + sum(part.input_ids.numel() for part in parts),
                begun.seconds + time.monotonic() - started,
            )
            after_step()
        self._check_finite()
        heads = _means(self._totals)
        seconds = begun.seconds + time.monotonic() - started
        loss = EpochLoss(sum(heads.values()), heads, seconds, self._position.tokens)
        self._position = Position(begun.epoch + 1)
        self._totals.zero_()
        return loss

    def _parts(self, batches: list[list[int]]) -> zip[tuple[Batch, ...]]:
        """Yield this process's share of each batch, in as many parts as the recipe says."""
        place, parts = self._place, self._recipe.accumulate
        return zip(
            *(
                shard(
                    self._windows,
                    batches,
                    place.rank + place.world * part,
                    place.world * parts,
                    self._pad,
                )
                for part in range(parts)
            ),
            strict=True,
        )

    def _set_rates(self) -> None:
        share = _rate(self.step, sum(map(len, self._plan)), self._recipe.warm_up)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * share

    def _learn(self, parts: Sequence[Batch]) -> Tensor:
        """Take one step; return the batch's summed losses and counts, (2, heads)."""
        place = self._place
        parts = [self._hidden(part).to(place.device) for part in parts]
        total = counts = torch.zeros(len(HEADS), device=place.device)
        if len(parts) > 1:
            counts = self._counts(parts)
        for number, part in enumerate(parts, start=1):
            alone = place.world > 1 and number < len(parts)
            with self._losses.no_sync() if alone else contextlib.nullcontext():
                with autocast(place.device, place.bf16):
                    sums, found = self._losses(part)
                if len(parts) == 1:
                    counts = _total(found, place)
                # DDP averages gradients over processes: undo that, then divide by the true count
                (self._weights * sums * place.world / counts.clamp(min=1)).sum().backward()
            total = total + sums.detach()
        learning = [p for p in self.model.parameters() if p.requires_grad]
        nn.utils.clip_grad_norm_(learning, self._recipe.clip)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return torch.stack((_total(total, place), counts))

    def _counts(self, parts: Sequence[Batch]) -> Tensor:
        """Count what is judged in all parts, before any of them is learnt from.

        Which pairs are judged depends on what the model proposes, so it has to look at each part
        first, with the dropout that it will have when it learns.
        """
        place = self._place
        devices = [place.device] if place.device.type == "cuda" else []
        with (
            torch.random.fork_rng(devices),
            torch.no_grad(),
            autocast(place.device, place.bf16),
        ):
            found = [self._judged(part)[1] for part in parts]
        return _total(torch.stack(found).sum(0), place)

    def state(self, history: list[dict[str, Any]]) -> State:
        """Return all that the next step depends on, but for random numbers.

        Raises `DivergedError`: a state that nothing can come of must not replace a good one.
        """
        self._check_finite()
        tensors = checkpoint.learner(self.model, self._optimizer)
        return State(self._position, history, {**tensors, "totals": self._totals.cpu().clone()})

    def restore(self, state: State) -> None:
        """Go on from a state. Raises `CheckpointError`, and then nothing is changed."""
        at = state.position
        lengths = [*map(len, self._plan), 0]
        if at.epoch >= len(lengths) or at.batches > lengths[at.epoch]:
            raise CheckpointError(f"epoch {at.epoch}, batch {at.batches} is not in this run's plan")
        totals = {"totals": self._totals.shape}
        checkpoint.check(totals, checkpoint.under(state.tensors, "totals"))
        checkpoint.restore_learner(self.model, self._optimizer, state.tensors)
        self._totals.copy_(state.tensors["totals"])
        self._position = at

    def _check_finite(self) -> None:
        """Look at the epoch's losses, of which one that is no number makes the sum none.

        Not after each step: a GPU would have to wait for every one of them.
        """
        lost = [
            head
            for head, total in zip(HEADS, self._totals[0].tolist(), strict=True)
            if not math.isfinite(total)
        ]
        if lost:
            recipe = self._recipe
            raise DivergedError(
                f"training diverged in epoch {self.epoch + 1}, by step {self.step}: the loss of "
                f"{', '.join(lost)} is no finite number. Lower encoder_rate "
                f"({recipe.encoder_rate:g}) or head_rate ({recipe.head_rate:g}), or raise "
                f"warm_up ({recipe.warm_up:g})"
            )

    def _hidden(self, batch: Batch) -> Batch:
        """Hide some tokens of the batch."""
        if self._mask is None or not self._recipe.hidden_tokens:
            return batch
        ids = batch.input_ids
        chosen = torch.rand(ids.shape) < self._recipe.hidden_tokens
        # Neither padding nor the special tokens around a window.
        chosen[:, :-1] &= (batch.attention_mask[:, :-1] & batch.attention_mask[:, 1:]) > 0
        chosen[:, 0] = chosen[:, -1] = False
        return replace(batch, input_ids=torch.where(chosen, self._mask, ids))

    def loss(self, windows: list[LabelledWindow]) -> EpochLoss:
        """Return the loss on other windows, without learning; on this process alone."""
        started = time.monotonic()
        losses = LossModule(self.model).eval()
        batches = epoch_batches(
            [len(window) for window in windows], 4 * self._recipe.batch_tokens, seed=0, epoch=0
        )
        totals = torch.zeros(2, len(HEADS), device=self._place.device)
        tokens = 0
        for indices in batches:
            batch = collate([windows[index] for index in indices], self._pad)
            tokens += batch.input_ids.numel()
            with torch.inference_mode(), autocast(self._place.device, self._place.bf16):
                totals += torch.stack(losses(batch.to(self._place.device)))
        heads = _means(totals)
        return EpochLoss(sum(heads.values()), heads, time.monotonic() - started, tokens)


def optimizer(model: MessageModel, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW: heads learn faster than the encoder; biases and norms do not decay."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = (name.startswith("encoder."), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": recipe.encoder_rate if encoder else recipe.head_rate,
                "weight_decay": recipe.weight_decay if decays else 0.0,
            }
            for (encoder, decays), parameters in groups.items()
        ],
        fused=True,
    )


def _rate(step: int, steps: int, warm_up: float) -> float:
    """Linear warm-up over a share of the steps, then linear decay to 0."""
    rising = max(1, int(steps * warm_up))
    if step < rising:
        return (step + 1) / rising
    return max(0.0, (steps - step) / max(1, steps - rising))


def _total(values: Tensor, place: Place) -> Tensor:
    """Add up over all processes."""
    if place.world > 1:
        torch.distributed.all_reduce(values)
    return values


def _means(totals: Tensor) -> dict[str, float]:
    means = (totals[0] / totals[1].clamp(min=1)).tolist()
    return dict(zip(HEADS, means, strict=True))
