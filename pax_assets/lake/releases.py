"""Which model is the champion, and every release before it: a record that is only added to.

A pointer that is moved forgets. A rollback must know the champion before, and a model that
people rolled back from must not come back by itself. So each release is an artifact that names
the one before it, and the pointer to the newest is moved only by somebody who has seen the
release that it names: of two promotions at once, the later one compares again.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from pax_assets.lake.artifacts import MissingArtifact

if TYPE_CHECKING:
    from pax_assets.lake.artifacts import ArtifactStore

KEY = "released_model"
FILE = "release.json"

# Digits of a version that sentences and tables show: more than a person needs to name it.
_DIGITS = 12


class NoFormerRelease(LookupError):
    """A release to go back to that is not there; the message says which there are."""


@dataclass(frozen=True, slots=True)
class Served:
    """What is served: a model, its graph, the variant, and its F1 on the dev set it was judged on.

    `metrics` (0 to 1, by score) were measured on the dev part of `dataset_version`.
    """

    model_version: str
    onnx_version: str
    variant: str
    dataset_version: str
    metrics: Mapping[str, float]

    @property
    def model(self) -> str:
        """The model's version as people are shown it, and as `make promote` takes it."""
        return self.model_version[:_DIGITS]

    def same_answers(self, other: Served) -> bool:
        """Whether the two are one model, one graph, one variant."""
        return self.content == other.content

    @property
    def content(self) -> str:
        """Return a hash of what decides the answers (32 hex digits)."""
        parts = (self.model_version, self.onnx_version, self.variant)
        return sha256(" ".join(parts).encode()).hexdigest()[:32]

    @property
    def onnx_path(self) -> str:
        """The folder of the graphs, in the lake."""
        return f"onnx_model/{self.onnx_version}"


@dataclass(frozen=True, slots=True)
class Release(Served):
    """A time at which something became the champion. `version` is that of its artifact.

    `before` is the artifact version of the release before; `restores` the number of the release
    that a rollback went back to, and `withdraws` the version of the model (or, where the two
    have the same model, of the graphs) that it left.
    """

    number: int = 1
    before: str | None = None
    action: str = "promoted"
    restores: int | None = None
    withdraws: str | None = None
    released_at: str = ""
    why: str = ""
    dagster_run_id: str = ""
    mlflow_version: str | None = None
    version: str = field(default="", compare=False)

    @classmethod
    def from_json(cls, text: str, version: str) -> Release:
        """Read a record; what a former version of PAX did not write keeps its default."""
        known = {f.name for f in fields(cls)} - {"version"}
        record = {name: value for name, value in json.loads(text).items() if name in known}
        return cls(**record, version=version)


class Releases:
    """The releases of a lake."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def champion(self) -> Release | None:
        """The newest release; None before the first."""
        try:
            held = self._store.current(KEY)
        except MissingArtifact:
            return None
        return Release.from_json((held.path / FILE).read_text(encoding="utf-8"), held.version)

    def history(self) -> list[Release]:
        """All releases, the oldest first. It begins late where somebody deleted old ones."""
        found: list[Release] = []
        release = self.champion()
        while release is not None:
            found.append(release)
            release = self._before(release)
        return found[::-1]

    def _before(self, release: Release) -> Release | None:
        if release.before is None:
            return None
        try:
            text = self._store.text(KEY, release.before, FILE)
        except MissingArtifact:
            return None
        return Release.from_json(text, release.before)

    def release(
        self,
        served: Served,
        former: Release | None,
        *,
        action: str,
        why: str,
        dagster_run_id: str = "",
        mlflow_version: str | None = None,
        restores: int | None = None,
        withdraws: str | None = None,
    ) -> Release:
        """Make `served` the champion after `former`.

        Raises `Overtaken` where `former` is not the champion any more: nothing was changed.
        """
        record = {
            **{f.name: getattr(served, f.name) for f in fields(Served)},
            "metrics": dict(served.metrics),
            "onnx_path": served.onnx_path,
            "number": former.number + 1 if former else 1,
            "before": former.version if former else None,
            "action": action,
            "restores": restores,
            "withdraws": withdraws,
            "released_at": datetime.now(UTC).isoformat(timespec="microseconds"),
            "why": why,
            "dagster_run_id": dagster_run_id,
            "mlflow_version": mlflow_version,
        }
        text = json.dumps(record, indent=2, sort_keys=True)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / FILE).write_text(text, encoding="utf-8")
            artifact = self._store.publish_after(
                KEY, Path(folder), former.version if former else None
            )
        return Release.from_json(text, artifact.version)


def standing(history: Sequence[Release]) -> list[Release]:
    """Return the releases that a rollback walks back through; the last is the champion's.

    A promotion adds one; a rollback takes away those after the one that it restores.
    """
    stack: list[Release] = []
    by_number = {release.number: release for release in history}
    for release in history:
        original = by_number.get(release.restores or 0)
        if original is None:
            stack.append(release)
        elif original in stack:
            del stack[stack.index(original) + 1 :]
        else:
            stack.append(original)
    return stack


def withdrawn(history: Sequence[Release]) -> dict[str, Release]:
    """Return by version (of a model, or of graphs) the rollback that withdrew it.

    What was released again since, which only a person does, is not withdrawn any more.
    """
    found: dict[str, Release] = {}
    for release in history:
        found.pop(release.model_version, None)
        found.pop(release.onnx_version, None)
        if release.withdraws:
            found[release.withdraws] = release
    return found


def to_go_back_to(history: Sequence[Release], number: int = 0) -> Release:
    """Return the release that a rollback restores: `number`, or (0) the champion before.

    Raises `NoFormerRelease`.
    """
    if not history:
        raise NoFormerRelease("no model was released yet: there is nothing to go back to")
    champion = history[-1]
    by_number = {release.number: release for release in history}
    if number:
        target = by_number.get(number)
        if target is None:
            raise NoFormerRelease(
                f"there is no release {number}: the releases go from {history[0].number} to "
                f"{champion.number} (make releases lists them)"
            )
        target = by_number.get(target.restores or 0, target)
        if target.same_answers(champion):
            raise NoFormerRelease(
                f"release {number} is model {target.model}, which is the champion already"
            )
        return target
    stack = standing(history)
    if len(stack) < 2:
        raise NoFormerRelease(
            f"there is no champion before release {stack[-1].number} (model "
            f"{champion.model}): name the release to go to (make releases lists them)"
        )
    return stack[-2]


def left_by_rollback(champion: Release, target: Release) -> str:
    """Return the version that a rollback from `champion` to `target` withdraws."""
    if champion.model_version != target.model_version:
        return champion.model_version
    return champion.onnx_version
