"""The runs that the landing sensor requests go on to score, and landing does not hang on that."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from pax_assets.defs.channels import landing_runs
from pax_assets.jobs import features, score
from pax_assets.jobs.insights import insight_tables
from pax_assets.lake import read
from pax_assets.lake.artifacts import ArtifactStore
from pax_assets_tests.bentos.lookup_model import write_lookup_artifact
from pax_assets_tests.defs.channels.sensor_line import DAY, paths
from pax_assets_tests.landing_objects import line


@pytest.fixture(scope="module")
def lookup_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lookup_artifact(tmp_path_factory.mktemp("lookup") / "onnx")


def release(lake: str, onnx: Path, model_version: str = "m1") -> None:
    folder = Path(lake) / "to_release"
    folder.mkdir(exist_ok=True)
    record = {
        "model_version": model_version,
        "onnx_version": onnx.name,
        "variant": "fp32",
        "onnx_path": str(onnx),
        "dataset_version": "d1",
        "metrics": {},
    }
    (folder / "release.json").write_text(json.dumps(record))
    ArtifactStore(lake).publish("released_model", folder)


def selected(request: dg.RunRequest) -> set[str]:
    return {key.to_user_string() for key in request.asset_selection}


def scored(lake: str) -> list[str]:
    return sorted(insight_tables.read(lake, insight_tables.SCORED)["message_id"].to_pylist())


def message_ids(lake: str) -> list[str]:
    return sorted(read(lake, "messages", ["message_id"])["message_id"].to_pylist())


def test_a_landed_message_is_scored_by_the_run_that_takes_it_in(line_, lookup_model) -> None:
    release(line_.lake, lookup_model)
    line_.land(f"sms/{DAY}/a.jsonl", [line("a", "Anna meets Ben"), line("b", "nothing")])
    (request,) = line_.tick()
    assert selected(request) == {"raw_sms", "messages", *landing_runs.INSIGHTS}
    assert line_.run(request)
    assert scored(line_.lake) == message_ids(line_.lake)
    assert insight_tables.read(line_.lake, insight_tables.EVENTS).num_rows == 1
    line_.land(f"sms/{DAY}/b.jsonl", [line("c", "Anna slept")])
    (request,) = line_.tick()
    assert line_.run(request)
    assert len(scored(line_.lake)) == 3
    assert line_.tick() == []


def test_before_a_model_is_released_messages_land_and_nothing_fails(line_, lookup_model) -> None:
    line_.land(f"sms/{DAY}/a.jsonl", [line("a")])
    (request,) = line_.tick()
    assert selected(request) == {"raw_sms", "messages"}
    assert line_.run(request)
    release(line_.lake, lookup_model)
    line_.land(f"sms/{DAY}/b.jsonl", [line("b")])
    (request,) = line_.tick()
    assert line_.run(request)
    assert scored(line_.lake) == message_ids(line_.lake)


def test_a_run_that_fails_at_scoring_has_landed_its_objects(
    line_, lookup_model, tmp_path, monkeypatch
) -> None:
    """Nothing is taken in again, landing goes on at once, and scoring is tried again later."""
    broken = tmp_path / "broken"
    shutil.copytree(lookup_model, broken)
    (broken / "fp32" / "model.onnx").write_bytes(b"not a graph")
    release(line_.lake, broken)
    line_.land(f"sms/{DAY}/a.jsonl", [line("a", "Anna meets Ben")])
    (request,) = line_.tick()
    assert not line_.run(request)
    assert len(message_ids(line_.lake)) == 1
    assert line_.tick() == []
    assert "nothing new" in line_.why
    line_.land(f"sms/{DAY}/b.jsonl", [line("b")])
    (request,) = line_.tick()
    assert selected(request) == {"raw_sms", "messages"}
    assert paths(request) == [f"sms/{DAY}/b.jsonl"]
    assert line_.run(request)
    assert line_.tick() == []
    monkeypatch.setattr(landing_runs, "_SCORING_PAUSE", timedelta(0))
    (request,) = line_.tick()
    assert selected(request) == set(landing_runs.INSIGHTS)
    shutil.copytree(lookup_model, broken, dirs_exist_ok=True)
    assert line_.run(request)
    assert scored(line_.lake) == message_ids(line_.lake)
    assert line_.tick() == []


def test_scoring_that_keeps_failing_is_given_up_until_something_lands(line_, monkeypatch) -> None:
    monkeypatch.setattr(landing_runs, "_SCORING_PAUSE", timedelta(0))
    release(line_.lake, Path("/nowhere/onnx"))
    line_.land(f"sms/{DAY}/a.jsonl", [line("a")])
    names = set()
    for _ in range(landing_runs._MOST_SCORINGS):
        (request,) = line_.tick()
        names.add(request.run_key)
        assert not line_.run(request)
    assert len(names) == landing_runs._MOST_SCORINGS
    assert line_.tick() == []
    line_.land(f"sms/{DAY}/b.jsonl", [line("b")])
    (request,) = line_.tick()
    assert selected(request) == {"raw_sms", "messages", *landing_runs.INSIGHTS}


def test_a_run_that_fails_before_scoring_is_no_failure_of_scoring(
    line_, lookup_model, monkeypatch
) -> None:
    monkeypatch.setattr(landing_runs, "_DAY_PAUSE", timedelta(0))
    release(line_.lake, lookup_model)
    line_.land(f"sms/{DAY}/a.jsonl", [line("a")])
    (request,) = line_.tick()

    def fail(*_: object) -> None:
        raise RuntimeError("out of disk")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "build_messages", fail)
        assert not line_.run(request)
    (again,) = line_.tick()
    assert selected(again) == {"messages", *landing_runs.INSIGHTS}
    assert line_.run(again)
    assert scored(line_.lake) == message_ids(line_.lake)


def test_a_run_that_scoring_brought_down_has_landed_its_objects(line_, lookup_model) -> None:
    """As an interrupted process, not as a step that fails."""
    release(line_.lake, lookup_model)
    line_.land(f"sms/{DAY}/a.jsonl", [line("a")])
    (request,) = line_.tick()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score, "score_day", die)
        assert not line_.run(request)
    history = landing_runs.History(line_.instance, DAY)
    assert (history.failures, history.scoring_failures) == (0, 1)
