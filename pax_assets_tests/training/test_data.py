"""Under test: batches of like length, alike on every process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch  # noqa: TID253 - the room under test is torch's

from pax_assets.training.data import (
    DatasetError,
    collate,
    epoch_batches,
    load_windows,
    shard,
)

LENGTHS = np.random.default_rng(3).integers(3, 256, size=500).tolist()


def test_every_window_is_seen_once_in_an_epoch():
    batches = epoch_batches(LENGTHS, 1024, seed=1, epoch=2)
    assert sorted(index for batch in batches for index in batch) == list(range(500))


def test_little_of_a_batch_is_padding():
    batches = epoch_batches(LENGTHS, 1024, seed=1, epoch=2)
    padded = sum(len(batch) * max(LENGTHS[i] for i in batch) for batch in batches)
    assert padded < 1.12 * sum(LENGTHS)


def test_batches_keep_to_the_budget_and_the_longest_comes_first():
    batches = epoch_batches(LENGTHS, 1024, seed=1, epoch=2)
    sizes = [len(batch) * max(LENGTHS[i] for i in batch) for batch in batches]
    assert max(sizes) <= 1024
    assert max(LENGTHS[i] for i in batches[0]) == max(LENGTHS)


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed: int, epoch: int) -> list[list[int]]:
        return epoch_batches(LENGTHS, 512, seed=seed, epoch=epoch)

    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2)
    assert order(1, 1) != order(2, 1)


def test_a_window_longer_than_the_budget_still_gets_its_batch():
    assert sorted(map(len, epoch_batches([300, 300, 5], 100, seed=0, epoch=0))) == [1, 1, 1]


def test_processes_share_a_batch_without_overlap(toy_dataset: Path):
    windows = load_windows(toy_dataset / "train.parquet")
    batches = epoch_batches([len(w) for w in windows], 128, seed=0, epoch=0, rows_at_least=3)
    shards = [list(shard(windows, batches, rank, 3, pad=0)) for rank in range(3)]
    assert len({len(parts) for parts in shards}) == 1
    for step, batch in enumerate(batches):
        rows = sum(int(parts[step].has_entities.sum()) for parts in shards)
        assert rows == len(batch)


def test_a_process_without_a_row_gets_one_without_labels(toy_dataset: Path):
    windows = load_windows(toy_dataset / "train.parquet")
    [empty] = shard(windows, [[0]], rank=1, world=2, pad=0)
    assert (empty.entity_labels == -100).all()
    assert not empty.has_entities.any()
    assert len(empty.relations) == 0


def test_padding_carries_no_label_and_pairs_know_their_row(toy_dataset: Path):
    windows = load_windows(toy_dataset / "train.parquet")
    with_relation = next(w for w in windows if len(w.relations))
    shortest = min(windows, key=len)
    batch = collate([shortest, with_relation], pad=0)
    beyond = torch.arange(batch.input_ids.shape[1]) >= len(shortest)
    assert (batch.entity_labels[0][beyond] == -100).all()
    assert not batch.attention_mask[0][beyond].any()
    assert not batch.word_shapes[0][beyond].any()
    assert batch.relations[:, 0].tolist() == [0] * len(shortest.relations) + [1]


def test_a_missing_part_of_the_dataset_is_named(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"train\.parquet does not exist"):
        load_windows(tmp_path / "train.parquet")


def test_a_dataset_of_another_version_is_refused_with_what_to_do(toy_dataset: Path, tmp_path: Path):
    table = pq.read_table(toy_dataset / "train.parquet").drop_columns(["silent_roles"])
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(DatasetError, match=r"no column silent_roles.*materialize tokenized_data"):
        load_windows(tmp_path / "train.parquet")


def test_a_cut_file_is_refused_with_what_to_do(toy_dataset: Path, tmp_path: Path):
    whole = (toy_dataset / "train.parquet").read_bytes()
    (tmp_path / "train.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"no whole Parquet file.*materialize tokenized_dataset"):
        load_windows(tmp_path / "train.parquet")
