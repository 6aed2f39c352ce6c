"""Artifacts are kept by content: published whole, found again, never half-written."""

import json
import os
from pathlib import Path

import pytest

from pax_assets.lake.artifacts import (
    ArtifactStore,
    MissingArtifact,
    Overtaken,
    directory_hash,
)


def _folder(path: Path, **files: str) -> Path:
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def test_equal_content_is_one_version(lake, tmp_path) -> None:
    store = ArtifactStore(lake)
    first = store.publish("model", _folder(tmp_path / "a", weights="1", labels="x"))
    second = store.publish("model", _folder(tmp_path / "b", weights="1", labels="x"))
    assert first == second
    assert store.current("model") == first


def test_files_outside_the_identity_do_not_make_a_version_but_are_renewed(lake, tmp_path) -> None:
    store = ArtifactStore(lake)
    first = store.publish("model", _folder(tmp_path / "a", weights="1", seconds="9"), ["weights"])
    second = store.publish("model", _folder(tmp_path / "b", weights="1", seconds="7"), ["weights"])
    assert first.version == second.version
    assert (store.current("model").path / "seconds").read_text() == "7"


def test_other_content_becomes_current_and_the_former_stays(lake, tmp_path) -> None:
    store = ArtifactStore(lake)
    first = store.publish("model", _folder(tmp_path / "a", weights="1"))
    second = store.publish("model", _folder(tmp_path / "b", weights="2"))
    assert store.current("model") == second
    assert (store.version("model", first.version).path / "weights").read_text() == "1"


def test_a_missing_artifact_names_the_asset_to_materialize(lake) -> None:
    with pytest.raises(MissingArtifact, match="materialize the asset onnx_model"):
        ArtifactStore(lake).current("onnx_model")


def test_a_pointer_to_a_lost_directory_is_an_error_that_says_so(lake, tmp_path) -> None:
    store = ArtifactStore(lake)
    store.publish("model", _folder(tmp_path / "a", weights="1"))
    (Path(lake) / "model" / "current.json").write_text(json.dumps({"version": "feed"}))
    with pytest.raises(MissingArtifact, match="is gone"):
        store.current("model")


def test_an_interrupted_publish_leaves_the_current_one(lake, tmp_path, monkeypatch) -> None:
    store = ArtifactStore(lake)
    first = store.publish("model", _folder(tmp_path / "a", weights="1"))

    def interrupted(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.publish("model", _folder(tmp_path / "b", weights="2"))
    assert store.current("model") == first


def test_a_version_of_nothing_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="no file"):
        directory_hash(_folder(tmp_path / "a"))


def test_who_has_not_seen_the_current_one_does_not_replace_it(lake, tmp_path) -> None:
    store = ArtifactStore(lake)
    first = store.publish_after("model", _folder(tmp_path / "a", weights="1"), None)
    second = store.publish_after("model", _folder(tmp_path / "b", weights="2"), first.version)
    for seen in (None, first.version):
        with pytest.raises(Overtaken):
            store.publish_after("model", _folder(tmp_path / f"c{seen}", weights="3"), seen)
    assert store.current("model") == second


def test_versions_are_listed_the_newest_first_and_files_are_read_alone(lake, tmp_path) -> None:
    store = ArtifactStore(lake)
    assert store.versions("model") == []
    first = store.publish("model", _folder(tmp_path / "a", weights="1"))
    os.utime(first.path, (1, 1))
    second = store.publish("model", _folder(tmp_path / "b", weights="2"))
    assert store.versions("model") == [second.version, first.version]
    assert store.text("model", first.version, "weights") == "1"
    with pytest.raises(MissingArtifact, match="no labels of version"):
        store.text("model", first.version, "labels")
