"""Training, export and release as real runs, on a toy model: seconds instead of minutes."""

import json
import shutil
from pathlib import Path

import dagster as dg
import pytest

from pax_assets.defs.model import assets as model_assets
from pax_assets.defs.model.assets import message_model, onnx_model, released_model
from pax_assets.defs.model.tracking import MODEL_NAME, MlflowResource
from pax_assets.defs.resources import LakeResource
from pax_assets.lake.artifacts import ArtifactStore
from pax_assets_tests.bentos.lookup_model import make_of_former_version


@pytest.fixture(scope="module")
def tracking(tmp_path_factory) -> MlflowResource:
    folder = tmp_path_factory.mktemp("mlflow")
    return MlflowResource(
        tracking_uri=f"sqlite:///{folder}/mlflow.db",
        artifact_location=(folder / "artifacts").as_uri(),
    )


@pytest.fixture
def toy_lake(lake, toy_dataset, toy_encoder, tmp_path, monkeypatch) -> str:
    """A lake whose dataset is the toy corpus, and settings that train its encoder shortly."""
    folder = tmp_path / "dataset"
    shutil.copytree(toy_dataset, folder)
    (folder / "lineage.json").write_text(json.dumps({"annotations": {"delta_version": 3}}))
    ArtifactStore(lake).publish("tokenized_dataset", folder)
    monkeypatch.setenv("PAX_ENCODER", str(toy_encoder))
    monkeypatch.setenv("PAX_EPOCHS", "2")
    return lake


def _materialize(lake: str, tracking: MlflowResource, *assets) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        list(assets),
        resources={"lake": LakeResource(root=lake, landing=lake), "mlflow": tracking},
        raise_on_error=False,
    )


def _publish_onnx(lake: str, onnx: Path, tmp_path: Path, version: str, **f1: float) -> None:
    """Publish the toy graph as model `version`, with these F1s on the present dev set."""
    folder = tmp_path / version
    shutil.copytree(onnx, folder)
    report = json.loads((folder / "report.json").read_text())
    report["recommended"] = "fp32"
    report["variants"]["fp32"]["f1"] |= f1
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "lineage.json").write_text(json.dumps({"model_version": version}))
    labels = folder / "fp32" / "model.onnx"
    labels.write_bytes(labels.read_bytes() + b"")
    (folder / "marker.onnx").write_text(version)  # another content, another version
    ArtifactStore(lake).publish("onnx_model", folder, model_assets.ONNX_IDENTITY)


def _release(lake: str) -> dict:
    return json.loads(
        (ArtifactStore(lake).current("released_model").path / "release.json").read_text()
    )


def test_a_training_is_logged_registered_and_published(toy_lake, tracking, monkeypatch) -> None:
    monkeypatch.setattr(model_assets, "QUALITY_FLOOR", dict.fromkeys(model_assets.HEADS, 0.0))
    result = _materialize(toy_lake, tracking, message_model)
    assert result.success
    (event,) = result.asset_materializations_for_node("message_model")
    model = ArtifactStore(toy_lake).current("message_model")
    assert event.tags["dagster/data_version"] == model.version
    assert {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "labels.json",
        "lineage.json",
    } <= {file.name for file in model.path.iterdir()}
    lineage = json.loads((model.path / "lineage.json").read_text())
    assert lineage["dagster_run_id"] == result.run_id
    assert lineage["data_versions"]["annotations.delta_version"] == "3"
    assert event.metadata["loss_curve"].value.startswith("![")
    client = tracking.client()
    run = client.get_run(lineage["mlflow_run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.params["epochs"] == "2"
    assert len(client.get_metric_history(run.info.run_id, "dev_entity_f1")) >= 2
    challenger = client.get_model_version_by_alias(MODEL_NAME, "challenger")
    assert challenger.tags["data_version"] == model.version


def test_a_model_under_its_floor_blocks_and_the_run_says_so(
    toy_lake, tracking, monkeypatch
) -> None:
    monkeypatch.setattr(model_assets, "QUALITY_FLOOR", dict.fromkeys(model_assets.HEADS, 1.01))
    result = _materialize(toy_lake, tracking, message_model, onnx_model)
    assert not result.success
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("quality_floor", False)
    assert not result.asset_materializations_for_node("onnx_model")


def test_a_training_that_dies_ends_its_mlflow_run_as_failed(
    toy_lake, tracking, monkeypatch
) -> None:
    monkeypatch.setenv("PAX_ENCODER", "/nowhere/encoder")
    result = _materialize(toy_lake, tracking, message_model)
    assert not result.success
    experiment = tracking.client().get_experiment_by_name("pax")
    (newest, *_) = tracking.client().search_runs([experiment.experiment_id], max_results=1)
    assert newest.info.status == "FAILED"
    assert "/nowhere/encoder" in str(result.all_events[-3:]) or any(
        "/nowhere/encoder" in str(e.event_specific_data) for e in result.all_events
    )


def test_a_retry_finds_the_checkpoint_of_the_training_that_was_killed(
    toy_lake, tracking, monkeypatch, tmp_path
) -> None:
    given: list[list[str]] = []

    def killed(context, module, arguments, **options):
        given.append(arguments)
        raise RuntimeError("killed")

    monkeypatch.setattr("pax_assets.compute.payload.run_payload", killed)
    for _ in range(2):
        assert not _materialize(toy_lake, tracking, message_model).success
    first, second = (
        {option for option in arguments if option.startswith("--checkpoint=")}
        for arguments in given
    )
    assert first == second != set()
    here = LakeResource(root=toy_lake, landing=toy_lake)
    other = LakeResource(root=str(tmp_path), landing=toy_lake)
    assert here.scratch("a") != other.scratch("a")


def test_the_first_model_is_released(toy_lake, toy_onnx, tracking, tmp_path) -> None:
    _publish_onnx(toy_lake, toy_onnx, tmp_path, "one", entity=0.9, event=0.8, relation=0.7)
    assert _materialize(toy_lake, tracking, released_model).success
    assert _release(toy_lake)["model_version"] == "one"


def test_a_model_that_lost_a_head_is_refused_and_the_champion_stays(
    toy_lake, toy_onnx, tracking, tmp_path
) -> None:
    _publish_onnx(toy_lake, toy_onnx, tmp_path, "one", entity=0.9, event=0.8, relation=0.7)
    _materialize(toy_lake, tracking, released_model)
    _publish_onnx(toy_lake, toy_onnx, tmp_path, "two", entity=0.99, event=0.79, relation=0.9)
    result = _materialize(toy_lake, tracking, released_model)
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert "event" in check.metadata["regressed"].value
    assert _release(toy_lake)["model_version"] == "one"


def test_a_champion_is_measured_again_when_the_dev_set_changed(
    toy_lake, toy_onnx, tracking, tmp_path
) -> None:
    """Its old scores (1.0) would refuse every challenger; on the new dev set it does worse."""
    _publish_onnx(toy_lake, toy_onnx, tmp_path, "one", entity=1.0, event=1.0, relation=1.0)
    _materialize(toy_lake, tracking, released_model)
    folder = tmp_path / "relabelled"
    shutil.copytree(ArtifactStore(toy_lake).current("tokenized_dataset").path, folder)
    gold = (folder / "dev_gold.jsonl").read_text()
    (folder / "dev_gold.jsonl").write_text(gold.replace('"type": "person"', '"type": "staff"'))
    ArtifactStore(toy_lake).publish("tokenized_dataset", folder)
    _publish_onnx(toy_lake, toy_onnx, tmp_path, "two", entity=0.99, event=1.0, relation=0.99)
    result = _materialize(toy_lake, tracking, released_model)
    (check,) = result.get_asset_check_evaluations()
    assert check.passed, check.metadata
    assert _release(toy_lake)["model_version"] == "two"


def test_a_champion_of_a_former_version_that_cannot_be_opened_gives_way(
    toy_lake, toy_onnx, tracking, tmp_path
) -> None:
    former = tmp_path / "former"
    shutil.copytree(toy_onnx, former)
    make_of_former_version(former / "fp32" / "model.onnx")
    _publish_onnx(toy_lake, former, tmp_path, "one", entity=1.0, event=1.0, relation=1.0)
    _materialize(toy_lake, tracking, released_model)
    folder = tmp_path / "tokenized_anew"
    shutil.copytree(ArtifactStore(toy_lake).current("tokenized_dataset").path, folder)
    (folder / "dev_gold.jsonl").write_text((folder / "dev_gold.jsonl").read_text() + "\n")
    ArtifactStore(toy_lake).publish("tokenized_dataset", folder)
    _publish_onnx(toy_lake, toy_onnx, tmp_path, "two", entity=0.9, event=0.9, relation=0.9)
    assert _materialize(toy_lake, tracking, released_model).success
    assert _release(toy_lake)["model_version"] == "two"
