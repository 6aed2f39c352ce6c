"""What a run is doing, line by line, for the commands that run the graph in their own process.

Dagster's own console shows everything or nothing; a person at a terminal wants each step as it
ends, with the time it took, and what went wrong.
"""

from __future__ import annotations

import logging
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

# The events are shown by `Progress`; Dagster's own console would show them too.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_POLL_SECONDS = 0.25


class Progress:
    """Prints what happens in a run while it runs, read from the run's own event log."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str) -> None:
        self._instance, self._run_id = instance, run_id
        self._ended = Event()
        self._cursor: str | None = None
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._show()

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            self._show()

    def _show(self) -> None:
        connection = self._instance.get_records_for_run(self._run_id, cursor=self._cursor)
        self._cursor = connection.cursor
        for record in connection.records:
            entry = record.event_log_entry
            event = entry.dagster_event
            if event is None:
                # Payloads print their own progress; of the run's log only trouble is news.
                if entry.level >= logging.WARNING:
                    say(f"        {entry.user_message}")
            elif event.is_step_failure:
                error = event.step_failure_data.error
                cause = error.cause if error and error.cause else error
                say(f"        {event.step_key} FAILED: {(cause.message if cause else '').strip()}")
            elif event.is_step_success:
                took = event.step_success_data.duration_ms / 1000
                say(f"        {event.step_key} ok, {took:.1f} s")


def say(line: str) -> None:
    """Print one line of progress at once."""
    print(line, flush=True)
