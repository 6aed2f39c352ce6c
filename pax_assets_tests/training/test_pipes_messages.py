"""Under test: messages to Dagster from a node without an AWS SDK, in the reader's order."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

from pax_assets.training.pipes_messages import S3MessageChannel
from pax_assets.training.storage import Folder, StorageError


def send(folder: Folder, *messages: int) -> None:
    channel = S3MessageChannel(folder, interval=1)
    with channel.buffered_upload_loop():
        for message in messages:
            channel.write_message({"n": message})  # type: ignore[typeddict-item]


def numbers(folder: Folder, chunk: int) -> list[int]:
    return [json.loads(line)["n"] for line in folder.read(f"{chunk}.json").decode().split("\n")]


def test_a_node_that_was_started_again_goes_on_where_the_one_before_ended(tmp_path: Path):
    folder = Folder(str(tmp_path))
    for other in ("job.json", "attempt.json", "model/7.json", "x9.json"):
        folder.write(other, b"{}")
    send(folder, 1, 2)
    send(folder, 3)
    assert [numbers(folder, chunk) for chunk in (1, 2)] == [[1, 2], [3]]


def test_a_chunk_is_written_however_often_it_takes(tmp_path: Path, capsys):
    folder, left = Folder(str(tmp_path)), [3]

    class Away(Folder):
        def write(self, name: str, data: bytes) -> None:
            if left[0]:
                left[0] -= 1
                raise StorageError("the store is away")
            super().write(name, data)

    channel = S3MessageChannel(Away(str(tmp_path)), interval=1, pause=0.01)
    channel.upload_messages_chunk(StringIO('{"n": 1}'), 1)
    assert numbers(folder, 1) == [1]
    assert capsys.readouterr().err.count("Dagster hears nothing: the store is away") == 1
