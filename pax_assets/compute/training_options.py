"""What a cluster needs to know beyond the settings that every training has.

Tolerations, subnets, keys: each site has some, and no two the same. They come as one JSON object
(`PAX_TRAIN_OPTIONS`), checked here by name and type before anything starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

# Kubernetes' amounts: 500m, 2, 16Gi.
Amount = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")]


class OptionsError(ValueError):
    """`PAX_TRAIN_OPTIONS` cannot be used; the message says which option and why."""


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_T = TypeVar("_T", bound=_Options)


class KubernetesOptions(_Options):
    """Options of training Jobs.

    `gpu` is the resource of which a pod asks for one a process; empty trains on the CPU.
    `memory_disk` is the size of `/dev/shm`, `disk` that of the working folder. `secret` names a
    Secret whose keys become environment variables, for a store that knows no roles. `context` is
    one of the kubeconfig; without it, the current one, or the pod's own account in a cluster.
    """

    gpu: str = "nvidia.com/gpu"
    cpu: Amount = "4"
    memory: Amount = "16Gi"
    memory_disk: Amount = "4Gi"
    disk: Amount = "40Gi"
    service_account: str = "default"
    secret: str = ""
    context: str = ""
    priority_class: str = ""
    image_pull_secrets: tuple[str, ...] = ()
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[dict[str, Any], ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class SageMakerOptions(_Options):
    """Options of training jobs: disk, network, keys and tags."""

    volume_gb: int = Field(default=50, ge=1, le=16384)
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    kms_key: str = ""
    encrypt_traffic: bool = False
    tags: dict[str, str] = Field(default_factory=dict)


def kubernetes_options(given: Mapping[str, Any]) -> KubernetesOptions:
    """Return checked options. Raises `OptionsError`."""
    return _checked(KubernetesOptions, given)


def sagemaker_options(given: Mapping[str, Any]) -> SageMakerOptions:
    """Return checked options. Raises `OptionsError`."""
    options = _checked(SageMakerOptions, given)
    if bool(options.subnets) != bool(options.security_groups):
        raise OptionsError("subnets and security_groups go together: give both or neither")
    return options


def _checked(kind: type[_T], given: Mapping[str, Any]) -> _T:
    try:
        return kind(**given)
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, e['loc']))}: {_said(kind, e['type'], e['msg'])}"
            for e in error.errors()
        ]
        raise OptionsError("; ".join(wrong)) from None


def _said(kind: type[_Options], problem: str, message: str) -> str:
    if problem == "extra_forbidden":
        return f"there is no such option here, but {', '.join(kind.model_fields)}"
    return message
