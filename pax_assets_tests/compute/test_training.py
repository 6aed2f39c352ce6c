"""Where trainings run is a setting; on this machine it is a process, as it always was."""

import json

import dagster as dg
import pytest

from pax_assets.compute.training import TrainingPlace, remote_training, run_training, training_place
from pax_assets.compute.training_options import OptionsError
from pax_assets.settings import load_settings

KUBERNETES = {
    "PAX_TRAIN_TARGET": "kubernetes",
    "PAX_TRAIN_IMAGE": "registry.example/pax-train:0.1.0",
    "PAX_PIPES": "s3://bucket/pipes",
    "PAX_TRAIN_NODES": "2",
    "PAX_TRAIN_PROCESSES": "8",
    "PAX_TRAIN_OPTIONS": '{"node_selector": {"pool": "gpu"}}',
}
SAGEMAKER = {
    "PAX_TRAIN_TARGET": "sagemaker",
    "PAX_TRAIN_IMAGE": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/pax-train:0.1.0",
    "PAX_TRAIN_INSTANCE": "ml.g6.xlarge",
    "PAX_TRAIN_ROLE": "arn:aws:iam::123456789012:role/pax-training",
    "PAX_PIPES": "s3://bucket/pipes",
    "PAX_TRAIN_SPOT": "true",
}


def test_on_this_machine_the_payload_gets_its_folders_and_arguments(tmp_path, monkeypatch) -> None:
    (tmp_path / "payload_under_test.py").write_text(
        "import json, os, sys\n"
        "from dagster_pipes import open_dagster_pipes\n"
        "with open_dagster_pipes() as pipes:\n"
        "    given = {'arguments': sys.argv[1:], 'world': os.environ['WORLD_SIZE']}\n"
        "    pipes.report_custom_message({'kind': 'given', 'extras': pipes.extras, **given})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("pax_assets.compute.training.PAYLOAD", "payload_under_test")
    heard = []

    @dg.asset
    def model(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        run_training(
            context,
            TrainingPlace(),
            tmp_path / "dataset",
            tmp_path / "model",
            checkpoint=tmp_path / "checkpoint",
            arguments=["--encoder=minilm", "--epochs=2"],
            extras={"lineage": {"a": 1}},
            on_message=heard.append,
        )
        return dg.MaterializeResult()

    assert dg.materialize([model]).success
    (given,) = heard
    assert given["arguments"] == [
        f"--dataset={tmp_path}/dataset",
        f"--output={tmp_path}/model",
        f"--checkpoint={tmp_path}/checkpoint",
        "--encoder=minilm",
        "--epochs=2",
    ]
    assert (given["world"], given["extras"]) == ("1", {"lineage": {"a": 1}})


@pytest.mark.parametrize("variables", [KUBERNETES, SAGEMAKER], ids=["kubernetes", "sagemaker"])
def test_the_settings_name_the_place(variables, monkeypatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    place = training_place(load_settings())
    assert place.target == variables["PAX_TRAIN_TARGET"]
    assert place.image == variables["PAX_TRAIN_IMAGE"]
    assert place.nodes == int(variables.get("PAX_TRAIN_NODES", "1"))
    assert place.options == json.loads(variables.get("PAX_TRAIN_OPTIONS", "{}"))
    # Nothing is reached for before a training is asked for.
    assert remote_training(place)


def test_options_are_checked_wherever_they_come_from() -> None:
    with pytest.raises(OptionsError, match="gpus: there is no such option here, but gpu, cpu"):
        remote_training(TrainingPlace("kubernetes", options={"gpus": 8}))
