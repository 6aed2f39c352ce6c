"""Under test: a released model becomes a Bento that is named after its content and answers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from pax_assets.compute import bento as bento_module
from pax_assets.compute.bento import (
    BentoError,
    ask_bento,
    bentoml_environment,
    build_bento,
    current_bento,
    labels_of,
)
from pax_assets_tests.bentos.lookup_model import write_lookup_artifact
from pax_assets_tests.compute.conftest import Bentos

SEEN_FROM_INSIDE = """
import json, sys
import bentoml
from starlette.testclient import TestClient
service = bentoml.load(sys.argv[1], standalone_load=True)
before = sorted({name.split(".")[0] for name in sys.modules})
with TestClient(service.to_asgi(is_main=True)) as client:
    client.post("/v1/analyze", json={"messages": [{"text": "Anna"}]}).raise_for_status()
ours = ("pax_assets", "bentos")
print(json.dumps({
    "before": before,
    "after": sorted({name.split(".")[0] for name in sys.modules}),
    "files": [m.__file__ for n, m in sys.modules.items() if n.split(".")[0] in ours],
}))
"""


@pytest.fixture(scope="module")
def inside(bentos: Bentos) -> dict[str, list[str]]:
    """What a process that serves the Bento has imported."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", SEEN_FROM_INSIDE, bentos.first.path],
        env=bentoml_environment(Path(bentos.first.home)),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_the_bento_answers_a_golden_request(bentos: Bentos) -> None:
    answer = ask_bento(bentos.first, ["Anna meets Ben 😀", "nobody"])
    assert answer["model_version"] == "model-one"
    assert [len(r["entities"]) for r in answer["results"]] == [2, 0]
    assert [e["type"] for e in answer["results"][0]["events"]] == ["meeting"]


def test_serving_imports_no_training_and_no_orchestration(inside: dict[str, list[str]]) -> None:
    heavy = {"torch", "transformers", "pyspark", "dagster", "mlflow", "pandas", "deltalake"}
    assert not heavy & set(inside["after"])
    assert "onnxruntime" in inside["after"]


def test_the_supervisor_that_only_imports_the_service_needs_no_runtime(
    inside: dict[str, list[str]],
) -> None:
    assert not {"onnxruntime", "tokenizers"} & set(inside["before"])


def test_the_bento_serves_its_own_copy_of_the_code(
    bentos: Bentos, inside: dict[str, list[str]]
) -> None:
    assert inside["files"]
    assert all(file.startswith(bentos.first.path) for file in inside["files"])


def test_the_bento_holds_only_what_serving_needs(bentos: Bentos) -> None:
    source = Path(bentos.first.path) / "src"
    assert {p.name for p in (source / "pax_assets").iterdir()} == {
        "__init__.py",
        "inference",
        "nlp",
    }
    names = {p.name for p in (source / "bentos/message_intelligence").iterdir()}
    assert {"service.py", "release.json"} <= names
    assert not {"build.py", "ask.py", "serve.py"} & names
    models = Path(bentos.first.home) / "models/message_intelligence_model"
    assert sorted(p.name for p in models.glob("*/*")) == sorted(
        ["fp32", "int8", *["labels.json", "model.yaml", "tokenizer.json"] * 2]
    )


def test_its_packages_are_pinned_to_what_was_tested(bentos: Bentos) -> None:
    text = (Path(bentos.first.path) / "env/python/requirements.txt").read_text()
    for package in ("bentoml", "numpy", "onnxruntime", "pydantic", "tokenizers"):
        assert f"{package}=={version(package)}\n" in text
    assert "torch" not in text


def test_what_runs_the_model_is_pinned_too(
    bentos: Bentos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = dict.fromkeys((*bento_module.PACKAGES, "openvino", "onnxruntime-gpu"), "1.0")
    del installed["onnxruntime"]

    def told(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(bento_module, "version", told)
    assert bento_module._packages("fp32", "cuda") == bento_module._packages("fp16", "tensorrt")
    assert "onnxruntime-gpu==1.0" in bento_module._packages("fp32", "cuda")
    assert "openvino==1.0" not in bento_module._packages("int8", "cpu")
    for variant, provider in (("bf16", "cpu"), ("fp32", "openvino"), ("bf16", "openvino")):
        assert bento_module._packages(variant, provider).count("openvino==1.0") == 1
    del installed["openvino"]
    with pytest.raises(BentoError, match="openvino is not installed here"):
        build_bento(bentos.artifact, "fp32", {"model_version": "m"}, tmp_path, provider="openvino")


def test_its_labels_tell_its_lineage(bentos: Bentos) -> None:
    assert bentos.first.labels == {
        "model_version": "model-one",
        "variant": "fp32",
        "dagster_run_id": "a-b",
        "data_versions.annotations": "d" * 63,
        "metrics.entity_f1": "0.91",
    }


def test_the_bento_built_last_is_the_current_one(bentos: Bentos) -> None:
    assert current_bento(Path(bentos.first.home)) == bentos.first
    assert current_bento(bentos.lake) is None


def test_building_the_same_again_finds_the_same_bento(bentos: Bentos, tmp_path: Path) -> None:
    yaml = Path(bentos.first.path) / "bento.yaml"
    before = yaml.stat().st_mtime_ns
    # The same content from another run: another folder, other records beside the model.
    again = write_lookup_artifact(tmp_path / "onnx")
    (again / "report.json").write_text('{"latency_ms": 7}')
    lineage = {"model_version": "model-one", "dagster_run_id": "another"}
    built = build_bento(again, "fp32", lineage, Path(bentos.first.home))
    assert built == bentos.first
    assert yaml.stat().st_mtime_ns == before


def test_other_code_makes_another_version(
    bentos: Bentos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    for room in bento_module.ROOMS:
        shutil.copytree(bento_module._PROJECT / room, project / room)
    (project / "pax_assets/nlp/new.py").write_text('"""New."""\n')
    monkeypatch.setattr(bento_module, "_PROJECT", project)
    built = build_bento(bentos.artifact, "fp32", {"model_version": "model-one"}, tmp_path / "home")
    assert built.version != bentos.first.version
    assert built.version.startswith("model-one-")


@pytest.mark.parametrize(
    ("variant", "lineage", "sentence"),
    [
        ("fp16", {"model_version": "m"}, "holds no fp16/model.onnx"),
        ("fp32", {}, "names no model_version"),
    ],
)
def test_what_cannot_be_built_says_why(
    bentos: Bentos, tmp_path: Path, variant: str, lineage: dict[str, str], sentence: str
) -> None:
    with pytest.raises(BentoError, match=sentence):
        build_bento(bentos.artifact, variant, lineage, tmp_path)


def test_a_model_that_does_not_load_fails_the_golden_request(
    bentos: Bentos, tmp_path: Path
) -> None:
    broken = shutil.copytree(bentos.artifact, tmp_path / "onnx")
    (broken / "fp32/model.onnx").write_bytes(b"no model")
    built = build_bento(broken, "fp32", {"model_version": "broken"}, tmp_path / "home")
    with pytest.raises(BentoError, match="cannot be loaded"):
        ask_bento(built, ["Anna"])


@pytest.mark.parametrize(
    ("lineage", "labels"),
    [
        ({"a": "b c/d"}, {"a": "b-c-d"}),
        ({"a": {"b": {"c": 1}}}, {"a.b.c": "1"}),
        ({"a": "-x-"}, {"a": "x"}),
        ({"a": "", "b": None, "c": ["x"], "d": "é"}, {}),
        ({"k" * 80: "v" * 80}, {"k" * 63: "v" * 63}),
        ({"f1": 0.5, "ok": True}, {"f1": "0.5", "ok": "True"}),
    ],
)
def test_labels_are_what_kubernetes_accepts(
    lineage: dict[str, object], labels: dict[str, str]
) -> None:
    assert labels_of(lineage) == labels


def test_the_orchestrator_imports_no_bentoml() -> None:
    code = (
        "import sys, pax_assets.compute.bento, pax_assets.compute.local_service;"
        "print([m for m in ('bentoml', 'onnxruntime', 'starlette') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
