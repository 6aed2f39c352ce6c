"""Trainings as SageMaker training jobs.

A job is called by its request's token, so that asking twice starts one. Data, checkpoints and model
go by the container's own way (S3, below `PAX_PIPES`), as on every other platform; SageMaker's
channels and its checkpoint folder are not used, so that there is one path to test and one role's
permissions to grant.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from pax_assets.compute.aws import Refused, UnknownRun, answered, client
from pax_assets.compute.remote_run import Phase, RunRequest, Status

if TYPE_CHECKING:
    from pax_assets.compute.training import TrainingPlace
    from pax_assets.compute.training_options import SageMakerOptions

_PREFIX = "pax-train-"
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
_ENDED: dict[str, Phase] = {"Completed": "succeeded", "Failed": "failed", "Stopped": "stopped"}
_AT_WORK = frozenset({"Training", "Uploading", "Stopping"})
_OUT_OF_TIME = frozenset({"MaxRuntimeExceeded", "MaxWaitTimeExceeded"})
# SageMaker has no jobs without an end.
_LONGEST_SECONDS = 28 * 86400
# Time to wait for spot capacity, beyond the training's own time.
_QUEUE_SECONDS = 3600
_PASSED_ON = ("AWS_ENDPOINT_URL_S3",)


class SageMakerJobs:
    """Training jobs as the role of `place`, on its instances."""

    def __init__(
        self, place: TrainingPlace, options: SageMakerOptions, sagemaker: Any = None
    ) -> None:
        self._place = place
        self._options = options
        self._sagemaker = sagemaker or client("sagemaker")

    @property
    def name(self) -> str:
        """The service and its region."""
        return f"SageMaker ({self._sagemaker.meta.region_name})"

    def start(self, request: RunRequest) -> str:
        """Create the training job; one of this token that is there already is the same."""
        name = f"{_PREFIX}{request.token}"
        try:
            with answered(f"{self.name}: create training job"):
                self._sagemaker.create_training_job(**self._described(name, request))
        except Refused as error:
            if _code(error) != "ResourceInUse":
                raise
        return name

    def _described(self, name: str, request: RunRequest) -> dict[str, Any]:
        place, options = self._place, self._options
        seconds = min(60 * request.timeout_minutes or _LONGEST_SECONDS, _LONGEST_SECONDS)
        stopping = {"MaxRuntimeInSeconds": seconds}
        if place.spot:
            stopping["MaxWaitTimeInSeconds"] = min(seconds + _QUEUE_SECONDS, _LONGEST_SECONDS)
        output = {"S3OutputPath": f"{place.pipes.rstrip('/')}/training/sagemaker"}
        resources: dict[str, Any] = {
            "InstanceType": place.instance,
            "InstanceCount": place.nodes,
            "VolumeSizeInGB": options.volume_gb,
        }
        if options.kms_key:
            output["KmsKeyId"] = resources["VolumeKmsKeyId"] = options.kms_key
        described: dict[str, Any] = {
            "TrainingJobName": name,
            "RoleArn": place.role,
            "AlgorithmSpecification": {
                "TrainingImage": place.image,
                "TrainingInputMode": "File",
                # Named, or SageMaker would call the image with the word "train".
                "ContainerEntrypoint": ["python3", "-m", request.job],
                "ContainerArguments": list(request.arguments),
            },
            "OutputDataConfig": output,
            "ResourceConfig": resources,
            "StoppingCondition": stopping,
            "EnableManagedSpotTraining": place.spot,
            "EnableInterContainerTrafficEncryption": options.encrypt_traffic,
            # Faults of the service itself; a training goes on from its checkpoint.
            "RetryStrategy": {"MaximumRetryAttempts": 3},
            "Environment": {key: os.environ[key] for key in _PASSED_ON if os.environ.get(key)},
            "Tags": [
                {"Key": key, "Value": value}
                for key, value in {"application": "pax", **options.tags}.items()
            ],
        }
        if options.subnets:
            described["VpcConfig"] = {
                "Subnets": list(options.subnets),
                "SecurityGroupIds": list(options.security_groups),
            }
        return described

    def find(self, token: str) -> str | None:  # noqa: ARG002 - the same name every time
        """Return None: `start` with the same token starts nothing twice."""
        return None

    def status(self, run_id: str) -> Status:
        """Ask for the job's state and, where it failed, for the reason."""
        job = self._job(run_id)
        state, step = job["TrainingJobStatus"], job.get("SecondaryStatus", "")
        last = (job.get("SecondaryStatusTransitions") or [{}])[-1].get("StatusMessage", "")
        reason = job.get("FailureReason") or last
        detail = " ".join(word for word in (state, step if step != state else "", reason) if word)
        if state in _ENDED:
            # Out of its time it is stopped, which nobody asked for.
            return Status("failed" if step in _OUT_OF_TIME else _ENDED[state], detail)
        return Status("running" if step in _AT_WORK else "waiting", detail)

    def _job(self, run_id: str) -> dict[str, Any]:
        try:
            with answered(f"{self.name}: state of training job {run_id}"):
                return self._sagemaker.describe_training_job(TrainingJobName=run_id)
        except Refused as error:
            # SageMaker has no code of its own for it.
            missing = re.search("not found|could not find", str(error), re.IGNORECASE)
            if _code(error) == "ValidationException" and missing:
                raise UnknownRun(str(error)) from error
            raise

    def stop(self, run_id: str) -> None:
        """Stop the job: its container has two minutes to upload the last checkpoint."""
        with answered(f"{self.name}: stop training job {run_id}"):
            self._sagemaker.stop_training_job(TrainingJobName=run_id)

    def url(self, run_id: str) -> str:
        """Return the job's page in the console."""
        region = self._sagemaker.meta.region_name
        return (
            f"https://{region}.console.aws.amazon.com/sagemaker/home?region={region}#/jobs/{run_id}"
        )


def _code(error: Refused) -> str:
    """Return the service's code of what `answered` translated."""
    response = getattr(error.__cause__, "response", {})
    return response.get("Error", {}).get("Code", "")
