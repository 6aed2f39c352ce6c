"""`make bench-etl`: 1.2 M messages from landing to `messages`, against what else one would write.

Every round runs each way once, in a process of its own, in an order that moves on from round to
round; start-up counts. Before the first timed round each runs once to warm the file cache, and
what they wrote is compared: PAX on both engines, Polars and DuckDB must hold the same ids, the
common job those and what it made of broken lines. Medians and ratios go into the closing line.
Memory is the peak of the process tree at the whole input and at a quarter of it; it is sampled,
seldom, for looking costs the one that is timed.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from pax_assets_tests.benchmarks import etl_input, etl_peers
from pax_assets_tests.benchmarks.report import finish, machine

MESSAGES = int(os.environ.get("PAX_BENCH_MESSAGES", "1200000"))
ROUNDS = int(os.environ.get("PAX_BENCH_ROUNDS", "5"))
ORDER = ("pax", "common", "polars", "duckdb", "jvm")
# What a run of PAX may take: `docs/engines.md` says how it follows from the settings.
MEMORY_LIMIT_MB = 4_000
FLOORS = {
    "times_common": (">=", 3.0),
    "times_polars": ("<=", 2.5),
    "peak_mb": ("<=", MEMORY_LIMIT_MB * 1.2),
}


def main() -> None:
    """Generate the input, compare the outputs, time the rounds, print the table."""
    print(f"bench-etl: {MESSAGES} messages, {ROUNDS} rounds, {machine()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pax-bench-etl-", dir=_scratch()) as folder:
        root = Path(folder)
        counts = etl_input.write_landing(root / "landing", MESSAGES)
        etl_input.write_landing(root / "quarter", MESSAGES // 4)
        print(f"input: {counts}", flush=True)
        _compare(root)
        seconds: dict[str, list[float]] = {peer: [] for peer in ORDER}
        peaks = [_timed(root, "pax", "landing")[1]]
        quarter = _timed(root, "pax", "quarter")[1]
        for number in range(ROUNDS):
            for peer in ORDER[number % len(ORDER) :] + ORDER[: number % len(ORDER)]:
                taken, peak = _timed(root, peer, "landing")
                seconds[peer].append(taken)
                if peer == "pax":
                    peaks.append(peak)
                print(f"round {number + 1} {peer:7} {taken:7.2f} s", flush=True)
    medians = {peer: statistics.median(found) for peer, found in seconds.items()}
    _table(seconds)
    finish(
        "bench-etl",
        {
            **{f"{peer}_s": round(medians[peer], 2) for peer in ORDER},
            "times_common": round(medians["common"] / medians["pax"], 2),
            "times_polars": round(medians["pax"] / medians["polars"], 2),
            "times_duckdb": round(medians["pax"] / medians["duckdb"], 2),
            "peak_mb": round(max(peaks)),
            "quarter_peak_mb": round(quarter),
            "rounds": ROUNDS,
            "messages": MESSAGES,
        },
        FLOORS,
    )


def _scratch() -> str | None:
    # A folder in memory would measure another machine.
    return os.environ.get("PAX_BENCH_FOLDER")


def _compare(root: Path) -> None:
    expected: set[str] = set()
    for peer in ORDER:
        _timed(root, peer, "landing", keep=True)
        found = etl_peers.ids(peer, str(root / "out" / peer))
        expected = expected or found
        missing, more = len(expected - found), len(found - expected)
        print(f"{peer}: {len(found)} messages, {missing} missing, {more} more", flush=True)
        # Spark's JSON reader takes what it can from a broken line, so the common job may have more.
        if missing or (more and peer != "common"):
            raise SystemExit(f"bench-etl: {peer} does not hold the messages that pax holds")
        shutil.rmtree(root / "out")


def _timed(root: Path, peer: str, landing: str, *, keep: bool = False) -> tuple[float, float]:
    """Run one peer; return its seconds, start-up included, and its peak memory in MB."""
    out = root / "out" / peer
    command = [sys.executable, "-m", "pax_assets_tests.benchmarks.etl_peers", peer]
    start = time.monotonic()
    process = subprocess.Popen(
        [*command, str(root / landing), str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    peak = _Peak(process.pid)
    _, errors = process.communicate()
    taken = time.monotonic() - start
    if process.returncode:
        raise SystemExit(f"bench-etl: {peer} failed:\n{errors.decode()[-2000:]}")
    if not keep:
        shutil.rmtree(root / "out")
    return taken, peak.stop()


class _Peak:
    """The most memory that a process and its children held together, sampled each 200 ms."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._most = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.2):
            total = 0
            try:
                for process in (self._root, *self._root.children(recursive=True)):
                    total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            self._most = max(self._most, total / 1e6)

    def stop(self) -> float:
        self._done.set()
        self._thread.join()
        return self._most


def _table(seconds: dict[str, list[float]]) -> None:
    pax = statistics.median(seconds["pax"])
    print(f"\n{'':8} {'median s':>9} {'least':>7} {'most':>7} {'to pax':>7}")
    for peer, found in seconds.items():
        middle = statistics.median(found)
        print(f"{peer:8} {middle:9.2f} {min(found):7.2f} {max(found):7.2f} {middle / pax:7.2f}")
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
