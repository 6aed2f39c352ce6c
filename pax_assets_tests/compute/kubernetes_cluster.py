"""A Kubernetes API to test against: an emulated one, or the server of `PAX_TEST_KUBECONFIG`.

The emulated one stores objects and runs no controllers, so tests say what happened to a Job and its
pods. A real server decides that itself: what needs such saying is skipped there.
"""

from __future__ import annotations

import asyncio
import os
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pax_assets.compute.kubernetes_api import KubernetesApi
from pax_assets.compute.kubernetes_manifests import JOB_LABEL


@dataclass
class Cluster:
    """A namespace of a cluster; `emulated` where nothing happens by itself."""

    client: Any
    namespace: str
    emulated: bool
    url: str = ""

    @property
    def api(self) -> KubernetesApi:
        """Calls to this cluster."""
        return KubernetesApi(client=self.client)

    def set_job(self, name: str, **status: Any) -> None:
        """Say how a Job is doing."""
        from kubernetes.client import BatchV1Api

        self._emulated_only()
        api = BatchV1Api(self.client)
        api.patch_namespaced_job_status(name, self.namespace, {"status": status})

    def change_job(self, name: str, change: dict[str, Any]) -> None:
        """Change a Job."""
        from kubernetes.client import BatchV1Api

        self._emulated_only()
        BatchV1Api(self.client).patch_namespaced_job(name, self.namespace, change)

    def set_pod(self, job: str, index: int, **status: Any) -> None:
        """Say how a pod of a Job is doing, as its controller and the kubelet would."""
        from kubernetes.client import CoreV1Api

        self._emulated_only()
        name = f"{job}-{index}-{uuid.uuid4().hex[:5]}"
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {JOB_LABEL: job}},
            "spec": {"containers": [{"name": "train"}]},
            "status": status,
        }
        CoreV1Api(self.client).create_namespaced_pod(self.namespace, pod)

    def _emulated_only(self) -> None:
        if not self.emulated:
            pytest.skip("a real cluster decides itself how Jobs are doing")


@pytest.fixture
def kubernetes() -> Iterator[Cluster]:
    """A cluster to start Jobs in."""
    given = os.environ.get("PAX_TEST_KUBECONFIG")
    yield from _real(given) if given else _emulated()


def _real(kubeconfig: str) -> Iterator[Cluster]:
    from kubernetes import client, config

    api = config.new_client_from_config(config_file=kubeconfig)
    core, name = client.CoreV1Api(api), f"pax-test-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    try:
        yield Cluster(api, name, emulated=False)
    finally:
        core.delete_namespace(name)


def _emulated() -> Iterator[Cluster]:
    import kmock
    from kubernetes import client

    ready, ended, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    found: list[str] = []

    async def serve() -> None:
        async with kmock.KubernetesEmulator() as handler, kmock.Server(handler) as server:
            for resource in ("v1/pods", "v1/services", "batch/v1/jobs"):
                handler.resources[resource] = {}
            found.append(str(server.url).rstrip("/"))
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(30)
    configuration = client.Configuration(host=found[0])
    yield Cluster(client.ApiClient(configuration), "training", emulated=True, url=found[0])
    loop.call_soon_threadsafe(ended.set)
    thread.join(30)
    loop.close()
