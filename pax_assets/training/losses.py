"""What the model is punished for, and with which share.

Each head is judged only by windows whose layer was annotated: a corpus that says nothing of
relations must not teach that there are none, nor one that knows persons and places that there are
no dates. Where a word is marked as nothing, the likelihood is that of "none" and of all labels
that nobody looked for (Greenberg et al. 2018, aclanthology.org/D18-1306, do so with a CRF; here
each word is judged by itself). Losses come as sums and counts, so that several processes can
divide by the count of the whole batch and learn what one process would.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from pax_assets.corpora.alignment import IGNORED
from pax_assets.training.model import MessageModel, PairHead, begin_scores, score_pairs


@dataclass(slots=True)
class Batch:
    """Windows as tensors. Token tensors are int64 (B, L); flags are bool (B,).

    `relations` and `arguments` are int64 (N, 4): row, first token, second token, type. `silent_*`
    are int64 (N, 2): row, and a label of the head of which that row says nothing.
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
    silent_entities: Tensor
    silent_triggers: Tensor
    silent_relations: Tensor
    silent_roles: Tensor

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
        rows = len(batch.input_ids)
        silent_entities = _silent(batch.silent_entities, rows, entity_logits)
        silent_triggers = _silent(batch.silent_triggers, rows, trigger_logits)
        entity_starts = _starts(
            entity_logits,
            model.entity_begins,
            silent_entities,
            batch.entity_labels,
            batch.word_shapes,
        )
        trigger_starts = _starts(
            trigger_logits,
            model.trigger_begins,
            silent_triggers,
            batch.trigger_labels,
            batch.word_shapes,
        )
        relation_ends = _known(
            entity_starts,
            batch.has_entities,
            torch.cat((batch.relations[:, [0, 1]], batch.relations[:, [0, 2]])),
        )
        parts = [
            _token_loss(entity_logits, batch.entity_labels, silent_entities),
            _token_loss(trigger_logits, batch.trigger_labels, silent_triggers),
            _pair_loss(
                model.relation_head,
                states,
                (entities, entities),
                (
                    relation_ends & batch.has_relations[:, None],
                    relation_ends,
                ),
                batch.relations,
                batch.silent_relations,
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
                batch.silent_roles,
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


def _silent(labels: Tensor, rows: int, logits: Tensor) -> Tensor | None:
    """Return bool (B, C): the labels of which a row says nothing; None where all say all."""
    if not len(labels):
        return None
    silent = torch.zeros(rows, logits.shape[-1], dtype=torch.bool, device=logits.device)
    silent[labels[:, 0], labels[:, 1]] = True
    return silent


def _summed(logits: Tensor, targets: Tensor, silent: Tensor | None) -> Tensor:
    """Return the summed loss of logits (N, C) and targets (N,), `silent` (N, C) or None."""
    if silent is None:
        return cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
    gold = targets.clamp(min=0)
    fits = one_hot(gold, logits.shape[-1]).bool() | (silent & (gold == 0).unsqueeze(-1))
    likelihood = logits.masked_fill(~fits, -torch.inf).logsumexp(-1) - logits.logsumexp(-1)
    return -(likelihood * (targets != IGNORED)).sum()


def _token_loss(logits: Tensor, labels: Tensor, silent: Tensor | None) -> tuple[Tensor, Tensor]:
    if silent is not None:
        silent = silent.unsqueeze(1).expand(logits.shape).flatten(0, 1)
    loss = _summed(logits.flatten(0, 1), labels.flatten(), silent)
    return loss, (labels != IGNORED).sum().float()


def _starts(
    logits: Tensor, begins: Tensor, silent: Tensor | None, labels: Tensor, word_shapes: Tensor
) -> Tensor:
    """Bool (B, L): words that begin a span in the gold labels or seem to, to the model.

    Not those that seem to begin a span of a type that the row says nothing of: neither does it
    say anything of pairs with it.
    """
    gold = begins[labels.clamp(min=0)] & (labels >= 0)
    if silent is not None:
        begins = (begins & ~silent).unsqueeze(1)
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
    silent: Tensor,
    *,
    same_list: bool,
) -> tuple[Tensor, Tensor]:
    """Score the pairs of starts in each row; pairs without a gold type count as none.

    `gold` and `silent` are those of `Batch`.
    """
    pairs = starts[0].unsqueeze(2) & starts[1].unsqueeze(1)
    if same_list:
        diagonal = torch.eye(pairs.shape[1], dtype=torch.bool, device=pairs.device)
        pairs = pairs & ~diagonal
    targets = torch.zeros(pairs.shape, dtype=torch.int64, device=pairs.device)
    targets[gold[:, 0], gold[:, 1], gold[:, 2]] = gold[:, 3]
    scored = pairs.nonzero()
    logits = score_pairs(head, states, features, scored)
    row, first, second = scored.unbind(1)
    unsaid = _silent(silent, len(pairs), logits)
    loss = _summed(logits, targets[row, first, second], None if unsaid is None else unsaid[row])
    return loss, torch.tensor(float(len(row)), device=loss.device)
