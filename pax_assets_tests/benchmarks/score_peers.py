"""The sides of `make bench-score`, each a process that stays: it opens its model once.

A process has the embedded engine or a JVM, never both, and the bare runtime is to share its
memory and its threads with neither. Each takes commands line by line and answers in JSON:
`time <lake>` and `answers <lake> <file>` (the bare runtime), `time <lake>` (the engines). `peak`
tells the most memory that the process ever held.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pax_assets.jobs.insights.findings import nested
from pax_assets.lake import commit, tables
from pax_assets_tests.benchmarks.sides import obey

DAY = "2026-01-05"
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "uci_sms" / "SMSSpamCollection"
# One that a process sees before it is timed: the engine has compiled and the model is open then.
WARM_UP = 256


def write_messages(lake: Path, count: int) -> None:
    """Fill a day of `messages` with real texts, again and again with another ending.

    No two texts are equal: batch scoring analyses equal ones once, and the bare runtime does not.
    """
    lines = DATA.read_text(encoding="utf-8").splitlines()
    real = list(dict.fromkeys(line.split("\t", 1)[1] for line in lines))
    texts = [
        real[n % len(real)] if n < len(real) else f"{real[n % len(real)]} ({n // len(real)})"
        for n in range(count)
    ]
    rows = pa.table({"message_id": [f"m{n:07}" for n in range(count)], "text": texts})
    rows = rows.append_column("arrival_day", pa.repeat(pa.scalar(DAY), count))
    for start in range(0, count, 25_000):
        # As days come in: in several files.
        part = commit.conform("messages", rows.slice(start, 25_000))
        commit.append(str(lake), "messages", part)


def read_messages(lake: str) -> pa.Table:
    """Return ids and texts in the order of the ids."""
    return tables.read(lake, "messages", ["message_id", "text"]).sort_by("message_id")


def main() -> None:
    """Open the side that the command line names, then obey."""
    kind, onnx_dir, variant = sys.argv[1:]
    obey(Bare(onnx_dir, variant) if kind == "bare" else Engine(kind, onnx_dir, variant))


class _Side:
    def peak(self) -> float:
        """The most resident memory so far, in MB."""
        status = Path("/proc/self/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found.group(1)) / 1e3 if found else 0.0


class Bare(_Side):
    """The runtime alone, with every core."""

    def __init__(self, onnx_dir: str, variant: str) -> None:
        from pax_assets.inference.runtime import Runtime

        self._runtime = Runtime.load(Path(onnx_dir), variant, 0)

    def time(self, lake: str) -> float:
        texts = read_messages(lake)["text"].to_pylist()
        began = time.perf_counter()
        self._runtime.analyze(texts)
        return time.perf_counter() - began

    def answers(self, lake: str, file: str) -> None:
        rows = read_messages(lake)
        found = self._runtime.analyze(rows["text"].to_pylist())
        ids = rows["message_id"].to_pylist()
        pq.write_table(pa.Table.from_batches([nested(ids, [""] * len(ids), found)]), file)


class Engine(_Side):
    """Batch scoring on the embedded engine or on a JVM."""

    def __init__(self, kind: str, onnx_dir: str, variant: str) -> None:
        from pax_assets.compute.spark import spark_session
        from pax_assets.jobs.score import Scorer

        self._scorer = Scorer(onnx_dir, variant, "champion")
        self._spark = spark_session("" if kind == "sail" else "local[2]")

    def time(self, lake: str) -> float:
        from pax_assets.jobs.score import score_day

        shutil.rmtree(Path(lake, "insights"), ignore_errors=True)
        began = time.perf_counter()
        report = score_day(self._spark, lake, DAY, self._scorer)
        seconds = time.perf_counter() - began
        if report.scored != report.messages:
            raise SystemExit(f"{report.scored} of {report.messages} messages were scored")
        return seconds


if __name__ == "__main__":
    main()
