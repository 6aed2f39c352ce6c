"""An object is in landing whole and synced, or it is not there; also on an object store."""

import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyarrow import fs

from pax_assets.gateway.landing_writer import DirectoryLanding, ObjectLanding, open_landing
from pax_assets.lake.landing import dated_objects, undated_objects


def _steps(monkeypatch) -> list[str]:
    """Record what is synced and renamed, in order."""
    steps: list[str] = []
    real_sync, real_rename = os.fsync, Path.rename

    def sync(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        steps.append(f"sync {re.sub('gateway-.*', 'object', name)}")
        real_sync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "rename", rename)
    return steps


def test_an_object_is_synced_before_its_name_and_its_folder_after(tmp_path, monkeypatch) -> None:
    landing = DirectoryLanding(tmp_path)
    landing.write("sms", "form", b"first")
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    steps = _steps(monkeypatch)
    landing.write("sms", "form", b"second")
    assert steps == ["sync .object", "rename", f"sync {day}"]


def test_new_folders_are_durable_too(tmp_path, monkeypatch) -> None:
    steps = _steps(monkeypatch)
    DirectoryLanding(tmp_path / "lake" / "landing").write("sms", "form", b"x")
    for folder in (tmp_path.name, "lake", "landing", "sms"):
        assert steps.index(f"sync {folder}") < steps.index("rename")


@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
def test_the_lake_lists_the_object_under_its_day(channel, tmp_path) -> None:
    path = DirectoryLanding(tmp_path).write(channel, "jsonl", b"{}")
    day = path.split("/")[1]
    (found,) = dated_objects(str(tmp_path), channel, day)
    assert found.path == path
    name = r"gateway-\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{16}\.jsonl"
    assert re.fullmatch(rf"{channel}/\d{{4}}-\d\d-\d\d/{name}", path)
    assert (tmp_path / path).read_bytes() == b"{}"


def test_what_is_half_written_is_no_object(tmp_path, monkeypatch) -> None:
    def crash(self: Path, target: Path) -> None:
        raise SystemExit

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(SystemExit):
        DirectoryLanding(tmp_path).write("sms", "form", b"x")
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    assert dated_objects(str(tmp_path), "sms", day) == []
    assert undated_objects(str(tmp_path), "sms") == []


def test_what_a_crash_left_behind_is_removed_once_nobody_writes_it(tmp_path) -> None:
    landing = DirectoryLanding(tmp_path)
    landing.write("sms", "form", b"x")
    old, new = (tmp_path / "sms/.gateway" / f".gateway-{age}.form.tmp" for age in ("old", "new"))
    for file in (old, new):
        file.write_bytes(b"From=...")
    os.utime(old, (time.time() - 3600,) * 2)
    landing.remove_leftovers()
    assert (old.exists(), new.exists()) == (False, True)


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, monkeypatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    landing = DirectoryLanding(tmp_path)
    landing.write("sms", "form", b"first")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        landing.write("sms", "form", b"second")
    with pytest.raises(OSError, match="No space left"):
        landing.probe()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in files] == [b"first"]


def test_the_probe_leaves_nothing(tmp_path) -> None:
    DirectoryLanding(tmp_path / "landing").probe()
    assert list((tmp_path / "landing").iterdir()) == []


def test_an_object_store_gets_one_object(tmp_path) -> None:
    (tmp_path / "bucket").mkdir()
    store = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    landing = ObjectLanding(store, "bucket/landing")
    store.create_dir("bucket/landing/sms/" + f"{datetime.now(UTC):%Y-%m-%d}")
    path = landing.write("sms", "form", b"x")
    landing.probe()
    assert (tmp_path / "bucket/landing" / path).read_bytes() == b"x"


def test_the_address_decides_where_objects_go(tmp_path) -> None:
    assert isinstance(open_landing(str(tmp_path)), DirectoryLanding)
    assert isinstance(open_landing("s3://bucket/landing?region=us-east-1"), ObjectLanding)
