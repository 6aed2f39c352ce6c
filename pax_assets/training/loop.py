"""The training loop: epochs over batches, on one process or several with equal results.

An own loop rather than a framework's trainer: three heads with partial labels need losses that
are divided by the count of the whole batch, and dev scores that come from the real decoder.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn

from pax_assets.training.data import LabelledWindow, collate, epoch_batches, shard
from pax_assets.training.device import Place
from pax_assets.training.evaluation import autocast
from pax_assets.training.losses import Batch, LossModule
from pax_assets.training.model import HEADS, MessageModel


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters; `batch_tokens` counts the batch of all processes together.

    `hidden_tokens` is the share of tokens that are hidden from the encoder in each step, as in its
    pretraining, so that a name is also learnt from what stands around it.
    """

    epochs: int = 8
    batch_tokens: int = 1024
    encoder_rate: float = 3e-4
    head_rate: float = 1e-3
    warm_up: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    freeze_embeddings: bool = True
    encoder_dropout: float = 0.1
    head_dropout: float = 0.1
    hidden_tokens: float = 0.0
    relation_weight: float = 3.0
    argument_weight: float = 2.0
    seed: int = 13

    def to_dict(self) -> dict[str, float | int | bool]:
        """Return the hyperparameters by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class EpochLoss:
    """Mean losses of an epoch, and how long it took."""

    total: float
    heads: dict[str, float]
    seconds: float
    tokens: int


class Trainer:
    """Runs a recipe over windows. Call `epochs` once."""

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
        self._lengths = [len(window) for window in windows]
        self._recipe = recipe
        self._place = place
        self._pad = pad
        self._mask = mask
        self.model = model.to(place.device)
        model.encoder.get_input_embeddings().requires_grad_(not recipe.freeze_embeddings)
        for module in model.encoder.modules():
            if isinstance(module, nn.Dropout):
                module.p = recipe.encoder_dropout
        self._losses: nn.Module = LossModule(model)
        if place.world > 1:
            self._losses = nn.parallel.DistributedDataParallel(
                self._losses, broadcast_buffers=False
            )
        self._optimizer = optimizer(model, recipe)
        # Most pairs are no relation: at equal weight the few that are would be learnt last.
        self._weights = torch.tensor(
            [1.0, 1.0, recipe.relation_weight, recipe.argument_weight], device=place.device
        )

    def epochs(self) -> Iterator[tuple[int, EpochLoss]]:
        """Train, yielding after each epoch (from 1); the model is the caller's in between."""
        recipe = self._recipe
        plan = [
            epoch_batches(
                self._lengths,
                recipe.batch_tokens,
                seed=recipe.seed,
                epoch=epoch,
                rows_at_least=self._place.world,
            )
            for epoch in range(recipe.epochs)
        ]
        steps = sum(len(batches) for batches in plan)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: _rate(step, steps, recipe.warm_up)
        )
        for epoch, batches in enumerate(plan, start=1):
            yield epoch, self._epoch(batches, schedule)

    def _epoch(
        self, batches: list[list[int]], schedule: torch.optim.lr_scheduler.LambdaLR
    ) -> EpochLoss:
        started = time.monotonic()
        self._losses.train()
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        totals = torch.zeros(2, len(HEADS), device=self._place.device)
        tokens = 0
        place = self._place
        for batch in shard(self._windows, batches, place.rank, place.world, self._pad):
            tokens += batch.input_ids.numel()
            with autocast(place.device, place.bf16):
                sums, counts = self._losses(self._hidden(batch).to(place.device))
            counts = _total(counts, place)
            # DDP averages gradients over processes: undo that, then divide by the true count
            loss = (self._weights * sums * place.world / counts.clamp(min=1)).sum()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, self._recipe.clip)
            self._optimizer.step()
            schedule.step()
            self._optimizer.zero_grad(set_to_none=True)
            totals += torch.stack((_total(sums.detach().clone(), place), counts))
        heads = _means(totals)
        return EpochLoss(sum(heads.values()), heads, time.monotonic() - started, tokens)

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
