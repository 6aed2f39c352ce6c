"""Under test: which kernels run a graph, and what is said where they are not to be had."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import onnxruntime  # noqa: TID253 - what the room under test opens graphs with
import pytest

from pax_assets.corpora.formats import jsonl
from pax_assets.inference import openvino_session
from pax_assets.inference.pipeline import INPUTS, OUTPUTS
from pax_assets.inference.runtime import Runtime
from pax_assets.inference.session import (
    VARIABLE,
    ModelFileError,
    OnnxRuntimeSession,
    ProviderError,
    named_provider,
    open_session,
)
from pax_assets.training.parity import labels, score_difference
from pax_assets_tests.bentos.lookup_model import write_lookup_artifact

needs_openvino = pytest.mark.skipif(
    not openvino_session.is_installed(), reason="the extra openvino is not installed"
)


@pytest.fixture(autouse=True)
def without_a_named_provider(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture(scope="module")
def lookup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lookup_artifact(tmp_path_factory.mktemp("lookup"), ("fp32", "bf16"))


@pytest.fixture
def graph(lookup: Path) -> Path:
    return lookup / "fp32" / "model.onnx"


@pytest.mark.parametrize(
    ("given", "named", "taken"),
    [
        (None, None, "cpu"),
        (None, "", "cpu"),
        (None, "openvino", "openvino"),
        ("cpu", "tensorrt", "cpu"),
        ("cuda", None, "cuda"),
    ],
)
def test_what_is_given_goes_before_what_the_environment_names(monkeypatch, given, named, taken):
    if named is not None:
        monkeypatch.setenv(VARIABLE, named)
    assert named_provider(given) == taken


def test_an_unknown_provider_is_refused_with_those_that_there_are(graph: Path, monkeypatch):
    with pytest.raises(ProviderError, match=r"'abacus'.*cpu, openvino, cuda, tensorrt"):
        open_session(graph, provider="abacus")
    monkeypatch.setenv(VARIABLE, "abacus")
    with pytest.raises(ProviderError, match=rf"{VARIABLE} is 'abacus'"):
        open_session(graph)
    with pytest.raises(ProviderError, match="abacus"):
        Runtime.load(graph.parent.parent)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_gpu_that_is_not_there_is_not_quietly_done_without(
    graph: Path, monkeypatch, provider: str
):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ProviderError, match=rf"is {provider}.*install onnxruntime-gpu"):
        open_session(graph, provider=provider)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_gpu_that_could_not_start_is_not_quietly_done_without(
    graph: Path, monkeypatch, provider: str
):
    """ONNX Runtime built for a GPU falls back to the CPU where a library of CUDA is missing."""
    names = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    with pytest.raises(ProviderError, match=rf"is {provider}.*could not start.*driver"):
        open_session(graph, provider=provider)


@pytest.mark.parametrize("provider", ["cpu", "openvino"])
def test_a_missing_file_is_named(tmp_path: Path, provider: str):
    with pytest.raises(ModelFileError, match=r"int4/model\.onnx does not exist"):
        open_session(tmp_path / "int4" / "model.onnx", provider=provider)


@pytest.mark.parametrize("provider", ["cpu", pytest.param("openvino", marks=needs_openvino)])
def test_a_damaged_file_is_named(tmp_path: Path, provider: str):
    (tmp_path / "model.onnx").write_bytes(b"\x00 not a model")
    with pytest.raises(ModelFileError, match=r"model\.onnx cannot be loaded"):
        open_session(tmp_path / "model.onnx", provider=provider)


@pytest.mark.parametrize(("provider", "bf16"), [("openvino", False), ("cpu", True)])
def test_without_openvino_it_is_said_how_to_install_it(
    graph: Path, monkeypatch, provider: str, bf16: bool
):
    monkeypatch.setattr(openvino_session, "is_installed", lambda: False)
    with pytest.raises(ProviderError, match=r"pip install 'pax-assets\[openvino\]'"):
        open_session(graph, provider=provider, bf16=bf16)


def test_the_cpu_needs_no_openvino(graph: Path, monkeypatch):
    monkeypatch.setattr(openvino_session, "is_installed", lambda: False)
    assert isinstance(open_session(graph), OnnxRuntimeSession)


@needs_openvino
def test_the_environment_chooses_openvino(graph: Path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "openvino")
    assert isinstance(open_session(graph, 1), openvino_session.OpenVinoSession)


@needs_openvino
@pytest.mark.parametrize("variant", ["fp32", "int8"])
def test_openvino_knows_the_inputs_and_outputs_by_their_names(toy_onnx: Path, variant: str):
    session = open_session(toy_onnx / variant / "model.onnx", 1, provider="openvino")
    assert set(session.inputs) == set(INPUTS)
    assert set(session.outputs) == set(OUTPUTS)


@needs_openvino
def test_openvino_in_full_precision_answers_as_onnx_runtime_does(lookup: Path):
    texts = ["Anna meets Ben", "", "ben", "\u05d3\u05e0\u05d4 meets anna " * 20]
    one, other = (
        Runtime.load(lookup, threads=1, provider=provider).analyze(texts)
        for provider in ("cpu", "openvino")
    )
    for mine, theirs in zip(one, other, strict=True):
        assert labels(mine) == labels(theirs)
        assert score_difference(mine, theirs) < 1e-5


@needs_openvino
def test_bf16_answers_close_to_fp32_and_from_several_threads_alike(
    toy_onnx: Path, toy_dataset: Path, tmp_path: Path
):
    # The graph of full precision: export leaves bf16 out where the processor has none.
    folder = shutil.copytree(toy_onnx, tmp_path / "onnx")
    shutil.copytree(folder / "fp32", folder / "bf16", dirs_exist_ok=True)
    texts = [document.text for document in jsonl.read(toy_dataset / "dev_gold.jsonl")]
    whole = Runtime.load(toy_onnx, "fp32", 1, provider="cpu").analyze(texts)
    runtime = Runtime.load(folder, "bf16", 1)
    found = runtime.analyze(texts)
    spans = [
        {(n, e.type, e.start, e.end) for n, a in enumerate(side) for e in a.entities}
        for side in (whole, found)
    ]
    assert len(spans[0]) > 50
    assert len(spans[0] ^ spans[1]) <= 0.02 * len(spans[0])
    alike = [(a, b) for a, b in zip(whole, found, strict=True) if labels(a) == labels(b)]
    assert max(score_difference(a, b) for a, b in alike) < 0.05

    # Each thread another share of the texts, so that shared buffers would show.
    parts = [texts[number::4] for number in range(4)]
    answers: dict[int, list] = {}

    def ask(number: int) -> None:
        answers[number] = [runtime.analyze(parts[number]) for _ in range(5)]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(len(parts)):
        for again in answers[number]:
            for one, other in zip(again, found[number::4], strict=True):
                assert labels(one) == labels(other)
                assert score_difference(one, other) < 0.01
