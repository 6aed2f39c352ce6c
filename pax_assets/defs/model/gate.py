"""Whether a challenger becomes the champion.

Scores from different dev sets do not compare, and neither do scores of different runtimes: both
models are measured on the dev part of the present tokenized dataset, each by the variant that
serves. A conversation stays in its part while others are added, so the champion never learnt
from what it is judged on.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pax_assets.defs.metadata import markdown_table
from pax_assets.lake.artifacts import MissingArtifact
from pax_assets.lake.releases import Release, Served
from pax_assets.settings import load_settings

if TYPE_CHECKING:
    import dagster as dg

    from pax_assets.defs.resources import LakeResource
    from pax_assets.lake.artifacts import Artifact

HEADS = ("entity", "event", "relation")
# What may not fall, and what the overall score is the mean of: events count by their triggers
# and by their arguments, as when training chooses its best epoch.
SCORES = ("entity", "event", "argument", "relation")
LARGEST_DROP = 0.005
# Under these a head is not worth serving. On the sample they are far below what it reaches.
QUALITY_FLOOR = {"entity": 0.50, "event": 0.40, "relation": 0.30}
MEAN = "mean"
# F1s of equal models are equal; this is for sums of decimals.
_EPSILON = 1e-9
# As `inference.evaluate` says that a model of another version cannot be measured.
_UNUSABLE = "unusable"


class NotReleasable(RuntimeError):
    """A model that must not be served, and there is nothing else to release; says why."""


class Unmeasurable(RuntimeError):
    """A model that cannot be opened any more; the message says why."""


@dataclass(frozen=True, slots=True)
class Challenger(Served):
    """An exported model. `test` is its F1 on the test part, `named` whether a person named it.

    `metrics` are empty where its export did not just measure it on the dataset.
    """

    test: Mapping[str, float]
    named: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found: `refused` holds a sentence for each reason, none if it may pass.

    `same` says that the challenger is the champion: nothing is released, and nothing is wrong.
    """

    challenger: Challenger
    champion: Release | None
    rows: list[dict[str, str]]
    refused: list[str]
    same: bool
    measured_on: str

    @property
    def sentence(self) -> str:
        """The outcome in one sentence."""
        model = self.challenger.model
        if self.same:
            return f"model {model} is the champion already"
        if self.refused:
            kept = self.champion.model if self.champion else "none"
            return f"model {model} is refused, {kept} stays: " + "; ".join(self.refused)
        if self.champion is None:
            return f"model {model} is the first champion: there was nothing to compare it with"
        if self.champion.model_version == self.challenger.model_version:
            return f"model {model}, exported anew, takes the place of its former graphs"
        return f"model {model} is better than {self.champion.model}"

    @property
    def page(self) -> str:
        """The comparison as Markdown."""
        return f"{markdown_table(self.rows)}\n\n{self.measured_on}\n\nVerdict: {self.sentence}"


def challenger_of(
    lake: LakeResource, onnx_version: str, dataset_version: str, *, named: bool = False
) -> Challenger:
    """Return the exported model `onnx_version` as a challenger on this dataset.

    Raises `NotReleasable` where none of its variants may be served.
    """
    store = lake.artifacts()
    report = json.loads(store.text("onnx_model", onnx_version, "report.json"))
    lineage = json.loads(store.text("onnx_model", onnx_version, "lineage.json"))
    settings = load_settings()
    # Models that were exported before there was a choice have no variant for it.
    variant = report["recommended"].get(settings.kernels)
    if variant is None:
        raise NotReleasable(
            f"no variant of onnx_model {onnx_version} may be served with "
            f"PAX_PROVIDER={settings.provider}: its check fp32_parity and its metadata say why; "
            "mend the export, or export where that provider runs, and materialize onnx_model again"
        )
    measured = report["variants"][variant]["f1"]
    # A model that somebody names was measured long ago, maybe by other code.
    here = not named and lineage.get("dataset_version") == dataset_version
    return Challenger(
        model_version=lineage["model_version"],
        onnx_version=onnx_version,
        variant=variant,
        dataset_version=dataset_version,
        metrics={score: float(measured[score]) for score in SCORES} if here else {},
        test=lineage.get("f1", {}).get("test", {}),
        named=named,
    )


def compare(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    challenger: Challenger,
    champion: Release | None,
    withdrawn: Mapping[str, Release],
) -> Verdict:
    """Measure what was not measured on the present dev set, and judge.

    Raises `NotReleasable` where the challenger cannot be opened.
    """
    dataset = lake.artifacts().current("tokenized_dataset")
    if not challenger.metrics:
        try:
            metrics = _measure(context, lake, challenger, dataset)
        except Unmeasurable as error:
            raise NotReleasable(f"model {challenger.model} cannot be released: {error}") from None
        challenger = replace(challenger, metrics=metrics)
    scores = _champions_scores(context, lake, champion, challenger, dataset)
    if not scores:
        champion = None
    annotated = _annotated(dataset.path)
    same = champion is not None and challenger.same_answers(champion)
    refused = [] if same else _why_refused(challenger, champion, scores, annotated, withdrawn)
    measured_on = (
        f"Strict F1 on the {annotated.pop('documents')} documents of the dev part of "
        f"tokenized_dataset `{dataset.version}`, by the variants that are served"
        + (f" (champion {champion.variant}, " if champion else " (")
        + f"challenger {challenger.variant})."
    )
    rows = _rows(challenger.metrics, scores, annotated)
    return Verdict(challenger, champion, rows, refused, same, measured_on)


def under_the_floor(test: Mapping[str, float]) -> list[str]:
    """Return a sentence for each head whose F1 on test is under its floor.

    The check of `message_model` says so too, but it cannot stop a run started by hand here.
    """
    if not test:
        return ["no head was judged on test: it has no labels"]
    return [
        f"{head} F1 on test is {test[head]:.3f}, under its floor of {floor}"
        for head, floor in QUALITY_FLOOR.items()
        if head in test and test[head] < floor
    ]


def regressions(champion: Mapping[str, float], challenger: Mapping[str, float]) -> list[str]:
    """Return a sentence for each score that falls by more than half a point."""
    return [
        f"{score} F1 falls by {_points(champion[score] - challenger[score])} points, from "
        f"{champion[score]:.4f} to {challenger[score]:.4f}"
        for score in SCORES
        if challenger[score] < champion[score] - LARGEST_DROP - _EPSILON
    ]


def overall(scores: Mapping[str, float], annotated: Mapping[str, int]) -> float:
    """Return the mean of the scores that have something to find in the dev set (0 if none)."""
    judged = [scores[score] for score in SCORES if annotated.get(score)]
    return sum(judged) / len(judged) if judged else 0.0


def _why_refused(
    challenger: Challenger,
    champion: Release | None,
    scores: Mapping[str, float],
    annotated: Mapping[str, int],
    withdrawn: Mapping[str, Release],
) -> list[str]:
    refused = under_the_floor(challenger.test)
    left = withdrawn.get(challenger.model_version) or withdrawn.get(challenger.onnx_version)
    if left and not challenger.named:
        refused.append(
            f"it was withdrawn by release {left.number} ({left.released_at[:10]}: {left.why}); "
            f"make promote MODEL={challenger.model} lets it try again"
        )
    if champion is None:
        return refused
    refused += regressions(scores, challenger.metrics)
    before, after = (overall(found, annotated) for found in (scores, challenger.metrics))
    # The same weights in other graphs are no new model: they need not be better.
    if challenger.model_version != champion.model_version and after <= before + _EPSILON:
        refused.append(f"the mean of the scores does not rise ({before:.4f}, then {after:.4f})")
    return refused


def _champions_scores(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    champion: Release | None,
    challenger: Challenger,
    dataset: Artifact,
) -> dict[str, float]:
    """Return the champion's scores on the present dev set; empty where it gives way.

    Measured anew each time: the code that serves it may have changed since, as may the dev set.
    """
    if champion is None:
        return {}
    if champion.same_answers(challenger):
        return dict(challenger.metrics)
    try:
        return _measure(context, lake, champion, dataset)
    except Unmeasurable as error:
        context.log.warning("the champion gives way: %s", error)
        return {}


def _measure(
    context: dg.AssetExecutionContext, lake: LakeResource, model: Served, dataset: Artifact
) -> dict[str, float]:
    from pax_assets.compute.payload import run_payload

    try:
        graphs = lake.artifacts().version("onnx_model", model.onnx_version)
    except MissingArtifact as error:
        raise Unmeasurable(str(error)) from None
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "scores.json"
        run_payload(
            context,
            "pax_assets.inference.evaluate",
            [
                f"--model={graphs.path}",
                f"--variant={model.variant}",
                f"--gold={dataset.path / 'dev_gold.jsonl'}",
                f"--output={output}",
            ],
        )
        scores = json.loads(output.read_text())
    if _UNUSABLE in scores:
        raise Unmeasurable(scores[_UNUSABLE])
    return {score: float(scores[score]) for score in SCORES}


def _annotated(dataset: Path) -> dict[str, int]:
    """Count what there is to find in the dev set, by score, and its `documents`."""
    from pax_assets.corpora.formats import jsonl

    counts = dict.fromkeys((*SCORES, "documents"), 0)
    for document in jsonl.read(dataset / "dev_gold.jsonl"):
        counts["documents"] += 1
        layers: Mapping[str, Sequence[object]] = {
            "entities": document.entities,
            "events": document.events,
            "relations": document.relations,
        }
        for score, layer in zip(HEADS, layers, strict=True):
            counts[score] += len(layers[layer]) if layer in document.layers else 0
        if "events" in document.layers:
            counts["argument"] += sum(len(event.arguments) for event in document.events)
    return counts


def _rows(
    challenger: Mapping[str, float], champion: Mapping[str, float], annotated: Mapping[str, int]
) -> list[dict[str, str]]:
    rows = [
        _row(score, annotated[score], champion.get(score), challenger[score]) for score in SCORES
    ]
    before = overall(champion, annotated) if champion else None
    return [*rows, _row(MEAN, None, before, overall(challenger, annotated))]


def _row(name: str, gold: int | None, before: float | None, after: float) -> dict[str, str]:
    return {
        "score": name,
        "in dev": "" if gold is None else str(gold),
        "champion": "none" if before is None else f"{before:.4f}",
        "challenger": f"{after:.4f}",
        "points": "" if before is None else f"{100 * (after - before):+.2f}",
        "verdict": _word(name, gold, before, after),
    }


def _word(name: str, gold: int | None, before: float | None, after: float) -> str:
    if gold == 0:
        return "not annotated"
    if before is None:
        return "nothing to compare with"
    if after > before + _EPSILON:
        return "better"
    if after >= before - _EPSILON:
        return "equal"
    if name == MEAN or after < before - LARGEST_DROP - _EPSILON:
        return "worse"
    return "worse, within half a point"


def _points(share: float) -> str:
    return f"{100 * share:.2f}"
