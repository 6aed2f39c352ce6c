"""Under test: columns of words and tags, where a `#` may be a comment, a word or a hashtag."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats import conll
from pax_assets.nlp.documents import Document

TWO = "Anna\tB-PER\nKarenina\tI-PER\nwept\tO\n\nin\tO\nMoscow\tB-LOC\n\n"


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "words.conll"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def shown(document: Document) -> tuple[str, list[tuple[str, str]]]:
    return document.text, [(document.text[e.start : e.end], e.type) for e in document.entities]


def test_a_sentence_is_a_document_of_words_with_blanks_between(tmp_path: Path):
    first, second = conll.read(write(tmp_path, TWO))
    assert shown(first) == ("Anna Karenina wept", [("Anna Karenina", "PER")])
    assert shown(second) == ("in Moscow", [("Moscow", "LOC")])
    assert first.layers == ("entities",)
    assert (first.group, first.split) == (None, None)


def test_an_id_is_the_file_and_the_line_of_the_first_word(tmp_path: Path):
    ids = [document.doc_id for document in conll.read(write(tmp_path, "\n" + TWO))]
    assert ids == ["words.conll:2", "words.conll:6"]


@pytest.mark.parametrize(
    "content",
    [
        TWO,
        TWO.rstrip("\n"),
        TWO.replace("\n", "\r\n"),
        TWO.replace("\t", " "),
        TWO.replace("\t", "  \t"),
        TWO.replace("\n\n", "\n\t\n"),
        TWO.replace("\n\n", "\n \n \t\n\n"),
        "\n\n" + TWO + "\n\n",
        b"\xef\xbb\xbf" + TWO.encode(),
        b"\xef\xbb\xbf# newpar\n" + TWO.encode(),
        TWO.replace("\t", "\t_\t"),
        TWO.replace("\t", "\tNN \t \t"),
    ],
    ids=[
        "as it is", "no last blank line", "CRLF", "blanks", "blanks and a tab", "a tab between",
        "several blank lines", "blank lines around", "BOM", "BOM and comment", "three columns",
        "an empty column",
    ],
)  # fmt: skip
def test_the_same_words_and_tags_are_read_from_each_way_to_write_them(tmp_path: Path, content):
    assert [shown(document) for document in conll.read(write(tmp_path, content))] == [
        ("Anna Karenina wept", [("Anna Karenina", "PER")]),
        ("in Moscow", [("Moscow", "LOC")]),
    ]


@pytest.mark.parametrize(
    ("lines", "texts"),
    [
        ("#\tO\nfun\tO", ["# fun"]),
        ("#fun\tO\n#sun\tB-x", ["#fun #sun"]),
        ("#fun O\n# O", ["#fun #"]),
        ("# O\nfun O", ["# fun"]),
        ("fun O\n# O", ["fun #"]),
        ("a\tO\n\n#\tO", ["a", "#"]),
        ("# NN O\nfun NN O", ["# fun"]),
        ("#a = O\nfun NN O", ["#a fun"]),
        ("##\tO", ["##"]),
        # a blank inside or behind the sign: a word, as there is a tab
        ("# \tO", ["#"]),
        ("# a\tO", ["# a"]),
    ],
)
def test_a_word_may_be_or_begin_with_a_number_sign(tmp_path: Path, lines, texts):
    assert [document.text for document in conll.read(write(tmp_path, lines))] == texts


@pytest.mark.parametrize(
    "lines",
    [
        "# sent_id = 7\na\tO",
        "# text = a\na\tO",
        "# text = a O\na\tO",
        "# text = a\tb\na\tO",
        "# global.columns = ID FORM\n# sent_id = 7\n\na\tO",
        "# newpar\na O",
        "# id 7db4 domain=en\na\t_\t_\tO",
        "# id 7db4 domain=en\na _ _ O",
        "a\tO\n\n# a comment at the end",
        "# a comment before\n\na\tO\n\n# by e-mail from B-PER\n\n",
    ],
)
def test_a_comment_stands_before_a_sentence_and_is_no_word(tmp_path: Path, lines):
    assert [document.text for document in conll.read(write(tmp_path, lines))] == ["a"]


SECTIONS = (
    "-DOCSTART- -X- -X- O\n\nAnna NNP B-NP B-PER\n\nwept VB B-VP O\nMoscow NNP I-VP B-LOC\n\n"
    "-DOCSTART- (2)\n\nRain NN B-NP O\n"
)


def test_sentences_of_a_section_share_a_group(tmp_path: Path):
    documents = list(conll.read(write(tmp_path, SECTIONS)))
    assert [(d.doc_id, d.text, d.group) for d in documents] == [
        ("words.conll:3", "Anna", "words.conll:1"),
        ("words.conll:5", "wept Moscow", "words.conll:1"),
        ("words.conll:10", "Rain", "words.conll:8"),
    ]


def test_a_section_can_be_one_document_of_lines(tmp_path: Path):
    first, second = conll.read(write(tmp_path, SECTIONS), documents="docstart")
    assert shown(first) == ("Anna\nwept Moscow", [("Anna", "PER"), ("Moscow", "LOC")])
    assert shown(second) == ("Rain", [])
    assert (first.doc_id, second.doc_id) == ("words.conll:1", "words.conll:8")


@pytest.mark.parametrize(
    "start",
    ["-DOCSTART-\tO", "-DOCSTART- -X- O O", "-DOCSTART-", "x\t-DOCSTART-", "# newdoc id = 5"],
)
def test_a_section_begins_at_each_of_these_lines(tmp_path: Path, start):
    content = f"a\tO\n\nb\tO\n\n{start}\nc\tB-x\n\nd\tO\n\n{start}\n{start}\n"
    documents = conll.read(write(tmp_path, content), documents="docstart")
    assert [document.text for document in documents] == ["a\nb", "c\nd"]


def test_what_stands_before_the_first_section_has_no_group(tmp_path: Path):
    content = "a\tO\n\nb\tO\n-DOCSTART-\nc\tO\n"
    groups = [document.group for document in conll.read(write(tmp_path, content))]
    assert groups == [None, None, "words.conll:4"]
    documents = list(conll.read(write(tmp_path, content), documents="docstart"))
    assert [(d.doc_id, d.text) for d in documents] == [
        ("words.conll:1", "a\nb"),
        ("words.conll:4", "c"),
    ]


def test_columns_are_chosen_by_number_from_either_end(tmp_path: Path):
    path = write(tmp_path, "1\tAnna\tB-PER\tO\n2\tin\tO\tO\n3\tRome\tO\tB-LOC\n")
    (first,) = conll.read(path, word_column=1, tag_column=2)
    (last,) = conll.read(path, word_column=-3)
    assert shown(first) == ("Anna in Rome", [("Anna", "PER")])
    assert shown(last) == ("Anna in Rome", [("Rome", "LOC")])


def test_words_between_tabs_keep_their_blanks_and_odd_spaces(tmp_path: Path):
    (document,) = conll.read(write(tmp_path, "New York \tB-LOC\n10\u00a0000\tO\na\u2028b\x85\tO\n"))
    assert shown(document) == ("New York 10\u00a0000 a\u2028b\x85", [("New York", "LOC")])


def test_odd_spaces_do_not_separate_columns(tmp_path: Path):
    (document,) = conll.read(write(tmp_path, "10\u00a0000 O\n\u3000 B-x\n"))
    assert shown(document) == ("10\u00a0000 \u3000", [("\u3000", "x")])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("a\tO\n\tO\nb\tO", ("a b", [])),
        ("\tO", ("", [])),
        # a span goes on over a word that is not there, and ends where the tags end it
        ("a\tB-x\n\tI-x\nb\tI-x", ("a b", [("a b", "x")])),
        ("\tB-x\na\tI-x\n\tI-x\nb\tO", ("a b", [("a", "x")])),
        ("a\tB-x\n\tO\nb\tI-x", ("a b", [("a", "x"), ("b", "x")])),
    ],
)
def test_an_empty_word_counts_in_spans_and_not_in_the_text(tmp_path: Path, lines, expected):
    (document,) = conll.read(write(tmp_path, lines))
    assert shown(document) == expected


def test_tags_are_checked_only_against_a_scheme_that_is_named(tmp_path: Path):
    path = write(tmp_path, "a\tI-x\nb\tL-x\n")
    (document,) = conll.read(path)
    assert shown(document) == ("a b", [("a b", "x")])
    with pytest.raises(CorpusError, match=r'line 1: .*\(BILOU\); tagging = "auto" reads'):
        list(conll.read(path, tagging="bilou"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a\tO\nb", r"line 2: expected 2 columns between tabs as on line 1, found 1"),
        ("a\tO\nb O", r"line 2: expected 2 columns between tabs as on line 1, found 1"),
        ("a O\nb c O", r"line 2: expected 2 columns between blanks as on line 1, found 3"),
        (
            "# x = 1\na\tO\n# later\nb\tO",
            "line 3: .* found 1; a comment stands before a sentence",
        ),
        ("a\tO\n\n#fun", r"line 3: expected 2 columns between tabs as on line 1, found 1$"),
        ("a\tO\n\n#", "line 3: .* found 1"),
        ("a\tO\n\n# O", "line 3: .* found 1"),
        ("a O\n\n# X", "line 3: 'X' is no tag such as O, B-PER or I-PER; see tag_column"),
        ("word", "line 1: word_column and tag_column are both column 0 of 1"),
        ("a\tO\nb\t", "line 2: 'b' has no tag"),
        ("a\tO\nb\tPER", "line 2: 'PER' is no tag"),
        ("a\tO\n\n\nb\tO\nc\tB-", "line 5: 'B-' is no tag"),
        ("a\tB-x,B-y", "line 1: 'B-x,B-y' are several tags"),
        ("a\tO,B-y", "line 1: 'O,B-y' are several tags"),
        ("a\tB-x|O", "line 1: .* are several tags"),
        ("a\tO\n\tB-x\nb\tB-x", r"line 2: an entity \(x\) of empty words only; give the word"),
        ("\xa0\n", "line 1: word_column and tag_column are both column 0"),
        ("a\tO\rb\tO\r", "line 1: a carriage return within a line"),
        (b"a\tO\nb\xff\tO\n", "line 2: not UTF-8"),
        ("a\tO\n".encode("utf-16"), "line 1: not UTF-8"),
        (b"a\tO\nb\t\x00\n", r"line 2: '\\x00' is no tag"),
        ("", "holds no words"),
        ("\n \n\t\n", "holds no words"),
        ("# only = this\n", "holds no words"),
        ("-DOCSTART- -X- O O\n\n", "holds no words"),
        (b"\xef\xbb\xbf", "holds no words"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(tmp_path: Path, content, complaint):
    with pytest.raises(CorpusError, match=rf"words\.conll.*{complaint}"):
        list(conll.read(write(tmp_path, content)))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"tagging": "bio"}, "tagging is one of auto, iob1, iob2, bilou, and not 'bio'"),
        ({"tagging": ["iob2"]}, "tagging is one of"),
        ({"documents": "file"}, "documents is one of sentence, docstart, and not 'file'"),
        ({"word_column": "0"}, "word_column is the number of a column, and not '0'"),
        ({"tag_column": True}, "tag_column is the number of a column"),
        ({"word_column": 2}, "line 1: 2 columns, and none is word_column 2"),
        ({"tag_column": -3}, "line 1: 2 columns, and none is tag_column -3"),
        ({"word_column": 1}, "line 1: .* are both column 1 of 2"),
        ({"tag_column": 0, "word_column": 1}, "line 1: 'Anna' is no tag"),
        ({"documents": "docstart"}, "no line is -DOCSTART-, so the file has no sections"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, options, complaint):
    with pytest.raises(CorpusError, match=rf"words\.conll.*{complaint}"):
        list(conll.read(write(tmp_path, TWO), **options))


@pytest.mark.parametrize("name", ["nothing.conll", "."])
def test_a_missing_file_or_a_folder_is_named(tmp_path: Path, name):
    with pytest.raises(CorpusError, match="does not exist or is no file"):
        list(conll.read(tmp_path / name))


printable = st.text(
    st.characters(exclude_categories=("Cs", "Zs", "Zl", "Zp", "Cc")), min_size=1, max_size=6
)
words_of_tweets = st.one_of(printable, printable.map("#{}".format), st.just("#"))
marked_words = st.lists(
    st.tuples(words_of_tweets, st.sampled_from(("O", "B-x", "I-x", "B-y"))), min_size=1, max_size=6
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sentences=st.lists(marked_words, min_size=1, max_size=4),
    separator=st.sampled_from(("\t", " ", "  ")),
    ending=st.sampled_from(("\n", "\r\n")),
)
def test_no_word_is_lost_whatever_it_is(tmp_path: Path, sentences, separator, ending):
    lines = [
        ending.join(f"{word}{separator}{tag}" for word, tag in sentence) for sentence in sentences
    ]
    documents = list(conll.read(write(tmp_path, (2 * ending).join(lines))))
    # A mark of byte order at the very beginning is none of the first word.
    first = sentences[0][0][0].removeprefix("\ufeff")
    sentences[0][0] = (first, sentences[0][0][1])
    assert [d.text for d in documents] == [
        " ".join(word for word, _ in sentence if word) for sentence in sentences
    ]
    for document, sentence in zip(documents, sentences, strict=True):
        marked = [document.text[e.start : e.end] for e in document.entities]
        assert " ".join(marked) == " ".join(w for w, tag in sentence if tag != "O" and w)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.binary(max_size=60), st.text("#-\t\n OB-x=,DCSTAR", max_size=60).map(str.encode))
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, content):
    path = write(tmp_path, content)
    for documents in ("sentence", "docstart"):
        try:
            for document in conll.read(path, documents=documents):
                document.validate()
        except CorpusError as error:
            assert str(path) in str(error)  # noqa: PT017 - most bytes are refused, some are not


@pytest.mark.parametrize(
    ("name", "sentences", "types"),
    [
        ("wnut17/wnut17train.conll", 3394, 6),
        ("wnut17/emerging.dev.conll", 1009, 6),
        ("wnut17/emerging.test.annotated", 1287, 6),
        ("btc/btc.train", 6338, 3),
        ("btc/btc.dev", 1001, 3),
        ("btc/btc.test", 2001, 3),
    ],
)
def test_corpora_of_tweets_are_read_whole(shared_data: Path, name, sentences, types):
    path = shared_data / name
    documents = list(conll.read(path, tagging="iob2"))
    assert len(documents) == sentences
    assert len({document.doc_id for document in documents}) == sentences
    # Counted from the lines themselves: in IOB2 each B begins an entity.
    rows = [line.split("\t") for line in path.read_bytes().decode("utf-8").split("\n")]
    rows = [row for row in rows if len(row) == 2 and row[1]]
    begun = Counter(tag[2:] for _, tag in rows if tag.startswith("B-"))
    assert Counter(e.type for d in documents for e in d.entities) == begun
    assert len(begun) == types
    # Every word is there, in order, and every entity covers the words that are tagged.
    words = " ".join(word for row in rows if (word := row[0].strip(" ")))
    assert " ".join(document.text for document in documents if document.text) == words
    tagged = " ".join(row[0].strip(" ") for row in rows if row[1] != "O")
    assert " ".join(text for d in documents for text, _ in shown(d)[1]) == tagged
