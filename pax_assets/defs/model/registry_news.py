"""Telling MLflow what the lake's record of releases says, and mending what disagrees.

A registry that cannot be reached must not keep anybody from rolling back: the release stands,
and the next materialization of `released_model` tells MLflow.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pax_assets.defs.model.registry import CHAMPION, Registry
from pax_assets.lake.artifacts import MissingArtifact
from pax_assets.lake.releases import Release, withdrawn

if TYPE_CHECKING:
    import dagster as dg

    from pax_assets.defs.model.gate import Verdict
    from pax_assets.defs.model.tracking import MlflowResource
    from pax_assets.defs.resources import LakeResource


def number_of(
    context: dg.AssetExecutionContext, mlflow: MlflowResource, model_version: str
) -> str | None:
    """Return the model's number in MLflow; None where it has none or cannot be asked."""
    try:
        return mlflow.registry().number_of(model_version)
    except _unreachable() as error:
        context.log.warning("MLflow could not be asked for the model's number: %s", error)
        return None


def tell_registry(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    mlflow: MlflowResource,
    champion: Release,
    former: Release | None,
    history: Sequence[Release],
    verdict: Verdict | None,
) -> str | None:
    """Bring aliases and tags up to the releases; return the champion's number in MLflow.

    `former` was the champion before this materialization: an alias that named neither it nor the
    present one was moved by somebody else, which is said and undone.
    """
    try:
        registry = mlflow.registry()
        number = _point_champion(context, lake, registry, champion, former)
        registry.mark_withdrawn(
            {
                version: f"release {release.number}: {release.why}"
                for version, release in withdrawn(history).items()
            }
        )
        if verdict is not None:
            registry.judge(verdict.challenger.model_version, verdict.sentence)
    except _unreachable() as error:
        context.log.warning(
            "MLflow could not be told that model %s is the champion; the next materialization of "
            "released_model tells it: %s",
            champion.model_version,
            error,
        )
        return None
    return number


def _point_champion(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    registry: Registry,
    champion: Release,
    former: Release | None,
) -> str | None:
    model = champion.model_version
    held = registry.holder(CHAMPION)
    expected = {model, former.model_version if former else None}
    if held and held[1] == model:
        return held[0]
    number = registry.number_of(model)
    if number is None:
        number = _register_again(lake, registry, model)
        if number is None:
            context.log.warning(
                "MLflow does not know model %s, and message_model has it no more: the alias "
                "`%s` stays as it is",
                model,
                CHAMPION,
            )
            return None
        context.log.warning(
            "MLflow did not know model %s, which the lake's release %d names: it is registered "
            "again as version %s",
            model,
            champion.number,
            number,
        )
    elif former is not None and (held is None or held[1] not in expected):
        context.log.warning(
            "MLflow's alias `%s` named %s, but the champion is what the lake's releases say: it "
            "names version %s (model %s) now",
            CHAMPION,
            f"version {held[0]} (model {held[1]})" if held else "nothing",
            number,
            model,
        )
    registry.point(CHAMPION, number)
    return number


def _register_again(lake: LakeResource, registry: Registry, model_version: str) -> str | None:
    """Register a model of the lake that MLflow does not have (any more)."""
    store = lake.artifacts()
    try:
        lineage: dict[str, Any] = json.loads(
            store.text("message_model", model_version, "lineage.json")
        )
    except MissingArtifact:
        return None
    folder = f"{lake.root}/message_model/{model_version}"
    tags = {
        "data_version": model_version,
        "registered_again": "from the lake",
        **{
            name: str(lineage[name])
            for name in ("dagster_run_id", "mlflow_run_id", "git_commit")
            if name in lineage
        },
        **{f"data_version.{k}": v for k, v in lineage.get("data_versions", {}).items()},
    }
    source = folder if "://" in folder else Path(folder).as_uri()
    return registry.register(source, tags, alias=None)


def _unreachable() -> type[Exception]:
    """What MLflow's client raises where it cannot do what it is asked to."""
    from mlflow.exceptions import MlflowException

    return MlflowException
