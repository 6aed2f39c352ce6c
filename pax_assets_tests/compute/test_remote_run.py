"""Following a run on AWS Glue and on EMR Serverless: each way in which it can end, or not.

Both services answer from botocore's stubs, so that the states between start and end are seen,
which a simulated AWS skips. Every case runs against both.
"""

from __future__ import annotations

import pytest

from pax_assets.compute.aws import Refused
from pax_assets.compute.remote_run import (
    JobLost,
    JobTimedOut,
    RunRequest,
    ServiceUnreachable,
    Status,
    follow,
    start,
)
from pax_assets_tests.compute.aws_stubs import (
    RUN,
    Clock,
    Scripted,
    disconnect,
    scripted_emr,
    scripted_glue,
)

REQUEST = RunRequest("pax_assets.jobs.ingest", ("--day", "2026-01-05"), {}, "token-1", 60)


@pytest.fixture(params=[scripted_glue, scripted_emr], ids=["glue", "emr-serverless"])
def aws(request) -> Scripted:
    return request.param()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _follow(aws: Scripted, clock: Clock, **more):
    return follow(aws.service, RUN, clock.patience(), started_at=clock.now, **more)


def test_a_run_is_waited_for_through_all_its_states(aws, clock) -> None:
    aws.state("pending").state("starting").state("running").state("succeeded")
    polls: list[float] = []
    status = _follow(aws, clock, on_poll=lambda: polls.append(clock.now))
    assert status.phase == "succeeded"
    # The look that finds the end is followed by one more reading of messages.
    assert len(polls) == 4
    aws.stub.assert_no_pending_responses()


@pytest.mark.parametrize("word", ["failed", "expired"])
def test_a_failed_run_says_why(aws, clock, word) -> None:
    status = _follow(aws.state("running").state(word), clock)
    assert (status.phase, "out of memory" in status.detail) == ("failed", True)


def test_a_run_that_somebody_cancelled_is_waited_for_until_it_is_over(aws, clock) -> None:
    status = _follow(aws.state("running").state("stopping").state("stopped"), clock)
    assert status.phase == "stopped"


def test_a_run_that_is_not_known_yet_is_asked_for_again(aws, clock) -> None:
    assert _follow(aws.forget().forget().state("succeeded"), clock).phase == "succeeded"


def test_a_run_that_the_service_forgot_is_lost_after_a_minute(aws, clock) -> None:
    aws.state("running")
    for _ in range(14):
        aws.forget()
    began = clock.now
    with pytest.raises(JobLost, match=r"does not know run run-1.*run the asset again"):
        _follow(aws, clock)
    assert 60 < clock.now - began < 90


def test_lost_connections_and_throttling_are_outlasted(aws, clock, monkeypatch) -> None:
    aws.error("ThrottlingException").error("InternalServerException", 500).state("succeeded")
    disconnect(aws.service, 100, monkeypatch)
    assert _follow(aws, clock).phase == "succeeded"


def test_a_silent_service_is_given_up_after_its_time_and_the_run_is_not_stopped(
    aws, clock, monkeypatch
) -> None:
    disconnect(aws.service, 10_000, monkeypatch)
    began = clock.now
    with pytest.raises(ServiceUnreachable, match="It may go on"):
        _follow(aws, clock)
    assert 900 < clock.now - began < 960


def test_a_missing_permission_ends_the_waiting_at_once(aws, clock) -> None:
    began = clock.now
    with pytest.raises(Refused, match="because"):
        _follow(aws.error("AccessDeniedException"), clock)
    assert clock.now == began


def test_a_run_that_outlives_its_time_is_stopped(aws, clock) -> None:
    patience = clock.patience(queued=60, poll=30)
    for _ in range((5 * 60 + 60) // 30 + 2):
        aws.state("running")
    aws.stopped()
    with pytest.raises(JobTimedOut, match="PAX_SPARK_TIMEOUT_MINUTES"):
        follow(aws.service, RUN, patience, started_at=clock.now, timeout_minutes=5)
    aws.stub.assert_no_pending_responses()


def test_a_follower_that_comes_later_keeps_the_deadline(aws, clock) -> None:
    aws.state("running").stopped()
    with pytest.raises(JobTimedOut):
        follow(
            aws.service,
            RUN,
            clock.patience(queued=0),
            started_at=clock.now - 3601,
            timeout_minutes=60,
        )


def test_a_stream_has_no_deadline(aws, clock) -> None:
    aws.state("running").state("succeeded")
    month = 30 * 86400
    status = follow(aws.service, RUN, clock.patience(poll=month), started_at=clock.now)
    assert status.phase == "succeeded"


def test_an_interruption_stops_the_run(aws, clock) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    aws.state("running").stopped()
    with pytest.raises(KeyboardInterrupt):
        _follow(aws, clock, on_poll=interrupt)
    aws.stub.assert_no_pending_responses()


def test_a_listener_that_fails_stops_the_run(aws, clock) -> None:
    def fail() -> None:
        raise ConnectionError("the tracking server is away")

    aws.state("running").stopped()
    with pytest.raises(ConnectionError, match="tracking server"):
        _follow(aws, clock, on_poll=fail)
    aws.stub.assert_no_pending_responses()


def test_a_run_that_waits_too_long_is_stopped_with_the_reason(aws, clock) -> None:
    for word in ("pending", "running", *["pending"] * 5):
        aws.state(word)
    aws.stopped()
    patience, began = clock.patience(poll=60, waiting=200), clock.now
    with pytest.raises(JobTimedOut, match="waited 4 minutes to start"):
        follow(aws.service, RUN, patience, started_at=began)
    # The first wait is over, and does not count.
    assert clock.now - began == 6 * 60
    aws.stub.assert_no_pending_responses()


def test_a_run_that_a_queue_holds_is_waited_for(clock) -> None:
    class Held:
        name = "queue"
        looks = 0

        def status(self, run_id: str) -> Status:
            self.looks += 1
            held = Status("waiting", "suspended", held=True)
            return held if self.looks < 1000 else Status("succeeded", "")

    patience = clock.patience(poll=60, waiting=200)
    assert follow(Held(), RUN, patience, started_at=clock.now).phase == "succeeded"


def test_what_the_service_says_is_handed_on(aws, clock) -> None:
    heard: list[str] = []
    _follow(
        aws.state("pending").state("succeeded"),
        clock,
        on_status=lambda status: heard.append(status.phase),
    )
    assert heard == ["waiting", "succeeded"]


def test_an_interruption_is_seen_even_if_the_run_cannot_be_stopped(aws, clock, caplog) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    aws.state("running").error("AccessDeniedException", call="stop")
    with pytest.raises(KeyboardInterrupt):
        _follow(aws, clock, on_poll=interrupt)
    assert "could not be stopped" in caplog.text


def test_a_run_is_started_once(aws, clock) -> None:
    assert start(aws.started().service, REQUEST, clock.patience()) == RUN


def test_a_start_that_was_not_answered_is_looked_for_before_it_is_repeated(aws, clock) -> None:
    aws.error("InternalServerException", 500, call="start").lists("other", "token-1")
    assert start(aws.service, REQUEST, clock.patience()) == "run-of-token-1"
    aws.stub.assert_no_pending_responses()


def test_a_start_that_never_happened_is_repeated(aws, clock) -> None:
    aws.error("ThrottlingException", call="start").lists("other").started()
    assert start(aws.service, REQUEST, clock.patience()) == RUN


def test_a_start_that_somebody_before_us_asked_for_is_looked_for_first(aws, clock) -> None:
    aws.lists("token-1")
    assert start(aws.service, REQUEST, clock.patience(), asked_before=True) == "run-of-token-1"


def test_a_service_that_takes_no_runs_is_given_up(aws, clock) -> None:
    aws.error("ThrottlingException", call="start")
    with pytest.raises(ServiceUnreachable, match=r"could not be asked to run pax_assets\.jobs"):
        start(aws.service, REQUEST, clock.patience(unreachable=-1))


def test_a_service_without_the_job_refuses_at_once(aws, clock) -> None:
    with pytest.raises(LookupError, match="because"):
        start(aws.error(aws.unknown, call="start").service, REQUEST, clock.patience())
