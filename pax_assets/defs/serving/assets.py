"""The Bento, and the service that runs it."""

import json
from pathlib import Path

import dagster as dg

from pax_assets.defs.automation import WHEN_A_DEPENDENCY_CHANGED
from pax_assets.defs.freshness import SEASONAL_FRESHNESS
from pax_assets.defs.model.training import git_commit
from pax_assets.defs.resources import LakeResource
from pax_assets.settings import load_settings

GROUP = "serving"
OWNERS = ["team:ml"]
# Short, and written for this purpose: what a working model must find something in.
GOLDEN_TEXT = "Anna Berg from Norvex Ltd will meet Omar Haddad in Lisbon on Friday at 10:00."


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"bentoml", "onnx"},
    deps=["released_model"],
    description=(
        "The released model and the service's code as a Bento, labelled with the lineage that "
        "`/v1/lineage` answers. Its version is a hash of its content."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "golden_request",
            asset="message_intelligence_bento",
            blocking=True,
            description="The built Bento answers a request with at least one entity.",
        )
    ],
    automation_condition=WHEN_A_DEPENDENCY_CHANGED,
    freshness_policy=SEASONAL_FRESHNESS,
)
def message_intelligence_bento(
    context: dg.AssetExecutionContext, lake: LakeResource
) -> dg.MaterializeResult:
    """Build the Bento of the released model and ask it one question."""
    from pax_assets.compute.bento import ask_bento, build_bento

    released = lake.artifacts().current("released_model")
    release = json.loads((released.path / "release.json").read_text())
    onnx = Path(lake.root) / release["onnx_path"]
    lineage = {
        **json.loads((onnx / "lineage.json").read_text()),
        "model_version": release["model_version"],
        "onnx_version": release["onnx_version"],
        "release_version": released.version,
        "variant": release["variant"],
        "metrics": release["metrics"],
        "bento_dagster_run_id": context.run_id,
        "service_git_commit": git_commit(),
    }
    settings = load_settings()
    built = build_bento(
        onnx,
        release["variant"],
        lineage,
        bento_home(lake),
        region=settings.default_region,
        provider=settings.provider,
    )
    answer = ask_bento(built, [GOLDEN_TEXT])
    found = len(answer["results"][0]["entities"])
    return dg.MaterializeResult(
        data_version=dg.DataVersion(built.version),
        metadata={
            "bento_tag": built.tag,
            "path": dg.MetadataValue.path(built.path),
            "model_version": built.model_version,
            "variant": built.variant,
            "megabytes": round(built.size_bytes / 1e6, 1),
            "labels": dg.MetadataValue.json(built.labels),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="golden_request", passed=found > 0, metadata={"entities": found}
            )
        ],
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"bentoml"},
    deps=["message_intelligence_bento"],
    description=(
        "The running service. On target `local` it is a process on this machine that outlives "
        "the run; a former one is replaced, and comes back if the new one does not get ready."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "serves_what_was_shipped",
            asset="bento_deployment",
            blocking=True,
            description="The service is ready, and reports the model version that was shipped.",
        )
    ],
    automation_condition=WHEN_A_DEPENDENCY_CHANGED,
    freshness_policy=SEASONAL_FRESHNESS,
)
def bento_deployment(lake: LakeResource) -> dg.MaterializeResult:
    """Start the Bento, wait until it is ready, and compare its version."""
    from pax_assets.client import Client
    from pax_assets.compute.bento import BentoError, current_bento
    from pax_assets.compute.local_service import LocalService

    built = current_bento(bento_home(lake))
    if built is None:
        raise BentoError(
            f"the lake {lake.root} holds no Bento: materialize message_intelligence_bento first"
        )
    settings = load_settings()
    served = LocalService(lake.root, settings.api_port, settings.threads).replace(built)
    reported = Client(served.url).lineage()["model_version"]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{built.version}@{served.url}"),
        metadata={
            "url": dg.MetadataValue.url(served.url),
            "bento_tag": built.tag,
            "model_version": reported,
            "pid": served.pid,
            "started_at": served.started_at,
            "log": dg.MetadataValue.path(served.log),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="serves_what_was_shipped",
                passed=reported == built.model_version,
                metadata={"shipped": built.model_version, "reported": reported},
            )
        ],
    )


def bento_home(lake: LakeResource) -> Path:
    """The BentoML store of a lake."""
    return Path(lake.root) / "message_intelligence_bento"
