"""Does the exported graph say what the model says, whatever the batch?

Exporters have written graphs that are wrong without an error, or right for one length only; and
a quantized graph may let one row of a batch change another. Both are measured here, on the
trained weights: random ones hide faults, since their logits lie close together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pax_assets.inference.pipeline import INPUTS, OUTPUTS
from pax_assets.inference.runtime import Runtime
from pax_assets.inference.session import open_session
from pax_assets.nlp.decoding import softmax
from pax_assets.nlp.documents import Analysis
from pax_assets.nlp.shapes import SHAPES
from pax_assets.training.model import HEADS, LEAST_BEGIN, MessageModel, begin_scores

BATCHES = (1, 3, 8)
LENGTHS = (1, 7, 64, 512)
# Largest difference of a probability that fp32 may show against torch, and of scores between
# a text alone and in a batch.
FP32_TOLERANCE = 1e-4
LOW_TOLERANCE = 1e-2
# A batch that holds every probe at once, padded to the longest.
ONE_BATCH = 10**9

# Texts that shift offsets or scales in weak implementations; they stand beside real ones.
HOSTILE = (
    "",
    " ",
    "ok",
    "🙂🙃 👩‍👩‍👧‍👦 see you at 5\u202fPM",
    "שלום, ניפגש מחר בשעה 10 עם דנה",
    "e\u0301 n\u0303 caf\u0065\u0301 \x00 \ud83d nul and half a pair",
    "[SEP] [CLS] [MASK] Anna [PAD]",
    "A" * 300,
    "Zürich!!! $$$ ### @@@ " * 40,
    "Please pay 5,000 euros to Anna Keller of Northwind before Friday. " * 60,
)


def parity_grid(model: MessageModel, fp32: Path, sample_ids: np.ndarray) -> dict[str, Any]:
    """Compare torch and ONNX Runtime over batch x length x padding.

    `sample_ids` (N,) are token ids of real texts to fill the inputs with. Lengths beyond the
    encoder's positions are cut to them. Returns `{"passed", "max_diff", "tolerance",
    "cases": [{batch, length, padded, max_diff, labels_equal}]}`; differences are of
    probabilities, labels those of every word and every pair of candidates. Where two are as likely
    as each other, to the tolerance, either is right.
    """
    session = open_session(fp32, provider="cpu")
    cases = []
    for batch, length, padded in grid(_positions(model)):
        inputs = _inputs(sample_ids, batch, length, padded=padded)
        with torch.inference_mode():
            outputs = model(*(torch.from_numpy(inputs[name]) for name in INPUTS))
        wanted = {name: out.numpy() for name, out in zip(OUTPUTS, outputs, strict=True)}
        diff, equal = _compare(model, inputs, wanted, session(inputs))
        cases.append(
            {
                "batch": batch,
                "length": length,
                "padded": padded,
                "max_diff": diff,
                "labels_equal": equal,
            }
        )
    worst = max(case["max_diff"] for case in cases)
    passed = worst <= FP32_TOLERANCE and all(case["labels_equal"] for case in cases)
    return {"passed": passed, "max_diff": worst, "tolerance": FP32_TOLERANCE, "cases": cases}


def grid(positions: int) -> Iterator[tuple[int, int, bool]]:
    """Yield (batch, length, padded); a padded batch has rows that end at half the length."""
    for length in sorted({min(length, positions) for length in LENGTHS}):
        for batch in BATCHES:
            yield batch, length, False
            if batch > 1 and length > 1:
                yield batch, length, True


def _positions(model: MessageModel) -> int:
    """How many tokens the encoder takes (RoBERTa's family counts positions from pad + 1)."""
    config = model.encoder.config
    positions = getattr(config, "max_position_embeddings", None) or max(LENGTHS)
    if config.model_type in {"roberta", "xlm-roberta", "camembert"}:
        positions -= (config.pad_token_id or 0) + 1
    return positions


def _inputs(
    sample_ids: np.ndarray, batch: int, length: int, *, padded: bool
) -> dict[str, np.ndarray]:
    random = np.random.default_rng((batch, length))
    offsets = random.integers(0, len(sample_ids), size=batch)
    ids = np.stack([np.resize(np.roll(sample_ids, -offset), length) for offset in offsets])
    attention = np.ones((batch, length), dtype=np.int64)
    if padded:
        attention[1::2, length // 2 :] = 0
    begins = random.random((batch, length)) < 0.8
    shapes = attention * begins * random.integers(1, SHAPES, size=(batch, length))
    return dict(zip(INPUTS, (ids.astype(np.int64) * attention, attention, shapes), strict=True))


def _compare(
    model: MessageModel,
    inputs: dict[str, np.ndarray],
    wanted: dict[str, np.ndarray],
    found: dict[str, np.ndarray],
) -> tuple[float, bool]:
    """Return the largest difference of a probability that counts, and whether labels agree."""
    words = inputs["word_shapes"] > 0
    diff, equal = 0.0, True
    for name in ("entity_logits", "trigger_logits"):
        one, other = softmax(wanted[name])[words], softmax(found[name])[words]
        diff = max(diff, float(np.abs(one - other).max(initial=0.0)))
        equal &= same_labels(one, other)
    entities = _at_the_edge(model, "entity", wanted, inputs["word_shapes"])
    triggers = _at_the_edge(model, "trigger", wanted, inputs["word_shapes"])
    for head, first in (("relation", entities), ("argument", triggers)):
        one = _by_pair(wanted[f"{head}_pairs"], wanted[f"{head}_logits"])
        other = _by_pair(found[f"{head}_pairs"], found[f"{head}_logits"])
        equal &= same_pairs(one.keys(), other.keys(), first, entities)
        both = sorted(one.keys() & other.keys())
        if both:
            mine, theirs = (np.stack([scores[pair] for pair in both]) for scores in (one, other))
            diff = max(diff, float(np.abs(mine - theirs).max()))
            equal &= same_labels(mine, theirs)
    return diff, equal


def same_labels(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the likeliest class of `other` (N, C) is, but for a tie, that of `one` (N, C)."""
    chosen = np.take_along_axis(one, other.argmax(-1)[:, None], axis=-1)[:, 0]
    return bool((one.max(-1) - chosen <= FP32_TOLERANCE).all())


def _at_the_edge(
    model: MessageModel, head: str, wanted: dict[str, np.ndarray], word_shapes: np.ndarray
) -> np.ndarray:
    """Return (B, L): which words are, but for a tie, the least likely that is still a candidate.

    The words of a text that repeats itself can be exactly as likely as each other; which of them
    end the list is then up to the program that sorts.
    """
    config = model.heads_config
    count, begins = {
        "entity": (config.entity_candidates, model.entity_begins),
        "trigger": (config.trigger_candidates, model.trigger_begins),
    }[head]
    logits = torch.from_numpy(wanted[f"{head}_logits"].copy())
    logits[..., 0] -= model.none_shifts[HEADS.index(head)]
    scores = begin_scores(logits, begins, torch.from_numpy(word_shapes)).numpy()
    count = min(count, scores.shape[1])
    last = np.partition(scores, -count, axis=1)[:, -count]
    return np.abs(scores - np.maximum(last, LEAST_BEGIN)[:, None]) <= FP32_TOLERANCE


def same_pairs(
    one: Set[tuple[int, ...]],
    other: Set[tuple[int, ...]],
    first_edge: np.ndarray,
    second_edge: np.ndarray,
) -> bool:
    """Whether two runs have the same pairs (row, word, word), but for words at the edge.

    The edges (B, L) are of the words that stand first, and second, in a pair.
    """
    return all(
        first_edge[row, first] or second_edge[row, second] for row, first, second in one ^ other
    )


def _by_pair(pairs: np.ndarray, logits: np.ndarray) -> dict[tuple[int, ...], np.ndarray]:
    return {
        tuple(pair): scores for pair, scores in zip(pairs.tolist(), softmax(logits), strict=True)
    }


def batch_independence(
    folder: Path, variant: str, texts: Sequence[str], tolerance: float, provider: str
) -> dict[str, Any]:
    """Compare each text alone with the same text in one padded batch of all of them.

    `HOSTILE` and long texts are added. Returns `{"passed", "max_diff", "different"}`:
    `different` counts texts whose labels or offsets changed, `max_diff` is of scores.
    """
    runtime = Runtime.load(folder, variant, provider=provider)
    crowded = Runtime.load(
        folder, variant, provider=provider, batch_tokens=ONE_BATCH, pad_tokens=ONE_BATCH
    )
    probes = [*texts, *HOSTILE]
    alone = [runtime.analyze([text])[0] for text in probes]
    together = crowded.analyze(probes)
    different, worst = 0, 0.0
    for one, other in zip(alone, together, strict=True):
        if labels(one) != labels(other):
            different += 1
        else:
            worst = max(worst, score_difference(one, other))
    passed = different == 0 and worst <= tolerance
    return {"passed": passed, "max_diff": worst, "different": different, "probes": len(probes)}


def labels(analysis: Analysis) -> tuple[Any, ...]:
    """Return what an analysis says, without scores."""
    return (
        [(e.type, e.start, e.end) for e in analysis.entities],
        [
            (e.type, e.start, e.end, [(a.entity, a.role) for a in e.arguments])
            for e in analysis.events
        ],
        [(r.head, r.tail, r.type) for r in analysis.relations],
    )


def score_difference(one: Analysis, other: Analysis) -> float:
    """Return the largest difference of a score between analyses of equal labels."""
    pairs = [
        *zip(one.entities, other.entities, strict=True),
        *zip(one.events, other.events, strict=True),
        *zip(one.relations, other.relations, strict=True),
        *(
            pair
            for mine, theirs in zip(one.events, other.events, strict=True)
            for pair in zip(mine.arguments, theirs.arguments, strict=True)
        ),
    ]
    return max((abs(mine.score - theirs.score) for mine, theirs in pairs), default=0.0)
