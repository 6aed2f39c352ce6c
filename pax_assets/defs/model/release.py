"""Which model is served: the newest one, unless it is worse than the one before it.

Scores from different dev sets do not compare. When labels changed, the champion is measured
again on the present dev set, by the same code that serves it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

    from pax_assets.defs.resources import LakeResource

HEADS = ("entity", "event", "relation")
LARGEST_DROP = 0.005
# Under these a head is not worth serving. On the sample they are far below what it reaches.
QUALITY_FLOOR = {"entity": 0.50, "event": 0.40, "relation": 0.30}


# As `inference.evaluate` says that a model of another version cannot be measured.
UNUSABLE = "unusable"


class NotReleasable(RuntimeError):
    """The newest exported model must not be served, and there is nothing else to release."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Challenger against champion; `regressed` holds a sentence for each head that lost."""

    challenger: dict[str, Any]
    champion: dict[str, Any]
    champion_version: str
    rows: list[dict[str, str]]
    regressed: list[str]


def compare_with_champion(context: dg.AssetExecutionContext, lake: LakeResource) -> Comparison:
    """Measure the newest exported model and the champion on the present dev set."""
    from pax_assets.lake.artifacts import MissingArtifact

    store = lake.artifacts()
    onnx, dataset = store.current("onnx_model"), store.current("tokenized_dataset")
    report = json.loads((onnx.path / "report.json").read_text())
    lineage = json.loads((onnx.path / "lineage.json").read_text())
    variant = report["recommended"]
    if variant is None:
        raise NotReleasable(
            f"no variant of onnx_model {onnx.version} may be served: its check fp32_parity says "
            "why; mend the export and materialize onnx_model again"
        )
    challenger = {
        "model_version": lineage["model_version"],
        "onnx_version": onnx.version,
        "onnx_path": f"onnx_model/{onnx.version}",
        "variant": variant,
        "dataset_version": dataset.version,
        "metrics": {head: report["variants"][variant]["f1"][head] for head in HEADS},
    }
    low = under_the_floor(lineage.get("f1", {}).get("test", {}))
    try:
        held = store.current("released_model")
    except MissingArtifact:
        if low:
            raise NotReleasable("; ".join(low) + ": train a better message_model first") from None
        return Comparison(challenger, {}, "", _rows(challenger, {}), [])
    champion = json.loads((held.path / "release.json").read_text())
    if champion["dataset_version"] != dataset.version:
        champion["metrics"] = _measure(context, lake, champion, dataset.path)
        if UNUSABLE in champion["metrics"]:
            context.log.warning("the champion gives way: %s", champion["metrics"][UNUSABLE])
            if low:
                raise NotReleasable("; ".join(low) + ": train a better message_model first")
            return Comparison(challenger, {}, "", _rows(challenger, {}), [])
    return Comparison(
        challenger,
        champion,
        held.version,
        _rows(challenger, champion),
        low + regressions(champion["metrics"], challenger["metrics"]),
    )


def under_the_floor(test: Mapping[str, float]) -> list[str]:
    """Return a sentence for each head whose F1 on test is under its floor.

    The check of `message_model` says so too, but it cannot stop a run started by hand here.
    """
    return [
        f"{head} F1 on test is {test[head]:.3f}, under its floor of {floor}"
        for head, floor in QUALITY_FLOOR.items()
        if head in test and test[head] < floor
    ]


def regressions(champion: Mapping[str, float], challenger: Mapping[str, float]) -> list[str]:
    """Return a sentence for each head whose F1 falls by more than half a point."""
    return [
        f"{head} F1 falls from {champion[head]:.3f} to {challenger[head]:.3f}"
        for head in HEADS
        if challenger[head] < champion[head] - LARGEST_DROP
    ]


def publish_release(lake: LakeResource, release: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Make `release` the champion; return it and its version."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "release.json").write_text(json.dumps(release, indent=2, sort_keys=True))
        identity = Path(folder) / "identity"
        identity.mkdir()
        # The graph's version too: a model exported again in other bytes is served again.
        parts = (release[name] for name in ("model_version", "onnx_version", "variant"))
        (identity / "version").write_text(" ".join(parts))
        artifact = lake.artifacts().publish(
            "released_model", Path(folder), identity=["identity/version"]
        )
    return dict(release), artifact.version


def _measure(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    release: Mapping[str, Any],
    dataset: Path,
) -> dict[str, Any]:
    from pax_assets.compute.payload import run_payload

    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "scores.json"
        run_payload(
            context,
            "pax_assets.inference.evaluate",
            [
                f"--model={lake.artifacts().version('onnx_model', release['onnx_version']).path}",
                f"--variant={release['variant']}",
                f"--gold={dataset / 'dev_gold.jsonl'}",
                f"--output={output}",
            ],
        )
        scores = json.loads(output.read_text())
    if UNUSABLE in scores:
        return scores
    return {head: float(scores[head]) for head in HEADS}


def _rows(challenger: Mapping[str, Any], champion: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {
            "head": head,
            "champion": f"{champion['metrics'][head]:.3f}" if champion else "none",
            "challenger": f"{challenger['metrics'][head]:.3f}",
        }
        for head in HEADS
    ]
