"""The record of releases: what a rollback goes back to, and what is withdrawn."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from pax_assets.lake.artifacts import ArtifactStore, Overtaken
from pax_assets.lake.releases import (
    NoFormerRelease,
    Release,
    Releases,
    Served,
    left_by_rollback,
    standing,
    to_go_back_to,
    withdrawn,
)


def _served(model: str, graphs: str = "") -> Served:
    return Served(model, graphs or f"onnx-{model}", "fp32", "d1", {"entity": 0.9})


class Record:
    """Releases of a lake, made by what people do: `promote("a")`, `back()`, `back(2)`."""

    def __init__(self, lake: str) -> None:
        self.releases = Releases(ArtifactStore(lake))

    def promote(self, *models: str) -> None:
        for model in models:
            served = _served(*model.split("/"))
            former = self.releases.champion()
            self.releases.release(served, former, action="promoted", why="better")

    def back(self, number: int = 0) -> None:
        history = self.releases.history()
        target = to_go_back_to(history, number)
        self.releases.release(
            target,
            history[-1],
            action="rolled back",
            why="worse",
            restores=target.number,
            withdraws=left_by_rollback(history[-1], target),
        )

    @property
    def champion(self) -> str:
        found = self.releases.champion()
        assert found is not None
        return found.model_version

    @property
    def stack(self) -> str:
        return "".join(release.model_version for release in standing(self.releases.history()))

    @property
    def withdrawn(self) -> set[str]:
        return set(withdrawn(self.releases.history()))


@pytest.fixture
def record(lake) -> Record:
    return Record(lake)


def _do(record: Record, steps: Sequence[str | int]) -> None:
    for step in steps:
        record.promote(step) if isinstance(step, str) else record.back(step)


@pytest.mark.parametrize(
    ("steps", "champion", "left"),
    [
        ("ab", "b", ""),
        (["a", "b", 0], "a", "b"),
        (["a", "b", "c", 0], "b", "c"),
        (["a", "b", "c", 0, 0], "a", "bc"),
        (["a", "b", 0, "c"], "c", "b"),
        (["a", "b", 0, "c", 0], "a", "bc"),
        (["a", "b", "c", 1], "a", "c"),
        (["a", "b", 0, "b"], "b", ""),
        (["a", "b", 0, 2], "b", "a"),
        (["a", "b", 0, 2, 0], "a", "b"),
    ],
)
def test_who_is_champion_and_who_is_withdrawn_after(record, steps, champion, left) -> None:
    _do(record, steps)
    assert record.champion == champion
    assert record.withdrawn == set(left)


def test_a_release_knows_the_one_before_it(record) -> None:
    record.promote("a", "b")
    record.back()
    one, two, three = record.releases.history()
    assert [release.number for release in (one, two, three)] == [1, 2, 3]
    assert (two.before, three.before) == (one.version, two.version)
    assert (three.restores, three.withdraws) == (1, "b")
    assert one.released_at < two.released_at < three.released_at


def test_going_back_to_other_graphs_of_the_same_model_withdraws_the_graphs(record) -> None:
    """Withdrawing the model would withdraw the champion."""
    record.promote("a/old", "a/new")
    record.back()
    assert record.withdrawn == {"new"}


@pytest.mark.parametrize(
    ("steps", "number", "sentence"),
    [
        ([], 0, "no model was released yet"),
        (["a"], 0, "no champion before release 1"),
        (["a", "b", 0], 0, "no champion before release 1"),
        (["a", "b"], 7, "no release 7: the releases go from 1 to 2"),
        (["a", "b"], 2, "the champion already"),
    ],
)
def test_where_there_is_nothing_to_go_back_to_it_is_said(record, steps, number, sentence) -> None:
    _do(record, steps)
    with pytest.raises(NoFormerRelease, match=sentence):
        record.back(number)


def test_a_record_of_a_former_version_of_pax_is_read(lake, tmp_path) -> None:
    old = {
        "model_version": "m",
        "onnx_version": "o",
        "onnx_path": "onnx_model/o",
        "variant": "fp32",
        "dataset_version": "d",
        "metrics": {"entity": 0.9},
    }
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "release.json").write_text(json.dumps(old))
    ArtifactStore(lake).publish("released_model", folder)
    record = Record(lake)
    assert record.champion == "m"
    record.promote("n")
    assert [release.number for release in record.releases.history()] == [1, 2]


def test_a_history_begins_where_somebody_deleted_what_was_before(record, lake) -> None:
    record.promote("a", "b", "c")
    first = record.releases.history()[0]
    (Path(lake) / "released_model" / first.version / "release.json").unlink()
    assert [release.model_version for release in record.releases.history()] == ["b", "c"]


def test_who_has_not_seen_the_champion_cannot_replace_it(record) -> None:
    record.promote("a")
    seen = record.releases.champion()
    record.promote("b")
    with pytest.raises(Overtaken):
        record.releases.release(_served("c"), seen, action="promoted", why="late")
    with pytest.raises(Overtaken):
        record.releases.release(_served("c"), None, action="promoted", why="first?")
    assert record.champion == "b"


def test_of_many_releases_at_once_each_follows_another(lake) -> None:
    together = threading.Barrier(6)

    def work(name: str) -> None:
        releases = Releases(ArtifactStore(lake))
        together.wait()
        for number in range(5):
            while True:
                try:
                    former = releases.champion()
                    served = _served(f"{name}{number}")
                    releases.release(served, former, action="promoted", why="")
                    break
                except Overtaken:
                    continue

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = Releases(ArtifactStore(lake)).history()
    assert [release.number for release in history] == list(range(1, 31))
    assert len({release.model_version for release in history}) == 30


def test_what_decides_the_answers_is_the_content(record) -> None:
    record.promote("a", "b")
    record.back()
    one, _, three = record.releases.history()
    assert isinstance(three, Release)
    assert one.content == three.content
    assert one.version != three.version
