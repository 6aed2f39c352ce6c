"""The hyperparameters of a training, without torch: whoever checks a recipe need not load it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

_MOST_EPOCHS = 1000
_SHARES = ("warm_up", "encoder_dropout", "head_dropout", "hidden_tokens")
_AMOUNTS = (
    *("patience", "encoder_rate", "head_rate", "weight_decay", "seed"),
    *("entity_weight", "trigger_weight", "relation_weight", "argument_weight"),
)


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters; `batch_tokens` counts the batch of all processes together.

    `hidden_tokens` is the share of tokens that are hidden from the encoder in each step, as in its
    pretraining, so that a name is also learnt from what stands around it. After `patience` epochs
    without a better mean dev F1 training stops (0: never); the learning rate still falls as if it
    went on. `accumulate` parts of a batch are computed one after another, for a device that does
    not hold a whole one: they give the whole batch's step, and each is looked at once more before.
    Raises `ValueError`, naming the field, for what no training can be told.
    """

    epochs: int = 8
    patience: int = 0
    batch_tokens: int = 1024
    accumulate: int = 1
    encoder_rate: float = 3e-4
    head_rate: float = 1e-3
    warm_up: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    freeze_embeddings: bool = True
    encoder_dropout: float = 0.1
    head_dropout: float = 0.1
    hidden_tokens: float = 0.0
    entity_weight: float = 1.0
    trigger_weight: float = 4.0
    relation_weight: float = 3.0
    argument_weight: float = 1.0
    seed: int = 13

    def __post_init__(self) -> None:
        for names, holds, expected in (
            (("epochs", "batch_tokens", "accumulate"), lambda v: v >= 1, "1 or more"),
            (_SHARES, lambda v: 0 <= v < 1, "at least 0 and under 1"),
            (_AMOUNTS, lambda v: v >= 0, "0 or more"),
            (("clip",), lambda v: v > 0, "more than 0"),
            (("epochs",), lambda v: v <= _MOST_EPOCHS, f"at most {_MOST_EPOCHS}"),
        ):
            for name in names:
                if not holds(getattr(self, name)):
                    raise ValueError(f"{name} is {getattr(self, name)}, expected {expected}")

    def to_dict(self) -> dict[str, float | int | bool]:
        """Return the hyperparameters by name."""
        return asdict(self)
