"""Trainings as Kubernetes Jobs, one pod a node.

`PipesK8sClient` follows the pod's log, and hangs when the pod is deleted (dagster #22453) or its
connection is cut after hours. Here the Job is what is looked at: it outlives pods. That a pod waits
for a machine or for an image for ever is said in words, with the scheduler's reason.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from pax_assets.compute import kubernetes_manifests as manifests
from pax_assets.compute.aws import UnknownRun
from pax_assets.compute.kubernetes_api import Conflict, KubernetesApi
from pax_assets.compute.remote_run import RunRequest, Status

if TYPE_CHECKING:
    from pax_assets.compute.training import TrainingPlace
    from pax_assets.compute.training_options import KubernetesOptions

# A pod that waits for one of these reasons waits until somebody changes something.
_BLOCKED = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)


class KubernetesJobs:
    """Jobs in the namespace of `place`."""

    def __init__(
        self, place: TrainingPlace, options: KubernetesOptions, api: KubernetesApi | None = None
    ) -> None:
        self._place = place
        self._options = options
        self._api = api or KubernetesApi(options.context)

    @property
    def name(self) -> str:
        """The service and the namespace."""
        return f"Kubernetes namespace {self._place.namespace}"

    def start(self, request: RunRequest) -> str:
        """Create the Job, called by the token, and the Service of its pods: once."""
        name, namespace = f"pax-train-{request.token[:20]}", self._place.namespace
        manifest = manifests.job(name, request.arguments, self._place, self._options)
        try:
            job = self._api.create_job(namespace, manifest)
        except Conflict:
            job = self._api.job(namespace, name)
        if self._place.nodes > 1:
            service = manifests.service(name, job.metadata.uid or "", self._options)
            with contextlib.suppress(Conflict):
                self._api.create_service(namespace, service)
        return name

    def find(self, token: str) -> str | None:  # noqa: ARG002 - the same name every time
        """Return None: `start` with the same token finds what is there, and completes it."""
        return None

    def status(self, run_id: str) -> Status:
        """Say how the Job is doing, by its conditions and its pods."""
        job = self._api.job(self._place.namespace, run_id)
        if job.metadata.deletion_timestamp:
            raise UnknownRun(f"{self.name}: Job {run_id} was deleted")
        ended = {
            condition.type: condition
            for condition in (job.status and job.status.conditions) or ()
            if condition.status == "True"
        }
        if "Complete" in ended:
            return Status("succeeded", "Complete")
        pods = self._api.pods(self._place.namespace, {manifests.JOB_LABEL: run_id})
        if "Failed" in ended:
            failed = ended["Failed"]
            words = [f"{failed.reason or 'Failed'}: {failed.message or ''}".strip(" :")]
            words += [_end(pod) for pod in pods if pod.status.phase == "Failed"]
            return Status("failed", "; ".join(words))
        if job.spec.suspend:
            return Status(
                "waiting", "the Job is suspended: a queue holds it, or a person", held=True
            )
        return _doing(pods, self._place.nodes)

    def stop(self, run_id: str) -> None:
        """Delete the Job; its pods get time to upload their last checkpoint."""
        self._api.delete_job(self._place.namespace, run_id)

    def url(self, run_id: str) -> str:
        """Return how to see the Job: Kubernetes has no page of its own."""
        return f"kubectl -n {self._place.namespace} logs -f job/{run_id} --all-pods --prefix"


def _doing(pods: list[Any], nodes: int) -> Status:
    """Say what pods of a Job that goes on are doing."""
    alive = [pod for pod in pods if pod.status.phase in ("Pending", "Running", "Succeeded")]
    waits = [_wait(pod) for pod in alive if pod.status.phase == "Pending"]
    gone = sum(_disrupted(pod) for pod in pods)
    tail = f"; {gone} were evicted and are replaced" if gone else ""
    if waits:
        words = "; ".join(reason for reason, _ in waits)
        return Status("waiting", words + tail, blocked=any(blocked for _, blocked in waits))
    if len(alive) < nodes:
        return Status("waiting", f"{len(alive)} of {nodes} pods are there{tail}")
    return Status("running", f"{nodes} of {nodes} pods run{tail}")


def _wait(pod: Any) -> tuple[str, bool]:
    """Return why a pod does not run yet, and whether that ends by itself."""
    name = pod.metadata.name
    for container in _containers(pod):
        waiting = container.state.waiting if container.state else None
        if waiting and waiting.reason in _BLOCKED:
            why = f"{waiting.reason} {waiting.message or ''}".strip()
            return f"pod {name} cannot start: {why}", True
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            why = condition.message or condition.reason or "no machine fits"
            return f"pod {name} waits for a machine: {why}", False
    return f"pod {name} is being started", False


def _end(pod: Any) -> str:
    """Return how a pod ended."""
    name = pod.metadata.name
    for container in _containers(pod):
        ended = container.state.terminated if container.state else None
        if ended and ended.reason == "OOMKilled":
            return (
                f"pod {name} was killed for want of memory (OOMKilled): give it more by the "
                "option memory of PAX_TRAIN_OPTIONS, or train with a smaller batch"
            )
        if ended and ended.exit_code:
            return f"pod {name}: exit code {ended.exit_code} {ended.message or ''}".strip()
    return f"pod {name}: {pod.status.reason or 'Failed'} {pod.status.message or ''}".strip()


def _disrupted(pod: Any) -> bool:
    return any(
        condition.type == "DisruptionTarget" and condition.status == "True"
        for condition in pod.status.conditions or ()
    )


def _containers(pod: Any) -> list[Any]:
    return [*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ())]
