"""The Kubernetes API, and what its errors mean to somebody who waits for a Job.

Like `pax_assets.compute.aws` for its services: come again, not known, refused. The package finds
the cluster as kubectl does, or from inside of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pax_assets.compute.aws import Refused, Unavailable, UnknownRun

_SECONDS = (10, 30)


class Conflict(Refused):
    """The object is there already."""


class KubernetesApi:
    """Calls to one cluster. `client` is an `ApiClient`; without it, the configured one is made."""

    def __init__(self, context: str = "", client: Any = None) -> None:
        self._context = context
        self._given = client
        self._client = client

    def create_job(self, namespace: str, manifest: Mapping[str, Any]) -> Any:
        """Create a Job and return it. Raises `Conflict` where it is there."""
        return self._call(
            f"create Job {manifest['metadata']['name']}",
            lambda client, options: client.BatchV1Api(self._client).create_namespaced_job(
                namespace, manifest, **options
            ),
        )

    def create_service(self, namespace: str, manifest: Mapping[str, Any]) -> Any:
        """Create a Service and return it. Raises `Conflict` where it is there."""
        return self._call(
            f"create Service {manifest['metadata']['name']}",
            lambda client, options: client.CoreV1Api(self._client).create_namespaced_service(
                namespace, manifest, **options
            ),
        )

    def job(self, namespace: str, name: str) -> Any:
        """Return a Job. Raises `UnknownRun` where there is none."""
        return self._call(
            f"read Job {name}",
            lambda client, options: client.BatchV1Api(self._client).read_namespaced_job(
                name, namespace, **options
            ),
        )

    def pods(self, namespace: str, labels: Mapping[str, str]) -> list[Any]:
        """Return the pods that have these labels."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        found = self._call(
            f"list the pods with {selector}",
            lambda client, options: client.CoreV1Api(self._client).list_namespaced_pod(
                namespace, label_selector=selector, **options
            ),
        ).items
        return [pod for pod in found if labels.items() <= (pod.metadata.labels or {}).items()]

    def delete_job(self, namespace: str, name: str) -> None:
        """Delete a Job with its pods."""
        self._call(
            f"delete Job {name}",
            lambda client, options: client.BatchV1Api(self._client).delete_namespaced_job(
                name, namespace, propagation_policy="Background", **options
            ),
        )

    def _call(self, what: str, call: Callable[[Any, dict[str, Any]], Any]) -> Any:
        try:
            return self._answer(what, call)
        except _Unauthorized:
            # Tokens of a login command live for minutes, and a training for hours.
            self._client = self._given
        try:
            return self._answer(what, call)
        except _Unauthorized as error:
            raise Refused(str(error)) from error

    def _answer(self, what: str, call: Callable[[Any, dict[str, Any]], Any]) -> Any:
        from kubernetes import client, config
        from urllib3.exceptions import HTTPError

        try:
            if self._client is None:
                self._client = self._configured()
            return call(client, {"_request_timeout": _SECONDS})
        except config.ConfigException as error:
            raise Refused(f"Kubernetes: there is no cluster to {what} in: {error}") from error
        except client.ApiException as error:
            said = f"Kubernetes: {what}: {error.status} {error.reason} {_message(error.body)}"
            if error.status == 401:
                raise _Unauthorized(said) from error
            if error.status == 404:
                raise UnknownRun(said) from error
            if error.status == 409:
                raise Conflict(said) from error
            if error.status == 429 or not error.status or error.status >= 500:
                raise Unavailable(said) from error
            raise Refused(said) from error
        except (HTTPError, OSError) as error:
            raise Unavailable(f"Kubernetes: {what}: {error}") from error

    def _configured(self) -> Any:
        from kubernetes import client, config

        configuration = client.Configuration()
        if self._context:
            config.load_kube_config(context=self._context, client_configuration=configuration)
        else:
            try:
                config.load_incluster_config(client_configuration=configuration)
            except config.ConfigException:
                config.load_kube_config(client_configuration=configuration)
        return client.ApiClient(configuration)


class _Unauthorized(RuntimeError):
    """The credentials are not, or no longer, known."""


def _message(body: Any) -> str:
    import json

    try:
        return json.loads(body)["message"]
    except (TypeError, ValueError, KeyError):
        return ""
