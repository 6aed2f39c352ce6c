"""Proof that a tokenized dataset keeps its splits apart, read from what was written.

Splitting code can be right and the files wrong (an old file beside new ones). A model measured
on conversations that it was trained on looks better than it is, and nothing else shows it.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

from pax_assets.corpora.formats import jsonl
from pax_assets.corpora.splits import SPLITS


def find_leaks(dataset: Path) -> list[str]:
    """Return the conversations, documents and messages that lie in two splits of `dataset`.

    Reads the `group` and `doc_id` columns of `{train,dev,test}.parquet`, and of the gold documents
    which message each labels; an empty list is good.
    """
    import pyarrow.parquet as pq

    held: dict[str, set[str]] = {}
    for split in SPLITS:
        table = pq.read_table(dataset / f"{split}.parquet", columns=["group", "doc_id"])
        held[split] = {
            f"{kind} {value}"
            for kind, column in (("conversation", "group"), ("document", "doc_id"))
            for value in table.column(column).to_pylist()
        } | {
            f"message {document.message_id}"
            for document in jsonl.read(dataset / f"{split}_gold.jsonl")
            if document.message_id
        }
    return sorted(
        f"{leak} in {one} and {other}"
        for one, other in combinations(SPLITS, 2)
        for leak in held[one] & held[other]
    )
