"""What a configuration would build, counted beforehand, against what Keras builds."""

import json

import keras
import pytest

from inkdigits.models.ann import build_ann
from inkdigits.models.backend import set_up_keras
from inkdigits.models.budget import count_numbers
from inkdigits.models.cnn import build_cnn
from inkdigits.models.ensemble import merge

set_up_keras()


def ensemble() -> keras.Model:
    return merge(
        [build_ann((8,)), build_cnn((2, 4), (1, 2)), build_cnn((3, 5), (2, 1))], [0.2, 0.3, 0.5]
    )


def two_views() -> keras.Model:
    return merge([build_cnn((2, 4), (1, 2))], [1.0], views=2)


@pytest.mark.parametrize(
    ("build", "widest"),
    [
        (lambda: build_ann((128, 64)), 784),
        (lambda: build_cnn((4, 6), (2, 3)), 784),
        (lambda: build_cnn((8, 6), (1, 1), classes=11), 14 * 14 * 8),
        (ensemble, 784),
        (two_views, 30 * 30),
    ],
    ids=["ann", "cnn", "wide stem", "ensemble", "views"],
)
def test_it_is_what_keras_builds(build, widest: int) -> None:
    model = build()
    config = json.loads(model.to_json())["config"]
    found = count_numbers(config) - widest
    # Biases are counted also where a layer has none.
    without = sum(
        layer.get_config().get("filters", layer.get_config().get("units", 0))
        for layer in model.layers
        if layer.get_config().get("use_bias") is False
    )
    assert found == model.count_params() + without


def test_a_few_lines_can_ask_for_terabytes() -> None:
    layers = [{"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, 28, 28]}}]
    layers += [
        {"class_name": "Dense", "config": {"name": f"d{n}", "units": 65_536}} for n in range(100)
    ]
    assert count_numbers({"layers": layers}) > 1 << 38


@pytest.mark.parametrize("margins", [[[0, -1], [0, 0]], [[14, 14], [0, 0]]])
def test_a_crop_that_leaves_nothing_or_adds_is_refused(margins: list[list[int]]) -> None:
    layers = [
        {"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, 28, 28, 1]}},
        {"class_name": "Cropping2D", "config": {"name": "c", "cropping": margins}},
    ]
    with pytest.raises(ValueError, match=r"margins|crop"):
        count_numbers({"layers": layers})
