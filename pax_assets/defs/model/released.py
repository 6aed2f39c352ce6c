"""The champion as an asset: promoted through the gate, or gone back to by hand.

Promotion and rollback are materializations like any other: they are in the history, say why, and
what serves follows from them.
"""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path

import dagster as dg
from pydantic import Field

from pax_assets.defs.automation import WHEN_A_DEPENDENCY_CHANGED
from pax_assets.defs.freshness import SEASONAL_FRESHNESS
from pax_assets.defs.model.gate import LARGEST_DROP, SCORES, NotReleasable
from pax_assets.defs.model.promotion import Outcome, promote, release_table, roll_back
from pax_assets.defs.model.registry_news import tell_registry
from pax_assets.defs.model.tracking import MlflowResource
from pax_assets.defs.resources import LakeResource
from pax_assets.lake.releases import KEY, Releases

GROUP = "model"
OWNERS = ["team:ml"]
CHECK = "better_than_champion"
_SHOWN = 10


class ReleaseAction(Enum):
    """What is done with the champion."""

    promote = "promote"
    rollback = "rollback"


class ReleaseConfig(dg.Config):
    """What shall become the champion; without any of it, the newest exported model may try."""

    action: ReleaseAction = Field(
        default=ReleaseAction.promote,
        description="`promote`: a challenger becomes the champion if it is better. `rollback`: a "
        "former champion becomes it again, whatever its scores, and what it replaces is withdrawn.",
    )
    model: str = Field(
        default="",
        description="promote: the version of a message_model (or its first 6 or more digits), or "
        "its version number in MLflow. Empty: the newest exported model. A model that was "
        "withdrawn must be named.",
    )
    to: int = Field(
        default=0,
        description="rollback: the number of the release to go back to. 0: the champion before.",
    )
    why: str = Field(default="", description="what people shall read in the list of releases")


@dg.asset(
    name=KEY,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"onnx", "mlflow"},
    deps=["onnx_model", "tokenized_dataset"],
    description=(
        "The champion: which model and which variant is served and scores the store. A challenger "
        "becomes champion if it is better and no score is clearly worse, both measured on the "
        "present dev set. The jobs `promote_model` and `rollback_model` do it by hand; a model "
        "that people rolled back from stays withdrawn until somebody promotes it by name."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset=KEY,
            blocking=True,
            description=f"No score ({', '.join(SCORES)}) of the challenger is more than "
            f"{100 * LARGEST_DROP:.1f} points of F1 under the champion's, and their mean is above "
            "it; otherwise the champion stays. The same model again passes.",
        )
    ],
    automation_condition=WHEN_A_DEPENDENCY_CHANGED,
    freshness_policy=SEASONAL_FRESHNESS,
)
def released_model(
    context: dg.AssetExecutionContext,
    config: ReleaseConfig,
    lake: LakeResource,
    mlflow: MlflowResource,
) -> dg.MaterializeResult:
    """Promote or roll back, tell MLflow, and show what was compared."""
    if config.action is ReleaseAction.rollback:
        if config.model:
            raise NotReleasable("`model` is for a promotion; a rollback takes `to`, a number")
        outcome = roll_back(context, lake, mlflow, to=config.to, why=config.why)
    else:
        if config.to:
            raise NotReleasable("`to` is for a rollback; a promotion takes `model`")
        outcome = promote(context, lake, mlflow, model=config.model, why=config.why)
    context.log.info("%s", outcome.page)
    (context.log.warning if outcome.refused else context.log.info)("%s", outcome.sentence)
    champion = outcome.champion
    history = Releases(lake.artifacts()).history()
    registered = tell_registry(
        context, lake, mlflow, champion, outcome.former, history, outcome.verdict
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(champion.content),
        metadata={
            "release": champion.number,
            "model_version": champion.model_version,
            "variant": champion.variant,
            "path": dg.MetadataValue.path(str(Path(lake.root) / champion.onnx_path)),
            "comparison": dg.MetadataValue.md(outcome.page),
            "outcome": outcome.sentence,
            "promoted": outcome.released,
            "releases": dg.MetadataValue.md(release_table(history[-_SHOWN:])),
            "mlflow_model_version": registered or "not known to MLflow",
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not outcome.refused,
                metadata=_check_metadata(outcome),
            )
        ],
    )


def _check_metadata(outcome: Outcome) -> Mapping[str, dg.MetadataValue | str]:
    verdict = outcome.verdict
    found: dict[str, dg.MetadataValue | str] = {
        "verdict": outcome.sentence,
        "comparison": dg.MetadataValue.md(outcome.page),
    }
    if verdict is not None:
        found |= {
            "challenger": verdict.challenger.model_version,
            "champion": verdict.champion.model_version if verdict.champion else "none",
            "dataset_version": verdict.challenger.dataset_version,
            "refused": "; ".join(verdict.refused) or "no",
            # The page opens on a click; these are read at once.
            **{
                row["score"]: f"{row['champion']} → {row['challenger']} ({row['verdict']})"
                for row in verdict.rows
            },
        }
    return found
