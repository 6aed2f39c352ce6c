"""Under test: tokens with offsets into the original text, whatever the text."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from pax_assets.inference.tokenization import TextTokenizer, TokenizerError


def surfaces(tokenizer: TextTokenizer, text: str) -> list[str]:
    [tokens] = tokenizer.encode([text])
    return [text[start:end] for start, end in zip(tokens.starts, tokens.ends, strict=True)]


def test_truncation_and_padding_of_the_file_are_switched_off(toy_encoder: Path):
    tokenizer = TextTokenizer.load(toy_encoder)
    long, short = tokenizer.encode(["anna " * 100, "anna"])
    assert (len(long), len(short)) == (100, 1)


def test_the_special_tokens_of_a_window_are_found(toy_encoder: Path):
    tokenizer = TextTokenizer.load(toy_encoder)
    assert (tokenizer.prefix, tokenizer.suffix, tokenizer.pad) == ((2,), (3,), 0)
    assert tokenizer.specials == 2


@pytest.mark.parametrize("text", ["[SEP]", "anna [CLS] ben", "[PAD][MASK]"])
def test_a_special_token_written_in_a_message_is_mere_text(toy_encoder: Path, text):
    [tokens] = TextTokenizer.load(toy_encoder).encode([text])
    assert not set(tokens.ids.tolist()) & {0, 2, 3, 4}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("   ", []),
        ("at 5\u202fPM", ["a", "t", "5", "P", "M"]),
        ("\ud83d anna \ud83d", ["anna"]),
        ("a\x00b", ["a", "b"]),
        ("שלום anna", ["שלום", "anna"]),
        ("👩‍👩‍👧 ben", ["👩‍👩‍👧", "ben"]),
        ("e\u0301", ["e\u0301"]),
    ],
)
def test_offsets_lead_to_the_original_text(toy_encoder: Path, text, expected):
    found = surfaces(TextTokenizer.load(toy_encoder), text)
    # a normalizer may drop what it cannot show; nothing may point beside the text
    assert [surface.strip("\u0301") for surface in found] == [
        surface.strip("\u0301") for surface in expected
    ]


@settings(max_examples=150, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=()), max_size=60))
def test_offsets_are_ordered_and_within_any_text(toy_encoder: Path, text):
    tokenizer = TextTokenizer.load(toy_encoder)
    [tokens] = tokenizer.encode([text])
    previous = 0
    for start, end in zip(tokens.starts, tokens.ends, strict=True):
        assert 0 <= start <= end <= len(text)
        assert start >= previous
        previous = start


def test_a_byte_level_tokenizer_counts_code_points_not_bytes(tmp_path: Path):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    loaded = TextTokenizer.load(tmp_path)
    assert loaded.prefix == ()
    assert loaded.suffix == ()
    assert set(surfaces(loaded, "🙂é")) == {"🙂", "é"}


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "does not exist"), ("{}", "not a usable")]
)
def test_an_unusable_tokenizer_is_named(tmp_path: Path, content, complaint):
    if content:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(TokenizerError, match=rf"tokenizer\.json.*{complaint}"):
        TextTokenizer.load(tmp_path)


def test_many_texts_come_back_in_order_across_chunks(toy_encoder: Path, monkeypatch):
    monkeypatch.setattr("pax_assets.inference.tokenization.CHUNK_CHARACTERS", 20)
    tokenizer = TextTokenizer.load(toy_encoder)
    texts = ["anna " * n for n in (3, 0, 10, 1, 7)]
    assert [len(tokens) for tokens in tokenizer.encode(texts)] == [3, 0, 10, 1, 7]


def test_texts_together_are_the_texts_one_by_one(toy_encoder: Path, monkeypatch):
    monkeypatch.setattr("pax_assets.inference.tokenization.CHUNK_CHARACTERS", 30)
    tokenizer = TextTokenizer.load(toy_encoder)
    texts = ["Anna at 5\u202fPM", "", "unknownword \ud83d", "👩‍👩‍👧 ben", "  ", "Anna", "x" * 70]
    runs = list(tokenizer.encode_together(texts))
    assert len(runs) > 2
    assert [text for run, _ in runs for text in run] == texts
    alone = [next(tokenizer.encode([text])) for text in texts]
    together = [tokens for _, tokenized in runs for tokens in tokenized]
    for one, other in zip(alone, together, strict=True):
        for name in ("ids", "words", "starts", "ends", "shapes"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()
    for _, tokenized in runs:
        words = tokenized.tokens.words
        for (_, end), begin in zip(
            pairwise(tokenized.bounds), tokenized.bounds[1:-1], strict=False
        ):
            assert not set(words[:end]) & set(words[begin:]) - {-1}
