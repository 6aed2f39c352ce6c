"""Which texts people should label next: those of which the model is least sure.

A person's hour is best spent where a label changes the model. Texts that the model finds easy
teach it little, and the tenth copy of one notice teaches nothing, so texts are ranked by the
model's own scores and each text counts once.

The scores say how sure the model is of what it found. Of what it did not find, an analysis says
nothing: a text without findings has uncertainty 0 and comes last. Whoever wants the model's
omissions too labels some texts taken at random beside the chosen ones.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from pax_assets.nlp.documents import Analysis

Measure = Literal["least", "mean"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text without labels, and what the model says of it.

    `doc_id`, `group` and `message_id` are those that the document will have once labelled.
    """

    doc_id: str
    text: str
    analysis: Analysis
    group: str | None = None
    message_id: str | None = None


def uncertainty(analysis: Analysis, measure: Measure = "least") -> float:
    """Return how unsure the model is of an analysis: 0 (sure, or nothing found) to 1.

    With "least" it is 1 less the lowest score of all entities, events, arguments and relations:
    one doubtful span is reason enough to look. With "mean" it is 1 less their mean, which does
    not favour long texts, where some span is always doubtful.
    """
    if measure not in get_args(Measure):
        raise ValueError(f"measure is one of {', '.join(get_args(Measure))}, and not {measure!r}")
    scores = [found.score for found in (*analysis.entities, *analysis.relations)]
    for event in analysis.events:
        scores += [event.score, *(argument.score for argument in event.arguments)]
    # A NaN is no score either, and would make the order depend on the input's.
    if wrong := [score for score in scores if not 0 <= score <= 1]:
        raise ValueError(f"a score lies in [0, 1], and {wrong[0]} does not")
    if not scores:
        return 0.0
    return 1 - (min(scores) if measure == "least" else sum(scores) / len(scores))


def choose(
    candidates: Iterable[Candidate], count: int, *, measure: Measure = "least"
) -> list[Candidate]:
    """Return at most `count` candidates, the most uncertain first.

    Of near-duplicates (`normalised` texts are equal) only the most uncertain is chosen. The
    choice does not depend on the order of the candidates: at equal uncertainty `doc_id` decides.
    """
    if count < 0:
        raise ValueError(f"cannot choose {count} texts")
    ranked = sorted(candidates, key=lambda c: (-uncertainty(c.analysis, measure), c.doc_id, c.text))
    chosen: dict[str, Candidate] = {}
    for candidate in ranked:
        if len(chosen) == count:
            break
        chosen.setdefault(normalised(candidate.text), candidate)
    return list(chosen.values())


def normalised(text: str) -> str:
    """Return what near-duplicates share: the text without case, spacing and the digits' values.

    "Your code is 4711." and "your code  is 0815." are one text to whoever labels them.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"\d+", "0", folded).split())
