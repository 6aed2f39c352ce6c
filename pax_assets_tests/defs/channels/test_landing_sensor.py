"""The landing sensor, tick by tick, on a real instance: what it requests, and when it does not.

The runs that it requests are executed as the daemon would, with its tags, in this process.
"""

import json
from datetime import timedelta

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from pax_assets.defs.channels import landing_runs, sensors
from pax_assets.jobs import features
from pax_assets.lake import landing_watch, ledger, read
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.defs.channels.sensor_line import DAY, OLD, TODAY, YESTERDAY, Line, paths
from pax_assets_tests.landing_objects import line


def test_new_objects_are_requested_and_become_messages(line_: Line) -> None:
    line_.land(f"sms/{DAY}/a.jsonl", [line("a"), line("b")])
    line_.land(f"email/{DAY}/b.jsonl", [line("c")])
    line_.land(f"sms/{YESTERDAY}/late.jsonl", [line("d")])
    first, second = line_.tick()
    assert (first.partition_key, second.partition_key) == (DAY, YESTERDAY)
    assert paths(first) == [f"email/{DAY}/b.jsonl", f"sms/{DAY}/a.jsonl"]
    assert {key.to_user_string() for key in first.asset_selection} == {
        "raw_sms",
        "raw_email",
        "messages",
    }
    assert line_.run(first)
    assert line_.run(second)
    assert read(line_.lake, "messages").num_rows == 4
    assert line_.tick() == []
    assert "nothing new" in line_.why


def test_a_run_takes_in_just_the_objects_that_it_was_requested_for(line_: Line) -> None:
    line_.land(f"sms/{DAY}/a.jsonl", [line("a")])
    (request,) = line_.tick()
    line_.land(f"sms/{DAY}/b.jsonl", [line("b")])
    assert line_.run(request)
    assert [e["path"] for e in ledger.entries(line_.lake, "sms", DAY)] == [f"sms/{DAY}/a.jsonl"]
    (request,) = line_.tick()
    assert paths(request) == [f"sms/{DAY}/b.jsonl"]


def test_the_materialization_says_which_objects_were_looked_at(line_: Line) -> None:
    line_.land(f"sms/{DAY}/a.jsonl", [line("a"), "{broken"])
    (request,) = line_.tick()
    line_.run(request)
    event = line_.instance.get_latest_materialization_event(dg.AssetKey("raw_sms"))
    shown = {k: v.value for k, v in event.asset_materialization.metadata.items()}
    assert shown["looked_at"] == "1 objects"
    assert (shown["records"], shown["messages"], shown["quarantined"]) == (2, 1, 1)


def test_a_duplicated_tick_names_the_same_run(line_: Line) -> None:
    line_.land(f"sms/{DAY}/a.jsonl", [line("a")])
    before = line_.cursor
    (one,) = line_.tick()
    line_.cursor = before
    (two,) = line_.tick()
    assert one.run_key == two.run_key
    line_.land(f"sms/{DAY}/b.jsonl", [line("b")])
    (other,) = line_.tick()
    assert other.run_key != one.run_key


def test_while_a_run_is_under_way_one_more_waits_and_no_third(line_: Line) -> None:
    line_.land(f"sms/{DAY}/a.jsonl", [line("a")])
    (first,) = line_.tick()
    line_.under_way(first)
    assert line_.tick() == []
    line_.land(f"sms/{DAY}/b.jsonl", [line("b")])
    (second,) = line_.tick()
    assert paths(second) == [f"sms/{DAY}/b.jsonl"]
    assert first.tags["pax/landing_day"] == second.tags["pax/landing_day"] == DAY
    waiting = line_.under_way(second)
    line_.land(f"sms/{DAY}/c.jsonl", [line("c")])
    line_.land(f"sms/{YESTERDAY}/d.jsonl", [line("d")])
    (other,) = line_.tick()
    assert other.partition_key == YESTERDAY
    line_.instance.report_run_canceled(waiting)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landing_runs, "_DAY_PAUSE", timedelta(0))
        requests = {request.partition_key: paths(request) for request in line_.tick()}
    assert requests[DAY] == [f"sms/{DAY}/c.jsonl"]


def test_the_instance_runs_one_of_a_day_at_a_time(tmp_path) -> None:
    """Or the run that waits would race the one that it waits for, where several may run."""
    (tmp_path / "dagster.yaml").write_text((PROJECT / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        limits = instance.get_concurrency_config().run_queue_config.tag_concurrency_limits
    (limit,) = (limit for limit in limits if limit["key"] == landing_runs.TAG)
    assert limit["limit"] == 1
    assert limit["value"] == {"applyLimitPerUniqueValue": True}


@pytest.mark.parametrize(
    ("tags", "busy"),
    [
        ({"dagster/partition": DAY}, True),
        ({"dagster/partition": YESTERDAY}, False),
        (
            {
                "dagster/asset_partition_range_start": OLD,
                "dagster/asset_partition_range_end": DAY,
            },
            True,
        ),
    ],
)
def test_runs_that_a_person_started_are_waited_for_too(line_: Line, tags, busy) -> None:
    line_.land(f"sms/{DAY}/a.jsonl", [line("a")])
    line_.instance.create_run_for_job(
        line_.job,
        status=DagsterRunStatus.STARTED,
        asset_selection=frozenset({dg.AssetKey("messages")}),
        tags=tags,
    )
    assert len(line_.tick()) == (0 if busy else 1)


def test_the_objects_of_a_failed_run_are_requested_again_after_a_pause(line_, monkeypatch) -> None:
    line_.land(f"sms/{DAY}/a.jsonl", [line("a")])
    (first,) = line_.tick()
    failed = {"ops": {"raw_sms": {"config": {"paths": ["sms/\0"]}}}}
    assert not line_.run(first._replace(run_config=failed))
    assert line_.tick() == []
    assert "wait" in line_.why
    monkeypatch.setattr(landing_runs, "_DAY_PAUSE", timedelta(0))
    (again,) = line_.tick()
    assert paths(again) == [f"sms/{DAY}/a.jsonl"]
    assert again.run_key != first.run_key
    assert line_.run(again)
    assert line_.tick() == []


def test_a_run_that_failed_after_ingesting_is_made_up_for(line_, monkeypatch) -> None:
    """Its objects are in the ledger, so nothing is new; and they are not in `messages`."""
    monkeypatch.setattr(landing_runs, "_DAY_PAUSE", timedelta(0))
    line_.land(f"sms/{DAY}/a.jsonl", [line("a")])
    (request,) = line_.tick()

    def fail(*_: object) -> None:
        raise RuntimeError("out of disk")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "build_messages", fail)
        assert not line_.run(request)
    assert ledger.totals(line_.lake)["objects"] == 1
    (again,) = line_.tick()
    assert [key.to_user_string() for key in again.asset_selection] == ["messages"]
    assert line_.run(again)
    assert read(line_.lake, "messages").num_rows == 1
    assert line_.tick() == []


def test_an_object_that_brings_runs_down_ends_up_alone(line_, monkeypatch) -> None:
    """The others come through, and the bad one comes again after longer and longer pauses."""
    monkeypatch.setattr(landing_runs, "_DAY_PAUSE", timedelta(0))
    monkeypatch.setattr(landing_runs, "_OBJECT_PAUSE", timedelta(0))
    monkeypatch.setattr(landing_runs, "_IN_COMPANY", 8)
    for number in range(6):
        line_.land(f"sms/{DAY}/{number}.jsonl", [line(str(number))])
    bad = f"sms/{DAY}/3.jsonl"
    bad_with: list[int] = []
    for _ in range(12):
        requests = line_.tick()
        if not requests:
            break
        named = paths(requests[0])
        if bad in named:
            bad_with.append(len(named))
            run = line_.under_way(requests[0])
            line_.instance.report_run_failed(run)
        else:
            assert line_.run(requests[0])
    assert read(line_.lake, "messages").num_rows == 5
    assert bad_with[0] == 6
    assert bad_with[-3:] == [1, 1, 1]
    monkeypatch.setattr(landing_runs, "_OBJECT_PAUSE", timedelta(minutes=1))
    for request in line_.tick():
        assert paths(request) == []
        line_.run(request)
    assert line_.tick() == []
    line_.land(f"sms/{DAY}/new.jsonl", [line("new")])
    (request,) = line_.tick()
    assert paths(request) == [f"sms/{DAY}/new.jsonl"]


def test_what_was_looked_at_and_not_taken_in_is_left_alone(line_, monkeypatch) -> None:
    """Touched objects hold the same bytes; unreadable ones cannot be had. Neither comes back."""
    monkeypatch.setattr(landing_watch, "_QUIET", timedelta(0))
    file = line_.land(f"sms/{DAY}/a.jsonl", [line("a")])
    (request,) = line_.tick()
    assert line_.run(request)
    file.touch()
    (request,) = line_.tick()
    assert line_.run(request)
    assert line_.tick() == []
    line_.land(f"sms/{DAY}/b.jsonl", [line("b")])
    (request,) = line_.tick()
    assert paths(request) == [f"sms/{DAY}/b.jsonl"]
    sensors._watch.cache_clear()
    (request,) = line_.tick()
    assert paths(request) == [f"sms/{DAY}/b.jsonl"]


def test_an_object_that_was_replaced_is_taken_in_again(line_, monkeypatch) -> None:
    monkeypatch.setattr(landing_watch, "_QUIET", timedelta(0))
    line_.land(f"sms/{DAY}/a.jsonl", [line("a")])
    line_.run(line_.tick()[0])
    line_.land(f"sms/{DAY}/a.jsonl", [line("a"), line("b")], age=0)
    (request,) = line_.tick()
    line_.run(request)
    assert read(line_.lake, "messages").num_rows == 2


def test_objects_without_a_day_count_for_today(line_: Line) -> None:
    line_.land("sms/drop.jsonl", [line("a")])
    line_.land("whatsapp/2025/12/export.jsonl", [line("b")])
    (request,) = line_.tick()
    assert request.partition_key == DAY
    assert paths(request) == ["sms/drop.jsonl", "whatsapp/2025/12/export.jsonl"]
    assert line_.run(request)
    assert line_.tick() == []


def test_what_is_still_being_written_waits(line_: Line) -> None:
    line_.land(f"sms/{DAY}/a.jsonl", [line("a")], age=0.2)
    line_.land(f"sms/{DAY}/.hidden.jsonl", [line("b")])
    line_.land(f"sms/{DAY}/upload.jsonl.part", [line("c")])
    assert line_.tick() == []
    line_.land(f"sms/{DAY}/a.jsonl", [line("a")], age=3)
    (request,) = line_.tick()
    assert paths(request) == [f"sms/{DAY}/a.jsonl"]


def test_more_objects_than_can_be_named_are_taken_as_the_whole_day(line_, monkeypatch) -> None:
    monkeypatch.setattr(landing_watch, "MOST_NEW", 3)
    for number in range(5):
        line_.land(f"sms/{DAY}/{number}.jsonl", [line(str(number))])
    (request,) = line_.tick()
    assert paths(request) == []
    assert line_.run(request)
    assert read(line_.lake, "messages").num_rows == 5
    assert line_.tick() == []


def test_older_days_are_found_within_a_round_and_then_watched(line_, monkeypatch) -> None:
    monkeypatch.setattr(landing_watch, "_SWEPT_FOLDERS", 7)
    line_.land(f"whatsapp/{OLD}/a.jsonl", [line("a")])
    ticks = 0
    requests: list[dg.RunRequest] = []
    while not requests:
        requests, ticks = line_.tick(), ticks + 1
        assert ticks < 200
    assert ticks > 1
    assert requests[0].partition_key == OLD
    assert line_.run(requests[0])
    line_.land(f"whatsapp/{OLD}/b.jsonl", [line("b")])
    (request,) = line_.tick()
    assert paths(request) == [f"whatsapp/{OLD}/b.jsonl"]


def test_the_cursor_stays_small_and_a_broken_one_begins_anew(line_: Line) -> None:
    for back in range(2, 40):
        day = (TODAY - timedelta(days=back)).isoformat()
        line_.land(f"sms/{day}/a.jsonl", [line(day)])
    for _ in range(10):
        line_.tick()
        assert len(line_.cursor) < 1_000
    for cursor in ("", "{", "[]", '"x"', '{"young": "nowhere", "swept": "sms/20", "more": 1}'):
        line_.cursor = cursor
        assert line_.tick() is not None
        assert json.loads(line_.cursor)


def test_days_outside_the_partitions_are_no_concern_of_the_sensor(line_: Line) -> None:
    line_.land("sms/2019-01-01/a.jsonl", [line("a")])
    line_.land(f"sms/{(TODAY + timedelta(days=2)).isoformat()}/a.jsonl", [line("b")])
    for _ in range(10):
        assert line_.tick() == []


def test_at_most_a_few_runs_are_under_way(line_: Line) -> None:
    for back in range(8):
        day = (TODAY - timedelta(days=back)).isoformat()
        line_.land(f"sms/{day}/a.jsonl", [line(day)])
    requests = line_.tick()
    assert len(requests) == sensors._MOST_RUNS
    for request in requests:
        line_.under_way(request)
    assert line_.tick() == []
