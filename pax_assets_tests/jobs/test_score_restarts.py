"""Batch scoring that dies, is overtaken, or goes on for long: chunks, conflicts, backfills."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pax_assets.jobs import score
from pax_assets.jobs.insights import insight_tables
from pax_assets.jobs.insights.insight_tables import (
    ENTITIES,
    RELATIONS,
    SCORED,
)
from pax_assets.jobs.score import score_day
from pax_assets.jobs.scoring import day as scoring_day
from pax_assets.lake import commit
from pax_assets_tests.jobs import stub_runtime
from pax_assets_tests.jobs.message_rows import DAY_1, add_messages, put_messages
from pax_assets_tests.jobs.score_lakes import (
    LONGER,
    TEXTS,
    Crashing,
    contents,
    files,
    fresh_stub,
)
from pax_assets_tests.jobs.stub_runtime import stub_scorer

# A fixture that every test here uses.
__all__ = ["fresh_stub"]


@pytest.fixture
def small_chunks(monkeypatch) -> None:
    """Chunks of two messages, or of a long one."""
    monkeypatch.setattr(scoring_day, "MESSAGES_A_CORE", 2)
    monkeypatch.setattr(scoring_day, "CHARACTERS_A_CORE", 1_000)


@pytest.mark.usefixtures("small_chunks")
def test_a_run_that_died_at_any_commit_goes_on_behind_its_last_chunk(
    spark, lake: str, tmp_path: Path, monkeypatch
) -> None:
    put_messages(lake, DAY_1, LONGER)
    score_day(spark, lake, DAY_1, stub_scorer())
    whole, asked = contents(lake), len(stub_runtime.asked)
    assert asked == len(LONGER)
    assert len(files(lake, SCORED)) >= 4
    commits = 4 * len(files(lake, SCORED))
    for survives in range(1, commits):
        other = str(tmp_path / str(survives))
        put_messages(other, DAY_1, LONGER)
        with monkeypatch.context() as patch:
            patch.setattr(commit, "commit", Crashing(survives))
            with pytest.raises(KeyboardInterrupt):
                score_day(spark, other, DAY_1, stub_scorer())
        vouched = insight_tables.read(other, SCORED).num_rows
        assert vouched >= survives // 4
        stub_runtime.asked.clear()
        report = score_day(spark, other, DAY_1, stub_scorer())
        assert report.scored == len(stub_runtime.asked) == len(LONGER) - vouched, survives
        assert contents(other) == whole, survives


@pytest.mark.usefixtures("small_chunks")
def test_new_messages_after_a_run_that_died_are_all_scored_once(
    spark, lake: str, tmp_path: Path, monkeypatch
) -> None:
    put_messages(lake, DAY_1, TEXTS)
    score_day(spark, lake, DAY_1, stub_scorer())
    add_messages(lake, DAY_1, {k: LONGER[k] for k in "efg"})
    with monkeypatch.context() as patch:
        patch.setattr(commit, "commit", Crashing(4))
        patch.setattr(scoring_day, "_FEW", 0)
        with pytest.raises(KeyboardInterrupt):
            score_day(spark, lake, DAY_1, stub_scorer())
    scored = insight_tables.read(lake, SCORED).num_rows
    assert len(TEXTS) < scored < len(LONGER)
    add_messages(lake, DAY_1, {"h": "Hanna at Acme"})
    stub_runtime.asked.clear()
    assert score_day(spark, lake, DAY_1, stub_scorer()).scored == len(LONGER) + 1 - scored
    clean = str(tmp_path / "clean")
    put_messages(clean, DAY_1, {**LONGER, "h": "Hanna at Acme"})
    score_day(spark, clean, DAY_1, stub_scorer())
    assert contents(lake) == contents(clean)


def test_a_chunk_reads_the_files_that_its_messages_are_in_and_no_others(
    lake: str, monkeypatch
) -> None:
    put_messages(lake, DAY_1, {f"a{number}": "Anna" for number in range(4)})
    add_messages(lake, DAY_1, {f"b{number}": "Ben" for number in range(2)})
    add_messages(lake, DAY_1, {f"c{number}": "Carla" for number in range(3)})
    monkeypatch.setattr(scoring_day, "MESSAGES_A_CORE", 3)
    monkeypatch.setattr(scoring_day, "_FEW", 0)
    root = Path(lake, "messages")
    stored = {
        str(path.relative_to(root)): set(pq.read_table(path)["message_id"].to_pylist())
        for path in root.rglob("*.parquet")
    }
    found = scoring_day.look(lake, DAY_1, stub_scorer(), cores=1)
    assert [chunk.rows for chunk in found.chunks] == [3, 3, 3]
    planned: list[str] = []
    for chunk in found.chunks:
        there = set().union(*(stored[path] for path in chunk.files))
        wanted = there if chunk.ids is None else set(chunk.ids.to_pylist())
        assert len(wanted) == chunk.rows
        # Each file has some of them, and those of a whole file are not named one by one.
        assert all(stored[path] & wanted for path in chunk.files)
        assert wanted <= there
        assert (chunk.ids is None) == (wanted == there)
        planned += wanted
    assert sorted(planned) == sorted(set().union(*stored.values()))


@pytest.mark.usefixtures("small_chunks")
def test_old_answers_can_be_read_while_a_backfill_runs(spark, lake: str, monkeypatch) -> None:
    put_messages(lake, DAY_1, LONGER)
    score_day(spark, lake, DAY_1, stub_scorer("m1"))
    old = contents(lake)
    seen: list[int] = []
    real = commit.commit

    def looking(*args, **kwargs) -> None:
        real(*args, **kwargs)
        now = contents(lake)
        for table, rows in now.items():
            assert [r for r in rows if r["model_version"] == "m1"] == old[table]
        seen.append(len(now[SCORED]))

    monkeypatch.setattr(commit, "commit", looking)
    assert score_day(spark, lake, DAY_1, stub_scorer("m2")).scored == len(LONGER)
    assert seen == sorted(seen)
    assert len(set(seen)) > 3
    assert seen[-1] == 2 * len(LONGER)
    monkeypatch.undo()
    # Both keep up with what comes later, and neither is scored twice.
    put_messages(lake, DAY_1, {**LONGER, "h": "Hanna at Acme"})
    assert score_day(spark, lake, DAY_1, stub_scorer("m2")).scored == 1
    assert score_day(spark, lake, DAY_1, stub_scorer("m1")).scored == 1


def test_two_runs_of_one_day_at_once_score_each_message_once(spark, lake: str, monkeypatch) -> None:
    monkeypatch.setattr(scoring_day, "MESSAGES_A_CORE", 20)
    texts = {str(number): f"Anna at Acme {number}" for number in range(100)}
    put_messages(lake, DAY_1, texts)
    with ThreadPoolExecutor(2) as both:
        runs = [both.submit(score_day, spark, lake, DAY_1, stub_scorer()) for _ in range(2)]
        reports = [run.result() for run in runs]
    assert sum(report.scored for report in reports) == 100
    rows = contents(lake)
    assert sorted(r["message_id"] for r in rows[SCORED]) == sorted(texts)
    assert len(rows[ENTITIES]) == 200
    assert len(rows[RELATIONS]) == 100


@pytest.mark.parametrize("survives", range(1, 8))
def test_a_crash_between_two_commits_is_put_right_by_the_next_run(
    spark, lake: str, tmp_path: Path, monkeypatch, survives: int
) -> None:
    put_messages(lake, DAY_1, {**TEXTS, "gone": "Dmitri at Acme"})
    score_day(spark, lake, DAY_1, stub_scorer())
    put_messages(lake, DAY_1, {**TEXTS, "e": "Elif meets Anna", "f": "Elif at Globex"})
    with monkeypatch.context() as patch:
        patch.setattr(commit, "commit", Crashing(survives))
        with pytest.raises(KeyboardInterrupt):
            score_day(spark, lake, DAY_1, stub_scorer())
    score_day(spark, lake, DAY_1, stub_scorer())

    unharmed = str(tmp_path / "unharmed")
    put_messages(unharmed, DAY_1, {**TEXTS, "e": "Elif meets Anna", "f": "Elif at Globex"})
    score_day(spark, unharmed, DAY_1, stub_scorer())
    assert contents(lake) == contents(unharmed)


def test_a_run_that_another_run_overtook_adds_nothing_twice(spark, lake: str, monkeypatch) -> None:
    put_messages(lake, DAY_1, TEXTS)
    real, overtaken = score._Run._files, []

    def overtaking(*args):
        if not overtaken:
            overtaken.append(True)
            score_day(spark, lake, DAY_1, stub_scorer())
        return real(*args)

    monkeypatch.setattr(score._Run, "_files", overtaking)
    assert score_day(spark, lake, DAY_1, stub_scorer()).scored == 0
    rows = contents(lake)
    assert len(rows[SCORED]) == 4
    assert len(rows[ENTITIES]) == 4
