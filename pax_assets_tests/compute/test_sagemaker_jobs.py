"""Trainings as SageMaker training jobs: against a simulated AWS, and stubs for states it skips."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.stub import Stubber

from pax_assets.compute.aws import Refused, Unavailable, UnknownRun, client
from pax_assets.compute.remote_run import JobLost, JobTimedOut, RunRequest, follow, start
from pax_assets.compute.sagemaker_jobs import SageMakerJobs
from pax_assets.compute.training import TrainingPlace
from pax_assets.compute.training_options import SageMakerOptions
from pax_assets_tests.compute.aws_stubs import KEYS, Clock
from pax_assets_tests.compute.moto_aws import ROLE, aws, moto_server

__all__ = ["aws", "moto_server"]

TOKEN = "0123456789abcdef0123456789abcdef"
NAME = f"pax-train-{TOKEN}"
REQUEST = RunRequest("pax_assets.training.node", ("--job=s3://b/job.json",), {}, TOKEN, 60)
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/pax-train:0.1.0"


def place(**more: Any) -> TrainingPlace:
    given: dict[str, Any] = {
        "target": "sagemaker",
        "nodes": 2,
        "pipes": "s3://messages/pipes",
        "image": IMAGE,
        "instance": "ml.p5.48xlarge",
        "role": ROLE,
        "timeout_minutes": 60,
        **more,
    }
    return TrainingPlace(**given)


def stubbed(**more: Any) -> tuple[SageMakerJobs, Stubber]:
    import boto3

    sagemaker = boto3.client("sagemaker", **KEYS)
    stub = Stubber(sagemaker)
    stub.activate()
    return SageMakerJobs(place(**more), SageMakerOptions(), sagemaker), stub


def says(stub: Stubber, status: str, step: str, **more: Any) -> None:
    """Answer the next look."""
    job = {
        "TrainingJobName": NAME,
        "TrainingJobArn": f"arn:aws:sagemaker:eu-central-1:123456789012:training-job/{NAME}",
        "ModelArtifacts": {"S3ModelArtifacts": ""},
        "TrainingJobStatus": status,
        "SecondaryStatus": step,
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "ResourceConfig": {"VolumeSizeInGB": 50},
        "StoppingCondition": {},
        "CreationTime": 0,
        **more,
    }
    stub.add_response("describe_training_job", job, {"TrainingJobName": NAME})


def test_a_job_is_started_once_however_often_it_is_asked_for(aws) -> None:
    service = SageMakerJobs(place(), SageMakerOptions())
    assert service.start(REQUEST) == NAME
    assert service.find(TOKEN) is None
    assert start(service, REQUEST, Clock().patience(), asked_before=True) == NAME
    listed = client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert [job["TrainingJobName"] for job in listed] == [NAME]


def test_a_job_is_what_was_asked_for(aws) -> None:
    options = SageMakerOptions(
        subnets=("subnet-1",), security_groups=("sg-1",), kms_key="key", tags={"team": "ml"}
    )
    SageMakerJobs(place(spot=True), options).start(REQUEST)
    job = client("sagemaker").describe_training_job(TrainingJobName=NAME)
    algorithm = job["AlgorithmSpecification"]
    assert algorithm["TrainingImage"] == IMAGE
    # moto keeps the two of them as they are sent.
    assert job["ResourceConfig"]["InstanceCount"] == 2
    assert job["ResourceConfig"]["VolumeKmsKeyId"] == "key"
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200}
    assert job["EnableManagedSpotTraining"]
    assert job["VpcConfig"]["Subnets"] == ["subnet-1"]
    assert job["RoleArn"] == ROLE


def test_the_container_is_told_its_job_and_no_secret(monkeypatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
    service, stub = stubbed()
    sent: list[dict[str, Any]] = []
    stub.add_response(
        "create_training_job",
        {"TrainingJobArn": f"arn:aws:sagemaker:eu-central-1:123456789012:training-job/{NAME}"},
    )
    service._sagemaker.meta.events.register(
        "provide-client-params.sagemaker.CreateTrainingJob",
        lambda params, **_: sent.append(params),
    )
    service.start(REQUEST)
    algorithm = sent[0]["AlgorithmSpecification"]
    assert algorithm["ContainerEntrypoint"] == ["python3", "-m", "pax_assets.training.node"]
    assert algorithm["ContainerArguments"] == ["--job=s3://b/job.json"]
    assert "the-secret" not in str(sent)


@pytest.mark.parametrize(
    ("minutes", "spot", "limits"),
    [
        (60, False, {"MaxRuntimeInSeconds": 3600}),
        (60, True, {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200}),
        # 28 days is the most that SageMaker gives.
        (0, False, {"MaxRuntimeInSeconds": 28 * 86400}),
        (100_000, True, {"MaxRuntimeInSeconds": 28 * 86400, "MaxWaitTimeInSeconds": 28 * 86400}),
    ],
)
def test_a_job_ends_when_its_time_is_over(aws, minutes, spot, limits) -> None:
    request = RunRequest(REQUEST.job, REQUEST.arguments, {}, TOKEN, minutes)
    SageMakerJobs(place(spot=spot), SageMakerOptions()).start(request)
    job = client("sagemaker").describe_training_job(TrainingJobName=NAME)
    assert job["StoppingCondition"] == limits


def test_a_job_that_is_there_already_is_the_one_that_was_asked_for() -> None:
    service, stub = stubbed()
    stub.add_client_error("create_training_job", "ResourceInUse", "it exists", 400)
    assert service.start(REQUEST) == NAME
    stub.assert_no_pending_responses()


def test_an_interruption_stops_the_job() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    service, stub = stubbed()
    says(stub, "InProgress", "Training")
    stub.add_response("stop_training_job", {}, {"TrainingJobName": NAME})
    clock = Clock()
    with pytest.raises(KeyboardInterrupt):
        follow(service, NAME, clock.patience(), started_at=clock.now, on_poll=interrupt)
    stub.assert_no_pending_responses()


def test_a_job_that_is_not_there_is_unknown(aws) -> None:
    with pytest.raises(UnknownRun):
        SageMakerJobs(place(), SageMakerOptions()).status(NAME)


def test_a_job_that_sagemaker_calls_not_found_by_a_validation_error_is_unknown() -> None:
    service, stub = stubbed()
    for _ in range(14):
        stub.add_client_error(
            "describe_training_job", "ValidationException", "Requested resource not found.", 400
        )
    clock = Clock()
    with pytest.raises(JobLost, match="does not know run"):
        follow(service, NAME, clock.patience(), started_at=clock.now)


def test_another_validation_error_is_no_lost_job() -> None:
    service, stub = stubbed()
    stub.add_client_error("describe_training_job", "ValidationException", "wrong name", 400)
    with pytest.raises(Refused, match="wrong name"):
        service.status(NAME)


@pytest.mark.parametrize(
    ("status", "step", "phase"),
    [
        ("InProgress", "Starting", "waiting"),
        ("InProgress", "Pending", "waiting"),
        ("InProgress", "Downloading", "waiting"),
        ("InProgress", "DownloadingTrainingImage", "waiting"),
        ("InProgress", "Training", "running"),
        ("InProgress", "Interrupted", "waiting"),
        ("InProgress", "Restarting", "waiting"),
        ("InProgress", "Uploading", "running"),
        ("Stopping", "Stopping", "running"),
        ("Completed", "Completed", "succeeded"),
        ("Failed", "Failed", "failed"),
        ("Stopped", "Stopped", "stopped"),
        ("Stopped", "MaxRuntimeExceeded", "failed"),
        ("Stopped", "MaxWaitTimeExceeded", "failed"),
    ],
)
def test_each_state_of_a_job_has_its_phase(status, step, phase) -> None:
    service, stub = stubbed()
    says(stub, status, step)
    found = service.status(NAME)
    assert (found.phase, step in found.detail) == (phase, True)


def test_a_spot_job_is_followed_through_its_interruption() -> None:
    service, stub = stubbed()
    for step in ("Starting", "Training", "Interrupted", "Starting", "Training", "Uploading"):
        says(stub, "InProgress", step)
    says(stub, "Completed", "Completed")
    clock, heard = Clock(), []
    status = follow(service, NAME, clock.patience(), started_at=clock.now, on_status=heard.append)
    assert status.phase == "succeeded"
    assert [found.phase for found in heard][:4] == ["waiting", "running", "waiting", "waiting"]


def test_a_failed_job_says_why() -> None:
    service, stub = stubbed()
    says(stub, "Failed", "Failed", FailureReason="AlgorithmError: the job is for 2 nodes")
    status = service.status(NAME)
    assert status.detail == "Failed AlgorithmError: the job is for 2 nodes"


def test_what_a_job_waits_for_is_said() -> None:
    service, stub = stubbed()
    transition = {
        "Status": "Starting",
        "StartTime": 0,
        "StatusMessage": "Insufficient capacity, retrying",
    }
    says(stub, "InProgress", "Starting", SecondaryStatusTransitions=[transition])
    assert "Insufficient capacity" in service.status(NAME).detail


def test_a_job_that_outlives_its_time_is_stopped_by_us() -> None:
    service, stub = stubbed()
    says(stub, "InProgress", "Training")
    stub.add_response("stop_training_job", {}, {"TrainingJobName": NAME})
    clock = Clock()
    with pytest.raises(JobTimedOut, match="PAX_TRAIN_TIMEOUT_MINUTES gives it longer"):
        follow(
            service,
            NAME,
            clock.patience(),
            started_at=clock.now - 7201,
            timeout_minutes=60,
            timeout_setting="PAX_TRAIN_TIMEOUT_MINUTES",
        )
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "status", "meaning"),
    [
        ("ThrottlingException", 400, Unavailable),
        ("InternalFailure", 500, Unavailable),
        ("ResourceLimitExceeded", 400, Refused),
        ("AccessDeniedException", 400, Refused),
    ],
)
def test_a_start_that_is_refused_or_put_off(code, status, meaning) -> None:
    service, stub = stubbed()
    stub.add_client_error("create_training_job", code, "because", status)
    with pytest.raises(meaning, match="because"):
        service.start(REQUEST)


def test_the_page_of_a_job_is_in_its_region() -> None:
    service, _ = stubbed()
    assert service.url(NAME).startswith("https://eu-central-1.console.aws.amazon.com/sagemaker/")
    assert service.url(NAME).endswith(f"#/jobs/{NAME}")
