"""The data feed: windows from Parquet, in batches of like length.

Padding is computed like any token. Batches of mixed lengths spend half of a CPU's time on it;
here windows of like length share a batch, and a batch has about the same number of tokens
whatever their length. The order is a function of seed and epoch alone, on every process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from pax_assets.corpora.alignment import IGNORED
from pax_assets.corpora.coverage import SILENT
from pax_assets.training.losses import Batch

# How much windows' lengths are blurred before sorting, so that batches differ between epochs.
LENGTH_JITTER = 0.05


_TOKENS = ("input_ids", "word_shapes", "entity_labels", "trigger_labels")


class DatasetError(ValueError):
    """A tokenized dataset that cannot be read; the message names the file."""


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """One row of the dataset, as arrays (L,) and pair arrays (N, 3).

    `word_shapes` are above 0 on the first pieces of words (`nlp.shapes`). `silent` are the labels
    of each head, (N,), of which the row says nothing.
    """

    input_ids: np.ndarray
    word_shapes: np.ndarray
    entity_labels: np.ndarray
    trigger_labels: np.ndarray
    relations: np.ndarray
    arguments: np.ndarray
    has_entities: bool
    has_events: bool
    has_relations: bool
    silent: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

    def __len__(self) -> int:
        return len(self.input_ids)


def load_windows(path: Path) -> list[LabelledWindow]:
    """Read `{train,dev,test}.parquet` of a tokenized dataset."""
    if not path.is_file():
        raise DatasetError(f"{path} does not exist: materialize tokenized_dataset first")
    try:
        table = pq.read_table(path).combine_chunks()
    except pa.ArrowException as error:
        raise DatasetError(
            f"{path} is no whole Parquet file ({error}): materialize tokenized_dataset again"
        ) from error
    if lacking := {*_TOKENS, *SILENT} - set(table.column_names):
        raise DatasetError(
            f"{path} has no column {min(lacking)}, so another version of PAX wrote it: "
            "materialize tokenized_dataset again"
        )
    if not table.num_rows:
        return []
    columns = [_lists(table[name]) for name in _TOKENS]
    columns += [_pairs(table["relations"], ("head", "tail", "type"))]
    columns += [_pairs(table["arguments"], ("trigger", "entity", "role"))]
    flags = [table[name].to_pylist() for name in ("has_entities", "has_events", "has_relations")]
    silent = zip(*(_lists(table[name]) for name in SILENT), strict=True)
    return [LabelledWindow(*row) for row in zip(*columns, *flags, silent, strict=True)]


def _lists(column: pa.ChunkedArray) -> list[np.ndarray]:
    """Return the lists of a column as views of one array."""
    lists = column.combine_chunks()
    values = lists.flatten().to_numpy(zero_copy_only=False)
    return np.split(values, np.cumsum(lists.value_lengths().to_numpy())[:-1])


def _pairs(column: pa.ChunkedArray, names: tuple[str, str, str]) -> list[np.ndarray]:
    lists = column.combine_chunks()
    values = lists.flatten()
    flat = np.stack([values.field(name).to_numpy() for name in names], axis=1).astype(np.int64)
    return np.split(flat, np.cumsum(lists.value_lengths().to_numpy())[:-1])


def epoch_batches(
    lengths: Sequence[int], batch_tokens: int, *, seed: int, epoch: int, rows_at_least: int = 1
) -> list[list[int]]:
    """Group window numbers into batches of about `batch_tokens` tokens, in a shuffled order.

    The first batch is the one with the longest windows: if memory does not suffice, the run
    fails in its first second. A batch has at least `rows_at_least` rows where enough are left.
    """
    random = np.random.default_rng((seed, epoch))
    blurred = np.array(lengths) * random.uniform(1 - LENGTH_JITTER, 1 + LENGTH_JITTER, len(lengths))
    batches: list[list[int]] = []
    batch: list[int] = []
    longest = 0
    for index in np.argsort(-blurred, kind="stable"):
        longest = max(longest, lengths[index])
        if len(batch) >= rows_at_least and (len(batch) + 1) * longest > batch_tokens:
            batches.append(batch)
            batch, longest = [], lengths[index]
        batch.append(int(index))
    if batch:
        batches.append(batch)
    rest = batches[1:]
    random.shuffle(rest)
    return batches[:1] + rest


def collate(windows: Sequence[LabelledWindow], pad: int) -> Batch:
    """Pad windows to the longest and return them as tensors."""
    rows, length = len(windows), max(len(window) for window in windows)
    ids = np.full((rows, length), pad, dtype=np.int64)
    attention = np.zeros((rows, length), dtype=np.int64)
    shapes = np.zeros((rows, length), dtype=np.int64)
    entities = np.full((rows, length), IGNORED, dtype=np.int64)
    triggers = np.full((rows, length), IGNORED, dtype=np.int64)
    for row, window in enumerate(windows):
        size = len(window)
        ids[row, :size] = window.input_ids
        attention[row, :size] = 1
        shapes[row, :size] = window.word_shapes
        entities[row, :size] = window.entity_labels
        triggers[row, :size] = window.trigger_labels
    return Batch(
        *(torch.from_numpy(array) for array in (ids, attention, shapes, entities, triggers)),
        _with_rows([window.relations for window in windows]),
        _with_rows([window.arguments for window in windows]),
        torch.tensor([window.has_entities for window in windows]),
        torch.tensor([window.has_events for window in windows]),
        torch.tensor([window.has_relations for window in windows]),
        *(
            _with_rows([labels[:, None] for labels in head])
            for head in zip(*(window.silent for window in windows), strict=True)
        ),
    )


def _with_rows(blocks: Sequence[np.ndarray]) -> torch.Tensor:
    """Return (N, 1 + n): blocks (N, n) below one another, each with its number before."""
    blocks = [np.insert(block, 0, row, axis=1) for row, block in enumerate(blocks)]
    return torch.from_numpy(np.concatenate(blocks).astype(np.int64))


def shard(
    windows: Sequence[LabelledWindow], batches: list[list[int]], rank: int, world: int, pad: int
) -> Iterator[Batch]:
    """Yield this process's part of every batch.

    All processes together see each batch once; one that has no row of a small batch gets a
    window without labels, so that all of them take the same number of steps.
    """
    for batch in batches:
        mine = [windows[index] for index in batch[rank::world]]
        yield collate(mine, pad) if mine else _unlabelled(collate([windows[batch[0]]], pad))


def _unlabelled(batch: Batch) -> Batch:
    return replace(
        batch,
        entity_labels=torch.full_like(batch.entity_labels, IGNORED),
        trigger_labels=torch.full_like(batch.trigger_labels, IGNORED),
        relations=batch.relations[:0],
        arguments=batch.arguments[:0],
        has_entities=torch.zeros_like(batch.has_entities),
        has_events=torch.zeros_like(batch.has_events),
        has_relations=torch.zeros_like(batch.has_relations),
    )
