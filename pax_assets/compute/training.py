"""Trains where the settings say: on this machine, as a Kubernetes Job, or on SageMaker.

The asset hands over a dataset's folder and gets the model's folder back. That a GPU of somebody
else's did the work shows in the log and nowhere else: every place runs the same
`pax_assets.training.train` under torchrun, and whatever runs elsewhere is followed, resumed and
stopped with the asset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pax_assets.compute.payload import run_payload

if TYPE_CHECKING:
    import dagster as dg

    from pax_assets.compute.training_remote import RemoteTraining
    from pax_assets.settings import Settings

Target = Literal["subprocess", "kubernetes", "sagemaker"]
PAYLOAD = "pax_assets.training.train"


@dataclass(frozen=True, slots=True)
class TrainingPlace:
    """Where trainings run, and what is needed to reach it: settings, checked there.

    `processes` is for each of the `nodes`, one a GPU. `pipes` is the S3 address below which data,
    checkpoints, models and messages of remote trainings lie.
    """

    target: Target = "subprocess"
    processes: int = 1
    nodes: int = 1
    pipes: str = ""
    image: str = ""
    namespace: str = "default"
    instance: str = ""
    role: str = ""
    spot: bool = False
    timeout_minutes: int = 1440
    options: Mapping[str, Any] = field(default_factory=dict)


def training_place(settings: Settings) -> TrainingPlace:
    """Return the place that the settings name."""
    return TrainingPlace(
        target=settings.train_target,
        processes=settings.train_processes,
        nodes=settings.train_nodes,
        pipes=settings.pipes_root,
        image=settings.train_image,
        namespace=settings.train_namespace,
        instance=settings.train_instance,
        role=settings.train_role,
        spot=settings.train_spot,
        timeout_minutes=settings.train_timeout_minutes,
        options=settings.train_options,
    )


def run_training(
    context: dg.AssetExecutionContext,
    place: TrainingPlace,
    dataset: Path,
    output: Path,
    *,
    checkpoint: Path,
    arguments: Sequence[str] = (),
    extras: Mapping[str, Any] | None = None,
    on_message: Callable[[Mapping[str, Any]], None] | None = None,
) -> None:
    """Train on the folder `dataset`; return when the model artifact is in the folder `output`.

    `arguments` are options of the payload: the encoder, the recipe. `checkpoint` is a folder
    that outlives the run, for a training on this machine; elsewhere checkpoints lie on S3, one
    place for each dataset, encoder and arguments. Messages (`kind` epoch, result) are handed to
    `on_message` while it runs. Raises `PayloadFailed` or `JobFailed` where it fails.
    """
    if place.target == "subprocess":
        run_payload(
            context,
            PAYLOAD,
            [
                f"--dataset={dataset}",
                f"--output={output}",
                f"--checkpoint={checkpoint}",
                *arguments,
            ],
            processes=place.processes,
            extras=extras,
            on_message=on_message,
        )
        return
    remote_training(place).run(
        context,
        dataset,
        output,
        arguments=arguments,
        extras=extras,
        on_message=on_message,
    )


def remote_training(place: TrainingPlace) -> RemoteTraining:
    """Return what trains on a service; nothing is started or connected to yet."""
    from pax_assets.compute.remote_run import Patience
    from pax_assets.compute.training_remote import RemoteTraining

    patience = Patience(poll=10.0, waiting=3600.0)
    if place.target == "kubernetes":
        from pax_assets.compute.kubernetes_jobs import KubernetesJobs
        from pax_assets.compute.training_options import kubernetes_options

        service: Any = KubernetesJobs(place, kubernetes_options(place.options))
    else:
        from pax_assets.compute.sagemaker_jobs import SageMakerJobs
        from pax_assets.compute.training_options import sagemaker_options

        service = SageMakerJobs(place, sagemaker_options(place.options))
        # SageMaker itself ends a wait for spot capacity, after the time that it was given.
        patience = Patience(poll=15.0)
    return RemoteTraining(service, place, patience)
