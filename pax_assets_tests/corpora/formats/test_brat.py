"""Under test: brat's standoff files, what of them a document cannot hold, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats import brat
from pax_assets.nlp.documents import Argument, Entity, Event, Relation

TEXT = "Anna met Bob.\nThey told Acme."
ANNOTATED = """\
T1\tPerson 0 4\tAnna
T2\tMeet 5 8\tmet
T3\tPerson 9 12\tBob
E1\tMeet:T2 Agent:T1 Agent2:T3
R1\tKnows Arg1:T1 Arg2:T3\t
"""


def write(folder: Path, annotated: str, text: str = TEXT, name: str = "a") -> Path:
    path = folder / f"{name}.ann"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(annotated, encoding="utf-8", newline="")
    path.with_suffix(".txt").write_text(text, encoding="utf-8", newline="")
    return path


def test_entities_events_and_relations_are_read(tmp_path: Path):
    (document,) = brat.read(write(tmp_path, ANNOTATED))
    assert document.doc_id == "a"
    assert document.text == TEXT
    assert document.layers == ("entities", "events", "relations")
    assert document.entities == (Entity("T1", 0, 4, "Person"), Entity("T3", 9, 12, "Person"))
    assert document.events == (
        Event("E1", "Meet", 5, 8, (Argument("T1", "Agent"), Argument("T3", "Agent"))),
    )
    assert document.relations == (Relation("T1", "T3", "Knows"),)


@pytest.mark.parametrize(
    "annotated",
    [
        "\n".join(reversed(ANNOTATED.splitlines())),
        "\ufeff" + ANNOTATED,
        ANNOTATED.replace("\n", "\r\n"),
        ANNOTATED.replace("\n", "\n\n"),
        ANNOTATED
        + "A1\tNegated E1\nM1\tNegated E1\nN1\tReference T1 Wikipedia:1\tAnna\n"
        + "#1\tAnnotatorNotes T1\tsure?\n#\tfree\n*\tEquiv T1 T3\n",
        ANNOTATED.replace("E1\tMeet:T2 Agent:T1", "E1\tMeet:T2 Agent:T1 Agent3:T1"),
        ANNOTATED.replace("Arg1:T1 Arg2:T3", "Arg2:T3 Arg1:T1"),
        ANNOTATED + "R2\tKnows Arg1:T1 Arg2:T3",
    ],
    ids=["order", "mark", "crlf", "blank", "left out", "role twice", "ends", "relation twice"],
)
def test_the_same_is_read_from_other_forms(tmp_path: Path, annotated):
    (expected,) = brat.read(write(tmp_path / "one", ANNOTATED))
    (document,) = brat.read(write(tmp_path / "two", annotated))
    assert sorted(document.entities, key=str) == sorted(expected.entities, key=str)
    assert document.events == expected.events
    assert document.relations == expected.relations


def test_two_events_may_share_a_trigger(tmp_path: Path):
    annotated = ANNOTATED + "E2\tMeet:T2 Agent:T3\nE3\tMeet:T2\n"
    (document,) = brat.read(write(tmp_path, annotated))
    assert [(e.id, e.start, len(e.arguments)) for e in document.events] == [
        ("E1", 5, 2),
        ("E2", 5, 1),
        ("E3", 5, 0),
    ]


def test_only_what_stands_at_the_end_of_a_role_is_its_number(tmp_path: Path):
    annotated = ANNOTATED.replace("Agent2:T3", "Nr2Agent:T3 12:T1")
    (document,) = brat.read(write(tmp_path, annotated))
    assert [a.role for a in document.events[0].arguments] == ["Agent", "Nr2Agent", "12"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("🙂 Ännä", "T1\tPerson 2 6\tÄnnä"),
        ("\ufeffAnna", "T1\tPerson 1 5\tAnna"),
        ("a\r\nAnna", "T1\tPerson 3 7\tAnna"),
        ("Anna\u2028Bob", "T1\tPerson 0 8\tAnna\u2028Bob"),
        ("Anna\tBob", "T1\tPerson 0 8\tAnna\tBob"),
        ("Anna \r\nBob", "T1\tPerson 0 10\tAnna Bob"),
        ("Anna ", "T1\tPerson 0 5\tAnna"),
    ],
)
def test_offsets_count_code_points_of_the_text_as_it_is(tmp_path: Path, text, line):
    (document,) = brat.read(write(tmp_path, line, text))
    (entity,) = document.entities
    assert document.text == text
    assert "".join(text[entity.start : entity.end].split()) == "".join(
        line.split("\t", 2)[2].split()
    )


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), min_size=1))
def test_spans_come_back_as_they_were_written(tmp_path: Path, text, spans):
    inside = [(start, start + length) for start, length in spans if start + length <= len(text)]
    inside = [(start, end) for start, end in inside if text[start:end].strip()]
    lines = [
        f"T{n}\tX {start} {end}\t{' '.join(text[start:end].split())}"
        for n, (start, end) in enumerate(inside)
    ]
    path = write(tmp_path, "\n".join(lines), text)
    if not inside:
        return
    (document,) = brat.read(path)
    assert [(e.start, e.end) for e in document.entities] == inside


def test_pieces_with_only_blanks_between_them_are_one_span(tmp_path: Path):
    (document,) = brat.read(write(tmp_path, "T1\tX 9 13;14 18\tBob. They"))
    assert document.entities == (Entity("T1", 9, 18, "X"),)


def test_a_span_in_pieces_is_an_error_or_covers_what_is_between(tmp_path: Path):
    path = write(tmp_path, "T1\tX 0 4;9 12;24 28\tAnna Bob Acme")
    with pytest.raises(CorpusError, match=r'a\.ann, line 1: .*discontinuous = "cover"'):
        list(brat.read(path))
    (document,) = brat.read(path, discontinuous="cover")
    assert document.entities == (Entity("T1", 0, 28, "X"),)


NESTED = ANNOTATED + "T4\tTell 19 23\ttold\nT5\tOrg 24 28\tAcme\n"


@pytest.mark.parametrize(
    ("line", "end"),
    [
        ("E2\tTell:T4 To:T5 Topic:E1", "Topic:E1"),
        ("E2\tTell:T4 To:T5 Topic:T2", "Topic:T2"),
        ("E2\tTell:T4 To:T5 Topic:E2", "Topic:E2"),
        ("E2\tTell:T4 To:T5\nR2\tBefore Arg1:E1 Arg2:E2", "Arg1:E1"),
        ("E2\tTell:T4 To:T5\nR2\tBefore Arg1:T5 Arg2:T4", "Arg2:T4"),
    ],
)
def test_events_in_events_and_relations_are_an_error_or_dropped(tmp_path, caplog, line, end):
    path = write(tmp_path, NESTED + line)
    with pytest.raises(CorpusError, match=rf"a\.ann, line [89]: {end} is an event"):
        list(brat.read(path))
    with caplog.at_level(logging.INFO, logger=brat.__name__):
        (document,) = brat.read(path, nested_events="drop")
    assert document.events[1].arguments == (Argument("T5", "To"),)
    assert document.relations == (Relation("T1", "T3", "Knows"),)
    assert "left out 1 " in caplog.text


@pytest.mark.parametrize(
    ("annotated", "layers"),
    [
        ("T1\tPerson 0 4\tAnna", ("entities",)),
        ("T1\tMeet 5 8\tmet\nE1\tMeet:T1", ("events",)),
        (ANNOTATED, ("entities", "events", "relations")),
    ],
)
def test_a_layer_is_that_of_every_text_if_any_has_it(tmp_path: Path, annotated, layers):
    write(tmp_path, annotated)
    write(tmp_path, "", name="b")
    assert [document.layers for document in brat.read(tmp_path)] == [layers, layers]


def test_folders_in_the_folder_are_read_and_hidden_files_are_not(tmp_path: Path):
    for name in ("b.1", "a/x", "a/.x", ".git/x"):
        write(tmp_path, ANNOTATED, name=name)
    (tmp_path / "annotation.conf").write_text("[entities]\nPerson\n")
    assert [document.doc_id for document in brat.read(tmp_path)] == ["a/x", "b.1"]


def test_an_empty_file_means_nothing_there_or_not_annotated(tmp_path: Path):
    write(tmp_path, ANNOTATED)
    write(tmp_path, "\n", name="b")
    assert [document.doc_id for document in brat.read(tmp_path)] == ["a", "b"]
    assert [document.doc_id for document in brat.read(tmp_path, empty="leave_out")] == ["a"]
    (tmp_path / "b.ann").unlink()
    with pytest.raises(CorpusError, match=r"b\.txt has no \.ann beside it.*leave_out"):
        list(brat.read(tmp_path))
    assert [document.doc_id for document in brat.read(tmp_path, empty="leave_out")] == ["a"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("T9 Person 0 4 Anna", "expected an id such as T1 and a tab"),
        ("T9", "expected an id such as T1 and a tab"),
        ("T\tPerson 0 4\tAnna", "expected an id such as T1 and a tab"),
        ("\tPerson 0 4\tAnna", "expected an id"),
        ("9\tPerson 0 4\tAnna", "expected an id"),
        ("X1\tPerson 0 4\tAnna", r"'X1' is no id of brat's"),
        ("T1\tPerson 0 4\tAnna", "T1 stands on line 1 already"),
        ("E1\tMeet:T2", "E1 stands on line 4 already"),
        ("R1\tKnows Arg1:T1 Arg2:T3", "R1 stands on line 5 already"),
        ("T9\tPerson 0 4", "expected a type, offsets, a tab and words"),
        ("T9\tPerson\tAnna", "expected a type, offsets"),
        ("T9\t 0 4\tAnna", "expected a type, offsets"),
        ("T9\tPerson 0\tAnna", "expected a type, offsets"),
        ("T9\tPerson 0 -4\tAnna", "expected a type, offsets"),
        ("T9\tPerson 0 4;\tAnna", "expected a type, offsets"),
        ("T9\tPerson 0 ٤\tAnna", "expected a type, offsets"),
        (f"T9\tPerson 0 {'9' * 5000}\tAnna", "expected a type, offsets"),
        ("T9\tPerson 4 4\t", r"\[4, 4\) is no span of a text of 29 characters"),
        ("T9\tPerson 4 0\tAnna", r"\[4, 0\) is no span"),
        ("T9\tPerson 0 999\tAnna", r"\[0, 999\) is no span"),
        ("T9\tPerson 1 5\tAnna", r"the words are 'Anna', but at 1 5 the text has 'nna '$"),
        ("T9\tPerson 13 14\t ", "the words are ' ', but at 13 14 the text has"),
        ("T9\tPerson 9 12;0 4\tBob Anna", "the pieces 9 12;0 4 overlap, or are not in order"),
        ("T9\tPerson 0 4;2 6\tAnna na m", "overlap, or are not in order"),
        ("E9\t", "expected Type:T1 and arguments such as Role:T2, found ''"),
        ("E9\tMeet", "expected Type:T1"),
        ("E9\tMeet:T2 Agent", "expected Type:T1"),
        ("E9\tMeet:T2 Agent:", "expected Type:T1"),
        ("E9\tMeet:T2 Agent:T1:T3", "expected Type:T1"),
        ("E9\tMeet:T9", "the trigger T9 is on no T line of the file"),
        ("E9\tMeet:E1", "the trigger E1 is on no T line"),
        ("E9\tMeet:T1", "a Meet has the trigger T1, which is a Person"),
        ("E9\tMeet:T2 Agent:T9", "Agent:T9 points to no T or E line"),
        ("E9\tMeet:T2 Agent:E8", "Agent:E8 points to no T or E line"),
        ("R9\tKnows", "expected a type and two ends"),
        ("R9\t", "expected a type and two ends"),
        ("R9\tKnows Arg1:T1", "expected a type and two ends"),
        ("R9\tKnows Arg1:T1 Arg1:T3", "expected a type and two ends"),
        ("R9\tKnows Arg1:T1 Arg2:T3 Arg3:T3", "expected a type and two ends"),
        ("R9\tKnows:T1 Arg1:T1 Arg2:T3", "expected a type and two ends"),
        ("R9\tKnows Arg1:T1 Arg2:R1", "Arg2:R1 points to no T or E line"),
    ],
)
def test_a_wrong_line_is_named_with_its_fault(tmp_path: Path, line, complaint):
    path = write(tmp_path, ANNOTATED + line)
    for source in (path, tmp_path):
        with pytest.raises(CorpusError, match=rf"a\.ann, line 6: .*{complaint}"):
            list(brat.read(source))


def test_of_texts_with_other_line_ends_the_error_says_so(tmp_path: Path):
    path = write(tmp_path, "T1\tOrg 24 28\tAcme", TEXT.replace("\n", "\r\n"))
    with pytest.raises(CorpusError, match=r"do its line ends count twice \(CR LF\)"):
        list(brat.read(path))


def test_files_without_their_other_half_are_refused(tmp_path: Path):
    path = write(tmp_path, ANNOTATED)
    path.with_suffix(".txt").unlink()
    with pytest.raises(CorpusError, match=r"a\.txt cannot be read"):
        list(brat.read(path))
    with pytest.raises(CorpusError, match=r"a\.ann has no \.txt beside it"):
        list(brat.read(tmp_path))


@pytest.mark.parametrize("suffix", [".txt", ".ann"])
def test_files_that_are_not_utf8_or_no_files_are_refused(tmp_path: Path, suffix):
    path = write(tmp_path, ANNOTATED)
    path.with_suffix(suffix).write_bytes(b"Anna \xff")
    with pytest.raises(CorpusError, match=rf"a\{suffix}: not UTF-8"):
        list(brat.read(path))
    path.with_suffix(suffix).unlink()
    path.with_suffix(suffix).mkdir()
    with pytest.raises(CorpusError, match=rf"a\{suffix} cannot be read"):
        list(brat.read(tmp_path))


def test_a_source_without_annotations_is_refused(tmp_path: Path):
    with pytest.raises(CorpusError, match="nowhere does not exist"):
        list(brat.read(tmp_path / "nowhere"))
    with pytest.raises(CorpusError, match=r"has no \.ann file"):
        list(brat.read(tmp_path))
    path = write(tmp_path, "#1\tAnnotatorNotes T1\tto do")
    for empty in ("keep", "leave_out"):
        with pytest.raises(CorpusError, match="nothing is annotated"):
            list(brat.read(tmp_path, empty=empty))
    with pytest.raises(CorpusError, match=r"expected a folder, or an \.ann file"):
        list(brat.read(path.with_suffix(".txt")))


@pytest.mark.parametrize("option", ["discontinuous", "nested_events", "empty"])
def test_wrong_options_are_refused(tmp_path: Path, option):
    path = write(tmp_path, ANNOTATED)
    for value in ("maybe", ["error"], None):
        with pytest.raises(CorpusError, match=f"{option} is .* or .*, and not"):
            list(brat.read(path, **{option: value}))
