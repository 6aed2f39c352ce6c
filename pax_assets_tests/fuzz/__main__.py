"""Runs the harness for each channel, from the golden files, and says what came of it.

`FUZZ_SECONDS` (60) is the time for each channel. Exit status 1 means that an input crashed, took
more than 10 s or more than 1 GiB; the input lies in the folder that is named then. Run it alone:

    python -m pax_assets_tests.fuzz.harness <channel> <input>
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pax_assets.messages import CHANNELS
from pax_assets_tests.conftest import PROJECT

_GOLDEN = PROJECT / "pax_assets_tests" / "messages" / "golden"
_DICTIONARY = Path(__file__).with_name("dictionary.txt")
_CRASHES = PROJECT / ".pax" / "fuzz"
_MAX_INPUT = 16 * 1024
# A process begins with the peak memory of the one that started it, which libFuzzer would take for
# the harness's own: a shell between the two starts small.
_FRESH = ("sh", "-c", '"$@"; exit $?', "sh")
_EXECS = re.compile(r"stat::number_of_executed_units:\s*([0-9]+)")


def inputs() -> list[Path]:
    """Return the golden inputs, of every format: what each channel's run begins with."""
    return [
        path
        for path in sorted(_GOLDEN.glob("*/*"))
        if path.is_file() and not path.name.endswith(".expected.json")
    ]


def fuzz(channel: str, seconds: int, crashes: Path = _CRASHES) -> tuple[int, bool]:
    """Fuzz one channel; return the number of inputs tried, and whether none of them failed."""
    crashes.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for path in inputs():
            shutil.copy(path, Path(corpus) / f"{path.parent.name}-{path.name}")
        done = subprocess.run(
            [
                *_FRESH,
                *(sys.executable, "-m", "pax_assets_tests.fuzz.harness", channel, corpus),
                *(f"-max_total_time={seconds}", f"-dict={_DICTIONARY}", f"-max_len={_MAX_INPUT}"),
                *("-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"),
                f"-artifact_prefix={crashes}/{channel}-",
            ],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds + 300,
            check=False,
        )
    log = done.stderr + done.stdout
    found = _EXECS.search(log)
    if done.returncode:
        print(log[-6000:])
    return int(found[1]) if found else 0, done.returncode == 0


def main() -> int:
    """Fuzz every channel; print a line for each and one for all."""
    seconds = int(os.environ.get("FUZZ_SECONDS", "").strip() or 60)
    started = time.monotonic()
    total, failed = 0, []
    for channel in CHANNELS:
        execs, clean = fuzz(channel, seconds)
        total += execs
        print(f"{channel}: {execs} inputs in {seconds} s, {'none failed' if clean else 'FAILED'}")
        if not clean:
            failed.append(channel)
    if failed:
        print(f"the inputs that failed are in {_CRASHES}")
    print(
        f"fuzz: execs={total} harnesses={len(CHANNELS)} failed={len(failed)} "
        f"seconds={time.monotonic() - started:.0f}"
    )
    return 1 if failed or not total else 0


if __name__ == "__main__":
    sys.exit(main())
