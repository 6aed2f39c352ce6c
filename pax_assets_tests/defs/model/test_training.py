"""Training and export as real runs, on a toy model: seconds instead of minutes."""

import json
import shutil
from pathlib import Path

from pax_assets.compute import payload
from pax_assets.defs.model import gate, training
from pax_assets.defs.model.export import VARIANTS, onnx_model, onnx_variants
from pax_assets.defs.model.gate import HEADS
from pax_assets.defs.model.registry import MODEL_NAME
from pax_assets.defs.model.training import message_model
from pax_assets.defs.resources import LakeResource
from pax_assets.lake.artifacts import ArtifactStore


def test_a_training_is_logged_registered_and_published(
    toy_lake, tracking, materialize, monkeypatch
) -> None:
    monkeypatch.setattr(gate, "QUALITY_FLOOR", dict.fromkeys(HEADS, 0.0))
    result = materialize(message_model)
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
    dev = json.loads((model.path / "metrics.json").read_text())["dev"]
    assert run.data.metrics["dev_entity_f1"] == round(dev["entity"]["f1"], 4)
    challenger = client.get_model_version_by_alias(MODEL_NAME, "challenger")
    assert challenger.tags["data_version"] == model.version
    assert challenger.tags["dagster_run_id"] == result.run_id
    assert challenger.tags["data_version.annotations.delta_version"] == "3"
    assert challenger.tags["git_commit"]
    assert challenger.tags["licences"] == "not stated"


def test_a_model_under_its_floor_blocks_and_the_run_says_so(
    toy_lake, tracking, materialize, monkeypatch
) -> None:
    monkeypatch.setattr(gate, "QUALITY_FLOOR", dict.fromkeys(HEADS, 1.01))
    result = materialize(message_model, onnx_model)
    assert not result.success
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("quality_floor", False)
    assert not result.asset_materializations_for_node("onnx_model")


def test_each_variant_is_an_asset_with_the_numbers_that_it_is_chosen_by(
    toy_lake, toy_model, toy_onnx, materialize, monkeypatch
) -> None:
    ArtifactStore(toy_lake).publish("message_model", toy_model)

    def exported(context, module: str, arguments: list[str], **more) -> None:
        given = dict(argument.removeprefix("--").split("=", 1) for argument in arguments)
        shutil.copytree(toy_onnx, given["output"])

    monkeypatch.setattr(payload, "run_payload", exported)
    result = materialize(onnx_model, *onnx_variants, selection=["onnx_model"])
    assert result.success
    report = json.loads((toy_onnx / "report.json").read_text())
    events = {
        "/".join(event.asset_key.path): event.metadata
        for event in result.asset_materializations_for_node("onnx_model")
    }
    assert events.keys() == {"onnx_model", *(f"onnx_model/{name}" for name in report["variants"])}
    assert report["variants"].keys() <= VARIANTS.keys()
    for name, row in report["variants"].items():
        numbers = {key: value.value for key, value in events[f"onnx_model/{name}"].items()}
        assert numbers["megabytes"] == row["bytes"] / 1e6
        assert numbers["messages_a_second"] == row["messages_s"]
        assert {f"{score}_f1": row["f1"][score] for score in gate.SCORES}.items() <= numbers.items()
    table = events["onnx_model"]["variants"].value
    assert "| argument F1 |" in table


def test_a_training_that_dies_ends_its_mlflow_run_as_failed(
    toy_lake, toy_encoder, tracking, materialize, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("PAX_ENCODER", str(toy_encoder))
    (tmp_path / "wild.toml").write_text("encoder_rate = 1e30\n")
    monkeypatch.setenv("PAX_RECIPE", str(tmp_path / "wild.toml"))
    result = materialize(message_model)
    assert not result.success
    experiment = tracking.client().get_experiment_by_name("pax")
    (newest, *_) = tracking.client().search_runs([experiment.experiment_id], max_results=1)
    assert newest.info.status == "FAILED"
    said = [str(event.event_specific_data) for event in result.all_events if event.is_step_failure]
    assert "training diverged in epoch 1" in said[0]


def test_an_encoder_that_is_not_there_is_named_before_anything_starts(
    toy_lake, materialize, monkeypatch
) -> None:
    monkeypatch.setenv("PAX_ENCODER", "/nowhere/encoder")
    result = materialize(message_model)
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    said = failed.step_failure_data.error.cause.message
    assert "PAX_ENCODER is '/nowhere/encoder', which is no folder" in said


def test_a_retry_finds_the_checkpoint_of_the_training_that_was_killed(
    toy_lake, materialize, monkeypatch, tmp_path
) -> None:
    given: list[Path] = []

    def killed(context, dataset, output, checkpoint, *others, **options):
        given.append(checkpoint)
        raise RuntimeError("killed")

    monkeypatch.setattr(training, "train_message_model", killed)
    for _ in range(2):
        assert not materialize(message_model).success
    first, second = given
    assert first == second
    here = LakeResource(root=toy_lake, landing=toy_lake)
    other = LakeResource(root=str(tmp_path), landing=toy_lake)
    assert here.scratch("a") != other.scratch("a")


def test_a_recipe_reaches_the_training_and_is_kept_with_the_model(
    toy_lake, toy_encoder, tracking, materialize, monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr(gate, "QUALITY_FLOOR", dict.fromkeys(HEADS, 0.0))
    recipe = tmp_path / "quick.toml"
    recipe.write_text("epochs = 1\nhidden_tokens = 0.2\nfreeze_embeddings = false\n")
    monkeypatch.setenv("PAX_RECIPE", str(recipe))
    result = materialize(message_model)
    assert result.success
    model = ArtifactStore(toy_lake).current("message_model").path
    used = json.loads((model / "metrics.json").read_text())["recipe"]
    assert (used["epochs"], used["hidden_tokens"], used["freeze_embeddings"]) == (1, 0.2, False)
    run_id = json.loads((model / "lineage.json").read_text())["mlflow_run_id"]
    run = tracking.client().get_run(run_id)
    assert run.data.params["hidden_tokens"] == "0.2"
    assert run.data.params["encoder"] == str(toy_encoder)
    assert run.data.tags["recipe"] == "quick"


def test_token_ids_of_another_encoder_are_not_trained_on(materialize, monkeypatch) -> None:
    """They would be other words to it, and nothing else would notice."""
    monkeypatch.setenv("PAX_ENCODER", "minilm")
    result = materialize(message_model)
    assert not result.success
    errors = [str(e.event_specific_data) for e in result.all_events if e.is_step_failure]
    assert "materialize tokenized_dataset again" in errors[0]
