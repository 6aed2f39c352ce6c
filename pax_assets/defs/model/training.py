"""The training of the message model: the asset, and what a sweep's trainings share with it."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import dagster as dg

from pax_assets.defs.automation import WHEN_A_DEPENDENCY_CHANGED
from pax_assets.defs.freshness import SEASONAL_FRESHNESS
from pax_assets.defs.metadata import image, markdown_table
from pax_assets.defs.model.gate import QUALITY_FLOOR, SCORES, under_the_floor
from pax_assets.defs.model.tracking import MlflowResource
from pax_assets.defs.resources import LakeResource
from pax_assets.settings import load_settings

GROUP = "model"
OWNERS = ["team:ml"]
# What makes a model another model. Timings and lineage differ between equal trainings.
MODEL_IDENTITY = ("model.safetensors", "config.json", "tokenizer.json", "labels.json")


class OtherEncoder(ValueError):
    """A dataset that was cut by another encoder's tokenizer; the message says what to do."""


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


def train_message_model(
    context: dg.AssetExecutionContext,
    dataset: Path,
    output: Path,
    checkpoint: Path,
    arguments: Sequence[str],
    extras: Mapping[str, Any],
    on_message: Callable[[Mapping[str, Any]], None],
) -> None:
    """Train on the folder `dataset` and write the model's artifact to `output`.

    `arguments` are encoder and recipe, `extras` what the payload finds in its Pipes context.
    What a killed run left in `checkpoint` is gone on from. Raises what the place where
    trainings run raises, with the end of what it printed.
    """
    from pax_assets.compute.training import run_training, training_place

    run_training(
        context,
        training_place(load_settings()),
        dataset,
        output,
        checkpoint=checkpoint,
        arguments=arguments,
        extras=extras,
        on_message=on_message,
    )


def epoch_logger(
    context: dg.AssetExecutionContext, tracking: Any
) -> Callable[[Mapping[str, Any]], None]:
    """Return what takes a training's messages: each epoch goes to MLflow and to the run's log."""

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

    return on_message


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


def after_training(metrics: Mapping[str, Any]) -> int:
    """Return the step of the final scores, those of the best epoch's weights, calibrated.

    MLflow shows a metric's last step, and the epochs have taken those before.
    """
    return len(metrics["epochs"]) + 1


def made_for(dataset: Path, encoder: str) -> bool:
    """Whether the token ids of a dataset are those of this encoder.

    Raises `EncoderError` where there is no such encoder.
    """
    from pax_assets.inference import tokenization
    from pax_assets.training.encoder import resolve

    files = (folder / tokenization.FILE for folder in (dataset, resolve(encoder)))
    one, other = (sha256(file.read_bytes()).digest() for file in files)
    return one == other


def data_versions(dataset: Path, version: str) -> dict[str, str]:
    """Return what a training on the dataset descends from: version by name of the data."""
    upstream = json.loads((dataset / "lineage.json").read_text())
    return {
        "tokenized_dataset": version,
        **{
            f"{table}.{kind}": str(value)
            for table, versions in upstream.items()
            for kind, value in versions.items()
        },
    }


def licences(dataset: Path) -> str:
    """Return the licences of the dataset's sources, each once."""
    sources = json.loads((dataset / "dataset.json").read_text(encoding="utf-8")).get("sources", ())
    return ", ".join(sorted({source["licence"] for source in sources})) or "not stated"


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"pytorch", "mlflow"},
    deps=["tokenized_dataset"],
    description=(
        "One transformer encoder with three heads (entities, events with arguments, relations), "
        "trained in its own process through torchrun and Dagster Pipes, by the recipe that "
        "`PAX_RECIPE` names. The artifact holds safetensors, the tokenizer, the labels, its "
        "metrics and its lineage; in MLflow it is the `challenger`."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "quality_floor",
            asset="message_model",
            blocking=True,
            description="Each head that the test part has labels for reaches its floor there: "
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
    from pax_assets.defs.model.evaluation_page import evaluation_page
    from pax_assets.defs.model.plots import confusion_matrices, loss_curve
    from pax_assets.nlp.metrics import judged_f1
    from pax_assets.recipes import configured_recipe

    settings = load_settings()
    recipe = configured_recipe(settings)
    dataset = lake.artifacts().current("tokenized_dataset")
    versions = data_versions(dataset.path, dataset.version)
    with tempfile.TemporaryDirectory() as folder, mlflow.run(context) as tracking:
        output = Path(folder) / "model"
        mlflow_run_id = tracking.active_run().info.run_id
        tracking.log_params({**recipe.parameters, "processes": settings.train_processes})
        tracking.set_tags({f"data_version.{k}": v for k, v in versions.items()})
        tracking.set_tags({"git_commit": git_commit(), "recipe": recipe.name})
        if not made_for(dataset.path, recipe.encoder):
            raise OtherEncoder(
                f"tokenized_dataset {dataset.version} was not made for the encoder "
                f"{recipe.encoder!r}: materialize tokenized_dataset again"
            )
        train_message_model(
            context,
            dataset.path,
            output,
            # Not beside the output, which goes with this run: a retry goes on from there.
            lake.scratch("message_model.checkpoint"),
            recipe.arguments,
            extras={
                "lineage": {
                    "dagster_run_id": context.run_id,
                    "mlflow_run_id": mlflow_run_id,
                    "data_versions": versions,
                    "git_commit": git_commit(),
                }
            },
            on_message=epoch_logger(context, tracking),
        )
        metrics = json.loads((output / "metrics.json").read_text())
        f1 = {
            split: {f"{split}_{head}_f1": round(metrics[split][head]["f1"], 4) for head in SCORES}
            for split in ("test", "dev")
        }
        test, dev = f1["test"], f1["dev"]
        tracking.log_metrics({**test, **dev}, step=after_training(metrics))
        model = lake.artifacts().publish("message_model", output, identity=MODEL_IDENTITY)
        tracking.log_artifacts(str(model.path), "model")
        page = evaluation_page(metrics["test"]["breakdown"])
        tracking.log_text(page, "evaluation.md")
        pictures = {
            "loss_curve": loss_curve(metrics["epochs"]),
            "confusion_matrix": confusion_matrices(metrics["test"]["confusion"]),
        }
        for name, picture in pictures.items():
            path = Path(folder) / f"{name}.png"
            path.write_bytes(picture)
            tracking.log_artifact(str(path))
        registered = mlflow.registry().register(
            f"{tracking.get_artifact_uri()}/model",
            {
                "data_version": model.version,
                "dagster_run_id": context.run_id,
                "git_commit": git_commit(),
                "licences": licences(dataset.path),
                **{f"data_version.{k}": v for k, v in versions.items()},
            },
            run_id=mlflow_run_id,
        )
        experiment_id = tracking.active_run().info.experiment_id
    low = under_the_floor(judged_f1(metrics["test"]))
    return dg.MaterializeResult(
        data_version=dg.DataVersion(model.version),
        metadata={
            "path": dg.MetadataValue.path(str(model.path)),
            "loss_curve": image(pictures["loss_curve"], "loss and dev F1 by epoch"),
            "confusion_matrix": image(pictures["confusion_matrix"], "confusion on test, by head"),
            "f1_by_type": dg.MetadataValue.md(_by_type(metrics["test"])),
            "evaluation": dg.MetadataValue.md(page),
            **test,
            **dev,
            "best_epoch": metrics["best_epoch"],
            "seconds": round(sum(metrics["seconds"].values()), 1),
            "precision": metrics["precision"],
            "recipe": dg.MetadataValue.json({"name": recipe.name, **recipe.parameters}),
            "mlflow_run": mlflow_link(mlflow.tracking_uri, experiment_id, mlflow_run_id),
            "mlflow_model_version": registered,
            "git_commit": git_commit(),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="quality_floor",
                passed=not low,
                metadata={**test, "under_the_floor": "; ".join(low) or "none"},
            )
        ],
    )


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


def mlflow_link(uri: str, experiment_id: str, run_id: str) -> dg.MetadataValue:
    """Return where a person finds the MLflow run."""
    if uri.startswith("http"):
        return dg.MetadataValue.url(f"{uri}/#/experiments/{experiment_id}/runs/{run_id}")
    return dg.MetadataValue.md(
        f"run `{run_id}` of experiment {experiment_id}; "
        f"see it with `.venv/bin/mlflow ui --backend-store-uri {uri}`"
    )
