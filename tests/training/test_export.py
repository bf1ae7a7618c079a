from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest

from inkdigits.errors import ModelRefused
from inkdigits.evaluation.parity import export_checked
from inkdigits.models.ann import build_ann
from inkdigits.models.backend import set_up_keras
from inkdigits.models.export import export_onnx
from inkdigits.models.line import build_line
from inkdigits.models.metadata import digit_metadata, line_metadata
from inkdigits.models.predict import make_predictor
from inkdigits.models.saved import save_model
from inkdigits.reading.engine import Engine
from inkdigits.reading.session import Session

set_up_keras()
METADATA = digit_metadata()
IMAGES = np.random.default_rng(0).integers(0, 256, (300, 28, 28), dtype=np.uint8)


@pytest.mark.parametrize("hidden", [(), (16,), (128, 64)])
@pytest.mark.parametrize("n", [1, 2, 300])
def test_parity(hidden: tuple[int, ...], n: int) -> None:
    model = build_ann(hidden, 0.3, 5)
    found = Engine(export_onnx(model, METADATA)).predict_proba(IMAGES[:n])
    expected = make_predictor(model)(IMAGES[:n])
    assert found.shape == (n, 10)
    assert np.abs(found - expected).max() <= 1e-6


def test_temperature_is_in_the_graph() -> None:
    model = build_ann((16,), 0.0, 5)
    plain = make_predictor(model)(IMAGES)
    found = Engine(export_onnx(model, replace(METADATA, temperature=2.0))).predict_proba(IMAGES)
    softened = np.sqrt(plain)
    softened /= softened.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, softened, atol=1e-6)


def test_metadata_travels_with_the_file() -> None:
    metadata = replace(METADATA, recipe="name = 'ä'", scores={"test_accuracy": 0.97}, data_name="m")
    assert Engine(export_onnx(build_ann((4,)), metadata)).metadata == metadata


def test_file_holds_the_weights_and_little_else() -> None:
    content = export_onnx(build_ann((128, 64)), METADATA)
    assert len(content) < 109_386 * 4 + 3_000
    graph = onnx.load_from_string(content).graph
    assert [node.op_type for node in graph.node] == [
        "Cast", "Mul", "Flatten", "Gemm", "Relu", "Gemm", "Relu", "Gemm", "Softmax",
    ]  # fmt: skip


def test_same_model_gives_the_same_bytes() -> None:
    first, second = (export_onnx(build_ann((16,), seed=3), METADATA) for _ in range(2))
    assert first == second


def test_layers_without_a_translation_are_named() -> None:
    for layers, complaint in (
        ([keras.layers.LSTM(4)], "LSTM layer cannot be exported"),
        ([keras.layers.Flatten(), keras.layers.Dense(10, "gelu")], "activation 'gelu'"),
        ([keras.layers.Flatten(), keras.layers.Dense(10, "relu")], "ends in Relu"),
    ):
        model = keras.Sequential([keras.Input((28, 28)), *layers])
        with pytest.raises(ModelRefused, match=complaint):
            export_onnx(model, METADATA)


@pytest.mark.parametrize("kind", ["digit", "line"])
def test_a_calibrated_run_is_exported_with_its_temperature(kind: str, tmp_path: Path) -> None:
    model = build_ann((8,), 0.0, 1) if kind == "digit" else build_line((4, 4, 4, 4, 8))
    describe = digit_metadata if kind == "digit" else line_metadata
    save_model(model, tmp_path / "model.keras")
    (tmp_path / "model.onnx").write_bytes(export_onnx(model, describe(temperature=1.6)))
    assert export_checked(tmp_path, tmp_path / "out.onnx") <= 1e-5
    assert Session(tmp_path / "out.onnx", threads=1).metadata.temperature == 1.6
