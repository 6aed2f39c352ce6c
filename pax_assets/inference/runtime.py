"""The runtime of the service and of batch scoring: an ONNX artifact, opened once.

Both open the same folder and call the same `analyze`, so that an answer online equals the
stored one. It is warmed up on loading; the first request is as fast as the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pax_assets.inference.pipeline import BATCH_TOKENS, INPUTS, OUTPUTS, PAD_TOKENS, Pipeline
from pax_assets.inference.session import (
    ModelFileError,
    OtherGraphError,
    Session,
    open_session,
)
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp.documents import Analysis
from pax_assets.nlp.labels import FILE as LABELS
from pax_assets.nlp.labels import LabelScheme
from pax_assets.nlp.merge import merged
from pax_assets.nlp.recognizers import Recognizers

MODEL_FILE = "model.onnx"
# The variant that has full precision weights and runs in OpenVINO.
BF16 = "bf16"


class Runtime:
    """An opened model. Thread-safe: several threads may call `analyze` at once."""

    def __init__(
        self, pipeline: Pipeline, variant: str, recognizers: Recognizers | None = None
    ) -> None:
        """Use `Runtime.load`."""
        self._pipeline = pipeline
        self._recognizers = recognizers
        self.variant = variant

    @classmethod
    def load(
        cls,
        folder: Path,
        variant: str = "fp32",
        threads: int = 0,
        *,
        region: str | None = None,
        provider: str | None = None,
        batch_tokens: int = BATCH_TOKENS,
        pad_tokens: int = PAD_TOKENS,
    ) -> Runtime:
        """Open `<folder>/<variant>/model.onnx` with its tokenizer and labels, and warm it up.

        `threads` 0 takes what this process may use; `provider` None what `PAX_PROVIDER` names.
        With a `region` (of phone numbers without a country code, "US") the recognizers' spans are
        merged into the model's (`nlp.merge`); without one the model answers alone. Raises
        `ModelFileError` (`OtherGraphError` for a model of another version), `ProviderError`,
        `TokenizerError` or `LabelSchemeError`, each naming the file.
        """
        folder = Path(folder)
        path = folder / variant / MODEL_FILE
        session = open_session(path, threads, provider, bf16=variant == BF16)
        for what, names, wanted in (
            ("takes", session.inputs, INPUTS),
            ("gives", session.outputs, OUTPUTS),
        ):
            if set(names) != set(wanted):
                raise OtherGraphError(
                    f"{path} was exported by another version of PAX (it {what} "
                    f"{', '.join(sorted(names))}): materialize onnx_model again, and message_model "
                    "before it if that is refused"
                )
        scheme = LabelScheme.load(folder)
        _require_classes(path, session, scheme)
        pipeline = Pipeline(
            TextTokenizer.load(folder),
            scheme,
            session,
            batch_tokens=batch_tokens,
            pad_tokens=pad_tokens,
        )
        try:
            pipeline.analyze(["warm up", "warm up " * max(300, scheme.max_length // 2)])
        except Exception as error:  # each runtime raises its own, which share no base class
            raise ModelFileError(
                f"{path} fails on a window of {scheme.max_length} tokens, which "
                f"{folder / LABELS} names as max_length: {error}"
            ) from error
        return cls(pipeline, variant, Recognizers(region) if region else None)

    @property
    def scheme(self) -> LabelScheme:
        """The label scheme of the model."""
        return self._pipeline.scheme

    def analyze(self, texts: Sequence[str]) -> list[Analysis]:
        """Return one Analysis for each text, in order.

        Any text is allowed: empty, megabytes, lone surrogates. Offsets count code points of
        the text as given, and `text[e.start:e.end] == e.text` for every span.
        """
        analyses = self._pipeline.analyze(texts)
        if self._recognizers is None:
            return analyses
        find = self._recognizers.find
        return [
            merged(analysis, find(text), text)
            for text, analysis in zip(texts, analyses, strict=True)
        ]


def _require_classes(path: Path, session: Session, scheme: LabelScheme) -> None:
    """Raise `ModelFileError` where the graph has other classes than labels.json."""
    probe = np.ones((1, 2), dtype=np.int64)
    found = session(dict.fromkeys(INPUTS, probe))
    for head, classes in (
        ("entity", scheme.entities),
        ("trigger", scheme.triggers),
        ("relation", scheme.relations),
        ("argument", scheme.roles),
    ):
        count = found[f"{head}_logits"].shape[-1]
        if count != len(classes):
            raise ModelFileError(
                f"{path} has {count} classes in its {head} head, and {path.parents[1] / LABELS} "
                f"names {len(classes)}: they are not of one export"
            )
