"""What PAX's inference is measured against: the `pipeline` of transformers, on PAX's weights.

PAX adds the shapes of words to the embeddings, which no stock model does. So the pipeline here is
the stock one plus that addition; without it the labels would be others and nothing would be
compared. Two things are in its favour: it runs the encoder and the entity head alone, and is spared
the events, arguments and relations that PAX finds in its time; and the shapes are given to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253 - the peer is torch's
from transformers import (  # noqa: TID253
    AutoModelForTokenClassification,
    PreTrainedTokenizerFast,
    TokenClassificationPipeline,
)

from pax_assets.inference.pipeline import Pipeline
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp.labels import LabelScheme
from pax_assets.training.evaluation import torch_forward
from pax_assets.training.model import MessageModel


class ShapedPipeline(TokenClassificationPipeline):
    """Token classification that sees how words are written.

    Shapes are remembered by text: once all texts were seen, they cost the pipeline nothing.
    """

    def __init__(self, shapes: torch.nn.Embedding, own: TextTokenizer, **options: Any) -> None:
        super().__init__(**options)
        self._shapes = shapes
        self._own = own
        self._known: dict[str, torch.Tensor] = {}

    def preprocess(self, sentence: str, *args: Any, **kwargs: Any) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """Add the shapes (1, L) of the words, on their first pieces."""
        if sentence not in self._known:
            [tokens] = self._own.encode([sentence])
            around = ((len(self._own.prefix), len(self._own.suffix)),)
            self._known[sentence] = torch.from_numpy(np.pad(tokens.shapes, around))[None].long()
        for inputs in super().preprocess(sentence, *args, **kwargs):
            cut = inputs["input_ids"].shape[1]
            yield {**inputs, "word_shapes": self._known[sentence][:, :cut]}

    def _forward(self, model_inputs: dict[str, Any]) -> dict[str, Any]:
        ids, shapes = model_inputs.pop("input_ids"), model_inputs.pop("word_shapes")
        embedded = self.model.get_input_embeddings()(ids) + self._shapes(shapes)
        return {**super()._forward({**model_inputs, "inputs_embeds": embedded}), "input_ids": ids}


def token_pipeline(model: MessageModel, scheme: LabelScheme, folder: Path) -> ShapedPipeline:
    """Return the pipeline with the weights of `model`, in the attention that transformers picks."""
    encoder: Any = model.encoder.config
    config = encoder.to_dict() | {
        "num_labels": len(scheme.entities),
        "id2label": dict(enumerate(scheme.entities)),
        "label2id": {label: number for number, label in enumerate(scheme.entities)},
    }
    settings = type(encoder)(**config)
    peer: Any = AutoModelForTokenClassification.from_config(settings).float().eval()
    missing, unexpected = getattr(peer, peer.base_model_prefix).load_state_dict(
        model.encoder.state_dict(), strict=False
    )
    if missing or unexpected:
        raise SystemExit(f"the peer's encoder lacks {missing} and has no use for {unexpected}")
    peer.classifier.load_state_dict(model.entity_head.state_dict())
    shifts: Any = model.none_shifts
    with torch.no_grad():
        peer.classifier.bias[0] += shifts[0]
    own = TextTokenizer.load(folder)
    return ShapedPipeline(
        model.shapes,
        own,
        model=peer,
        tokenizer=_tokenizer(folder, own, encoder.max_position_embeddings),
        aggregation_strategy="simple",
    )


def _tokenizer(folder: Path, own: TextTokenizer, positions: int) -> PreTrainedTokenizerFast:
    name = own.tokenizer.id_to_token
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        pad_token=name(own.pad),
        cls_token=name(own.prefix[0]) if own.prefix else None,
        sep_token=name(own.suffix[-1]) if own.suffix else None,
        model_max_length=min(512, positions),
        split_special_tokens=True,
    )


class TorchAnswers:
    """What the torch model of PAX says: analyses, and the entity label of each token."""

    def __init__(self, model: MessageModel, scheme: LabelScheme, folder: Path) -> None:
        # By ids and shapes: a text in capitals has the ids of one without.
        self.labels: dict[tuple[bytes, bytes], np.ndarray] = {}
        self._run = torch_forward(model)
        self.pipeline = Pipeline(TextTokenizer.load(folder), scheme, self._forward)

    def _forward(self, inputs: dict[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        outputs = self._run(inputs)
        best = outputs["entity_logits"].argmax(axis=-1)
        for row, length in enumerate(inputs["attention_mask"].sum(axis=1)):
            ids, shapes = inputs["input_ids"][row, :length], inputs["word_shapes"][row, :length]
            self.labels[ids.tobytes(), shapes.tobytes()] = best[row, :length]
        return outputs

    def of(self, text: str) -> np.ndarray | None:
        """Return the labels of the tokens of a text that was analysed, None if in windows."""
        tokenizer = self.pipeline.tokenizer
        before, after = tokenizer.prefix, tokenizer.suffix
        [tokens] = tokenizer.encode([text])
        ids = np.concatenate((before, tokens.ids, after)).astype(np.int64)
        shapes = np.pad(tokens.shapes, (len(before), len(after))).astype(np.int64)
        labels = self.labels.get((ids.tobytes(), shapes.tobytes()))
        return None if labels is None else labels[len(before) : len(ids) - len(after)]


def equal_labels(
    pipeline: ShapedPipeline, answers: TorchAnswers, texts: Sequence[str]
) -> tuple[int, int]:
    """Return on how many tokens both have the same label, and of how many.

    Texts that PAX cuts into windows, and the pipeline does not, are left out.
    """
    number: Any = pipeline.model.config.label2id
    equal = tokens = 0
    found = pipeline(list(texts), batch_size=32, aggregation_strategy="none", ignore_labels=[])
    for text, labelled in zip(texts, found, strict=True):
        expected = answers.of(text)
        if expected is None:
            continue
        if len(labelled) != len(expected):
            raise SystemExit("the pipeline cuts a text into other tokens than PAX")
        named = np.array([number[token["entity"]] for token in labelled])
        equal += int((named == expected).sum())
        tokens += len(named)
    return equal, tokens
