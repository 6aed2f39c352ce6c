"""From a model artifact to the ONNX artifact: every variant measured, and which may be served.

A variant is chosen by numbers that stand side by side (F1 of each head, bytes, milliseconds),
not by its name. It is servable if an answer does not depend on the batch and no head loses
more than half a point of F1; the fastest servable one is recommended.

    python -m pax_assets.training.export --model DIR --dataset DIR --output DIR
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pax_assets.corpora.formats import jsonl
from pax_assets.inference.runtime import Runtime
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp import metrics
from pax_assets.nlp.documents import Document
from pax_assets.training import artifact
from pax_assets.training.onnx_graph import CANDIDATES, export_fp32
from pax_assets.training.parity import (
    FP32_TOLERANCE,
    QUANTIZED_TOLERANCE,
    batch_independence,
    parity_grid,
)
from pax_assets.training.reporting import Reporter, reporter

COPIED = ("tokenizer.json", "labels.json", "lineage.json")
REPORT = "report.json"
# F1 points (of 100) that a head may lose against fp32.
MAX_DROP = 0.5
# Texts whose latency is measured, one at a time, and texts whose batches are compared.
TIMED = 60
PROBES = 24


def export(model_dir: Path, output_dir: Path, dataset: Path, report: Reporter) -> dict[str, Any]:
    """Write the ONNX artifact to `output_dir` and return the content of its report.json.

    `{"parity": {...}, "variants": {name: {"f1", "bytes", "latency_ms", "batch_independent",
    "max_diff", "served", "why"}}, "recommended": name or null}`. F1s are on the dev split of
    `dataset`. A failed parity is reported, not raised: the asset's check blocks.
    """
    model, _ = artifact.load(model_dir)
    gold = list(jsonl.read(dataset / "dev_gold.jsonl"))
    draft = output_dir.parent / f".{output_dir.name}.{uuid.uuid4().hex[:8]}"
    draft.mkdir(parents=True)
    try:
        for name in COPIED:
            shutil.copyfile(model_dir / name, draft / name)
        started = time.monotonic()
        fp32 = export_fp32(model, draft)
        report.line(f"fp32 exported in {time.monotonic() - started:.1f} s")
        parity = parity_grid(model, fp32, _sample_ids(draft, gold))
        report.line(
            f"parity: {'passed' if parity['passed'] else 'FAILED'} {parity['max_diff']:.1e}"
        )
        variants = {"fp32": measure(draft, "fp32", gold, FP32_TOLERANCE)}
        report.line(_line("fp32", variants["fp32"]))
        for name, quantize in CANDIDATES.items():
            quantize(fp32, draft)
            variants[name] = measure(draft, name, gold, QUANTIZED_TOLERANCE)
            report.line(_line(name, variants[name]))
        judge(variants, parity_passed=parity["passed"])
        result = {
            "parity": parity,
            "variants": variants,
            "recommended": recommend(variants),
            "max_f1_drop": MAX_DROP,
        }
        artifact.write_json(draft / REPORT, result)
        artifact.publish(draft, output_dir)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    report.send(
        "export",
        output=str(output_dir),
        parity={k: parity[k] for k in ("passed", "max_diff", "tolerance")},
        variants=variants,
        recommended=result["recommended"],
    )
    report.line(f"recommended: {result['recommended']}")
    return result


def measure(
    folder: Path, variant: str, gold: Sequence[Document], tolerance: float
) -> dict[str, Any]:
    """Return F1 by head, size in bytes, median milliseconds a message, batch independence."""
    runtime = Runtime.load(folder, variant)
    texts = [document.text for document in gold]
    scores = metrics.evaluate(gold, runtime.analyze(texts))
    timed = []
    for text in texts[:TIMED]:
        started = time.perf_counter()
        runtime.analyze([text])
        timed.append(1000 * (time.perf_counter() - started))
    independence = batch_independence(folder, variant, texts[:PROBES], tolerance)
    return {
        "f1": metrics.head_f1(scores),
        "support": {head: scores[head]["support"] for head in metrics.head_f1(scores)},
        "bytes": sum(f.stat().st_size for f in (folder / variant).iterdir()),
        "latency_ms": float(np.median(timed)) if timed else 0.0,
        "batch_independent": independence["passed"],
        "max_diff": independence["max_diff"],
        "texts_that_differ": independence["different"],
        "tolerance": tolerance,
    }


def judge(variants: dict[str, dict[str, Any]], *, parity_passed: bool) -> None:
    """Set `served` and `why` of every variant, against "fp32" among them."""
    reference = variants["fp32"]
    for variant in variants.values():
        reasons = []
        if not parity_passed:
            reasons.append("the exported graph differs from the torch model")
        if not variant["batch_independent"]:
            reasons.append(
                f"answers depend on the batch: {variant['texts_that_differ']} texts got other "
                f"labels, scores moved by {variant['max_diff']:.1e}"
            )
        for head, f1 in variant["f1"].items():
            drop = 100 * (reference["f1"][head] - f1)
            if drop > MAX_DROP + 1e-9:
                reasons.append(f"{head} lost {drop:.1f} points of F1")
        variant["served"] = not reasons
        variant["why"] = "; ".join(reasons) or "no head lost F1, answers do not depend on the batch"


def recommend(variants: dict[str, dict[str, Any]]) -> str | None:
    """Return the fastest variant that may be served, None where none may."""
    served = [name for name, variant in variants.items() if variant["served"]]
    return min(served, key=lambda name: variants[name]["latency_ms"], default=None)


def _sample_ids(folder: Path, gold: Sequence[Document]) -> np.ndarray:
    """Token ids of real texts, to fill the parity grid with."""
    encoded = TextTokenizer.load(folder).encode([document.text for document in gold[:100]])
    ids = np.concatenate([np.array([1], dtype=np.int32), *(tokens.ids for tokens in encoded)])
    return ids.astype(np.int64)


def _line(name: str, variant: dict[str, Any]) -> str:
    f1 = " ".join(f"{head}_f1={value:.3f}" for head, value in variant["f1"].items())
    return (
        f"{name}: {f1} {variant['bytes'] / 1e6:.0f} MB {variant['latency_ms']:.1f} ms "
        f"batch independent: {'yes' if variant['batch_independent'] else 'NO'} "
        f"({variant['max_diff']:.1e})"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Export as the command line says; exit code 1 where an input is missing."""
    parser = argparse.ArgumentParser(prog="python -m pax_assets.training.export")
    parser.add_argument("--model", type=Path, required=True, help="a model artifact")
    parser.add_argument("--dataset", type=Path, required=True, help="its tokenized_dataset")
    parser.add_argument("--output", type=Path, required=True, help="folder of the ONNX artifact")
    options = parser.parse_args(arguments)
    with reporter() as report:
        try:
            export(options.model, options.output, options.dataset, report)
        except (ValueError, OSError) as error:
            sys.exit(f"export: {error}")


if __name__ == "__main__":
    main()
