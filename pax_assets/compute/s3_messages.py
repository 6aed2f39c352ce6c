"""Dagster Pipes messages that a payload on another machine leaves on S3.

The reader that ships with Dagster polls from a thread and stops a while after the end, whether
or not the last chunk was there. This one reads when it is asked: once more after the run is
over, when everything that will ever be written is there. It begins at the first chunk, so that
a follower who comes later hears all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg

from pax_assets.compute.aws import UnknownRun, answered

if TYPE_CHECKING:
    from dagster._core.pipes.context import PipesMessageHandler


class S3Messages(dg.PipesMessageReader):
    """Reads what `PipesS3MessageWriter` writes: `<prefix>/1.json`, `<prefix>/2.json`, …

    `printed`: the payload shall send what it prints. `restarts`: it may be killed and started
    again, so that one that closed with an error is not the end of it.
    """

    def __init__(
        self, s3: Any, bucket: str, prefix: str, *, printed: bool = True, restarts: bool = False
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix
        self._printed = printed
        self._restarts = restarts
        self._read = 0
        self._handler: PipesMessageHandler | None = None

    @contextmanager
    def read_messages(self, handler: PipesMessageHandler) -> Iterator[dict[str, Any]]:
        """Yield what tells the payload where to write; what it prints comes as messages too."""
        self._handler = handler
        try:
            yield {
                "bucket": self._bucket,
                "key_prefix": self._prefix,
                "include_stdio_in_messages": self._printed,
            }
        finally:
            self._handler = None

    def poll(self) -> None:
        """Hand on what was written since the last call; raises `Unavailable` or `Refused`."""
        if self._handler is None:
            raise RuntimeError("messages are read inside of a Pipes session only")
        while (chunk := self._chunk(self._read + 1)) is not None:
            self._read += 1
            for line in chunk.split("\n"):
                message = json.loads(line)
                failed = message["method"] == "closed" and "exception" in (message["params"] or {})
                if not (failed and self._restarts):
                    self._handler.handle_message(message)

    def _chunk(self, number: int) -> str | None:
        key = f"{self._prefix}/{number}.json"
        try:
            with answered(f"messages at s3://{self._bucket}/{key}"):
                return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read().decode()
        except UnknownRun:
            return None

    def no_messages_debug_text(self) -> str:
        """Say where messages were expected."""
        return (
            f"No messages arrived at s3://{self._bucket}/{self._prefix}. The job's role must be "
            "allowed to write there."
        )
