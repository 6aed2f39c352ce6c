"""A run of named objects: a person who mistyped is told, a sensor whose object vanished is not."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from pax_assets.jobs.ingest import ingest
from pax_assets.jobs.named_paths import unmatched
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.landing_objects import DAYS, NOW, land, line

GOOD = f"sms/{DAYS[0]}/a.jsonl"
TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture
def landing(tmp_path) -> str:
    root = tmp_path / "landing"
    for path in (GOOD, f"sms/{DAYS[1]}/b.jsonl", f"sms/{DAYS[0]}/c.part", "sms/undated.jsonl"):
        land(root, path, [line(path)])
    land(root, f"email/{DAYS[0]}/a.jsonl", [line("mail")])
    return str(root)


def by_hand(lake: str, landing: str, *paths: str) -> subprocess.CompletedProcess[str]:
    given = [f"--lake={lake}", f"--landing={landing}", "--channel=sms", f"--day={DAYS[0]}"]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pax_assets.jobs.ingest",
            *given,
            *(f"--path={path}" for path in paths),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (f"sms/{DAYS[0]}/b.jsonl", "there is no such object below"),
        (f"sms/{DAYS[0]}", "there is no such object below"),
        (f"sms/{DAYS[0]}/c.part", "half-written"),
        (f"sms/{DAYS[1]}/b.jsonl", f"name --day {DAYS[1]}"),
        (f"email/{DAYS[0]}/a.jsonl", "is none of channel sms"),
        ("a.jsonl", "such as sms/2026-01-05/a.jsonl"),
        ("sms/undated.jsonl", f"name --day {TODAY}, or move it to sms/{DAYS[0]}/"),
    ],
)
def test_a_path_that_takes_nothing_in_is_said_why(landing, path, why) -> None:
    wrong = unmatched(landing, "sms", DAYS[0], [GOOD, path])
    assert list(wrong) == [path]
    assert why in wrong[path]


def test_an_object_of_no_day_counts_for_today(landing) -> None:
    assert unmatched(landing, "sms", TODAY, ["sms/undated.jsonl"]) == {}


def test_by_hand_nothing_is_done_where_a_path_matches_nothing(lake, landing) -> None:
    done = by_hand(lake, landing, GOOD, f"sms/{DAYS[0]}/typo.jsonl")
    assert done.returncode != 0
    assert f"sms/{DAYS[0]}/typo.jsonl: there is no such object" in done.stderr
    assert GOOD not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    good = by_hand(lake, landing, GOOD)
    assert json.loads(good.stdout.splitlines()[-1])["ingested"] == 1


def test_a_sensor_s_object_that_vanished_takes_nothing_in_and_fails_nothing(lake, landing) -> None:
    gone = f"sms/{DAYS[0]}/gone.jsonl"
    report = ingest(lake, landing, "sms", DAYS[0], NOW, paths=[GOOD, gone])
    assert (report.ingested, report.unreadable) == (1, {})


def test_a_program_that_dagster_started_is_not_stopped_by_it(lake, landing, monkeypatch) -> None:
    from pax_assets.jobs import ingest as job
    from pax_assets.jobs.program import Engine

    monkeypatch.setattr(job, "started_by_dagster", lambda: True)
    engine = Engine(lambda: pytest.fail("no session is needed"), is_cluster=False)
    given = [f"--lake={lake}", f"--landing={landing}", "--channel=sms", f"--day={DAYS[0]}"]
    report = job._by_hand(engine, [*given, f"--path=sms/{DAYS[0]}/gone.jsonl"])
    assert (report.ingested, report.objects) == (0, [])
