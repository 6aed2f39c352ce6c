"""Dagster Pipes messages through S3, from a node without an AWS SDK.

The writer that ships with dagster-pipes wants boto3, and its thread ends at the first upload that
fails. This one writes through pyarrow, tries again, and goes on with the numbers where a node
before it was killed: the reader never looks back.
"""

from __future__ import annotations

import re
import sys
import time
from typing import IO, Any

from dagster_pipes import (
    PipesBlobStoreMessageWriter,
    PipesBlobStoreMessageWriterChannel,
    PipesEnvVarParamsLoader,
    PipesMessageWriter,
)

from pax_assets.training.storage import Folder, StorageError

_CHUNK = re.compile(r"(\d+)\.json")
_INTERVAL = 2.0
_PAUSE_SECONDS = 5.0


def writer() -> PipesMessageWriter[Any] | None:
    """Return the writer for a reader that named a bucket; None: the default, a file, will do."""
    if "bucket" not in PipesEnvVarParamsLoader().load_messages_params():
        return None
    return S3MessageWriter(interval=_INTERVAL)


class S3MessageWriter(PipesBlobStoreMessageWriter[Any]):
    """Writes `<prefix>/1.json`, `<prefix>/2.json`, … as messages come."""

    def make_channel(self, params: Any) -> S3MessageChannel:
        """Return the channel to the bucket and prefix of the reader."""
        folder = Folder(f"s3://{params['bucket']}/{params['key_prefix']}")
        return S3MessageChannel(folder, interval=self.interval)


class S3MessageChannel(PipesBlobStoreMessageWriterChannel):
    """Chunks of messages as files of a folder, numbered after those that are there."""

    def __init__(self, folder: Folder, *, interval: float, pause: float = _PAUSE_SECONDS) -> None:
        super().__init__(interval=interval)
        self._folder = folder
        self._pause = pause
        numbers = (_CHUNK.fullmatch(name) for name in folder.sizes())
        self._counter = 1 + max((int(number[1]) for number in numbers if number), default=0)

    def upload_messages_chunk(self, payload: IO[str], index: int) -> None:
        """Write one chunk, however often it takes: the reader would wait for it for ever.

        Only the end of the training ends the trying; that is waited for a minute.
        """
        data = payload.read().encode()
        complained = False
        while True:
            try:
                self._folder.write(f"{index}.json", data)
            except StorageError as error:
                if not complained:
                    print(f"Dagster hears nothing: {error}", file=sys.stderr, flush=True)
                complained = True
                time.sleep(self._pause)
            else:
                return
