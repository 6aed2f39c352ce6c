"""The job that writes Label Studio tasks, run as Dagster runs it, and the way back."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest

from pax_assets.corpora.formats import label_studio
from pax_assets.definitions import defs
from pax_assets.defs.corpus.label_tasks import export_label_tasks
from pax_assets.defs.resources import LakeResource
from pax_assets_tests.bentos.lookup_model import write_lookup_artifact
from pax_assets_tests.defs.insights.test_assets import TEXTS, release
from pax_assets_tests.jobs.message_rows import DAY_1, put_messages


@pytest.fixture
def run(lake: str, tmp_path: Path):
    release(lake, write_lookup_artifact(tmp_path / "onnx"))
    put_messages(lake, DAY_1, TEXTS)

    def start(**config: object) -> dg.ExecuteInProcessResult:
        return export_label_tasks.execute_in_process(
            run_config={"ops": {"write_label_tasks": {"config": config}}},
            resources={"lake": LakeResource(root=lake, landing=f"{lake}/landing")},
            raise_on_error=False,
        )

    return start


def test_tasks_come_with_the_models_answers_and_come_back_as_documents(run, tmp_path):
    folder = tmp_path / "to_label"
    assert run(folder=str(folder), count=2).success
    tasks = json.loads((folder / "tasks.json").read_text())
    assert len(tasks) == 2
    assert {task["data"]["text"] for task in tasks} == {TEXTS["a"], TEXTS["b"]}
    assert tasks[0]["predictions"][0]["model_version"] == "m1"
    assert '<Label value="' in (folder / "labeling_config.xml").read_text()
    # A person who agrees with everything submits the predictions.
    for task in tasks:
        task["annotations"] = [{"id": 1, "result": task["predictions"][0]["result"]}]
    export = tmp_path / "export.json"
    export.write_text(json.dumps(tasks))
    documents = {document.message_id: document for document in label_studio.read(export)}
    assert set(documents) == {"a", "b"}
    surfaces = [TEXTS["a"][e.start : e.end] for e in documents["a"].entities]
    assert surfaces == ["Anna", "Ben"]


def test_a_folder_that_cannot_be_written_to_is_named(run, tmp_path):
    (tmp_path / "file").write_text("")
    result = run(folder=str(tmp_path / "file" / "below"))
    assert not result.success
    [failure] = [e for e in result.all_events if e.event_type_value == "STEP_FAILURE"]
    assert "cannot be written to" in str(failure.event_specific_data)


def test_the_job_is_in_the_code_location():
    assert "export_label_tasks" in {job.name for job in defs().jobs or ()}
