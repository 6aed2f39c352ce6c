"""`make promote`, `rollback`, `releases` and `sweep` as a person at a terminal sees them."""

import shutil

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from pax_assets import model_commands
from pax_assets.defs.model import sweep
from pax_assets.lake.artifacts import ArtifactStore
from pax_assets.lake.releases import Releases, Served
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.model_fixtures import toy_dataset

__all__ = ["toy_dataset"]  # a fixture, by its name


@pytest.fixture
def here(lake, monkeypatch, tmp_path) -> str:
    """A lake, and a Dagster home, that the commands find by the environment."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(PROJECT / "dagster.yaml", home)
    monkeypatch.setenv("PAX_LAKE", lake)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return lake


def _release(lake: str, model: str, entity: float) -> None:
    releases = Releases(ArtifactStore(lake))
    served = Served(model, f"onnx-{model}", "fp32", "d", {"entity": entity})
    releases.release(served, releases.champion(), action="promoted", why="better")


def test_releases_are_printed_in_columns(here, capsys) -> None:
    _release(here, "a" * 32, 0.91)
    _release(here, "b" * 32, 0.92)
    assert model_commands.main(["releases"]) == 0
    head, rule, first, second = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["release", "is", "model"]
    assert set(rule) == {"-", " "}
    assert first.index("a" * 12) == second.index("b" * 12) == head.index("model")
    assert second.split()[:2] == ["2", "champion"]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["releases"], "no model was released yet"),
        (["rollback"], "no model was released yet"),
        (["rollback", "--to", "3"], "no model was released yet"),
        (["promote"], "materialize the asset tokenized_dataset first"),
        (["sweep"], "materialize the asset tokenized_dataset first"),
    ],
)
def test_on_an_empty_lake_each_says_what_is_missing(here, command, sentence, capsys) -> None:
    assert model_commands.main(command) == 1
    assert sentence in capsys.readouterr().err


def test_a_rollback_that_cannot_be_served_exits_with_its_sentence(here, capsys) -> None:
    _release(here, "a" * 32, 0.91)
    _release(here, "b" * 32, 0.92)
    assert model_commands.main(["rollback"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("rollback: release 1 (model aaaaaaaa")
    assert "nothing was changed" in said
    assert "Traceback" not in said


def test_what_is_no_number_of_a_release_is_refused(here, capsys) -> None:
    assert model_commands.main(["rollback", "--to", "the last"]) == 1
    assert "'the last' is no release's number" in capsys.readouterr().err


def test_an_empty_variable_of_make_is_none(here, capsys) -> None:
    assert model_commands.main(["rollback", "--to=", "--why="]) == 1
    assert "no model was released yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["rollback", "--to", "9"], "there is no release 9: the releases go from 1 to 2"),
        (["promote", "--model", "abc"], "model 'abc' is neither a number in MLflow nor"),
        (["promote", "--model", "deadbeef"], "no exported model has a version that begins with"),
    ],
)
def test_a_name_of_nothing_is_refused_without_a_run_that_fails(
    here, command, sentence, capsys
) -> None:
    """A failed run of released_model would look as if the champion were broken."""
    _release(here, "a" * 32, 0.91)
    _release(here, "b" * 32, 0.92)
    assert model_commands.main(command) == 1
    assert sentence in capsys.readouterr().err
    assert dg.DagsterInstance.get().get_runs_count() == 0


@pytest.fixture
def two_configurations(here, toy_dataset, monkeypatch, tmp_path) -> str:
    ArtifactStore(here).publish("tokenized_dataset", toy_dataset)
    file = tmp_path / "sweep.toml"
    file.write_text("[configurations.one]\nepochs = 1\n[configurations.two]\nepochs = 2\n")
    monkeypatch.setenv("PAX_SWEEP", str(file))
    return here


def test_a_sweep_of_which_nothing_could_be_trained_ends_with_why(
    two_configurations, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("PAX_MLFLOW_URI", "sqlite:////proc/no/such.db")
    assert model_commands.main(["sweep"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("sweep: without a result: one: ")
    assert "; two: " in said


def test_a_sweep_that_is_stopped_starts_nothing_else(
    two_configurations, monkeypatch, capsys
) -> None:
    begun = []

    def stopped(*_arguments, **_options) -> None:
        begun.append(1)
        raise DagsterExecutionInterruptedError

    monkeypatch.setattr(sweep, "_trained", stopped)
    assert model_commands.main(["sweep"]) == 1
    assert "stopped in one; make sweep goes on where it was" in capsys.readouterr().err
    assert len(begun) == 1


def test_a_sweep_that_cannot_be_read_is_named(here, monkeypatch, tmp_path, capsys) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text("[configurations.a]\nepoch = 3\n")
    monkeypatch.setenv("PAX_SWEEP", str(file))
    assert model_commands.main(["sweep"]) == 1
    assert f"sweep: {file}, a: unknown field 'epoch'" in capsys.readouterr().err


def test_the_jobs_are_in_the_ui_with_what_serves_the_champion() -> None:
    from pax_assets.definitions import defs

    definitions = defs()
    graph = definitions.resolve_asset_graph()
    for name in ("promote_model", "rollback_model"):
        job = definitions.resolve_job_def(name)
        assert job.description
        assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == {
            "released_model",
            "message_intelligence_bento",
            "bento_deployment",
        }
        assert isinstance(graph.get(dg.AssetKey("released_model")).description, str)
