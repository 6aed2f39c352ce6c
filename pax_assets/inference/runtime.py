"""The runtime of the service and of batch scoring: an ONNX artifact, opened once.

Both open the same folder and call the same `analyze`, so that an answer online equals the
stored one. It is warmed up on loading; the first request is as fast as the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pax_assets.inference.pipeline import BATCH_TOKENS, INPUTS, Pipeline
from pax_assets.inference.session import OtherGraphError, open_session, run
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp.documents import Analysis
from pax_assets.nlp.labels import LabelScheme

MODEL_FILE = "model.onnx"


class Runtime:
    """An opened model. Thread-safe: several threads may call `analyze` at once."""

    def __init__(self, pipeline: Pipeline, variant: str) -> None:
        """Use `Runtime.load`."""
        self._pipeline = pipeline
        self.variant = variant

    @classmethod
    def load(
        cls,
        folder: Path,
        variant: str = "fp32",
        threads: int = 0,
        batch_tokens: int = BATCH_TOKENS,
    ) -> Runtime:
        """Open `<folder>/<variant>/model.onnx` with its tokenizer and labels, and warm it up.

        `threads` 0 takes what this process may use. Raises `ModelFileError` (`OtherGraphError` for
        a model of another version), `TokenizerError` or `LabelSchemeError`, each naming the file.
        """
        folder = Path(folder)
        session = open_session(folder / variant / MODEL_FILE, threads)
        inputs = {value.name for value in session.get_inputs()}
        if inputs != set(INPUTS):
            raise OtherGraphError(
                f"{folder / variant / MODEL_FILE} was exported by another version of PAX (it takes "
                f"{', '.join(sorted(inputs))}): materialize message_model and onnx_model again"
            )
        pipeline = Pipeline(
            TextTokenizer.load(folder),
            LabelScheme.load(folder),
            partial(run, session),
            batch_tokens=batch_tokens,
        )
        pipeline.analyze(["warm up", "warm up " * 300])
        return cls(pipeline, variant)

    @property
    def scheme(self) -> LabelScheme:
        """The label scheme of the model."""
        return self._pipeline.scheme

    def analyze(self, texts: Sequence[str]) -> list[Analysis]:
        """Return one Analysis for each text, in order.

        Any text is allowed: empty, megabytes, lone surrogates. Offsets count code points of
        the text as given, and `text[e.start:e.end] == e.text` for every span.
        """
        return self._pipeline.analyze(texts)
