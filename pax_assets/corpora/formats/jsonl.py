"""Annotated documents as JSON Lines: how labels enter and leave PAX.

Label files are written by people and tools outside. One bad line among thousands must be found
at once, so every error names the file and the line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pax_assets.corpora.errors import CorpusError
from pax_assets.nlp.documents import Document, DocumentError


def read(path: Path) -> Iterator[Document]:
    """Yield the documents of a file in the shape of `Document.to_dict`; blank lines are skipped.

    Raises `CorpusError` for a file that is absent, a line that is no JSON object, a document
    that contradicts itself, and a second document of the same `doc_id`.
    """
    path = Path(path)
    seen: dict[str, int] = {}
    if not path.is_file():
        raise CorpusError(f"{path} does not exist or is no file: expected annotated documents")
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                data = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except (ValueError, RecursionError) as error:
                raise CorpusError(f"{where}: not a JSON object in UTF-8: {error}") from None
            if not isinstance(data, dict):
                raise CorpusError(f"{where}: expected an object, found {type(data).__name__}")
            try:
                document = Document.from_dict(data)
            except DocumentError as error:
                raise CorpusError(f"{where}: {error}") from None
            if document.doc_id in seen:
                raise CorpusError(
                    f"{where}: document {document.doc_id} stands on line "
                    f"{seen[document.doc_id]} already"
                )
            seen[document.doc_id] = number
            yield document


def write(path: Path, documents: Iterable[Document]) -> int:
    """Write one document a line (UTF-8) and return their number."""
    count = 0
    with Path(path).open("w", encoding="utf-8", newline="\n") as out:
        for document in documents:
            out.write(document.to_json() + "\n")
            count += 1
    return count
