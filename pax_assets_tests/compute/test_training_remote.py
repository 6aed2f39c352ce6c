"""A training on other machines: data goes by S3, epochs arrive while it runs, the model comes back.

The store is real, and so is the container's entry point; the machines are processes of this one.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pax_assets.compute.remote_run import JobFailed, Patience
from pax_assets.compute.training import TrainingPlace
from pax_assets.compute.training_remote import RemoteTraining, staged
from pax_assets.lake.artifacts import ArtifactStore, directory_hash
from pax_assets.training.storage import Folder
from pax_assets_tests.compute.local_nodes import LocalNodes
from pax_assets_tests.model_fixtures import TOY_RECIPE, toy_dataset, toy_encoder
from pax_assets_tests.s3_server import keys, s3_client

__all__ = ["toy_dataset", "toy_encoder"]

IDENTITY = ("model.safetensors", "config.json", "tokenizer.json", "labels.json")
QUICK = Patience(poll=0.3, unknown=0.2, unreachable=5)
SHORT = (*TOY_RECIPE[1:], "--epochs=2")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Callable[..., LocalNodes]]:
    made: list[LocalNodes] = []

    def make(nodes: int = 1, tries: int = 2, **environment: str) -> LocalNodes:
        made.append(LocalNodes(tmp_path / f"nodes-{len(made)}", nodes, tries, environment))
        return made[-1]

    yield make
    for nodes in made:
        nodes.kill()


def train(
    service: LocalNodes,
    bucket: str,
    dataset: Path,
    encoder: Path,
    output: Path,
    *,
    nodes: int = 1,
    arguments: tuple[str, ...] = SHORT,
    on_message: Callable[[Any], None] | None = None,
    run_id: str | None = None,
) -> list[Any]:
    """Train in an asset's run; return the messages that it heard."""
    heard: list[Any] = []

    def hear(message: Any) -> None:
        heard.append(message)
        if on_message:
            on_message(message)

    @dg.asset
    def model(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        place = TrainingPlace(
            "kubernetes", nodes=nodes, pipes=f"s3://{bucket}/pipes", timeout_minutes=10
        )
        RemoteTraining(service, place, QUICK).run(
            context,
            dataset,
            output,
            arguments=[f"--encoder={encoder}", *arguments],
            extras={"lineage": {"dagster_run_id": context.run_id}},
            on_message=hear,
        )
        return dg.MaterializeResult()

    job = dg.Definitions(assets=[model]).resolve_implicit_global_asset_job_def()
    job.execute_in_process(run_id=run_id or str(uuid.uuid4()))
    return heard


def epochs(messages: list[Any]) -> list[int]:
    return [message["epoch"] for message in messages if message["kind"] == "epoch"]


def checkpoints(bucket: str) -> list[str]:
    """What checkpoints are on S3; a folder's own key, which Arrow leaves, is none."""
    found = keys(bucket, "pipes/training/checkpoints")
    return [key for key in found if not key.endswith("/")]


def test_a_dataset_goes_to_the_node_and_a_model_comes_back_into_the_lake(
    bucket, cluster, toy_dataset, toy_encoder, tmp_path
) -> None:
    service, run_id, output = cluster(), str(uuid.uuid4()), tmp_path / "model"
    given = (service, bucket, toy_dataset, toy_encoder)
    heard = train(*given, output, run_id=run_id)
    assert epochs(heard) == [1, 2]
    lake = f"s3://{bucket}/lake"
    published = ArtifactStore(lake, str(tmp_path / "cache")).publish("m", output, IDENTITY)
    assert published.version == directory_hash(output, IDENTITY)
    lineage = json.loads((output / "lineage.json").read_text())
    assert lineage["dagster_run_id"] == run_id
    assert lineage["encoder"] == str(toy_encoder)
    assert checkpoints(bucket) == []
    # Something after the training failed, and the step is tried again: a GPU's hours are kept.
    assert train(*given, tmp_path / "again", run_id=run_id) == heard
    assert service.started == 1
    assert directory_hash(tmp_path / "again") == directory_hash(output)


LONG = (*TOY_RECIPE[1:], "--epochs=8", "--checkpoint-steps=5", "--encoder-dropout=0.1")


def checkpoint_of(bucket: str) -> str:
    """The name of the checkpoint that is on S3."""
    (key,) = [key for key in keys(bucket, "pipes/training/checkpoints") if "current" in key]
    return json.loads(s3_client().get_object(Bucket=bucket, Key=key)["Body"].read())["name"]


def wait_for_checkpoint(bucket: str, after: str = "") -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any("current" in key for key in keys(bucket, "pipes/training/checkpoints")):
            name = checkpoint_of(bucket)
            if name > after:
                return name
        time.sleep(0.1)
    pytest.fail("no checkpoint came")


def test_a_lost_node_is_replaced_and_both_go_on_where_they_were(
    bucket, cluster, toy_dataset, toy_encoder, tmp_path
) -> None:
    """The node with the checkpoints is lost, with its disk; the other must notice."""
    service, output = cluster(2), tmp_path / "model"
    seen: list[str] = []

    def lose(message: Any) -> None:
        if message["kind"] == "epoch" and not seen:
            seen.append(wait_for_checkpoint(bucket))
            service.kill_node(0)

    given = (service, bucket, toy_dataset, toy_encoder, output)
    heard = train(*given, nodes=2, arguments=LONG, on_message=lose)
    assert service.started == 2
    assert f"going on from the checkpoint at s3://{bucket}/pipes/training/" in service.log()
    assert "resuming after" in service.log()
    # The first node alone speaks, and its successor does not say twice what was heard.
    assert epochs(heard) == list(range(1, 9))
    lineage = json.loads((output / "lineage.json").read_text())
    assert lineage["processes"] == 2
    assert checkpoints(bucket) == []


def test_a_cancelled_run_ends_its_nodes_which_leave_their_last_checkpoint(
    bucket, cluster, toy_dataset, toy_encoder, tmp_path
) -> None:
    service = cluster()

    def cancel(message: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(
            service,
            bucket,
            toy_dataset,
            toy_encoder,
            tmp_path / "model",
            arguments=LONG,
            on_message=cancel,
        )
    assert len(service.stopped) == 1
    (process,) = service.processes.values()
    assert process.returncode == 143
    assert checkpoint_of(bucket).startswith("step-")


def test_a_training_that_fails_says_what_it_printed_last(
    bucket, cluster, toy_dataset, toy_encoder, tmp_path
) -> None:
    service = cluster(tries=1)
    with pytest.raises(JobFailed) as error:
        train(
            service,
            bucket,
            toy_dataset,
            toy_encoder,
            tmp_path / "model",
            arguments=("--epochs=0",),
        )
    assert "node 0: training ended with exit code 1" in str(error.value)
    assert "epochs is 0, expected 1 or more" in str(error.value)
    assert "https://cluster.example/" in str(error.value)


def test_a_count_of_nodes_that_disagrees_is_said_and_not_tried_again(
    bucket, cluster, toy_dataset, toy_encoder, tmp_path
) -> None:
    service = cluster(1)
    with pytest.raises(JobFailed, match="the job is for 2 nodes, and here are 1"):
        train(service, bucket, toy_dataset, toy_encoder, tmp_path / "model", nodes=2)
    assert service.started == 1


def test_a_node_that_may_not_read_is_told_which_permissions(
    bucket, cluster, toy_dataset, toy_encoder, tmp_path
) -> None:
    service = cluster(AWS_SECRET_ACCESS_KEY="another")
    with pytest.raises(JobFailed):
        train(service, bucket, toy_dataset, toy_encoder, tmp_path / "model")
    assert service.started == 1
    assert f"may not read s3://{bucket}/pipes/" in service.log()
    assert "s3:GetObject, s3:PutObject" in service.log()


def test_data_that_changed_on_the_way_is_refused(
    bucket, cluster, toy_dataset, toy_encoder, tmp_path
) -> None:
    pipes = Folder(f"s3://{bucket}/pipes/training/inputs")
    put = staged(toy_dataset, pipes)
    size = put.files["train.parquet"].bytes
    Folder(put.address).write("train.parquet", b"x" * size)
    service = cluster()
    with pytest.raises(JobFailed, match=r"train\.parquet is not what was put there"):
        train(service, bucket, toy_dataset, toy_encoder, tmp_path / "model")
    assert service.started == 1


def test_a_folder_without_files_is_refused_before_anything_starts(bucket, tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="has no files to train with"):
        staged(tmp_path, Folder(f"s3://{bucket}/inputs"))


def test_what_is_staged_already_is_not_put_again(bucket, toy_dataset) -> None:
    inputs = Folder(f"s3://{bucket}/inputs")
    put = staged(toy_dataset, inputs)
    s3_client().delete_object(
        Bucket=bucket, Key=f"{put.address[len(f's3://{bucket}/') :]}/labels.json"
    )
    before = {
        key: s3_client().head_object(Bucket=bucket, Key=key)["LastModified"] for key in keys(bucket)
    }
    time.sleep(1.1)
    assert staged(toy_dataset, inputs) == put
    after = {
        key: s3_client().head_object(Bucket=bucket, Key=key)["LastModified"] for key in keys(bucket)
    }
    assert {key for key in after if after[key] != before.get(key)} == {
        key for key in after if key.endswith("labels.json")
    }
