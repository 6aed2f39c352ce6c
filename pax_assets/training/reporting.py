"""What a training process tells the world: a line a person reads, a message Dagster keeps.

A run of minutes without a sign of life gets killed by its owner. Each epoch prints one line on
stderr and, where Dagster started the process, sends its numbers through Pipes.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, PipesContext, open_dagster_pipes

from pax_assets.training.pipes_messages import writer


class Reporter:
    """Prints and sends; one that is not `active` (another rank than 0) does neither."""

    def __init__(self, active: bool, pipes: PipesContext | None) -> None:
        self._active = active
        self._pipes = pipes

    @property
    def extras(self) -> Mapping[str, Any]:
        """What the asset passed along; empty outside of Dagster."""
        return self._pipes.extras if self._pipes else {}

    def line(self, text: str) -> None:
        """Print one line of progress on stderr."""
        if self._active:
            print(text, file=sys.stderr, flush=True)

    def send(self, kind: str, **fields: Any) -> None:
        """Send `{"kind": kind, **fields}` to the asset, if one listens."""
        if self._active and self._pipes:
            self._pipes.report_custom_message({"kind": kind, **fields})


@contextlib.contextmanager
def reporter(active: bool = True) -> Iterator[Reporter]:
    """Open Dagster Pipes where Dagster started this process; on one process only."""
    if active and os.environ.get(DAGSTER_PIPES_CONTEXT_ENV_VAR):
        with open_dagster_pipes(message_writer=writer()) as pipes:
            yield Reporter(active, pipes)
    else:
        yield Reporter(active, None)
