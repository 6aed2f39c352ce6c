"""Under test: batching around a model, with a model that is a table.

The stand-in calls each word an entity whose token id is even. It knows nothing of positions, so
whatever goes wrong in windows, padding or order shows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pax_assets.inference.pipeline import Pipeline
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp.labels import LabelScheme

SCHEME = LabelScheme(("O", "B-even", "I-even"), ("O",), ("none",), ("none",), 18, 4)


class TableModel:
    """Logits by token id; remembers the shapes of its inputs."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, int]] = []

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        ids = inputs["input_ids"]
        batch, _ = ids.shape
        self.shapes.append(ids.shape)
        even = (ids % 2 == 0)[..., None]
        nothing = np.full((batch, 2), -1)
        return {
            "entity_logits": np.where(even, [0.0, 9.0, 0.0], [9.0, 0.0, 0.0]),
            "trigger_logits": np.zeros((*ids.shape, 1)),
            "entity_index": nothing,
            "trigger_index": nothing,
            "relation_logits": np.zeros((batch, 2, 2, 1)),
            "argument_logits": np.zeros((batch, 2, 2, 1)),
        }


@pytest.fixture
def model() -> TableModel:
    return TableModel()


def pipeline(folder: Path, model: TableModel, batch_tokens: int = 4096) -> Pipeline:
    return Pipeline(TextTokenizer.load(folder), SCHEME, model, batch_tokens=batch_tokens)


def expected(folder: Path, text: str) -> list[str]:
    """The even words, straight from the tokenizer: only whole words are used in these texts."""
    [tokens] = TextTokenizer.load(folder).encode([text])
    return [
        text[start:end]
        for id_, start, end in zip(tokens.ids, tokens.starts, tokens.ends, strict=True)
        if id_ % 2 == 0
    ]


WORDS = ("anna", "ben", "carla", "acme", "berlin", "monday", "meet", "works", "hello", "please")


def texts() -> list[str]:
    random = np.random.default_rng(5)
    lengths = (3, 0, 40, 1, 100, 7, 16, 17, 2, 333)
    return [" ".join(random.choice(WORDS, size=length)) for length in lengths]


@pytest.mark.parametrize("batch_tokens", [1, 40, 4096])
@pytest.mark.parametrize("pool", [1, 7, 1024])
def test_answers_come_in_input_order_with_every_tail(
    toy_encoder: Path, model: TableModel, monkeypatch, batch_tokens: int, pool: int
):
    monkeypatch.setattr("pax_assets.inference.pipeline.POOL_WINDOWS", pool)
    found = pipeline(toy_encoder, model, batch_tokens).analyze(texts())
    assert [[e.text for e in analysis.entities] for analysis in found] == [
        expected(toy_encoder, text) for text in texts()
    ]


def test_a_batch_keeps_to_its_budget_of_tokens(toy_encoder: Path, model: TableModel):
    pipeline(toy_encoder, model, batch_tokens=60).analyze(texts())
    assert all(rows == 1 or rows * length <= 60 for rows, length in model.shapes)
    assert max(length for _, length in model.shapes) == SCHEME.max_length


def test_windows_of_like_length_share_a_batch(toy_encoder: Path, model: TableModel):
    pipeline(toy_encoder, model, batch_tokens=36).analyze(
        ["anna", "ben " * 16, "carla", "meet " * 16]
    )
    assert sorted(model.shapes) == [(2, 3), (2, 18)]


def test_nothing_in_nothing_out(toy_encoder: Path, model: TableModel):
    analyses = pipeline(toy_encoder, model).analyze(["", "  ", "\u200b"])
    assert [analysis.entities for analysis in analyses] == [(), (), ()]
    assert pipeline(toy_encoder, model).analyze([]) == []
