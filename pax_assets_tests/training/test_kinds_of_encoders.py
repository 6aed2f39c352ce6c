"""Under test: encoders that are no BERT, tiny ones with untrained weights, each with a tokenizer
of the kind that it comes with.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from pax_assets.corpora.tokenize import tokenize
from pax_assets.nlp.labels import LabelScheme
from pax_assets.training.artifact import build
from pax_assets.training.train import main
from pax_assets_tests.toy_model import toy_corpus

SIZE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
}
TEXTS = [document.text for document in toy_corpus(200, seed=2)]


def byte_level(begin: str, end: str, pad: str) -> Tokenizer:
    """As RoBERTa and ModernBERT: a blank belongs to the token behind it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[begin, pad, end, "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return framed(tokenizer, begin, end)


def pieces(begin: str, end: str, pad: str) -> Tokenizer:
    """As DeBERTa: SentencePiece's unigrams over a normalized text."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300,
        special_tokens=[pad, begin, end, "[UNK]", "[MASK]"],
        unk_token="[UNK]",
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return framed(tokenizer, begin, end)


def framed(tokenizer: Tokenizer, begin: str, end: str) -> Tokenizer:
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        special_tokens=[(begin, tokenizer.token_to_id(begin)), (end, tokenizer.token_to_id(end))],
    )
    return tokenizer


def encoder(folder: Path, kind: str) -> Path:
    """Write a tiny encoder of this kind."""
    import transformers

    made: dict[str, tuple[Callable[[], Tokenizer], dict[str, Any]]] = {
        # positions count from the padding's id on
        "roberta": (
            lambda: byte_level("<s>", "</s>", "<pad>"),
            {"max_position_embeddings": 514, "pad_token_id": 1},
        ),
        "modernbert": (
            lambda: byte_level("[CLS]", "[SEP]", "[PAD]"),
            {"global_attn_every_n_layers": 2, "local_attention": 8, "pad_token_id": 1},
        ),
        "deberta-v2": (
            lambda: pieces("[CLS]", "[SEP]", "[PAD]"),
            {
                "relative_attention": True,
                "position_buckets": 16,
                "pos_att_type": ["p2c", "c2p"],
                "norm_rel_ebd": "layer_norm",
                "share_att_key": True,
                "position_biased_input": False,
                "type_vocab_size": 0,
            },
        ),
        "mpnet": (lambda: pieces("[CLS]", "[SEP]", "[PAD]"), {"max_position_embeddings": 514}),
        "electra": (lambda: pieces("[CLS]", "[SEP]", "[PAD]"), {"embedding_size": 16}),
    }
    tokenizer, more = made[kind][0](), made[kind][1]
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = transformers.AutoConfig.for_model(
        kind, vocab_size=tokenizer.get_vocab_size(), **SIZE, **more
    )
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "fused"),
    [
        ("roberta", True),
        # Windows that slide, and relative positions: attention is more than a mask of padding.
        ("modernbert", False),
        ("deberta-v2", False),
        ("mpnet", False),
        ("electra", True),
    ],
)
def test_an_encoder_of_another_kind_trains_and_is_exported(tmp_path: Path, kind: str, fused: bool):
    folder = encoder(tmp_path / "encoder", kind)
    tokenize(toy_corpus(40), folder, tmp_path / "dataset")
    main(
        [
            f"--dataset={tmp_path / 'dataset'}",
            f"--output={tmp_path / 'model'}",
            f"--encoder={folder}",
            "--epochs=1",
            "--hidden-tokens=0.1",
            "--precision=fp32",
        ]
    )
    epoch = json.loads((tmp_path / "model" / "metrics.json").read_text())["epochs"][0]
    assert 0 < epoch["train_loss"] < 20
    command = [sys.executable, "-m", "pax_assets.training.export"]
    command += [f"--model={tmp_path / 'model'}", f"--dataset={tmp_path / 'dataset'}"]
    done = subprocess.run(
        [*command, f"--output={tmp_path / 'onnx'}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / "onnx" / "report.json").read_text())
    assert report["parity"]["passed"], report["parity"]
    assert report["parity"]["fused"] is fused


@pytest.mark.parametrize(("kind", "found"), [("roberta", "sdpa"), ("deberta-v2", "eager")])
def test_fused_attention_is_taken_where_the_encoder_has_it(tmp_path: Path, kind: str, found: str):
    folder = encoder(tmp_path / "encoder", kind)
    model = build(folder, LabelScheme.from_documents(toy_corpus(5)), attention="sdpa")
    assert model.encoder.config._attn_implementation == found
