"""`annotations` and `tokenized_dataset` as real runs, with checks that can fail."""

import json
from pathlib import Path

import dagster as dg
import pytest

from pax_assets.corpora.leaks import find_leaks
from pax_assets.defs.corpus.assets import annotations, label_sources, tokenized_dataset
from pax_assets.defs.resources import LakeResource
from pax_assets.lake.artifacts import ArtifactStore
from pax_assets.lake.commit import overwrite
from pax_assets.lake.schemas import SCHEMAS


def _line(number: int, split: str, group: str | None = None) -> str:
    text = f"Anna{number} from Norvex met Omar in Lisbon"
    return json.dumps(
        {
            "doc_id": f"d{number}",
            "text": text,
            "layers": ["entities"],
            "entities": [{"id": "e1", "start": 0, "end": text.index(" "), "type": "person"}],
            "split": split,
            "group": group or f"g{number}",
        }
    )


@pytest.fixture
def labels(tmp_path: Path, monkeypatch) -> Path:
    file = tmp_path / "labels.jsonl"
    lines = [_line(n, ("train", "train", "dev", "test")[n % 4]) for n in range(12)]
    file.write_text("\n".join(lines))
    monkeypatch.setenv("PAX_LABELS", str(file))
    return file


def _materialize(lake: str, *assets, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        list(assets),
        resources={"lake": LakeResource(root=lake, landing=f"{lake}/landing")},
        raise_on_error=raise_on_error,
    )


def _version(result: dg.ExecuteInProcessResult, asset) -> str:
    (event,) = result.asset_materializations_for_node(asset.op.name)
    return event.tags["dagster/data_version"]


def test_labels_become_a_corpus_and_a_dataset(lake, labels) -> None:
    result = _materialize(lake, annotations, tokenized_dataset)
    assert all(e.passed for e in result.get_asset_check_evaluations())
    dataset = ArtifactStore(lake).current("tokenized_dataset")
    assert _version(result, tokenized_dataset) == dataset.version
    summary = json.loads((dataset.path / "dataset.json").read_text())
    assert {k: v["documents"] for k, v in summary["counts"].items()} == {
        "train": 6,
        "dev": 3,
        "test": 3,
    }
    lineage = json.loads((dataset.path / "lineage.json").read_text())
    assert lineage["annotations"]["delta_version"] is not None


def test_equal_labels_give_equal_data_versions(lake, labels) -> None:
    first = _materialize(lake, annotations, tokenized_dataset)
    labels.write_text("\n".join(reversed(labels.read_text().splitlines())))
    second = _materialize(lake, annotations, tokenized_dataset)
    for asset in (annotations, tokenized_dataset):
        assert _version(first, asset) == _version(second, asset)


def test_a_changed_label_changes_every_data_version(lake, labels) -> None:
    first = _materialize(lake, annotations, tokenized_dataset)
    labels.write_text(labels.read_text().replace('"person"', '"staff"', 1))
    second = _materialize(lake, annotations, tokenized_dataset)
    for asset in (annotations, tokenized_dataset):
        assert _version(first, asset) != _version(second, asset)


def test_labels_that_do_not_fit_the_store_block_the_dataset(lake, labels) -> None:
    import pyarrow as pa

    row = dict.fromkeys(SCHEMAS["messages"].names)
    row |= {"message_id": "m1", "text": "other words", "arrival_day": "2026-01-05"}
    overwrite(lake, "messages", pa.Table.from_pylist([row], schema=SCHEMAS["messages"]))
    lines = labels.read_text().splitlines()
    lines[0] = json.dumps(json.loads(lines[0]) | {"message_id": "m1"})
    labels.write_text("\n".join(lines))
    result = _materialize(lake, annotations, tokenized_dataset, raise_on_error=False)
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert check.metadata["documents"].value == "d0"
    assert not result.asset_materializations_for_node("tokenized_dataset")


def test_a_leak_that_stands_in_the_files_is_found(lake, labels) -> None:
    import pyarrow.parquet as pq

    _materialize(lake, annotations, tokenized_dataset)
    folder = ArtifactStore(lake).current("tokenized_dataset").path
    assert find_leaks(folder) == []
    pq.write_table(pq.read_table(folder / "train.parquet"), folder / "test.parquet")
    assert "conversation g0 in train and test" in find_leaks(folder)


def test_a_message_that_two_documents_label_in_two_splits_is_found(lake, labels) -> None:
    _materialize(lake, annotations, tokenized_dataset)
    folder = ArtifactStore(lake).current("tokenized_dataset").path
    for split in ("train", "test"):
        gold = folder / f"{split}_gold.jsonl"
        first, *others = gold.read_text().splitlines()
        first = json.dumps(json.loads(first) | {"message_id": "m7"})
        gold.write_text("\n".join([first, *others]))
    assert find_leaks(folder) == ["message m7 in train and test"]


def test_observing_the_sources_reports_their_version(labels) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        versions = []
        for text in (labels.read_text(), labels.read_text(), _line(99, "train")):
            labels.write_text(text)
            job = dg.Definitions(assets=[label_sources]).resolve_implicit_global_asset_job_def()
            assert job.execute_in_process(instance=instance).success
            record = instance.get_latest_data_version_record(dg.AssetKey("label_sources"))
            versions.append(record.asset_event.tags["dagster/data_version"])
    assert versions[0] == versions[1] != versions[2]
