"""The examples of docs/reading.md: run as they stand there, on a lake where they say it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pax_assets.jobs.identities.evidence import update_identities
from pax_assets.jobs.message_features import build_features
from pax_assets.jobs.participants import update_participants
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.jobs.test_message_features import ADA, BOB, DAYS, at, message, put

PAGE = (PROJECT / "docs" / "reading.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, spark) -> Path:
    folder = tmp_path_factory.mktemp("project")
    lake = str(folder / ".pax" / "lake")
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB]), message("b", at(10), BOB, [ADA])])
    put(lake, DAYS[1], [message("c", at(9, day=1), ADA, [BOB], channel="email")])
    # Rows of a former version must not be seen.
    put(lake, DAYS[1], [message("d", at(9, day=1), ADA, [BOB], channel="email")])
    for day in DAYS[:2]:
        build_features(lake, day)
    update_identities(lake, str(folder / "landing"))
    update_participants(spark, lake)
    return folder


@pytest.fixture
def example(folder, monkeypatch):
    monkeypatch.chdir(folder)

    def run(word: str, number: int = 0) -> dict[str, Any]:
        code = [block for block in BLOCKS if word in block][number]
        namespace: dict[str, Any] = {}
        exec(compile(code, f"docs/reading.md: {word}", "exec"), namespace)
        return namespace

    return run


def test_arrow(example):
    assert sorted(example('"sent_at", "text"')["messages"]["message_id"].to_pylist()) == list("abd")


def test_arrow_of_one_day_and_of_a_former_version(example):
    found = example("version=1")
    assert sorted(found["day"]["message_id"].to_pylist()) == ["a", "b"]
    assert sorted(found["before"]["message_id"].to_pylist()) == ["a", "b"]


def test_polars(example):
    assert sorted(example("polars")["messages"]["message_id"]) == ["a", "b"]


def test_duckdb_over_arrow(example):
    assert sorted(example("per_channel")["per_channel"]) == [("email", 1), ("sms", 2)]


def test_duckdb_over_files(example):
    found = example("read_parquet")
    assert sorted((str(day), count) for day, count in found["days"]) == [(DAYS[0], 2), (DAYS[1], 1)]


def test_spark_without_a_delta_reader(example):
    assert sorted(row["message_id"] for row in example("scan(")["messages"].collect()) == list(
        "abd"
    )


def test_spark_with_one(example):
    rows = example('format("delta")')["messages"].collect()
    assert sorted((row["message_id"], row["arrival_day"]) for row in rows) == [
        ("a", DAYS[0]),
        ("b", DAYS[0]),
        ("d", DAYS[1]),
    ]


def test_features_with_the_person_of_today(example):
    joined = example("alias_ids")["joined"]
    assert sorted((key, before) for key, _, before in joined) == [("a", 0), ("b", 0), ("d", 1)]


def test_every_example_of_the_page_is_run_here():
    source = Path(__file__).read_text()
    words = re.findall(r"example\(\s*(?:'([^']+)'|\"([^\"]+)\")", source)
    run = {next(b for b in BLOCKS if (one or other) in b) for one, other in words}
    assert run == set(BLOCKS)
