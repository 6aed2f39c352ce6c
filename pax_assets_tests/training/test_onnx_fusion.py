"""Under test: the graph with ONNX Runtime's kernels in it says what the torch model says.

Which kinds of encoders keep the exporter's graph is tested where they are exported, in
`test_kinds_of_encoders`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch  # noqa: TID253 - the room under test is torch's

from pax_assets.inference.pipeline import INPUTS, OUTPUTS
from pax_assets.inference.session import open_session
from pax_assets.training import artifact
from pax_assets.training.model import MessageModel
from pax_assets.training.onnx_fusion import fuse, is_attention
from pax_assets_tests.bentos.lookup_model import write_lookup_artifact


@pytest.fixture(scope="module")
def model(toy_model: Path) -> MessageModel:
    return artifact.load(toy_model)[0]


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(str(path)).graph.node)


def padded(lengths: list[int], longest: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(len(lengths))
    attention = (np.arange(longest) < np.array(lengths)[:, None]).astype(np.int64)
    ids = random.integers(5, 60, size=attention.shape) * attention
    shapes = random.integers(0, 9, size=attention.shape) * attention
    return dict(zip(INPUTS, (ids, attention, shapes), strict=True))


def test_attention_is_one_kernel_a_layer_that_is_told_of_padding_by_the_mask(
    toy_onnx: Path, model: MessageModel
):
    graph = onnx.load(str(toy_onnx / "fp32" / "model.onnx")).graph
    attention = [node for node in graph.node if is_attention(node)]
    assert len(attention) == model.encoder.config.num_hidden_layers
    [mask] = {name for node in attention for name in node.input[3:]}
    [cast] = [node for node in graph.node if mask in node.output]
    assert (cast.op_type, list(cast.input)) == ("Cast", ["attention_mask"])


def test_adding_and_normalising_stay_two_operators(toy_onnx: Path, model: MessageModel):
    found = operators(toy_onnx / "fp32" / "model.onnx")
    assert found["SkipLayerNormalization"] == 0
    # After the embeddings, two a layer, and one in each pair head.
    assert found["LayerNormalization"] == 1 + 2 * model.encoder.config.num_hidden_layers + 2


@pytest.mark.parametrize("lengths", [[1], [3, 64, 17], [1, 1, 2], [30] * 5], ids=str)
@pytest.mark.parametrize("padding", [0, 1, 40])
def test_the_fused_graph_says_what_torch_says_of_padded_batches(
    toy_onnx: Path, model: MessageModel, lengths: list[int], padding: int
):
    inputs = padded(lengths, max(lengths) + padding)
    with torch.inference_mode():
        wanted = dict(
            zip(OUTPUTS, model(*(torch.from_numpy(inputs[n]) for n in INPUTS)), strict=True)
        )
    found = open_session(toy_onnx / "fp32" / "model.onnx", 1)(inputs)
    real = inputs["attention_mask"] > 0
    for name in ("entity_logits", "trigger_logits"):
        np.testing.assert_allclose(found[name][real], wanted[name].numpy()[real], atol=1e-4)
    for head in ("relation", "argument"):
        one, other = (
            dict(zip(map(tuple, out[f"{head}_pairs"].tolist()), out[f"{head}_logits"], strict=True))
            for out in (found, wanted)
        )
        assert one.keys() == other.keys()
        for pair, logits in other.items():
            np.testing.assert_allclose(one[pair], logits.numpy(), atol=1e-4)


def test_a_graph_without_attention_is_left_as_it_is(tmp_path: Path):
    path = write_lookup_artifact(tmp_path / "lookup") / "fp32" / "model.onnx"
    before = path.read_bytes()
    assert not fuse(path, 32)
    assert path.read_bytes() == before


def test_what_is_fused_already_is_not_fused_again(toy_onnx: Path, tmp_path: Path):
    path = tmp_path / "model.onnx"
    path.write_bytes((toy_onnx / "fp32" / "model.onnx").read_bytes())
    assert not fuse(path, 256)
    assert path.read_bytes() == (toy_onnx / "fp32" / "model.onnx").read_bytes()
