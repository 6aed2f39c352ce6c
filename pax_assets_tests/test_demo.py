"""The demo fails loudly: it never ends well unless what it promises is true."""

import dagster as dg
import pytest

from pax_assets import demo
from pax_assets.demo import DemoFailed, Line


@pytest.fixture
def empty_lake(lake, monkeypatch) -> str:
    monkeypatch.setenv("PAX_LAKE", lake)
    return lake


def test_an_empty_landing_folder_is_an_error_that_names_it(
    empty_lake, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("PAX_LANDING", str(tmp_path / "mine"))
    assert demo.main() == 1
    assert f"{tmp_path}/mine holds no landing object" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("day", "sentence"),
    [("2025-12-30", "PAX_START_DATE=2025-12-30"), ("2999-01-01", "after today")],
)
def test_a_day_without_a_partition_is_named_before_anything_runs(
    day, sentence, empty_lake, tmp_path, monkeypatch, capsys
) -> None:
    folder = tmp_path / "mine" / "sms" / day
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text('{"message_id": "1", "text": "hi"}')
    monkeypatch.setenv("PAX_LANDING", str(tmp_path / "mine"))
    assert demo.main() == 1
    assert sentence in capsys.readouterr().err


def test_a_wrong_setting_is_an_error_and_not_a_traceback(monkeypatch, capsys) -> None:
    monkeypatch.setenv("PAX_EPOCHS", "several")
    assert demo.main() == 1
    assert "PAX_EPOCHS" in capsys.readouterr().err


def _line(*assets) -> Line:
    definitions = dg.Definitions(assets=list(assets), executor=dg.in_process_executor)
    return Line(
        job=definitions.resolve_implicit_global_asset_job_def(),
        instance=dg.DagsterInstance.ephemeral(),
        steps=1,
    )


def test_a_failed_asset_stops_the_line_and_shows_its_error(capsys) -> None:
    @dg.asset
    def broken() -> None:
        raise ValueError("the reason")

    with pytest.raises(DemoFailed, match="broken"):
        _line(broken).run(["broken"])
    assert "the reason" in capsys.readouterr().out


def test_a_failed_blocking_check_stops_the_line() -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("adds_up", asset="counted", blocking=True)])
    def counted() -> dg.MaterializeResult:
        return dg.MaterializeResult(
            check_results=[dg.AssetCheckResult(check_name="adds_up", passed=False)]
        )

    with pytest.raises(DemoFailed, match="counted: adds_up"):
        _line(counted).run(["counted"])


def test_a_failed_check_that_only_warns_does_not(capsys) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("is_small", asset="counted")])
    def counted() -> dg.MaterializeResult:
        return dg.MaterializeResult(
            data_version=dg.DataVersion("v7"),
            metadata={"rows": 3},
            check_results=[dg.AssetCheckResult(check_name="is_small", passed=False)],
        )

    line = _line(counted)
    line.run(["counted"])
    assert line.materialized["counted"]["rows"] == 3
    assert line.versions["counted"] == "v7"


def test_a_skipped_output_is_a_failure() -> None:
    @dg.multi_asset(specs=[dg.AssetSpec("made"), dg.AssetSpec("skipped", skippable=True)])
    def two():
        yield dg.MaterializeResult(asset_key="made")

    with pytest.raises(DemoFailed, match="did not materialize skipped"):
        _line(two).run(["made", "skipped"])


def _gated(verdicts: list[str]) -> list[dg.AssetsDefinition]:
    """A champion behind its gate, and what serves it."""

    @dg.asset(
        name="released_model",
        check_specs=[
            dg.AssetCheckSpec("better_than_champion", asset="released_model", blocking=True)
        ],
    )
    def gate() -> dg.MaterializeResult:
        return dg.MaterializeResult(
            check_results=[
                dg.AssetCheckResult(
                    check_name="better_than_champion",
                    passed=not verdicts,
                    metadata={"verdict": "; ".join(verdicts)},
                )
            ]
        )

    @dg.asset(deps=[gate])
    def served() -> dg.MaterializeResult:
        return dg.MaterializeResult(data_version=dg.DataVersion("champion"))

    return [gate, served]


def test_a_model_that_does_not_beat_the_champion_is_no_failure(capsys) -> None:
    """What follows from the champion is made all the same, and the line says who stays."""
    line = _line(*_gated(["model b is refused, a stays"]))
    line.run(["released_model", "served"])
    assert line.versions["served"] == "champion"
    assert line.refused == "model b is refused, a stays"
    assert "the champion stays; going on with it" in capsys.readouterr().out


def test_what_fails_beside_a_refused_model_still_is_a_failure() -> None:
    @dg.asset
    def broken() -> None:
        raise ValueError("the reason")

    with pytest.raises(DemoFailed, match="better_than_champion"):
        _line(*_gated(["refused"]), broken).run(["released_model", "served", "broken"])


def test_a_model_that_passes_the_gate_is_served_in_the_same_run() -> None:
    line = _line(*_gated([]))
    line.run(["released_model", "served"])
    assert (line.refused, line.step) == ("", 1)
