"""A side of a benchmark: a process that stays, opens its model once, and obeys line by line.

Libraries that are compared must not share threads, memory or each other's warm caches, and what
it takes to start them is not what is compared. A line on stdin is a command and its arguments; the
answer is one line of JSON. A side says `{}` when it is ready.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


class Side:
    """A process of one of the modules beside this one, whose methods are commands."""

    def __init__(self, module: str, kind: str, *arguments: str) -> None:
        self.kind = kind
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.{module}", kind, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def __call__(self, *command: object) -> Any:
        """Send a command; return its answer. `SystemExit` where the process ended."""
        assert self._process.stdin
        print(*command, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.kind} ended with {self._process.wait()}: its reason is above")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)


def obey(side: object) -> None:
    """Answer commands until stdin ends: the other end of a `Side`."""
    print("{}", flush=True)
    for line in sys.stdin:
        command, *arguments = line.split()
        print(json.dumps(getattr(side, command)(*arguments)), flush=True)
