"""Data sets of words and tags from the Hugging Face hub, or from a folder laid out like one.

The hub serves most data sets as Parquet, whatever they were written in: on the branch
`refs/convert/parquet` it keeps a copy of each. So neither a data set's own script nor the
`datasets` library is needed, only the files.

The trap is the tags. They are numbers, whose names stand in the Parquet file's metadata (or
nowhere: see `label_names`), and a number taken for another is a label that is wrong everywhere.

What a data set can hold, and how it is read:

- Configurations (languages, versions) are data sets of their own: one is read at a time.
- A split is a folder of numbered files (`validation/0000.parquet`), or a file of its name, whole
  or in parts (`train.jsonl`, `train-00000-of-00002.parquet`). Splits of other names than train,
  validation and test are read only by name. Files that name no split are read where none does.
- Where there is Parquet, only that is read; else JSON Lines, or a list of objects. What else
  there is (CSV, scripts, texts) is not.
- A word that is empty is left out of the text, and counts in its span; a span of such words only
  is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path, PurePosixPath
from typing import get_args

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats.hub_rows import Row, Wanted, rows_of
from pax_assets.corpora.formats.words import TagError, Tagging, tagged_text
from pax_assets.nlp.documents import Document, DocumentError, Entity, Split

_HUB = "hub:"
_PARQUET_BRANCH, _MAIN = "refs/convert/parquet", "main"
# Names of splits on the hub: ours.
_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "validation": "dev",
    "valid": "dev",
    "val": "dev",
    "dev": "dev",
    "test": "test",
    "testing": "test",
}
_SHARD = re.compile(r"-\d+-of-(\d+)(?:-[0-9a-f]+)?$")


def read(
    path: Path | str,
    *,
    revision: str = "",
    configuration: str = "",
    splits: Collection[str] | Mapping[str, Split] = (),
    tokens_column: str = "",
    tags_column: str = "",
    group_column: str = "",
    label_names: Sequence[str] = (),
    tagging: Tagging = "auto",
) -> Iterator[Document]:
    """Yield a document for each row of `hub:<owner>/<name>`, or of a folder or file of rows.

    `revision` is a commit, tag or branch of the data set. Name a commit: without it, what is
    newest is read, of `refs/convert/parquet` or, where there is none, of `main`, and another day
    may bring other data. Without the network, the local cache of the hub serves.

    `configuration` is needed where there are several. `splits` are the splits to read, by the
    data set's names, or a table of those with train, dev or test for each; without it all are
    read. `tokens_column` and `tags_column` are found by their usual names. Rows of one value in
    `group_column` stay in one split. `label_names` are the tags' names in the order of their
    numbers, where the data does not have them.

    Ids are the split (as the data set calls it) and the number of the row in it, from 1. Raises
    `CorpusError` for what is not found, with what there is, and for rows that are not words
    with a tag each.
    """
    options = _Options(
        place=str(path),
        configuration=configuration,
        splits=_wanted(path, splits),
    )
    columns = Wanted(
        tokens_column,
        tags_column,
        group_column,
        _names(path, "label_names", label_names),
    )
    if tagging not in get_args(Tagging):
        known = ", ".join(get_args(Tagging))
        raise CorpusError(f"{path}: tagging is one of {known}, and not {tagging!r}")
    if isinstance(path, str) and path.startswith(_HUB):
        source: _Folder | _Repository = _Repository.find(path, revision)
    elif revision:
        raise CorpusError(f"{path}: a revision belongs to {_HUB}<owner>/<name>, not to a folder")
    else:
        source = _Folder.find(Path(path))
    parts = _parts(options, source.files)
    root = source.fetch([file for part in parts for file in part.files])
    for part in parts:
        number = 0
        for file in part.files:
            for row in rows_of(columns, f"{path}, {file}", root / file):
                number += 1
                name = f"{part.name}:{number}" if part.name else str(number)
                yield _document(name, part.split, row, tagging)


@dataclass(frozen=True, slots=True)
class _Options:
    place: str
    configuration: str
    splits: Mapping[str, Split | None]


def _names(path: Path | str, option: str, given: object) -> tuple[str, ...]:
    if (
        isinstance(given, str)
        or not isinstance(given, Collection)
        or not all(isinstance(name, str) for name in given)
    ):
        raise CorpusError(f"{path}: {option} is a list of names, and not {given!r}")
    return tuple(given)


def _wanted(
    path: Path | str, splits: Collection[str] | Mapping[str, Split]
) -> Mapping[str, Split | None]:
    """Return the splits that are asked for, by their names in the data set, as ours."""
    if not isinstance(splits, Mapping):
        return {name: _SPLITS.get(name) for name in _names(path, "splits", splits)}
    for name, ours in splits.items():
        if ours not in get_args(Split):
            raise CorpusError(f"{path}: split {name} is train, dev or test here, and not {ours!r}")
    return splits


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder (or one file) of rows. `files` are paths in it, with slashes."""

    root: Path
    files: list[str]

    @classmethod
    def find(cls, path: Path) -> _Folder:
        if path.is_file():
            return cls(path.parent, [path.name])
        if not path.is_dir():
            raise CorpusError(
                f"{path} does not exist; expected a folder of Parquet files, or a data set as "
                f"{_HUB}<owner>/<name>"
            )
        return cls(path, _files_of(path))

    def fetch(self, files: Sequence[str]) -> Path:
        """Return the folder under which `files` lie: they do already."""
        del files
        return self.root


def _files_of(folder: Path) -> list[str]:
    return sorted(f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file())


@dataclass(frozen=True, slots=True)
class _Repository:
    """A data set of the hub at one commit, found through huggingface_hub and its cache."""

    path: str
    commit: str
    files: list[str]

    @classmethod
    def find(cls, path: str, revision: str) -> _Repository:
        """Find out which commit is meant and which files it has."""
        if revision:
            return cls._at(path, revision)
        try:
            return cls._at(path, _PARQUET_BRANCH)
        except _NoRevision:
            return cls._at(path, _MAIN)

    @classmethod
    def _at(cls, path: str, revision: str) -> _Repository:
        # Every repository has this small file; what is wanted is the commit, and the list of
        # all files, which the cache keeps with it.
        folder = _snapshot(path, revision, [".gitattributes"], may_lack_files=True)
        from huggingface_hub import get_cached_repo_tree
        from huggingface_hub.errors import CachedRepoTreeNotFoundError

        try:
            tree = get_cached_repo_tree(
                path.removeprefix(_HUB), repo_type="dataset", revision=folder.name
            )
            files = sorted(file.path for file in tree)
        except CachedRepoTreeNotFoundError:
            # A cache that was filled by other means has the files alone.
            files = _files_of(folder)
        return cls(path, folder.name, files)

    def fetch(self, files: Sequence[str]) -> Path:
        """Return the folder under which `files` lie, downloaded where they were not yet."""
        return _snapshot(self.path, self.commit, [escape(file) for file in files])


class _NoRevision(CorpusError):
    """A revision that a data set does not have, or that is not in the cache."""


def _snapshot(
    path: str, revision: str, patterns: list[str], *, may_lack_files: bool = False
) -> Path:
    """Return the cache's folder of a revision, with the files of these patterns."""
    try:
        from huggingface_hub import errors, snapshot_download
    except ImportError:
        raise CorpusError(
            f"{path}: needs the package huggingface_hub; install pax-assets[train]"
        ) from None
    at = f"{path} at {revision}"
    try:
        return Path(
            snapshot_download(
                path.removeprefix(_HUB),
                repo_type="dataset",
                revision=revision,
                allow_patterns=patterns,
            )
        )
    except errors.HFValidationError as error:
        raise CorpusError(f"{path}: no name of a data set: {error}") from None
    except errors.RevisionNotFoundError:
        raise _NoRevision(f"{at}: the data set has no such revision") from None
    except errors.GatedRepoError:
        raise CorpusError(
            f"{path}: the data set asks for consent; give it on its page, and set HF_TOKEN"
        ) from None
    except errors.RepositoryNotFoundError:
        raise CorpusError(
            f"{path}: the hub has no such data set; for a private one set HF_TOKEN"
        ) from None
    except errors.IncompleteSnapshotError as error:
        if may_lack_files:
            return Path(error.snapshot_path)
        raise CorpusError(
            f"{at}: the hub is out of reach, and of the files to read the cache has a part only"
        ) from None
    except errors.LocalEntryNotFoundError as error:
        raise _NoRevision(
            f"{at}: not in the cache, and the hub is out of reach: {str(error).splitlines()[0]}"
        ) from None
    except OSError as error:
        raise CorpusError(f"{at}: {error}") from None


@dataclass(slots=True)
class _Part:
    """The files of one split, in order. `name` is what the data set calls it, or empty."""

    name: str
    split: Split | None
    files: list[str]


def _parts(options: _Options, files: Sequence[str]) -> list[_Part]:
    """Return the splits to read, of the configuration to read."""
    parquet = [file for file in files if file.endswith(".parquet")]
    lines = [file for file in files if file.endswith((".jsonl", ".json"))]
    found: dict[str, dict[str, list[str]]] = {}
    for file in parquet or lines:
        path = PurePosixPath(file)
        if not any(part.startswith(".") for part in path.parts):
            configuration, name = _place(path)
            found.setdefault(configuration, {}).setdefault(name, []).append(file)
    if not found:
        there = ", ".join(files[:8]) + (", ..." if len(files) > 8 else "")
        raise CorpusError(
            f"{options.place}: no Parquet and no JSON Lines; there is {there or 'nothing'}. A data "
            f"set of the hub may have some at another revision, {_PARQUET_BRANCH} or {_MAIN}"
        )
    parts = found[_configuration(options, list(found))]
    if len(parts) > 1:
        parts.pop("", None)
    there = ", ".join(sorted(parts))
    names = list(options.splits) or sorted(parts)
    for name in names:
        if name not in parts:
            raise CorpusError(f"{options.place}: no split {name!r}; there is {there or 'none'}")
        _require_whole(options, name, parts[name])
        if name and name not in {**_SPLITS, **options.splits}:
            raise CorpusError(
                f"{options.place}: {name} is none of train, validation and test; name those to "
                f"read as `splits`, of {there}"
            )
    return [
        _Part(name, options.splits.get(name, _SPLITS.get(name)), sorted(parts[name]))
        for name in names
    ]


def _configuration(options: _Options, there: Sequence[str]) -> str:
    if options.configuration in there:
        return options.configuration
    if not options.configuration and len(there) == 1:
        return there[0]
    asked = f"no configuration {options.configuration!r}" if options.configuration else "several"
    raise CorpusError(
        f"{options.place}: {asked}; `configuration` is one of {', '.join(sorted(there))}"
    )


def _place(path: PurePosixPath) -> tuple[str, str]:
    """Return the configuration and the split of a file, by its path.

    The hub writes `<configuration>/<split>/0000.parquet`, authors
    `data/train-00000-of-00001.parquet`, `<configuration>/train.parquet`, `train.jsonl`.
    """
    folders = [folder for folder in path.parts[:-1] if folder != "data"]
    stem = _SHARD.sub("", path.stem)
    if folders and (stem.isdigit() or folders[-1] in _SPLITS):
        name = folders.pop()
    elif stem != path.stem or re.split(r"[-_.]", stem)[0] in _SPLITS:
        name = stem
    else:
        name = ""
    return "/".join(folders) or "default", name


def _require_whole(options: _Options, name: str, files: Sequence[str]) -> None:
    """Refuse a split of which a file is missing, or that is there twice: neither would show."""
    if name.startswith("partial-"):
        raise CorpusError(
            f"{options.place}: {name} is the first part of a split, more the hub did not convert; "
            f"name the revision {_MAIN}"
        )
    paths = [PurePosixPath(file) for file in files]
    shards = [shard for path in paths if (shard := _SHARD.search(path.stem))]
    for count in (int(shard[1]) for shard in shards):
        if len(shards) != count:
            raise CorpusError(
                f"{options.place}: the split {name} has {count} files, and {len(shards)} are there"
            )
    if len({(path.parent, path.suffix, bool(_SHARD.search(path.stem))) for path in paths}) > 1:
        raise CorpusError(
            f"{options.place}: {', '.join(sorted(files))} are copies of one split, or splits of "
            "one name; keep one"
        )


def _document(name: str, split: Split | None, row: Row, tagging: Tagging) -> Document:
    try:
        text, spans = tagged_text(row.words, row.tags, tagging)
        return Document(
            doc_id=name,
            text=text,
            layers=("entities",),
            entities=tuple(Entity(f"e{n}", *span) for n, span in enumerate(spans, 1)),
            group=row.group,
            split=split,
        ).validate()
    except TagError as error:
        raise CorpusError(f"{row.where}, word {error.index + 1}: {error}") from None
    except DocumentError as error:
        raise CorpusError(f"{row.where}: {error}") from None
