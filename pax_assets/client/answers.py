"""The service's answer in the project's own types: DESIGN's *Analysis* contract.

A caller that stores or compares answers uses the same types as batch scoring and evaluation, so
that nobody writes a second reading of the JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pax_assets.nlp.documents import (
    Analysis,
    FoundArgument,
    FoundEntity,
    FoundEvent,
    FoundRelation,
)


@dataclass(frozen=True, slots=True)
class Result:
    """What the service says of one text; `message_id` is the caller's, or the position."""

    message_id: str
    model_version: str
    analysis: Analysis


@dataclass(frozen=True, slots=True)
class Answer:
    """One result for each text, in order."""

    model_version: str
    results: tuple[Result, ...]


def answer_of(data: Mapping[str, Any]) -> Answer:
    """Read the JSON of `POST /v1/analyze`; `KeyError` or `TypeError` where it is another."""
    return Answer(
        data["model_version"],
        tuple(
            Result(result["message_id"], result["model_version"], analysis_of(result))
            for result in data["results"]
        ),
    )


def analysis_of(data: Mapping[str, Any]) -> Analysis:
    """Read the analysis in one result; `KeyError` or `TypeError` where it is none."""
    return Analysis(
        entities=tuple(
            FoundEntity(
                e["id"],
                e["type"],
                e["text"],
                e["start"],
                e["end"],
                e["score"],
                e.get("value"),
                e.get("recognizer"),
            )
            for e in data["entities"]
        ),
        events=tuple(
            FoundEvent(
                v["id"],
                v["type"],
                v["trigger"]["text"],
                v["trigger"]["start"],
                v["trigger"]["end"],
                v["score"],
                tuple(FoundArgument(a["entity"], a["role"], a["score"]) for a in v["arguments"]),
            )
            for v in data["events"]
        ),
        relations=tuple(
            FoundRelation(r["head"], r["tail"], r["type"], r["score"]) for r in data["relations"]
        ),
        language=data["language"],
    )
