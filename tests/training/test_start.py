"""A network that starts from an artefact says at once what the artefact says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inkdigits.errors import ModelRefused
from inkdigits.models.cnn import build_cnn
from inkdigits.models.ensemble import merge
from inkdigits.models.export import export_onnx
from inkdigits.models.line import build_line
from inkdigits.models.metadata import digit_metadata, line_metadata
from inkdigits.models.start import mix_in, start_from
from inkdigits.reading.engine import Engine
from inkdigits.reading.line_engine import LineEngine
from inkdigits.reading.models import BUNDLED_LINE_MODEL

RNG = np.random.default_rng(4)
FILTERS = (4, 4, 6, 6, 8)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("pooled", [True, False])
def test_a_cnn_goes_on_from_where_another_stands(
    tmp_path: Path, pooled: bool, dropout: float
) -> None:
    path = tmp_path / "model.onnx"
    trained = build_cnn((3, 5), (2, 2), dropout, 1, pooled=pooled)
    for layer in trained.layers:
        if "normalized" in layer.name:
            layer.set_weights([RNG.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])
    path.write_bytes(export_onnx(trained, digit_metadata()))
    model = build_cnn((3, 5), (2, 2), dropout, 2, pooled=pooled, normalized=False)
    start_from(model, path)
    images = RNG.integers(0, 256, (9, 28, 28)).astype(np.uint8)
    found = model.predict_on_batch(images.astype(np.float32))
    np.testing.assert_allclose(found, Engine(path).predict_proba(images), atol=1e-5)


@pytest.mark.parametrize("number", [1, 2])
def test_the_bundled_line_networks_can_be_learnt_on_from(number: int) -> None:
    model = build_line(normalized=False)
    start_from(model, BUNDLED_LINE_MODEL, number)
    crops = RNG.integers(0, 256, (2, 32, 64)).astype(np.uint8)
    found = model.predict_on_batch(crops.astype(np.float32))
    wanted = LineEngine(BUNDLED_LINE_MODEL).predict_steps(crops).reshape(2, -1, *found.shape[1:])
    np.testing.assert_allclose(found, wanted[:, number - 1], atol=1e-4)


@pytest.mark.parametrize("number", [1, 2])
def test_a_member_of_an_ensemble_can_be_learnt_on_from(tmp_path: Path, number: int) -> None:
    path = tmp_path / "model.onnx"
    members = [build_cnn((3, 5), (2, 2), 0.1, seed, pooled=False) for seed in (1, 2)]
    path.write_bytes(export_onnx(merge(members, [0.5, 0.5], 3, 0.9), digit_metadata()))
    model = build_cnn((3, 5), (2, 2), 0.1, 7, pooled=False, normalized=False)
    start_from(model, path, number)
    images = RNG.integers(0, 256, (9, 28, 28)).astype(np.float32)
    wanted = members[number - 1].predict_on_batch(images)
    np.testing.assert_allclose(model.predict_on_batch(images), wanted, atol=1e-5)


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(export_onnx(build_line(FILTERS), line_metadata()))
    with pytest.raises(ModelRefused, match=r"'rows_16\.kernel'.*\(5, 5, 1, 4\).*\(5, 5, 1, 6\)"):
        start_from(build_line((6, *FILTERS[1:]), normalized=False), path)
    with pytest.raises(ModelRefused, match=r"has no 'stage_1_halving\.kernel'"):
        start_from(build_cnn((3,), (1,), normalized=False), path)
    with pytest.raises(ModelRefused, match="no such model file"):
        start_from(build_line(FILTERS, normalized=False), tmp_path / "none.onnx")


def test_a_share_of_the_start_comes_back() -> None:
    model, other = build_line(FILTERS, seed=1), build_line(FILTERS, seed=2)
    old, new = other.get_weights(), model.get_weights()
    mix_in(model, old, 0.25)
    for mixed, first, then in zip(model.get_weights(), old, new, strict=True):
        np.testing.assert_allclose(mixed, 0.25 * first + 0.75 * then, atol=1e-6)
