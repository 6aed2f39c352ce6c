"""Trainings as Kubernetes Jobs: what is asked of the cluster, and what its answers mean."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import kubernetes_validate
import pytest

from pax_assets.compute import kubernetes_manifests as manifests
from pax_assets.compute.aws import Refused, Unavailable, UnknownRun
from pax_assets.compute.kubernetes_api import KubernetesApi
from pax_assets.compute.kubernetes_jobs import KubernetesJobs
from pax_assets.compute.remote_run import JobLost, JobTimedOut, Patience, RunRequest, follow
from pax_assets.compute.training import TrainingPlace
from pax_assets.compute.training_options import KubernetesOptions
from pax_assets_tests.compute.aws_stubs import Clock
from pax_assets_tests.compute.kubernetes_cluster import Cluster, kubernetes

__all__ = ["kubernetes"]

TOKEN = "0123456789abcdef0123456789abcdef"
NAME = "pax-train-0123456789abcdef0123"
REQUEST = RunRequest("pax_assets.training.node", ("--job=s3://b/job.json",), {}, TOKEN, 60)
RICH = KubernetesOptions(
    cpu="7500m",
    service_account="pax-training",
    secret="store",
    priority_class="low",
    image_pull_secrets=("registry",),
    node_selector={"node.kubernetes.io/instance-type": "p5.48xlarge"},
    tolerations=({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},),
    labels={"kueue.x-k8s.io/queue-name": "gpus"},
    annotations={"team": "ml"},
)


def place(nodes: int = 2, processes: int = 8) -> TrainingPlace:
    return TrainingPlace(
        "kubernetes",
        processes=processes,
        nodes=nodes,
        image="registry.example/pax-train@sha256:" + "0" * 64,
        namespace="training",
        timeout_minutes=60,
    )


def jobs(cluster: Cluster, nodes: int = 2, **options: Any) -> KubernetesJobs:
    where = TrainingPlace("kubernetes", nodes=nodes, image="nowhere.invalid/pax", processes=1)
    where = TrainingPlace(**{**_fields(where), "namespace": cluster.namespace})
    given = KubernetesOptions(gpu="", cpu="10m", memory="10Mi", disk="10Mi", **options)
    return KubernetesJobs(where, given, cluster.api)


def _fields(where: TrainingPlace) -> dict[str, Any]:
    return {name: getattr(where, name) for name in TrainingPlace.__slots__}


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("options", [KubernetesOptions(), RICH], ids=["plain", "rich"])
@pytest.mark.parametrize("version", ["1.31", "1.33", "1.37"])
def test_manifests_are_what_kubernetes_reads(nodes, options, version) -> None:
    job = manifests.job(NAME, REQUEST.arguments, place(nodes), options)
    kubernetes_validate.validate(job, version, strict=True)
    service = manifests.service(NAME, "5d1c", options)
    kubernetes_validate.validate(service, version, strict=True)


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    return job["spec"]["template"]["spec"]


def test_a_pod_may_do_as_little_as_the_restricted_standard_allows() -> None:
    pod = pod_of(manifests.job(NAME, (), place(), KubernetesOptions()))
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {next(iter(set(volume) - {"name"})) for volume in pod["volumes"]} == {"emptyDir"}


def test_a_pod_asks_for_a_gpu_for_each_process_and_none_on_the_cpu() -> None:
    def limits(options: KubernetesOptions) -> dict[str, str]:
        (container,) = pod_of(manifests.job(NAME, (), place(), options))["containers"]
        return container["resources"]["limits"]

    assert limits(KubernetesOptions())["nvidia.com/gpu"] == "8"
    assert limits(KubernetesOptions(gpu="")) == {"memory": "16Gi"}


def test_pods_of_several_nodes_are_told_where_to_meet() -> None:
    def environment(nodes: int) -> dict[str, str]:
        (container,) = pod_of(manifests.job(NAME, (), place(nodes), RICH))["containers"]
        return {entry["name"]: entry["value"] for entry in container["env"]}

    assert environment(2)["PAX_TRAIN_MASTER"] == f"{NAME}-0.{NAME}"
    assert environment(2)["PAX_TRAIN_NODES"] == "2"
    assert "PAX_TRAIN_MASTER" not in environment(1)
    job, service = (
        manifests.job(NAME, (), place(2), RICH),
        manifests.service(NAME, "uid", RICH),
    )
    assert pod_of(job)["subdomain"] == service["metadata"]["name"]


def test_no_secret_of_this_machine_goes_into_a_manifest(monkeypatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    text = str(manifests.job(NAME, (), place(), RICH))
    assert "the-secret" not in text
    assert "eu-central-1" in text


def test_a_job_is_started_once_however_often_it_is_asked_for(kubernetes) -> None:
    from kubernetes.client import BatchV1Api, CoreV1Api

    service = jobs(kubernetes)
    assert service.start(REQUEST) == NAME
    assert service.find(TOKEN) is None
    assert service.start(REQUEST) == NAME
    batch, core = BatchV1Api(kubernetes.client), CoreV1Api(kubernetes.client)
    (job,) = batch.list_namespaced_job(kubernetes.namespace).items
    (found,) = core.list_namespaced_service(kubernetes.namespace).items
    assert (job.metadata.name, found.metadata.name) == (NAME, NAME)
    (owner,) = found.metadata.owner_references
    assert (owner.kind, owner.name) == ("Job", NAME)


def test_a_service_that_a_killed_starter_did_not_make_is_made(kubernetes) -> None:
    from kubernetes.client import CoreV1Api

    service = jobs(kubernetes)
    manifest = manifests.job(NAME, (), place(), KubernetesOptions(gpu=""))
    kubernetes.api.create_job(kubernetes.namespace, manifest)
    service.start(REQUEST)
    assert CoreV1Api(kubernetes.client).list_namespaced_service(kubernetes.namespace).items


def test_one_node_needs_no_service(kubernetes) -> None:
    from kubernetes.client import CoreV1Api

    jobs(kubernetes, nodes=1).start(REQUEST)
    assert not CoreV1Api(kubernetes.client).list_namespaced_service(kubernetes.namespace).items


def test_a_stopped_job_is_gone(kubernetes) -> None:
    service = jobs(kubernetes)
    service.start(REQUEST)
    assert service.status(NAME).phase == "waiting"
    service.stop(NAME)
    with pytest.raises(UnknownRun):
        follow_until_gone(service)


def follow_until_gone(service: KubernetesJobs) -> None:
    import time

    for _ in range(100):
        service.status(NAME)
        time.sleep(0.2)


RUNNING = {"phase": "Running"}
SCHEDULED = {"type": "PodScheduled", "status": "True"}
UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
        }
    ],
}
EVICTED = {
    "phase": "Failed",
    "reason": "Evicted",
    "message": "The node was low on resource: ephemeral-storage.",
    "conditions": [{"type": "DisruptionTarget", "status": "True"}],
}


def container(**state: Any) -> dict[str, Any]:
    return {
        "containerStatuses": [
            {
                "name": "train",
                "image": "i",
                "imageID": "",
                "ready": False,
                "restartCount": 0,
                "state": state,
            }
        ]
    }


def cannot_pull(reason: str = "ImagePullBackOff") -> dict[str, Any]:
    waiting = {"reason": reason, "message": 'Back-off pulling image "nowhere.invalid/pax"'}
    return {"phase": "Pending", "conditions": [SCHEDULED], **container(waiting=waiting)}


def ended(reason: str, code: int, message: str = "") -> dict[str, Any]:
    terminated = {"reason": reason, "exitCode": code, "message": message}
    return {"phase": "Failed", **container(terminated=terminated)}


@pytest.mark.parametrize(
    ("pods", "phase", "blocked", "words"),
    [
        ([], "waiting", False, "0 of 2 pods are there"),
        ([RUNNING], "waiting", False, "1 of 2 pods are there"),
        ([RUNNING, RUNNING], "running", False, "2 of 2 pods run"),
        ([RUNNING, {"phase": "Pending"}], "waiting", False, "is being started"),
        ([RUNNING, UNSCHEDULABLE], "waiting", False, "waits for a machine: 0/3 nodes are"),
        (
            [cannot_pull(), UNSCHEDULABLE],
            "waiting",
            True,
            "cannot start: ImagePullBackOff Back-off",
        ),
        ([cannot_pull("InvalidImageName"), RUNNING], "waiting", True, "InvalidImageName"),
        ([RUNNING, RUNNING, EVICTED], "running", False, "1 were evicted and are replaced"),
        ([RUNNING, EVICTED], "waiting", False, "1 were evicted and are replaced"),
        ([RUNNING, {"phase": "Succeeded"}], "running", False, "2 of 2"),
    ],
)
def test_how_a_job_is_doing_is_said_by_its_pods(kubernetes, pods, phase, blocked, words) -> None:
    service = jobs(kubernetes)
    service.start(REQUEST)
    for index, pod in enumerate(pods):
        kubernetes.set_pod(NAME, index, **pod)
    kubernetes.set_pod("another-job", 0, **cannot_pull())
    status = service.status(NAME)
    assert (status.phase, status.blocked) == (phase, blocked)
    assert words in status.detail


def condition(kind: str, reason: str = "", message: str = "") -> list[dict[str, str]]:
    return [{"type": kind, "status": "True", "reason": reason, "message": message}]


def test_a_job_that_is_complete_succeeded(kubernetes) -> None:
    service = jobs(kubernetes)
    service.start(REQUEST)
    kubernetes.set_job(NAME, conditions=condition("Complete"))
    assert service.status(NAME).phase == "succeeded"


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (ended("Error", 65, "the job is for 2 nodes"), "exit code 65 the job is for 2 nodes"),
        (ended("OOMKilled", 137), "killed for want of memory (OOMKilled): give it more by"),
        (EVICTED, "Evicted The node was low on resource"),
    ],
)
def test_a_failed_job_says_why(kubernetes, pod, words) -> None:
    service = jobs(kubernetes)
    service.start(REQUEST)
    kubernetes.set_pod(NAME, 0, **pod)
    kubernetes.set_job(
        NAME, conditions=condition("Failed", "PodFailurePolicy", "Container train failed")
    )
    status = service.status(NAME)
    assert status.phase == "failed"
    assert "PodFailurePolicy: Container train failed" in status.detail
    assert words in status.detail


def test_a_suspended_job_waits(kubernetes) -> None:
    service = jobs(kubernetes)
    service.start(REQUEST)
    kubernetes.change_job(NAME, {"spec": {"suspend": True}})
    status = service.status(NAME)
    assert "suspended" in status.detail
    # A queue may hold it for longer than machines are waited for.
    assert status.held


def test_a_job_that_is_being_deleted_is_lost(kubernetes) -> None:
    service, clock = jobs(kubernetes), Clock()
    service.start(REQUEST)
    kubernetes.change_job(
        NAME, {"metadata": {"finalizers": ["x/y"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    )
    with pytest.raises(JobLost, match="does not know run"):
        follow(service, NAME, clock.patience(), started_at=clock.now)


def patience(clock: Clock, **more: float) -> Patience:
    return clock.patience(waiting=3600, poll=60, **more)


def test_an_image_that_cannot_be_pulled_is_waited_for_ten_minutes(kubernetes) -> None:
    service, clock, heard = jobs(kubernetes), Clock(), []
    service.start(REQUEST)
    kubernetes.set_pod(NAME, 0, **cannot_pull())
    began = clock.now
    with pytest.raises(JobTimedOut, match=r"waited 11 minutes to start.*ImagePullBackOff"):
        follow(service, NAME, patience(clock), started_at=began, on_status=heard.append)
    assert clock.now - began < 700
    assert heard[0].blocked
    with pytest.raises(UnknownRun):
        follow_until_gone(service)


def test_a_machine_is_waited_for_an_hour(kubernetes) -> None:
    service, clock = jobs(kubernetes), Clock()
    service.start(REQUEST)
    kubernetes.set_pod(NAME, 0, **UNSCHEDULABLE)
    began = clock.now
    with pytest.raises(JobTimedOut, match=r"waited 61 minutes.*Insufficient nvidia\.com/gpu"):
        follow(service, NAME, patience(clock), started_at=began)


def answering(kubernetes: Cluster, path: str, status: int) -> KubernetesApi:
    """Calls to a server that answers so."""
    from kubernetes import client

    class Answering(client.ApiClient):
        calls = 0

        def call_api(self, *_: Any, **__: Any) -> Any:
            Answering.calls += 1
            http = SimpleNamespace(
                status=status,
                reason="because",
                data='{"message": "a reason"}',
                headers={},
                getheaders=dict,
            )
            raise client.ApiException(http_resp=http)

    return KubernetesApi(client=Answering())


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (401, Refused),
        (403, Refused),
        (404, UnknownRun),
        (422, Refused),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_what_the_server_answers_means(kubernetes, status, meaning) -> None:
    with pytest.raises(meaning, match=r"read Job x: .* a reason"):
        answering(kubernetes, "", status).job("training", "x")


def test_a_server_that_is_away_may_come_again() -> None:
    from kubernetes import client

    api = KubernetesApi(client=client.ApiClient(client.Configuration(host="http://127.0.0.1:9")))
    with pytest.raises(Unavailable):
        api.job("training", "x")


def test_without_a_cluster_it_is_said_what_is_missing(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(Refused, match="there is no cluster to read Job x in"):
        KubernetesApi().job("training", "x")
    with pytest.raises(Refused, match="there is no cluster"):
        KubernetesApi(context="production").job("training", "x")
