"""Under test: the TOML file that mixes corpora: files, splits, layers, options, mapped labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pax_assets.corpora.configuration import FORMATS, read_sources
from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.sources import DeclaredSources
from pax_assets.corpora.splits import SplitError, assign_splits
from pax_assets.nlp.documents import Document, Types

# A document with all layers: who (e1) told whom (e2) on what (e3).
WHOLE: dict[str, Any] = {
    "doc_id": "a",
    "group": "thread",
    "text": "Anna told Karl of Moscow",
    "layers": ["entities", "events", "relations"],
    "entities": [
        {"id": "e1", "start": 0, "end": 4, "type": "PER"},
        {"id": "e2", "start": 10, "end": 14, "type": "PER"},
        {"id": "e3", "start": 18, "end": 24, "type": "LOC"},
    ],
    "events": [
        {
            "id": "v1",
            "type": "tell",
            "start": 5,
            "end": 9,
            "arguments": [{"entity": "e1", "role": "speaker"}, {"entity": "e3", "role": "topic"}],
        }
    ],
    "relations": [
        {"head": "e1", "tail": "e2", "type": "knows"},
        {"head": "e2", "tail": "e3", "type": "from"},
    ],
}
# The same from who annotated relations only: entities are their ends, and e3 is none.
ENDS = {
    **WHOLE,
    "layers": ["relations"],
    "entities": WHOLE["entities"][:2],
    "events": [],
    "relations": WHOLE["relations"][:1],
}
CONLL = "Anna\tB-PER\n\nMoscow\tB-LOC\n"


def write_labels(folder: Path, name: str = "a.jsonl", **changes: object) -> None:
    line = json.dumps({**WHOLE, **changes})
    (folder / name).write_text(line + "\n", encoding="utf-8")


def declare(folder: Path, toml: str) -> Path:
    path = folder / "labels.toml"
    path.write_text(toml, encoding="utf-8")
    return path


def documents_of(folder: Path, toml: str) -> list[Document]:
    return list(DeclaredSources(declare(folder, toml)).documents())


def one_of(folder: Path, toml: str, **changes: object) -> Document:
    """Read the one document of one source, with what `toml` adds to its table."""
    write_labels(folder, **changes)
    (document,) = documents_of(
        folder, f'[[source]]\nformat = "jsonl"\npath = "a.jsonl"\nname = "s"\n{toml}'
    )
    return document


def shown(document: Document) -> dict[str, list[str]]:
    text = {e.id: document.text[e.start : e.end] for e in document.entities}
    return {
        "entities": [f"{text[e.id]} {e.type}" for e in document.entities],
        "events": [e.type for e in document.events],
        "roles": [f"{text[a.entity]} {a.role}" for e in document.events for a in e.arguments],
        "relations": [f"{text[r.head]} {r.type} {text[r.tail]}" for r in document.relations],
    }


def test_documents_pass_unchanged_but_for_name_and_source(tmp_path: Path):
    document = one_of(tmp_path, "")
    expected = {**WHOLE, "doc_id": "s/a", "group": "s/thread", "source": "s"}
    assert document == Document.from_dict(expected)


def test_sources_of_several_formats_are_mixed_in_their_order(tmp_path: Path):
    write_labels(tmp_path)
    (tmp_path / "news").mkdir()
    (tmp_path / "news" / "w.conll").write_text(CONLL, encoding="utf-8")
    documents = documents_of(
        tmp_path,
        '[[source]]\nformat = "conll"\npath = "news/w.conll"\nentities.PER = "person"\n'
        '[[source]]\nformat = "jsonl"\npath = "a.jsonl"\nentities.PER = "human"\n',
    )
    assert [(d.doc_id, d.source) for d in documents] == [
        ("w/w.conll:1", "w"),
        ("w/w.conll:3", "w"),
        ("a/a", "a"),
    ]
    # A mapping is of one source.
    assert [e.type for d in documents for e in d.entities] == [
        "person", "LOC", "human", "human", "LOC",
    ]  # fmt: skip


def test_a_document_without_a_group_gets_none(tmp_path: Path):
    assert one_of(tmp_path, "", group=None).group is None


def test_a_path_may_be_absolute(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    write_labels(tmp_path / "elsewhere")
    path = tmp_path / "elsewhere" / "a.jsonl"
    (document,) = documents_of(tmp_path, f'[[source]]\nformat = "jsonl"\npath = "{path}"\n')
    assert document.doc_id == "a/a"


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path):
    assert one_of(tmp_path, "# ä").source == "s"
    path = tmp_path / "labels.toml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [source.name for source in read_sources(path)] == ["s"]


def test_each_split_has_its_file(tmp_path: Path):
    for name in ("train", "dev", "test"):
        write_labels(tmp_path, f"{name}.jsonl", doc_id=name, group=None)
    documents = documents_of(
        tmp_path,
        '[[source]]\nformat = "jsonl"\nname = "s"\n'
        '[source.splits]\ntrain = "train.jsonl"\ndev = "dev.jsonl"\ntest = "test.jsonl"\n',
    )
    assert [(d.doc_id, d.split) for d in documents] == [
        ("s/train", "train"),
        ("s/dev", "dev"),
        ("s/test", "test"),
    ]


def test_a_source_of_splits_is_called_after_its_first_file(tmp_path: Path):
    write_labels(tmp_path)
    path = declare(tmp_path, '[[source]]\nformat = "jsonl"\nsplits = {dev = "a.jsonl"}\n')
    assert [source.name for source in read_sources(path)] == ["a"]


@pytest.mark.parametrize(
    ("toml", "own", "expected"),
    [
        ("", None, None),
        ("", "dev", "dev"),
        ('split = "test"', None, "test"),
        ('split = "test"', "dev", "test"),
    ],
)
def test_the_split_that_is_declared_goes_before_the_documents_own(tmp_path, toml, own, expected):
    assert one_of(tmp_path, toml, split=own).split == expected


def test_a_conversation_in_two_splits_is_found(tmp_path: Path):
    write_labels(tmp_path, "train.jsonl", doc_id="1")
    write_labels(tmp_path, "dev.jsonl", doc_id="2")
    toml = '[[source]]\nformat = "jsonl"\nsplits = {train = "train.jsonl", dev = "dev.jsonl"}\n'
    with pytest.raises(SplitError, match="group train/thread lies in two splits"):
        assign_splits(documents_of(tmp_path, toml))


def test_groups_of_two_sources_are_not_the_same(tmp_path: Path):
    write_labels(tmp_path)
    documents = documents_of(
        tmp_path,
        '[[source]]\nname = "one"\nformat = "jsonl"\npath = "a.jsonl"\nsplit = "train"\n'
        '[[source]]\nname = "two"\nformat = "jsonl"\npath = "a.jsonl"\nsplit = "dev"\n',
    )
    assert [(d.doc_id, d.group) for d in documents] == [
        ("one/a", "one/thread"),
        ("two/a", "two/thread"),
    ]
    assert assign_splits(documents) == documents


def test_labels_of_one_message_stay_together_whoever_labelled_it(tmp_path: Path):
    write_labels(tmp_path, message_id="m1")
    documents = documents_of(
        tmp_path,
        '[[source]]\nname = "anna"\nformat = "jsonl"\npath = "a.jsonl"\n'
        '[[source]]\nname = "ben"\nformat = "jsonl"\npath = "a.jsonl"\n',
    )
    assert [(d.doc_id, d.group) for d in documents] == [("anna/a", "thread"), ("ben/a", "thread")]
    assert len({d.split for d in assign_splits(documents)}) == 1


def test_what_a_document_leaves_open_is_mapped_like_its_labels(tmp_path: Path):
    document = one_of(
        tmp_path,
        'entities = {DATE = "day", MISC = ""}\n',
        unannotated={"entities": ["DATE", "MISC", "URL"], "roles": ["why"]},
    )
    assert document.unannotated == Types(entities=("URL", "day"), roles=("why",))


def test_a_complete_source_leaves_nothing_open(tmp_path: Path):
    document = one_of(tmp_path, "complete = true\n", unannotated={"entities": ["DATE"]})
    assert document.unannotated == Types()


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_a_file_without_documents_is_named(tmp_path: Path, content):
    (tmp_path / "empty.jsonl").write_text(content)
    with pytest.raises(CorpusError, match=r"empty\.jsonl has no documents: leave it out of source"):
        documents_of(tmp_path, '[[source]]\nformat = "jsonl"\npath = "empty.jsonl"\n')


def test_options_reach_the_format(tmp_path: Path):
    (tmp_path / "w.conll").write_text("1 Anna U-PER O\n", encoding="utf-8")
    toml = (
        '[[source]]\nformat = "conll"\npath = "w.conll"\n'
        '[source.options]\ntagging = "bilou"\nword_column = 1\ntag_column = 2\n'
    )
    (document,) = documents_of(tmp_path, toml)
    assert shown(document)["entities"] == ["Anna PER"]


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        (
            '[source.entities]\nPER = "person"',
            {
                "entities": ["Anna person", "Karl person", "Moscow LOC"],
                "events": ["tell"],
                "roles": ["Anna speaker", "Moscow topic"],
                "relations": ["Anna knows Karl", "Karl from Moscow"],
            },
        ),
        (
            '[source.entities]\nPER = "LOC"\nLOC = "PER"',
            {
                "entities": ["Anna LOC", "Karl LOC", "Moscow PER"],
                "events": ["tell"],
                "roles": ["Anna speaker", "Moscow topic"],
                "relations": ["Anna knows Karl", "Karl from Moscow"],
            },
        ),
        (
            '[source.entities]\nLOC = ""',
            {
                "entities": ["Anna PER", "Karl PER"],
                "events": ["tell"],
                "roles": ["Anna speaker"],
                "relations": ["Anna knows Karl"],
            },
        ),
        (
            '[source.entities]\nLOC = ""\nPER = ""',
            {"entities": [], "events": ["tell"], "roles": [], "relations": []},
        ),
        (
            '[source.events]\ntell = "say"\n[source.roles]\ntopic = "about"\nspeaker = ""\n'
            '[source.relations]\nknows = "acquainted"\nfrom = ""',
            {
                "entities": ["Anna PER", "Karl PER", "Moscow LOC"],
                "events": ["say"],
                "roles": ["Moscow about"],
                "relations": ["Anna acquainted Karl"],
            },
        ),
        (
            '[source.events]\ntell = ""',
            {
                "entities": ["Anna PER", "Karl PER", "Moscow LOC"],
                "events": [],
                "roles": [],
                "relations": ["Anna knows Karl", "Karl from Moscow"],
            },
        ),
    ],
)
def test_labels_are_mapped_and_what_points_to_a_dropped_one_goes_with_it(tmp_path, toml, expected):
    document = one_of(tmp_path, toml)
    assert shown(document) == expected
    assert document.layers == ("entities", "events", "relations")


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (
            '["entities"]',
            {
                "entities": ["Anna PER", "Karl PER", "Moscow LOC"],
                "events": [],
                "roles": [],
                "relations": [],
            },
        ),
        # ends of arguments and relations stay, for without them those could not
        (
            '["events"]',
            {
                "entities": ["Anna PER", "Moscow LOC"],
                "events": ["tell"],
                "roles": ["Anna speaker", "Moscow topic"],
                "relations": [],
            },
        ),
        (
            '["relations"]',
            {
                "entities": ["Anna PER", "Karl PER", "Moscow LOC"],
                "events": [],
                "roles": [],
                "relations": ["Anna knows Karl", "Karl from Moscow"],
            },
        ),
    ],
)
def test_only_the_named_layers_are_kept(tmp_path: Path, layers, expected):
    document = one_of(tmp_path, f"layers = {layers}")
    assert shown(document) == expected
    assert list(document.layers) == json.loads(layers)


def test_ends_that_lose_their_relation_go_too(tmp_path: Path):
    document = one_of(tmp_path, '[source.relations]\nknows = ""', **ENDS)
    assert (document.layers, document.entities, document.relations) == (("relations",), (), ())


def test_mapping_and_layers_do_not_hide_what_the_source_has(tmp_path: Path):
    # `from` is dropped with its layer, and its mapping is none of an unknown label.
    document = one_of(tmp_path, 'layers = ["entities"]\n[source.relations]\nfrom = "origin"')
    assert document.layers == ("entities",)


def test_a_layer_may_be_absent_from_some_documents(tmp_path: Path):
    lines = [{**WHOLE, "doc_id": "1"}, {**ENDS, "doc_id": "2"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    toml = '[[source]]\nformat = "jsonl"\npath = "a.jsonl"\nlayers = ["entities"]\n'
    first, second = documents_of(tmp_path, toml)
    assert (first.layers, len(first.entities)) == (("entities",), 3)
    assert (second.layers, second.entities, second.relations) == ((), (), ())


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        ('[source.entities]\nPERS = "x"', "source s: PERS mapped under entities, .*has LOC, PER"),
        ('[source.events]\nTell = "x"\nask = ""', "Tell, ask mapped under events, .*it has tell"),
        ('[source.relations]\nPER = "x"', "PER mapped under relations, .*it has from, knows"),
        ('[source.roles]\ntell = ""', "tell mapped under roles, .*it has speaker, topic"),
    ],
)
def test_a_mapping_of_a_label_that_is_not_there_is_refused(tmp_path: Path, toml, complaint):
    with pytest.raises(CorpusError, match=complaint):
        one_of(tmp_path, toml)


def test_a_source_without_labels_says_so(tmp_path: Path):
    with pytest.raises(CorpusError, match=r"x mapped under events, .*; it has none"):
        one_of(tmp_path, '[source.events]\nx = "y"', **ENDS)


def test_a_layer_that_no_document_has_is_refused(tmp_path: Path):
    with pytest.raises(CorpusError, match=r"source s: layers has events, but no .* have relations"):
        one_of(tmp_path, 'layers = ["relations", "events"]', **ENDS)


def test_one_id_in_two_files_is_refused(tmp_path: Path):
    write_labels(tmp_path, "a.jsonl")
    write_labels(tmp_path, "b.jsonl")
    toml = '[[source]]\nformat = "jsonl"\nsplits = {train = "a.jsonl", dev = "b.jsonl"}\n'
    with pytest.raises(CorpusError, match=r"b\.jsonl: document a stands in .*a\.jsonl already"):
        documents_of(tmp_path, toml)


def test_what_the_format_refuses_is_refused_with_file_and_line(tmp_path: Path):
    with pytest.raises(CorpusError, match=r"a\.jsonl, line 1: .*does not lie in a text"):
        one_of(tmp_path, "", text="Anna")


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    toml = '[[source]]\nformat = "jsonl"\npath = "gone.jsonl"\n'
    with pytest.raises(CorpusError, match=r"gone\.jsonl does not exist"):
        documents_of(tmp_path, toml)


GOOD = 'format = "jsonl"\npath = "a.jsonl"\n'


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (f'{GOOD}pth = "x"', "key 'pth' is not known; there is complete, entities, events,"),
        ('path = "a"', "format None is not known; it is one of brat, casie, conll,"),
        ('format = "xml"\npath = "a"', "format 'xml' is not known"),
        ('format = ["conll"]\npath = "a"', r"format \['conll'\] is not known"),
        ('format = "jsonl"', "give either `path` or `splits`"),
        (f'{GOOD}splits = {{dev = "b"}}', "give either `path` or `splits`"),
        ('format = "jsonl"\npath = ""', "a path is a text, and not ''"),
        ('format = "jsonl"\npath = 3', "a path is a text, and not 3"),
        ('format = "jsonl"\nsplits = {dev = 3}', "a path is a text, and not 3"),
        ('format = "jsonl"\nsplits = {}', "`splits` is a table of files: train, dev, test"),
        ('format = "jsonl"\nsplits = ["a"]', "`splits` is a table of files"),
        ('format = "jsonl"\nsplits = {valid = "a"}', "split 'valid' is not known; there is dev, t"),
        (
            'format = "jsonl"\nsplits = {dev = "a"}\nsplit = "dev"',
            "`split` says of which split `path` is; `splits` says it, too",
        ),
        (f'{GOOD}split = "valid"', "split 'valid' is not known; there is dev, test, train"),
        (f'{GOOD}split = ["dev"]', r"split \['dev'\] is not known"),
        (f'{GOOD}layers = ["entity"]', "layer 'entity' is not known; there is entities, events, r"),
        (f"{GOOD}layers = [[]]", r"layer \[\] is not known"),
        (f'{GOOD}layers = "entities"', "layers is a list of layers, and not 'entities'"),
        (f"{GOOD}layers = []", r"layers is a list of layers, and not \[\]"),
        (f"{GOOD}options = 3", "options is a table, such as"),
        (f"{GOOD}options = {{a = 1}}", "option of format jsonl 'a' is not known; there is none"),
        (
            'format = "conll"\npath = "a"\noptions = {tags = 1}',
            "option of format conll 'tags' is not known; there is documents, tag_column, t",
        ),
        (f'{GOOD}entities = "PER"', "entities is a table of names for labels"),
        (f"{GOOD}roles = {{a = 1}}", "roles is a table of names for labels"),
        (f"{GOOD}name = 3", "name is a text without a slash, and not 3"),
        (f'{GOOD}name = ""', "name is a text without a slash, and not ''"),
        (f'{GOOD}name = "a/b"', "name is a text without a slash, and not 'a/b'"),
    ],
)  # fmt: skip
def test_a_source_that_is_declared_wrongly_is_named_with_its_number(tmp_path, table, complaint):
    path = declare(tmp_path, f'[[source]]\n{GOOD}name = "good"\n[[source]]\n{table}\n')
    with pytest.raises(CorpusError, match=rf"labels\.toml, source 2: {complaint}"):
        read_sources(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", r"labels\.toml: expected one or more \[\[source\]\] tables$"),
        (
            b'[source]\nformat = "jsonl"',
            r"labels\.toml: expected one or more \[\[source\]\] tables$",
        ),
        (b"source = []", r"expected one or more \[\[source\]\] tables$"),
        (b"source = [1]", r"source 1: a source is a \[\[source\]\] table, and not 1"),
        (b"[[sources]]\n[[source]]\nx = 1", r"\[\[source\]\] tables, and not sources$"),
        (b"[[source]", r"labels\.toml is no TOML: .*line 1"),
        (b"a = '\xff'", r"labels\.toml is no TOML: .*utf-8"),
        (b"a = " + b"[" * 100_000, r"labels\.toml is no TOML"),
        (
            b'[[source]]\nformat = "jsonl"\npath = "b/a.jsonl"\n'
            b'[[source]]\nformat = "jsonl"\npath = "c/a.jsonl"\n',
            r"labels\.toml: two sources are called a; give each a `name` of its own",
        ),
    ],
)
def test_a_file_that_declares_no_sources_is_refused(tmp_path: Path, content, complaint):
    path = tmp_path / "labels.toml"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=complaint):
        read_sources(path)


@pytest.mark.parametrize("name", ["gone.toml", "."])
def test_a_missing_declaration_or_a_folder_is_named(tmp_path: Path, name):
    with pytest.raises(CorpusError, match="does not exist or is no file: expected a TOML file"):
        read_sources(tmp_path / name)


def test_a_hub_address_is_no_path(tmp_path: Path):
    (source,) = read_sources(
        declare(tmp_path, '[[source]]\nformat = "jsonl"\npath = "hub:someone/tweets"\n')
    )
    assert (source.name, source.parts) == ("tweets", (("hub:someone/tweets", None),))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_has_a_loader_with_named_options(tmp_path: Path, name):
    path = declare(tmp_path, f'[[source]]\nformat = "{name}"\npath = "x"\noptions = {{"?" = 1}}\n')
    with pytest.raises(CorpusError, match=rf"option of format {name} '\?' is not known; there is"):
        read_sources(path)
