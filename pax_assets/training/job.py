"""What a training node is told: one JSON file, beside which it leaves what it made.

A command line would have to pass through three platforms with three limits (SageMaker cuts a
variable at 512 characters); a file has none, can be read by a person, and is the same everywhere.
Light: the orchestrator writes it without torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pax_assets.training.storage import Content, Folder, StorageMissing, StorageRefused

FORMAT = 1
FILE = "job.json"
RESULT = "result.json"
MODEL = "model"
# A node that ends with it would end so again: whoever starts nodes need not try once more.
NOT_AGAIN = 65
# Another node was taken away: not this one's failure.
PEER_LOST = 76


class JobError(ValueError):
    """A job that cannot be done as it was asked for; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Input:
    """A folder that each node fetches: where it lies and the files in it."""

    address: str
    files: Mapping[str, Content]

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(content.bytes for content in self.files.values())


@dataclass(frozen=True, slots=True)
class Job:
    """One training: `nodes` machines with `processes` each.

    `arguments` are for `pax_assets.training.train`, without those that name folders. `encoder_name`
    is what the model's lineage calls the encoder. `checkpoint` is the address of the folder that
    outlives nodes. `environment` is added to that of the processes (Dagster Pipes, for one).
    """

    nodes: int
    processes: int
    dataset: Input
    encoder: Input
    encoder_name: str
    checkpoint: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def write(folder: Folder, job: Job) -> str:
    """Write the job into `folder`, where its nodes will leave their results; return its address."""
    text = json.dumps({"format": FORMAT, **asdict(job)}, indent=1)
    folder.write(FILE, text.encode())
    return f"{folder.address}/{FILE}"


def read(folder: Folder, name: str) -> Job:
    """Read a job. Raises `JobError` where it is none, `StorageError` where it is not to be had."""
    where = f"{folder.address}/{name}"
    try:
        given = json.loads(folder.read(name))
        _check_format(given.pop("format"), where)
        given |= {what: _input(given[what]) for what in ("dataset", "encoder")}
        job = Job(**{**given, "arguments": tuple(given["arguments"])})
    except StorageMissing as error:
        raise JobError(f"there is no job: {error}") from error
    except JobError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JobError(f"{where} is no job of PAX: {error!r}") from error
    for what, found in (("dataset", job.dataset), ("encoder", job.encoder)):
        if not found.files:
            raise JobError(f"{where}: the {what} {found.address} has no files")
    return job


def _check_format(written: object, where: str) -> None:
    if written != FORMAT:
        raise JobError(
            f"{where} has format {written!r}, and this image reads {FORMAT}: build the image from "
            "the version of PAX that starts it"
        )


def _input(given: dict[str, Any]) -> Input:
    return Input(given["address"], files(given["files"]))


def files(given: Mapping[str, Mapping[str, Any]]) -> dict[str, Content]:
    """Return a list of files as it stands in a job or a result."""
    return {name: Content(**content) for name, content in given.items()}


def write_result(folder: Folder, made: Mapping[str, Content]) -> None:
    """Say that the model is there, after all of its files."""
    listed = {name: asdict(content) for name, content in made.items()}
    folder.write(RESULT, json.dumps({"files": listed}, indent=1).encode())


def result(folder: Folder) -> dict[str, Content] | None:
    """Return the files of the model that the job's nodes left in `folder`; None if there is none.

    Raises `StorageRefused` for what is no result.
    """
    try:
        return files(json.loads(folder.read(RESULT))["files"])
    except StorageMissing:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageRefused(f"{folder.address}/{RESULT} is no result: {error!r}") from error
