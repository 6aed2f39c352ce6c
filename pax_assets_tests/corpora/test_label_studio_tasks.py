"""Under test: analyses as tasks that Label Studio takes, and that they come back as they went."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.corpora import label_studio_tasks
from pax_assets.corpora.formats import label_studio
from pax_assets.corpora.selection import Candidate, choose
from pax_assets.nlp.documents import (
    LAYERS,
    Analysis,
    Argument,
    Document,
    Entity,
    Event,
    FoundArgument,
    FoundEntity,
    FoundEvent,
    FoundRelation,
    Relation,
)
from pax_assets.nlp.labels import LabelScheme, bio


def found(text: str, number: int = 1, group: str | None = None) -> Candidate:
    """A candidate of three entities, an event with an argument of two roles, and relations."""
    spans = [(0, 1), (1, 3), (0, len(text))]
    entities = tuple(
        FoundEntity(f"e{n}", "thing", text[a:b], a, b, 0.9) for n, (a, b) in enumerate(spans, 1)
    )
    event = FoundEvent(
        "v1", "thing", text[1:2], 1, 2, 0.6,
        (FoundArgument("e1", "who", 0.7), FoundArgument("e1", "whom", 0.8)),
    )  # fmt: skip
    relations = (FoundRelation("e1", "e2", "near", 0.5), FoundRelation("e1", "e2", "like", 0.95))
    return Candidate(
        f"d{number}", text, Analysis(entities, (event,), relations), group, f"m{number}"
    )


def accepted(path: Path) -> Path:
    """Do as people who agree with every prediction."""
    tasks = json.loads(path.read_text(encoding="utf-8"))
    for number, one in enumerate(tasks, 1):
        one["id"] = number
        one["annotations"] = [{"id": number, "result": one.pop("predictions")[0]["result"]}]
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def labelled(candidate: Candidate) -> Document:
    analysis = candidate.analysis
    return Document(
        doc_id=candidate.doc_id,
        text=candidate.text,
        layers=LAYERS,
        entities=tuple(Entity(e.id, e.start, e.end, e.type) for e in analysis.entities),
        events=tuple(
            Event(
                e.id, e.type, e.start, e.end,
                tuple(Argument(a.entity, a.role) for a in e.arguments),
            )
            for e in analysis.events
        ),
        relations=tuple(Relation(r.head, r.tail, r.type) for r in analysis.relations),
        group=candidate.group,
        message_id=candidate.message_id,
    )  # fmt: skip


HOSTILE = st.text(
    st.sampled_from('ab \n\r\t\\n😀👨‍👩‍👧𝔸é\u0301שء\u2028\x00<&"'), min_size=3, max_size=12
)


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(HOSTILE | st.text(min_size=3), min_size=1, max_size=3))
def test_accepted_predictions_are_the_documents_that_went_out(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("tasks") / "tasks.json"
    candidates = [found(text, n, "g" if n == 2 else None) for n, text in enumerate(texts, 1)]
    assert label_studio_tasks.write_tasks(path, candidates, model_version="m@1") == len(texts)
    assert list(label_studio.read(accepted(path))) == [labelled(c) for c in candidates]


@settings(max_examples=150, deadline=None)
@given(text=HOSTILE | st.text(min_size=3))
def test_an_export_that_counts_utf_16_units_gives_the_same_documents(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("tasks") / "tasks.json"
    label_studio_tasks.write_tasks(path, [found(text)], model_version="m@1")
    [one] = json.loads(accepted(path).read_text(encoding="utf-8"))
    for result in one["annotations"][0]["result"]:
        for end in ("start", "end") if "value" in result else ():
            before = text[: result["value"][end]]
            result["value"][end] = len(before.encode("utf-16-le")) // 2
    path.write_text(json.dumps([one]), encoding="utf-8")
    assert list(label_studio.read(path, offsets="utf-16")) == [labelled(found(text))]


def test_a_lone_surrogate_survives(tmp_path: Path):
    candidate = found("ab\ud83dcd")
    label_studio_tasks.write_tasks(tmp_path / "t.json", [candidate], model_version="m")
    assert list(label_studio.read(accepted(tmp_path / "t.json"))) == [labelled(candidate)]


def test_a_task_has_the_prediction_with_its_scores():
    [one] = label_studio_tasks.tasks([found("👋 Anna")], model_version="m@1")
    assert one["data"] == {"text": "👋 Anna", "doc_id": "d1", "message_id": "m1"}
    [prediction] = one["predictions"]
    assert prediction["model_version"] == "m@1"
    assert prediction["score"] == 0.5
    assert prediction["result"][1] == {
        "id": "e2",
        "from_name": "entities",
        "to_name": "text",
        "type": "labels",
        "score": 0.9,
        "value": {"start": 1, "end": 3, "text": " A", "labels": ["thing"]},
    }
    assert [(r["from_id"], r["to_id"], r["labels"]) for r in prediction["result"][4:]] == [
        ("e1", "e2", ["near", "like"]),
        ("v1", "e1", ["who", "whom"]),
    ]


def test_no_text_gives_no_tasks_and_equal_ids_are_refused(tmp_path: Path):
    assert label_studio_tasks.write_tasks(tmp_path / "t.json", [], model_version="m") == 0
    assert json.loads((tmp_path / "t.json").read_text(encoding="utf-8")) == []
    entity = FoundEntity("x", "thing", "a", 0, 1, 0.9)
    event = FoundEvent("x", "thing", "a", 0, 1, 0.9)
    with pytest.raises(ValueError, match="d1: two spans of the analysis share an id"):
        list(
            label_studio_tasks.tasks(
                [Candidate("d1", "a", Analysis((entity,), (event,)))], model_version="m"
            )
        )


def test_chosen_texts_go_out_as_tasks():
    sure = Candidate("sure", "Anna", Analysis((FoundEntity("e1", "p", "Anna", 0, 4, 0.99),)))
    chosen = choose([sure, found("👋 Anna")], 1)
    [one] = label_studio_tasks.tasks(chosen, model_version="m")
    assert one["data"]["doc_id"] == "d1"


def test_the_interface_has_every_label_relation_and_role():
    scheme = LabelScheme(
        bio(["person", 'a"<&>']), bio(["meeting"]), ("none", "knows"), ("none", "knows", "who")
    )
    view = fromstring(label_studio_tasks.labeling_config(scheme))
    relations = view.find("Relations")
    assert relations is not None
    assert relations.get("choice") == "multiple"
    assert [r.get("value") for r in relations] == ["knows", "who"]
    controls = {c.get("name"): [label.get("value") for label in c] for c in view.findall("Labels")}
    assert controls == {"entities": ['a"<&>', "person"], "triggers": ["meeting"]}
    assert {c.get("toName") for c in view.findall("Labels")} == {"text"}
    [text] = view.findall("Text")
    assert (text.get("name"), text.get("value")) == ("text", "$text")
    colours = [label.get("background") for label in view.iter("Label")]
    assert len(set(colours)) == len(colours)


def test_an_interface_has_no_empty_controls():
    view = fromstring(
        label_studio_tasks.labeling_config(
            LabelScheme(bio(["person"]), bio([]), ("none",), ("none",))
        )
    )
    assert [child.tag for child in view] == ["Labels", "Text"]
