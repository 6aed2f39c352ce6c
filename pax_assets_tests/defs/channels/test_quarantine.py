"""The quarantine as people see it in Dagster, and the job that replays it."""

import dagster as dg

from pax_assets.defs.channels.assets import raw_email, raw_sms, raw_whatsapp
from pax_assets.defs.channels.quarantine import quarantine, replay_quarantine
from pax_assets.defs.feature_store.assets import messages
from pax_assets.defs.resources import LakeResource, SparkResource
from pax_assets.lake import read
from pax_assets_tests.landing_objects import DAYS, land, line

DAY = DAYS[0]
NAME = f"whatsapp/{DAY}/WhatsApp Chat with Bob.txt"
ASSETS = [raw_sms, raw_whatsapp, raw_email, messages, quarantine]


def test_the_quarantine_is_shown_without_text_and_replayed_from_dagster(spark, lake, tmp_path):
    landing = tmp_path / "landing"
    land(landing, NAME, b"03/04/25, 10:00 - Ann: hello\n03/04/25, 10:05 - Bob: hi there\n")
    land(landing, f"whatsapp/{DAY}/other.json", [line("x"), "{a broken secret"])
    resources = {
        "lake": LakeResource(root=lake, landing=str(landing)),
        "spark": SparkResource(),
    }
    with dg.DagsterInstance.ephemeral() as instance:

        def materialize(*keys: str, day: str | None = None) -> dg.ExecuteInProcessResult:
            return dg.materialize(
                ASSETS,
                selection=list(keys),
                partition_key=day,
                resources=resources,
                instance=instance,
            )

        materialize("raw_whatsapp", "messages", day=DAY)
        assert shown(materialize("quarantine"))["objects_that_a_replay_would_read"] == 0
        resources["lake"] = LakeResource(root=lake, landing=str(landing), date_order="dmy")
        before = shown(materialize("quarantine"))
        assert before["dagster/row_count"] == before["quarantined_whatsapp"] == 2
        assert before["objects_that_a_replay_would_read"] == 2
        assert f"| {DAY} | whatsapp |" in before["by_channel_day_and_code"]
        assert NAME in before["reasons"]
        assert "secret" not in str(before)
        result = replay_quarantine.execute_in_process(resources=resources, instance=instance)
        assert result.success
        changed = {
            event.materialization.asset_key.to_user_string(): event.materialization.partition
            for event in result.all_events
            if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
        }
        assert changed == {"raw_whatsapp": DAY, "messages": DAY}
        (seen,) = (
            event.asset_observation_data.asset_observation
            for event in result.all_events
            if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION
        )
        assert "2 objects read again: 2 more messages" in seen.description
        after = shown(materialize("quarantine"))
        assert after["dagster/row_count"] == 1
        assert after["objects_that_a_replay_would_read"] == 0
    assert read(lake, "messages").num_rows == 3


def shown(result: dg.ExecuteInProcessResult) -> dict:
    (event,) = (e for e in result.all_events if e.is_step_materialization)
    return {key: value.value for key, value in event.materialization.metadata.items()}
