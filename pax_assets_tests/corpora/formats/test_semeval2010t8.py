"""Under test: SemEval-2010 task 8, the direction of relations, and what becomes of `Other`."""

from __future__ import annotations

import random
import re
import struct
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats import semeval2010t8
from pax_assets.nlp.documents import Document, Relation

SENTENCE = '1\t"The <e1>rain</e1> was brought by a <e2>storm</e2>."'
GOOD = f"{SENTENCE}\nCause-Effect(e2,e1)\nComment: no doubt\n\n"
SECOND = '2\t"A <e1>cat</e1> on a <e2>mat</e2>."\nOther\nComment:\n\n'
FOLDER = "task8/training"


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "TRAIN.TXT"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def packed(folder: Path, members: dict[str, str], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "task8.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def shown(document: Document) -> list[tuple[str, str, str]]:
    text = {e.id: document.text[e.start : e.end] for e in document.entities}
    return [(text[r.head], r.type, text[r.tail]) for r in document.relations]


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ("Cause-Effect(e1,e2)", ("rain", "Cause-Effect", "storm")),
        ("Cause-Effect(e2,e1)", ("storm", "Cause-Effect", "rain")),
        ("Member-Collection (e2, e1)", ("storm", "Member-Collection", "rain")),
    ],
)
def test_the_head_is_the_nominal_that_the_relation_names_first(tmp_path: Path, relation, expected):
    (document,) = semeval2010t8.read(write(tmp_path, f"{SENTENCE}\n{relation}\n"))
    assert shown(document) == [expected]
    assert document.text == "The rain was brought by a storm."
    assert document.doc_id == "1"


def test_nominals_are_ends_of_the_relation_and_not_the_entities_of_the_text(tmp_path: Path):
    (document,) = semeval2010t8.read(write(tmp_path, GOOD))
    assert document.layers == ("relations",)
    assert {entity.type for entity in document.entities} == {"nominal"}


def test_other_leaves_the_text_without_entities_and_relations(tmp_path: Path):
    (document,) = semeval2010t8.read(write(tmp_path, SECOND))
    assert document.text == "A cat on a mat."
    assert (document.layers, document.entities, document.relations) == (("relations",), (), ())


def test_other_can_be_a_relation_of_a_given_type(tmp_path: Path):
    first, second = semeval2010t8.read(write(tmp_path, GOOD + SECOND), other="Other")
    assert shown(second) == [("cat", "Other", "mat")]
    assert shown(first) == [("storm", "Cause-Effect", "rain")]


@pytest.mark.parametrize(
    "content",
    [
        GOOD + SECOND,
        (GOOD + SECOND).replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + (GOOD + SECOND).encode(),
        (GOOD + SECOND).rstrip(),
        (GOOD + SECOND).replace("\n\n", "\n"),
        "\n\n" + (GOOD + SECOND).replace("\n\n", "\n \n\n"),
        (GOOD + SECOND).replace("Comment: no doubt\n", "").replace("Comment:\n", ""),
        (GOOD + SECOND).replace("\t", " "),
    ],
    ids=[
        "as it is", "CRLF", "BOM", "no last lines", "no empty lines", "many empty lines",
        "no comments", "a blank and no tab",
    ],
)  # fmt: skip
def test_the_same_sentences_are_read_from_each_way_to_write_them(tmp_path: Path, content):
    documents = list(semeval2010t8.read(write(tmp_path, content)))
    assert [(d.doc_id, d.text) for d in documents] == [
        ("1", "The rain was brought by a storm."),
        ("2", "A cat on a mat."),
    ]


@pytest.mark.parametrize(
    ("marked", "text", "spans"),
    [
        ("<e1>a</e1> <e2>b</e2>", "a b", ["a", "b"]),
        ("<e1>a</e1><e2>b</e2>", "ab", ["a", "b"]),
        ("x<e1>a b</e1>y <e2>ü🙂</e2>z", "xa by ü🙂z", ["a b", "ü🙂"]),
        ("<e2>b</e2> and <e1>a</e1>", "b and a", ["a", "b"]),
        ("<e1>a <e2>b</e2></e1>", "a b", ["a b", "b"]),
        ('"Is <e1>a</e1>," said <e2>b</e2>, "<e3> 1 < 2 &amp; </p>"', None, ["a", "b"]),
        ("\u2028<e1>a</e1>\x85<e2>b</e2> ", "\u2028a\x85b ", ["a", "b"]),
    ],
)
def test_marks_are_taken_out_and_all_else_stays(tmp_path: Path, marked, text, spans):
    (document,) = semeval2010t8.read(write(tmp_path, f'7\t"{marked}"\nA-B(e1,e2)\n'))
    assert document.text == (text or re.sub("</?e[12]>", "", marked))
    assert [document.text[e.start : e.end] for e in document.entities] == spans


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "holds no sentences"),
        ("\n \n", "holds no sentences"),
        (SENTENCE, "line 1: the file breaks off before the sentence's relation"),
        (f"{SENTENCE}\n\nOther\n", "line 1: a sentence without a relation"),
        (f"{GOOD}2{SENTENCE}\n3{SENTENCE}\n", "line 5: a sentence without a relation .*FULL"),
        (f"{GOOD}{GOOD}", "line 5: sentence 1 stands on line 1 already"),
        (
            f"{SENTENCE}\nCause-Effect\n",
            "line 2: expected a relation such as .*found 'Cause-Effect'",
        ),
        (f"{SENTENCE}\nCause-Effect(e1,e1)\n", "line 2: expected a relation"),
        (f"{SENTENCE}\nCause-Effect(e1,e3)\n", "line 2: expected a relation"),
        (f"{SENTENCE}\n(e1,e2)\n", "line 2: expected a relation"),
        (f"{SENTENCE}\nOther(e1,e2) x\n", "line 2: expected a relation"),
        (f"{SENTENCE}\nComment:\n", "line 2: expected a relation"),
        (f"{GOOD}Other\n", "line 5: expected a numbered sentence in quotes, found 'Other'"),
        (f"{GOOD}Comment: more\n", "line 5: expected a numbered sentence"),
        (f"{SENTENCE}\nOther\nComment: a\nComment: b\n", "line 4: expected a numbered sentence"),
        ("8001\tMessage-Topic\n", "line 1: expected a numbered sentence"),
        (f"x{GOOD}", "line 1: expected a numbered sentence"),
        (GOOD.replace("</e1>", ""), "line 1: expected one nominal between <e1> and </e1>"),
        (GOOD.replace("<e2>", "").replace("</e2>", ""), "line 1: expected one nominal .*<e2>"),
        (GOOD.replace("<e1>", ""), "line 1: </e1> stands twice, or ends what has not begun"),
        (GOOD.replace("e2>", "e1>"), "line 1: <e1> stands twice"),
        (GOOD.replace("<e1>rain</e1>", "</e1>rain<e1>"), "line 1: </e1> .* has not begun"),
        (GOOD.replace("rain", ""), "line 1: nothing stands between <e1> and </e1>"),
        (b"1\t\xff", "not UTF-8"),
        (GOOD.encode("utf-16"), "not UTF-8"),
    ],
)
def test_a_bad_file_is_refused_with_the_line(tmp_path: Path, content, complaint):
    with pytest.raises(CorpusError, match=rf"TRAIN\.TXT.*{complaint}"):
        list(semeval2010t8.read(write(tmp_path, content)))


@pytest.mark.parametrize("member", [f"{FOLDER}/TRAIN.TXT", "training/TRAIN.TXT", "TRAIN.TXT"])
def test_a_file_is_read_from_an_archive_by_its_name_or_how_it_ends(tmp_path: Path, member):
    path = packed(tmp_path, {f"{FOLDER}/": "", f"{FOLDER}/TRAIN.TXT": GOOD, "NOTRAIN.TXT": "x"})
    assert [d.doc_id for d in semeval2010t8.read(path, member=member)] == ["1"]


def test_a_whole_name_goes_before_the_end_of_another(tmp_path: Path):
    path = packed(tmp_path, {"a/T.TXT": SECOND, "T.TXT": GOOD})
    assert [d.doc_id for d in semeval2010t8.read(path, member="T.TXT")] == ["1"]


@pytest.mark.parametrize(
    ("member", "complaint"),
    [
        ("", "is a zip archive: name a file in it with the option member"),
        ("TEST.TXT", "member TEST.TXT: no file is called so; the archive has a/T.TXT, b/T.TXT"),
        ("T.TXT", "member T.TXT: more than one file is called so; the archive has a/T.TXT, b/T"),
        ("a", "member a: no file is called so"),
        ("a/T.TXT", "member a/T.TXT, line 1: expected a numbered sentence"),
        ("b/T.TXT", "member b/T.TXT holds no sentences"),
    ],
)
def test_a_wrong_member_is_named_with_those_there(tmp_path: Path, member, complaint):
    path = packed(tmp_path, {"a/T.TXT": "x", "b/T.TXT": "", "c/": ""})
    with pytest.raises(CorpusError, match=rf"task8\.zip.*{complaint}"):
        list(semeval2010t8.read(path, member=member))


@pytest.mark.parametrize(
    "options", [{"member": 1}, {"member": None}, {"other": True}, {"other": ["Other"]}]
)
def test_an_option_of_another_kind_is_refused(tmp_path: Path, options):
    (name,) = options
    with pytest.raises(CorpusError, match=rf"TRAIN\.TXT: {name} is a text, and not"):
        list(semeval2010t8.read(write(tmp_path, GOOD), **options))


def test_a_member_of_what_is_no_archive_is_refused(tmp_path: Path):
    with pytest.raises(CorpusError, match="a damaged zip archive, or none"):
        list(semeval2010t8.read(write(tmp_path, GOOD), member="TRAIN.TXT"))


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(semeval2010t8, "MAX_BYTES", 1000)
    path = packed(tmp_path, {"T.TXT": "\n" * 1001})
    assert path.stat().st_size < 200
    with pytest.raises(CorpusError, match=r"member T\.TXT: more than 1000 bytes"):
        list(semeval2010t8.read(path, member="T.TXT"))


def test_a_size_that_the_archive_belittles_is_no_way_round_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = packed(tmp_path, {"T.TXT": GOOD * 100})
    content = path.read_bytes().replace(struct.pack("<L", len(GOOD) * 100), struct.pack("<L", 10))
    path.write_bytes(content)
    monkeypatch.setattr(semeval2010t8, "MAX_BYTES", 1000)
    with pytest.raises(CorpusError, match=r"task8\.zip"):
        list(semeval2010t8.read(path, member="T.TXT"))


@pytest.mark.parametrize("member", ["", "T.TXT"])
def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member
):
    monkeypatch.setattr(semeval2010t8, "MAX_BYTES", 100)
    with pytest.raises(CorpusError, match="more than 100 bytes"):
        list(semeval2010t8.read(write(tmp_path, GOOD * 2), member=member))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_without_a_bound_are_refused(tmp_path: Path, method):
    with pytest.raises(CorpusError, match="packed neither plainly nor by deflate"):
        list(semeval2010t8.read(packed(tmp_path, {"T.TXT": GOOD}, method), member="T.TXT"))


def test_a_plainly_stored_member_is_read(tmp_path: Path):
    path = packed(tmp_path, {"T.TXT": GOOD}, zipfile.ZIP_STORED)
    assert len(list(semeval2010t8.read(path, member="T.TXT"))) == 1


def test_an_encrypted_member_is_refused(tmp_path: Path):
    path = packed(tmp_path, {"T.TXT": GOOD})
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(CorpusError, match="encrypted; unpack it yourself"):
        list(semeval2010t8.read(path, member="T.TXT"))


def test_an_altered_archive_is_read_or_refused(tmp_path: Path):
    path = packed(tmp_path, {"a/T.TXT": GOOD, "b.txt": "x"})
    whole = path.read_bytes()
    chance = random.Random(7)
    refused = 0
    for _ in range(600):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content[: chance.choice((len(content), chance.randrange(len(content))))])
        try:
            list(semeval2010t8.read(path, member="T.TXT"))
        except CorpusError:
            refused += 1
    assert 300 < refused < 600


@pytest.mark.parametrize("name", ["nothing.txt", "."])
def test_a_missing_file_or_a_folder_is_named(tmp_path: Path, name):
    with pytest.raises(CorpusError, match="does not exist or is no file"):
        list(semeval2010t8.read(tmp_path / name))


words = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\n\r<>"), min_size=1, max_size=8
)
around = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r<>"), max_size=8)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.tuples(around, words, around, words, around), turned=st.booleans())
def test_marked_nominals_are_found_wherever_they_stand(tmp_path: Path, parts, turned):
    before, first, between, second, after = parts
    ends = "e2,e1" if turned else "e1,e2"
    marked = f"{before}<e1>{first}</e1>{between}<e2>{second}</e2>{after}"
    (document,) = semeval2010t8.read(write(tmp_path, f'1\t"{marked}"\nA-B({ends})\n'))
    assert document.text == "".join(parts)
    nominals = [document.text[e.start : e.end] for e in document.entities]
    assert nominals == [first, second]
    assert document.relations == (Relation(*ends.split(","), "A-B"),)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from((SENTENCE, "2" + SENTENCE, "Other", "A-B(e1,e2)", "Comment:", ""))))
def test_any_order_of_lines_is_read_or_refused(tmp_path: Path, lines):
    path = write(tmp_path, "\n".join(lines))
    try:
        documents = list(semeval2010t8.read(path))
    except CorpusError:
        return
    assert len(documents) == sum(line.endswith('"') for line in lines)


@pytest.mark.parametrize(
    ("member", "first", "sentences"),
    [("TRAIN_FILE.TXT", 1, 8000), ("TEST_FILE_FULL.TXT", 8001, 2717)],
)
def test_the_distributed_archive_is_read_whole(shared_data: Path, member, first, sentences):
    path = shared_data / "semeval2010t8" / "SemEval2010_task8_all_data.zip"
    documents = list(semeval2010t8.read(path, member=member))
    assert [d.doc_id for d in documents] == [str(first + n) for n in range(sentences)]
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(member))
        raw = archive.read(name).decode("ascii")
    counts = Counter(re.findall(r"^(\S+)\((?:e1,e2|e2,e1)\)\r$", raw, re.MULTILINE))
    assert Counter(r.type for d in documents for r in d.relations) == counts
    assert sum(counts.values()) + len(re.findall(r"^Other\r$", raw, re.MULTILINE)) == sentences
    # The pairs as the lines say them, in the direction of the brackets.
    expected = []
    for sentence, kind, head, tail in re.findall(
        r"^\d+\t\"(.*)\"\r\n(\S+)\((e\d),(e\d)\)\r$", raw, re.MULTILINE
    ):
        marked = dict(re.findall(r"<(e\d)>(.*?)</e\d>", sentence))
        expected.append((marked[head], kind, marked[tail]))
    assert [pair for document in documents for pair in shown(document)] == expected


def test_the_file_for_participants_is_refused(shared_data: Path):
    path = shared_data / "semeval2010t8" / "SemEval2010_task8_all_data.zip"
    with pytest.raises(CorpusError, match=r"TEST_FILE\.txt, line 1: a sentence without a relation"):
        list(semeval2010t8.read(path, member="TEST_FILE.txt"))
