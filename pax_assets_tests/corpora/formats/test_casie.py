"""Under test: CASIE's articles, their wrong offsets, lists of splits, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats import casie
from pax_assets.nlp.documents import Document

TEXT = "Mallory stole 9 keys from Acme in May. Mallory asked Acme for gold."


def span(words: str, kind: str = "", role: str = "", *, shift: int = 0, text: str = TEXT) -> dict:
    start = text.index(words) + shift
    out: dict = {"index": "T1", "text": words}
    out |= {"startOffset": start, "endOffset": start + len(words)}
    return out | ({"type": kind, "role": {"type": role}} if kind else {})


def event(kind: str, trigger: dict, *arguments: dict) -> dict:
    return {
        "index": "E1",
        "type": "Attack",
        "subtype": kind,
        "realis": "Actual",
        "nugget": trigger,
        "argument": list(arguments),
    }


def article(*events: dict, text: str = TEXT, **fields: object) -> dict:
    hoppers = [{"index": number, "events": [one]} for number, one in enumerate(events)]
    return {
        "sourcefile": "1.txt",
        "info": {"title": "Keys stolen"},
        "content": text,
        "cyberevent": {"hopper": hoppers},
    } | fields


BREACH = event(
    "Databreach",
    span("stole"),
    span("Mallory", "Person", "Attacker"),
    span("9 keys", "Data", "Compromised-Data"),
)
RANSOM = event("Ransom", span("asked"), span("Mallory", "Person", "Attacker"))


def write(folder: Path, data: object, name: str = "1.json") -> Path:
    folder.mkdir(exist_ok=True)
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    (folder / name).write_bytes(content)
    return folder / name


def shown(document: Document) -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    entities = {e.id: (document.text[e.start : e.end], e.type) for e in document.entities}
    return [
        (
            e.type,
            document.text[e.start : e.end],
            [(a.role, *entities[a.entity]) for a in e.arguments],
        )
        for e in document.events
    ]


def test_an_article_has_events_with_arguments_that_are_entities(tmp_path: Path):
    (document,) = casie.read(write(tmp_path, article(BREACH, RANSOM)))
    assert document.doc_id == "1"
    assert document.text == TEXT
    assert document.layers == ("entities", "events")
    assert shown(document) == [
        (
            "Databreach",
            "stole",
            [("Attacker", "Mallory", "Person"), ("Compromised-Data", "9 keys", "Data")],
        ),
        ("Ransom", "asked", [("Attacker", "Mallory", "Person")]),
    ]


def test_arguments_of_one_span_share_an_entity_if_their_types_are_one(tmp_path: Path):
    other = event("Ransom", span("asked"), span("Mallory", "Organization", "Attacker"))
    (document,) = casie.read(write(tmp_path, article(BREACH, RANSOM, other)))
    assert [(e.start, e.end, e.type) for e in document.entities] == [
        (0, 7, "Person"),
        (14, 20, "Data"),
        (0, 7, "Organization"),
    ]


def test_arguments_as_ends_leave_the_layer_of_entities_open(tmp_path: Path):
    (document,) = casie.read(write(tmp_path, article(BREACH)), entities="ends")
    assert document.layers == ("events",)
    assert len(document.entities) == 2


@pytest.mark.parametrize(
    "changes", [{"cyberevent": {"hopper": []}}, {"info": {}}, {"info": {"title": None}}]
)
def test_what_may_be_absent_may_be_absent(tmp_path: Path, changes):
    data = article({k: v for k, v in BREACH.items() if k != "argument"}) | changes
    (document,) = casie.read(write(tmp_path, data))
    assert document.group == ("1" if "info" in changes else "Keys stolen")


def test_articles_of_one_title_stay_together(tmp_path: Path):
    for number, title in (("1", "Breach"), ("2", "Breach"), ("3", "")):
        write(tmp_path, article(info={"title": title}), f"{number}.json")
    assert [document.group for document in casie.read(tmp_path)] == ["Breach", "Breach", "3"]


@pytest.mark.parametrize("shift", [-casie.NEARBY, -2, 1, 12, casie.NEARBY])
def test_a_span_is_put_where_its_words_are(tmp_path: Path, shift):
    path = write(tmp_path, article(event("Databreach", span("stole", shift=shift))))
    (document,) = casie.read(path)
    assert shown(document) == [("Databreach", "stole", [])]


def test_of_equal_words_the_nearest_are_meant(tmp_path: Path):
    text = "gold and gold"
    moved = {"index": "T1", "text": "gold", "startOffset": 8, "endOffset": 12}
    (document,) = casie.read(write(tmp_path, article(event("Ransom", moved), text=text)))
    assert (document.events[0].start, document.events[0].end) == (9, 13)


def test_a_span_is_cut_where_the_text_is(tmp_path: Path):
    trigger = span("asked for gold.", text="Mallory asked for gold.")
    (document,) = casie.read(
        write(tmp_path, article(event("Ransom", trigger), text="Mallory asked for gold"))
    )
    assert shown(document) == [("Ransom", "asked for gold", [])]


def test_an_argument_that_stands_twice_is_kept_once(tmp_path: Path):
    twice = event("Ransom", span("asked"), *RANSOM["argument"], *RANSOM["argument"])
    path = write(tmp_path, article(twice))
    assert shown(next(casie.read(path))) == [
        ("Ransom", "asked", [("Attacker", "Mallory", "Person")])
    ]
    with pytest.raises(CorpusError, match="event E1 has the Attacker at offset 0 twice"):
        list(casie.read(path, repair=False))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(min_size=1).filter(str.strip),
    st.integers(0, 40),
    st.integers(1, 40),
    st.integers(-20, 20),
)
def test_a_span_has_its_words_or_is_refused(tmp_path: Path, text, start, length, shift):
    words = text[start : start + length]
    moved = {"text": words, "startOffset": start + shift, "endOffset": start + shift + len(words)}
    path = write(tmp_path, article(event("Ransom", moved), text=text))
    try:
        (document,) = casie.read(path)
    except CorpusError:
        assert shift or not words.strip()
    else:
        assert shown(document) == [("Ransom", words, [])]


def test_a_folder_is_read_in_the_order_of_names_without_hidden_files(tmp_path: Path):
    for name in ("b", "a", ".c"):
        write(tmp_path, article(RANSOM), f"{name}.json")
    (tmp_path / "notes.txt").write_text("no article")
    assert [document.doc_id for document in casie.read(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize("lines", ["2.txt\n1.txt\n", "2.json\r\n\r\n1.json", "\ufeff2\n 1 \n"])
def test_a_list_says_which_articles_are_read_in_which_order(tmp_path: Path, lines):
    for number in (1, 2, 3):
        write(tmp_path / "annotation", article(RANSOM), f"{number}.json")
    (tmp_path / "dev.txt").write_text(lines, encoding="utf-8", newline="")
    documents = casie.read(tmp_path / "annotation", listed_in="dev.txt")
    assert [document.doc_id for document in documents] == ["2", "1"]
    absolute = casie.read(tmp_path / "annotation", listed_in=str(tmp_path / "dev.txt"))
    assert [document.doc_id for document in absolute] == ["2", "1"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("1.txt\n9.txt", "line 2: the folder has no 9.json"),
        ("../secret.txt", r"line 1: the folder has no \.\./secret.json"),
        ("1.txt\n1.json", "line 2: 1 is listed already"),
        ("\n \n", "lists nothing"),
        (b"\xff1.txt", "not UTF-8"),
        (None, "dev.txt cannot be read: listed_in is relative to the place of the folder"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, content, complaint):
    write(tmp_path / "annotation", article(RANSOM))
    if content is not None:
        raw = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "dev.txt").write_bytes(raw)
    with pytest.raises(CorpusError, match=complaint):
        list(casie.read(tmp_path / "annotation", listed_in="dev.txt"))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not JSON in UTF-8"),
        (b"\xff\xfe", "not JSON in UTF-8"),
        (b'{"content": "A', "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON in UTF-8"),
        ([], "the file is an object, and not list"),
        (article(content=""), "content is a text, and not ''"),
        (article(content=7), "content is a text, and not 7"),
        (article(info=[]), "info is an object"),
        (article(cyberevent=None), "cyberevent is an object"),
        (article(cyberevent={}), "hopper is a list"),
        (article(cyberevent={"hopper": ["x"]}), "a hopper is an object, and not str"),
        (article(cyberevent={"hopper": [{}]}), "events of a hopper is a list"),
        (article({}), "the nugget of event 1 is an object"),
        (article({**RANSOM, "subtype": " "}), "the subtype of event E1 is a text"),
        (article({**RANSOM, "argument": None}), "argument of event E1 is a list"),
        (article({**RANSOM, "argument": [3]}), "an argument of event E1 is an object"),
        (
            article(event("Ransom", span("asked") | {"startOffset": True})),
            "startOffset of the nugget of event E1 is a whole number, and not True",
        ),
        (
            article(event("Ransom", span("asked") | {"endOffset": "58"})),
            "endOffset of the nugget of event E1 is a whole number, and not '58'",
        ),
        (
            article(event("Ransom", span("asked") | {"text": ""})),
            "the text of the nugget of event E1 is a text",
        ),
        (
            article(event("Ransom", span("asked"), span("Acme") | {"type": "Organization"})),
            "the role of argument T1 of event E1 is an object",
        ),
        (
            article(event("Ransom", span("asked"), span("Acme", "X", "Y") | {"role": {}})),
            "the type of the role of argument T1 of event E1 is a text",
        ),
        (
            article(event("Ransom", span("asked"), span("Acme", "X", "Y") | {"type": None})),
            "the type of argument T1 of event E1 is a text",
        ),
        (
            article(event("Ransom", span("asked") | {"text": "begged"})),
            "is 'begged', but at .* stands 'asked'; the words do not stand within 16 characters",
        ),
        (
            article(event("Ransom", span("asked", shift=17))),
            "the words do not stand within 16 characters",
        ),
        (
            article(event("Ransom", span("asked") | {"startOffset": -(10**30)})),
            "the words do not stand within 16 characters",
        ),
        (
            article(event("Ransom", span("asked") | {"startOffset": 10**30, "endOffset": 10**31})),
            "the words do not stand within 16 characters",
        ),
        (
            article(
                event("Ransom", {"text": "ab", "startOffset": 2, "endOffset": 4}), text="ab  ab"
            ),
            "the words stand as near before it as after it",
        ),
    ],
)
def test_what_is_no_article_is_refused_with_its_file(tmp_path: Path, data, complaint):
    path = write(tmp_path, data)
    with pytest.raises(CorpusError, match=rf"1\.json: .*{complaint}"):
        list(casie.read(tmp_path))
    assert path.exists()


def test_without_repair_wrong_offsets_are_refused(tmp_path: Path):
    path = write(tmp_path, article(event("Ransom", span("asked", shift=1))))
    with pytest.raises(CorpusError, match=r"1\.json: .*the option repair looks for the words"):
        list(casie.read(path, repair=False))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"entities": "all"}, "entities is one of arguments, ends, and not 'all'"),
        ({"entities": ["ends"]}, "entities is one of arguments, ends"),
        ({"repair": "no"}, "repair is true or false"),
        ({"listed_in": 3}, "listed_in is the path of a file"),
        ({"listed_in": "dev.txt"}, "is a file: listed_in picks files of a folder"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options, complaint):
    with pytest.raises(CorpusError, match=complaint):
        list(casie.read(write(tmp_path, article()), **options))


def test_a_folder_without_articles_is_refused(tmp_path: Path):
    with pytest.raises(CorpusError, match=r"has no \.json file"):
        list(casie.read(tmp_path))
    with pytest.raises(CorpusError, match="nowhere does not exist"):
        list(casie.read(tmp_path / "nowhere"))
    (tmp_path / "1.json").mkdir()
    with pytest.raises(CorpusError, match=r"1\.json: cannot be read"):
        list(casie.read(tmp_path))


def test_the_corpus_is_read_whole(shared_data: Path):
    folder = shared_data / "research_only" / "casie" / "data" / "annotation"
    documents = {document.doc_id: document for document in casie.read(folder)}
    assert len(documents) == 1000
    events = arguments = 0
    for file in folder.glob("*.json"):
        raw = json.loads(file.read_text("utf-8"))
        document = documents[file.stem]
        assert document.text == raw["content"]
        stated = [event for hopper in raw["cyberevent"]["hopper"] for event in hopper["events"]]
        told = []
        for event_ in stated:
            trigger = event_["nugget"]["text"]
            # One trigger goes on after the end of its text, and one argument stands twice.
            trigger = "been leaked" if trigger == "been leaked." else trigger
            ends = {(a["startOffset"], a["role"]["type"]): a for a in event_.get("argument", [])}
            told.append(
                (
                    event_["subtype"],
                    trigger,
                    [(role, a["text"], a["type"]) for (_, role), a in ends.items()],
                )
            )
        assert shown(document) == told
        # In an article whose offsets are wrong, all are wrong by the same number.
        moves = {
            trigger.start - event_["nugget"]["startOffset"]
            for trigger, event_ in zip(document.events, stated, strict=True)
        }
        assert len(moves) == 1
        assert moves <= {0, -1, -2, -12}
        events += len(stated)
        arguments += sum(len(e.arguments) for e in document.events)
    assert (events, arguments) == (8485, 22700)
    assert len({e.type for d in documents.values() for e in d.events}) == 5
    assert len({a.role for d in documents.values() for e in d.events for a in e.arguments}) == 26


def test_the_splits_of_textee_name_999_articles_and_no_title_is_in_two(shared_data: Path):
    folder = shared_data / "research_only" / "casie" / "data" / "annotation"
    groups: Counter[str] = Counter()
    for split, articles in (("train", 701), ("dev", 149), ("test", 149)):
        documents = list(casie.read(folder, listed_in=f"../textee_split1/{split}.txt"))
        assert len(documents) == articles
        groups.update({str(document.group) for document in documents})
    assert max(groups.values()) == 1
