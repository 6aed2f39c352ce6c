"""Under test: Label Studio's export as documents."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats import label_studio
from pax_assets.nlp.documents import (
    LAYERS,
    Argument,
    Document,
    Entity,
    Event,
    Relation,
)

# Made with Label Studio 1.23.2: predictions of `write_tasks` imported, two spans added by hand.
EXPORT = Path(__file__).parent / "data" / "label_studio_1_23_2.json"
EXPORT_MIN = Path(__file__).parent / "data" / "label_studio_1_23_2_min.json"

TEXT = "Anna met Ben in Oslo"


def span(name: str, start: int, end: int, label: str, text: str | None = None, **more: Any) -> Any:
    value: dict[str, Any] = {"start": start, "end": end, "labels": [label]}
    if text is not None:
        value["text"] = text
    tag = {"from_name": "label", "to_name": "text", "type": "labels"}
    return {"id": name, "value": value, **tag, **more}


def link(start: str, end: str, *labels: str, direction: str = "right") -> Any:
    return {
        "type": "relation",
        "from_id": start,
        "to_id": end,
        "direction": direction,
        "labels": list(labels),
    }


ANNA = span("a", 0, 4, "person", "Anna")
MET = span("m", 5, 8, "meeting", "met")
BEN = span("b", 9, 12, "person", "Ben")
OSLO = span("o", 16, 20, "place", "Oslo")


def task(*results: Any, text: str = TEXT, number: int = 7, **data: Any) -> Any:
    return {
        "id": number,
        "data": {"text": text, **data},
        "annotations": [{"id": 1, "result": list(results), "was_cancelled": False}],
    }


def write(path: Path, *tasks: Any) -> Path:
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def read(tmp_path: Path, *tasks: Any, **options: Any) -> list[Document]:
    return list(label_studio.read(write(tmp_path / "export.json", *tasks), **options))


def surfaces(document: Document) -> list[str]:
    return [document.text[e.start : e.end] for e in document.entities]


def test_a_real_export_is_read_with_emoji_crlf_and_blanks():
    [document] = label_studio.read(EXPORT)
    assert document.doc_id == "d1"
    assert (document.group, document.message_id) == ("g1", "m1")
    assert document.layers == LAYERS
    assert "\r\n" in document.text
    assert document.text.startswith("😀😀😀")
    assert [
        *zip(surfaces(document), [entity.type for entity in document.entities], strict=True)
    ] == [
        ("Anna", "person"),
        ("Acme", "org"),
        ("Berlin", "place"),
        ("Ben", "person"),
        ("<Carla>", "person"),
        ("there", "place"),
        ("works for  Acme\r\nin ", "place"),
    ]
    [event] = document.events
    assert document.text[event.start : event.end] == "meets"
    assert event.arguments == (Argument("e1", "host"), Argument("e4", "guest"))
    assert document.relations == (
        Relation("e1", "e2", "works_for"),
        Relation("e1", "e2", "likes"),
    )


def test_the_export_without_relations_is_refused_with_what_to_do():
    with pytest.raises(CorpusError, match=r"task 1: .* JSON-MIN .* export the project as JSON"):
        list(label_studio.read(EXPORT_MIN))


def test_entities_and_relations_are_read(tmp_path: Path):
    [document] = read(tmp_path, task(ANNA, OSLO, link("a", "o", "lives_in")))
    assert document == Document(
        doc_id="7",
        text=TEXT,
        layers=("entities", "relations"),
        entities=(Entity("a", 0, 4, "person"), Entity("o", 16, 20, "place")),
        relations=(Relation("a", "o", "lives_in"),),
    )


@pytest.mark.parametrize(
    ("trigger", "options"),
    [(MET, {"events": ["meeting"]}), ({**MET, "from_name": "triggers"}, {})],
)
@pytest.mark.parametrize(
    "drawn",
    [
        [link("m", "a", "who"), link("m", "o", "where")],
        [link("a", "m", "who"), link("o", "m", "where", direction="left")],
        [link("m", "a", "who", direction="bi"), link("m", "o", "where"), link("o", "m", "where")],
    ],
)
def test_a_relation_with_a_trigger_is_an_argument(tmp_path: Path, trigger, options, drawn):
    [document] = read(tmp_path, task(ANNA, trigger, OSLO, *drawn), **options)
    arguments = (Argument("a", "who"), Argument("o", "where"))
    assert document.events == (Event("m", "meeting", 5, 8, arguments),)
    assert [entity.id for entity in document.entities] == ["a", "o"]
    assert document.layers == ("entities", "events")
    assert document.relations == ()


@pytest.mark.parametrize(
    ("drawn", "relations"),
    [
        (link("a", "b", "knows"), [("a", "b", "knows")]),
        (link("a", "b", "knows", direction="left"), [("b", "a", "knows")]),
        (link("a", "b", "knows", direction="bi"), [("a", "b", "knows"), ("b", "a", "knows")]),
        (link("a", "b", "knows", "likes"), [("a", "b", "knows"), ("a", "b", "likes")]),
        ({**link("a", "b", "knows"), "direction": None}, [("a", "b", "knows")]),
    ],
)
def test_directions_and_several_labels_become_relations(tmp_path: Path, drawn, relations):
    [document] = read(tmp_path, task(ANNA, BEN, drawn))
    assert document.relations == tuple(Relation(*relation) for relation in relations)


def test_a_relation_of_a_span_with_itself_is_refused_with_its_task(tmp_path: Path):
    with pytest.raises(CorpusError, match=r"document .*: relation is joins 'a' with itself"):
        read(tmp_path, task(ANNA, BEN, link("a", "a", "is")))


def test_relations_without_a_label_get_a_type_by_an_option(tmp_path: Path):
    for drawn in (link("a", "b"), {k: v for k, v in link("a", "b").items() if k != "labels"}):
        with pytest.raises(CorpusError, match="relation from a to b: expected labels"):
            read(tmp_path, task(ANNA, BEN, drawn))
        [document] = read(tmp_path, task(ANNA, BEN, drawn), unlabelled="related")
        assert document.relations == (Relation("a", "b", "related"),)


def test_several_labels_of_a_span_become_several_spans(tmp_path: Path):
    both = {**ANNA, "value": {**ANNA["value"], "labels": ["person", "user"]}}
    other = {**MET, "id": "a", "value": {"start": 0, "end": 4, "labels": ["meeting"]}}
    [document] = read(tmp_path, task(both, other), events=["meeting"])
    assert document.entities == (Entity("a:person", 0, 4, "person"), Entity("a:user", 0, 4, "user"))
    assert document.events == (Event("a:meeting", "meeting", 0, 4),)
    with pytest.raises(CorpusError, match="has several labels and a relation"):
        read(tmp_path, task(both, BEN, link("a", "b", "knows")))


# "👋" counts two UTF-16 units; each row: the text, then start, end and text as exported.
UNITS = {
    "code points": ("👋 Anna met Ben", (2, 6, "Anna"), (11, 14, "Ben")),
    "utf-16": ("👋 Anna met Ben", (3, 7, "Anna"), (12, 15, "Ben")),
    "no emoji": ("Ä Anna met Ben", (2, 6, "Anna"), (11, 14, "Ben")),
    "utf-16, by the end alone": ("👋👋👋 Ben", (7, 10, None), (7, 10, "Ben")),
    "blanks as the browser shows them": (
        "👋 Anna  B\n\nmet",
        (2, 9, "Anna B"),
        (8, 12, "B\\n\\nm"),
    ),
    "within a pair": ("👋 haha", (3, 5, "ah"), (2, 4, "ha")),
}


@pytest.mark.parametrize(("text", "one", "other"), UNITS.values(), ids=UNITS)
def test_offsets_are_those_by_which_the_texts_agree(tmp_path: Path, text, one, other):
    [document] = read(
        tmp_path,
        task(span("1", *one[:2], "x", one[2]), span("2", *other[:2], "x", other[2]), text=text),
    )
    for surface, (_, _, marked) in zip(surfaces(document), (one, other), strict=True):
        wanted = marked if marked is not None else "Ben"
        assert surface.split() == wanted.replace("\\n", " ").split()


@pytest.mark.parametrize(
    ("others", "start"),
    [
        ([], 4),
        ([task(span("x", 2, 6, "y", "haha"), text="😂 haha", number=1)], 4),
        ([task(span("x", 3, 7, "y", "haha"), text="😂 haha", number=1)], 3),
        ([task(span("x", 3, 6, "y"), text="😂 haha", number=1)], 4),
        ([task(span("x", 3, 7, "y"), text="😂 haha", number=1)], 3),
        ([task(span("x", 0, 4, "y", "haha"), text="haha", number=1)], 4),
    ],
    ids=["none", "code points", "utf-16", "no text", "utf-16, by the end", "no emoji"],
)
def test_where_both_counts_fit_the_rest_of_the_file_tells(tmp_path: Path, others, start):
    *_, document = read(tmp_path, *others, task(span("h", 4, 6, "laugh", "aa"), text="😂 aaaaaa"))
    assert document.entities == (Entity("h", start, start + 2, "laugh"),)


def test_where_the_file_has_both_counts_the_annotation_tells_or_it_is_refused(tmp_path: Path):
    file = [
        task(span("x", 2, 6, "y", "haha"), text="😂 haha", number=1),
        task(span("x", 3, 7, "y", "haha"), text="😂 haha", number=2),
    ]
    unclear, text = span("h", 4, 6, "laugh", "aa"), "😂 aaaaaa, Ben"
    *_, document = read(tmp_path, *file, task(unclear, span("b", 11, 14, "y", "Ben"), text=text))
    assert surfaces(document) == ["aa", "Ben"]
    assert document.entities[0].start == 3
    with pytest.raises(CorpusError, match=r"task 7, .*result h: fits as code points and as UTF-16"):
        read(tmp_path, *file, task(unclear, text=text))
    *_, document = read(tmp_path, task(unclear, text=text), offsets="utf-16")
    assert document.entities[0].start == 3


@pytest.mark.parametrize(("named", "place"), [("code points", "Ben"), ("utf-16", "nna")])
def test_the_count_can_be_named_where_spans_have_no_text(tmp_path: Path, named, place):
    start = {"code points": 7, "utf-16": 4}[named]
    [document] = read(
        tmp_path, task(span("s", start, start + 3, "x"), text="👋 Anna Ben"), offsets=named
    )
    assert surfaces(document) == [place]


def test_tasks_without_an_annotation_and_cancelled_ones_are_left_out(tmp_path: Path):
    cancelled = task(ANNA, number=2)
    cancelled["annotations"][0]["was_cancelled"] = True
    untouched = {"id": 3, "data": {"text": "later"}, "annotations": []}
    only_data = {"id": 4, "data": {"text": "later"}}
    documents = read(tmp_path, cancelled, untouched, only_data, task(ANNA, number=5))
    assert [document.doc_id for document in documents] == ["5"]
    with pytest.raises(CorpusError, match="none of 3 tasks has an annotation"):
        read(tmp_path, cancelled, untouched, only_data)


def test_an_annotation_without_spans_is_a_document_without_spans(tmp_path: Path):
    documents = read(tmp_path, task(ANNA, other="x"), task(text="Nobody", number=8, other="x"))
    assert [(d.text, d.entities, d.layers) for d in documents][1] == ("Nobody", (), ("entities",))


def versions(*parts: tuple[Any, dict[str, Any]]) -> Any:
    return {
        "id": 7,
        "data": {"text": TEXT},
        "annotations": [{"id": n, "result": [r], **more} for n, (r, more) in enumerate(parts)],
    }


@pytest.mark.parametrize(
    ("parts", "first", "last"),
    [
        ([(ANNA, {}), (BEN, {})], "a", "b"),
        ([(ANNA, {"created_at": "2026-01-02T00:00:00Z"}), (BEN, {})], "a", "b"),
        (
            [
                (ANNA, {"updated_at": "2026-01-02T00:00:00.5Z"}),
                (BEN, {"updated_at": "2026-01-01T00:00:00Z"}),
            ],
            "b",
            "a",
        ),
        (
            [
                (ANNA, {"created_at": "2026-01-01T00:00:00", "updated_at": "2026-01-03T00:00:00Z"}),
                (BEN, {"created_at": "2026-01-02T00:00:00"}),
            ],
            "b",
            "a",
        ),
        ([(ANNA, {"ground_truth": True}), (BEN, {})], "a", "a"),
        ([(ANNA, {}), (BEN, {"was_cancelled": True})], "a", "a"),
    ],
    ids=["file order", "one undated", "changed later", "with and without zone", "truth", "skipped"],
)
def test_of_several_annotations_the_last_or_the_first_is_read(tmp_path: Path, parts, first, last):
    for which, wanted in (("first", first), ("last", last)):
        [document] = read(tmp_path, versions(*parts), annotation=which)
        assert document.entities[0].id == wanted


def test_annotations_must_agree_where_that_is_asked_for(tmp_path: Path):
    same = {**ANNA, "id": "another id"}
    [document] = read(tmp_path, versions((ANNA, {}), (same, {})), annotation="agreed")
    assert document.entities == (Entity("another id", 0, 4, "person"),)
    with pytest.raises(CorpusError, match=r"task 7, annotation 0: its 2 annotations differ"):
        read(tmp_path, versions((ANNA, {}), (BEN, {})), annotation="agreed")


@pytest.mark.parametrize(
    ("data", "to_name", "options", "text"),
    [
        ({"sms": TEXT}, "text", {}, TEXT),
        ({"sms": TEXT, "doc_id": "x", "message_id": "y"}, "text", {}, TEXT),
        ({"text": TEXT, "title": "T"}, "text", {}, TEXT),
        ({"title": "T", "body": TEXT}, "text", {"text_field": "body"}, TEXT),
        ({"body": TEXT, "text": "T"}, "text", {"text_field": "body"}, TEXT),
    ],
)
def test_the_labelled_field_is_found_or_named(tmp_path: Path, data, to_name, options, text):
    one = task({**ANNA, "to_name": to_name})
    one["data"] = data
    [document] = read(tmp_path, one, **options)
    assert document.text == text


def test_ids_and_groups_are_fields_of_the_data(tmp_path: Path):
    data = {"doc_id": "mail-3", "group": 12, "message_id": "m3", "thread": "t9"}
    [document] = read(tmp_path, task(ANNA, **data))
    assert (document.doc_id, document.group, document.message_id) == ("mail-3", "12", "m3")
    [document] = read(tmp_path, task(ANNA, **data), id_field="", group_field="thread")
    assert (document.doc_id, document.group) == ("7", "t9")


def test_layers_are_what_the_option_says(tmp_path: Path):
    [document] = read(tmp_path, task(ANNA), layers=["entities", "relations"])
    assert document.layers == ("entities", "relations")
    [document] = read(tmp_path, task(ANNA), events=["meeting"])
    assert document.layers == ("entities", "events")
    with pytest.raises(CorpusError, match="has relations but does not list the layer"):
        read(tmp_path, task(ANNA, BEN, link("a", "b", "knows")), layers=["entities"])


def test_results_that_are_no_spans_are_left_out_only_by_name(tmp_path: Path):
    choice = {"id": "c", "type": "choices", "value": {"choices": ["spam"]}}
    with pytest.raises(CorpusError, match=r"result c has the type 'choices'; .*`ignore`"):
        read(tmp_path, task(ANNA, choice))
    [document] = read(tmp_path, task(ANNA, choice), ignore=["choices"])
    assert len(document.entities) == 1


def changed(base: Any, *path: str | int, to: Any) -> Any:
    """Return a copy of `base` with the value at `path` replaced."""
    whole = copy.deepcopy(base)
    inner = whole
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return whole


GOOD = task(ANNA, BEN, link("a", "b", "knows"))
RESULT = ("annotations", 0, "result")


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (3, "task 1 of the file: expected an object, found int"),
        ({"id": 7, "completions": []}, "task 7: has completions, as before Label Studio 1.0"),
        (changed(GOOD, "data", to=[1]), "task 7: data is list, expected an object"),
        ({"id": 7, "annotations": [{}]}, "task 7: data is NoneType, expected an object"),
        (changed(GOOD, "data", to={}), "annotation 1: which field was labelled .* has none"),
        (changed(GOOD, "data", "text", to=["a"]), "which field was labelled is not known"),
        (changed(GOOD, "data", to={"a": "x", "b": "y"}), "has a, b; name it as text_field"),
        (changed(GOOD, "annotations", to={"a": 1}), "annotations are no list"),
        (changed(GOOD, "annotations", 0, to=12), "an annotation is 12, expected an object"),
        (changed(GOOD, *RESULT, to=None), "result is NoneType, expected a list"),
        (changed(GOOD, *RESULT, to="[]"), "result is str, expected a list"),
        (changed(GOOD, *RESULT, 0, to="x"), "a result is str, expected an object"),
        (changed(GOOD, *RESULT, 0, "type", to="hypertextlabels"), "the type 'hypertextlabels'"),
        (changed(GOOD, *RESULT, 0, "id", to=None), "a span has no id"),
        (changed(GOOD, *RESULT, 0, "value", to=None), "result a: value is NoneType"),
        (changed(GOOD, *RESULT, 0, "value", "start", to="/div[1]"), "result a: start '/div"),
        (changed(GOOD, *RESULT, 0, "value", "start", to=0.5), "are no whole numbers"),
        (changed(GOOD, *RESULT, 0, "value", "end", to=True), "are no whole numbers"),
        (changed(GOOD, *RESULT, 0, "value", "end", to=21), r"\[0, 21\) does not lie in a text"),
        (changed(GOOD, *RESULT, 0, "value", "end", to=0), r"\[0, 0\) does not lie"),
        (changed(GOOD, *RESULT, 0, "value", "start", to=-1), r"\[-1, 4\) does not lie"),
        (changed(GOOD, *RESULT, 0, "value", "start", to=1), "is 'nna' where the .*'Anna'"),
        (changed(GOOD, *RESULT, 0, "value", "text", to=7), "its text is int"),
        (changed(GOOD, *RESULT, 0, "value", "labels", to=[]), r"expected labels, found \[\]"),
        (changed(GOOD, *RESULT, 0, "value", "labels", to="person"), "labels, found 'person'"),
        (changed(GOOD, *RESULT, 0, "value", "labels", to=["x", "x"]), "the label x twice"),
        (changed(GOOD, *RESULT, 1, "id", to="a"), "result a: the id names another span, too"),
        (changed(GOOD, *RESULT, 1, "to_name", to="title"), "labels title where others .* text"),
        (changed(GOOD, *RESULT, 2, "from_id", to="z"), "the from_id of a relation is 'z'"),
        (changed(GOOD, *RESULT, 2, "to_id", to=None), "the to_id of a relation is None"),
        (changed(GOOD, *RESULT, 2, "direction", to="up"), "direction 'up' is none of right"),
        (changed(GOOD, *RESULT, 2, "labels", to=[1]), r"expected labels, found \[1\]"),
        (
            changed(GOOD, "data", "text", to="s3://texts/7"),
            "where the result has the text .*behind an address",
        ),
        (
            changed(
                changed(GOOD, *RESULT, 0, "from_name", to="triggers"),
                *RESULT, 1, "from_name", to="triggers",
            ),
            "relation from a to b: both ends are triggers",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_task(tmp_path: Path, bad, complaint):
    with pytest.raises(CorpusError, match=rf"export\.json, .*{complaint}"):
        read(tmp_path, bad)


JUNK = st.sampled_from(
    [None, True, 0, -1, 2.5, 10**30, "", "a", "😀", [], ["a"], [[]], {}, {"id": "a"}, {"a": [1]}]
)


def steps(node: Any, *before: str | int) -> list[tuple[str | int, ...]]:
    """Return the path to every place within `node`."""
    if isinstance(node, dict):
        inner = list(node.items())
    else:
        inner = list(enumerate(node)) if isinstance(node, list) else []
    deeper = [path for key, value in inner for path in steps(value, *before, key)]
    return [*([before] if before else []), *deeper]


WHOLE = [
    task(ANNA, {**MET, "from_name": "triggers"}, link("m", "a", "who"), text="Anna met 😀"),
    GOOD,
]


@settings(max_examples=400, deadline=None)
@given(paths=st.lists(st.sampled_from(steps(WHOLE)), min_size=1, max_size=3), junk=JUNK)
def test_a_damaged_export_gives_documents_or_a_corpus_error(tmp_path_factory, paths, junk):
    whole: Any = WHOLE
    for path in paths:
        try:
            whole = changed(whole, *path, to=junk)
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # The place went with one before.
    file = tmp_path_factory.mktemp("export") / "export.json"
    for options in ({}, {"annotation": "agreed", "unlabelled": "x", "ignore": ["choices"]}):
        try:
            documents = list(label_studio.read(write(file, *whole), **options))
        except CorpusError:
            continue
        assert documents == [document.validate() for document in documents]


def test_two_tasks_of_one_id_are_refused(tmp_path: Path):
    with pytest.raises(CorpusError, match=r"task 8, .*: x is the id of .*task 7, .* already"):
        read(tmp_path, task(ANNA, doc_id="x"), task(ANNA, number=8, doc_id="x"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not JSON in UTF-8"),
        (b'[{"id": 1', "not JSON in UTF-8"),
        (b'["\xff"]', "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON in UTF-8"),
        (b"{}", "expected a list of tasks, found dict"),
        (b"[]", "none of 0 tasks has an annotation"),
    ],
    ids=["empty", "truncated", "Latin-1", "nested", "an object", "no tasks"],
)
def test_a_file_that_is_no_export_is_refused(tmp_path: Path, content, complaint):
    path = tmp_path / "export.json"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=complaint):
        list(label_studio.read(path))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(CorpusError, match="does not exist or is no file"):
            list(label_studio.read(path))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"annotation": "best"}, "annotation is one of last, first, agreed, and not 'best'"),
        ({"offsets": "bytes"}, "offsets is one of auto, code points, utf-16"),
        ({"layers": ["moods"]}, "layers is one of entities, events, relations, and not 'moods'"),
        ({"events": "meeting"}, "events is a list of names, and not 'meeting'"),
        ({"ignore": 3}, "ignore is a list of names, and not 3"),
        ({"text_field": "body"}, "body is no text of its data, which has text"),
    ],
)
def test_a_wrong_option_is_refused(tmp_path: Path, options, complaint):
    with pytest.raises(CorpusError, match=complaint):
        read(tmp_path, task(ANNA), **options)
