"""Automation follows changes: a new day trains nothing, a changed label reaches the service.

The conditions of the real definitions are evaluated, tick by tick, on a real instance. What a
run would do is reported as the materialization that it would write, with its data version.
"""

from collections.abc import Iterator
from datetime import datetime

import dagster as dg
import pytest

from pax_assets.definitions import defs
from pax_assets.defs.automation import WHEN_A_DEPENDENCY_CHANGED

CHANNELS = ("raw_sms", "raw_whatsapp", "raw_email")
CHAIN = (
    "annotations",
    "tokenized_dataset",
    "message_model",
    "onnx_model",
    "released_model",
    "message_intelligence_bento",
    "bento_deployment",
)
INSIGHTS = ("insights/entities", "insights/events", "insights/relations")


class Ticks:
    """An instance, and the automation evaluated on it tick after tick."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.definitions, self.cursor = instance, defs(), None

    def tick(self) -> set[tuple[str, str | None]]:
        result = dg.evaluate_automation_conditions(
            defs=self.definitions, instance=self.instance, cursor=self.cursor
        )
        self.cursor = result.cursor
        keys = self.definitions.resolve_asset_graph().get_all_asset_keys()
        return {
            (key.to_user_string(), partition)
            for key in keys
            for partition in _requested(result, key)
        }

    def report(self, key: str, version: str, partition: str | None = None) -> None:
        event = dg.AssetMaterialization(
            dg.AssetKey(key.split("/")),
            partition=partition,
            tags={"dagster/data_version": version},
        )
        self.instance.report_runless_asset_event(event)

    def observe(self, key: str, version: str) -> None:
        self.instance.report_runless_asset_event(
            dg.AssetObservation(key, tags={"dagster/data_version": version})
        )


def _requested(result: dg.EvaluateAutomationConditionsResult, key: dg.AssetKey) -> set[str | None]:
    try:
        return result.get_requested_partitions(key)
    except KeyError:
        return set()  # an asset without a condition


@pytest.fixture
def ticks() -> Iterator[Ticks]:
    """A line on which everything ran once."""
    with dg.DagsterInstance.ephemeral() as instance:
        line = Ticks(instance)
        line.observe("label_sources", "labels-1")
        for key in (*CHANNELS, "messages", *INSIGHTS):
            line.report(key, "v1", "2026-01-05")
        for key in ("conversations", "participants", *CHAIN, "relationship_graph"):
            line.report(key, "v1")
        line.tick()
        yield line


def _follow(ticks: Ticks, versions: str, limit: int = 12) -> list[str]:
    """Do what is requested until nothing is; return what was done, in order."""
    done = []
    for _ in range(limit):
        requested = {(key, part) for key, part in ticks.tick() if key not in CHANNELS}
        if not requested:
            return done
        for key, partition in sorted(requested, key=str):
            done.append(key)
            if key == "label_sources":
                continue
            ticks.report(key, versions, partition)
    raise AssertionError(f"automation does not come to rest: {done}")


def test_nothing_is_requested_while_nothing_changes(ticks: Ticks) -> None:
    assert _follow(ticks, "v1") == []


def test_a_new_day_reaches_store_and_insights_and_trains_nothing(ticks: Ticks) -> None:
    for key in CHANNELS:
        ticks.report(key, "day-2", "2026-01-06")
    done = _follow(ticks, "day-2")
    assert "messages" in done
    assert {"conversations", "participants", *INSIGHTS, "relationship_graph"} <= set(done)
    assert not set(done) & set(CHAIN)


def test_a_rematerialized_day_with_equal_content_requests_nothing(ticks: Ticks) -> None:
    for key in (*CHANNELS, "messages"):
        ticks.report(key, "v1", "2026-01-05")
    assert _follow(ticks, "v1") == []


def test_a_changed_label_leads_to_a_new_deployment(ticks: Ticks) -> None:
    ticks.observe("label_sources", "labels-2")
    done = _follow(ticks, "v2")
    assert [key for key in done if key in CHAIN] == list(CHAIN)
    assert "messages" not in done


def test_an_observation_without_a_change_requests_nothing(ticks: Ticks) -> None:
    ticks.observe("label_sources", "labels-1")
    assert _follow(ticks, "v1") == []


def test_a_corpus_that_came_out_equal_trains_nothing(ticks: Ticks) -> None:
    ticks.observe("label_sources", "labels-2")
    assert {key for key, _ in ticks.tick()} - set(CHANNELS) == {"annotations"}
    ticks.report("annotations", "v1")
    assert _follow(ticks, "v1") == []


def test_a_failed_blocking_check_stops_the_automation_below_it() -> None:
    """Inside one run Dagster stops by itself; automation would go on in the next run."""
    passes = [False]

    @dg.asset(check_specs=[dg.AssetCheckSpec("floor", asset="model", blocking=True)])
    def model() -> dg.MaterializeResult:
        return dg.MaterializeResult(
            data_version=dg.DataVersion(f"passes: {passes[0]}"),
            check_results=[dg.AssetCheckResult(check_name="floor", passed=passes[0])],
        )

    @dg.asset(deps=[model], automation_condition=WHEN_A_DEPENDENCY_CHANGED)
    def deployment() -> None:
        raise AssertionError("not run here")

    definitions = dg.Definitions(assets=[model, deployment])
    with dg.DagsterInstance.ephemeral() as instance:
        cursor, requested = None, []
        for attempt in (None, False, True):
            if attempt is not None:
                passes[0] = attempt
                dg.materialize([model], instance=instance, raise_on_error=False)
            result = dg.evaluate_automation_conditions(
                defs=definitions, instance=instance, cursor=cursor
            )
            cursor = result.cursor
            requested.append(result.total_requested)
    assert requested == [0, 0, 1]


def test_what_landed_late_yesterday_is_taken_in_today() -> None:
    condition = defs().resolve_asset_graph().get(dg.AssetKey("raw_sms")).automation_condition
    day = dg.DailyPartitionsDefinition(start_date="2026-01-01", end_offset=1)

    @dg.asset(partitions_def=day, automation_condition=condition)
    def raw() -> None:
        raise AssertionError("not run here")

    definitions = dg.Definitions(assets=[raw])
    with dg.DagsterInstance.ephemeral() as instance:
        before = dg.evaluate_automation_conditions(
            defs=definitions, instance=instance, evaluation_time=datetime(2026, 2, 3, 23, 30)
        )
        after = dg.evaluate_automation_conditions(
            defs=definitions,
            instance=instance,
            cursor=before.cursor,
            evaluation_time=datetime(2026, 2, 4, 0, 1),
        )
    assert after.get_requested_partitions(raw.key) == {"2026-02-03", "2026-02-04"}
