"""A payload runs in its own process, is followed while it runs, and is stopped with the run."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest

from pax_assets.compute.payload import PayloadFailed, run_payload

REPORTING = """
import sys
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes() as pipes:
    for epoch in range(3):
        pipes.report_custom_message({"kind": "epoch", "epoch": epoch, "to": sys.argv[1]})
"""
FAILING = "print('the reason'); raise SystemExit(3)"
SLEEPING = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(600)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch) -> object:
    """Write a module that the payload's interpreter can import."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(source: str) -> str:
        (tmp_path / "payload_under_test.py").write_text(source)
        return "payload_under_test"

    return write


def _run(body) -> dg.ExecuteInProcessResult:
    @dg.asset
    def caller(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        body(context)
        return dg.MaterializeResult()

    return dg.materialize([caller], raise_on_error=False)


def test_messages_arrive_in_order(module) -> None:
    seen = []
    name = module(REPORTING)
    result = _run(lambda context: run_payload(context, name, ["x"], on_message=seen.append))
    assert result.success
    assert [(m["epoch"], m["to"]) for m in seen] == [(0, "x"), (1, "x"), (2, "x")]


def test_torchrun_starts_as_many_processes_as_asked(module, tmp_path) -> None:
    name = module(
        "import os, pathlib, sys\n"
        "pathlib.Path(sys.argv[1], os.environ['RANK']).write_text(os.environ['WORLD_SIZE'])"
    )
    ranks = tmp_path / "ranks"
    ranks.mkdir()
    assert _run(lambda context: run_payload(context, name, [str(ranks)], processes=2)).success
    assert {file.name: file.read_text() for file in ranks.iterdir()} == {"0": "2", "1": "2"}


def test_a_failed_payload_says_what_it_printed(module) -> None:
    name, errors = module(FAILING), []

    def body(context) -> None:
        with pytest.raises(PayloadFailed, match=r"exit code 3[\s\S]*the reason") as error:
            run_payload(context, name, [])
        errors.append(error)

    assert _run(body).success
    assert errors


def test_an_interrupted_run_stops_its_payload(module, tmp_path, monkeypatch) -> None:
    name, pid_file = module(SLEEPING), tmp_path / "pid"
    really_sleep = time.sleep

    def interrupt(_seconds: float) -> None:
        mine = threading.current_thread() is threading.main_thread()
        if mine and pid_file.exists() and pid_file.read_text():
            raise KeyboardInterrupt
        really_sleep(0.05)

    def body(context) -> None:
        monkeypatch.setattr("pax_assets.compute.payload.time.sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_payload(context, name, [str(pid_file)])
        monkeypatch.setattr("pax_assets.compute.payload.time.sleep", really_sleep)

    assert _run(body).success
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


CALLER = """
import sys
import dagster as dg
from pax_assets.compute.payload import run_payload

@dg.asset
def caller(context: dg.AssetExecutionContext) -> None:
    run_payload(context, sys.argv[1], [sys.argv[2]], processes=1)

dg.materialize([caller], raise_on_error=False)
"""


def test_a_caller_that_is_killed_outright_leaves_no_payload_behind(module, tmp_path) -> None:
    """Else what it started would write into the same checkpoints as its successor's."""
    pid_file = tmp_path / "pid"
    command = [sys.executable, "-c", CALLER, module(SLEEPING), str(pid_file)]
    caller = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        assert _within(60, lambda: pid_file.exists() and pid_file.read_text())
    finally:
        caller.kill()
        caller.wait()
    pid = int(pid_file.read_text())
    assert _within(45, lambda: not psutil.pid_exists(pid))


def _within(seconds: float, holds) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.1)
    return bool(holds())
