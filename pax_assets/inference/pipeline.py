"""Texts in, analyses out, around any function that runs the model.

Batching is where answers get lost: texts come back in another order, a long text is cut, or an
answer depends on its neighbours. The pipeline keeps input order, windows long texts, and puts
windows of like length together under a token budget. Training evaluates through this pipeline
with torch, the service runs it with ONNX Runtime.

What it does for a text costs a small share of the model, because it does it for many texts at
once: a run of texts is one array of tokens, from the tokenizer to the spans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np

from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp.decoding import Pairs, decode
from pax_assets.nlp.documents import Analysis
from pax_assets.nlp.labels import LabelScheme
from pax_assets.nlp.windows import TokenizedTexts, split_windows

INPUTS = ("input_ids", "attention_mask", "word_shapes")
OUTPUTS = (
    "entity_logits",
    "trigger_logits",
    "relation_pairs",
    "relation_logits",
    "argument_pairs",
    "argument_logits",
)
# Tokens of a batch, padding included: larger batches gain nothing on a CPU and cost memory.
BATCH_TOKENS = 1024
# Padding that a batch may hold. Another batch costs about as much as this many tokens.
PAD_TOKENS = 64

Forward = Callable[[dict[str, np.ndarray]], Mapping[str, np.ndarray]]


@dataclass(frozen=True, slots=True)
class _Windows:
    """The windows of a run of texts, int64 (M,) each, in tokens of the run.

    A window has the tokens `[start, start + length)`, and answers for the words (counted through
    all texts) `[first_word, last_word)`.
    """

    start: np.ndarray
    length: np.ndarray
    first_word: np.ndarray
    last_word: np.ndarray


class _Inputs:
    """Memory for the inputs of one batch after the other; it grows with the largest."""

    def __init__(self) -> None:
        self._flat = np.empty((len(INPUTS), BATCH_TOKENS), dtype=np.int64)

    def of(self, rows: int, longest: int) -> tuple[np.ndarray, ...]:
        """Return an int64 (rows, longest) for each of `INPUTS`, with whatever was in them."""
        size = rows * longest
        if size > self._flat.shape[1]:
            self._flat = np.empty((len(INPUTS), size), dtype=np.int64)
        return tuple(flat[:size].reshape(rows, longest) for flat in self._flat)


class Pipeline:
    """Tokenize, window, batch, run, decode."""

    def __init__(
        self,
        tokenizer: TextTokenizer,
        scheme: LabelScheme,
        forward: Forward,
        *,
        batch_tokens: int = BATCH_TOKENS,
        pad_tokens: int = PAD_TOKENS,
    ) -> None:
        """`forward` maps `INPUTS`, int64 (B, L), to `OUTPUTS` (see `training.model`).

        The inputs are buffers that the next batch is written into: it must not keep them.
        """
        self.tokenizer = tokenizer
        self.scheme = scheme
        self._forward = forward
        self._batch_tokens = batch_tokens
        self._pad_tokens = pad_tokens
        # As many as there are calls at once.
        self._free: SimpleQueue[_Inputs] = SimpleQueue()

    def analyze(self, texts: Sequence[str]) -> list[Analysis]:
        """Return one Analysis for each text, in order; an empty text has an empty one.

        Equal texts are analysed once: an answer does not depend on the batch.
        """
        different = list(dict.fromkeys(texts))
        analyses = [
            analysis
            for run, tokenized in self.tokenizer.encode_together(different)
            for analysis in self._analyzed(run, tokenized)
        ]
        if len(different) == len(texts):
            return analyses
        found = dict(zip(different, analyses, strict=True))
        return [found[text] for text in texts]

    def _analyzed(self, texts: Sequence[str], tokenized: TokenizedTexts) -> list[Analysis]:
        tokens = tokenized.tokens
        first_pieces = np.flatnonzero(tokens.first_pieces)
        word_of = np.full(len(tokens), -1, dtype=np.int64)
        word_of[first_pieces] = np.arange(len(first_pieces))
        scheme, words = self.scheme, len(first_pieces)
        entity_logits = np.zeros((words, len(scheme.entities)), dtype=np.float32)
        trigger_logits = np.zeros((words, len(scheme.triggers)), dtype=np.float32)
        relations, arguments = [_no_pairs(scheme.relations)], [_no_pairs(scheme.roles)]
        windows = self._windows(tokenized, first_pieces)
        lengths_in_batch = windows.length + self.tokenizer.specials
        with self._buffers() as buffers:
            for batch in batches(lengths_in_batch, self._batch_tokens, self._pad_tokens):
                starts, lengths = windows.start[batch], windows.length[batch]
                outputs = self._forward(self._inputs(buffers, tokenized, starts, lengths))
                row, word = _ranges(windows.first_word[batch], windows.last_word[batch])
                column = first_pieces[word] - starts[row] + len(self.tokenizer.prefix)
                entity_logits[word] = outputs["entity_logits"][row, column]
                trigger_logits[word] = outputs["trigger_logits"][row, column]
                for name, found in (("relation", relations), ("argument", arguments)):
                    pairs = outputs[f"{name}_pairs"]
                    if len(pairs):
                        placed = self._placed(pairs, starts, lengths, word_of)
                        known = (placed >= 0).all(axis=1)
                        found.append(Pairs(placed[known], outputs[f"{name}_logits"][known]))
        pairs = (_joined(relations), _joined(arguments))
        return decode(texts, tokenized, scheme, (entity_logits, trigger_logits), pairs)

    def _windows(self, tokenized: TokenizedTexts, first_pieces: np.ndarray) -> _Windows:
        body = self.scheme.max_length - self.tokenizer.specials
        begins, lengths = tokenized.bounds[:-1], np.diff(tokenized.bounds)
        short = np.flatnonzero((lengths > 0) & (lengths <= body))
        # Rows of start, end, and the range of tokens for which the window answers.
        bounds = np.stack((begins, begins + lengths) * 2, axis=1)[short]
        cut = [
            (begin + w.start, begin + w.end, begin + w.own_start, begin + w.own_end)
            for begin, length in zip(
                begins[lengths > body].tolist(), lengths[lengths > body].tolist(), strict=True
            )
            for w in split_windows(length, body, self.scheme.stride)
        ]
        if cut:
            bounds = np.concatenate((bounds, np.array(cut, dtype=np.int64)))
        words = np.searchsorted(first_pieces, bounds[:, 2:])
        return _Windows(bounds[:, 0], bounds[:, 1] - bounds[:, 0], words[:, 0], words[:, 1])

    @contextmanager
    def _buffers(self) -> Iterator[_Inputs]:
        """Lend buffers to a call. They are kept here and not by thread: an engine's come and go."""
        try:
            buffers = self._free.get_nowait()
        except Empty:
            buffers = _Inputs()
        try:
            yield buffers
        finally:
            self._free.put(buffers)

    def _inputs(
        self, buffers: _Inputs, tokenized: TokenizedTexts, starts: np.ndarray, lengths: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Fill the model's inputs with a batch of windows, int64 (B, longest)."""
        prefix, suffix = self.tokenizer.prefix, self.tokenizer.suffix
        rows, longest = len(starts), int(lengths.max()) + self.tokenizer.specials
        ids, attention, shapes = buffers.of(rows, longest)
        ids.fill(self.tokenizer.pad)
        shapes.fill(0)
        row, token = _ranges(starts, starts + lengths)
        column = token - starts[row] + len(prefix)
        ids[row, column] = tokenized.tokens.ids[token]
        shapes[row, column] = tokenized.tokens.shapes[token]
        ids[:, : len(prefix)] = prefix
        for place, special in enumerate(suffix):
            ids[np.arange(rows), len(prefix) + lengths + place] = special
        ends = (lengths + self.tokenizer.specials)[:, None]
        np.less(np.arange(longest), ends, out=attention, casting="unsafe")
        return dict(zip(INPUTS, (ids, attention, shapes), strict=True))

    def _placed(
        self, pairs: np.ndarray, starts: np.ndarray, lengths: np.ndarray, word_of: np.ndarray
    ) -> np.ndarray:
        """Map pairs (P, 3) of a row and two tokens to words of the run (P, 2), -1 where none."""
        row = pairs[:, :1]
        inside = pairs[:, 1:] - len(self.tokenizer.prefix)
        valid = (inside >= 0) & (inside < lengths[row])
        return np.where(valid, word_of[np.where(valid, inside + starts[row], 0)], -1)


def batches(lengths: np.ndarray, batch_tokens: int, pad_tokens: int) -> Iterator[np.ndarray]:
    """Yield the places of windows of like length that go together, the longest first.

    Rows x longest stay within `batch_tokens` (but for one long window), and what the shorter rows
    of a batch are padded with within `pad_tokens`.
    """
    order = np.argsort(-lengths, kind="stable")
    ordered = lengths[order].tolist()
    begin = padding = 0
    for place, length in enumerate(ordered):
        longest = ordered[begin]
        padding += longest - length
        if padding > pad_tokens or (place + 1 - begin) * longest > batch_tokens:
            if place > begin:
                yield order[begin:place]
            begin, padding = place, 0
    if begin < len(ordered):
        yield order[begin:]


def _ranges(begins: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the range, and the value, of each value in ranges (N,), one by one."""
    sizes = ends - begins
    row = np.repeat(np.arange(len(sizes)), sizes)
    before = np.cumsum(sizes) - sizes
    return row, np.arange(len(row)) + (begins - before)[row]


def _no_pairs(classes: Sequence[str]) -> Pairs:
    return Pairs(np.zeros((0, 2), dtype=np.int64), np.zeros((0, len(classes)), dtype=np.float32))


def _joined(pairs: Sequence[Pairs]) -> Pairs:
    return Pairs(
        np.concatenate([one.words for one in pairs]), np.concatenate([one.logits for one in pairs])
    )
