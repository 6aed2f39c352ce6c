"""`make bench-infer`: PAX's runtime against transformers' `pipeline` and bare ONNX Runtime.

The same trained weights and the same real texts on all sides, one process a side, by turns. PAX
takes texts and gives the analyses of all heads; the pipeline takes texts and gives entities
(`pipeline_peer`); the bare session takes batches that were made before and gives arrays. Labels are
compared before anything is timed.

PAX analyses equal texts once. The bare session gets the different texts, and both rates count all
messages, so their ratio is what PAX adds; the pipeline gets every message, as its users do.

The model is the champion of the lake. Another is measured with `--model`, `--onnx`, `--dataset`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pax_assets.lake.artifacts import ArtifactStore, MissingArtifact
from pax_assets_tests.benchmarks.released_model import champion
from pax_assets_tests.benchmarks.report import Value, finish, machine
from pax_assets_tests.benchmarks.score_peers import DATA
from pax_assets_tests.benchmarks.sides import Side

ROUNDS = int(os.environ.get("PAX_BENCH_ROUNDS", "5"))
# 0: all there are.
MESSAGES = int(os.environ.get("PAX_BENCH_MESSAGES", "0"))
FLOORS = {
    "times": (">=", 6),
    "times_fp32": (">=", 3),
    "agreement": (">=", 0.995),
    "f1_drop": ("<=", 0.5),
    "bare_ratio": (">=", 0.85),
}
# Two ways to add the same numbers differ in the last digit, and some tokens are a tie.
_SAME_LABELS = 0.999

Entities = list[list[list[str | int]]]
# A side and what it is asked to time.
Turn = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: folders of a model, its graphs and its dataset, and what is served."""

    model: Path
    onnx: Path
    dataset: Path
    variant: str


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, time the rounds, print the line."""
    subject = _subject(arguments)
    texts = _texts()
    distinct = len(dict.fromkeys(texts))
    print(
        f"bench-infer: {len(texts)} messages, {distinct} different, {ROUNDS} rounds, "
        f"{subject.variant}, {machine()}",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="pax-bench-infer-") as folder:
        file = Path(folder, "texts.json")
        file.write_text(json.dumps(texts), encoding="utf-8")
        sides = {"pipeline": Side("infer_peers", "pipeline", str(subject.model), str(file))}
        for variant in dict.fromkeys(("fp32", subject.variant)):
            sides[variant] = Side("infer_peers", variant, str(subject.onnx), str(file))
        agreement = _agreement(sides, Path(folder))
        drop = _drop(sides, subject)
        rates = _rates(sides, subject.variant, len(texts))
        alone = sides[subject.variant]("alone")
        for side in sides.values():
            side.close()
    print(f"alone: {alone['messages']} short messages, p50 {alone['p50']:.2f} ms", flush=True)
    finish(
        "bench-infer",
        {
            **_values(rates, subject.variant, agreement, drop),
            "p50_ms": round(alone["p50"], 2),
            "p99_ms": round(alone["p99"], 2),
            "variant": subject.variant,
            "distinct": distinct,
            "messages": len(texts),
            "rounds": ROUNDS,
        },
        FLOORS,
    )


def _subject(arguments: Sequence[str] | None) -> Subject:
    parser = argparse.ArgumentParser(prog="python -m pax_assets_tests.benchmarks.bench_infer")
    parser.add_argument("--model", type=Path, help="a model artifact")
    parser.add_argument("--onnx", type=Path, help="its ONNX artifact")
    parser.add_argument("--dataset", type=Path, help="its tokenized dataset")
    parser.add_argument("--variant", help="what is served; else what the ONNX artifact recommends")
    given = parser.parse_args(arguments)
    folders = (given.model, given.onnx, given.dataset)
    if all(folders):
        report = json.loads((given.onnx / "report.json").read_text(encoding="utf-8"))
        variant = given.variant or report["recommended"]["cpu"]
        if not variant:
            raise SystemExit(f"{given.onnx} recommends no variant: name one with --variant")
        return Subject(*folders, variant)
    if any(folders):
        parser.error("--model, --onnx and --dataset go together")
    lake, release = champion()
    store = ArtifactStore(lake)
    try:
        return Subject(
            store.version("message_model", release.model_version).path,
            store.version("onnx_model", release.onnx_version).path,
            store.version("tokenized_dataset", release.dataset_version).path,
            given.variant or release.variant,
        )
    except MissingArtifact as error:
        raise SystemExit(
            f"the champion of the lake {lake} is not whole ({error}): make demo trains another"
        ) from error


def _texts() -> list[str]:
    if not DATA.is_file():
        raise SystemExit(f"{DATA} does not exist: bench-infer needs the UCI SMS collection there")
    texts = [line.split("\t", 1)[1] for line in DATA.read_text(encoding="utf-8").splitlines()]
    return texts[:MESSAGES] if MESSAGES else texts


def _agreement(sides: dict[str, Side], folder: Path) -> float:
    """Return what share of entities fp32 and torch both find.

    `SystemExit` where the pipeline's labels are not those of the torch model.
    """
    labels = sides["pipeline"]("entities", folder / "torch.json")
    share = labels["equal"] / max(1, labels["tokens"])
    print(
        f"pipeline: {labels['equal']} of {labels['tokens']} tokens as the torch model", flush=True
    )
    if share < _SAME_LABELS:
        raise SystemExit("bench-infer: the pipeline has other labels than the torch model")
    right: Entities = json.loads((folder / "torch.json").read_text())
    shares = {}
    for kind in [kind for kind in sides if kind != "pipeline"]:
        sides[kind]("entities", folder / f"{kind}.json")
        shares[kind] = _shared(json.loads((folder / f"{kind}.json").read_text()), right)
        print(f"{kind}: {100 * shares[kind]:.2f} % of entities as the torch model's", flush=True)
    return shares["fp32"]


def _shared(found: Entities, right: Entities) -> float:
    """Return twice the common entities by the number of both (1.0: none on either side)."""
    common = total = 0
    for these, those in zip(found, right, strict=True):
        one, other = ({tuple(entity) for entity in entities} for entities in (these, those))
        common += len(one & other)
        total += len(one) + len(other)
    return 2 * common / total if total else 1.0


def _drop(sides: dict[str, Side], subject: Subject) -> float:
    """Return the most points of F1 (0 to 100) that a head loses against fp32."""
    gold = subject.dataset / "dev_gold.jsonl"
    reference, served = (sides[kind]("f1", gold) for kind in ("fp32", subject.variant))
    drops = {head: 100 * (f1 - served[head]) for head, f1 in reference.items()}
    lost = ", ".join(f"{head} {drop:+.2f}" for head, drop in drops.items())
    print(f"{subject.variant} loses on dev: {lost}", flush=True)
    return max(drops.values())


def _rates(sides: dict[str, Side], variant: str, messages: int) -> dict[Turn, float]:
    """Return the median messages a second of each side's turns."""
    turns: list[Turn] = [("pipeline", "1"), ("pipeline", "32"), ("fp32", "pax"), ("fp32", "bare")]
    turns += [(variant, what) for what in ("pax", "bare", "recognizers")]
    turns = list(dict.fromkeys(turns))
    rates: dict[Turn, list[float]] = {turn: [] for turn in turns}
    for number in range(ROUNDS):
        at = number % len(turns)
        for turn in turns[at:] + turns[:at]:
            kind, what = turn
            rates[turn].append(messages / sides[kind](f"time_{what}"))
            print(
                f"round {number + 1} {kind:8} {what:11} {rates[turn][-1]:8.1f} messages/s",
                flush=True,
            )
    return {turn: statistics.median(found) for turn, found in rates.items()}


def _values(
    rates: dict[Turn, float], variant: str, agreement: float, drop: float
) -> dict[str, Value]:
    pax, fp32 = rates[variant, "pax"], rates["fp32", "pax"]
    best = max(rates["pipeline", "1"], rates["pipeline", "32"])
    return {
        "pax_msg_s": round(pax, 1),
        "fp32_msg_s": round(fp32, 1),
        "pipeline_msg_s": round(best, 1),
        "bare_msg_s": round(rates[variant, "bare"], 1),
        "times": round(pax / best, 2),
        "times_fp32": round(fp32 / best, 2),
        "agreement": round(agreement, 5),
        "f1_drop": round(drop, 2),
        "bare_ratio": round(pax / rates[variant, "bare"], 3),
        "bare_fp32_ratio": round(fp32 / rates["fp32", "bare"], 3),
        "with_recognizers_msg_s": round(rates[variant, "recognizers"], 1),
    }


if __name__ == "__main__":
    main()
