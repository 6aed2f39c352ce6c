"""From a model artifact to the ONNX artifact: every variant measured, and which may be served.

A variant is chosen by numbers that stand side by side (F1 of each head, bytes, milliseconds,
messages a second), not by its name. It is servable if an answer does not depend on the batch and no
head loses more than half a point of F1; of those the fastest for each kind of kernels is
recommended.

    python -m pax_assets.training.export --model DIR --dataset DIR --output DIR
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from pax_assets.corpora.formats import jsonl
from pax_assets.inference.runtime import BF16, Runtime
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp import metrics
from pax_assets.nlp.documents import Document
from pax_assets.training import artifact
from pax_assets.training.model import MessageModel
from pax_assets.training.onnx_fusion import fuse
from pax_assets.training.onnx_graph import FP16, candidates, export_fp32, place
from pax_assets.training.parity import (
    FP32_TOLERANCE,
    LOW_TOLERANCE,
    batch_independence,
    parity_grid,
)
from pax_assets.training.reporting import Reporter, reporter

COPIED = ("tokenizer.json", "labels.json", "lineage.json")
REPORT = "report.json"
# F1 points (of 100) that a head may lose against fp32.
MAX_DROP = 0.5
# Texts whose latency is measured, one at a time; rounds of all texts at once; texts whose batches
# are compared; training texts on which 8 bits are calibrated.
TIMED = 60
ROUNDS = 3
PROBES = 24
CALIBRATION = 400
# Which variants the kernels take that `PAX_PROVIDER` chooses: OpenVINO knows no fused attention in
# 8 bits, and bf16 runs in OpenVINO wherever it is chosen.
VARIANTS_OF = {
    "cpu": ("fp32", "int8", BF16),
    "openvino": (BF16, "fp32"),
    "gpu": (FP16,),
}


def export(model_dir: Path, output_dir: Path, dataset: Path, report: Reporter) -> dict[str, Any]:
    """Write the ONNX artifact to `output_dir` and return the content of its report.json.

    `{"parity": {...}, "variants": {name: {"f1", "bytes", "latency_ms", "messages_s", "runs_on",
    "batch_independent", "max_diff", "served", "why"}}, "not_here": {name: why}, "recommended":
    {"cpu": name or null, "openvino": …, "gpu": …}}`. F1s are on the dev split of `dataset`. A
    failed parity is reported, not raised: the asset's check blocks.
    """
    model, scheme = artifact.load(model_dir)
    gold = list(jsonl.read(dataset / "dev_gold.jsonl"))
    draft = output_dir.parent / f".{output_dir.name}.{uuid.uuid4().hex[:8]}"
    draft.mkdir(parents=True)
    try:
        for name in COPIED:
            shutil.copyfile(model_dir / name, draft / name)
        started = time.monotonic()
        plain = export_fp32(model, draft)
        report.line(f"fp32 exported in {time.monotonic() - started:.1f} s")
        fp32, parity = _fused(model, plain, _sample_ids(draft, gold), scheme.max_length)
        report.line(
            f"parity: {'passed' if parity['passed'] else 'FAILED'} {parity['max_diff']:.1e}, "
            f"attention {'fused' if parity['fused'] else 'as exported'}"
        )
        variants = {"fp32": measure(draft, "fp32", gold, FP32_TOLERANCE)}
        not_here: dict[str, str] = {}
        for name, candidate in candidates(plain, fp32, calibration(dataset)).items():
            if candidate.missing:
                not_here[name] = candidate.missing
                continue
            for write in candidate.ways:
                write(place(draft, name))
                variants[name] = measure(draft, name, gold, LOW_TOLERANCE)
                if not losses(variants["fp32"], variants[name]):
                    break
        plain.unlink()
        _time(draft, variants, [document.text for document in gold])
        for name, variant in variants.items():
            report.line(_line(name, variant))
        judge(variants, parity_passed=parity["passed"])
        result = {
            "parity": parity,
            "variants": variants,
            "not_here": not_here,
            "recommended": {kernels: recommend(variants, kernels) for kernels in VARIANTS_OF},
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


def _fused(
    model: MessageModel, plain: Path, sample_ids: np.ndarray, length: int
) -> tuple[Path, dict[str, Any]]:
    """Write fp32 with fused attention beside `plain`, or without where that says otherwise."""
    fp32 = place(plain.parent, "fp32")
    shutil.copyfile(plain, fp32)
    fused = fuse(fp32, length)
    parity = parity_grid(model, fp32, sample_ids)
    if fused and not parity["passed"]:
        shutil.copyfile(plain, fp32)
        fused, parity = False, parity_grid(model, fp32, sample_ids)
    return fp32, {**parity, "fused": fused}


def calibration(dataset: Path) -> list[str]:
    """Return texts of the training part: the dev part must stay unseen."""
    return [d.text for d in islice(jsonl.read(dataset / "train_gold.jsonl"), CALIBRATION)]


def measure(
    folder: Path, variant: str, gold: Sequence[Document], tolerance: float
) -> dict[str, Any]:
    """Return F1 by head, bytes, whether answers depend on the batch, and on what it runs."""
    texts = [document.text for document in gold]
    scores = metrics.evaluate(gold, _runtime(folder, variant).analyze(texts))
    independence = batch_independence(
        folder, variant, texts[:PROBES], tolerance, _provider(variant)
    )
    return {
        "f1": metrics.head_f1(scores),
        "support": {head: scores[head]["support"] for head in metrics.head_f1(scores)},
        "bytes": sum(f.stat().st_size for f in (folder / variant).iterdir()),
        "runs_on": chip_of(variant),
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
        reasons += losses(reference, variant)
        variant["served"] = not reasons
        variant["why"] = "; ".join(reasons) or (
            f"no head lost more than {MAX_DROP:g} points of F1, answers do not depend on the batch"
        )


def losses(reference: Mapping[str, Any], variant: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each head that loses more than `MAX_DROP` points against fp32."""
    dropped = {head: 100 * (reference["f1"][head] - f1) for head, f1 in variant["f1"].items()}
    return [
        f"{head} lost {drop:.1f} points of F1"
        for head, drop in dropped.items()
        if drop > MAX_DROP + 1e-9
    ]


def recommend(variants: dict[str, dict[str, Any]], kernels: str) -> str | None:
    """Return the fastest variant that may be served by `kernels`, None where none may.

    `kernels` is one of `VARIANTS_OF`.
    """
    served = [
        name for name in VARIANTS_OF[kernels] if name in variants and variants[name]["served"]
    ]
    if kernels == "openvino":
        # Its own fp32 is not timed here; where the processor has bf16, that is faster.
        return next(iter(served), None)
    return max(served, key=lambda name: variants[name]["messages_s"], default=None)


def chip_of(variant: str) -> str:
    """Return on which kind of chip a variant is measured: full precision and 8 bits on the CPU."""
    return "gpu" if variant == FP16 else "cpu"


def _provider(variant: str) -> str:
    return "cuda" if chip_of(variant) == "gpu" else "cpu"


def _runtime(folder: Path, variant: str) -> Runtime:
    return Runtime.load(folder, variant, provider=_provider(variant))


def _time(folder: Path, variants: dict[str, dict[str, Any]], texts: Sequence[str]) -> None:
    """Add `latency_ms`, of a message alone, and `messages_s`, of all at once; medians.

    The variants take turns, so that whatever else the machine does slows all of them.
    """
    runtimes = {name: _runtime(folder, name) for name in variants}
    alone: dict[str, list[float]] = {name: [] for name in variants}
    together: dict[str, list[float]] = {name: [] for name in variants}
    for text in texts[:TIMED]:
        for name, runtime in runtimes.items():
            started = time.perf_counter()
            runtime.analyze([text])
            alone[name].append(1000 * (time.perf_counter() - started))
    for _ in range(ROUNDS):
        for name, runtime in runtimes.items():
            started = time.perf_counter()
            runtime.analyze(texts)
            together[name].append(len(texts) / (time.perf_counter() - started))
    for name, variant in variants.items():
        variant["latency_ms"] = float(np.median(alone[name])) if alone[name] else 0.0
        variant["messages_s"] = float(np.median(together[name]))


def _sample_ids(folder: Path, gold: Sequence[Document]) -> np.ndarray:
    """Token ids of real texts, to fill the parity grid with."""
    encoded = TextTokenizer.load(folder).encode([document.text for document in gold[:100]])
    ids = np.concatenate([np.array([1], dtype=np.int32), *(tokens.ids for tokens in encoded)])
    return ids.astype(np.int64)


def _line(name: str, variant: dict[str, Any]) -> str:
    f1 = " ".join(f"{head}_f1={value:.3f}" for head, value in variant["f1"].items())
    return (
        f"{name}: {f1} {variant['bytes'] / 1e6:.0f} MB {variant['latency_ms']:.1f} ms a message, "
        f"{variant['messages_s']:.0f} messages/s together, "
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
