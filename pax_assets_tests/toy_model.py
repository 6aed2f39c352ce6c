"""A toy corpus and a toy encoder: the whole model line in seconds, without a hub.

The encoder is a two-layer BERT with random weights over a small WordPiece vocabulary. It learns
the toy corpus well enough to tell a working head from a broken one, and nothing else.
"""

from __future__ import annotations

import random
from pathlib import Path

from pax_assets.nlp.documents import Argument, Document, Entity, Event, Relation

PEOPLE = ("anna", "ben", "carla", "dmitri", "elif", "farid", "grete", "hugo")
FIRMS = ("acme", "globex", "initech", "umbrella", "hooli", "vandelay")
PLACES = ("berlin", "paris", "lagos", "lima", "oslo", "quito")
DAYS = ("monday", "tuesday", "friday", "sunday")
FILLERS = ("ok", "please", "hello", "so", "well", "thanks", "by the way", "again")


def _compose(parts: list[tuple[str, str | None]]) -> tuple[str, list[tuple[int, int, str]]]:
    text, spans = "", []
    for word, kind in parts:
        if text:
            text += " "
        if kind:
            spans.append((len(text), len(text) + len(word), kind))
        text += word
    return text, spans


def toy_corpus(count: int = 240, seed: int = 1) -> list[Document]:
    """Documents about who works where and who meets whom; every eighth lacks layers."""
    random_ = random.Random(seed)
    return [_toy_document(i, random_) for i in range(count)]


def _toy_document(number: int, random_: random.Random) -> Document:
    filler = (random_.choice(FILLERS), None)
    opening = [(random_.choice(FILLERS), None)] * random_.randrange(3)
    person, other = random_.sample(PEOPLE, 2)
    if random_.random() < 0.5:
        firm = random_.choice(FIRMS)
        text, spans = _compose(
            [*opening, (person, "person"), ("works for", None), (firm, "org"), filler]
        )
        entities = [Entity(f"e{i}", *span) for i, span in enumerate(spans)]
        events: list[Event] = []
        relations = [Relation("e0", "e1", "works_for")]
    else:
        place, day = random_.choice(PLACES), random_.choice(DAYS)
        text, spans = _compose(
            [
                *opening,
                (person, "person"),
                ("will", None),
                ("meet", "!meeting"),
                (other, "person"),
                ("in", None),
                (place, "place"),
                ("on", None),
                (day, "time"),
                filler,
            ]
        )
        entities = [
            Entity(f"e{i}", *span) for i, span in enumerate(s for s in spans if s[2][0] != "!")
        ]
        trigger = next(s for s in spans if s[2][0] == "!")
        roles = (("e0", "participant"), ("e1", "participant"), ("e2", "where"), ("e3", "when"))
        events = [Event("v0", "meeting", *trigger[:2], tuple(Argument(*role) for role in roles))]
        relations = []
    partial = number % 8 == 7
    return Document(
        f"toy-{number}",
        text,
        ("entities",) if partial else ("entities", "events", "relations"),
        tuple(entities),
        () if partial else tuple(events),
        () if partial else tuple(relations),
        group=f"talk-{number // 2}",
    ).validate()


def write_toy_encoder(folder: Path, *, positions: int = 512) -> Path:
    """Write config.json, model.safetensors and tokenizer.json of a tiny BERT; return `folder`."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    words = {w for d in toy_corpus(400, seed=2) for w in d.text.split()} | set(PEOPLE + FIRMS)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?"
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocab += sorted(words - set(letters)) + list(letters) + [f"##{c}" for c in letters]
    tokenizer = Tokenizer(
        models.WordPiece({word: i for i, word in enumerate(vocab)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(16)  # as shipped tokenizers do; PAX must switch it off
    tokenizer.enable_padding(length=16, pad_id=0)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=positions,
    )
    BertModel(config).save_pretrained(folder)
    return folder
