"""What tests of batch scoring share: texts, all tables of a lake, and a run that dies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pax_assets.jobs.insights import insight_tables
from pax_assets.jobs.insights.insight_tables import (
    FINDINGS,
    SCORED,
)
from pax_assets.jobs.scoring import worker
from pax_assets.lake import commit, tables
from pax_assets_tests.jobs import stub_runtime

ALL = (*FINDINGS, SCORED)
TEXTS = {"a": "Anna at Acme", "b": "Anna meets Ben", "c": "nothing here", "d": ""}


@pytest.fixture(autouse=True)
def fresh_stub() -> Iterator[None]:
    stub_runtime.asked.clear()
    stub_runtime.opened.clear()
    worker._OPENED.clear()
    yield
    worker._OPENED.clear()


def contents(lake: str) -> dict[str, list[dict]]:
    """All rows of all tables, in one order."""
    return {t: sorted(insight_tables.read(lake, t).to_pylist(), key=str) for t in ALL}


def files(lake: str, table: str) -> set[Path]:
    """The Parquet files that the newest version of a table names."""
    snapshot = tables.open_table(lake, table)
    return (
        set() if snapshot is None else {Path(file) for file in tables.files(lake, table, snapshot)}
    )


class Crashing:
    """A commit that works so many times, and then the run dies."""

    def __init__(self, survives: int) -> None:
        self._left, self._real = survives, commit.commit

    def __call__(self, *args, **kwargs) -> None:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        self._real(*args, **kwargs)


def versions(lake: str) -> list[int | None]:
    return [tables.version(lake, t) for t in ALL]


LONGER = {**TEXTS, "e": "Elif meets Anna", "f": "Elif at Globex", "g": "Anna " * 300}
