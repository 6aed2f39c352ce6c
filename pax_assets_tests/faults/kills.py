"""Starts writers, kills them at chosen moments, and says where each one was when it died.

A kill is aimed: at a phase, at one of its occurrences, after a part of the phase's usual time.
Where it hit is not taken from the aim but from what the writer had written last: a line that says
that the phase has ended would have come through the pipe.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pax_assets_tests.conftest import PROJECT

# How long a phase takes here: a kill comes after a random part of it.
_SECONDS = {
    "parse": 0.15,
    "beside": 0.05,
    "commit": 0.006,
    "catch-up": 0.06,
    "build": 0.4,
    "build-commit": 0.008,
    "-": 0.05,
}
_PATIENCE = 180.0


@dataclass
class Kills:
    """Where writers died, and how often a writer ended before it could be killed."""

    hit: Counter[str] = field(default_factory=Counter)
    aimed: Counter[str] = field(default_factory=Counter)
    finished: int = 0

    @property
    def total(self) -> int:
        return sum(self.hit.values())

    def table(self) -> str:
        lines = [f"{'phase':14} {'aimed':>6} {'killed in':>10}"]
        for name in sorted(self.hit | self.aimed):
            shown = "between" if name == "-" else name
            lines.append(f"{shown:14} {self.aimed[name]:6} {self.hit[name]:10}")
        return "\n".join(lines)


class Writer:
    """A writer process in a session of its own, and the pipe through which it says where it is."""

    def __init__(self, kind: str, lake: Path, landing: Path) -> None:
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        environment = {k: v for k, v in os.environ.items() if k != "SPARK_CONNECT_MODE_ENABLED"}
        # Closed by `_close`: it is read when the writer has ended.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pax_assets_tests.faults.writer",
                kind,
                str(lake),
                str(landing),
                str(writing),
            ],
            cwd=PROJECT,
            env={**environment, "LC_ALL": "C.UTF-8"},
            stdout=self._log,
            stderr=self._log,
            pass_fds=[writing],
            start_new_session=True,
        )
        os.close(writing)
        self._phases = os.fdopen(reading, "r")

    def kill_in(self, phase: str, occurrence: int, chance: random.Random) -> str | None:
        """Kill it in an occurrence of `phase`; return where it died, None if it ended before.

        If there are fewer occurrences it runs to its end.
        """
        seen = 0
        last = "start"
        for said in self._phases:
            last = said.strip()
            if last != phase:
                continue
            seen += 1
            if seen == occurrence:
                time.sleep(chance.uniform(0, _SECONDS[phase]))
                os.killpg(self._process.pid, signal.SIGKILL)
                break
        else:
            self.finish()
            return None
        for said in self._phases:
            last = said.strip()
        if self._process.wait(_PATIENCE) == 0:
            return None
        self._close()
        return last

    def finish(self) -> None:
        """Let it run to its end; raises `AssertionError` with its output if that is not good."""
        for _ in self._phases:
            pass
        code = self._process.wait(_PATIENCE)
        self._log.seek(0)
        output = self._log.read().decode(errors="replace")
        self._close()
        assert code == 0, f"the writer ended with {code}:\n{output[-4000:]}"

    def _close(self) -> None:
        self._phases.close()
        self._log.close()


def aims(kills: int, phases: dict[str, int], chance: random.Random) -> list[str]:
    """Return which phase each of `kills` kills is aimed at, in random order.

    `phases` says how often each is; fewer kills than that get to as many phases as possible.
    """
    rounds = range(max(phases.values()))
    ordered = [name for turn in rounds for name, often in phases.items() if turn < often]
    chosen = [ordered[number % len(ordered)] for number in range(kills)]
    chance.shuffle(chosen)
    return chosen
