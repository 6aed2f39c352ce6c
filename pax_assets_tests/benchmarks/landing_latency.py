"""`make bench-latency` and `make bench-insight-latency`: from landing to the tables.

The first asks how long after it landed a message can be read in `messages`, the second, with a
released model in the lake, when what the model says of it can be read in `insights/*`.

A daemon runs with the landing sensor on, on a lake and a Dagster instance of its own, as `make
dev` would run it. Objects of a few messages are renamed into landing at random times (a Poisson
process) for two and a half minutes; the clock of each stops when a reader of the table finds its
rows. All of it is counted: the sensor's interval, the queue, the start of the run's process.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from pax_assets.jobs.insights.insight_tables import SCORED
from pax_assets.lake import read, tables
from pax_assets_tests.benchmarks.released_model import release_into
from pax_assets_tests.benchmarks.report import finish, machine
from pax_assets_tests.landing_objects import line

PROJECT = Path(__file__).resolve().parents[2]
SENSOR = "landing_sensor"
SECONDS = float(os.environ.get("BENCH_SECONDS", "150"))
SECONDS_BETWEEN = 1.5
FLOOR_P95 = 30.0
FLOOR_P95_SCORED = 60.0
_START_SECONDS = 180.0
_LAST_SECONDS = 120.0
_SEED = 3


class Stream:
    """Objects on their way: when each landed, and when it was seen in `table`.

    That is `messages`, or `insights/scored`, where a row says that the rows of the message are in
    the other tables of the insights.
    """

    def __init__(self, lake: Path, table: str = "messages") -> None:
        self._lake, self._landing, self._table = str(lake), lake / "landing", table
        self._random = random.Random(_SEED)
        self._version: int | None = None
        self.landed: dict[str, float] = {}
        self.messages: dict[str, int] = {}
        self.seen: dict[str, float] = {}

    def drop(self) -> str:
        """Rename an object of one to three messages into place."""
        number = len(self.landed)
        channel = self._random.choice(("sms", "whatsapp", "email"))
        now = datetime.now(UTC)
        path = f"{channel}/{now:%Y-%m-%d}/{number:05}.jsonl"
        count = self._random.randint(1, 3)
        lines = [line(f"{number}-{part}", at=f"{now:%Y-%m-%dT%H:%M:%SZ}") for part in range(count)]
        final = self._landing / path
        final.parent.mkdir(parents=True, exist_ok=True)
        unfinished = final.with_name(f".{final.name}.tmp")
        unfinished.write_text("\n".join(lines))
        unfinished.rename(final)
        self.landed[path] = time.monotonic()
        self.messages[path] = count
        return path

    def look(self) -> None:
        """Note which objects have all their rows in the table now."""
        version = tables.version(self._lake, self._table)
        if version == self._version:
            return
        self._version = version
        there = set(tables.read(self._lake, self._table, ["message_id"])["message_id"].to_pylist())
        now = time.monotonic()
        rows = read(self._lake, "messages", ["message_id", "raw_uri"])
        keys, uris = rows["message_id"].to_pylist(), rows["raw_uri"].to_pylist()
        found = Counter(uri for key, uri in zip(keys, uris, strict=True) if key in there)
        for path, count in found.items():
            if count >= self.messages.get(path, 0):
                self.seen.setdefault(path, now)

    @property
    def waiting(self) -> int:
        return sum(path not in self.seen for path in self.landed)

    def latencies(self) -> list[float]:
        return sorted(self.seen[path] - at for path, at in self.landed.items() if path in self.seen)


def run(lake: Path, table: str) -> Stream:
    """Run the daemon and the stream; return what was measured."""
    home = lake / ".dagster"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(PROJECT / "dagster.yaml", home / "dagster.yaml")
    environment = {
        **os.environ,
        "PAX_LAKE": str(lake),
        "PAX_LANDING": "",
        "PAX_ENV": "local",
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
    stream = Stream(lake, table)
    dagster = Path(sys.executable).with_name("dagster")
    workspace = str(PROJECT / "workspace.yaml")
    subprocess.run(
        [str(dagster), "sensor", "start", SENSOR, "-w", workspace],
        env=environment,
        cwd=PROJECT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with (lake / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            [str(dagster.with_name("dagster-daemon")), "run", "-w", workspace],
            env=environment,
            cwd=PROJECT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _first(stream, daemon)
            _drive(stream)
        finally:
            os.killpg(daemon.pid, signal.SIGINT)
            try:
                daemon.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(daemon.pid, signal.SIGKILL)
    return stream


def _first(stream: Stream, daemon: subprocess.Popen[bytes]) -> None:
    """One object comes through before anything is timed: daemon and code are up then."""
    path = stream.drop()
    deadline = time.monotonic() + _START_SECONDS
    while path not in stream.seen:
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("bench-latency: the daemon took nothing in; see its log in the lake")
        time.sleep(0.25)
        stream.look()
    del stream.landed[path], stream.seen[path], stream.messages[path]


def _drive(stream: Stream) -> None:
    pace = random.Random(_SEED)
    ends = time.monotonic() + SECONDS
    due = time.monotonic()
    while time.monotonic() < ends or (stream.waiting and time.monotonic() < ends + _LAST_SECONDS):
        now = time.monotonic()
        if due <= now < ends:
            stream.drop()
            due = now + pace.expovariate(1 / SECONDS_BETWEEN)
        time.sleep(0.1)
        stream.look()


def main() -> None:
    """Run the benchmark; keep the lake where it failed to come through."""
    are_scored = sys.argv[1:] == ["scored"]
    folder = Path(tempfile.mkdtemp(prefix="pax-latency-"))
    if are_scored:
        print(f"released: {release_into(folder / 'lake').variant}")
    stream = run(folder / "lake", SCORED if are_scored else "messages")
    latencies = stream.latencies()
    print(
        f"{machine()}; load {os.getloadavg()[0]:.1f}; {len(latencies)} objects in {SECONDS:.0f} s"
    )
    if stream.waiting:
        print(f"{stream.waiting} objects never came through; the lake is kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)

    def percentile(share: float) -> float | None:
        if stream.waiting or not latencies:
            return None
        return round(latencies[min(len(latencies) - 1, int(share * len(latencies)))], 1)

    finish(
        "bench-insight-latency" if are_scored else "bench-latency",
        {
            "p50_s": percentile(0.5),
            "p95_s": percentile(0.95),
            "max_s": percentile(1.0),
            "objects": len(latencies),
        },
        {"p95_s": ("<=", FLOOR_P95_SCORED if are_scored else FLOOR_P95)},
    )


if __name__ == "__main__":
    main()
