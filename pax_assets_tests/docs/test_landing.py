"""docs/landing.md: its commands run as they stand there, its table of days is what a run does."""

from __future__ import annotations

import os
import re

import pytest

from pax_assets.lake.landing import _UNFINISHED, objects_at, undated_objects
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.docs.pages import reports
from pax_assets_tests.landing_objects import DAYS, land, line

PAGE = (PROJECT / "docs" / "landing.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def _reports(block: str, lake: str) -> list[dict]:
    dropped = ("SPARK_", "PYSPARK_", "PAX_", "JAVA_HOME")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    # No Java on the path: the page says that none is needed.
    activated = f"{PROJECT / '.venv' / 'bin'}"
    return reports(block, lake, kept, activated)


@pytest.mark.timeout(600)
def test_the_commands_do_what_the_page_says(lake, tmp_path) -> None:
    landed = tmp_path / "lake" / "landing"
    kept = line("2", **{"from": "+15550100007"})
    land(landed, f"sms/{DAYS[0]}/a.jsonl", [line("1"), kept, '{"cut'])
    first, again, built = _reports(BLOCKS[0], lake)
    assert (first["ingested"], again["ingested"], built["rows"]) == (1, 0, 2)
    due, coded, named = _reports(BLOCKS[1], lake)
    # One parser read them: nothing is due, but what is named is read in any case.
    assert (due["objects"], coded["objects"], named["objects"]) == (0, 0, 1)
    assert named["quarantined"] == {"json_truncated": 1}
    counted, erased = _reports(BLOCKS[2], lake)
    assert (counted["dry_run"], counted["messages"]) == (True, 1)
    assert (erased["dry_run"], erased["messages"]) == (False, 1)


def _rows() -> list[tuple[str, str]]:
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    return [(path, day) for paths, day in rows for path in re.findall(r"`([^`]+/[^`]+)`", paths)]


@pytest.mark.parametrize(("path", "counts_for"), _rows())
def test_the_table_of_days_is_true(tmp_path, path, counts_for) -> None:
    land(tmp_path, path, [line("1")])
    found = {o.path: o.day for o in objects_at(str(tmp_path), "sms", [path])}
    dated = re.match(r"\d{4}-\d\d-\d\d", counts_for)
    if counts_for.startswith("nothing"):
        assert found == {}
    else:
        assert found == {path: dated[0] if dated else None}
    listed = [o.path for o in undated_objects(str(tmp_path), "sms")]
    assert listed == ([path] if found == {path: None} else [])


def test_the_table_was_found() -> None:
    assert len(_rows()) == 7


def test_every_ending_that_is_not_looked_at_is_on_the_page() -> None:
    assert all(f"`{ending}`" in PAGE or f"a.jsonl{ending}`" in PAGE for ending in _UNFINISHED)
