"""`make bench-incremental`: what a day costs when a hundred days of history lie behind it.

Each day 10,000 messages land on three channels; one in twenty was delivered before, on any
earlier day, so dedup has to know all of them. A day is ingested and `messages` is built, on the
embedded engine. A single day is noisy, so "day 2" is the median of days 2 to 6 and "day 100" that
of days 96 to 100; bytes are those that the process read from files (`rchar`), on the last day.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from pax_assets.compute.spark import spark_session
from pax_assets.jobs.features import build_messages
from pax_assets.jobs.ingest import ingest
from pax_assets.lake import commit, ledger, read
from pax_assets_tests.benchmarks.report import finish, machine

CHANNELS = ("sms", "whatsapp", "email")
DAYS = int(os.environ.get("PAX_BENCH_DAYS", "100"))
MESSAGES = int(os.environ.get("PAX_BENCH_MESSAGES", "10000"))
_FIRST = date(2026, 1, 1)
_AGAIN = 0.05
_WINDOW = 5


def main() -> None:
    """Build the days one after another, time each, compare the last with the first."""
    print(f"bench-incremental: {DAYS} days of {MESSAGES} messages, {machine()}", flush=True)
    spark = spark_session("")
    seconds, read_bytes = [], []
    with tempfile.TemporaryDirectory(prefix="pax-bench-incremental-") as folder:
        lake, landing = f"{folder}/lake", f"{folder}/landing"
        random = np.random.default_rng(7)
        expected: set[str] = set()
        for number in range(DAYS):
            day = (_FIRST + timedelta(days=number)).isoformat()
            expected |= _land(Path(landing), day, number, random)
            before, start = _bytes_read(), time.monotonic()
            for channel in CHANNELS:
                ingest(lake, landing, channel, day, datetime.now(UTC))
            build_messages(spark, lake, day)
            seconds.append(time.monotonic() - start)
            read_bytes.append(_bytes_read() - before)
            if (number + 1) % 10 == 0 or number < 2:
                print(f"day {number + 1:3} {seconds[-1]:6.2f} s {read_bytes[-1]:>12} bytes read")
        found = read(lake, "messages", ["provider_message_id"])["provider_message_id"].to_pylist()
        if sorted(found) != sorted(expected):
            raise SystemExit("bench-incremental: `messages` does not hold each message once")
        files = len(commit.partition_files(commit.ensure(lake, "message_keys"), {}))
        totals = ledger.totals(lake)
    early = statistics.median(seconds[1 : 1 + _WINDOW])
    late = statistics.median(seconds[-_WINDOW:])
    finish(
        "bench-incremental",
        {
            "day2_s": round(early, 3),
            "day100_s": round(late, 3),
            "ratio": round(late / early, 3),
            "bytes_read_day2": read_bytes[1],
            "bytes_read_day100": read_bytes[-1],
            "index_files": files,
            "records": totals["records"],
            "days": DAYS,
        },
        {"ratio": ("<=", 1.2)},
    )


def _land(landing: Path, day: str, number: int, random: np.random.Generator) -> set[str]:
    """Write a day's objects; return the provider's ids on it."""
    ids: set[str] = set()
    for channel in CHANNELS:
        lines = []
        for i in range(MESSAGES // len(CHANNELS)):
            again = number and random.random() < _AGAIN
            which = int(random.integers(0, number)) if again else number
            identifier = f"{channel}-{which}-{i}"
            ids.add(identifier)
            lines.append(
                json.dumps(
                    {
                        "message_id": identifier,
                        "from": f"+1212555{i % 500:04}" if channel != "email" else "a@b.example",
                        "to": "+16465550001" if channel != "email" else "c@d.example",
                        "timestamp": f"{day}T{i % 24:02}:{i % 60:02}:00Z",
                        "text": f"message {i} of day {which} " + "and some more words " * (i % 9),
                    }
                )
            )
        file = landing / channel / day / "part-0.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text("\n".join(lines) + "\n")
    return ids


def _bytes_read() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


if __name__ == "__main__":
    main()
