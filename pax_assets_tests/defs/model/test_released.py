"""Promotion and rollback as real runs: what is champion, what is withdrawn, what MLflow says."""

import json
import logging
import shutil
from pathlib import Path

import dagster as dg
import pytest

from pax_assets.defs.model import promotion
from pax_assets.defs.model.registry import CHAMPION, MODEL_NAME
from pax_assets.defs.model.released import released_model
from pax_assets.lake.artifacts import ArtifactStore
from pax_assets_tests.bentos.lookup_model import make_of_former_version

ONE, TWO, THREE = ("1" * 32, "2" * 32, "3" * 32)


class Gate:
    """Materializes the champion, by a configuration or none; `warnings` of the last run."""

    def __init__(self, materialize) -> None:
        self._materialize = materialize
        self.warnings: list[str] = []

    def __call__(self, **config) -> dg.ExecuteInProcessResult:
        with dg.DagsterInstance.ephemeral() as instance:
            result = self._materialize(
                released_model,
                instance=instance,
                run_config={"ops": {"released_model": {"config": config}}},
            )
            self.warnings = [
                entry.user_message
                for entry in instance.all_logs(result.run_id)
                if entry.level == logging.WARNING
            ]
        return result


@pytest.fixture
def gate_run(materialize) -> Gate:
    return Gate(materialize)


def _rollback(gate_run: Gate, **config) -> dg.ExecuteInProcessResult:
    return gate_run(action="rollback", **config)


def _check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (check,) = result.get_asset_check_evaluations()
    return check


def _error(result: dg.ExecuteInProcessResult) -> str:
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    error = failed.step_failure_data.error
    return error.cause.message if error.cause else error.message


def _register(tracking, model: str) -> str:
    return tracking.registry().register("file:///nowhere", {"data_version": model})


def _champion_in_mlflow(tracking) -> str | None:
    held = tracking.registry().holder(CHAMPION)
    return held[1] if held else None


def test_the_first_model_is_released(line, gate_run) -> None:
    line.export(ONE)
    assert gate_run().success
    release = line.champion()
    assert (release.number, release.model_version, release.why) == (1, ONE, "the first")


def test_a_better_model_is_released_and_the_comparison_is_shown(line, gate_run) -> None:
    line.export(ONE)
    gate_run()
    line.export(TWO, entity=0.92, relation=0.896)
    result = gate_run()
    assert result.success
    assert line.champion().model_version == TWO
    check = _check(result)
    page = check.metadata["comparison"].value
    assert "| entity |" in page
    assert "| 0.9000 | 0.9200 | +2.00 | better |" in page
    assert "| 0.9000 | 0.8960 | -0.40 | worse, within half a point |" in page
    assert "| mean |  | 0.9000 | 0.9040 | +0.40 | better |" in page
    assert check.metadata["entity"].value == "0.9000 → 0.9200 (better)"
    dataset = ArtifactStore(line.lake).current("tokenized_dataset").version
    assert check.metadata["dataset_version"].value == dataset
    assert dataset in page
    assert line.champion().dataset_version == dataset


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ({"entity": 0.99, "event": 0.89}, "event F1 falls by 1.00 points"),
        ({"entity": 0.99, "argument": 0.89}, "argument F1 falls"),
        ({"entity": 0.899}, "mean of the scores does not rise"),
    ],
)
def test_a_model_that_is_not_better_is_refused_and_the_champion_stays(
    line, gate_run, scores, reason
) -> None:
    line.export(ONE)
    first = gate_run()
    line.export(TWO, **scores)
    result = gate_run()
    assert not result.success
    check = _check(result)
    assert not check.passed
    assert reason in check.metadata["refused"].value
    assert line.champion().model_version == ONE
    (before, after) = (
        run.asset_materializations_for_node("released_model")[0].tags["dagster/data_version"]
        for run in (first, result)
    )
    assert before == after  # nothing downstream has to follow


def test_the_same_model_again_stays_and_passes(line, gate_run) -> None:
    line.export(ONE)
    gate_run()
    assert _check(gate_run()).passed
    assert len(line.history()) == 1


def test_a_model_under_the_floor_does_not_become_the_first_champion(line, gate_run) -> None:
    line.export(ONE, test={"relation": 0.1})
    result = gate_run()
    assert not result.success
    assert "under its floor" in _error(result)
    assert line.history() == []


def test_both_are_measured_on_the_present_dev_set(
    line, gate_run, toy_onnx, tmp_path, monkeypatch
) -> None:
    """Relabelled, the old scores say nothing of either; what counts is measured anew."""
    line.export(ONE, **dict.fromkeys(("entity", "event", "argument", "relation"), 1.0))
    gate_run()
    line.export(TWO)
    line._scores.clear()
    folder = tmp_path / "relabelled"
    shutil.copytree(line.store.current("tokenized_dataset").path, folder)
    gold = (folder / "dev_gold.jsonl").read_text()
    (folder / "dev_gold.jsonl").write_text(gold.replace('"type": "person"', '"type": "staff"'))
    dataset = line.store.publish("tokenized_dataset", folder)
    check = _check(gate_run())
    assert check.metadata["dataset_version"].value == dataset.version
    rows = [line for line in check.metadata["comparison"].value.splitlines() if "| entity" in line]
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert cells[2] == cells[3]  # the two are the same toy model in truth
    assert float(cells[2]) < 0.9
    assert not check.passed


def test_a_champion_of_a_former_version_that_cannot_be_opened_gives_way(
    line, gate_run, toy_onnx
) -> None:
    line.export(ONE)
    gate_run()
    graph = line.store.version("onnx_model", line.champion().onnx_version).path / "fp32/model.onnx"
    make_of_former_version(graph)
    del line._scores[ONE]
    line.export(TWO, entity=0.5)
    assert gate_run().success
    assert line.champion().model_version == TWO


def test_rolling_back_twice_goes_back_two(line, gate_run, tracking) -> None:
    for number, model in enumerate((ONE, TWO, THREE)):
        line.export(model, entity=0.9 + number / 100)
        _register(tracking, model)
        gate_run()
    assert _champion_in_mlflow(tracking) == THREE
    first = _rollback(gate_run, why="wrong dates")
    assert first.success
    assert line.champion().model_version == TWO
    assert line.champion().why == "wrong dates"
    assert _champion_in_mlflow(tracking) == TWO
    assert _rollback(gate_run).success
    assert line.champion().model_version == ONE
    third = _rollback(gate_run)
    assert not third.success
    assert "no champion before" in _error(third)
    assert [release.number for release in line.history()] == [1, 2, 3, 4, 5]


def test_what_was_rolled_back_from_does_not_come_back_by_itself(line, gate_run, tracking) -> None:
    line.export(ONE)
    gate_run()
    line.export(TWO, entity=0.95)
    number = _register(tracking, TWO)
    gate_run()
    _rollback(gate_run, why="it missed every date")
    tags = tracking.client().get_model_version(MODEL_NAME, number).tags
    assert "it missed every date" in tags["withdrawn"]
    refused = gate_run()
    assert not _check(refused).passed
    assert "withdrawn by release 3" in _check(refused).metadata["refused"].value
    line.export(TWO, entity=0.96)  # exported again, it is the same model
    assert not _check(gate_run()).passed
    assert line.champion().model_version == ONE
    assert gate_run(model=TWO[:8]).success
    assert line.champion().model_version == TWO
    assert "withdrawn" not in tracking.client().get_model_version(MODEL_NAME, number).tags
    assert gate_run().success


def test_a_release_is_gone_back_to_by_its_number(line, gate_run) -> None:
    for number, model in enumerate((ONE, TWO, THREE)):
        line.export(model, entity=0.9 + number / 100)
        gate_run()
    assert _rollback(gate_run, to=1).success
    assert line.champion().model_version == ONE
    unknown = _rollback(gate_run, to=9)
    assert "there is no release 9" in _error(unknown)
    assert "the champion already" in _error(_rollback(gate_run, to=4))


def test_a_former_model_is_promoted_by_its_number_in_mlflow_if_it_is_better(
    line, gate_run, tracking
) -> None:
    line.export(ONE, entity=0.93)
    number = _register(tracking, ONE)
    line.export(TWO)
    gate_run()
    assert line.champion().model_version == TWO
    assert gate_run(model=number).success
    assert line.champion().model_version == ONE
    refused = gate_run(model=TWO)
    assert not _check(refused).passed
    assert line.champion().model_version == ONE


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("99999", "MLflow has no version 99999"),
        ("abc", "at least 6 digits"),
        ("abcdef01", "no exported model has a version that begins with abcdef01"),
        ("111111", "is the beginning of"),
    ],
)
def test_a_model_that_is_not_there_is_named(line, gate_run, name, sentence) -> None:
    line.export(ONE)
    line.export("1" * 31 + "2")
    result = gate_run(model=name)
    assert not result.success
    assert sentence in _error(result)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"action": "rollback", "model": ONE}, "`model` is for a promotion"),
        ({"action": "promote", "to": 2}, "`to` is for a rollback"),
    ],
)
def test_a_request_that_contradicts_itself_changes_nothing(
    line, gate_run, config, sentence
) -> None:
    line.export(ONE)
    assert sentence in _error(gate_run(**config))
    assert line.history() == []


@pytest.mark.parametrize("fault", ["gone", "of a former version", "half of it is gone"])
def test_a_release_that_cannot_be_served_is_not_gone_back_to(line, gate_run, fault) -> None:
    line.export(ONE)
    gate_run()
    graphs = line.store.version("onnx_model", line.champion().onnx_version).path
    line.export(TWO, entity=0.95)
    gate_run()
    if fault == "gone":
        shutil.rmtree(graphs)
    elif fault == "half of it is gone":
        (graphs / "labels.json").unlink()
    else:
        make_of_former_version(graphs / "fp32" / "model.onnx")
    result = _rollback(gate_run)
    assert not result.success
    assert "cannot be served any more" in _error(result)
    assert "nothing was changed" in _error(result)
    assert line.champion().model_version == TWO
    assert len(line.history()) == 2


def test_an_alias_that_was_moved_by_hand_is_set_back_and_it_is_said(
    line, gate_run, tracking
) -> None:
    line.export(ONE)
    _register(tracking, ONE)
    gate_run()
    stray = _register(tracking, "f" * 32)
    tracking.registry().point(CHAMPION, stray)
    assert gate_run().success
    assert _champion_in_mlflow(tracking) == ONE
    assert f"named version {stray}" in str(gate_run.warnings)


def test_an_mlflow_that_was_lost_learns_the_champion_from_the_lake(
    line, gate_run, tracking, tmp_path
) -> None:
    model = tmp_path / "weights"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"w")
    (model / "lineage.json").write_text(json.dumps({"git_commit": "c0ffee", "data_versions": {}}))
    version = line.store.publish("message_model", model).version
    line.export(version)
    gate_run()
    _register(tracking, version)
    Path(tracking.tracking_uri.removeprefix("sqlite:///")).rename(tmp_path / "lost.db")
    _forget_connections()
    assert gate_run().success
    assert "registered again" in str(gate_run.warnings)
    assert _champion_in_mlflow(tracking) == version
    held = tracking.client().get_model_version_by_alias(MODEL_NAME, CHAMPION)
    assert held.tags["git_commit"] == "c0ffee"


def _forget_connections() -> None:
    """A process that starts after the loss, which this one is not, holds no connection."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore
    from mlflow.tracking._model_registry import utils as registry_utils
    from mlflow.tracking._tracking_service import utils as tracking_utils

    for store in (TrackingStore, RegistryStore):
        getattr(store, "_engine_map", {}).clear()
    for utils in (registry_utils._get_store_registry(), tracking_utils._tracking_store_registry):
        utils._get_store_with_resolved_uri.cache_clear()


def test_mlflow_that_cannot_be_reached_keeps_nobody_from_rolling_back(
    line, gate_run, monkeypatch
) -> None:
    from mlflow.exceptions import MlflowException

    from pax_assets.defs.model.tracking import MlflowResource

    line.export(ONE)
    gate_run()
    line.export(TWO, entity=0.95)
    gate_run()

    def down(self):
        raise MlflowException("connection refused")

    monkeypatch.setattr(MlflowResource, "client", down)
    assert _rollback(gate_run).success
    assert line.champion().model_version == ONE
    assert "the next materialization of released_model tells it" in str(gate_run.warnings)


def test_of_two_promotions_at_once_the_second_compares_with_the_first(
    line, gate_run, monkeypatch
) -> None:
    """Both pass against the old champion. The worse of the two must not be champion at the end."""
    line.export(ONE)
    gate_run()
    line.export(TWO, entity=0.95)
    better = line.store.current("onnx_model").version
    line.export(THREE, entity=0.92)
    compare, raced = promotion.compare, []

    def overtaken(context, lake, challenger, champion, withdrawn):
        verdict = compare(context, lake, challenger, champion, withdrawn)
        if not raced:
            raced.append(verdict)
            other = promotion.challenger_of(lake, better, challenger.dataset_version)
            promotion.Releases(lake.artifacts()).release(
                other, champion, action="promoted", why="at the same time"
            )
        return verdict

    monkeypatch.setattr(promotion, "compare", overtaken)
    check = _check(gate_run())
    assert raced[0].refused == []
    assert not check.passed
    assert check.metadata["champion"].value == TWO
    assert [release.model_version for release in line.history()] == [ONE, TWO]


def test_the_releases_are_listed_with_their_scores_and_reasons(line, gate_run) -> None:
    line.export(ONE)
    gate_run()
    line.export(TWO, entity=0.95)
    gate_run()
    _rollback(gate_run, why="wrong dates")
    rows = promotion.release_table(line.history()).splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[:3] for row in cells] == [
        ["1", "", ONE[:12]],
        ["2", "withdrawn", TWO[:12]],
        ["3", "champion", ONE[:12]],
    ]
    assert cells[1][6] == "0.9500"
    assert cells[2][-1] == "wrong dates"


def test_a_configuration_that_is_not_valid_is_refused_before_anything_runs(line, gate_run) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        gate_run(action="demote")
