"""Under test: folders on S3 and on disks, and what goes wrong with them, sorted."""

from __future__ import annotations

from pathlib import Path

import pytest

from pax_assets.training import storage
from pax_assets.training.storage import (
    Content,
    DiskFull,
    Folder,
    StorageError,
    StorageMissing,
    StorageRefused,
    contents,
)
from pax_assets_tests.s3_server import keys


@pytest.fixture(params=["disk", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "disk":
        return Folder(str(tmp_path / "there"))
    return Folder(f"s3://{request.getfixturevalue('bucket')}/some/where/")


def test_what_is_put_is_got_and_listed(folder: Folder, tmp_path: Path):
    source = tmp_path / "source"
    source.write_bytes(b"0123456789" * 2_000_000)
    content = folder.put("a/b.bin", source)
    folder.write("c.json", b"{}")
    assert folder.sizes() == {"a/b.bin": 20_000_000, "c.json": 2}
    folder.get("a/b.bin", tmp_path / "x" / "y", content)
    assert (tmp_path / "x" / "y").read_bytes() == source.read_bytes()
    assert contents(tmp_path / "x") == {"y": content}
    assert folder.child("a").sizes() == {"b.bin": 20_000_000}
    assert folder.read("c.json") == b"{}"


def test_what_is_removed_is_gone_and_may_be_removed_again(folder: Folder):
    for name in ("step-1/a", "step-1/b", "step-2/a", "c"):
        folder.write(name, b"x")
    for _ in range(2):
        folder.remove_folder("step-1")
        folder.remove("c", "never")
    assert set(folder.sizes()) == {"step-2/a"}


def test_a_folder_that_is_not_there_is_empty(folder: Folder):
    assert folder.sizes() == {}
    with pytest.raises(StorageMissing, match="nothing does not exist"):
        folder.read("nothing")


def test_content_that_changed_is_refused(folder: Folder, tmp_path: Path):
    folder.write("a", b"one")
    with pytest.raises(StorageRefused, match="a is not what was put there"):
        folder.get("a", tmp_path / "a", Content(3, "0" * 64))


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../other", "a/../../b"])
def test_a_name_that_leads_out_of_the_folder_is_refused(folder: Folder, name: str, tmp_path: Path):
    with pytest.raises(StorageRefused, match="is no name of a file in a folder"):
        folder.get(name, tmp_path / "a")


@pytest.mark.parametrize("address", ["s3://", "s3:///", "gs://bucket/a", "https://x/y"])
def test_an_address_of_another_kind_is_refused(address: str):
    with pytest.raises(StorageRefused, match="is neither a path nor s3://"):
        Folder(address)


def test_wrong_credentials_are_refused_and_say_what_is_needed(bucket, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageRefused, match=r"may not write s3://.*s3:PutObject"):
        Folder(f"s3://{bucket}/a").write("b", b"c")


def test_a_bucket_that_is_not_there_is_refused(bucket):
    with pytest.raises(StorageRefused, match="s3://no-such-bucket-of-pax/a"):
        Folder("s3://no-such-bucket-of-pax/a").read("b")
    assert keys(bucket) == []


def test_a_store_that_is_away_may_come_again(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(storage, "_ATTEMPTS", 1)
    with pytest.raises(StorageError, match="could not read") as error:
        Folder("s3://away/a").read("b")
    assert not isinstance(error.value, StorageRefused)


def test_a_full_disk_is_called_so(tmp_path: Path):
    folder = Folder(str(tmp_path))
    folder.write("a", b"x" * 100)
    with pytest.raises(DiskFull, match="the disk of this machine is full"):
        folder.get("a", Path("/dev/full"))


def test_half_a_file_is_never_found(tmp_path: Path, monkeypatch):
    folder = Folder(str(tmp_path / "there"))
    folder.write("a", b"one")
    source = tmp_path / "source"
    source.write_bytes(b"two")

    def fail(_self: object, _data: bytes) -> None:
        raise OSError("the machine is going")

    monkeypatch.setattr("hashlib.sha256", lambda: type("Failing", (), {"update": fail})())
    with pytest.raises(StorageError, match="going"):
        folder.put("a", source)
    assert folder.read("a") == b"one"
