"""The message model: trained, exported, and released if it is no worse than what is served."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

from pax_assets.defs.automation import WHEN_A_DEPENDENCY_CHANGED
from pax_assets.defs.freshness import SEASONAL_FRESHNESS
from pax_assets.defs.metadata import image, markdown_table
from pax_assets.defs.model.release import HEADS, LARGEST_DROP, QUALITY_FLOOR
from pax_assets.defs.model.tracking import MlflowResource
from pax_assets.defs.resources import LakeResource
from pax_assets.settings import load_settings

GROUP = "model"
OWNERS = ["team:ml"]
# Arguments are part of the event head: reported, not gated on their own.
REPORTED = (*HEADS, "argument")
# What makes a model another model. Timings and lineage differ between equal trainings.
MODEL_IDENTITY = ("model.safetensors", "config.json", "tokenizer.json", "labels.json")
ONNX_IDENTITY = ("**/*.onnx", "tokenizer.json", "labels.json")


@cache
def git_commit() -> str:
    """The commit of the code that runs, or `unknown` outside a checkout."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - git is found by PATH on every machine
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return "unknown"  # a machine without git
    return found.stdout.strip() or "unknown"


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"pytorch", "mlflow"},
    deps=["tokenized_dataset"],
    description=(
        "One transformer encoder with three heads (entities, events with arguments, relations), "
        "trained in its own process through torchrun and Dagster Pipes. The artifact holds "
        "safetensors, the tokenizer, the labels, its metrics and its lineage."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "quality_floor",
            asset="message_model",
            blocking=True,
            description="Each head reaches its floor on the test part: "
            + ", ".join(f"{head} F1 ≥ {floor}" for head, floor in QUALITY_FLOOR.items()),
        )
    ],
    automation_condition=WHEN_A_DEPENDENCY_CHANGED,
    freshness_policy=SEASONAL_FRESHNESS,
)
def message_model(
    context: dg.AssetExecutionContext, lake: LakeResource, mlflow: MlflowResource
) -> dg.MaterializeResult:
    """Train on the tokenized dataset, log to MLflow, publish and register the model."""
    from pax_assets.compute.payload import run_payload
    from pax_assets.defs.model.evaluation_page import evaluation_page
    from pax_assets.defs.model.plots import confusion_matrix, loss_curve

    settings = load_settings()
    dataset = lake.artifacts().current("tokenized_dataset")
    upstream = json.loads((dataset.path / "lineage.json").read_text())
    data_versions = {
        "tokenized_dataset": dataset.version,
        **{
            f"{table}.{kind}": str(value)
            for table, versions in upstream.items()
            for kind, value in versions.items()
        },
    }
    parameters = {
        "encoder": settings.encoder,
        "epochs": settings.epochs,
        "seed": settings.seed,
        "processes": settings.train_processes,
    }
    with tempfile.TemporaryDirectory() as folder, mlflow.run(context) as tracking:
        output = Path(folder) / "model"
        mlflow_run_id = tracking.active_run().info.run_id
        tracking.log_params(parameters)
        tracking.set_tags({f"data_version.{k}": v for k, v in data_versions.items()})
        tracking.set_tags({"git_commit": git_commit()})

        def on_message(message: Mapping[str, Any]) -> None:
            if message.get("kind") != "epoch":
                return
            tracking.log_metrics(epoch_metrics(message), step=message["epoch"])
            context.log.info(
                "epoch %d of %d: loss %.3f, dev %s, %.1f s",
                message["epoch"],
                message["epochs"],
                message["train_loss"],
                ", ".join(f"{head} {f1:.3f}" for head, f1 in message["dev_f1"].items()),
                message["seconds"] + message["dev_seconds"],
            )

        run_payload(
            context,
            "pax_assets.training.train",
            [
                f"--dataset={dataset.path}",
                f"--output={output}",
                # Not beside the output, which goes with this run: a retry goes on from there.
                f"--checkpoint={lake.scratch('message_model.checkpoint')}",
                f"--encoder={settings.encoder}",
                f"--epochs={settings.epochs}",
                f"--seed={settings.seed}",
            ],
            processes=settings.train_processes,
            extras={
                "lineage": {
                    "dagster_run_id": context.run_id,
                    "mlflow_run_id": mlflow_run_id,
                    "data_versions": data_versions,
                    "git_commit": git_commit(),
                }
            },
            on_message=on_message,
        )
        metrics = json.loads((output / "metrics.json").read_text())
        f1 = {
            split: {f"{split}_{head}_f1": round(metrics[split][head]["f1"], 4) for head in REPORTED}
            for split in ("test", "dev")
        }
        test, dev = f1["test"], f1["dev"]
        tracking.log_metrics({**test, **dev})
        model = lake.artifacts().publish("message_model", output, identity=MODEL_IDENTITY)
        tracking.log_artifacts(str(model.path), "model")
        page = evaluation_page(metrics["test"]["breakdown"])
        tracking.log_text(page, "evaluation.md")
        registered = mlflow.register(
            mlflow_run_id,
            source=f"{tracking.get_artifact_uri()}/model",
            tags={
                "data_version": model.version,
                "dagster_run_id": context.run_id,
                "git_commit": git_commit(),
                **{f"data_version.{k}": v for k, v in data_versions.items()},
            },
        )
        experiment_id = tracking.active_run().info.experiment_id
    low = [head for head in HEADS if test[f"test_{head}_f1"] < QUALITY_FLOOR[head]]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(model.version),
        metadata={
            "path": dg.MetadataValue.path(str(model.path)),
            "loss_curve": image(loss_curve(metrics["epochs"]), "loss and dev F1 by epoch"),
            "confusion_matrix": image(
                confusion_matrix(metrics["test"]["confusion"]), "entity confusion on test"
            ),
            "f1_by_type": dg.MetadataValue.md(_by_type(metrics["test"])),
            "evaluation": dg.MetadataValue.md(page),
            **test,
            **dev,
            "best_epoch": metrics["best_epoch"],
            "seconds": round(sum(metrics["seconds"].values()), 1),
            "precision": metrics["precision"],
            "mlflow_run": _mlflow_link(mlflow.tracking_uri, experiment_id, mlflow_run_id),
            "mlflow_model_version": registered,
            "git_commit": git_commit(),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="quality_floor",
                passed=not low,
                metadata={**test, "under_the_floor": ", ".join(low) or "none"},
            )
        ],
    )


def epoch_metrics(message: Mapping[str, Any]) -> dict[str, float]:
    """Flatten a training process's epoch message into MLflow metrics."""
    flat = {
        name: float(value)
        for name, value in message.items()
        if isinstance(value, int | float) and name not in {"epoch", "epochs"}
    }
    flat |= {f"train_loss_{head}": float(v) for head, v in message["train_losses"].items()}
    flat |= {f"dev_{head}_f1": float(v) for head, v in message["dev_f1"].items()}
    return flat


def _by_type(scores: Mapping[str, Any]) -> str:
    return markdown_table(
        [
            {
                "layer": layer,
                "type": name,
                "precision": f"{row['precision']:.3f}",
                "recall": f"{row['recall']:.3f}",
                "F1": f"{row['f1']:.3f}",
                "gold": row["support"],
            }
            for layer, rows in scores["types"].items()
            for name, row in sorted(rows.items())
        ]
    )


def _mlflow_link(uri: str, experiment_id: str, run_id: str) -> dg.MetadataValue:
    if uri.startswith("http"):
        return dg.MetadataValue.url(f"{uri}/#/experiments/{experiment_id}/runs/{run_id}")
    return dg.MetadataValue.md(
        f"run `{run_id}` of experiment {experiment_id}; "
        f"see it with `.venv/bin/mlflow ui --backend-store-uri {uri}`"
    )


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
        (output / "lineage.json").write_text(json.dumps(lineage, indent=2))
        onnx = lake.artifacts().publish("onnx_model", output, identity=ONNX_IDENTITY)
    report = json.loads((onnx.path / "report.json").read_text())
    parity, variants = report["parity"], report["variants"]
    refused = {name: row["why"] for name, row in variants.items() if not row["served"]}
    return dg.MaterializeResult(
        data_version=dg.DataVersion(onnx.version),
        metadata={
            "path": dg.MetadataValue.path(str(onnx.path)),
            "variants": dg.MetadataValue.md(_variant_table(variants)),
            "parity": dg.MetadataValue.json(parity),
            "recommended": report["recommended"],
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


def _variant_table(variants: Mapping[str, Mapping[str, Any]]) -> str:
    return markdown_table(
        [
            {
                "variant": name,
                **{f"{head} F1": f"{row['f1'][head]:.3f}" for head in HEADS},
                "MB": f"{row['bytes'] / 1e6:.1f}",
                "ms a message": f"{row['latency_ms']:.2f}",
                "independent of batch": "yes" if row["batch_independent"] else "no",
                "servable": "yes" if row["served"] else row["why"],
            }
            for name, row in variants.items()
        ]
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"onnx", "mlflow"},
    deps=["onnx_model", "tokenized_dataset"],
    description=(
        "The champion: which model and which variant is served and scores the store. A new model "
        "becomes champion if no head is worse than the last champion's, both measured on the "
        "present dev set."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "no_head_regressed",
            asset="released_model",
            blocking=True,
            description=f"No head loses more than {LARGEST_DROP * 100:.1f} points of F1 against "
            "the last champion; otherwise the last champion stays.",
        )
    ],
    automation_condition=WHEN_A_DEPENDENCY_CHANGED,
    freshness_policy=SEASONAL_FRESHNESS,
)
def released_model(
    context: dg.AssetExecutionContext, lake: LakeResource, mlflow: MlflowResource
) -> dg.MaterializeResult:
    """Compare the newest exported model with the champion and release the better one."""
    from pax_assets.defs.model.release import compare_with_champion, publish_release

    comparison = compare_with_champion(context, lake)
    if comparison.regressed:
        context.log.warning("the champion stays: %s", "; ".join(comparison.regressed))
        release, version = comparison.champion, comparison.champion_version
    else:
        release, version = publish_release(lake, comparison.challenger)
        registered = mlflow.promote(release["model_version"])
        context.log.info(
            "released model %s, variant %s (MLflow version %s)",
            release["model_version"],
            release["variant"],
            registered,
        )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            "model_version": release["model_version"],
            "variant": release["variant"],
            "path": dg.MetadataValue.path(str(Path(lake.root) / release["onnx_path"])),
            "comparison": dg.MetadataValue.md(markdown_table(comparison.rows)),
            "promoted": not comparison.regressed,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="no_head_regressed",
                passed=not comparison.regressed,
                metadata={"regressed": "; ".join(comparison.regressed) or "none"},
            )
        ],
    )
