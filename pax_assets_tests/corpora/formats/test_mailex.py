"""Under test: MailEx's turns without their context, triggers with gaps, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats import mailex
from pax_assets.nlp.documents import Document


def turn(tagged: str, *spans: str, context: str = "", thread: str = "doe-j_inbox1.json") -> dict:
    """Return a turn from "word/tag word"; of the context, each word is unlabelled."""
    earlier = context.split()
    pairs = [word.partition("/") for word in tagged.split()]
    return {
        "text": earlier + [word for word, _, _ in pairs],
        "trigger_labels": [-100] * len(earlier) + [tag or "O" for _, _, tag in pairs],
        "trigger_spans": list(spans),
        "file_name": thread,
    }


FIRST = turn(
    "Can/B_Request_Meeting we/I_Request_Meeting meet/I_Request_Meeting ? I/B_Deliver_Data paid",
    "I",
    "Can we meet",
)
SECOND = turn(
    "Yes , will/B_Deliver_Action_Data come/I_Deliver_Action_Data",
    "will come",
    context="Can we meet ? I paid [CONTEXT] [SEP]",
)


def write(folder: Path, data: object) -> Path:
    path = folder / "mails.json"
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    return path


def read_one(folder: Path, data: dict, **options: str) -> Document:
    (document,) = mailex.read(write(folder, [data]), **options)
    return document


def shown(document: Document) -> list[tuple[str, str]]:
    return [(document.text[e.start : e.end], e.type) for e in document.events]


def test_a_turn_is_a_document_and_a_thread_a_group(tmp_path: Path):
    first, second = mailex.read(write(tmp_path, [FIRST, SECOND]))
    assert (first.doc_id, second.doc_id) == ("doe-j_inbox1/1", "doe-j_inbox1/2")
    assert first.group == second.group == "doe-j_inbox1"
    assert first.layers == second.layers == ("events",)
    assert first.text == "Can we meet ? I paid"
    assert shown(first) == [("Can we meet", "Request_Meeting"), ("I", "Deliver_Data")]


def test_earlier_turns_are_no_part_of_the_text(tmp_path: Path):
    document = read_one(tmp_path, SECOND)
    assert document.text == "Yes , will come"
    assert shown(document) == [("will come", "Deliver_Action_Data")]


def test_the_number_of_a_turn_is_that_in_its_thread(tmp_path: Path):
    late = turn("No", context="Can we meet [CONTEXT] Yes [CONTEXT] Sorry [CONTEXT] [SEP]")
    assert read_one(tmp_path, late).doc_id == "doe-j_inbox1/4"


def test_a_mail_without_words_may_stand_in_the_context(tmp_path: Path):
    later = turn("No", context="x [CONTEXT] [SEP]")
    later["text"][0] = [""]
    assert read_one(tmp_path, later).text == "No"


@pytest.mark.parametrize(
    ("tagged", "triggers"),
    [
        # One trigger with a gap; one beside another of its type.
        ("What/B_A do/I_A the two want/I_A", {"What do want": "What do the two want"}),
        ("will/B_A come/I_A go/B_A", {"will come": "will come", "go": "go"}),
        # A gap that holds a trigger of another type.
        ("send/B_A Please/B_B it/I_A", {"send it": "send Please it", "Please": "Please"}),
        # Two triggers that share their first words.
        (
            "updated/S_A the/S_A file/I_A for May and plan/I_A .",
            {
                "updated the file": "updated the file",
                "updated the plan": "updated the file for May and plan",
            },
        ),
        ("call/S_A me/I_A or my/I_A wife/I_A", {"call me": "call me", "call my wife": None}),
        (
            "sent/S_A a/I_A and b/I_A and c/I_A",
            {"sent a": "sent a", "sent b": None, "sent c": None},
        ),
        ("sent/S_A it/I_A", {"sent": "sent", "sent it": "sent it"}),
        # Two of two types, word by word.
        ("see/S_A it/S_A see/S_B it/S_B", {}),
    ],
)
def test_triggers_with_gaps_go_from_their_first_word_to_their_last(tmp_path, tagged, triggers):
    data = turn(tagged, *triggers)
    if not triggers:
        data["trigger_spans"] = ["see it"] * 4
    document = read_one(tmp_path, data)
    found = [document.text[e.start : e.end] for e in document.events]
    assert len(found) == len(data["trigger_spans"])
    assert {words for words in triggers.values() if words} <= set(found)


def test_two_triggers_with_all_words_in_common_are_two_events(tmp_path: Path):
    document = read_one(tmp_path, turn("I 'm firing/S_A one", "firing", "firing"))
    assert shown(document) == [("firing", "A"), ("firing", "A")]
    assert len({event.id for event in document.events}) == 2


@pytest.mark.parametrize(
    ("tagged", "spans"),
    [
        ("What/B_A do/I_A the two want/I_A", ["What do want"]),
        ("call/S_A me/I_A or Bob/I_A", ["call me", "call Bob"]),
    ],
)
def test_gaps_are_an_error_if_the_option_says_so(tmp_path: Path, tagged, spans):
    with pytest.raises(CorpusError, match=r'has gaps; the option discontinuous = "cover"'):
        read_one(tmp_path, turn(tagged, *spans), discontinuous="error")
    assert read_one(tmp_path, FIRST, discontinuous="error").events


words = st.text(
    st.characters(exclude_categories=["Cs", "Z", "C"], exclude_characters="/"), min_size=1
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.lists(words, min_size=1, max_size=3), st.sampled_from("OAB")), min_size=1)
)
def test_any_triggers_without_gaps_come_back_as_they_were(tmp_path: Path, pieces):
    data = turn("")
    expected = []
    for piece, kind in pieces:
        data["text"] += piece
        tags = ["O"] * len(piece)
        if kind != "O":
            tags = [f"B_{kind}", *[f"I_{kind}"] * (len(piece) - 1)]
            expected.append((" ".join(piece), kind))
        data["trigger_labels"] += tags
    data["trigger_spans"] = [text for text, _ in reversed(expected)]
    assert shown(read_one(tmp_path, data)) == expected


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (7, "expected an object"),
        (FIRST | {"file_name": None}, "file_name is the name of a thread, and not None"),
        (FIRST | {"file_name": ".json"}, "file_name is the name of a thread"),
        (FIRST | {"text": "Can"}, "text is a list, and not str"),
        (FIRST | {"trigger_labels": None}, "trigger_labels is a list"),
        (FIRST | {"trigger_labels": ["O"]}, "1 trigger_labels for 6 words"),
        (FIRST | {"trigger_spans": "I"}, "trigger_spans is a list"),
        (FIRST | {"trigger_spans": ["I"]}, r"the tags mark \['Can we meet'\], and trigger_spans"),
        (FIRST | {"trigger_spans": ["I", 3]}, r"trigger_spans has \['3'\] instead"),
        (turn("", context="a [CONTEXT] [SEP]"), "no word has a label"),
        (turn(""), "no word has a label"),
        (turn("b", context="a [SEP]"), r"words \[0, 2\) have no labels"),
        (turn("b", context="a [CONTEXT]"), "have no labels"),
        (turn("b", context="a"), r"words \[0, 1\) have no labels"),
        (turn("a b") | {"trigger_labels": ["O", -100]}, "word 1 is 'b' with the label -100"),
        (turn("a b") | {"trigger_labels": ["O", None]}, "word 1 is 'b' with the label None"),
        (turn("a b") | {"text": ["a", [""]]}, r"word 1 is \[''\] with the label 'O'"),
        (turn("a/I_A", "a"), "word 0 of the turn: 'I_A' goes on with no trigger of its type"),
        (turn("a/B_A b/I_B", "a b"), "word 1 of the turn: 'I_B' goes on with no trigger"),
        (turn("a/B-A", "a"), "'B-A' is no tag such as O"),
        (turn("a/B_", "a"), "'B_' is no tag"),
        (turn("a/X_A", "a"), "'X_A' is no tag"),
        (turn("a b") | {"trigger_labels": ["O", ""]}, "word 1 of the turn: '' is no tag"),
        (
            {**turn("a"), "text": [""], "trigger_labels": ["B_A"], "trigger_spans": [""]},
            r"span v1 \[0, 0\) does not lie",
        ),
    ],
)
def test_a_turn_that_contradicts_itself_is_named(tmp_path: Path, data, complaint):
    path = write(tmp_path, [SECOND, data])
    with pytest.raises(CorpusError, match=rf"mails\.json, turn 2 of the file: .*{complaint}"):
        list(mailex.read(path))


def test_trigger_spans_may_be_absent(tmp_path: Path):
    document = read_one(tmp_path, {k: v for k, v in FIRST.items() if k != "trigger_spans"})
    assert len(document.events) == 2


def test_two_turns_of_one_number_are_refused(tmp_path: Path):
    with pytest.raises(CorpusError, match=r"turn 3 .*: doe-j_inbox1/1 is turn 1 already"):
        list(mailex.read(write(tmp_path, [FIRST, SECOND, FIRST])))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not JSON in UTF-8"),
        (b"\xff", "not JSON in UTF-8"),
        (b'[{"text": [', "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON in UTF-8"),
        (b"{}", "expected a list of turns, found dict"),
        (b"[]", "found an empty one"),
    ],
)
def test_what_is_no_list_of_turns_is_refused(tmp_path: Path, content, complaint):
    with pytest.raises(CorpusError, match=rf"mails\.json: .*{complaint}"):
        list(mailex.read(write(tmp_path, content)))


def test_what_is_no_file_is_refused(tmp_path: Path):
    for path in (tmp_path, tmp_path / "nowhere.json"):
        with pytest.raises(CorpusError, match="does not exist or is no file"):
            list(mailex.read(path))
    with pytest.raises(CorpusError, match="discontinuous is cover or error, and not 'drop'"):
        read_one(tmp_path, FIRST, discontinuous="drop")


def test_the_corpus_is_read_whole(shared_data: Path):
    path = shared_data / "mailex_trigger" / "trigger_train_data.json"
    documents = list(mailex.read(path))
    raw = json.loads(path.read_text("utf-8"))
    assert len(documents) == len(raw) == 335
    assert len({document.group for document in documents}) == 148
    covered = 0
    for document, given_turn in zip(documents, raw, strict=True):
        own = given_turn["text"][given_turn["trigger_labels"].count(-100) :]
        assert document.text == " ".join(own)
        stated = Counter(given_turn["trigger_spans"])
        found = Counter(document.text[e.start : e.end] for e in document.events)
        assert stated.total() == found.total()
        covered += (found - stated).total()
    assert sum(len(document.events) for document in documents) == 874
    assert covered == 17
    assert len({event.type for document in documents for event in document.events}) == 10
