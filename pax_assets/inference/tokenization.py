"""Texts to tokens, the same way for the corpus, for training and for the service.

A tokenizer.json carries its own habits: it may truncate at 128 tokens and pad every text, and
it takes a literal "[SEP]" in a message for the special token. All of this is switched off here
and nowhere else, so that a model is served the tokens that it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from pax_assets.nlp.text import encodable
from pax_assets.nlp.windows import TokenizedTexts, Tokens

FILE = "tokenizer.json"
# Texts are encoded in chunks of about this many characters: an encoding takes some 200 bytes
# a token, and a chunk's encodings are dropped before the next one begins.
CHUNK_CHARACTERS = 200_000
PAD_NAMES = ("[PAD]", "<pad>", "<|endoftext|>")
MASK_NAMES = ("[MASK]", "<mask>")


class TokenizerError(ValueError):
    """A tokenizer that cannot be used; the message names the file and the reason."""


@dataclass(frozen=True)
class TextTokenizer:
    """A tokenizer without truncation and padding, and the special tokens around a window.

    `prefix` and `suffix` are the ids that the model expects before and after a window, `pad`
    the id that fills a batch, `mask` the one that stands for a hidden token (None: there is none).
    """

    tokenizer: Tokenizer
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    pad: int
    mask: int | None = None

    @classmethod
    def load(cls, folder: Path) -> TextTokenizer:
        """Read `tokenizer.json` in `folder`; `TokenizerError` where absent or unusable."""
        path = folder / FILE
        if not path.is_file():
            raise TokenizerError(
                f"{path} does not exist: PAX needs an encoder with a fast tokenizer "
                "(save it with transformers' AutoTokenizer.save_pretrained)"
            )
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for a bad file
            raise TokenizerError(f"{path} is not a usable tokenizer: {error}") from error
        padding = tokenizer.padding
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        probe = tokenizer.encode("a", add_special_tokens=True)
        body = [i for i, special in enumerate(probe.special_tokens_mask) if not special]
        if not body:
            raise TokenizerError(f"{path}: the letter 'a' has no token")
        return cls(
            tokenizer,
            tuple(probe.ids[: body[0]]),
            tuple(probe.ids[body[-1] + 1 :]),
            int(padding["pad_id"]) if padding else _known_id(tokenizer, PAD_NAMES) or 0,
            _known_id(tokenizer, MASK_NAMES),
        )

    @property
    def specials(self) -> int:
        """How many special tokens a window carries."""
        return len(self.prefix) + len(self.suffix)

    def encode(self, texts: Sequence[str]) -> Iterator[Tokens]:
        """Yield the tokens of each text, in order. Offsets count code points of the text."""
        for _, tokenized in self.encode_together(texts):
            yield from tokenized

    def encode_together(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[Sequence[str], TokenizedTexts]]:
        """Yield runs of texts with their tokens, in order."""
        for chunk in _chunks(texts):
            found = self.tokenizer.encode_batch(
                [encodable(text) for text in chunk], add_special_tokens=False
            )
            bounds = np.zeros(len(chunk) + 1, dtype=np.int64)
            np.cumsum([len(encoding) for encoding in found], out=bounds[1:])
            count = int(bounds[-1])
            ids = np.fromiter(chain.from_iterable(e.ids for e in found), np.int32, count)
            words = np.fromiter(
                (
                    -1 if word is None else word
                    for word in chain.from_iterable(e.word_ids for e in found)
                ),
                np.int32,
                count,
            )
            offsets = np.fromiter(
                chain.from_iterable(chain.from_iterable(e.offsets for e in found)),
                np.int32,
                2 * count,
            )
            yield (
                chunk,
                TokenizedTexts.of(chunk, bounds, ids, words, offsets[0::2], offsets[1::2]),
            )


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for text in texts:
        if chunk and size + len(text) > CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
        chunk.append(text)
        size += len(text)
    if chunk:
        yield chunk


def _known_id(tokenizer: Tokenizer, names: Sequence[str]) -> int | None:
    """Return the id of the first of `names` that the vocabulary has, if any."""
    ids = (tokenizer.token_to_id(name) for name in names)
    return next((found for found in ids if found is not None), None)
