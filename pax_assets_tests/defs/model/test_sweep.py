"""A sweep as real trainings on a toy corpus: results, failures, what is missing, and the table."""

import json
from pathlib import Path

import dagster as dg
import pytest

from pax_assets.defs.model import sweep as sweep_room
from pax_assets.defs.model.sweep import EXPERIMENT, RESULTS, SWEEP, UNREADABLE
from pax_assets.defs.resources import LakeResource
from pax_assets.lake.artifacts import ArtifactStore
from pax_assets.recipes import read_sweep
from pax_assets.settings import load_settings
from pax_assets_tests.toy_model import write_toy_encoder

SWEEP_FILE = """
[base]
epochs = 1
batch_tokens = 256
encoder_rate = 2e-3
head_rate = 3e-3
encoder_dropout = 0.0
[configurations.plain]
[configurations.longer]
epochs = 4
[configurations.impossible]
encoder_rate = 1e30
"""


class Sweep:
    """Trains configurations by name, and compares."""

    def __init__(self, materialize, lake: str) -> None:
        self._materialize = materialize
        self.lake = LakeResource(root=lake, landing=lake)

    @property
    def keys(self) -> dict[str, str]:
        return {one.name: one.key for one in read_sweep(load_settings())}

    @property
    def missing(self) -> list[str]:
        return [one.name for one in sweep_room.missing(self.lake)]

    def train(self, name: str) -> dg.ExecuteInProcessResult:
        return self._materialize(
            *sweep_room.sweep().assets, selection=[SWEEP], partition_key=self.keys[name]
        )

    def compare(self) -> dict:
        result = self._materialize(*sweep_room.sweep().assets, selection=[RESULTS])
        (event,) = result.asset_materializations_for_node(RESULTS)
        return {name: value.value for name, value in event.metadata.items()}


@pytest.fixture
def sweep(materialize, toy_lake, tmp_path, monkeypatch) -> Sweep:
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP_FILE)
    monkeypatch.setenv("PAX_SWEEP", str(file))
    return Sweep(materialize, toy_lake)


def _rows(table: str) -> dict[str, dict[str, str]]:
    head, _, *lines = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()
    )
    return {line[0]: dict(zip(head, line, strict=True)) for line in lines if line[0]}


def test_configurations_are_trained_compared_and_those_that_are_missing_named(
    sweep, tracking
) -> None:
    assert sweep.missing == ["plain", "longer", "impossible"]
    assert sweep.train("plain").success
    assert sweep.missing == ["longer", "impossible"]  # what a killed sweep goes on with
    failed = sweep.train("impossible")
    assert not failed.success
    assert sweep.train("longer").success
    shown = sweep.compare()
    rows = _rows(shown["results"])
    assert list(rows) == ["longer (best)", "plain", "impossible"]
    assert shown["best"] == "longer"
    best = rows["longer (best)"]
    assert best["epochs"] == "4"
    assert float(best["mean"]) > float(rows["plain"]["mean"])
    assert rows["impossible"]["mean"] == "failed"
    assert shown["failed"].startswith("impossible: DivergedError: training diverged in epoch 1")
    assert shown["missing"] == "none"
    assert shown["chart"].startswith("![")
    client = tracking.client()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert {name: run.info.status for name, run in runs.items()} == {
        "plain": "FINISHED",
        "longer": "FINISHED",
        "impossible": "FAILED",
    }
    assert runs["longer"].data.params["epochs"] == "4"
    assert runs["longer"].data.tags["sweep"] == "sweep"
    assert f"{runs['longer'].data.metrics['dev_mean_f1']:.4f}" == best["mean"]
    assert not any("test" in name for name in runs["longer"].data.metrics)
    assert "DivergedError" in runs["impossible"].data.tags["failed"]


def test_scores_on_another_dataset_are_no_results(sweep, tmp_path) -> None:
    store = ArtifactStore(sweep.lake.root)
    dataset = store.current("tokenized_dataset")
    (tmp_path / "result.json").write_text(
        json.dumps(
            {
                "dataset_version": dataset.version,
                "dev": dict.fromkeys(("entity", "event", "argument", "relation"), 0.5),
                "mean": 0.5,
                "best_epoch": 1,
                "seconds": 2.0,
            }
        )
    )
    folder = tmp_path / "result"
    folder.mkdir()
    (tmp_path / "result.json").rename(folder / "result.json")
    store.publish(f"{SWEEP}/{sweep.keys['plain']}", folder)
    assert sweep.missing == ["longer", "impossible"]
    other = tmp_path / "other"
    other.mkdir()
    for file in dataset.path.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    (other / "dev_gold.jsonl").write_text((other / "dev_gold.jsonl").read_text() + "\n")
    store.publish("tokenized_dataset", other)
    assert sweep.missing == ["plain", "longer", "impossible"]
    assert sweep.compare()["best"] == "none"


def test_a_changed_configuration_is_missing_again(sweep, monkeypatch, tmp_path) -> None:
    before = sweep.keys
    (tmp_path / "sweep.toml").write_text(SWEEP_FILE.replace("epochs = 4", "epochs = 5"))
    assert before["plain"] == sweep.keys["plain"]
    assert before["longer"] != sweep.keys["longer"]


def test_an_encoder_with_another_tokenizer_gets_the_same_documents_in_its_own_tokens(
    toy_dataset, tmp_path
) -> None:
    other = write_toy_encoder(tmp_path / "other")
    tokenizer = other / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace("[unused]", "") + "\n")
    made = sweep_room.dataset_for(toy_dataset, str(other), tmp_path / "dataset")
    assert made == tmp_path / "dataset"
    for split in ("train", "dev", "test"):
        name = f"{split}_gold.jsonl"
        assert (made / name).read_text() == (toy_dataset / name).read_text()
    assert (made / "tokenizer.json").read_bytes() == tokenizer.read_bytes()


def test_the_dataset_itself_is_used_for_its_own_encoder(toy_dataset, toy_encoder, tmp_path) -> None:
    assert sweep_room.dataset_for(toy_dataset, str(toy_encoder), tmp_path / "d") == toy_dataset
    assert not Path(tmp_path / "d").exists()


def test_a_sweep_that_cannot_be_read_breaks_nothing_but_itself(
    materialize, monkeypatch, tmp_path
) -> None:
    file = tmp_path / "broken.toml"
    file.write_text("[configurations.a]\nepoch = 3\n")
    monkeypatch.setenv("PAX_SWEEP", str(file))
    result = materialize(*sweep_room.sweep().assets, selection=[SWEEP], partition_key=UNREADABLE)
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    message = failed.step_failure_data.error.cause.message
    assert f"{file}, a: unknown field 'epoch'" in message
