"""The sides of `make bench-infer`, each a process (`sides`).

`pipeline` is transformers on torch; any other name is a variant of the ONNX artifact, in PAX's
runtime and bare. All read the texts from one JSON file and answer a `time_…` with seconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pax_assets.inference import pipeline as batching
from pax_assets.inference.cpu import available_cores
from pax_assets.inference.pipeline import BATCH_TOKENS, INPUTS, PAD_TOKENS, Pipeline
from pax_assets.inference.runtime import BF16, MODEL_FILE, Runtime
from pax_assets.inference.session import open_session
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp.documents import Analysis
from pax_assets_tests.benchmarks.sides import obey

WARM_UP = 128
# A short message, in tokens; how many of them are timed alone, after how many that are not.
SHORT, ALONE, BEFORE = 40, 1000, 50
# Where phone numbers without a country's code are from, when the recognizers run.
REGION = "US"

Batch = dict[str, np.ndarray]


def main() -> None:
    """Open the side that the command line names, then obey."""
    kind, folder, texts = sys.argv[1:]
    read = json.loads(Path(texts).read_text(encoding="utf-8"))
    obey(Torch(Path(folder), read) if kind == "pipeline" else Onnx(Path(folder), kind, read))


class Torch:
    """The torch model: in the pipeline of transformers, and in PAX's, which says what is right."""

    def __init__(self, folder: Path, texts: list[str]) -> None:
        # Read when torch is loaded. With threads that spin the pipeline takes twice as long where
        # anything else runs.
        os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
        import torch

        from pax_assets.training import artifact
        from pax_assets_tests.benchmarks.pipeline_peer import token_pipeline

        torch.set_num_threads(available_cores())
        self._folder, self._texts = folder, texts
        self._model, self._scheme = artifact.load(folder)
        self._pipeline = token_pipeline(self._model, self._scheme, folder)

    def entities(self, file: str) -> dict[str, int]:
        """Write the model's entities; return on how many tokens the pipeline says the same.

        After this the pipeline has seen every text: it needs no further warm-up.
        """
        from pax_assets_tests.benchmarks.pipeline_peer import TorchAnswers, equal_labels

        answers = TorchAnswers(self._model, self._scheme, self._folder)
        _write_entities(file, answers.pipeline.analyze(self._texts))
        different = list(dict.fromkeys(self._texts))
        equal, tokens = equal_labels(self._pipeline, answers, different)
        return {"equal": equal, "tokens": tokens}

    def time_1(self) -> float:
        """Time the pipeline, text by text."""
        return _seconds(lambda: self._pipeline(self._texts, batch_size=1))

    def time_32(self) -> float:
        """Time the pipeline with batches of 32, in the order in which the texts come."""
        return _seconds(lambda: self._pipeline(self._texts, batch_size=32))


class Onnx:
    """One variant: PAX's runtime from texts to analyses, and its graph without anything around."""

    def __init__(self, folder: Path, variant: str, texts: list[str]) -> None:
        self._texts = texts
        self._runtime = Runtime.load(folder, variant)
        self._recognizing = Runtime.load(folder, variant, region=REGION)
        self._tokenizer = TextTokenizer.load(folder)
        self._batches = sorted_batches(folder, self._runtime, texts)
        # With the options that PAX sets: with its own, ONNX Runtime was slower on these graphs.
        self._bare = open_session(folder / variant / MODEL_FILE, bf16=variant == BF16)
        for run in (self._runtime, self._recognizing):
            run.analyze(texts[:WARM_UP])
        for inputs in self._batches[-5:]:
            self._bare(inputs)

    def entities(self, file: str) -> int:
        """Write what the runtime finds; return how many entities these are."""
        return _write_entities(file, self._runtime.analyze(self._texts))

    def f1(self, gold: str) -> dict[str, float]:
        """Return F1 (0 to 1) by head on gold documents."""
        from pax_assets.corpora.formats import jsonl
        from pax_assets.nlp import metrics

        documents = list(jsonl.read(Path(gold)))
        found = self._runtime.analyze([document.text for document in documents])
        return metrics.judged_f1(metrics.evaluate(documents, found))

    def time_pax(self) -> float:
        """Time the runtime: all heads, no recognizers."""
        return _seconds(lambda: self._runtime.analyze(self._texts))

    def time_recognizers(self) -> float:
        """Time the runtime as it is served, with recognizers."""
        return _seconds(lambda: self._recognizing.analyze(self._texts))

    def time_bare(self) -> float:
        """Time the calls of the session alone."""

        def run() -> None:
            for inputs in self._batches:
                self._bare(inputs)

        return _seconds(run)

    def alone(self) -> dict[str, float]:
        """Return p50 and p99, in ms, of short messages one at a time, and how many were timed."""
        lengths = map(len, self._tokenizer.encode(self._texts))
        short = [text for text, n in zip(self._texts, lengths, strict=True) if n <= SHORT]
        for text in short[:BEFORE]:
            self._runtime.analyze([text])
        took = [
            1000 * _seconds(lambda text=text: self._runtime.analyze([text]))
            for text in short[:ALONE]
        ]
        p50, p99 = np.percentile(took, (50, 99))
        return {"p50": float(p50), "p99": float(p99), "messages": len(took)}


def sorted_batches(folder: Path, runtime: Runtime, texts: Sequence[str]) -> list[Batch]:
    """Return the inputs of the different texts, cut and batched as PAX does, sorted over all.

    PAX sorts within runs of texts, since memory must not grow with their number.
    """
    rows: list[Batch] = []
    session = open_session(folder / runtime.variant / MODEL_FILE, bf16=runtime.variant == BF16)

    def keep(inputs: Batch) -> Batch:
        for row, length in enumerate(inputs["attention_mask"].sum(axis=1)):
            rows.append({name: inputs[name][row, :length] for name in INPUTS})
        return session(inputs)

    Pipeline(TextTokenizer.load(folder), runtime.scheme, keep).analyze(texts)
    lengths = np.array([len(row["input_ids"]) for row in rows])
    pad = TextTokenizer.load(folder).pad
    filled: list[Batch] = []
    for places in batching.batches(lengths, BATCH_TOKENS, PAD_TOKENS):
        batch = {name: np.zeros((len(places), lengths[places].max()), np.int64) for name in INPUTS}
        batch["input_ids"][:] = pad
        for row, place in enumerate(places):
            for name in INPUTS:
                batch[name][row, : lengths[place]] = rows[place][name]
        filled.append(batch)
    return filled


def _write_entities(file: str, analyses: Sequence[Analysis]) -> int:
    found = [[[e.type, e.start, e.end] for e in analysis.entities] for analysis in analyses]
    Path(file).write_text(json.dumps(found))
    return sum(map(len, found))


def _seconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
