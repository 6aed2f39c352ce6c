"""Under test: batching around a model, with a model that is a table.

The stand-in calls each word an entity whose token id is even, and relates each of them to the
next one, if that is near. It knows nothing of positions, so whatever goes wrong in windows, padding
or order shows.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax_assets.inference.pipeline import INPUTS, Pipeline, batches
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp.labels import LabelScheme

SCHEME = LabelScheme(("O", "B-even", "I-even"), ("O",), ("none", "next"), ("none",), 18, 4)


class TableModel:
    """Logits by token id; remembers its inputs."""

    def __init__(self) -> None:
        self.inputs: list[dict[str, np.ndarray]] = []

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [inputs["input_ids"].shape for inputs in self.inputs]

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        # The pipeline writes the next batch into the same buffers.
        self.inputs.append({name: value.copy() for name, value in inputs.items()})
        ids = inputs["input_ids"]
        even = ids % 2 == 0
        pairs = [
            (row, first, second)
            for row, is_entity in enumerate(even & (inputs["word_shapes"] > 0))
            for first, second in pairwise(np.flatnonzero(is_entity))
            if second - first <= SCHEME.stride
        ]
        return {
            "entity_logits": np.where(even[..., None], [0.0, 9.0, 0.0], [9.0, 0.0, 0.0]),
            "trigger_logits": np.zeros((*ids.shape, 1)),
            "relation_pairs": np.array(pairs, dtype=np.int64).reshape(-1, 3),
            "relation_logits": np.tile([0.0, 5.0], (len(pairs), 1)),
            # What no pipeline may take for a pair: special tokens, and padding.
            "argument_pairs": np.array([[0, 0, ids.shape[1] - 1]], dtype=np.int64),
            "argument_logits": np.zeros((1, 1)),
        }


@pytest.fixture
def model() -> TableModel:
    return TableModel()


def pipeline(
    folder: Path, model: TableModel, batch_tokens: int = 4096, pad_tokens: int = 64
) -> Pipeline:
    return Pipeline(
        TextTokenizer.load(folder),
        SCHEME,
        model,
        batch_tokens=batch_tokens,
        pad_tokens=pad_tokens,
    )


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
@pytest.mark.parametrize("pad_tokens", [0, 5, 4096])
@pytest.mark.parametrize("chunk", [1, 60, 200_000])
def test_answers_come_in_input_order_with_every_tail(
    toy_encoder: Path,
    model: TableModel,
    monkeypatch,
    batch_tokens: int,
    pad_tokens: int,
    chunk: int,
):
    monkeypatch.setattr("pax_assets.inference.tokenization.CHUNK_CHARACTERS", chunk)
    found = pipeline(toy_encoder, model, batch_tokens, pad_tokens).analyze(texts())
    assert [[e.text for e in analysis.entities] for analysis in found] == [
        expected(toy_encoder, text) for text in texts()
    ]


@pytest.mark.parametrize("batch_tokens", [1, 40, 4096])
def test_pairs_of_all_windows_lead_to_the_words_of_their_text_and_count_once(
    toy_encoder: Path, model: TableModel, batch_tokens: int
):
    found = pipeline(toy_encoder, model, batch_tokens).analyze(texts())
    assert len(model.shapes) > 1 or batch_tokens == 4096
    related = 0
    for text, analysis in zip(texts(), found, strict=True):
        [tokens] = TextTokenizer.load(toy_encoder).encode([text])
        even = np.flatnonzero(tokens.ids % 2 == 0).tolist()
        # As far apart as windows overlap, two words lie in one window at least.
        wanted = [
            (f"e{number}", f"e{number + 1}")
            for number, (first, second) in enumerate(pairwise(even), start=1)
            if second - first <= SCHEME.stride
        ]
        assert [(r.head, r.tail) for r in analysis.relations] == wanted
        related += len(wanted)
    assert related > 100


def test_special_tokens_and_padding_stand_where_the_model_expects_them(
    toy_encoder: Path, model: TableModel
):
    tokenizer = TextTokenizer.load(toy_encoder)
    pipeline(toy_encoder, model, pad_tokens=4096).analyze(["meet", "anna ben carla"])
    [inputs] = model.inputs
    assert set(inputs) == set(INPUTS)
    assert all(array.dtype == np.int64 for array in inputs.values())
    [long, short] = (tokens.ids.tolist() for tokens in tokenizer.encode(["anna ben carla", "meet"]))
    [cls], [sep], pad = tokenizer.prefix, tokenizer.suffix, tokenizer.pad
    assert inputs["input_ids"].tolist() == [[cls, *long, sep], [cls, *short, sep, pad, pad]]
    assert inputs["attention_mask"].tolist() == [[1] * 5, [1, 1, 1, 0, 0]]
    assert (inputs["word_shapes"] > 0).tolist() == [[0, 1, 1, 1, 0], [0, 1, 0, 0, 0]]


def test_a_batch_keeps_to_its_budget_of_tokens_and_of_padding(toy_encoder: Path, model: TableModel):
    pipeline(toy_encoder, model, batch_tokens=60, pad_tokens=7).analyze(texts())
    assert all(rows == 1 or rows * length <= 60 for rows, length in model.shapes)
    assert max(length for _, length in model.shapes) == SCHEME.max_length
    assert all((inputs["attention_mask"] == 0).sum() <= 7 for inputs in model.inputs)


def test_windows_of_like_length_share_a_batch(toy_encoder: Path, model: TableModel):
    pipeline(toy_encoder, model, batch_tokens=36, pad_tokens=1).analyze(
        ["anna", "ben " * 16, "carla", "meet " * 16]
    )
    assert sorted(model.shapes) == [(2, 3), (2, 18)]


def test_batches_share_buffers_and_calls_at_once_do_not(toy_encoder: Path, model: TableModel):
    lent: list[np.ndarray] = []

    def forward(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        lent.append(inputs["input_ids"])
        return model(inputs)

    line = pipeline(toy_encoder, forward, batch_tokens=60, pad_tokens=7)
    line.analyze(texts())
    assert len(lent) > 2
    assert all(np.shares_memory(one, lent[0]) for one in lent)
    # A call that is under way keeps its own: here the second begins within the first.
    inner: list[np.ndarray] = []

    def nested(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        inner.append(inputs["input_ids"])
        if len(inner) == 1:
            other.analyze(["anna ben"])
        return model(inputs)

    other = pipeline(toy_encoder, nested)
    other.analyze(["carla"])
    assert not np.shares_memory(inner[0], inner[1])


def test_equal_texts_are_looked_at_once_and_answered_each(toy_encoder: Path, model: TableModel):
    given = ["anna ben", "carla", "anna ben", "", "anna ben", ""]
    found = pipeline(toy_encoder, model).analyze(given)
    assert sum(rows for rows, _ in model.shapes) == 2
    assert found == [pipeline(toy_encoder, TableModel()).analyze([text])[0] for text in given]


@given(
    lengths=st.lists(st.integers(1, 40), max_size=40),
    batch_tokens=st.integers(1, 120),
    pad_tokens=st.integers(0, 60),
)
def test_every_window_is_in_one_batch_and_no_batch_is_over_its_budget(
    lengths, batch_tokens, pad_tokens
):
    found = list(batches(np.array(lengths, dtype=np.int64), batch_tokens, pad_tokens))
    assert sorted(place for batch in found for place in batch.tolist()) == list(range(len(lengths)))
    for batch in found:
        own = [lengths[place] for place in batch]
        assert own == sorted(own, reverse=True)
        assert len(own) == 1 or len(own) * own[0] <= batch_tokens
        assert sum(own[0] - length for length in own) <= pad_tokens


def test_nothing_in_nothing_out(toy_encoder: Path, model: TableModel):
    analyses = pipeline(toy_encoder, model).analyze(["", "  ", "\u200b"])
    assert [analysis.entities for analysis in analyses] == [(), (), ()]
    assert pipeline(toy_encoder, model).analyze([]) == []
