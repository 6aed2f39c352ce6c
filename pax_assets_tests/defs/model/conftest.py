"""The toy model line: a lake with the toy corpus, an MLflow of its own, and exported models.

F1s are written into the export's report, and what `inference.evaluate` would find comes from the
same place (`scores`): whether a model is better is then the test's to say. Whatever is not told
a score is measured.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from pax_assets.defs.model import gate
from pax_assets.defs.model.export import ONNX_IDENTITY
from pax_assets.defs.model.tracking import MlflowResource
from pax_assets.defs.resources import LakeResource
from pax_assets.lake.artifacts import ArtifactStore
from pax_assets.lake.releases import Release, Releases
from pax_assets_tests.model_fixtures import toy_dataset, toy_encoder, toy_model, toy_onnx

__all__ = ["toy_dataset", "toy_encoder", "toy_model", "toy_onnx"]


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


Materialize = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def materialize(toy_lake, tracking) -> Materialize:
    """Materialize assets on the toy lake; keywords go to `dg.materialize`."""

    def run(*assets: dg.AssetsDefinition, **options) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            list(assets),
            resources={
                "lake": LakeResource(root=toy_lake, landing=toy_lake),
                "mlflow": tracking,
            },
            raise_on_error=False,
            **options,
        )

    return run


class Line:
    """The exported models of a lake, and its releases."""

    def __init__(self, lake: str, onnx: Path, folder: Path, scores: dict[str, dict]) -> None:
        self.lake, self.store = lake, ArtifactStore(lake)
        self._onnx, self._folder, self._scores = onnx, folder, scores

    def export(self, version: str, test: dict[str, float] | None = None, **f1: float) -> str:
        """Export the toy graph as model `version` with these F1s on dev and test; else 0.9."""
        folder = self._folder / f"onnx-{version}-{len(list(self._folder.iterdir()))}"
        shutil.copytree(self._onnx, folder)
        report = json.loads((folder / "report.json").read_text())
        report["recommended"] = {"cpu": "fp32", "gpu": None}
        scores = dict.fromkeys(gate.SCORES, 0.9) | f1
        report["variants"]["fp32"]["f1"] = scores
        (folder / "report.json").write_text(json.dumps(report))
        lineage = {
            "model_version": version,
            "dataset_version": self.store.current("tokenized_dataset").version,
            "f1": {"test": dict.fromkeys(gate.QUALITY_FLOOR, 0.9) | (test or {})},
        }
        (folder / "lineage.json").write_text(json.dumps(lineage))
        (folder / "marker.onnx").write_text(folder.name)  # another content, another version
        self._scores[version] = scores
        return self.store.publish("onnx_model", folder, ONNX_IDENTITY).version

    def champion(self) -> Release:
        found = Releases(self.store).champion()
        assert found is not None
        return found

    def history(self) -> list[Release]:
        return Releases(self.store).history()


@pytest.fixture
def line(toy_lake, toy_onnx, tmp_path, monkeypatch) -> Line:
    """Exported models whose F1s the test says."""
    scores: dict[str, dict] = {}
    measure = gate._measure

    def told(context, lake, model, dataset):
        if model.model_version in scores:
            return dict(scores[model.model_version])
        return measure(context, lake, model, dataset)

    monkeypatch.setattr(gate, "_measure", told)
    folder = tmp_path / "exports"
    folder.mkdir()
    return Line(toy_lake, toy_onnx, folder, scores)
