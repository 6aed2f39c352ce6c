"""Under test: checkpoints outlive the machine on which they were written."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from pax_assets.training.checkpoint_mirror import CheckpointMirror
from pax_assets.training.storage import Content, Folder, StorageError


class Machine:
    """A machine with a disk of its own, and the store that all machines share."""

    def __init__(self, tmp_path: Path, name: str = "one") -> None:
        self.room = tmp_path / name / "checkpoint"
        self.room.parent.mkdir()
        self.shared = Folder(str(tmp_path / "shared"))
        self.said: list[str] = []
        self.mirror = CheckpointMirror(self.room, self.shared, self.said.append)

    def write(self, step: int, text: str = "weights") -> Path:
        """Write a checkpoint as training does: it appears at once, and the one before goes."""
        draft = self.room / ".draft"
        draft.mkdir(parents=True)
        (draft / "state.json").write_text(f"{step}")
        (draft / "state.safetensors").write_text(text)
        folder = draft.rename(self.room / f"step-{step:09d}-0a1b2c3d")
        for other in self.room.glob("step-*"):
            if other != folder:
                shutil.rmtree(other)
        return folder


def eventually(true) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def steps(folder: Folder) -> set[str]:
    return {name.partition("/")[0] for name in folder.sizes() if name.startswith("step-")}


def test_another_machine_goes_on_from_the_newest_checkpoint(tmp_path: Path):
    one, other = Machine(tmp_path), Machine(tmp_path, "other")
    one.mirror.start()
    first = one.write(5)
    eventually(lambda: "current.json" in one.shared.sizes())
    last = one.write(10, "later")
    one.mirror.stop(10)
    assert steps(one.shared) == {last.name}
    assert first.name not in steps(one.shared)
    assert other.mirror.fetch()
    assert (other.room / last.name / "state.safetensors").read_text() == "later"
    assert one.said == other.said == []


def test_the_last_checkpoint_is_uploaded_before_the_end(tmp_path: Path):
    one = Machine(tmp_path)
    folder = one.write(5)
    one.mirror.start()
    one.mirror.stop(10)
    assert steps(one.shared) == {folder.name}


def test_what_was_fetched_is_not_uploaded_again(tmp_path: Path, monkeypatch):
    one, other = Machine(tmp_path), Machine(tmp_path, "other")
    one.write(5)
    one.mirror.start()
    one.mirror.stop(10)
    assert other.mirror.fetch()
    monkeypatch.setattr(Folder, "put", lambda *_: pytest.fail("it was put again"))
    other.mirror.start()
    other.mirror.stop(10)


def test_there_is_nothing_to_go_on_from_at_first(tmp_path: Path):
    assert not Machine(tmp_path).mirror.fetch()


def change_a_file(shared: Folder) -> None:
    (name,) = (name for name in shared.sizes() if name.endswith(".safetensors"))
    shared.write(name, b"WEIGHTS")


def lose_a_file(shared: Folder) -> None:
    shared.remove(*(name for name in shared.sizes() if name.endswith(".safetensors")))


@pytest.mark.parametrize("harm", [change_a_file, lose_a_file])
def test_a_damaged_checkpoint_is_said_and_not_used(tmp_path: Path, harm):
    one, other = Machine(tmp_path), Machine(tmp_path, "other")
    one.write(5)
    one.mirror.start()
    one.mirror.stop(10)
    harm(one.shared)
    assert not other.mirror.fetch()
    assert "is not used" in other.said[0]
    assert not list(other.room.parent.rglob("step-*"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "step-1", "files": {"a": 3}}'])
def test_a_pointer_to_nothing_is_said(tmp_path: Path, text: str):
    one = Machine(tmp_path)
    one.shared.write("current.json", text.encode())
    assert not one.mirror.fetch()
    assert "names no checkpoint" in one.said[0]


def test_a_store_that_is_away_for_a_while_costs_no_checkpoint(tmp_path: Path, monkeypatch):
    one, left = Machine(tmp_path), [2]
    really = Folder.put

    def put(self: Folder, name: str, source: Path) -> Content:
        if left[0]:
            left[0] -= 1
            raise StorageError("the store is away")
        return really(self, name, source)

    monkeypatch.setattr(Folder, "put", put)
    monkeypatch.setattr("pax_assets.training.checkpoint_mirror._LOOK_SECONDS", 0.02)
    folder = one.write(5)
    one.mirror.start()
    eventually(lambda: "current.json" in one.shared.sizes())
    one.mirror.stop(10)
    assert one.said == [f"the checkpoint {folder.name} is on this machine only: the store is away"]


def test_a_checkpoint_that_goes_while_it_is_uploaded_is_uploaded_whole(tmp_path: Path, monkeypatch):
    one = Machine(tmp_path)
    folder = one.write(5)
    really = Folder.put

    def put(self: Folder, name: str, source: Path) -> Content:
        shutil.rmtree(folder, ignore_errors=True)
        return really(self, name, source)

    monkeypatch.setattr(Folder, "put", put)
    one.mirror.start()
    one.mirror.stop(10)
    listed = json.loads(one.shared.read("current.json"))["files"]
    assert set(listed) == {"state.json", "state.safetensors"}
    assert not list(one.room.parent.glob(".*"))


def test_nothing_is_left_when_the_model_is_there(tmp_path: Path):
    one = Machine(tmp_path)
    one.write(5)
    one.mirror.start()
    one.mirror.stop(10)
    one.shared.write("notes.txt", b"of a person")
    one.mirror.remove()
    assert set(one.shared.sizes()) == {"notes.txt"}
