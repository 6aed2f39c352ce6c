"""The model as ONNX graphs: what is served is measured, not what was trained.

Each variant is an asset below `onnx_model`, which makes it: its F1, size and speed have a history
of their own there, model after model.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from pax_assets.defs.automation import WHEN_A_DEPENDENCY_CHANGED
from pax_assets.defs.freshness import SEASONAL_FRESHNESS
from pax_assets.defs.metadata import markdown_table
from pax_assets.defs.model.gate import SCORES
from pax_assets.defs.resources import LakeResource

GROUP = "model"
OWNERS = ["team:ml"]
VARIANTS = {
    "fp32": "Full precision: what the others are measured against.",
    "int8": "8 bits with fixed scales, for ONNX Runtime on a CPU.",
    "bf16": "Full precision weights, computed in bf16 by OpenVINO, where the processor can.",
    "fp16": "16 bits, for a GPU.",
}
ONNX_IDENTITY = ("**/*.onnx", "tokenizer.json", "labels.json")


onnx_variants = [
    dg.AssetSpec(
        ["onnx_model", name],
        deps=["onnx_model"],
        group_name=GROUP,
        owners=OWNERS,
        kinds={"onnx"},
        freshness_policy=SEASONAL_FRESHNESS,
        description=f"{what} Materialized by `onnx_model`, where it can be measured.",
    )
    for name, what in VARIANTS.items()
]


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"onnx"},
    deps=["message_model", "tokenized_dataset"],
    description=(
        "The model as one ONNX graph for all heads, in several variants, with F1, size and "
        "latency side by side. A variant that loses F1 or whose answers depend on its batch "
        "mates is marked as not servable."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "fp32_parity",
            asset="onnx_model",
            blocking=True,
            description="fp32 equals torch on the trained weights over a grid of batch sizes, "
            "lengths and paddings: same labels, bounded difference.",
        ),
        dg.AssetCheckSpec(
            "variants_servable",
            asset="onnx_model",
            blocking=False,
            description="Every variant holds its F1 and answers independently of its batch; "
            "one that does not is not served.",
        ),
    ],
    automation_condition=WHEN_A_DEPENDENCY_CHANGED,
    freshness_policy=SEASONAL_FRESHNESS,
)
def onnx_model(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Export the model, compare each variant with it, and publish the graphs."""
    from pax_assets.compute.payload import run_payload

    model = lake.artifacts().current("message_model")
    dataset = lake.artifacts().current("tokenized_dataset")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "onnx"
        run_payload(
            context,
            "pax_assets.training.export",
            [f"--model={model.path}", f"--dataset={dataset.path}", f"--output={output}"],
        )
        lineage = json.loads((output / "lineage.json").read_text())
        lineage["model_version"] = model.version
        # Whose dev part the report's scores are of.
        lineage["dataset_version"] = dataset.version
        (output / "lineage.json").write_text(json.dumps(lineage, indent=2))
        onnx = lake.artifacts().publish("onnx_model", output, identity=ONNX_IDENTITY)
    report = json.loads((onnx.path / "report.json").read_text())
    parity, variants = report["parity"], report["variants"]
    for name, row in variants.items():
        context.log_event(
            dg.AssetMaterialization(
                ["onnx_model", name],
                metadata=_variant_metadata(row),
                tags={"dagster/data_version": onnx.version},
            )
        )
    refused = {name: row["why"] for name, row in variants.items() if not row["served"]}
    return dg.MaterializeResult(
        data_version=dg.DataVersion(onnx.version),
        metadata={
            "path": dg.MetadataValue.path(str(onnx.path)),
            "variants": dg.MetadataValue.md(_variant_table(variants)),
            "parity": dg.MetadataValue.json(parity),
            "recommended": dg.MetadataValue.json(report["recommended"]),
            "not_measured_here": dg.MetadataValue.json(report["not_here"]),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="fp32_parity",
                passed=bool(parity["passed"]),
                metadata={
                    "max_diff": float(parity["max_diff"]),
                    "cases": len(parity["cases"]),
                },
            ),
            dg.AssetCheckResult(
                check_name="variants_servable",
                passed=not refused,
                severity=dg.AssetCheckSeverity.WARN,
                metadata=dict(refused),
            ),
        ],
    )


def _variant_metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a variant's numbers as Dagster plots them."""
    return {
        **{f"{score}_f1": float(row["f1"][score]) for score in SCORES},
        "megabytes": row["bytes"] / 1e6,
        "ms_a_message": float(row["latency_ms"]),
        "messages_a_second": float(row["messages_s"]),
        "runs_on": row["runs_on"].upper(),
        "independent_of_batch": bool(row["batch_independent"]),
        "servable": bool(row["served"]),
        "why": row["why"],
    }


def _variant_table(variants: Mapping[str, Mapping[str, Any]]) -> str:
    return markdown_table(
        [
            {
                "variant": name,
                **{f"{head} F1": f"{row['f1'][head]:.3f}" for head in SCORES},
                "MB": f"{row['bytes'] / 1e6:.1f}",
                "ms a message": f"{row['latency_ms']:.2f}",
                "messages a second": f"{row['messages_s']:.0f}",
                "runs on": row["runs_on"].upper(),
                "independent of batch": "yes" if row["batch_independent"] else "no",
                "servable": "yes" if row["served"] else row["why"],
            }
            for name, row in variants.items()
        ]
    )
