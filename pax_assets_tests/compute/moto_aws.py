"""A simulated AWS in a process of its own, and somebody who does the services' work by hand."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pax_assets.compute.aws import client
from pax_assets.compute.emr_serverless import EmrServerlessRuns
from pax_assets.compute.glue import GlueRuns
from pax_assets.compute.remote_run import RunRequest
from pax_assets.compute.spark_submit import submit_environment
from pax_assets_tests.conftest import PROJECT

ROLE = "arn:aws:iam::123456789012:role/pax-jobs"
_START_SECONDS = 60.0


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """Start `moto_server` and give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name("moto_server")
    process = subprocess.Popen(
        [str(program), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/moto-api/", timeout=2):
                break
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.fail("moto_server did not start")
            time.sleep(0.2)
    yield url
    process.kill()
    process.wait()


@pytest.fixture
def aws(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty AWS with a bucket `messages`, in whose environment every client is."""
    for variable in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    _moto("reset")
    client("s3").create_bucket(Bucket="messages")
    return moto_server


def looks_per_state(looks: int) -> None:
    """Have a Glue run go on to its next state after so many looks at it."""
    transition = {"progression": "manual", "times": looks}
    _moto("state-manager/set-transition", {"model_name": "glue::job_run", "transition": transition})


def glue_job(name: str = "pax") -> str:
    """Make a Glue job whose script nobody runs."""
    client("glue").create_job(
        Name=name, Role=ROLE, Command={"Name": "glueetl", "ScriptLocation": "s3://x/glue_job.py"}
    )
    return name


def emr_application() -> str:
    """Make an EMR Serverless application."""
    made = client("emr-serverless").create_application(
        name="pax", releaseLabel="emr-7.5.0-20250101", type="SPARK"
    )
    return made["applicationId"]


class WorkedGlue(GlueRuns):
    """Glue whose runs are worked off here, before their start is answered.

    `work` is the command that takes a run's arguments as Glue would pass them.
    """

    def __init__(self, job_name: str, work: list[str]) -> None:
        super().__init__(job_name)
        self._job, self._work = job_name, work

    def start(self, request: RunRequest) -> str:
        """Start the run and do its work."""
        run_id = super().start(request)
        run = client("glue").get_job_run(JobName=self._job, RunId=run_id)["JobRun"]
        arguments = ["--JOB_NAME", self._job, "--JOB_RUN_ID", run_id]
        for option, value in run["Arguments"].items():
            arguments += [option, value]
        work([*self._work, *arguments])
        return run_id


class WorkedEmr(EmrServerlessRuns):
    """EMR Serverless whose runs are worked off here by the entry point, without Spark."""

    def __init__(self, application: str) -> None:
        super().__init__(application, ROLE, "s3://artifacts/pax")
        self._id = application

    def start(self, request: RunRequest) -> str:
        """Start the run and do its work."""
        run_id = super().start(request)
        run = client("emr-serverless").get_job_run(applicationId=self._id, jobRunId=run_id)
        submitted = run["jobRun"]["jobDriver"]["sparkSubmit"]
        assert submitted["entryPoint"] == "s3://artifacts/pax/job.py"
        script = str(PROJECT / "deploy" / "emr" / "job.py")
        work([sys.executable, script, *submitted["entryPointArguments"]])
        return run_id


def work(command: list[str]) -> None:
    """Run what a service would run; what it prints is shown where it fails."""
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**submit_environment(), "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-4000:])


def _moto(path: str, body: dict[str, Any] | None = None) -> None:
    request = urllib.request.Request(
        f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/{path}",
        data=json.dumps(body or {}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=10):
        pass
