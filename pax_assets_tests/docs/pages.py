"""Runs the shell blocks of a page as they stand there, as somebody who read the README would."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping

from pax_assets_tests.conftest import PROJECT


def reports(block: str, lake: str, environment: Mapping[str, str], path: str) -> list[dict]:
    """Return what the jobs of a block print, on `lake`, with these variables and this PATH."""
    done = subprocess.run(
        ["/bin/bash", "-euc", block],
        cwd=PROJECT,
        env={**environment, "PATH": path, "PAX_LAKE": lake},
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(found) for found in done.stdout.splitlines() if found.startswith("{")]
