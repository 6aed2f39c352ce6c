"""When the insights are requested: after their day's messages changed, and not before a model.

The chain as a whole is tested in `pax_assets_tests/defs/test_automation.py`.
"""

from __future__ import annotations

import dagster as dg
import pytest

from pax_assets.defs.insights.assets import insights
from pax_assets.defs.insights.graph import relationship_graph
from pax_assets.defs.partitions import DAILY
from pax_assets.defs.resources import LakeResource, SparkResource

DAY_1, DAY_2 = "2026-01-05", "2026-01-06"
INSIGHTS = {"insights/entities", "insights/events", "insights/relations"}
SOURCES = [
    dg.AssetSpec("messages", partitions_def=DAILY),
    dg.AssetSpec("released_model"),
    dg.AssetSpec("participants"),
]


class Ticks:
    """The automation of the insights alone, tick by tick, on an instance of its own."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor = instance, None
        self.definitions = dg.Definitions(
            assets=[insights, relationship_graph, *SOURCES],
            resources={"lake": LakeResource(root="", landing=""), "spark": SparkResource()},
        )

    def tick(self) -> set[tuple[str, str | None]]:
        result = dg.evaluate_automation_conditions(
            defs=self.definitions, instance=self.instance, cursor=self.cursor
        )
        self.cursor = result.cursor
        keys = (*insights.keys, relationship_graph.key)
        return {
            (key.to_user_string(), partition)
            for key in keys
            for partition in result.get_requested_partitions(key)
        }

    def report(self, key: str, version: str, partition: str | None = None) -> None:
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                dg.AssetKey(key.split("/")),
                partition=partition,
                tags={"dagster/data_version": version},
            )
        )

    def report_insights(self, version: str, partition: str) -> None:
        for key in INSIGHTS:
            self.report(key, version, partition)


@pytest.fixture
def ticks():
    with dg.DagsterInstance.ephemeral() as instance:
        yield Ticks(instance)


@pytest.fixture
def running(ticks: Ticks) -> Ticks:
    """A line on which everything was made once."""
    ticks.report("released_model", "m1")
    ticks.report("participants", "v1")
    ticks.report("messages", "v1", DAY_1)
    ticks.report_insights("v1", DAY_1)
    ticks.report("relationship_graph", "v1")
    ticks.tick()
    assert ticks.tick() == set()
    return ticks


def test_a_new_day_is_scored_and_then_reaches_the_graph(running: Ticks) -> None:
    running.report("messages", "v1", DAY_2)
    assert running.tick() == {(key, DAY_2) for key in INSIGHTS}
    running.report_insights("v1", DAY_2)
    assert running.tick() == {("relationship_graph", None)}


def test_a_day_whose_messages_did_not_change_is_left_alone(running: Ticks) -> None:
    running.report("messages", "v1", DAY_1)
    assert running.tick() == set()


def test_insights_that_came_out_equal_do_not_reach_the_graph(running: Ticks) -> None:
    running.report("messages", "v2", DAY_1)
    assert running.tick() == {(key, DAY_1) for key in INSIGHTS}
    running.report_insights("v1", DAY_1)
    assert running.tick() == set()


def test_a_new_champion_is_a_backfill_and_requests_nothing_by_itself(running: Ticks) -> None:
    running.report("released_model", "m2")
    assert running.tick() == set()


def test_days_that_land_before_the_first_release_are_scored_after_it(ticks: Ticks) -> None:
    ticks.tick()
    ticks.report("messages", "v1", DAY_1)
    ticks.report("messages", "v1", DAY_2)
    assert ticks.tick() == set()
    ticks.report("released_model", "m1")
    assert ticks.tick() == {(key, day) for key in INSIGHTS for day in (DAY_1, DAY_2)}


def test_messages_that_were_scored_by_the_run_that_took_them_in_are_not_requested(
    running: Ticks,
) -> None:
    """As the landing sensor's runs do, whether or not a tick falls between the two."""
    running.report("messages", "v2", DAY_1)
    running.report_insights("v2", DAY_1)
    assert running.tick() == {("relationship_graph", None)}
    running.report("relationship_graph", "v2")
    assert running.tick() == set()


def test_while_the_run_that_takes_messages_in_goes_on_to_score_nothing_is_requested(
    running: Ticks,
) -> None:
    definitions = dg.Definitions(
        assets=[insights, *SOURCES[1:], _messages],
        jobs=[dg.define_asset_job("both", selection=["messages", *INSIGHTS])],
        resources={"lake": LakeResource(root="", landing=""), "spark": SparkResource()},
    )
    run = running.instance.create_run_for_job(
        definitions.resolve_job_def("both"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": DAY_1},
        asset_selection=frozenset({dg.AssetKey("messages"), *insights.keys}),
    )
    running.report("messages", "v2", DAY_1)
    assert running.tick() == set()
    running.report_insights("v2", DAY_1)
    running.instance.report_run_failed(run)
    assert running.tick() == {("relationship_graph", None)}


@dg.asset(name="messages", partitions_def=DAILY)
def _messages() -> None:
    """As the one of the feature store, to be in a job."""
