from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from inkdigits.artefact.metadata import Metadata, to_props
from inkdigits.cli import inspect as inspect_verb
from inkdigits.cli import read as read_verb
from inkdigits.cli.main import main
from inkdigits.cli.read import Output
from inkdigits.errors import InvalidData, ModelRefused, UnreadableImage, UsageError
from inkdigits.models.metadata import digit_metadata
from inkdigits.reading import models as models_module
from inkdigits.reading.engine import Engine
from inkdigits.reading.inspect import draw_stages
from inkdigits.reading.reader import Reader
from inkdigits.reading.settings import ReaderSettings

LABELS = [str(digit) for digit in range(10)]


def metadata(**changes: object) -> Metadata:
    return replace(digit_metadata(reject_threshold=0.5), **changes)


class FakeModel:
    """Says `digit` with `confidence`, and remembers what it was shown."""

    def __init__(self, digit: int = 7, confidence: float = 0.75) -> None:
        self.metadata = metadata()
        self.digit, self.confidence = digit, confidence
        self.seen: list[np.ndarray] = []

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        self.seen.append(images)
        row = np.full(10, (1 - self.confidence) / 9, np.float32)
        row[self.digit] = self.confidence
        return np.tile(row, (len(images), 1))


class DoubtingModel(FakeModel):
    """Also says how probably the image is no digit."""

    def __init__(self, not_a_digit: float) -> None:
        super().__init__()
        self.metadata = metadata(not_a_digit_threshold=0.6)
        self.not_a_digit = not_a_digit

    def predict_with_rejection(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.predict_proba(images), np.full(len(images), self.not_a_digit, np.float32)


def stroke() -> np.ndarray:
    page = np.full((100, 80), 220, np.uint8)
    page[20:80, 36:44] = 30
    return page


BLANK = np.full((100, 80), 220, np.uint8)


# The reader, with a fake model


def test_a_reading_of_one_digit() -> None:
    model = FakeModel()
    reading = Reader(model).read(stroke(), "seven.png")
    assert (reading.image, reading.status, reading.text) == ("seven.png", "ok", "7")
    assert reading.confidence == pytest.approx(0.75)
    (number,) = reading.numbers
    (digit,) = number.digits
    assert type(digit.digit) is int
    assert type(digit.confidence) is float
    np.testing.assert_allclose(digit.box, (36, 20, 8, 60), atol=2)
    assert model.seen[0].shape == (1, 28, 28)
    assert model.seen[0].dtype == np.uint8


def test_a_blank_page_is_rejected_without_asking_the_model() -> None:
    model = FakeModel()
    reading = Reader(model).read(BLANK)
    assert reading.to_dict() == {
        "image": "ndarray",
        "status": "rejected",
        "text": "",
        "confidence": 0.0,
        "numbers": [],
        "reason": "blank",
    }
    assert not model.seen


def test_doubt_is_rejected_and_still_carries_the_number() -> None:
    reading = Reader(FakeModel(confidence=0.4)).read(stroke())
    assert (reading.status, reading.reason) == ("rejected", "unsure")
    assert reading.numbers[0].text == "7"


def test_what_is_no_digit_is_rejected_above_the_threshold() -> None:
    assert Reader(DoubtingModel(0.5)).read(stroke()).text == "7"
    reading = Reader(DoubtingModel(0.7)).read(stroke())
    assert (reading.status, reading.reason) == ("rejected", "not_a_digit")
    assert (reading.text, reading.numbers) == ("", ())


def test_a_target_error_sets_the_threshold() -> None:
    model = FakeModel(confidence=0.75)
    model.metadata = metadata(val_curve=[[0.8, 900, 1], [0.7, 950, 5], [0.0, 990, 9]], val_n=1000)
    strict, loose = Reader(model, target_error=0.003), Reader(model, target_error=0.006)
    assert (strict.reject_threshold, strict.read(stroke()).reason) == (0.8, "unsure")
    assert (loose.reject_threshold, loose.read(stroke()).status) == (0.7, "ok")
    assert strict.selection is not None
    assert strict.selection.coverage == 0.9
    assert Reader(model).selection is None
    assert Reader(model).reject_threshold == 0.5
    with pytest.raises(UsageError, match="cannot be reached"):
        Reader(model, target_error=0.0001)
    with pytest.raises(UsageError, match="no val statistics"):
        Reader(FakeModel(), target_error=0.01)


def test_an_unusable_image_raises_or_becomes_a_row() -> None:
    reader = Reader(FakeModel())
    with pytest.raises(UnreadableImage, match="no such file"):
        reader.read("gone.png")
    reading = reader.read_or_error("gone.png")
    assert (reading.image, reading.status) == ("gone.png", "error")
    assert "no such file" in (reading.error or "")


@pytest.mark.parametrize("page", [stroke(), BLANK, np.zeros((1, 1), np.uint8), stroke()[:, ::-1]])
def test_every_page_can_be_drawn(page: np.ndarray) -> None:
    picture = draw_stages(Reader(FakeModel()).stages(page, "x" * 200))
    assert picture.mode == "RGB"
    assert min(picture.size) > 500


def test_a_missing_bundled_model_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(models_module, "BUNDLED_MODEL", tmp_path / "digit.onnx")
    with pytest.raises(ModelRefused, match=r"no bundled model.*--model"):
        Reader()


# The engine, with a small real model: the digit is told by the brightness of column 14


def artefact(
    output: int = 10,
    dtype: int = TensorProto.UINT8,
    props: dict[str, str] | None = None,
    rejection: tuple[str, list[object]] | None = None,
) -> bytes:
    """With `rejection`, the name and shape of a second output: the brightness of the image."""
    weights = np.zeros((784, output), np.float32)
    weights[14::28] = np.linspace(0, 1, output)
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["floats"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    images = helper.make_tensor_value_info("images", dtype, ["N", 28, 28])
    ends = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", output])]
    constants = [numpy_helper.from_array(weights, "weights")]
    if rejection:
        name, shape = rejection
        share = np.full((784, *shape[1:]), 1 / 784 / 255, np.float32)
        constants.append(numpy_helper.from_array(share, "share"))
        nodes.append(helper.make_node("MatMul", ["rows", "share"], [name]))
        ends.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    graph = helper.make_graph(nodes, "g", [images], ends, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, to_props(metadata()) if props is None else props)
    return model.SerializeToString()


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "digit.onnx"
    path.write_bytes(artefact())
    return path


def test_the_engine_predicts_in_any_batch_size(model_file: Path) -> None:
    engine = Engine(model_file)
    images = np.random.default_rng(0).integers(0, 3, (1500, 28, 28)).astype(np.uint8)
    all_at_once = engine.predict_proba(images)
    assert all_at_once.shape == (1500, 10)
    assert all_at_once.dtype == np.float32
    np.testing.assert_allclose(all_at_once.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(engine.predict_proba(images[1400:1401]), all_at_once[1400:1401])
    assert engine.predict_proba(images[:0]).shape == (0, 10)
    assert engine.metadata == metadata()


@pytest.mark.parametrize("shape", [["N"], ["N", 1]])
def test_a_second_output_tells_what_is_no_digit(shape: list[object]) -> None:
    engine = Engine(artefact(rejection=("not_a_digit", shape)))
    images = np.full((1030, 28, 28), 51, np.uint8)
    images[3] = 0
    probabilities, not_a_digit = engine.predict_with_rejection(images)
    assert probabilities.shape == (1030, 10)
    assert not_a_digit.shape == (1030,)
    np.testing.assert_allclose(not_a_digit, np.where(np.arange(1030) == 3, 0, 0.2), atol=1e-4)
    assert engine.predict_with_rejection(images[:0])[1].shape == (0,)
    np.testing.assert_array_equal(engine.predict_proba(images), probabilities)


def test_without_a_second_output_everything_may_be_a_digit() -> None:
    images = np.full((3, 28, 28), 51, np.uint8)
    assert Engine(artefact()).predict_with_rejection(images)[1].tolist() == [0, 0, 0]


def memory_bomb() -> bytes:
    """Twice as wide at every node: 784 · 2^24 numbers an image."""
    model = onnx.ModelProto.FromString(artefact())
    model.graph.node.remove(model.graph.node[2])
    name = "rows"
    for step in range(24):
        twice = helper.make_node("Concat", [name, name], [f"twice{step}"], axis=1)
        model.graph.node.insert(2 + step, twice)
        name = f"twice{step}"
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([10]), "ten"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "zero"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "axis"))
    cut = helper.make_node("Slice", [name, "zero", "ten", "axis"], ["logits"])
    model.graph.node.insert(26, cut)
    return model.SerializeToString()


def test_a_model_cannot_take_all_memory() -> None:
    with pytest.raises(ModelRefused, match="fails when run") as caught:
        Engine(memory_bomb()).predict_proba(np.zeros((1, 28, 28), np.uint8))
    assert "\n" not in str(caught.value)


def test_a_model_whose_probabilities_are_none_is_refused() -> None:
    model = onnx.ModelProto.FromString(artefact())
    model.graph.node[3].op_type = "Relu"
    with pytest.raises(ModelRefused, match="not probabilities"):
        Engine(model.SerializeToString()).predict_proba(np.full((2, 28, 28), 255, np.uint8))


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 28, 28), np.float32),
        np.zeros((28, 28), np.uint8),
        np.zeros((2, 32, 32), np.uint8),
        [[0]],
    ],
)
def test_other_images_are_refused(images: np.ndarray, model_file: Path) -> None:
    with pytest.raises(InvalidData, match="got"):
        Engine(model_file).predict_proba(images)


def broken_graph() -> bytes:
    model = onnx.ModelProto.FromString(artefact())
    model.graph.node[2].op_type = "Gemm"
    model.graph.node[2].attribute.append(helper.make_attribute("nonsense", 1))
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (artefact(output=7), "output must be"),
        (artefact(dtype=TensorProto.FLOAT), "input must be"),
        (artefact(rejection=("other", ["N"])), "output must be"),
        (artefact(rejection=("not_a_digit", ["N", 2])), "output must be"),
        (artefact(props={}), "not an inkdigits artefact"),
        (artefact(props=to_props(metadata(imaging_version=99))), "imaging version 99"),
        (artefact(props=to_props(metadata(labels=["a"] * 10))), "labels must be"),
        (broken_graph(), "ONNX Runtime refuses"),
        (artefact()[:-200], "damaged|cut off"),
        (artefact()[:20_000], "damaged"),
        (b"PK\x03\x04", "zip"),
    ],
)
def test_unfit_models_are_refused_in_one_line(
    content: bytes, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelRefused, match=message) as caught:
        Engine(content)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_missing_models_and_wrong_threads(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="no such model file"):
        Engine(tmp_path / "gone.onnx")
    with pytest.raises(ModelRefused, match="folder"):
        Engine(tmp_path)
    with pytest.raises(UsageError, match="got 0"):
        Engine(artefact(), threads=0)


# The verbs


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    paths = {"ink.png": stroke(), "blank.png": BLANK}
    for name, page in paths.items():
        Image.fromarray(page).save(tmp_path / name)
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    return [str(tmp_path / name) for name in ("ink.png", "torn.png", "blank.png")]


def test_read_as_text(
    images: list[str], model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read_verb.read(images, ReaderSettings(model_file), Output()) == 3
    out, err = capsys.readouterr()
    assert out == f"{images[0]}: 9 (100.0 %)\n{images[2]}: rejected (blank)\n"
    assert err.startswith(f"inkdigits: error: {images[1]}: ")
    assert err.count("\n") == 1


def test_read_as_json_keeps_the_order_and_the_row_of_an_error(
    images: list[str], model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read_verb.read(images, ReaderSettings(model_file), Output(as_json=True)) == 3
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["image"] for row in rows] == images
    assert [row["status"] for row in rows] == ["ok", "error", "rejected"]


def test_read_standard_input(
    images: list[str],
    model_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = Path(images[0]).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert read_verb.read(["-"], ReaderSettings(model_file), Output()) == 0
    assert capsys.readouterr().out.startswith("-: 9 ")


def test_read_tells_what_a_target_error_costs(
    images: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = [[0.8, 900, 1], [0.0, 1000, 30]]
    path = tmp_path / "digit.onnx"
    path.write_bytes(artefact(props=to_props(metadata(val_curve=curve, val_n=1000))))
    assert main(["read", images[0], "--model", str(path), "--target-error", "0.002"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == err.count("\n") == 1
    assert "below 0.8 is rejected" in err
    assert "90.00 % (87.985 % – 91.709 %) of 1000, 0.111 % (0.020 % – 0.627 %) of them wrong" in err
    for target, complaint in (("0", "between 0 and 1"), ("0.0001", "cannot be reached on val")):
        assert main(["read", images[0], "--model", str(path), "--target-error", target]) == 2
        assert complaint in capsys.readouterr().err


def test_read_refuses_an_unknown_layout_and_no_images(model_file: Path) -> None:
    with pytest.raises(UsageError, match="'book'"):
        read_verb.read(["x.png"], ReaderSettings(model_file, layout="book"), Output())
    with pytest.raises(UsageError, match="no images"):
        read_verb.read([], ReaderSettings(model_file), Output())


def test_inspect_writes_one_picture(images: list[str], model_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "stages.png"
    inspect_verb.inspect(images[0], out, model_file)
    with Image.open(out) as picture:
        assert picture.format == "PNG"
    with pytest.raises(UsageError, match=r"stages\.xyz"):
        inspect_verb.inspect(images[0], tmp_path / "stages.xyz", model_file)
