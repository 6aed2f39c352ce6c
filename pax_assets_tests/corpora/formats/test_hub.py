"""Under test: data sets of the Hugging Face hub, and folders laid out like them.

Nothing is fetched from outside. The cache is one that `huggingface_hub` would have made, and the
hub is a server of this process that speaks as much of the hub's API as a download needs.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats import hub
from pax_assets.nlp.documents import Document, Entity

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
ANNA = {"tokens": ["Anna", "Lee", "in", "Oslo"], "ner_tags": [1, 2, 0, 3]}
NOBODY = {"tokens": ["nobody", "👋"], "ner_tags": [0, 0]}
# As `datasets` 4 and its forerunners write the type of a list of labels.
LIST = {"feature": {"names": TAGS, "_type": "ClassLabel"}, "_type": "List"}
SEQUENCE = {"feature": {"names": TAGS, "_type": "ClassLabel"}, "_type": "Sequence"}
PLAIN_LIST = [{"names": TAGS, "_type": "ClassLabel"}]


def parquet(
    path: Path, *rows: Mapping[str, Any], feature: Any = LIST, metadata: bytes | None = None
) -> Path:
    table = pa.Table.from_pylist([dict(row) for row in rows] or [{**ANNA}])
    if not rows:
        table = table.slice(0, 0)
    if metadata is None:
        features = {"ner_tags": feature} if feature else {}
        metadata = json.dumps({"info": {"features": features}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata({"huggingface": metadata}), path)
    return path


def lines(path: Path, *rows: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def named(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "ner_tags": [TAGS[tag] for tag in row["ner_tags"]]}


def read(path: Path | str, **options: Any) -> list[Document]:
    return list(hub.read(path, **options))


def ids(documents: list[Document]) -> list[str]:
    return [document.doc_id for document in documents]


WANTED = Document(
    doc_id="train:1",
    text="Anna Lee in Oslo",
    layers=("entities",),
    entities=(Entity("e1", 0, 8, "PER"), Entity("e2", 12, 16, "LOC")),
    split="train",
)


@pytest.mark.parametrize("feature", [LIST, SEQUENCE, PLAIN_LIST])
def test_numbers_are_tags_by_the_names_in_the_schema(tmp_path: Path, feature):
    parquet(tmp_path / "default/train/0000.parquet", ANNA, NOBODY, feature=feature)
    first, second = read(tmp_path)
    assert first == WANTED
    assert (second.text, second.entities) == ("nobody 👋", ())


def test_tags_may_be_names(tmp_path: Path):
    parquet(tmp_path / "default/train/0000.parquet", named(ANNA), feature=None)
    assert read(tmp_path) == [WANTED]


def test_names_of_numbers_may_be_given(tmp_path: Path):
    parquet(tmp_path / "train/0000.parquet", ANNA, feature=None)
    with pytest.raises(CorpusError, match=r"row 1: the tags of ner_tags are numbers.*label_names"):
        read(tmp_path)
    assert read(tmp_path, label_names=TAGS) == [WANTED]
    # They stand above what a file says: its names may be wrong, too.
    parquet(tmp_path / "train/0000.parquet", ANNA, feature=LIST)
    [document] = read(tmp_path, label_names=["O", "B-x", "I-x", "B-y"])
    assert [entity.type for entity in document.entities] == ["x", "y"]


@pytest.mark.parametrize(
    ("files", "options", "found"),
    [
        (
            ["default/train/0000.parquet", "default/train/0001.parquet", "default/test/0.parquet"],
            {},
            {"test:1": "test", "train:1": "train", "train:2": "train"},
        ),
        (["data/train-00000-of-00001-0a1b2c3d.parquet"], {}, {"train:1": "train"}),
        (
            ["train-00001-of-00002.parquet", "train-00000-of-00002.parquet"],
            {},
            {"train:1": "train", "train:2": "train"},
        ),
        (["validation.parquet", "dev/0.parquet"], {}, {"dev:1": "dev", "validation:1": "dev"}),
        (["de/train.parquet", "en/train.parquet"], {"configuration": "en"}, {"train:1": "train"}),
        (["data/en/test/part.parquet"], {"configuration": "en"}, {"test:1": "test"}),
        (["a/b/test/0000.parquet"], {"configuration": "a/b"}, {"test:1": "test"}),
        (["a.parquet", "b.parquet"], {}, {"1": None, "2": None}),
        (["all.parquet", "train.parquet"], {}, {"train:1": "train"}),
        (["train.parquet", "test.parquet"], {"splits": ["test"]}, {"test:1": "test"}),
        (["extra-00000-of-00001.parquet"], {"splits": ["extra"]}, {"extra:1": None}),
        (["train_en/0.parquet"], {"splits": {"train_en": "train"}}, {"train_en:1": "train"}),
        (["train_b.parquet", "test.parquet"], {"splits": {"test": "dev"}}, {"test:1": "dev"}),
        ([".cache/train.parquet", "test.parquet"], {}, {"test:1": "test"}),
        (["train.parquet", "test.jsonl"], {}, {"train:1": "train"}),
    ],
)
def test_paths_say_what_is_a_split(tmp_path: Path, files, options, found):
    for file in files:
        lines(tmp_path / file, ANNA) if file.endswith("l") else parquet(tmp_path / file, ANNA)
    documents = read(tmp_path, **options)
    assert {document.doc_id: document.split for document in documents} == found


def test_a_file_of_its_own_is_read(tmp_path: Path):
    assert read(parquet(tmp_path / "train.parquet", ANNA)) == [WANTED]
    assert ids(read(str(parquet(tmp_path / "some.parquet", ANNA)))) == ["1"]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(named(ANNA)) + "\n\n" + json.dumps(named(NOBODY)),
        "\ufeff" + json.dumps(named(ANNA)) + "\r\n" + json.dumps(named(NOBODY)) + "\r\n",
        json.dumps([named(ANNA), named(NOBODY)]),
        "\ufeff" + json.dumps([named(ANNA), named(NOBODY)], indent=1),
    ],
    ids=["lines", "lines with BOM and CRLF", "a list", "an indented list with BOM"],
)
def test_json_is_read_by_lines_or_as_a_list(tmp_path: Path, content):
    (tmp_path / "train.json").write_text(content, encoding="utf-8", newline="")
    documents = read(tmp_path)
    assert documents[0] == WANTED
    assert ids(documents) == ["train:1", "train:2"]


def test_columns_and_groups_are_named_or_found(tmp_path: Path):
    rows = [
        {"text": "x", "pieces": ["Anna"], "marks": ["U-PER"], "article": n // 2} for n in (4, 5)
    ]
    lines(tmp_path / "train.jsonl", *rows, {**rows[0], "article": None})
    with pytest.raises(
        CorpusError, match="no column tokens or words; name it as tokens_column, of"
    ):
        read(tmp_path)
    documents = read(
        tmp_path,
        tokens_column="pieces",
        tags_column="marks",
        group_column="article",
        tagging="bilou",
    )
    assert [document.group for document in documents] == ["2", "2", None]
    assert documents[0].entities == (Entity("e1", 0, 4, "PER"),)


def test_empty_words_are_left_out_and_count_in_spans(tmp_path: Path):
    row = {"tokens": ["Anna", "", "Lee", ""], "ner_tags": [1, 2, 2, 0]}
    parquet(tmp_path / "train.parquet", row)
    [document] = read(tmp_path)
    assert (document.text, document.entities) == ("Anna Lee", (Entity("e1", 0, 8, "PER"),))


def test_an_empty_split_has_no_documents(tmp_path: Path):
    parquet(tmp_path / "train.parquet", ANNA)
    parquet(tmp_path / "test.parquet")
    assert ids(read(tmp_path)) == ["train:1"]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"tokens": None, "ner_tags": [1]}, "tokens is no list of texts"),
        ({"tokens": ["a", None], "ner_tags": [0, 0]}, "tokens is no list of texts"),
        ({"tokens": "Anna", "ner_tags": ["O"]}, "tokens is no list of texts"),
        ({"ner_tags": ["O"]}, "tokens is no list of texts"),
        ({"tokens": ["a"], "ner_tags": None}, r"1 words and no list of tags \(ner_tags\)"),
        ({"tokens": ["a"], "ner_tags": [0, 0]}, "1 words and 2 tags"),
        ({"tokens": ["a"], "ner_tags": [-1]}, "the tag -1 of ner_tags is none of 5 names"),
        ({"tokens": ["a"], "ner_tags": [5]}, "the tag 5 of ner_tags is none of 5 names"),
        ({"tokens": ["a"], "ner_tags": [0.0]}, "the tag 0.0 of ner_tags is no name and no number"),
        ({"tokens": ["a"], "ner_tags": [True]}, "the tag True of ner_tags is no name"),
        ({"tokens": ["a"], "ner_tags": [None]}, "the tag None of ner_tags is no name"),
        ({"tokens": ["a", "b"], "ner_tags": ["O", "PER"]}, "word 2: 'PER' is no tag such as"),
        ({"tokens": ["a", ""], "ner_tags": [0, 1]}, r"an entity \(PER\) of empty words only"),
        ({"tokens": ["a", "b"], "ner_tags": [0, 2]}, r"word 2: 'I-PER' continues no span"),
    ],
)
def test_a_wrong_row_is_named_with_its_file(tmp_path: Path, row, complaint):
    lines(tmp_path / "train.jsonl", ANNA, row)
    with pytest.raises(CorpusError, match=rf"train\.jsonl, row 2.*{complaint}"):
        read(tmp_path, label_names=TAGS, tagging="iob2")


@pytest.mark.parametrize(
    ("files", "options", "complaint"),
    [
        (["README.md", "train.csv"], {}, "no Parquet and no JSON Lines; there is README.md, train"),
        ([], {}, "no Parquet and no JSON Lines; there is nothing.*refs/convert/parquet"),
        (["de/train.parquet", "en/train.parquet"], {}, "several; `configuration` is one of de, en"),
        (["de/train.parquet"], {"configuration": "en"}, "no configuration 'en'; .* one of de"),
        (["train.parquet"], {"splits": ["test"]}, "no split 'test'; there is train"),
        (["train.parquet", "train_b.parquet"], {}, "train_b is none of .* `splits`, of train, tr"),
        (["extra-00000-of-00001.parquet"], {}, "extra is none of train, validation and test"),
        (["train-00000-of-00003.parquet"], {}, "the split train has 3 files, and 1 are there"),
        (["train.parquet", "data/train.parquet"], {}, "data/train.parquet, train.parquet are cop"),
        (["train-00000-of-00001.parquet", "train.parquet"], {}, "are copies of one split, or"),
        (["train-00000-of-00001-ab.parquet", "train-00000-of-00001-cd.parquet"], {}, "and 2 are"),
        (["default/partial-train/0000.parquet"], {}, "partial-train is the first part of a split"),
        (["train.parquet"], {"splits": "train"}, "splits is a list of names, and not 'train'"),
        (["train.parquet"], {"splits": {"train": "x"}}, "split train is train, dev or test here"),
        (["train.parquet"], {"label_names": "O"}, "label_names is a list of names, and not 'O'"),
        (["train.parquet"], {"label_names": [1]}, "label_names is a list of names"),
        (["train.parquet"], {"tagging": "x"}, "tagging is one of .*, and not 'x'"),
        (["train.parquet"], {"revision": "main"}, "a revision belongs to hub:<owner>/<name>"),
        (["train.parquet"], {"tags_column": "x"}, "no column x; name it as tags_column, of tokens"),
        (["train.parquet"], {"group_column": "x"}, "no column x; group_column is one of tokens"),
    ],
)
def test_what_is_not_there_is_said_with_what_there_is(tmp_path: Path, files, options, complaint):
    for file in files:
        if file.endswith(".parquet"):
            parquet(tmp_path / file, ANNA)
        else:
            (tmp_path / file).touch()
    with pytest.raises(CorpusError, match=complaint):
        read(tmp_path, **options)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("train.parquet", b"", "no Parquet"),
        ("train.parquet", b"PAR1 and more PAR1", "no Parquet"),
        ("train.jsonl", b"", "no rows"),
        ("train.jsonl", b"{", "line 1: not JSON in UTF-8"),
        ("train.jsonl", b'{"tokens": ["\xff"]}', "line 1: not JSON in UTF-8"),
        ("train.jsonl", b'{"tokens": []}, {"tokens": []}', "line 1: not JSON in UTF-8"),
        ("train.jsonl", b'{"tokens": [], "tags": []}\n\n7', "line 3: expected an object"),
        ("train.json", b"[[1]]", "row 1: expected an object"),
        ("train.json", b"[{}", "not JSON in UTF-8"),
        ("train.json", b"[" * 100_000, "not JSON in UTF-8"),
        ("train.json", b'{\n "data": []\n}', "line 1: not JSON.*an object a line, or a list"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, name, content, complaint):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=rf"{name}.*({complaint})"):
        read(tmp_path)


@pytest.mark.parametrize("metadata", [b"{", b"[]", b'{"info": 3}', b'{"info": {"features": [1]}}'])
def test_damaged_metadata_is_refused(tmp_path: Path, metadata):
    parquet(tmp_path / "train.parquet", ANNA, metadata=metadata)
    with pytest.raises(CorpusError, match=r"its metadata \(huggingface\) is damaged"):
        read(tmp_path)


def test_parquet_with_damaged_pages_is_refused(tmp_path: Path):
    path = parquet(tmp_path / "train.parquet", *[ANNA] * 50)
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(60) + content[64:])
    with pytest.raises(CorpusError, match=r"train\.parquet: damaged Parquet"):
        read(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(CorpusError, match="does not exist; expected a folder of Parquet files, or"):
        read(tmp_path / "none")


COMMIT, OLD_COMMIT = "a" * 40, "b" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the data set own/words in an empty cache, without the network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub" / "datasets--own--words"


def cached(cache: Path, ref: str, commit: str, *rows: Mapping[str, Any]) -> None:
    (cache / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
    (cache / "refs" / ref).write_text(commit, encoding="utf-8")
    parquet(cache / "snapshots" / commit / "default/train/0000.parquet", *rows)


def test_a_data_set_is_read_from_the_cache(cache: Path):
    cached(cache, "refs/convert/parquet", COMMIT, ANNA)
    cached(cache, "main", OLD_COMMIT, NOBODY, NOBODY)
    assert read("hub:own/words") == [WANTED]
    assert ids(read("hub:own/words", revision="main")) == ["train:1", "train:2"]
    assert ids(read("hub:own/words", revision=OLD_COMMIT)) == ["train:1", "train:2"]


def test_without_the_copy_in_parquet_the_main_branch_is_read(cache: Path):
    cached(cache, "main", COMMIT, ANNA)
    assert read("hub:own/words") == [WANTED]


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("hub:own/none", {}, "hub:own/none at main: not in the cache, and the hub is out of reach"),
        ("hub:own/words", {"revision": "v2"}, "hub:own/words at v2: not in the cache"),
        ("hub:own/words", {"revision": "c" * 40}, "at c+: not in the cache"),
        ("hub:own/words", {"configuration": "de"}, "no configuration 'de'; .* one of default"),
        ("hub:own/words", {"splits": ["test"]}, "no split 'test'; there is train"),
        ("hub:", {}, "hub:: no name of a data set"),
        ("hub:../../words", {}, "no name of a data set"),
        ("hub:a/b/c", {}, "no name of a data set"),
    ],
)
def test_what_the_cache_does_not_have_is_said(cache: Path, name, options, complaint):
    cached(cache, "main", COMMIT, ANNA)
    with pytest.raises(CorpusError, match=complaint):
        read(name, **options)


def repository(commit: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    return {"commit": commit, "files": {".gitattributes": b"", **files}}


class _Hub(BaseHTTPRequestHandler):
    """What snapshot_download asks a hub: which commit, which files, and each file."""

    server: Any

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {path}")
        for revision, there in self.server.revisions.items():
            commit, files = there["commit"], there["files"]
            if path == f"/api/datasets/own/words/revision/{revision}":
                return self.answer({"id": "own/words", "sha": commit, "siblings": []})
            if path == f"/api/datasets/own/words/tree/{commit}":
                return self.answer(
                    [
                        {
                            "type": "file",
                            "path": file,
                            "size": len(files[file]),
                            "oid": sha(files[file]),
                        }
                        for file in files
                    ]
                )
            for file, content in files.items():
                if path == f"/datasets/own/words/resolve/{commit}/{file}":
                    return self.answer(content, commit)
        code = "RevisionNotFound" if "/own/words/" in path else "RepoNotFound"
        return self.answer({}, status=404, code="GatedRepo" if "/gated" in path else code)

    def answer(self, body: Any, commit: str = "", status: int = 200, code: str = "") -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (
            ("Content-Length", str(len(content))),
            ("X-Repo-Commit", commit),
            ("ETag", f'"{sha(content)}"'),
            ("X-Error-Code", code),
        ):
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


def sha(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


@contextmanager
def serving(revisions: dict[str, Any]) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.revisions, server.asked = revisions, []
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


READ = """
import json, sys
from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats import hub
answers = []
for name, options in json.loads(sys.argv[1]):
    try:
        answers.append([document.to_dict() for document in hub.read(name, **options)])
    except CorpusError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


def read_elsewhere(home: Path, port: int, *asked: tuple[str, dict[str, Any]], **env: str) -> Any:
    """Read in a process of its own: huggingface_hub takes its settings when it is imported."""
    done = subprocess.run(
        [sys.executable, "-c", READ, json.dumps(asked)],
        env={
            **os.environ,
            "HF_HOME": str(home),
            "HF_ENDPOINT": f"http://127.0.0.1:{port}",
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **env,
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


def test_a_data_set_is_fetched_once_and_then_read_without_the_network(tmp_path: Path):
    train = parquet(tmp_path / "t.parquet", ANNA).read_bytes()
    test = parquet(tmp_path / "t.parquet", NOBODY).read_bytes()
    files = {
        "de/train/0000.parquet": train,
        "en/train/0000.parquet": b"",
        "de/test/0000.parquet": test,
    }
    home, german = tmp_path / "home", {"configuration": "de"}
    with serving({"refs/convert/parquet": repository(COMMIT, files)}) as server:
        port = server.server_port
        [train_only, both, several, missing, gated, no_revision] = read_elsewhere(
            home,
            port,
            ("hub:own/words", {**german, "splits": ["train"]}),
            ("hub:own/words", german),
            ("hub:own/words", {}),
            ("hub:own/none", {}),
            ("hub:gated/words", {}),
            ("hub:own/words", {"revision": "v9"}),
        )
        fetched = [line.rsplit("/", 3)[1:] for line in server.asked if "GET /datasets/" in line]
    assert train_only == [WANTED.to_dict()]
    assert [document["doc_id"] for document in both] == ["test:1", "train:1"]
    assert several == "hub:own/words: several; `configuration` is one of de, en"
    assert missing == "hub:own/none: the hub has no such data set; for a private one set HF_TOKEN"
    assert gated.startswith("hub:gated/words: the data set asks for consent")
    assert no_revision == "hub:own/words at v9: the data set has no such revision"
    # Nothing of the other configuration, and each file once.
    assert [file for file in fetched if file[-1].endswith(".parquet")] == [
        ["de", "train", "0000.parquet"],
        ["de", "test", "0000.parquet"],
    ]
    offline = [("hub:own/words", german), ("hub:own/words", {"configuration": "en"})]
    for env in ({"HF_HUB_OFFLINE": "1"}, {}):
        [again, not_fetched] = read_elsewhere(home, port, *offline, **env)
        assert again == both
        assert "the hub is out of reach" in not_fetched


def test_a_data_set_without_a_copy_in_parquet_is_fetched_from_its_main_branch(tmp_path: Path):
    content = json.dumps(named(ANNA)).encode()
    with serving({"main": repository(COMMIT, {"data/train.jsonl": content})}) as server:
        [documents] = read_elsewhere(tmp_path, server.server_port, ("hub:own/words", {}))
    assert documents == [WANTED.to_dict()]
