"""Several networks in one artefact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from inkdigits.artefact.metadata import output_name
from inkdigits.errors import ModelRefused
from inkdigits.models.backend import set_up_keras
from inkdigits.models.join import join_networks, split_networks
from inkdigits.models.metadata import line_metadata
from inkdigits.reading.line_engine import LineEngine
from inkdigits.reading.models import BUNDLED_MODEL

set_up_keras()
from inkdigits.models.export import export_onnx
from inkdigits.models.line import build_line
from inkdigits.models.start import start_from

FILTERS = (4, 4, 8, 8, 16)


def network(seed: int, **known: object) -> bytes:
    return export_onnx(build_line(FILTERS, 0.0, seed, normalized=False), line_metadata(**known))


def crops(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, 32, 60), dtype=np.uint8)


def test_each_network_says_of_each_crop_what_it_says_alone() -> None:
    parts = [network(seed) for seed in (1, 2, 3)]
    joined = LineEngine(join_networks(parts, line_metadata(reject_threshold=0.25)))
    said = joined.predict_steps(crops(2))
    alone = [LineEngine(part).predict_steps(crops(2)) for part in parts]
    assert said.shape == (6, 30, 13)
    for crop in range(2):
        for number, wanted in enumerate(alone):
            np.testing.assert_allclose(said[3 * crop + number], wanted[crop], atol=1e-6)
    assert joined.metadata.reject_threshold == 0.25
    assert joined.predict_steps(crops(0)).shape == (0, 30, 13)


def test_what_was_joined_comes_apart_as_it_was() -> None:
    wide = export_onnx(build_line((4, 4, 8, 8, 24), seed=3, normalized=False), line_metadata())
    parts = [network(1, temperature=1.5), wide, network(2)]
    for part, found in zip(
        parts, split_networks(join_networks(parts, line_metadata())), strict=True
    ):
        expected = LineEngine(part).predict_steps(crops(2))
        np.testing.assert_array_equal(LineEngine(found).predict_steps(crops(2)), expected)
    (same,) = split_networks(parts[0])
    np.testing.assert_array_equal(
        LineEngine(same).predict_steps(crops(2)), LineEngine(parts[0]).predict_steps(crops(2))
    )


def test_a_network_starts_from_the_one_that_is_named(tmp_path: Path) -> None:
    parts = [network(seed) for seed in (1, 2)]
    path = tmp_path / "joined.onnx"
    path.write_bytes(join_networks(parts, line_metadata()))
    for number, part in enumerate(parts, start=1):
        model = build_line(FILTERS, 0.0, 9, normalized=False)
        start_from(model, path, number)
        wanted = LineEngine(part).predict_steps(crops(2))
        found = LineEngine(export_onnx(model, line_metadata())).predict_steps(crops(2))
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    with pytest.raises(ModelRefused, match="3/rows_16"):
        start_from(build_line(FILTERS, 0.0, 9, normalized=False), path, 3)


def test_only_single_networks_for_numbers_can_be_joined() -> None:
    one = network(1)
    two = join_networks([one, network(2)], line_metadata())
    for parts in ([one], [one] * 5, [one, two], [one, BUNDLED_MODEL.read_bytes()]):
        with pytest.raises(ModelRefused, match="joined"):
            join_networks(parts, line_metadata())


def test_outputs_of_other_names_are_refused() -> None:
    model = onnx.load_model_from_string(join_networks([network(1), network(2)], line_metadata()))
    last = next(n for n in model.graph.node if n.output[0] == output_name(2))
    last.output[0] = model.graph.output[1].name = "opinions"
    with pytest.raises(ModelRefused, match="probabilities_2"):
        LineEngine(model.SerializeToString())
