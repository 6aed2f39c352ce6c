"""Documents to the tokenized dataset: Parquet files that training reads without knowing text.

It is written once for a label set and an encoder, so that every training run, on any machine,
sees the same windows and the same split.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pax_assets.corpora import dataset_summary
from pax_assets.corpora.alignment import IGNORED, Aligned, align
from pax_assets.corpora.coverage import SILENT, silent, with_unannotated
from pax_assets.corpora.dataset_summary import Losses
from pax_assets.corpora.formats import jsonl
from pax_assets.corpora.splits import SPLITS, assign_splits, group_of
from pax_assets.inference import tokenization
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp.documents import Document
from pax_assets.nlp.labels import LabelScheme
from pax_assets.nlp.windows import Tokens, Window, split_windows

DATASET_FILE = "dataset.json"
INTS = pa.list_(pa.int32())
SCHEMA = pa.schema(
    [
        ("doc_id", pa.string()),
        ("group", pa.string()),
        ("input_ids", INTS),
        ("word_ids", INTS),
        ("word_shapes", INTS),
        ("offsets_start", INTS),
        ("offsets_end", INTS),
        ("entity_labels", INTS),
        ("trigger_labels", INTS),
        (
            "relations",
            pa.list_(pa.struct([("head", pa.int32()), ("tail", pa.int32()), ("type", pa.int32())])),
        ),
        (
            "arguments",
            pa.list_(
                pa.struct([("trigger", pa.int32()), ("entity", pa.int32()), ("role", pa.int32())])
            ),
        ),
        ("has_entities", pa.bool_()),
        ("has_events", pa.bool_()),
        ("has_relations", pa.bool_()),
        *((name, INTS) for name in SILENT),
    ]
)


class EmptyCorpusError(ValueError):
    """A corpus from which no model can be trained; the message says what is missing."""


def tokenize(
    documents: Iterable[Document],
    encoder: Path,
    output: Path,
    *,
    encoder_name: str = "",
    seed: int = 13,
    max_length: int = 256,
    stride: int = 64,
    licences: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write the tokenized dataset into `output` (created) and return `dataset.json`.

    A source leaves open types that none of its documents has (`corpora.coverage`).
    `encoder` is a folder with `tokenizer.json`, `licences` says by name under which the sources
    stand. The files are `{train,dev,test}.parquet` (one
    row a window, see `SCHEMA`), `{train,dev,test}_gold.jsonl`, `labels.json`,
    `tokenizer.json` and `dataset.json`. Raises `SplitError`, `TokenizerError`, or
    `EmptyCorpusError` where train, dev or test has no document.
    """
    assigned = with_unannotated(assign_splits(documents, seed))
    for split in SPLITS:
        if not any(document.split == split for document in assigned):
            raise EmptyCorpusError(
                f"of {len(assigned)} annotated documents none is in {split}: more "
                "conversations are needed, or set `split` in the label file"
            )
    tokenizer = TextTokenizer.load(encoder)
    scheme = LabelScheme.from_documents(assigned, max_length=max_length, stride=stride)
    if len(scheme.relations) + len(scheme.roles) > 2 and len(scheme.entities) == 1:
        raise EmptyCorpusError(
            f"the corpus has {', '.join((*scheme.relations[1:], *scheme.roles[1:])[:5])}, but no "
            "entities to join: they are found between entities that the model finds; add a source "
            "with the layer entities"
        )
    output.mkdir(parents=True, exist_ok=True)
    losses = Losses()
    counts = {}
    for split in SPLITS:
        part = [document for document in assigned if document.split == split]
        rows = list(_rows(part, tokenizer, scheme, losses))
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), output / f"{split}.parquet")
        jsonl.write(output / f"{split}_gold.jsonl", part)
        counts[split] = dataset_summary.counts(part, rows)
    scheme.save(output)
    shutil.copyfile(encoder / tokenization.FILE, output / tokenization.FILE)
    summary = {
        "encoder": encoder_name or encoder.name,
        "seed": seed,
        "max_length": max_length,
        "stride": stride,
        "counts": counts,
        "sources": dataset_summary.sources(assigned, licences or {}),
        "examples": dataset_summary.examples(assigned),
        "not_in_train": dataset_summary.not_in_train(assigned),
        **losses.summary(),
        "texts_in_two_splits": dataset_summary.texts_in_two_splits(assigned),
    }
    (output / DATASET_FILE).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


def _rows(
    documents: list[Document], tokenizer: TextTokenizer, scheme: LabelScheme, losses: Losses
) -> Iterator[dict[str, Any]]:
    body = scheme.max_length - tokenizer.specials
    texts = [document.text for document in documents]
    for document, tokens in zip(documents, tokenizer.encode(texts), strict=True):
        aligned = align(document, tokens, scheme)
        unsaid = silent(document, scheme)
        windows = split_windows(len(tokens), body, scheme.stride)
        for window in windows:
            yield _row(document, tokens, aligned, unsaid, window, tokenizer)
        beyond = sum(
            not any(_within(window, pair) for window in windows)
            for pair in (*aligned.relations, *aligned.arguments)
        )
        losses.add(document, {**aligned.losses, "beyond_windows": beyond})


def _within(window: Window, pair: tuple[int, int, int]) -> bool:
    return all(window.start <= token < window.end for token in pair[:2])


def _row(
    document: Document,
    tokens: Tokens,
    aligned: Aligned,
    unsaid: list[list[int]],
    window: Window,
    tokenizer: TextTokenizer,
) -> dict[str, Any]:
    prefix, suffix = tokenizer.prefix, tokenizer.suffix
    piece = slice(window.start, window.end)
    shift = len(prefix) - window.start

    def framed(values: np.ndarray, special: int) -> list[int]:
        return [special] * len(prefix) + values[piece].tolist() + [special] * len(suffix)

    def pairs(found: list[tuple[int, int, int]], names: tuple[str, str, str]) -> list[dict]:
        return [
            dict(zip(names, (pair[0] + shift, pair[1] + shift, pair[2]), strict=True))
            for pair in found
            if _within(window, pair)
        ]

    return {
        "doc_id": document.doc_id,
        "group": group_of(document),
        "input_ids": [*prefix, *tokens.ids[piece].tolist(), *suffix],
        "word_ids": framed(tokens.words, -1),
        "word_shapes": framed(tokens.shapes, 0),
        "offsets_start": framed(tokens.starts, 0),
        "offsets_end": framed(tokens.ends, 0),
        "entity_labels": framed(aligned.entity_labels, IGNORED),
        "trigger_labels": framed(aligned.trigger_labels, IGNORED),
        "relations": pairs(aligned.relations, ("head", "tail", "type")),
        "arguments": pairs(aligned.arguments, ("trigger", "entity", "role")),
        "has_entities": "entities" in document.layers,
        "has_events": "events" in document.layers,
        "has_relations": "relations" in document.layers,
        **dict(zip(SILENT, unsaid, strict=True)),
    }
