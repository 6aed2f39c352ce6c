"""A training on another machine: its data goes there by S3, the model comes back the same way.

The role of a training node needs no access to the lake, which is full of messages: what it may
read is what lies below `PAX_PIPES`, put there for it. Data and encoder are put there once, under a
name made of their content; checkpoints under a name made of the whole request, so that the same
training, asked for again after whatever went wrong, goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pax_assets.compute.payload import QUIET_THREADS
from pax_assets.compute.remote_jobs import Asked, Ended, Following, RemoteRuns
from pax_assets.compute.remote_run import JobFailed, Patience, RunRequest, RunService
from pax_assets.training import job as jobs
from pax_assets.training.encoder import EMBEDDED, WEIGHTS, resolve
from pax_assets.training.job import Input, Job
from pax_assets.training.storage import Folder, StorageError, StorageMissing, contents

if TYPE_CHECKING:
    import dagster as dg

    from pax_assets.compute.training import TrainingPlace

ENTRY_POINT = "pax_assets.training.node"
# What transformers reads of an encoder's folder; hubs hold the same weights in other forms too.
_ENCODER_FILES = ("*.json", "*.txt", "*.model", "*.md", WEIGHTS)


class RemoteTraining:
    """Trains on `service`. `s3` is the client for notes and messages."""

    def __init__(
        self, service: RunService, place: TrainingPlace, patience: Patience, s3: Any = None
    ) -> None:
        self._place = place
        self._service = service
        self._runs = RemoteRuns(
            service,
            place.pipes,
            # A Job ends itself, by a clock that stands still while a queue holds it.
            0 if place.target == "kubernetes" else place.timeout_minutes,
            patience,
            s3,
            Following(
                timeout_setting="PAX_TRAIN_TIMEOUT_MINUTES",
                printed=False,
                restarts=True,
                kept=True,
                made=lambda folder: jobs.result(Folder(folder)) is not None,
                said=_said,
            ),
        )

    def run(
        self,
        context: dg.AssetExecutionContext,
        dataset: Path,
        output: Path,
        *,
        arguments: Sequence[str],
        extras: Mapping[str, Any] | None,
        on_message: Callable[[Mapping[str, Any]], None] | None,
    ) -> None:
        """Train, or follow the training that an earlier attempt started; fetch the model."""
        place = self._place
        encoder, rest = _encoder_in(arguments)
        shared = Folder(f"{place.pipes.rstrip('/')}/training")
        job = Job(
            nodes=place.nodes,
            processes=place.processes,
            dataset=staged(dataset, shared.child("inputs")),
            encoder=staged(resolve(encoder), shared.child("inputs"), _ENCODER_FILES),
            encoder_name=encoder,
            checkpoint="",
            arguments=tuple(rest),
        )
        what = _name(job)
        job = replace(job, checkpoint=shared.child(f"checkpoints/{what}").address)

        def request(asked: Asked) -> RunRequest:
            environment = {**QUIET_THREADS, **asked.session.get_bootstrap_env_vars()}
            address = jobs.write(Folder(asked.folder), replace(job, environment=environment))
            return RunRequest(
                job=ENTRY_POINT,
                arguments=(f"--job={address}",),
                pipes={},
                token=asked.token,
                timeout_minutes=place.timeout_minutes,
            )

        hear = _each_epoch_once(on_message) if on_message else None
        ended = self._runs.run(context, [what], request, extras=extras, on_message=hear)
        self._fetch(ended, output)
        _claim(output, (extras or {}).get("lineage", {}))

    def _fetch(self, ended: Ended, output: Path) -> None:
        """Bring the model here; it appears whole or not at all."""
        folder = Folder(ended.folder)
        made = jobs.result(folder)
        if not made:
            raise JobFailed(
                f"run {ended.run_id} of {self._service.name} ended well, but left no model at "
                f"{ended.folder}; its log is at {self._service.url(ended.run_id)}"
            )
        draft = output.with_name(f".{output.name}.{uuid.uuid4().hex}")
        try:
            for name, content in made.items():
                folder.child(jobs.MODEL).get(name, draft / name, content)
            draft.rename(output)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def staged(source: Path, inputs: Folder, patterns: Sequence[str] = ("**/*",)) -> Input:
    """Put the files of a folder that match below `inputs`, unless they are there; say where.

    Raises `FileNotFoundError` for a folder without any.
    """
    files = contents(source, patterns)
    if not files:
        raise FileNotFoundError(f"{source} has no files to train with")
    folder = inputs.child(_digest({name: content.sha256 for name, content in files.items()}))
    there = folder.sizes()
    for name, content in files.items():
        if there.get(name) != content.bytes:
            folder.put(name, source / name)
    return Input(folder.address, files)


def _encoder_in(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Return the encoder that the payload's options name, and the other options."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--encoder", default=EMBEDDED)
    named, rest = parser.parse_known_args(arguments)
    return named.encoder, rest


def _each_epoch_once(
    on_message: Callable[[Mapping[str, Any]], None],
) -> Callable[[Mapping[str, Any]], None]:
    """Return `on_message` without repetitions: a node that goes on for another tells all again."""
    heard: set[int] = set()

    def hear(message: Mapping[str, Any]) -> None:
        if message.get("kind") == "epoch":
            if message["epoch"] in heard:
                return
            heard.add(message["epoch"])
        on_message(message)

    return hear


def _name(job: Job) -> str:
    """Return what tells this training from others; a checkpoint of another would not fit."""
    made_of = [job.dataset.address, job.encoder.address, job.nodes, job.processes, *job.arguments]
    return _digest(made_of)


def _digest(what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def _claim(output: Path, lineage: Mapping[str, Any]) -> None:
    """Have the model name the run that asked for it: an earlier attempt may have started it."""
    path = output / "lineage.json"
    if path.is_file() and lineage:
        written = {**json.loads(path.read_text(encoding="utf-8")), **lineage}
        text = json.dumps(written, ensure_ascii=False, indent=2, default=str)
        path.write_text(text + "\n", encoding="utf-8")


def _said(folder: str) -> str:
    """Return what the nodes said of their failure.

    Where one node fails, the others lose it and fail too: the first to say so knows why.
    """
    notes = Folder(folder).child("failed")
    found = []
    try:
        for name in notes.sizes():
            note = json.loads(notes.read(name))
            found.append((note["at"], note["node"], note["error"], note["tail"]))
    except StorageMissing:
        pass
    except (StorageError, ValueError, KeyError, TypeError) as error:
        return f"\nwhat its nodes said could not be read: {error}"
    if not found:
        return ""
    _, node, error, tail = min(found)
    return f"\nnode {node}: {error}" + (f"\n{tail}" if tail else "")
