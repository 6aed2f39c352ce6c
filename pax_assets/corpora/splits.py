"""Which document trains the model and which one judges it.

Two messages of one conversation share names, addresses and phrases. If one of them trains and
the other judges, the score measures memory. So documents are divided by conversation, always
the same way, and a conversation in two parts is an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from pax_assets.nlp.documents import Document, Split

SPLITS: tuple[Split, ...] = ("train", "dev", "test")


class SplitError(ValueError):
    """A conversation that lies in two parts; the message names it."""


def group_of(document: Document) -> str:
    """Return what keeps documents together: the group, else the document alone."""
    return document.group or document.doc_id


def assign_splits(documents: Iterable[Document], seed: int = 13) -> list[Document]:
    """Return the documents with `split` set; those that have one keep it.

    Others follow their group; a group without any split goes to train, dev or test
    (80 : 10 : 10) by a hash of its name and the seed. `SplitError` where a group lies in two.
    """
    documents = list(documents)
    known: dict[str, tuple[Split, str]] = {}
    for document in documents:
        if document.split is None:
            continue
        group = group_of(document)
        split, first = known.setdefault(group, (document.split, document.doc_id))
        if split != document.split:
            raise SplitError(
                f"group {group} lies in two splits: document {first} in {split}, document "
                f"{document.doc_id} in {document.split}; give the group one split"
            )
    assigned = []
    for document in documents:
        group = group_of(document)
        split = known[group][0] if group in known else _hashed_split(group, seed)
        assigned.append(replace(document, split=split))
    return assigned


def _hashed_split(group: str, seed: int) -> Split:
    key = f"{seed}:{group}".encode("utf-8", "surrogatepass")
    point = int.from_bytes(hashlib.sha256(key).digest()[:8]) / 2**64
    return "train" if point < 0.8 else "dev" if point < 0.9 else "test"
