"""A job file as a program: who gets its report, and what a session lacks is said in time."""

import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from pax_assets.compute.spark_submit import submit_command, submit_environment
from pax_assets.jobs import ingest, program
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.landing_objects import DAYS, land, line


@dataclass
class Report:
    rows: int


def test_without_dagster_the_report_is_the_last_line_of_the_output(capsys, monkeypatch) -> None:
    monkeypatch.delenv("DAGSTER_PIPES_CONTEXT", raising=False)
    program.run_program("test", lambda engine, arguments: Report(len(arguments)), ["a", "b"])
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"rows": 2}


def test_a_job_that_asks_for_no_session_starts_none(monkeypatch) -> None:
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    monkeypatch.setattr(program, "job_session", lambda *_: pytest.fail("a session was started"))
    engines = []
    program.run_program("test", lambda engine, _: Report(engines.append(engine) or 0), [])
    assert not engines[0].is_cluster


@pytest.mark.parametrize(
    ("variables", "opened"),
    [
        ({}, "PAX_SPARK="),
        ({"PAX_SPARK": ""}, "PAX_SPARK="),
        ({"PAX_SPARK": "local[2]"}, "PAX_SPARK=local[2]"),
        ({"PYSPARK_GATEWAY_PORT": "1", "PAX_SPARK": "local[2]"}, "the one it was started with"),
        ({"SPARK_REMOTE": "sc://there"}, "the one it was started with"),
    ],
)
def test_by_hand_a_program_takes_the_engine_of_the_setting(monkeypatch, variables, opened) -> None:
    for name in ("PYSPARK_GATEWAY_PORT", "SPARK_REMOTE", "PAX_SPARK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    # Other tests of this process may have opened one.
    monkeypatch.delitem(sys.modules, "pyspark", raising=False)
    monkeypatch.setattr(program, "job_session", lambda *_: "the one it was started with")
    monkeypatch.setattr("pax_assets.compute.spark.spark_session", lambda s: f"PAX_SPARK={s}")
    monkeypatch.setattr(program, "_on_cluster", lambda: False)
    seen = []
    program.run_program("test", lambda engine, _: Report(seen.append(engine.session) or 0), [])
    assert seen == [opened]


def test_every_step_to_messages_runs_by_hand_without_java(lake, tmp_path) -> None:
    land(tmp_path / "in", f"sms/{DAYS[0]}/a.jsonl", [line("a"), line("b")])
    dropped = ("SPARK_", "PYSPARK_", "PAX_", "JAVA_HOME")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    # Neither Java nor anything else that this Python has not brought.
    kept["PATH"] = str(PROJECT / ".venv" / "bin")

    def by_hand(job: str, *arguments: str) -> dict:
        done = subprocess.run(
            [sys.executable, "-m", f"pax_assets.jobs.{job}", f"--lake={lake}", *arguments],
            cwd=PROJECT,
            env=kept,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    by_hand("ingest", f"--landing={tmp_path / 'in'}", "--channel=sms", f"--day={DAYS[0]}")
    assert by_hand("features", f"--day={DAYS[0]}")["rows"] == 2


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--lake", "x"], ["--lake", "x"]),
        (["--dagster-pipes-context", "eJ", "--lake", "x"], ["--lake", "x"]),
        (["--lake", "x", "--dagster-pipes-messages", "eJ"], ["--lake", "x"]),
        (["--dagster-pipes-messages"], []),
    ],
)
def test_a_job_does_not_see_the_options_that_carry_pipes(given, kept) -> None:
    assert program.without_pipes_options(given) == kept


@pytest.mark.parametrize("messages", [[], ["text"], [{"kind": "epoch"}], [{"report": {}}]])
def test_other_messages_are_no_report(messages) -> None:
    assert program.report_in(messages) is None


def test_a_report_survives_its_way_through_json(lake, tmp_path) -> None:
    land(tmp_path, f"sms/{DAYS[0]}/a.jsonl", [line("a"), "{broken"])
    arguments = [f"--lake={lake}", f"--landing={tmp_path}", "--channel=sms", f"--day={DAYS[0]}"]
    done = subprocess.run(
        [sys.executable, "-m", "pax_assets.jobs.ingest", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    report = ingest.IngestReport.of(json.loads(done.stdout.splitlines()[-1]))
    assert report.totals["messages"] == report.totals["quarantined"] == 1
    assert report.unreconciled == []


def test_a_job_takes_in_only_the_objects_that_it_is_told(lake, tmp_path) -> None:
    for name in "abc":
        land(tmp_path, f"sms/{DAYS[0]}/{name}.jsonl", [line(name)])
    engine = program.Engine(lambda: pytest.fail("no session is needed"), is_cluster=False)
    given = [f"--lake={lake}", f"--landing={tmp_path}", "--channel=sms", f"--day={DAYS[0]}"]
    chosen = [f"--path=sms/{DAYS[0]}/{name}.jsonl" for name in "ac"]
    report = ingest.run(engine, [*given, *chosen])
    assert [o.raw_uri[-7] for o in report.objects] == ["a", "c"]


@pytest.mark.jvm
def test_a_spark_without_a_file_system_for_s3_says_so_before_it_works(tmp_path) -> None:
    done = subprocess.run(
        [
            *submit_command("local[1]"),
            str(PROJECT / "pax_assets/jobs/features.py"),
            "--lake=s3://bucket/lake",
            f"--day={DAYS[0]}",
        ],
        cwd=tmp_path,
        env=submit_environment(),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode != 0
    # spark-submit passes the job's standard error on as its standard output.
    assert "this Spark has no file system for s3://" in done.stdout
    assert "docs/engines.md" in done.stdout


@pytest.mark.parametrize("job", ["features", "message_features", "conversations", "participants"])
def test_a_lake_that_is_not_there_is_refused_and_not_made(tmp_path, monkeypatch, job):
    monkeypatch.setattr(program, "started_by_dagster", lambda: False)
    lake = tmp_path / "typo"
    with pytest.raises(SystemExit, match=r"no lake.*typo.*nothing was done"):
        importlib.import_module(f"pax_assets.jobs.{job}").main(
            [f"--lake={lake}", "--day=2026-01-05"]
        )
    assert not lake.exists()


@pytest.mark.parametrize("order", ["DMY", "xyz"])
def test_a_wrong_date_order_of_the_environment_is_refused(tmp_path, monkeypatch, capsys, order):
    monkeypatch.setenv("PAX_DATE_ORDER", order)
    (tmp_path / "landing").mkdir()
    where = [f"--lake={tmp_path}/lake", f"--landing={tmp_path}/landing"]
    with pytest.raises(SystemExit):
        ingest.main([*where, "--channel=whatsapp", "--day=2026-01-05"])
    assert f"{order!r} is none of dmy, mdy, ymd" in capsys.readouterr().err
