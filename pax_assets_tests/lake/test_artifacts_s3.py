"""Artifacts on S3: published whole, counted, found from any machine, and read as folders."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from pax_assets.lake.artifacts import ArtifactStore, MissingArtifact, Overtaken
from pax_assets_tests.s3_server import keys, s3_client

PUBLICATIONS = 6


def _folder(path: Path, **files: str) -> Path:
    path.mkdir(parents=True)
    for name, text in files.items():
        target = path / name.replace("__", "/")
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
    return path


def _store(bucket: str, machine: Path) -> ArtifactStore:
    """The store as seen from a machine with a cache of its own."""
    return ArtifactStore(f"s3://{bucket}/lake", str(machine))


def _publish(bucket: str, folder: Path, name: str, barrier) -> None:
    store = _store(bucket, folder / f"cache-{name}")
    barrier.wait(60)
    for number in range(PUBLICATIONS):
        store.publish("model", _folder(folder / f"{name}{number}", weights=f"{name}{number}"))


def test_what_one_machine_publishes_another_reads(bucket, tmp_path) -> None:
    source = _folder(tmp_path / "a", weights="1", onnx__graph="2")
    published = _store(bucket, tmp_path / "one").publish("model", source)
    found = _store(bucket, tmp_path / "two").current("model")
    assert found.version == published.version
    assert (found.path / "weights").read_text() == "1"
    assert (found.path / "onnx" / "graph").read_text() == "2"
    assert (tmp_path / "two") in found.path.parents


def test_a_directory_gives_the_same_version_on_s3_and_on_disk(bucket, lake, tmp_path) -> None:
    source = _folder(tmp_path / "a", weights="1")
    on_disk = ArtifactStore(lake).publish("model", source)
    assert _store(bucket, tmp_path / "one").publish("model", source).version == on_disk.version


def test_files_outside_the_identity_are_renewed_on_machines_that_had_them(bucket, tmp_path) -> None:
    one, two = _store(bucket, tmp_path / "one"), _store(bucket, tmp_path / "two")
    one.publish("model", _folder(tmp_path / "a", weights="1", seconds="9"), ["weights"])
    assert (two.current("model").path / "seconds").read_text() == "9"
    one.publish("model", _folder(tmp_path / "b", weights="1", seconds="7"), ["weights"])
    assert (two.current("model").path / "seconds").read_text() == "7"


def test_a_former_version_can_be_had_again(bucket, tmp_path) -> None:
    store = _store(bucket, tmp_path / "one")
    first = store.publish("model", _folder(tmp_path / "a", weights="1"))
    store.publish("model", _folder(tmp_path / "b", weights="2"))
    again = _store(bucket, tmp_path / "two").version("model", first.version)
    assert (again.path / "weights").read_text() == "1"
    assert (store.current("model").path / "weights").read_text() == "2"


def test_what_is_in_the_cache_is_not_downloaded_again(bucket, tmp_path) -> None:
    store = _store(bucket, tmp_path / "one")
    published = store.publish("model", _folder(tmp_path / "a", weights="1"))
    s3_client().delete_object(Bucket=bucket, Key=f"lake/model/{published.version}/weights")
    assert (store.current("model").path / "weights").read_text() == "1"


def test_an_interrupted_upload_is_no_version(bucket, tmp_path, monkeypatch) -> None:
    store = _store(bucket, tmp_path / "one")
    first = store.publish("model", _folder(tmp_path / "a", weights="1"))
    broken = _folder(tmp_path / "b", first="1", second="2")

    class Interrupted:
        def __init__(self, client) -> None:
            self._client = client

        def upload_file(self, file: str, *place: str) -> None:
            if file.endswith("second"):
                raise KeyboardInterrupt
            self._client.upload_file(file, *place)

        def __getattr__(self, name: str):
            return getattr(self._client, name)

    other = _store(bucket, tmp_path / "one")
    other._bucket._client = Interrupted(s3_client())
    with pytest.raises(KeyboardInterrupt):
        other.publish("model", broken)
    assert store.current("model").version == first.version
    again = store.publish("model", broken)
    assert sorted(f.name for f in again.path.iterdir()) == ["first", "second"]


def test_a_file_that_was_changed_on_s3_is_refused(bucket, tmp_path) -> None:
    store = _store(bucket, tmp_path / "one")
    published = store.publish("model", _folder(tmp_path / "a", weights="1"))
    s3_client().put_object(
        Bucket=bucket, Key=f"lake/model/{published.version}/weights", Body=b"other"
    )
    with pytest.raises(OSError, match="is not what was published"):
        _store(bucket, tmp_path / "two").current("model")


def test_a_manifest_cannot_name_files_outside_of_its_folder(bucket, tmp_path) -> None:
    store = _store(bucket, tmp_path / "one")
    files = {"../../outside": "0" * 64}
    for name, body in (("v.json", {"files": files}), ("current.json", {"version": "v"})):
        s3_client().put_object(
            Bucket=bucket, Key=f"lake/model/{name}", Body=json.dumps(body).encode()
        )
    with pytest.raises(ValueError, match="no name of a file"):
        store.current("model")


def test_a_missing_artifact_names_the_asset_to_materialize(bucket, tmp_path) -> None:
    store = _store(bucket, tmp_path / "one")
    with pytest.raises(MissingArtifact, match="materialize the asset onnx_model"):
        store.current("onnx_model")
    with pytest.raises(MissingArtifact, match="no version feed"):
        store.version("onnx_model", "feed")


def test_no_publication_is_lost_among_those_of_others(bucket, tmp_path) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(2)
    publishers = [
        spawn.Process(target=_publish, args=(bucket, tmp_path, name, barrier)) for name in "ab"
    ]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join(120)
    assert [publisher.exitcode for publisher in publishers] == [0, 0]
    pointer = s3_client().get_object(Bucket=bucket, Key="lake/model/current.json")
    assert json.loads(pointer["Body"].read())["number"] == 2 * PUBLICATIONS
    manifests = [key for key in keys(bucket, "lake/model/") if key.count("/") == 2]
    assert len(manifests) == 2 * PUBLICATIONS + 1


def test_who_has_not_seen_the_current_one_does_not_replace_it(bucket, tmp_path) -> None:
    store = _store(bucket, tmp_path / "one")
    first = store.publish_after("model", _folder(tmp_path / "a", weights="1"), None)
    second = store.publish_after("model", _folder(tmp_path / "b", weights="2"), first.version)
    for seen in (None, first.version):
        with pytest.raises(Overtaken):
            store.publish_after("model", _folder(tmp_path / f"c{seen}", weights="3"), seen)
    assert store.current("model").version == second.version


def test_versions_are_listed_and_a_file_is_read_without_the_others(bucket, tmp_path) -> None:
    store = _store(bucket, tmp_path / "one")
    first = store.publish("model", _folder(tmp_path / "a", weights="1", onnx__graph="2"))
    second = store.publish("model", _folder(tmp_path / "b", weights="3"))
    other = _store(bucket, tmp_path / "two")
    assert set(other.versions("model")) == {first.version, second.version}
    assert other.versions("mod") == []
    assert other.text("model", first.version, "onnx/graph") == "2"
    assert not (tmp_path / "two").exists()
    with pytest.raises(MissingArtifact, match="no labels of version"):
        other.text("model", first.version, "labels")
