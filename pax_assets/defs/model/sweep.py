"""Hyperparameters compared: a partition for each declared configuration, and their results.

A sweep of hours is killed now and then, and one bad configuration must not cost the others. Each
configuration is therefore a training of its own, whose result is kept with the version of the
dataset that it was trained on; what is missing is what is trained. Results are those on dev:
whoever chooses by test scores has none left to report. Sweeps keep no weights: `PAX_RECIPE`
trains `message_model` by the configuration that was best.
"""

import json
import re
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import dagster as dg

from pax_assets.defs.automation import WHEN_A_DEPENDENCY_CHANGED
from pax_assets.defs.freshness import SEASONAL_FRESHNESS
from pax_assets.defs.metadata import image, markdown_table
from pax_assets.defs.model.gate import SCORES, overall
from pax_assets.defs.model.tracking import MlflowResource
from pax_assets.defs.model.training import (
    after_training,
    epoch_logger,
    git_commit,
    made_for,
    mlflow_link,
    train_message_model,
)
from pax_assets.defs.resources import LakeResource
from pax_assets.recipes import Configuration, RecipeError, read_sweep, sweep_file
from pax_assets.settings import load_settings

GROUP = "model"
OWNERS = ["team:ml"]
SWEEP, RESULTS = "model_sweep", "sweep_results"
EXPERIMENT = "pax-sweep"
# The tag of what is no part of the line from labels to service: only people start it.
BY_HAND = {"pax/by_hand": "true"}
# The partition that stands for a file that cannot be read: the other assets must load all the same.
UNREADABLE = "unreadable"
_FILE = "result.json"
_REASON = 300
_SAID = re.compile(r"(?:\w+\.)*(\w*(?:Error|Exception|Interrupt): \S.*)")


def result_of(lake: LakeResource, configuration: Configuration) -> dict[str, Any] | None:
    """Return the last result of a configuration on the present dataset, if there is one.

    It has `failed`, a reason, or `dev`, `mean`, `best_epoch`, `seconds` and where it came from.
    """
    from pax_assets.lake.artifacts import MissingArtifact

    store = lake.artifacts()
    dataset = store.current("tokenized_dataset")
    try:
        held = store.current(f"{SWEEP}/{configuration.key}")
    except MissingArtifact:
        return None
    result = json.loads((held.path / _FILE).read_text(encoding="utf-8"))
    return result if result["dataset_version"] == dataset.version else None


def missing(lake: LakeResource) -> list[Configuration]:
    """Return the configurations that have no scores on the present dataset."""
    found = read_sweep(load_settings())
    return [one for one in found if "dev" not in (result_of(lake, one) or {})]


def _keys() -> list[str]:
    try:
        return [configuration.key for configuration in read_sweep(load_settings())]
    except RecipeError:
        return [UNREADABLE]


@dg.definitions
def sweep() -> dg.Definitions:
    """The two assets, with the configurations that the sweep's file declares now."""
    partitions = dg.StaticPartitionsDefinition(_keys())

    @dg.asset(
        name=SWEEP,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"pytorch", "mlflow"},
        tags=BY_HAND,
        deps=["tokenized_dataset"],
        partitions_def=partitions,
        description=(
            "Trainings by the configurations that `PAX_SWEEP` declares, a partition each: "
            "name and a hash of its hyperparameters. `make sweep` trains those that are missing; "
            f"here it is *Materialize*, missing partitions. In MLflow: experiment `{EXPERIMENT}`. "
            "Scores only, no weights."
        ),
        freshness_policy=SEASONAL_FRESHNESS,
    )
    def model_sweep(
        context: dg.AssetExecutionContext, lake: LakeResource, mlflow: MlflowResource
    ) -> dg.MaterializeResult:
        """Train by one configuration and keep its scores on dev, or why there are none."""
        configuration = _configuration(context.partition_key)
        result = _trained(context, lake, mlflow, configuration)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(f"{configuration.key} {result['dataset_version']}"),
            metadata={
                **{f"dev_{score}_f1": result["dev"][score] for score in SCORES},
                "dev_mean_f1": result["mean"],
                "best_epoch": result["best_epoch"],
                "seconds": result["seconds"],
                "recipe": dg.MetadataValue.json(configuration.parameters),
                "dataset_version": result["dataset_version"],
                "mlflow_run": mlflow_link(
                    mlflow.tracking_uri, result["mlflow_experiment"], result["mlflow_run"]
                ),
            },
        )

    @dg.asset(
        name=RESULTS,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"mlflow"},
        tags=BY_HAND,
        deps=[dg.AssetDep(SWEEP, partition_mapping=dg.AllPartitionMapping())],
        description=(
            "The configurations of the sweep side by side, by their scores on the dev part of the "
            "present dataset, the best marked. `PAX_RECIPE=<its name>` trains `message_model` so."
        ),
        automation_condition=WHEN_A_DEPENDENCY_CHANGED,
        freshness_policy=SEASONAL_FRESHNESS,
    )
    def sweep_results(lake: LakeResource) -> dg.MaterializeResult:
        """Compare what was trained."""
        return _compared(lake)

    return dg.Definitions(assets=[model_sweep, sweep_results])


def _configuration(key: str) -> Configuration:
    settings = load_settings()
    found = {one.key: one for one in read_sweep(settings)}
    if key not in found:
        raise RecipeError(
            f"{sweep_file(settings)} declares {', '.join(found)}, and not {key}: reload the code "
            "location, since the file was changed"
        )
    return found[key]


def _trained(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    mlflow: MlflowResource,
    configuration: Configuration,
) -> dict[str, Any]:
    dataset = lake.artifacts().current("tokenized_dataset")
    origin = {
        "configuration": configuration.name,
        **configuration.parameters,
        "dataset_version": dataset.version,
        "dagster_run_id": context.run_id,
        "git_commit": git_commit(),
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        mlflow.run(context, experiment=EXPERIMENT, name=configuration.name) as tracking,
    ):
        run = tracking.active_run().info
        origin |= {"mlflow_experiment": run.experiment_id, "mlflow_run": run.run_id}
        tracking.log_params(configuration.parameters)
        tracking.set_tags(
            {
                "sweep": sweep_file(load_settings()).stem,
                "configuration": configuration.key,
                "data_version.tokenized_dataset": dataset.version,
                "git_commit": git_commit(),
            }
        )
        output = Path(folder) / "model"
        try:
            train_message_model(
                context,
                dataset_for(dataset.path, configuration.encoder, Path(folder) / "dataset"),
                output,
                lake.scratch(f"{SWEEP}/{configuration.key}.checkpoint"),
                configuration.arguments,
                extras={},
                on_message=epoch_logger(context, tracking),
            )
            metrics = json.loads((output / "metrics.json").read_text())
        except Exception as error:
            reason = _reason(error)
            tracking.set_tag("failed", reason)
            _keep(lake, configuration, {**origin, "failed": reason})
            raise
        result = {**origin, **_scores(metrics)}
        tracking.log_metrics(
            {
                **{f"dev_{score}_f1": result["dev"][score] for score in SCORES},
                "dev_mean_f1": result["mean"],
                "best_epoch": result["best_epoch"],
                "train_seconds": result["seconds"],
            },
            step=after_training(metrics),
        )
        _keep(lake, configuration, result)
    return result


def dataset_for(dataset: Path, encoder: str, folder: Path) -> Path:
    """Return a dataset with the documents and parts of `dataset` for this encoder.

    It is `dataset` itself where that was cut by the encoder's tokenizer, else a new one in
    `folder`. Raises `EncoderError`.
    """
    from pax_assets.corpora.formats import jsonl
    from pax_assets.corpora.splits import SPLITS
    from pax_assets.corpora.tokenize import tokenize
    from pax_assets.training.encoder import resolve

    if made_for(dataset, encoder):
        return dataset
    summary = json.loads((dataset / "dataset.json").read_text(encoding="utf-8"))
    documents = [d for split in SPLITS for d in jsonl.read(dataset / f"{split}_gold.jsonl")]
    tokenize(
        documents,
        resolve(encoder),
        folder,
        encoder_name=encoder,
        seed=summary["seed"],
        max_length=summary["max_length"],
        stride=summary["stride"],
        licences={s["name"]: s["licence"] for s in summary.get("sources", ())},
    )
    return folder


def _scores(metrics: Mapping[str, Any]) -> dict[str, Any]:
    dev = metrics["dev"]
    f1 = {score: float(dev[score]["f1"]) for score in SCORES}
    return {
        "dev": f1,
        "mean": overall(f1, {score: int(dev[score]["support"]) for score in SCORES}),
        "best_epoch": metrics["best_epoch"],
        "seconds": round(metrics["seconds"]["train"], 1),
    }


def _keep(lake: LakeResource, configuration: Configuration, result: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / _FILE).write_text(json.dumps(result, indent=2), encoding="utf-8")
        lake.artifacts().publish(f"{SWEEP}/{configuration.key}", Path(folder))


def _reason(error: Exception) -> str:
    """Return the line of an error that says what was wrong.

    A payload's error carries the end of what it printed: its own traceback, then that of torchrun,
    which only says that a child failed.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [found[1] for line in lines if (found := _SAID.match(line))]
    return (said or lines or [type(error).__name__])[0][:_REASON]


def _compared(lake: LakeResource) -> dg.MaterializeResult:
    from pax_assets.defs.model.plots import sweep_chart

    settings = load_settings()
    configurations = read_sweep(settings)
    results = {one.name: result_of(lake, one) or {} for one in configurations}
    finished = sorted(
        (one for one in configurations if "dev" in results[one.name]),
        key=lambda one: -results[one.name]["mean"],
    )
    others = [one for one in configurations if one not in finished]
    differing = _differing(configurations)
    rows = [
        {
            "configuration": one.name + (" (best)" if one is finished[0] else ""),
            **_shown(results[one.name]),
            **{name: one.parameters[name] for name in differing},
        }
        for one in finished
    ] + [
        {"configuration": one.name, "mean": "failed" if results[one.name] else "not trained yet"}
        for one in others
    ]
    failed = {one.name: results[one.name]["failed"] for one in others if results[one.name]}
    best = finished[0].name if finished else "none"
    scores = json.dumps([[one.key, results[one.name].get("dev")] for one in configurations])
    drawn = [{"name": one.name, **results[one.name]} for one in finished]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(sha256(scores.encode()).hexdigest()[:32]),
        metadata={
            "results": dg.MetadataValue.md(markdown_table(rows)),
            "best": best,
            "failed": "; ".join(f"{name}: {why}" for name, why in failed.items()) or "none",
            "missing": ", ".join(one.name for one in others if not results[one.name]) or "none",
            "file": dg.MetadataValue.path(str(sweep_file(settings))),
            "dataset_version": lake.artifacts().current("tokenized_dataset").version,
            **({"chart": image(sweep_chart(drawn), "dev F1 by configuration")} if drawn else {}),
        },
    )


def _differing(configurations: list[Configuration]) -> list[str]:
    """Return the parameters in which the configurations differ."""
    first = configurations[0].parameters
    return [
        name
        for name in first
        if any(one.parameters[name] != first[name] for one in configurations[1:])
    ]


def _shown(result: Mapping[str, Any]) -> dict[str, str]:
    return {
        "mean": f"{result['mean']:.4f}",
        **{score: f"{result['dev'][score]:.4f}" for score in SCORES},
        "best epoch": str(result["best_epoch"]),
        "seconds": f"{result['seconds']:.0f}",
    }
