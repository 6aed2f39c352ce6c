"""MLflow's model registry: a version for each training, and who is challenger and champion.

People look for models there, other tools load `models:/message_model@champion` from it, and
anybody can move its aliases by hand or lose its database. So it is told what the lake's record
of releases says, and never asked: what disagrees is mended, and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MODEL_NAME = "message_model"
CHALLENGER, CHAMPION = "challenger", "champion"
# The tag that holds the version of the model's artifact in the lake.
ARTIFACT = "data_version"
WITHDRAWN = "withdrawn"


class Registry:
    """The registered versions of the message model, through an `MlflowClient`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def register(
        self,
        source: str,
        tags: Mapping[str, str],
        *,
        run_id: str | None = None,
        alias: str | None = CHALLENGER,
    ) -> str:
        """Register the artifact at `source` as a new model version; return its number."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.get_registered_model(MODEL_NAME)
        except MlflowException:
            self._client.create_registered_model(MODEL_NAME)
        version = self._client.create_model_version(
            MODEL_NAME, source=source, run_id=run_id, tags=dict(tags)
        )
        if alias:
            self._client.set_registered_model_alias(MODEL_NAME, alias, version.version)
        return str(version.version)

    def number_of(self, model_version: str) -> str | None:
        """Return the newest registered version that holds this artifact."""
        numbers = [int(v.version) for v in self._versions() if _artifact(v) == model_version]
        return str(max(numbers)) if numbers else None

    def model_version_of(self, number: str) -> str | None:
        """Return the artifact version that a registered version holds."""
        for version in self._versions():
            if int(version.version) == int(number):
                return _artifact(version)
        return None

    def numbers(self) -> list[int]:
        """Return the numbers of all registered versions."""
        return sorted(int(version.version) for version in self._versions())

    def holder(self, alias: str) -> tuple[str, str | None] | None:
        """Return number and artifact version of the model that an alias names, if any."""
        from mlflow.exceptions import MlflowException

        try:
            version = self._client.get_model_version_by_alias(MODEL_NAME, alias)
        except MlflowException:
            return None
        return str(version.version), _artifact(version)

    def point(self, alias: str, number: str) -> None:
        """Make `alias` name the registered version `number`."""
        self._client.set_registered_model_alias(MODEL_NAME, alias, number)

    def judge(self, model_version: str, sentence: str) -> None:
        """Note on a model's versions how the gate judged it last."""
        for version in self._versions():
            if _artifact(version) == model_version:
                self._client.set_model_version_tag(MODEL_NAME, version.version, "gate", sentence)

    def mark_withdrawn(self, withdrawn: Mapping[str, str]) -> None:
        """Tag the models that were rolled back from, with the reason, and no others."""
        for version in self._versions():
            why = withdrawn.get(_artifact(version) or "")
            if why is not None and version.tags.get(WITHDRAWN) != why:
                self._client.set_model_version_tag(MODEL_NAME, version.version, WITHDRAWN, why)
            elif why is None and WITHDRAWN in version.tags:
                self._client.delete_model_version_tag(MODEL_NAME, version.version, WITHDRAWN)

    def _versions(self) -> Iterable[Any]:
        """Yield all registered versions, whatever the size of the server's pages."""
        token = None
        while True:
            page = self._client.search_model_versions(f"name = '{MODEL_NAME}'", page_token=token)
            yield from page
            token = page.token
            if not token:
                return


def _artifact(version: Any) -> str | None:
    return version.tags.get(ARTIFACT)
