"""`make bench-score`: batch scoring in Spark against the bare runtime, on the same texts.

The bare runtime gets all texts in one list, every core and nothing else to do: what it takes is
what the model costs. Scoring a day reads the texts from Delta, spreads them over the workers, and
writes and commits four tables. Each side is a process that stays, so opening a model counts for
neither. The tables are compared with the runtime's answers first. Memory is the embedded engine's
process, at its peak over a small day and over a large one.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pax_assets.jobs.insights import insight_tables
from pax_assets.jobs.insights.findings import flat
from pax_assets_tests.benchmarks.released_model import champion
from pax_assets_tests.benchmarks.report import finish, machine
from pax_assets_tests.benchmarks.score_peers import WARM_UP, write_messages
from pax_assets_tests.benchmarks.sides import Side

MESSAGES = int(os.environ.get("PAX_BENCH_MESSAGES", "20000"))
ROUNDS = int(os.environ.get("PAX_BENCH_ROUNDS", "5"))
SMALL, LARGE = map(int, os.environ.get("PAX_BENCH_MEMORY", "10000,100000").split(","))
FLOORS = {"ratio": (">=", 0.8), "growth": ("<=", 1.15)}
_KEYS = {
    insight_tables.ENTITIES: "entity_id",
    insight_tables.EVENTS: "event_id",
    insight_tables.RELATIONS: "head_id",
}


def main() -> None:
    """Compare, time the rounds, measure memory, print the line."""
    source, release = champion()
    model = (f"{source}/{release.onnx_path}", release.variant)
    print(f"bench-score: {MESSAGES} messages, {ROUNDS} rounds, {release.variant}, {machine()}")
    with tempfile.TemporaryDirectory(
        prefix="pax-bench-score-", dir=os.environ.get("PAX_BENCH_FOLDER")
    ) as folder:
        root = Path(folder)
        kinds = ["bare", "sail", *(["jvm"] if shutil.which("java") else [])]
        rates = _rates(root, kinds, model)
        peaks = [_peak(root, count, model) for count in (SMALL, LARGE)]
    medians = {kind: statistics.median(found) for kind, found in rates.items()}
    values: dict[str, float | int | str] = {
        "score_msg_s": round(medians["sail"], 1),
        "runtime_msg_s": round(medians["bare"], 1),
        "ratio": round(medians["sail"] / medians["bare"], 3),
    }
    if "jvm" in medians:
        values["jvm_msg_s"] = round(medians["jvm"], 1)
        values["jvm_ratio"] = round(medians["jvm"] / medians["bare"], 3)
    values |= {
        f"peak_mb_{SMALL // 1000}k": round(peaks[0]),
        f"peak_mb_{LARGE // 1000}k": round(peaks[1]),
        "growth": round(peaks[1] / peaks[0], 3),
        "variant": release.variant,
        "messages": MESSAGES,
        "rounds": ROUNDS,
    }
    finish("bench-score", values, FLOORS)


def _rates(root: Path, kinds: list[str], model: tuple[str, str]) -> dict[str, list[float]]:
    """Return each side's messages a second, round by round."""
    sides = {kind: Side("score_peers", kind, *model) for kind in kinds}
    for kind in kinds:
        write_messages(root / kind, MESSAGES)
        write_messages(root / f"warm-{kind}", WARM_UP)
        sides[kind]("time", root / f"warm-{kind}")
    sides["bare"]("answers", root / "bare", root / "answers.parquet")
    expected = flat(pq.read_table(root / "answers.parquet"))
    tolerance = 1e-4 if model[1] == "fp32" else 1e-2
    for kind in kinds[1:]:
        sides[kind]("time", root / kind)
        _compare(kind, root / kind, expected, tolerance)
    rates: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(ROUNDS):
        at = number % len(kinds)
        for kind in kinds[at:] + kinds[:at]:
            rates[kind].append(MESSAGES / sides[kind]("time", root / kind))
            print(f"round {number + 1} {kind:5} {rates[kind][-1]:8.1f} messages/s", flush=True)
    for side in sides.values():
        side.close()
    return rates


def _compare(kind: str, lake: Path, expected: dict[str, pa.Table], tolerance: float) -> None:
    """Raise `SystemExit` where a stored row is not what the runtime answered."""
    for table, key in _KEYS.items():
        stored = insight_tables.read(str(lake), table)
        wanted = expected[table]
        found, right = (_rows(rows.select(wanted.column_names), key) for rows in (stored, wanted))
        same = len(found) == len(right) and all(
            _equal(*pair, tolerance) for pair in zip(found, right, strict=True)
        )
        print(f"{kind}: {table} has {len(found)} rows, {'as' if same else 'NOT as'} the runtime's")
        if not same:
            raise SystemExit(f"bench-score: {kind} stored other {table} than the runtime says")


def _rows(rows: pa.Table, key: str) -> list[dict[str, Any]]:
    order = lambda row: (row["message_id"], row[key], row.get("tail_id"), row["type"])  # noqa: E731
    return sorted(rows.to_pylist(), key=order)


def _equal(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[k], other[k], tolerance) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_equal, one, other, [tolerance] * len(one)))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= tolerance
    return one == other


def _peak(root: Path, count: int, model: tuple[str, str]) -> float:
    """Return the most memory that a process holds which scores so many messages, in MB."""
    lake = root / f"memory-{count}"
    write_messages(lake, count)
    side = Side("score_peers", "sail", *model)
    side("time", lake)
    peak = side("peak")
    side.close()
    shutil.rmtree(lake)
    print(f"{count} messages: {peak:.0f} MB at most", flush=True)
    return peak


if __name__ == "__main__":
    main()
