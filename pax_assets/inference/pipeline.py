"""Texts in, analyses out, around any function that runs the model.

Batching is where answers get lost: texts come back in another order, a long text is cut, or an
answer depends on its neighbours. The pipeline keeps input order, windows long texts, and puts
windows of like length together under a token budget. Training evaluates through this pipeline
with torch, the service runs it with ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp.decoding import TextDecoder, WindowScores
from pax_assets.nlp.documents import Analysis
from pax_assets.nlp.labels import LabelScheme
from pax_assets.nlp.windows import Tokens, Window, split_windows

INPUTS = ("input_ids", "attention_mask", "word_shapes")
OUTPUTS = (
    "entity_logits",
    "trigger_logits",
    "entity_index",
    "trigger_index",
    "relation_logits",
    "argument_logits",
)
# Tokens of a batch, padding included: past some thousand, larger batches gain nothing on a CPU
# and cost memory.
BATCH_TOKENS = 4096
# Windows that wait for a batch of like length. More of them pad less and hold more memory.
POOL_WINDOWS = 1024

Forward = Callable[[dict[str, np.ndarray]], Mapping[str, np.ndarray]]


@dataclass(slots=True)
class _Text:
    """A text on its way: its decoder and how many of its windows are still to come."""

    decoder: TextDecoder
    waiting: int


@dataclass(frozen=True, slots=True)
class _Task:
    """One window of one text."""

    text: int
    window: Window
    ids: np.ndarray
    shapes: np.ndarray


class Pipeline:
    """Tokenize, window, batch, run, decode."""

    def __init__(
        self,
        tokenizer: TextTokenizer,
        scheme: LabelScheme,
        forward: Forward,
        *,
        batch_tokens: int = BATCH_TOKENS,
    ) -> None:
        """`forward` maps `INPUTS`, int64 (B, L), to `OUTPUTS` (see `nlp.decoding`), with B."""
        self.tokenizer = tokenizer
        self.scheme = scheme
        self._forward = forward
        self._batch_tokens = batch_tokens

    def analyze(self, texts: Sequence[str]) -> list[Analysis]:
        """Return one Analysis for each text, in order; an empty text has an empty one."""
        results = [Analysis() for _ in texts]
        texts_under_way: dict[int, _Text] = {}
        pool: list[_Task] = []
        for index, tokens in enumerate(self.tokenizer.encode(texts)):
            windows = self._windows(tokens)
            if not windows:
                continue
            decoder = TextDecoder(tokens, self.scheme, len(self.tokenizer.prefix))
            texts_under_way[index] = _Text(decoder, len(windows))
            for window in windows:
                pool.append(self._task(index, tokens, window))
                if len(pool) == POOL_WINDOWS:
                    self._drain(pool, texts_under_way, results, texts)
        self._drain(pool, texts_under_way, results, texts)
        return results

    def _windows(self, tokens: Tokens) -> list[Window]:
        body = self.scheme.max_length - self.tokenizer.specials
        return split_windows(len(tokens), body, self.scheme.stride)

    def _task(self, text: int, tokens: Tokens, window: Window) -> _Task:
        prefix, suffix = self.tokenizer.prefix, self.tokenizer.suffix
        piece = slice(window.start, window.end)
        ids = np.concatenate((prefix, tokens.ids[piece], suffix)).astype(np.int64)
        shapes = np.zeros(len(ids), dtype=np.int64)
        shapes[len(prefix) : len(ids) - len(suffix)] = tokens.shapes[piece]
        return _Task(text, window, ids, shapes)

    def _drain(
        self,
        pool: list[_Task],
        under_way: dict[int, _Text],
        results: list[Analysis],
        texts: Sequence[str],
    ) -> None:
        """Run every window of the pool and decode the texts that are then complete."""
        for batch in batches(pool, self._batch_tokens):
            outputs = self._forward(pad(batch, self.tokenizer.pad))
            for row, task in enumerate(batch):
                text = under_way[task.text]
                text.decoder.add(task.window, _row_scores(outputs, row, len(task.ids)))
                text.waiting -= 1
                if not text.waiting:
                    results[task.text] = text.decoder.analysis(texts[task.text])
                    del under_way[task.text]
        pool.clear()


def batches(tasks: Sequence[_Task], batch_tokens: int) -> Iterator[list[_Task]]:
    """Group tasks of like length so that rows x longest stays within `batch_tokens`."""
    batch: list[_Task] = []
    for task in sorted(tasks, key=lambda task: len(task.ids)):
        if batch and (len(batch) + 1) * len(task.ids) > batch_tokens:
            yield batch
            batch = []
        batch.append(task)
    if batch:
        yield batch


def pad(batch: Sequence[_Task], pad_id: int) -> dict[str, np.ndarray]:
    """Return the model's inputs for a batch, int64 (B, longest)."""
    length = max(len(task.ids) for task in batch)
    ids = np.full((len(batch), length), pad_id, dtype=np.int64)
    attention = np.zeros_like(ids)
    shapes = np.zeros_like(ids)
    for row, task in enumerate(batch):
        ids[row, : len(task.ids)] = task.ids
        attention[row, : len(task.ids)] = 1
        shapes[row, : len(task.ids)] = task.shapes
    return dict(zip(INPUTS, (ids, attention, shapes), strict=True))


def _row_scores(outputs: Mapping[str, np.ndarray], row: int, length: int) -> WindowScores:
    return WindowScores(
        outputs["entity_logits"][row, :length],
        outputs["trigger_logits"][row, :length],
        outputs["entity_index"][row],
        outputs["trigger_index"][row],
        outputs["relation_logits"][row],
        outputs["argument_logits"][row],
    )
