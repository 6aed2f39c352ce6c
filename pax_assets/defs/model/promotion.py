"""A challenger is promoted, or a former champion gone back to; the lake's record says which.

Two runs may decide at once. Whoever comes second finds another champion than the one that it
compared with, and compares again; a rollback then leaves the decision to people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pax_assets.defs.metadata import markdown_table
from pax_assets.defs.model.gate import (
    SCORES,
    Challenger,
    NotReleasable,
    Verdict,
    challenger_of,
    compare,
)
from pax_assets.defs.model.registry_news import number_of
from pax_assets.lake.artifacts import MissingArtifact, Overtaken
from pax_assets.lake.releases import (
    NoFormerRelease,
    Release,
    Releases,
    left_by_rollback,
    to_go_back_to,
    withdrawn,
)

if TYPE_CHECKING:
    import dagster as dg

    from pax_assets.defs.model.tracking import MlflowResource
    from pax_assets.defs.resources import LakeResource

_ATTEMPTS = 5
_PREFIX = 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request. `released` is False where the champion stayed."""

    champion: Release
    former: Release | None
    released: bool
    refused: bool
    sentence: str
    page: str
    verdict: Verdict | None = None


def promote(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    mlflow: MlflowResource,
    *,
    model: str = "",
    why: str = "",
) -> Outcome:
    """Make `model` (empty: the newest exported one) the champion, if the gate lets it pass.

    Raises `NotReleasable` where there is no such model, or neither it nor a champion can serve.
    """
    store = lake.artifacts()
    dataset = store.current("tokenized_dataset")
    graphs = exported_version(lake, mlflow, model) if model else store.current("onnx_model").version
    challenger = challenger_of(lake, graphs, dataset.version, named=bool(model))
    releases = Releases(store)
    for _ in range(_ATTEMPTS):
        history = releases.history()
        former = history[-1] if history else None
        verdict = compare(context, lake, challenger, former, withdrawn(history))
        challenger = verdict.challenger
        if verdict.refused and former is None:
            raise NotReleasable(f"{verdict.sentence}: train a better message_model first")
        if former is not None and (verdict.same or (verdict.refused and verdict.champion)):
            return Outcome(
                champion=former,
                former=former,
                released=False,
                refused=not verdict.same,
                sentence=verdict.sentence,
                page=verdict.page,
                verdict=verdict,
            )
        if verdict.refused:
            raise NotReleasable(
                f"{verdict.sentence}; the champion cannot be opened any more: train a better "
                "message_model"
            )
        try:
            release = releases.release(
                challenger,
                former,
                action="promoted",
                why=why or _reason(challenger, verdict),
                dagster_run_id=context.run_id,
                mlflow_version=number_of(context, mlflow, challenger.model_version),
            )
        except Overtaken:
            context.log.warning("another run released a model meanwhile: comparing with that one")
            continue
        return Outcome(
            champion=release,
            former=former,
            released=True,
            refused=False,
            sentence=f"release {release.number}: {verdict.sentence}",
            page=verdict.page,
            verdict=verdict,
        )
    raise NotReleasable(
        f"others released models {_ATTEMPTS} times meanwhile: materialize released_model again"
    )


def roll_back(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    mlflow: MlflowResource,
    *,
    to: int = 0,
    why: str = "",
) -> Outcome:
    """Make release `to` (0: the champion before) the champion again; withdraw the present one.

    Raises `NotReleasable`, and then nothing was changed.
    """
    releases = Releases(lake.artifacts())
    history = releases.history()
    try:
        target = to_go_back_to(history, to)
    except NoFormerRelease as error:
        raise NotReleasable(f"{error}; nothing was changed") from None
    champion = history[-1]
    _require_servable(lake, target)
    try:
        release = releases.release(
            target,
            champion,
            action="rolled back",
            why=why or f"rolled back from release {champion.number}",
            dagster_run_id=context.run_id,
            mlflow_version=number_of(context, mlflow, target.model_version),
            restores=target.number,
            withdraws=left_by_rollback(champion, target),
        )
    except Overtaken:
        raise NotReleasable(
            "another run released a model meanwhile: look at the releases (make releases) and "
            "decide again; nothing was changed"
        ) from None
    sentence = (
        f"release {release.number}: model {release.model} of release {target.number} is "
        f"the champion again, and {release.withdraws} is withdrawn"
    )
    page = f"Not compared: a rollback passes no gate.\n\n{release_table([champion, release])}"
    return Outcome(release, champion, released=True, refused=False, sentence=sentence, page=page)


def _require_servable(lake: LakeResource, target: Release) -> None:
    """Raise `NotReleasable` unless the graphs of a former release are there and can be opened."""
    from pax_assets.inference.runtime import Runtime

    try:
        graphs = lake.artifacts().version("onnx_model", target.onnx_version)
        Runtime.load(graphs.path, target.variant, threads=1)
    except (MissingArtifact, OSError, ValueError) as error:
        raise NotReleasable(
            f"release {target.number} (model {target.model}) cannot be served any more: "
            f"{error}; nothing was changed"
        ) from None


def exported_version(lake: LakeResource, mlflow: MlflowResource, name: str) -> str:
    """Return the version of the newest graphs of the model that a person named.

    Raises `NotReleasable` where there is no such model, or no graphs of it.
    """
    wanted = name.strip().lower()
    if wanted.isdigit() and len(wanted) < _PREFIX:
        registry = mlflow.registry()
        found = registry.model_version_of(wanted)
        if found is None:
            numbers = ", ".join(map(str, registry.numbers())) or "none"
            raise NotReleasable(
                f"MLflow has no version {wanted} of the model, it has {numbers}: nothing was "
                "changed"
            )
        wanted = found
    elif len(wanted) < _PREFIX:
        raise NotReleasable(
            f"model {name!r} is neither a number in MLflow nor at least {_PREFIX} digits of a "
            "model's version; nothing was changed"
        )
    store = lake.artifacts()
    exported: dict[str, str] = {}
    for version in store.versions("onnx_model"):
        try:
            lineage = json.loads(store.text("onnx_model", version, "lineage.json"))
        except MissingArtifact:
            continue  # half of a version that somebody deleted
        if lineage["model_version"].startswith(wanted):
            exported.setdefault(lineage["model_version"], version)
    if not exported:
        raise NotReleasable(
            f"no exported model has a version that begins with {wanted}: onnx_model exports the "
            "newest message_model, and only exported models can be released; nothing was changed"
        )
    if len(exported) > 1:
        raise NotReleasable(
            f"{wanted} is the beginning of {', '.join(sorted(exported))}: name one of them; "
            "nothing was changed"
        )
    return next(iter(exported.values()))


def _reason(challenger: Challenger, verdict: Verdict) -> str:
    if verdict.champion is None:
        return "the first" if not challenger.named else "the first, by name"
    mean = verdict.rows[-1]
    how = "by name, " if challenger.named else ""
    return f"{how}mean F1 {mean['points']} points, to {mean['challenger']}"


def release_table(history: Sequence[Release]) -> str:
    """Return releases as a Markdown table, the newest last; models by their first digits."""
    back = withdrawn(history)
    return markdown_table(
        [
            {
                "release": release.number,
                "is": _state(release, history[-1], back),
                "model": release.model,
                "MLflow": release.mlflow_version or "",
                "variant": release.variant,
                "when (UTC)": release.released_at[:16].replace("T", " "),
                **{
                    score: f"{release.metrics[score]:.4f}" if score in release.metrics else ""
                    for score in SCORES
                },
                "why": release.why,
            }
            for release in history
        ]
    )


def _state(release: Release, champion: Release, back: Mapping[str, Release]) -> str:
    if release is champion:
        return "champion"
    left = {release.model_version, release.onnx_version} & back.keys()
    return "withdrawn" if left else ""
