"""A copy, beyond this node, of the checkpoints that training writes on it.

A node of a spot fleet goes with its disk. The newest checkpoint is therefore uploaded while
training goes on, and whoever comes next begins with it. A pointer written last says which one is
whole. Nothing here stops a training: a checkpoint too few costs minutes, a stop costs the run.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from threading import Event, Thread

from pax_assets.training.job import files
from pax_assets.training.storage import DiskFull, Folder, StorageError, StorageMissing

_CURRENT = "current.json"
_LOOK_SECONDS = 1.0


class CheckpointMirror:
    """Keeps the newest checkpoint of the folder `room` in `folder`; `say` prints a line."""

    def __init__(self, room: Path, folder: Folder, say: Callable[[str], None]) -> None:
        self._room = room
        self._folder = folder
        self._say = say
        self._uploaded = self._complained = ""
        self._stopping = Event()
        self._thread = Thread(target=self._follow, name="checkpoints", daemon=True)

    def fetch(self) -> bool:
        """Bring the checkpoint that an earlier node left into the room; False if there is none.

        One that is damaged is left alone and said. Raises `StorageError` where it could not be
        found out, and `DiskFull`.
        """
        try:
            current = json.loads(self._folder.read(_CURRENT))
            name, listed = current["name"], files(current["files"])
        except StorageMissing:
            return False
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._say(f"{self._folder.address}/{_CURRENT} names no checkpoint: {error!r}")
            return False
        draft = self._room.with_name(f".{uuid.uuid4().hex}")
        try:
            for file, content in listed.items():
                self._folder.get(f"{name}/{file}", draft / file, content)
            self._room.mkdir(parents=True, exist_ok=True)
            draft.rename(self._room / name)
        except DiskFull:
            raise
        except (StorageError, OSError) as error:
            self._say(f"the checkpoint {name} is not used: {error}")
            return False
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self._uploaded = name
        return True

    def start(self) -> None:
        """Upload from now on, beside the training."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Upload what is newest if that takes no longer than `seconds`, and no more then."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def remove(self) -> None:
        """Remove all that was uploaded: the model is there."""
        try:
            # The pointer first: nobody shall be sent to what is going.
            self._folder.remove(_CURRENT)
            self._remove_but("")
        except StorageError as error:
            self._say(f"checkpoints are left at {self._folder.address}: {error}")

    def _follow(self) -> None:
        while True:
            last = self._stopping.is_set()
            self._upload_newest()
            if last:
                return
            self._stopping.wait(_LOOK_SECONDS)

    def _upload_newest(self) -> None:
        # Finished checkpoints are called by their step, in digits of equal number.
        newest = max((path.name for path in self._room.glob("step-*")), default="")
        if newest in ("", self._uploaded):
            return
        aside = self._room.with_name(f".{uuid.uuid4().hex}")
        try:
            # Links outlive the checkpoint, which goes when the next one is written.
            shutil.copytree(self._room / newest, aside, copy_function=os.link)
            self._upload(newest, aside)
        except (OSError, shutil.Error):
            # It went while it was linked; its successor is there.
            return
        except StorageError as error:
            if self._complained != newest:
                self._say(f"the checkpoint {newest} is on this machine only: {error}")
            self._complained = newest
        else:
            self._uploaded = newest
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _upload(self, name: str, source: Path) -> None:
        listed = {
            path.name: asdict(self._folder.put(f"{name}/{path.name}", path))
            for path in sorted(source.iterdir())
        }
        self._folder.write(_CURRENT, json.dumps({"name": name, "files": listed}).encode())
        self._remove_but(name)

    def _remove_but(self, name: str) -> None:
        for other in {file.partition("/")[0] for file in self._folder.sizes()}:
            if other.startswith("step-") and other != name:
                self._folder.remove_folder(other)
