"""What the model is punished for, and with which share.

Each head is judged only by windows whose layer was annotated: a corpus that says nothing of
relations must not teach that there are none. Losses come as sums and counts, so that several
processes can divide by the count of the whole batch and learn what one process would.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pax_assets.corpora.alignment import IGNORED
from pax_assets.training.model import MessageModel, PairHead, Word, begin_scores


@dataclass(slots=True)
class Batch:
    """Windows as tensors. Token tensors are int64 (B, L); flags are bool (B,).

    `relations` and `arguments` are int64 (N, 4): row, first token, second token, type.
    """

    input_ids: Tensor
    attention_mask: Tensor
    word_shapes: Tensor
    entity_labels: Tensor
    trigger_labels: Tensor
    relations: Tensor
    arguments: Tensor
    has_entities: Tensor
    has_events: Tensor
    has_relations: Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(
            *(getattr(self, name).to(device, non_blocking=True) for name in self.__slots__)
        )


class LossModule(nn.Module):
    """The model behind a `forward` that returns losses: what DDP wraps."""

    def __init__(self, model: MessageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed loss and the number of judged items of each head, both (4,)."""
        model = self.model
        states, entity_logits, trigger_logits = model.encode(
            batch.input_ids, batch.attention_mask, batch.word_shapes
        )
        entities = model.word_features(states, entity_logits)
        triggers = model.word_features(states, trigger_logits)
        entity_starts = _starts(
            entity_logits, model.entity_begins, batch.entity_labels, batch.word_shapes
        )
        trigger_starts = _starts(
            trigger_logits, model.trigger_begins, batch.trigger_labels, batch.word_shapes
        )
        relation_ends = _known(
            entity_starts,
            batch.has_entities,
            torch.cat((batch.relations[:, [0, 1]], batch.relations[:, [0, 2]])),
        )
        parts = [
            _token_loss(entity_logits, batch.entity_labels),
            _token_loss(trigger_logits, batch.trigger_labels),
            _pair_loss(
                model.relation_head,
                states,
                (entities, entities),
                (
                    relation_ends & batch.has_relations[:, None],
                    relation_ends,
                ),
                batch.relations,
                same_list=True,
            ),
            _pair_loss(
                model.argument_head,
                states,
                (triggers, entities),
                (
                    trigger_starts & batch.has_events[:, None],
                    _known(entity_starts, batch.has_entities, batch.arguments[:, [0, 2]]),
                ),
                batch.arguments,
                same_list=False,
            ),
        ]
        # every parameter takes part in every step, else DDP waits for a gradient that never comes
        idle = sum(parameter.sum() for parameter in self._head_parameters()) * 0.0
        sums = torch.stack([part[0] for part in parts]) + idle
        counts = torch.stack([part[1] for part in parts])
        return sums, counts

    def _head_parameters(self) -> list[Tensor]:
        heads = (self.model.relation_head, self.model.argument_head)
        return [parameter for head in heads for parameter in head.parameters()]


def _token_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    loss = cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return loss, (labels != IGNORED).sum().float()


def _starts(logits: Tensor, begins: Tensor, labels: Tensor, word_shapes: Tensor) -> Tensor:
    """Bool (B, L): words that begin a span in the gold labels or seem to, to the model."""
    gold = begins[labels.clamp(min=0)] & (labels >= 0)
    return gold | (begin_scores(logits.detach(), begins, word_shapes) > 0.5)


def _known(starts: Tensor, has_entities: Tensor, ends: Tensor) -> Tensor:
    """Return which words (B, L) may be ends of pairs that were judged.

    `ends` (N, 2) are row and token of gold pairs' ends. Where entities were not annotated these
    are all that is known: of other words nobody said that they are in no relation.
    """
    gold = torch.zeros_like(starts)
    gold[ends[:, 0], ends[:, 1]] = True
    return torch.where(has_entities[:, None], starts, gold)


def _pair_loss(
    head: PairHead,
    states: Tensor,
    features: tuple[Tensor, Tensor],
    starts: tuple[Tensor, Tensor],
    gold: Tensor,
    *,
    same_list: bool,
) -> tuple[Tensor, Tensor]:
    """Score the pairs of starts in each row; pairs without a gold type count as none."""
    pairs = starts[0].unsqueeze(2) & starts[1].unsqueeze(1)
    if same_list:
        diagonal = torch.eye(pairs.shape[1], dtype=torch.bool, device=pairs.device)
        pairs = pairs & ~diagonal
    targets = torch.zeros(pairs.shape, dtype=torch.int64, device=pairs.device)
    targets[gold[:, 0], gold[:, 1], gold[:, 2]] = gold[:, 3]
    row, first, second = pairs.nonzero(as_tuple=True)
    sums = head.running_sums(states)
    logits = head(
        Word(features[0][row, first], first, sums[row, first], sums[row, first + 1]),
        Word(features[1][row, second], second, sums[row, second], sums[row, second + 1]),
    )
    loss = cross_entropy(logits, targets[row, first, second], reduction="sum")
    return loss, torch.tensor(float(len(row)), device=loss.device)
