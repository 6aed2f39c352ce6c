"""Under test: spaCy's DocBin without spaCy.

The files of `data/` were written by spaCy 3.8.18 (a blank English pipeline), and what they hold is
said here as spaCy reads them back.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats import docbin
from pax_assets.corpora.formats.docbin import _numbered

DATA = Path(__file__).parent / "data"
REAL = DATA / "docbin_spacy_3_8.spacy"
ORTH, ENT_IOB, ENT_TYPE = 65, 77, 78
# ENT_IOB
NONE, INSIDE, OUTSIDE, BEGIN = range(4)

# A token: its text, whether a space follows, ENT_IOB, ENT_TYPE.
Token = tuple[str, bool, int, str]


def number(string: str) -> int:
    """Return what stands for a string: spaCy's own number, smaller than any hash, else the hash."""
    return min(number for number, known in _numbered([string]).items() if known == string)


def content(*documents: list[Token], **parts: Any) -> dict[str, Any]:
    """What is packed in a file, with the parts that a test replaces (None: leaves out)."""
    tokens = [token for document in documents for token in document]
    rows = [[number(text), iob, number(kind)] for text, _, iob, kind in tokens]
    whole = {
        "version": "0.1",
        "attrs": [ORTH, ENT_IOB, ENT_TYPE],
        "tokens": np.asarray(rows, "<u8").tobytes(),
        "spaces": bytes(space for _, space, _, _ in tokens),
        "lengths": np.asarray([len(document) for document in documents], "<i4").tobytes(),
        "strings": sorted({text for t in tokens for text in (t[0], t[3])}),
        "cats": [{} for _ in documents],
        "flags": [{"has_unknown_spaces": False} for _ in documents],
        "span_groups": [b"" for _ in documents],
        **parts,
    }
    return {name: part for name, part in whole.items() if part is not None}


def write(path: Path, whole: Any) -> Path:
    path.write_bytes(zlib.compress(msgpack.packb(whole)))
    return path


def read(tmp_path: Path, *documents: list[Token], **parts: Any) -> list[Any]:
    return list(docbin.read(write(tmp_path / "a.spacy", content(*documents, **parts))))


def spans(document: Any) -> list[tuple[int, int, str]]:
    return [(entity.start, entity.end, entity.type) for entity in document.entities]


def group(name: str, *tokens: tuple[str, int, int], old: bool = False) -> bytes:
    """A span group; `old` as before spaCy 3.4, when spans had no id."""
    ids = struct.pack(">Q", 0) if old else struct.pack(">QQ", 0, 0)
    packed = [
        ids + struct.pack(">Qllll", number(label), first, end, 0, 0) for label, first, end in tokens
    ]
    return msgpack.packb({"name": name, "attrs": {}, "spans": packed})


ANNA: list[Token] = [
    ("Anna", True, BEGIN, "PERSON"),
    ("met", True, OUTSIDE, ""),
    ("Ben", False, 3, "b"),
]


def test_a_file_of_spacy_is_read_as_spacy_reads_it():
    documents = list(docbin.read(REAL))
    assert [(d.text, spans(d), d.layers) for d in documents] == [
        (
            "👋 Anna  Lee met the agent in Oslo.\nHer number: 7",
            [(2, 11, "PERSON"), (20, 25, "role"), (29, 33, "stadt 🏙")],
            ("entities",),
        ),
        ("mark _ ORG Straße ist leer", [(7, 17, "ORG")], ("entities",)),
        ("Nobody here", [], ("entities",)),
        ("not annotated", [], ()),
        ("Ben Ben", [(0, 3, "PERSON")], ("entities",)),
    ]
    assert [d.doc_id for d in documents][:2] == [
        "docbin_spacy_3_8.spacy:1",
        "docbin_spacy_3_8.spacy:2",
    ]


def test_a_span_group_may_overlap_and_is_absent_where_it_was_not_annotated():
    documents = list(docbin.read(REAL, span_key="sc"))
    assert [(spans(d), d.layers) for d in documents] == [
        ([(2, 11, "PERSON"), (2, 6, "given name"), (8, 11, "PERSON")], ("entities",)),
        ([], ()),
        ([], ("entities",)),
        ([], ()),
        ([], ()),
    ]


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("docbin_missing", {}, "document 1, token 3: not annotated, where other tokens are"),
        ("docbin_categories", {}, "no token is annotated .* it has no span groups"),
        ("docbin_lemmas", {}, r"has no entities \(ENT_IOB, ENT_TYPE\); it has no span groups"),
        ("docbin_spacy_3_8", {"span_key": "x"}, "no span group 'x'; span_key may be also, sc"),
        ("docbin_spacy_3_8", {"most_bytes": 100}, "unpacks to more than 100 bytes"),
        ("docbin_spacy_3_8", {"missing": "drop"}, "missing is one of refuse, outside, and not"),
    ],
)
def test_what_a_file_lacks_is_said(name, options, complaint):
    with pytest.raises(CorpusError, match=rf"{name}\.spacy.*{complaint}"):
        list(docbin.read(DATA / f"{name}.spacy", **options))


@pytest.mark.parametrize(("name", "found"), [("missing", [(0, 4, "PERSON")]), ("categories", [])])
def test_tokens_without_annotation_may_lie_outside(name, found):
    [document] = docbin.read(DATA / f"docbin_{name}.spacy", missing="outside")
    assert spans(document) == found
    assert document.layers == ("entities",)


@pytest.mark.parametrize(
    ("marks", "found"),
    [
        ([(BEGIN, "x"), (INSIDE, "x"), (OUTSIDE, "")], [(0, 3, "x")]),
        ([(INSIDE, "x"), (INSIDE, "x"), (INSIDE, "x")], [(0, 5, "x")]),
        ([(BEGIN, "x"), (BEGIN, "x"), (INSIDE, "x")], [(0, 1, "x"), (2, 5, "x")]),
        ([(OUTSIDE, ""), (INSIDE, "x"), (BEGIN, "y")], [(2, 3, "x"), (4, 5, "y")]),
        ([(BEGIN, "x"), (BEGIN, ""), (BEGIN, "")], [(0, 1, "x")]),
    ],
)
def test_spans_begin_and_end_as_in_spacy(tmp_path: Path, marks, found):
    [document] = read(tmp_path, [(w, True, *mark) for w, mark in zip("abc", marks, strict=True)])
    assert spans(document) == found


def test_words_that_spacy_numbers_itself_are_read(tmp_path: Path):
    words = ["number", "agent", "mark", "X", "DATE", "_", "root", "det", "IS_ALPHA", "FLAG19"]
    [document] = read(tmp_path, [(word, True, BEGIN, "ORG") for word in words])
    assert document.text.split() == words
    assert {entity.type for entity in document.entities} == {"ORG"}


def test_parts_of_older_files_may_be_absent(tmp_path: Path):
    [document] = read(tmp_path, ANNA, flags=None, span_groups=None, cats=None)
    assert document.text == "Anna met Ben"


def test_a_document_may_be_empty(tmp_path: Path):
    first, _ = read(tmp_path, [], ANNA)
    assert (first.text, first.entities, first.layers) == ("", (), ("entities",))


@pytest.mark.parametrize("old", [True, False])
def test_older_span_groups_are_read(tmp_path: Path, old):
    groups = [msgpack.packb([group("sc", ("PERSON", 0, 2), ("b", 1, 3), old=old)])]
    path = write(tmp_path / "a.spacy", content(ANNA, span_groups=groups))
    [document] = docbin.read(path, span_key="sc")
    assert spans(document) == [(0, 8, "PERSON"), (5, 12, "b")]


@pytest.mark.parametrize(
    ("groups", "complaint"),
    [
        (
            msgpack.packb({group("sc", ("b", 1, 4)): ["sc"]}),
            r"span 1 of sc is tokens \[1, 4\) of 3",
        ),
        (msgpack.packb({group("sc", ("b", -1, 1)): ["sc"]}), r"is tokens \[-1, 1\) of 3"),
        (msgpack.packb({group("sc", ("", 0, 1)): ["sc"]}), "span 1 of sc has no label"),
        (msgpack.packb({group("sc", ("who", 0, 1)): ["sc"]}), r"of sc: \d+ stands for no string"),
        (msgpack.packb("sc"), "its span groups are str"),
        (msgpack.packb([1]), "a span group without spans"),
        (msgpack.packb([msgpack.packb({"name": "sc"})]), "a span group without spans"),
        (msgpack.packb([msgpack.packb({"spans": [b"x"]})]), "a span of a group that is none"),
        (b"\xc1", "not msgpack"),
    ],
)
def test_a_wrong_span_group_is_named_with_its_document(tmp_path: Path, groups, complaint):
    good = msgpack.packb([group("sc", ("b", 0, 1))])
    path = write(tmp_path / "a.spacy", content(ANNA, ANNA, span_groups=[good, groups]))
    with pytest.raises(CorpusError, match=rf"a\.spacy, document 2.*{complaint}"):
        list(docbin.read(path, span_key="sc"))


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([("a", True, INSIDE, "")], "token 1: ENT_IOB 1 with ENT_TYPE 0 says nothing"),
        ([("a", True, 7, "b")], "token 1: ENT_IOB 7 with"),
        (
            [("a", True, 3, "b"), ("c", True, INSIDE, "d")],
            "token 2: continues an entity of another",
        ),
        ([("a", True, 3, "b"), ("c", True, NONE, "")], "token 2: not annotated"),
        ([("", True, 3, "b")], r"span e1 \[0, 0\) does not lie in"),
    ],
)
def test_a_wrong_token_is_named_with_its_document(tmp_path: Path, document, complaint):
    with pytest.raises(CorpusError, match=rf"a\.spacy, document 2.*{complaint}"):
        read(tmp_path, ANNA, document)


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ({"strings": ["PERSON", "b"]}, r"document 1, token 1: \d+ stands for no string"),
        ({"strings": ["Anna", "met", "Ben", "b"]}, "document 1, token 1: 380 stands for no string"),
        ({"strings": [1]}, "strings is no list of str"),
        ({"strings": None}, "strings is no list of str"),
        ({"attrs": None}, "attrs is no list of int"),
        ({"attrs": ["ORTH"]}, "attrs is no list of int"),
        ({"attrs": []}, "its parts do not fit each other"),
        ({"attrs": [64, ENT_IOB, ENT_TYPE]}, r"its tokens have no text \(ORTH\)"),
        ({"attrs": [ORTH, ENT_IOB, 90]}, "has no entities"),
        ({"tokens": "abc"}, "tokens are no numbers"),
        ({"tokens": b"abc"}, "tokens are no numbers"),
        ({"tokens": b""}, "its parts do not fit each other .* 0 values"),
        ({"spaces": b""}, "its parts do not fit each other .* 0 spaces"),
        ({"lengths": struct.pack("<i", 4)}, "its parts do not fit each other .* 4 tokens"),
        ({"lengths": struct.pack("<ii", 4, -1)}, "its parts do not fit each other"),
        ({"lengths": b""}, "its parts do not fit each other"),
        ({"flags": []}, "its parts do not fit each other .* 0 flags"),
        ({"flags": [3]}, "flags is no list of dict"),
        ({"span_groups": [b"", b""]}, "its parts do not fit each other .* 2 span groups"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path: Path, parts, complaint):
    with pytest.raises(CorpusError, match=rf"a\.spacy.*{complaint}"):
        read(tmp_path, ANNA, **parts)


NESTED = b"\x91" * 5_000 + b"\x90"


@pytest.mark.parametrize(
    ("packed", "complaint"),
    [
        (b"", "cut short"),
        (b"[{}]", "no DocBin of spaCy 3 .*`spacy convert`"),
        (REAL.read_bytes()[:-20], "cut short"),
        (REAL.read_bytes() + b"x", "followed by something else"),
        (zlib.compress(b""), "not msgpack"),
        (zlib.compress(b"\xdd\xff\xff\xff\xff"), "not msgpack"),
        (zlib.compress(b"\xa1\xff"), "not msgpack"),
        (zlib.compress(b"\x81\x90\x01"), "not msgpack"),
        (zlib.compress(NESTED), "not msgpack|expected a map"),
        (zlib.compress(b"\x93\x01\x02\x03"), "expected a map, found list"),
        (zlib.compress(msgpack.packb(content())), "has no tokens"),
        (zlib.compress(msgpack.packb(content([]))), "has no tokens"),
        (zlib.compress(bytes(50_000_000)), "unpacks to more than 1000000 bytes"),
    ],
    ids=str,
)
def test_a_file_that_is_no_docbin_is_refused(tmp_path: Path, packed, complaint):
    path = tmp_path / "a.spacy"
    path.write_bytes(packed)
    with pytest.raises(CorpusError, match=rf"a\.spacy.*({complaint})"):
        list(docbin.read(path, most_bytes=1_000_000))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    for path in (tmp_path / "none.spacy", tmp_path):
        with pytest.raises(CorpusError, match="does not exist or is no file"):
            list(docbin.read(path))


WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(max_examples=100, deadline=None)
@given(
    words=st.lists(st.tuples(WORD, st.booleans(), st.booleans(), WORD), min_size=1, max_size=6),
    unknown=st.booleans(),
)
def test_any_words_and_labels_survive(tmp_path_factory, words, unknown):
    document: list[Token] = [
        (w, space, BEGIN if marked else OUTSIDE, kind if marked else "")
        for w, space, marked, kind in words
    ]
    path = tmp_path_factory.mktemp("docbin") / "a.spacy"
    write(path, content(document, flags=[{"has_unknown_spaces": unknown}]))
    [found] = docbin.read(path)
    surfaces = [(found.text[e.start : e.end], e.type) for e in found.entities]
    assert surfaces == [(w, kind) for w, _, marked, kind in words if marked]
    spaced = "".join(w + " " * (space or unknown) for w, space, _, _ in words)
    assert found.text == (spaced[:-1] if unknown else spaced)


UNPACKED = zlib.decompress(REAL.read_bytes())


@settings(max_examples=300, deadline=None)
@given(
    at=st.integers(0, len(UNPACKED) - 1),
    put=st.binary(max_size=9),
    cut=st.integers(0, 9),
    key=st.sampled_from(["", "sc"]),
)
def test_a_damaged_file_gives_documents_or_a_corpus_error(tmp_path_factory, at, put, cut, key):
    path = tmp_path_factory.mktemp("docbin") / "a.spacy"
    path.write_bytes(zlib.compress(UNPACKED[:at] + put + UNPACKED[at + cut :], 1))
    try:
        documents = list(docbin.read(path, span_key=key))
    except CorpusError:
        return
    assert documents == [document.validate() for document in documents]
