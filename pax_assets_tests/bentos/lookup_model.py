"""An ONNX artifact whose answers are known: it looks every word up in a table.

Serving is tested without training anything: `anna`, `ben` and `דנה` are persons, `meets` is a
meeting, the first two persons of a text know each other and take part in the meeting. Written
with `onnx.helper`, so that these tests load no torch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, helper, load, numpy_helper, save
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from pax_assets.nlp.labels import LabelScheme, bio

PERSONS = ("anna", "ben", "דנה")
TRIGGERS = ("meets",)
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
SURE = 9.0


def write_lookup_artifact(folder: Path, variants: tuple[str, ...] = ("fp32",)) -> Path:
    """Write tokenizer.json, labels.json and `<variant>/model.onnx` into `folder`; return it."""
    words = [*SPECIALS, *PERSONS, *TRIGGERS]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    for variant in variants:
        (folder / variant).mkdir(parents=True)
        save(_graph(vocabulary), str(folder / variant / "model.onnx"))
    tokenizer.save(str(folder / "tokenizer.json"))
    LabelScheme(
        bio(["person"]), bio(["meeting"]), ("none", "knows"), ("none", "participant"), 32, 8
    ).save(folder)
    (folder / "lineage.json").write_text('{"trained_on": "a table"}')
    (folder / "report.json").write_text("{}")
    return folder


def _graph(vocabulary: dict[str, int]):
    def table(words: tuple[str, ...]) -> np.ndarray:
        """Logits (V, 3) of O, B, I for each word."""
        logits = np.tile(np.array([SURE, 0, 0], dtype=np.float32), (len(vocabulary), 1))
        for word in words:
            logits[vocabulary[word]] = (0, SURE, 0)
        return logits

    def begins(words: tuple[str, ...]) -> np.ndarray:
        """1 for each word that begins a span, 0 for others, (V,)."""
        return (table(words)[:, 1] > 0).astype(np.float32)

    constants = {
        "entity_table": table(PERSONS),
        "trigger_table": table(TRIGGERS),
        "entity_begins": begins(PERSONS),
        "trigger_begins": begins(TRIGGERS),
        "sure": np.array([[0, SURE]], dtype=np.float32),
        "two": np.array([2], dtype=np.int64),
        "half": np.array(0.5, dtype=np.float32),
        "first": np.array([0], dtype=np.int64),
        "across": np.array([1], dtype=np.int64),
        "last": np.array([2], dtype=np.int64),
        "other": (1 - np.eye(2, dtype=np.float32))[None],
        "all": np.ones((1, 2, 2), dtype=np.float32),
    }
    nodes = [
        helper.make_node("Sign", ["word_shapes"], ["begins_word"]),
        helper.make_node("Cast", ["begins_word"], ["is_word"], to=TensorProto.FLOAT),
        helper.make_node("Identity", ["attention_mask"], ["attention_unused"]),
    ]
    for kind in ("entity", "trigger"):
        nodes += [
            helper.make_node("Gather", [f"{kind}_table", "input_ids"], [f"{kind}_logits"]),
            helper.make_node("Gather", [f"{kind}_begins", "input_ids"], [f"{kind}_all"]),
            helper.make_node("Mul", [f"{kind}_all", "is_word"], [f"{kind}_score"]),
            helper.make_node("TopK", [f"{kind}_score", "two"], [f"{kind}_top", f"{kind}_at"]),
            helper.make_node("Greater", [f"{kind}_top", "half"], [f"{kind}_is"]),
            helper.make_node("Cast", [f"{kind}_is"], [f"{kind}_real"], to=TensorProto.FLOAT),
        ]
    nodes += _pairs("relation", "entity", "entity", "other")
    nodes += _pairs("argument", "trigger", "entity", "all")
    integer, real = TensorProto.INT64, TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "lookup",
        [
            helper.make_tensor_value_info(name, integer, ["batch", "length"])
            for name in ("input_ids", "attention_mask", "word_shapes")
        ],
        [
            helper.make_tensor_value_info("entity_logits", real, ["batch", "length", 3]),
            helper.make_tensor_value_info("trigger_logits", real, ["batch", "length", 3]),
            helper.make_tensor_value_info("relation_pairs", integer, ["relations", 3]),
            helper.make_tensor_value_info("relation_logits", real, ["relations", 2]),
            helper.make_tensor_value_info("argument_pairs", integer, ["arguments", 3]),
            helper.make_tensor_value_info("argument_logits", real, ["arguments", 2]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _pairs(name: str, first: str, second: str, mask: str) -> list[NodeProto]:
    """Pair the two likeliest words of the kinds `first` and `second`, where `mask` is 1."""

    def node(kind: str, inputs: list[str], output: str, **attributes: int) -> NodeProto:
        return helper.make_node(kind, inputs, [output], **attributes)

    def here(what: str) -> str:
        return f"{name}_{what}"

    return [
        node("Unsqueeze", [f"{first}_real", "last"], here("firsts")),
        node("Unsqueeze", [f"{second}_real", "across"], here("seconds")),
        node("Mul", [here("firsts"), here("seconds")], here("both")),
        node("Mul", [here("both"), mask], here("wanted")),
        node("NonZero", [here("wanted")], here("found")),
        helper.make_node("Split", [here("found")], [here(n) for n in "rij"], num_outputs=3),
        node("Concat", [here("r"), here("i")], here("ri"), axis=0),
        node("Concat", [here("r"), here("j")], here("rj"), axis=0),
        node("Transpose", [here("ri")], here("first_of")),
        node("Transpose", [here("rj")], here("second_of")),
        node("Transpose", [here("r")], here("row")),
        node("GatherND", [f"{first}_at", here("first_of")], here("first_flat")),
        node("GatherND", [f"{second}_at", here("second_of")], here("second_flat")),
        node("Unsqueeze", [here("first_flat"), "across"], here("first_token")),
        node("Unsqueeze", [here("second_flat"), "across"], here("second_token")),
        node(
            "Concat",
            [here("row"), here("first_token"), here("second_token")],
            here("pairs"),
            axis=1,
        ),
        node("Shape", [here("pairs")], here("shape")),
        node("Gather", [here("shape"), "first"], here("count")),
        node("Concat", [here("count"), "two"], here("size"), axis=0),
        node("Expand", ["sure", here("size")], here("logits")),
    ]


def make_of_former_version(model: Path) -> None:
    """Give an ONNX file an input by another name, as a version of PAX before this one had it."""
    graph = load(str(model))
    for node in graph.graph.node:
        node.input[:] = ["word_mask" if name == "word_shapes" else name for name in node.input]
    for value in graph.graph.input:
        value.name = "word_mask" if value.name == "word_shapes" else value.name
    save(graph, str(model))
