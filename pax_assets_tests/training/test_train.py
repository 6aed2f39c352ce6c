"""Under test: training end to end on the toy corpus, on one process and on two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch  # noqa: TID253 - the room under test is torch's

from pax_assets.corpora.formats import jsonl
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp import metrics
from pax_assets.training import artifact
from pax_assets.training.artifact import ModelArtifactError
from pax_assets.training.evaluation import score, torch_pipeline
from pax_assets.training.train import main
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.model_fixtures import TOY_RECIPE


def test_the_artifact_has_every_file_and_no_pickle(toy_model: Path):
    assert {path.name for path in toy_model.iterdir()} == {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "labels.json",
        "lineage.json",
        "metrics.json",
        "MODEL_CARD.md",
    }


def test_the_toy_corpus_is_learnt_by_every_head(toy_model: Path):
    result = json.loads((toy_model / "metrics.json").read_text())
    assert min(metrics.head_f1(result["test"]).values()) > 0.95
    assert [entry["epoch"] for entry in result["epochs"]] == list(range(1, 11))
    assert result["epochs"][-1]["train_loss"] < 0.2 * result["epochs"][0]["train_loss"]
    assert set(result["test"]["types"]["entity"]) == {"org", "person", "place", "time"}
    assert result["test"]["confusion"]["entity"]["labels"][-1] == "none"


def test_lineage_says_how_the_model_came_about(toy_model: Path):
    lineage = json.loads((toy_model / "lineage.json").read_text())
    assert lineage["seed"] == 13
    assert lineage["torch"] == torch.__version__
    assert (lineage["device"], lineage["processes"]) == ("cpu", 1)


def test_a_loaded_artifact_scores_what_its_metrics_say(toy_model: Path, toy_dataset: Path):
    model, scheme = artifact.load(toy_model)
    gold = list(jsonl.read(toy_dataset / "dev_gold.jsonl"))
    found = score(torch_pipeline(model, TextTokenizer.load(toy_model), scheme), gold)
    said = json.loads((toy_model / "metrics.json").read_text())["dev"]
    assert metrics.head_f1(found) == metrics.head_f1(said)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "is no model artifact"),
        ("{}", "is no model artifact"),
        ('{"architecture": "other-9"}', "holds a 'other-9', this version reads"),
    ],
)
def test_a_folder_that_is_no_artifact_is_refused(tmp_path: Path, content, complaint):
    if content:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelArtifactError, match=complaint):
        artifact.load(tmp_path)


def torchrun(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc_per_node={processes}", "-m", "pax_assets.training.train"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, timeout=200
    )


def test_two_processes_learn_what_one_learns(toy_encoder: Path, toy_dataset: Path, tmp_path: Path):
    """Same global batch, losses divided by its count: the loss curves are nearly one."""
    histories = []
    for processes in (1, 2):
        output = tmp_path / f"model-{processes}"
        arguments = [
            f"--dataset={toy_dataset}",
            f"--output={output}",
            f"--encoder={toy_encoder}",
            *TOY_RECIPE[1:],
            "--epochs=3",
            "--head-dropout=0",
        ]
        if processes == 1:
            main(arguments)
        else:
            done = torchrun(processes, *arguments)
            assert done.returncode == 0, done.stderr
            assert done.stderr.count("epoch 3/3 loss=") == 1
        metrics_file = json.loads((output / "metrics.json").read_text())
        histories.append([entry["train_loss"] for entry in metrics_file["epochs"]])
        assert json.loads((output / "lineage.json").read_text())["processes"] == processes
    assert histories[0] == pytest.approx(histories[1], rel=1e-3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dataset": "nowhere"}, "LabelSchemeError: "),
        ({"encoder": "/no/such"}, "EncoderError: encoder '/no/such': no such folder"),
        ({"lineage": "none.json"}, "FileNotFoundError: "),
    ],
)
def test_what_is_wrong_with_the_command_line_is_a_sentence(
    toy_encoder: Path, toy_dataset: Path, tmp_path: Path, change, said
):
    given = {"dataset": str(toy_dataset), "encoder": str(toy_encoder), "output": "model", **change}
    command = [sys.executable, "-m", "pax_assets.training.train"]
    command += [f"--{name}={value}" for name, value in given.items()]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
