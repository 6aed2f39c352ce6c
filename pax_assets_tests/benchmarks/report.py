"""How every benchmark and evaluation ends: one line, the same as JSON, and an exit code.

A number that only scrolls by cannot be compared with last month's, and a floor that nothing
enforces is a wish. All `bench-*` and `eval-*` targets therefore close through `finish`.
"""

from __future__ import annotations

import json
import math
import operator
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

RESULTS = Path(__file__).resolve().parents[2] / ".pax" / "bench"

Value = str | int | float | bool | None
_COMPARISONS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


def finish(
    target: str,
    values: Mapping[str, Value],
    floors: Mapping[str, tuple[str, float]] | None = None,
    results: Path = RESULTS,
) -> NoReturn:
    """Print `<target>: key=value …` as the last line, write the JSON, exit 1 on a missed floor.

    `floors` maps a key of `values` to a comparison and its bound, such as `(">=", 2000)`. A value
    that is missing, None or NaN misses its floor. Values are printed as given: round them before.
    Raises `SystemExit`; `ValueError` where a key or a text holds white space or `=`.
    """
    closing = f"{target}: " + " ".join(f"{_word(k)}={_shown(v)}" for k, v in values.items())
    missed = [
        f"{target}: {key} is {_shown(values.get(key))}, the floor is {comparison} {bound}"
        for key, (comparison, bound) in (floors or {}).items()
        if not _holds(values.get(key), comparison, bound)
    ]
    results.mkdir(parents=True, exist_ok=True)
    storable = {key: None if _is_no_number(value) else value for key, value in values.items()}
    (results / f"{target}.json").write_text(json.dumps(storable, indent=2) + "\n")
    for sentence in missed:
        print(sentence, file=sys.stderr, flush=True)
    print(closing, flush=True)
    sys.exit(1 if missed else 0)


def machine() -> str:
    """Name the processor and the number of cores that this process may use."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        named = (line for line in lines if line.startswith("model name"))
        model = next(named, f":{model}").split(":", 1)[1].strip()
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


def _holds(value: Value, comparison: str, bound: float) -> bool:
    if value is None or isinstance(value, str):
        return False
    return _COMPARISONS[comparison](value, bound)


def _is_no_number(value: Value) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _shown(value: Value) -> str:
    return _word(value) if isinstance(value, str) else json.dumps(value)


def _word(text: str) -> str:
    if not text or any(character.isspace() or character == "=" for character in text):
        raise ValueError(f"{text!r} cannot stand in the closing line: no spaces and no '='")
    return text
