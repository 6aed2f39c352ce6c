"""Batch scoring: each message of a day is scored once, whatever happened before and between.

The bookkeeping is tested with a runtime whose answers are known; the last tests use an ONNX
artifact through the real runtime, and compare the tables with it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pax_assets.inference import openvino_session
from pax_assets.inference.runtime import Runtime
from pax_assets.jobs import score
from pax_assets.jobs.insights import insight_tables
from pax_assets.jobs.insights.insight_tables import (
    ENTITIES,
    EVENTS,
    FINDINGS,
    RELATIONS,
    SCORED,
    without_scores,
)
from pax_assets.jobs.program import Engine
from pax_assets.jobs.score import Scorer, score_day
from pax_assets.jobs.scoring import day as scoring_day
from pax_assets.jobs.scoring import worker
from pax_assets.lake import commit, content_hash
from pax_assets.lake.artifacts import ArtifactStore, MissingArtifact
from pax_assets.lake.maintenance import maintain
from pax_assets.lake.releases import Releases, Served
from pax_assets_tests.bentos.lookup_model import write_lookup_artifact
from pax_assets_tests.jobs import stub_runtime
from pax_assets_tests.jobs.message_rows import DAY_1, DAY_2, add_messages, put_messages
from pax_assets_tests.jobs.score_lakes import (
    ALL,
    TEXTS,
    contents,
    files,
    fresh_stub,
    versions,
)
from pax_assets_tests.jobs.stub_runtime import load_failing, stub_scorer

# A fixture that every test here uses.
__all__ = ["fresh_stub"]


def test_entities_events_and_relations_are_rows_with_their_message(spark, lake: str) -> None:
    put_messages(lake, DAY_1, TEXTS)
    report = score_day(spark, lake, DAY_1, stub_scorer())
    assert (report.messages, report.scored, report.removed) == (4, 4, 0)
    rows = contents(lake)
    keys = {"model_version": "m1", "arrival_day": DAY_1}
    assert {(r["message_id"], r["text"], r["type"]) for r in rows[ENTITIES]} == {
        ("a", "Anna", "person"),
        ("a", "Acme", "organization"),
        ("b", "Anna", "person"),
        ("b", "Ben", "person"),
    }
    assert rows[EVENTS] == [
        {
            "message_id": "b",
            "event_id": "v1",
            "type": "meeting",
            "text": "meets",
            "start": 5,
            "end": 10,
            "score": 0.8,
            "arguments": [
                {"entity_id": "e1", "role": "participant", "score": 0.7},
                {"entity_id": "e2", "role": "participant", "score": 0.7},
            ],
            **keys,
        }
    ]
    assert rows[RELATIONS] == [
        {
            "message_id": "a",
            "head_id": "e1",
            "tail_id": "e2",
            "type": "works_for",
            "score": 0.75,
            "head_type": "person",
            "head_text": "Anna",
            "tail_type": "organization",
            "tail_text": "Acme",
            **keys,
        }
    ]


def test_a_message_without_findings_counts_as_scored(spark, lake: str) -> None:
    put_messages(lake, DAY_1, TEXTS)
    score_day(spark, lake, DAY_1, stub_scorer())
    assert {row["message_id"] for row in contents(lake)[SCORED]} == set(TEXTS)
    assert sorted(stub_runtime.asked) == sorted(TEXTS.values())


def test_a_second_run_scores_nothing_and_commits_nothing(spark, lake: str) -> None:
    put_messages(lake, DAY_1, TEXTS)
    score_day(spark, lake, DAY_1, stub_scorer())
    before, at = contents(lake), versions(lake)
    stub_runtime.asked.clear()
    report = score_day(spark, lake, DAY_1, stub_scorer())
    assert report.scored == 0
    assert stub_runtime.asked == []
    assert contents(lake) == before
    assert versions(lake) == at


def test_only_messages_that_are_new_are_scored(spark, lake: str) -> None:
    put_messages(lake, DAY_1, {"a": TEXTS["a"]})
    score_day(spark, lake, DAY_1, stub_scorer())
    stub_runtime.asked.clear()
    put_messages(lake, DAY_1, TEXTS)
    assert score_day(spark, lake, DAY_1, stub_scorer()).scored == 3
    assert sorted(stub_runtime.asked) == sorted(TEXTS[k] for k in "bcd")
    assert len(contents(lake)[SCORED]) == 4


def test_the_runtime_is_opened_once_for_several_days(spark, lake: str) -> None:
    for day in (DAY_1, DAY_2):
        put_messages(lake, day, {f"{day} {k}": v for k, v in TEXTS.items()})
        score_day(spark, lake, day, stub_scorer())
    assert stub_runtime.opened == [("/models/onnx-of-m1", "fp32", 1)]


def test_a_displaced_message_takes_its_findings_along(spark, lake: str, tmp_path: Path) -> None:
    """Message b is found to have arrived on day 1, after day 2 had been scored with it."""
    put_messages(lake, DAY_2, {"b": TEXTS["b"], "x": "Carla at Globex"})
    score_day(spark, lake, DAY_2, stub_scorer())
    put_messages(lake, DAY_1, {"a": TEXTS["a"], "b": TEXTS["b"]})
    put_messages(lake, DAY_2, {"x": "Carla at Globex"})
    score_day(spark, lake, DAY_1, stub_scorer())
    report = score_day(spark, lake, DAY_2, stub_scorer())
    assert (report.scored, report.removed) == (0, 1)

    in_order = str(tmp_path / "in_order")
    put_messages(in_order, DAY_1, {"a": TEXTS["a"], "b": TEXTS["b"]})
    put_messages(in_order, DAY_2, {"x": "Carla at Globex"})
    for day in (DAY_1, DAY_2):
        score_day(spark, in_order, day, stub_scorer())
    assert contents(lake) == contents(in_order)


def test_a_message_with_another_text_is_scored_again(spark, lake: str) -> None:
    put_messages(lake, DAY_1, {"a": "Anna at Acme", "b": "Anna meets Ben"})
    score_day(spark, lake, DAY_1, stub_scorer())
    put_messages(lake, DAY_1, {"a": "now Carla at Globex", "b": "Anna meets Ben"})
    assert score_day(spark, lake, DAY_1, stub_scorer()).scored == 1
    rows = contents(lake)
    assert {r["text"] for r in rows[ENTITIES] if r["message_id"] == "a"} == {"Carla", "Globex"}
    assert len(rows[SCORED]) == 2


def test_a_new_champion_scores_again_and_the_old_answers_stay(spark, lake: str) -> None:
    put_messages(lake, DAY_1, TEXTS)
    score_day(spark, lake, DAY_1, stub_scorer("m1"))
    old = contents(lake)
    assert score_day(spark, lake, DAY_1, stub_scorer("m2")).scored == 4
    for table, rows in contents(lake).items():
        assert [r for r in rows if r["model_version"] == "m1"] == old[table]
        assert len(rows) == 2 * len(old[table])


def test_another_variant_of_the_same_model_replaces_its_answers(spark, lake: str) -> None:
    put_messages(lake, DAY_1, TEXTS)
    score_day(spark, lake, DAY_1, stub_scorer("m1", "fp32"))
    assert score_day(spark, lake, DAY_1, stub_scorer("m1", "int8")).scored == 4
    scored = contents(lake)[SCORED]
    assert {row["release"] for row in scored} == {"onnx-of-m1/int8"}
    assert len(scored) == 4


def test_new_arrivals_are_added_and_what_is_there_is_neither_read_nor_written(
    spark, lake: str
) -> None:
    put_messages(lake, DAY_1, TEXTS)
    score_day(spark, lake, DAY_1, stub_scorer())
    (old,) = files(lake, "messages")
    stored = {t: files(lake, t) for t in ALL}
    add_messages(lake, DAY_1, {"e": "Elif meets Anna"})
    stub_runtime.asked.clear()
    # Whoever reads what was scored already finds its files gone.
    everything = [old, *(file for t in FINDINGS for file in stored[t])]
    for file in everything:
        file.rename(file.with_suffix(".away"))
    report = score_day(spark, lake, DAY_1, stub_scorer())
    for file in everything:
        file.with_suffix(".away").rename(file)
    assert (report.messages, report.scored) == (5, 1)
    assert stub_runtime.asked == ["Elif meets Anna"]
    for table in ALL:
        assert stored[table] <= files(lake, table), table
    assert {row["message_id"] for row in contents(lake)[SCORED]} == {*TEXTS, "e"}
    assert len([r for r in contents(lake)[ENTITIES] if r["message_id"] == "e"]) == 2


def test_messages_that_lie_in_other_files_now_are_not_scored_again(spark, lake: str) -> None:
    put_messages(lake, DAY_1, {"a": TEXTS["a"]})
    add_messages(lake, DAY_1, {"b": TEXTS["b"]})
    score_day(spark, lake, DAY_1, stub_scorer())
    before, at = contents(lake), versions(lake)
    maintain(lake)
    assert len(files(lake, "messages")) == 1
    stub_runtime.asked.clear()
    assert score_day(spark, lake, DAY_1, stub_scorer()).scored == 0
    assert stub_runtime.asked == []
    assert contents(lake) == before
    noted = versions(lake)
    assert noted != at
    score_day(spark, lake, DAY_1, stub_scorer())
    assert versions(lake) == noted


def test_many_messages_keep_every_core_busy_with_one_runtime(spark, lake: str) -> None:
    texts = {str(number): f"Anna at Acme {number}" for number in range(300)}
    put_messages(lake, DAY_1, texts)
    scorer = replace(stub_scorer(), threads=3)
    assert score_day(spark, lake, DAY_1, scorer).scored == 300
    assert len(files(lake, SCORED)) == 3
    assert stub_runtime.opened == [("/models/onnx-of-m1", "fp32", 1)]
    assert sorted(stub_runtime.asked) == sorted(texts.values())


def test_what_somebody_removed_by_hand_is_scored_anew_once_it_is_distrusted(
    spark, lake: str
) -> None:
    put_messages(lake, DAY_1, TEXTS)
    score_day(spark, lake, DAY_1, stub_scorer())
    whole = contents(lake)
    rows = insight_tables.read(lake, ENTITIES)
    commit.overwrite(lake, ENTITIES, rows.filter(pc.not_equal(rows["text"], "Ben")))
    assert score_day(spark, lake, DAY_1, stub_scorer()).scored == 0
    scoring_day.distrust(lake, DAY_1)
    assert score_day(spark, lake, DAY_1, stub_scorer()).scored == 1
    assert contents(lake) == whole


def test_a_day_without_messages_has_no_findings(spark, lake: str) -> None:
    report = score_day(spark, lake, DAY_1, stub_scorer())
    assert report.messages == 0
    assert stub_runtime.opened == []
    assert all(rows == [] for rows in contents(lake).values())


def test_an_error_in_the_worker_changes_no_table_and_leaves_no_files(spark, lake: str) -> None:
    put_messages(lake, DAY_1, TEXTS)
    with pytest.raises(Exception, match="cannot be opened"):
        score_day(spark, lake, DAY_1, Scorer("/models/x", "fp32", "m1", 1, load_failing))
    assert all(rows == [] for rows in contents(lake).values())
    assert not list(Path(lake, "insights").rglob("*.parquet"))
    assert not list(Path(lake, ".staging").glob("*"))


def test_a_model_that_cannot_be_opened_leaves_the_former_answers_of_the_day(
    spark, lake: str
) -> None:
    put_messages(lake, DAY_1, {**TEXTS, "gone": "Dmitri at Acme"})
    score_day(spark, lake, DAY_1, stub_scorer("m1", "fp32"))
    put_messages(lake, DAY_1, TEXTS)
    former, at = contents(lake), versions(lake)
    failing = Scorer("/models/onnx-of-m1", "int8", "m1", 1, load_failing)
    with pytest.raises(Exception, match="cannot be opened"):
        score_day(spark, lake, DAY_1, failing)
    assert contents(lake) == former
    assert versions(lake) == at
    report = score_day(spark, lake, DAY_1, stub_scorer("m1", "int8"))
    assert (report.scored, report.removed) == (4, 1)
    assert {row["release"] for row in contents(lake)[SCORED]} == {"onnx-of-m1/int8"}
    assert {row["message_id"] for row in contents(lake)[ENTITIES]} <= TEXTS.keys()


def test_scores_do_not_count_in_the_data_version(spark, lake: str) -> None:
    put_messages(lake, DAY_1, TEXTS)
    score_day(spark, lake, DAY_1, stub_scorer())
    for table in FINDINGS:
        rows = insight_tables.read(lake, table)
        noisy = rows.set_column(
            rows.column_names.index("score"), "score", pc.add(rows["score"], 1e-6)
        )
        assert content_hash(without_scores(noisy)) == content_hash(without_scores(rows))
        assert content_hash(noisy) != content_hash(rows)
    events = insight_tables.read(lake, EVENTS)
    other = events.to_pylist()
    other[0]["arguments"][0]["role"] = "place"
    changed = pa.Table.from_pylist(other, schema=events.schema)
    assert content_hash(without_scores(changed)) != content_hash(without_scores(events))


@pytest.fixture(scope="module")
def lookup_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lookup_artifact(tmp_path_factory.mktemp("lookup") / "onnx")


def test_batch_and_runtime_say_the_same_of_difficult_texts(
    spark, lake: str, lookup_model: Path
) -> None:
    texts = {
        "plain": "Anna meets Ben",
        "empty": "",
        "emoji": "👩‍👩‍👧 anna meets 🎉 ben 🏳️‍🌈",
        "right-to-left": "\u200fדנה meets ben\u200e",
        "nul and spaces": "anna\x00 \u202f meets\u00a0ben",
        "long": "anna meets ben " * 700,
        "one word": "a" * 10_000,
    }
    put_messages(lake, DAY_1, texts)
    score_day(spark, lake, DAY_1, Scorer(str(lookup_model), "fp32", "lookup", 1))
    rows = contents(lake)
    runtime = Runtime.load(lookup_model, "fp32", 1)
    for key, text in texts.items():
        said = runtime.analyze([text])[0].to_dict()
        for table, layer in ((ENTITIES, "entities"), (EVENTS, "events")):
            stored = [r for r in rows[table] if r["message_id"] == key]
            assert len(stored) == len(said[layer]), (key, layer)
            for row in stored:
                assert text[row["start"] : row["end"]] == row["text"]
        stored = {
            (r["entity_id"], r["start"], r["end"], r["type"], r["text"])
            for r in rows[ENTITIES]
            if r["message_id"] == key
        }
        assert stored == {
            (e["id"], e["start"], e["end"], e["type"], e["text"]) for e in said["entities"]
        }
        related = {
            (r["head_id"], r["tail_id"], r["type"])
            for r in rows[RELATIONS]
            if r["message_id"] == key
        }
        assert related == {(r["head"], r["tail"], r["type"]) for r in said["relations"]}
    assert any(r["message_id"] == "plain" for r in rows[RELATIONS])


SCORED_IN_BF16 = """
import sys
from pax_assets.compute.spark import spark_session
from pax_assets.jobs.score import Scorer, score_day

lake, onnx, *days = sys.argv[1:]
for day in days:
    print(score_day(spark_session(""), lake, day, Scorer(onnx, "bf16", "m1", 2)).scored)
"""


@pytest.mark.skipif(not openvino_session.is_installed(), reason="the extra openvino is missing")
def test_openvino_outlives_the_threads_that_an_engine_starts_and_ends(
    lake: str, lookup_model: Path, tmp_path: Path
) -> None:
    """In a process of its own: what was wrong here once ended the process."""
    onnx = shutil.copytree(lookup_model, tmp_path / "onnx")
    shutil.copytree(onnx / "fp32", onnx / "bf16")
    days = (DAY_1, DAY_2)
    for day in days:
        put_messages(lake, day, {f"{day} {n}": f"Anna meets Ben {n}" for n in range(600)})
    command = [sys.executable, "-c", SCORED_IN_BF16, lake, str(onnx), *days]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["600", "600"]


def released(lake: str, onnx: Path) -> str:
    """Put an ONNX artifact into the lake and release it; return its folder's address."""
    version = ArtifactStore(lake).publish("onnx_model", onnx).version
    served = Served("m1", version, "fp32", "d1", {})
    Releases(ArtifactStore(lake)).release(served, None, action="promoted", why="the first")
    return f"{lake}/{served.onnx_path}"


def test_by_hand_a_day_is_scored_with_the_released_model(
    spark, lake: str, lookup_model: Path
) -> None:
    put_messages(lake, DAY_1, {"a": "Anna meets Ben"})
    engine = Engine(lambda: spark, is_cluster=False)
    arguments = [f"--lake={lake}", f"--day={DAY_1}"]
    with pytest.raises(MissingArtifact, match="released_model"):
        score.run(engine, arguments)
    released(lake, lookup_model)
    report = score.run(engine, arguments)
    assert (report.scored, report.model_version) == (1, "m1")
    assert insight_tables.read(lake, EVENTS).num_rows == 1
    with pytest.raises(SystemExit):
        score.run(engine, [*arguments, "--variant=fp32"])


def test_a_worker_fetches_its_model_from_a_lake_on_s3(
    bucket: str, lookup_model: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    address = released(f"s3://{bucket}/lake", lookup_model)
    runtime = worker.load_runtime(address, "fp32", 1, None)
    assert [e.text for e in runtime.analyze(["Anna meets Ben"])[0].entities] == ["Anna", "Ben"]


def test_a_day_that_is_none_is_told_from_the_form_of_a_day(
    spark, lake: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        score.run(Engine(lambda: spark, is_cluster=False), [f"--lake={lake}", "--day=today"])
    assert "'today' is no day of arrival: give it as YYYY-MM-DD" in capsys.readouterr().err
