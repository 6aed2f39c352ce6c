"""The manifests of a training: an Indexed Job, and a Service by which its pods find each other.

What a pod may do is as little as training needs: no privileges, no account token, a root file
system that is read only. Evicted pods are replaced without counting; what would fail again fails
at once; the rest is tried a few times, from the last checkpoint.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pax_assets.training.job import NOT_AGAIN, PEER_LOST
from pax_assets.training.topology import PORT

if TYPE_CHECKING:
    from pax_assets.compute.training import TrainingPlace
    from pax_assets.compute.training_options import KubernetesOptions

CONTAINER = "train"
# The pod's user, which the image need not know.
USER = 10001
# Tries of each node that count; one that was evicted, or lost its peer so, does not.
TRIES = 3
# Time to end torchrun and to upload the last checkpoint.
GRACE_SECONDS = 120
# Beyond the training's own time: for machines to be found, as `Patience.queued`.
QUEUE_SECONDS = 3600
# So long a Job is still there for those who look, and for an orchestrator that was away.
KEEP_SECONDS = 7 * 86400
_PASSED_ON = ("AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP")
JOB_LABEL = "batch.kubernetes.io/job-name"


def job(
    name: str, arguments: tuple[str, ...], place: TrainingPlace, options: KubernetesOptions
) -> dict[str, Any]:
    """Return the Job; `arguments` are the entry point's."""

    def ended(code: int) -> dict[str, Any]:
        return {"containerName": CONTAINER, "operator": "In", "values": [code]}

    policy = [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "Ignore", "onExitCodes": ended(PEER_LOST)},
        {"action": "FailJob", "onExitCodes": ended(NOT_AGAIN)},
    ]
    spec: dict[str, Any] = {
        "completionMode": "Indexed",
        "completions": place.nodes,
        "parallelism": place.nodes,
        "backoffLimit": TRIES * place.nodes,
        "podFailurePolicy": {"rules": policy},
        # A node's successor shall not meet it.
        "podReplacementPolicy": "Failed",
        "ttlSecondsAfterFinished": KEEP_SECONDS,
        "template": _pod(name, arguments, place, options),
    }
    if place.timeout_minutes:
        spec["activeDeadlineSeconds"] = 60 * place.timeout_minutes + QUEUE_SECONDS
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": _labels(name, options)},
        "spec": spec,
    }


def service(name: str, owner: str, options: KubernetesOptions) -> dict[str, Any]:
    """Return the headless Service that gives the Job's pods names; it goes with the Job."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "labels": _labels(name, options),
            "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": owner}
            ],
        },
        "spec": {
            "clusterIP": "None",
            "selector": {JOB_LABEL: name},
            # Nodes look for each other before any is ready.
            "publishNotReadyAddresses": True,
            "ports": [{"name": "rendezvous", "port": PORT, "protocol": "TCP"}],
        },
    }


def _labels(name: str, options: KubernetesOptions) -> dict[str, str]:
    return {
        **options.labels,
        "app.kubernetes.io/name": "pax-training",
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/part-of": "pax",
    }


def _pod(
    name: str, arguments: tuple[str, ...], place: TrainingPlace, options: KubernetesOptions
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "serviceAccountName": options.service_account,
        # Roles for service accounts bring a token of their own; this one opens the API.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(name, arguments, place, options)],
        "volumes": [
            {"name": "work", "emptyDir": {"sizeLimit": options.disk}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": options.memory_disk}},
        ],
    }
    if place.nodes > 1:
        spec["subdomain"] = name
    if options.node_selector:
        spec["nodeSelector"] = options.node_selector
    if options.tolerations:
        spec["tolerations"] = list(options.tolerations)
    if options.priority_class:
        spec["priorityClassName"] = options.priority_class
    if options.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": secret} for secret in options.image_pull_secrets]
    annotations = {
        # Nodes are not taken away to save money in the middle of a training.
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "karpenter.sh/do-not-disrupt": "true",
        **options.annotations,
    }
    metadata = {"labels": _labels(name, options), "annotations": annotations}
    return {"metadata": metadata, "spec": spec}


def _container(
    name: str, arguments: tuple[str, ...], place: TrainingPlace, options: KubernetesOptions
) -> dict[str, Any]:
    environment = {
        "PAX_TRAIN_NODES": str(place.nodes),
        # Writable, with the root file system read only.
        "HOME": "/tmp",  # noqa: S108 - the pod's own volume
        **{key: os.environ[key] for key in _PASSED_ON if os.environ.get(key)},
    }
    if place.nodes > 1:
        environment["PAX_TRAIN_MASTER"] = f"{name}-0.{name}"
    resources: Mapping[str, Any] = {
        "requests": {
            "cpu": options.cpu,
            "memory": options.memory,
            "ephemeral-storage": options.disk,
        },
        "limits": {"memory": options.memory},
    }
    if options.gpu:
        # Requests of such resources are their limits.
        resources["limits"][options.gpu] = str(place.processes)
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": place.image,
        "args": list(arguments),
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "work", "mountPath": "/tmp"},  # noqa: S108 - the pod's own volume
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108
        ],
    }
    if options.secret:
        container["envFrom"] = [{"secretRef": {"name": options.secret}}]
    return container
