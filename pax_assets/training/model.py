"""The message model: one encoder, and heads for entities, events and relations.

Pair heads over all L x L token pairs would cost more than the encoder, and a pipeline of
separate models could not be exported as one graph. So the token heads propose candidates (the
words that may begin an entity or a trigger, the likeliest of them up to a fixed number), and the
pair heads score only the pairs of candidates that there are: one forward pass, one ONNX graph. A
message names a thing or two: scoring a fixed number of places took longer than the encoder.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pax_assets.nlp.labels import LabelScheme, begin_mask
from pax_assets.nlp.shapes import SHAPES

HEADS = ("entity", "trigger", "relation", "argument")
# A word that is less likely than this to begin a span is no candidate. Far below any that the
# decoder takes, also after the heads' shifts, so that no answer is lost by it.
LEAST_BEGIN = 0.01
# Distances between two candidates beyond this many tokens count as equal.
FARTHEST = 48


@dataclass(frozen=True)
class HeadsConfig:
    """Sizes of the heads; `config.json` of a model artifact keeps them."""

    entity_candidates: int = 32
    trigger_candidates: int = 16
    pair_size: int = 128
    dropout: float = 0.1

    def to_dict(self) -> dict[str, Any]:
        """Return the sizes by name."""
        return asdict(self)


class Word(NamedTuple):
    """Words as a pair head sees them: features (N, F), token positions (N,), and running sums
    (N, P) over the tokens before the word and through its first token.
    """

    features: Tensor
    position: Tensor
    sum_before: Tensor
    sum_through: Tensor


class PairHead(nn.Module):
    """Scores ordered pairs of words: what they are, what stands between, how far apart.

    The words between two entities ("works for") carry most of a relation. Their mean comes from
    differences of running sums, which costs one projection a token instead of one a pair.
    """

    def __init__(
        self, hidden: int, first_size: int, second_size: int, config: HeadsConfig, classes: int
    ) -> None:
        super().__init__()
        size = config.pair_size
        self.first = nn.Linear(first_size, 2 * size)
        self.second = nn.Linear(second_size, 2 * size)
        self.between = nn.Linear(hidden, size)
        self.between_out = nn.Linear(size, size, bias=False)
        self.distance = nn.Embedding(2 * FARTHEST + 1, size)
        nn.init.normal_(self.distance.weight, std=0.02)
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(size)
        self.classify = nn.Linear(size, classes)

    def running_sums(self, states: Tensor) -> Tensor:
        """Return (B, L + 1, P): at t the sum over the projected tokens before t, in fp32."""
        projected = nn.functional.gelu(self.between(states)).float()
        sums = projected.cumsum(dim=1)
        return torch.cat((torch.zeros_like(sums[:, :1]), sums), dim=1)

    def forward(self, first: Word, second: Word) -> Tensor:
        """Score the pairs of N words with N others: (N, classes)."""
        add_first, times_first = self.first(first.features).chunk(2, dim=-1)
        add_second, times_second = self.second(second.features).chunk(2, dim=-1)
        distance = second.position - first.position
        apart = (distance.abs() - 1).clamp(min=1).unsqueeze(-1)
        between = torch.where(
            (distance > 0).unsqueeze(-1),
            second.sum_before - first.sum_through,
            first.sum_before - second.sum_through,
        )
        near = distance.clamp(-FARTHEST, FARTHEST) + FARTHEST
        pair = (
            add_first
            + add_second
            + times_first * times_second
            + self.between_out(between / apart)
            + self.distance(near)
        )
        return self.classify(self.dropout(nn.functional.gelu(self.norm(pair)))).float()


class MessageModel(nn.Module):
    """Encoder and heads; see `forward` for what goes in and comes out."""

    def __init__(self, encoder: nn.Module, scheme: LabelScheme, heads: HeadsConfig) -> None:
        super().__init__()
        hidden = encoder.config.hidden_size
        self.encoder = encoder
        self.heads_config = heads
        self.dropout = nn.Dropout(heads.dropout)
        # From zero: at first the encoder is what it was.
        self.shapes = nn.Embedding(SHAPES, encoder.get_input_embeddings().embedding_dim)
        nn.init.zeros_(self.shapes.weight)
        self.entity_head = nn.Linear(hidden, len(scheme.entities))
        self.trigger_head = nn.Linear(hidden, len(scheme.triggers))
        entity_size = hidden + len(scheme.entities)
        trigger_size = hidden + len(scheme.triggers)
        self.relation_head = PairHead(
            hidden, entity_size, entity_size, heads, len(scheme.relations)
        )
        self.argument_head = PairHead(hidden, trigger_size, entity_size, heads, len(scheme.roles))
        # Added to the score of "none" of each head (`calibration`): what a head says, not what it
        # is known by to the pair heads, so it comes after them.
        self.register_buffer("none_shifts", torch.zeros(len(HEADS)))
        self.register_buffer(
            "entity_begins", torch.from_numpy(begin_mask(scheme.entities)), persistent=False
        )
        self.register_buffer(
            "trigger_begins", torch.from_numpy(begin_mask(scheme.triggers)), persistent=False
        )

    def encode(
        self, input_ids: Tensor, attention_mask: Tensor, word_shapes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return token states (B, L, H), entity logits (B, L, E), trigger logits (B, L, T)."""
        embedded = self.encoder.get_input_embeddings()(input_ids) + self.shapes(word_shapes)
        states = self.encoder(inputs_embeds=embedded, attention_mask=attention_mask)
        states = self.dropout(states.last_hidden_state)
        return states, self.entity_head(states).float(), self.trigger_head(states).float()

    def word_features(self, states: Tensor, logits: Tensor) -> Tensor:
        """What the pair heads see of a token: its state and what it seems to be."""
        return torch.cat((states, logits.softmax(-1).to(states.dtype)), dim=-1)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, word_shapes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Run the whole model on int64 (B, L) inputs; `word_shapes` is 0 but on first pieces.

        Returns entity_logits (B, L, E), trigger_logits (B, L, T); relation_pairs (P, 3) (int64:
        row, token of the head, token of the tail) with relation_logits (P, R); argument_pairs
        (Q, 3) (row, token of the trigger, token of the entity) with argument_logits (Q, A).
        """
        states, entity_logits, trigger_logits = self.encode(input_ids, attention_mask, word_shapes)
        entities = candidates(
            entity_logits, self.entity_begins, word_shapes, self.heads_config.entity_candidates
        )
        triggers = candidates(
            trigger_logits, self.trigger_begins, word_shapes, self.heads_config.trigger_candidates
        )
        relation_pairs = pairs_of(entities, entities, same_list=True)
        argument_pairs = pairs_of(triggers, entities, same_list=False)
        as_entity = self.word_features(states, entity_logits)
        as_trigger = self.word_features(states, trigger_logits)
        relation_logits = score_pairs(
            self.relation_head, states, (as_entity, as_entity), relation_pairs
        )
        argument_logits = score_pairs(
            self.argument_head, states, (as_trigger, as_entity), argument_pairs
        )
        entity, trigger, relation, argument = self.none_shifts.unbind()
        return (
            shifted(entity_logits, entity),
            shifted(trigger_logits, trigger),
            relation_pairs,
            shifted(relation_logits, relation),
            argument_pairs,
            shifted(argument_logits, argument),
        )


def flops_per_token(model: MessageModel) -> float:
    """Return the floating-point operations of a training step for each token of a batch.

    Six for each weight of the encoder that is multiplied (two forward, four backward; Kaplan et al.
    2020, arXiv:2001.08361); lookups, attention scores and the heads are left out, so that a
    utilisation computed from it is rather too low.
    """
    multiplied = sum(
        module.weight.numel() for module in model.encoder.modules() if isinstance(module, nn.Linear)
    )
    return 6.0 * multiplied


def shifted(logits: Tensor, by: Tensor) -> Tensor:
    """Return logits (..., C) with `by` added to class 0."""
    return torch.cat((logits[..., :1] + by, logits[..., 1:]), dim=-1)


def begin_scores(logits: Tensor, begins: Tensor, word_shapes: Tensor) -> Tensor:
    """Return (B, L): how likely a span begins at a token; -1 where no word begins."""
    probability = logits.softmax(-1) * begins.to(logits.dtype)
    return torch.where(word_shapes > 0, probability.sum(-1), -torch.ones_like(probability[..., 0]))


def candidates(logits: Tensor, begins: Tensor, word_shapes: Tensor, count: int) -> Tensor:
    """Return the positions (B, count) of the likeliest beginnings, -1 where there are fewer.

    A text may be shorter than `count`: the scores are padded, so that the count is static.
    """
    scores = begin_scores(logits, begins, word_shapes)
    padding = -torch.ones_like(scores[:, :1]).expand(-1, count)
    best, index = torch.cat((scores, padding), dim=1).topk(count, dim=1)
    return torch.where(best >= LEAST_BEGIN, index, -torch.ones_like(index))


def pairs_of(first: Tensor, second: Tensor, *, same_list: bool) -> Tensor:
    """Return (P, 3) row and positions of each pair of candidates (B, K1) and (B, K2).

    With `same_list` no word is paired with itself.
    """
    both = (first >= 0).unsqueeze(2) & (second >= 0).unsqueeze(1)
    if same_list:
        both = both & (first.unsqueeze(2) != second.unsqueeze(1))
    row, one, other = both.nonzero(as_tuple=True)
    return torch.stack((row, first[row, one], second[row, other]), dim=1)


def score_pairs(
    head: PairHead, states: Tensor, features: tuple[Tensor, Tensor], pairs: Tensor
) -> Tensor:
    """Return (P, classes) for `pairs` (P, 3) of rows and token positions.

    `features` (B, L, F) are those of the words that stand first, and second, in a pair.
    """
    row, first, second = pairs.unbind(1)
    sums = head.running_sums(states)
    return head(
        Word(features[0][row, first], first, sums[row, first], sums[row, first + 1]),
        Word(features[1][row, second], second, sums[row, second], sums[row, second + 1]),
    )
