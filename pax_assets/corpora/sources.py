"""Which labels a training uses, and a version of them that changes only with their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pax_assets.nlp.documents import Document
from pax_assets.settings import Settings


class LabelsMissing(FileNotFoundError):
    """`PAX_LABELS` names nothing readable."""


@dataclass(frozen=True, slots=True)
class SampleSource:
    """The labels that PAX ships."""

    seed: int
    name: str = "the sample corpus shipped with PAX"

    def licences(self) -> dict[str, str]:
        """Say by source under which licence it stands."""
        from pax_assets.sample.corpus import SOURCE

        return {SOURCE: "Apache-2.0 (synthetic, written for PAX)"}

    def documents(self) -> Iterator[Document]:
        """Yield the gold documents of the sample."""
        from pax_assets.sample import gold

        yield from gold(self.seed)

    def version(self) -> str:
        """Hash of the documents, 32 hex digits."""
        return _hash(self.documents())


@dataclass(frozen=True, slots=True)
class JsonLinesSource:
    """A `.jsonl` file of annotated documents, or a folder of them."""

    path: Path

    @property
    def name(self) -> str:
        """What the UI calls this source."""
        return str(self.path)

    def licences(self) -> dict[str, str]:
        """Nothing: documents in this form do not say."""
        return {}

    def files(self) -> list[Path]:
        """The files, in name order; raises `LabelsMissing` when there are none."""
        files = sorted(self.path.glob("*.jsonl")) if self.path.is_dir() else [self.path]
        files = [file for file in files if file.is_file()]
        if not files:
            raise LabelsMissing(
                f"PAX_LABELS is {self.path}, where there is no .jsonl file of annotated "
                "documents; correct the variable, or unset it to use the sample corpus"
            )
        return files

    def documents(self) -> Iterator[Document]:
        """Yield the documents of every file."""
        from pax_assets.corpora.errors import CorpusError
        from pax_assets.corpora.formats.jsonl import read

        seen: dict[str, Path] = {}
        for file in self.files():
            for document in read(file):
                if document.doc_id in seen:
                    raise CorpusError(
                        f"{file}: document {document.doc_id} stands in {seen[document.doc_id]} "
                        "too; a doc_id names one document"
                    )
                seen[document.doc_id] = file
                yield document

    def version(self) -> str:
        """Hash of the documents, 32 hex digits; blanks and key order do not count."""
        return _hash(self.documents())


@dataclass(frozen=True, slots=True)
class DeclaredSources:
    """The mix that a TOML file declares; `corpora.configuration` has its form."""

    path: Path

    @property
    def name(self) -> str:
        """What the UI calls this source."""
        return str(self.path)

    def licences(self) -> dict[str, str]:
        """Say by source under which licence it stands, where the file says so."""
        from pax_assets.corpora.configuration import read_sources

        return {source.name: source.licence for source in read_sources(self.path)}

    def documents(self) -> Iterator[Document]:
        """Yield the documents of every source."""
        from pax_assets.corpora.configuration import read_sources

        for source in read_sources(self.path):
            yield from source.documents()

    def version(self) -> str:
        """Hash of the documents, 32 hex digits."""
        return _hash(self.documents())


def _hash(documents: Iterator[Document]) -> str:
    digest = hashlib.sha256()
    for line in sorted(document.to_json() for document in documents):
        digest.update(line.encode("utf-8", "surrogatepass"))
        digest.update(b"\n")
    return digest.hexdigest()[:32]


def configured_source(settings: Settings) -> SampleSource | JsonLinesSource | DeclaredSources:
    """The source that the settings name: `PAX_LABELS`, else the sample."""
    if settings.labels:
        path = Path(settings.labels)
        return DeclaredSources(path) if path.suffix == ".toml" else JsonLinesSource(path)
    return SampleSource(settings.seed)
