"""A runtime whose answers are known, for tests of bookkeeping: `Anna` and `Ben` are people.

Each capitalised word is a person, `Acme` and `Globex` are organisations; "X at Y" states that X
works for Y, "X meets Y" is a meeting of both. It counts what it was asked, and by whom it was
opened, in this module: workers of the embedded engine run in the tests' own process.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from pax_assets.jobs.score import Scorer
from pax_assets.nlp.documents import (
    Analysis,
    FoundArgument,
    FoundEntity,
    FoundEvent,
    FoundRelation,
)

ORGANIZATIONS = {"Acme", "Globex", "ACME"}
opened: list[tuple[str, str, int]] = []
asked: list[str] = []


class StubRuntime:
    def analyze(self, texts: Sequence[str]) -> list[Analysis]:
        asked.extend(texts)
        return [_analysis(text) for text in texts]


def load_stub(onnx_dir: str, variant: str, threads: int, region: str | None = None) -> StubRuntime:
    opened.append((onnx_dir, variant, threads))
    return StubRuntime()


def load_failing(
    onnx_dir: str, variant: str, threads: int, region: str | None = None
) -> StubRuntime:
    raise OSError(f"{onnx_dir} cannot be opened")


def stub_scorer(model_version: str = "m1", variant: str = "fp32") -> Scorer:
    return Scorer(f"/models/onnx-of-{model_version}", variant, model_version, 1, load_stub)


def _analysis(text: str) -> Analysis:
    found = [(m.group(), m.start(), m.end()) for m in re.finditer(r"\b[A-Z]\w+(?: Corp\.)?", text)]
    entities = tuple(
        FoundEntity(
            f"e{number}",
            "organization" if word.split()[0] in ORGANIZATIONS else "person",
            word,
            start,
            end,
            0.9,
        )
        for number, (word, start, end) in enumerate(found, start=1)
    )
    relations, events = [], []
    for one, other in pairwise(entities):
        between = text[one.end : other.start]
        if between == " at ":
            relations.append(FoundRelation(one.id, other.id, "works_for", 0.75))
        if between == " meets ":
            start = one.end + 1
            events.append(
                FoundEvent(
                    f"v{len(events) + 1}",
                    "meeting",
                    "meets",
                    start,
                    start + 5,
                    0.8,
                    tuple(FoundArgument(e.id, "participant", 0.7) for e in (one, other)),
                )
            )
    return Analysis(entities, tuple(events), tuple(relations))
