"""Distortion, each part with known numbers in the place of random ones."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inkdigits.models.backend import set_up_keras
from inkdigits.training.augment_recipe import AugmentRecipe

set_up_keras()
jax = pytest.importorskip("jax", reason="the draws are JAX's")

from inkdigits.training.augment import augment
from inkdigits.training.draws import JaxDraws
from inkdigits.training.warp import affine_fields, sample, spline_fields

EVERYTHING = AugmentRecipe(15.0, 0.2, 0.2, 2.0, 1.0, 0.5, 0.5, 0.3, 0.1, 0.5)
MIDDLE = 13.5
# A bar that is no middle line of the image: mirrored or turned the wrong way, it lies elsewhere.
BAR = np.zeros((28, 28), np.uint8)
BAR[4:20, 9:12] = 200


class Constant:
    """Draws that are the same in every place: rows of `uniform`, and one number for `normal`."""

    def __init__(self, *uniform: float, normal: float = 0.0) -> None:
        self._rows, self._normal = np.array(uniform, np.float32), normal

    def uniform(self, shape: tuple[int, ...]) -> Any:
        rows = self._rows.reshape(-1, *[1] * (len(shape) - 1))
        return np.broadcast_to(rows, shape).astype(np.float32)

    def normal(self, shape: tuple[int, ...]) -> Any:
        return np.full(shape, self._normal, np.float32)


def distort(draws: Any, images: np.ndarray, recipe: AugmentRecipe) -> np.ndarray:
    return np.asarray(augment(draws, images, recipe))


def moved(recipe: AugmentRecipe, row: int, amount: float = 1.0) -> np.ndarray:
    """BAR with one number of its affine map set: angle, tall, wide, slant, down or right."""
    numbers = [0.0] * 6
    numbers[row] = amount
    return distort(Constant(*numbers), BAR[None], recipe)[0]


def center(image: np.ndarray) -> np.ndarray:
    places = np.indices(image.shape).reshape(2, -1)
    return (places * image.reshape(-1)).sum(axis=1) / image.sum()


def spread(image: np.ndarray) -> np.ndarray:
    """The covariance of where the ink lies, rows first."""
    places = np.indices(image.shape).reshape(2, -1)
    return np.cov(places, aweights=np.asarray(image, np.float64).reshape(-1), bias=True)


IMAGES = arrays(np.uint8, (2, 28, 28), elements=st.integers(0, 255))


@settings(max_examples=10, deadline=None)
@given(images=IMAGES)
def test_nothing_in_the_recipe_changes_nothing(images: np.ndarray) -> None:
    found = distort(Constant(), images, AugmentRecipe())
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, images)


@settings(max_examples=10, deadline=None)
@given(images=IMAGES, down=st.integers(-30, 30), right=st.integers(-30, 30))
def test_whole_pixels_come_back_exactly_and_nothing_wraps_around(
    images: np.ndarray, down: int, right: int
) -> None:
    """Also 255, whose place in the packed word is the sign of an int32."""
    images[:, :2, :2] = images[:, -2:, -2:] = 255
    y, x = np.indices((28, 28), np.float32)
    rows, columns = (np.tile(place.reshape(1, -1), (2, 1)) for place in (y + down, x + right))
    found = np.asarray(sample(images, rows, columns))
    wide = np.pad(images, ((0, 0), (30, 30), (30, 30)))
    expected = wide[:, 30 + down : 58 + down, 30 + right : 58 + right]
    inside = (rows[0] < 28) & (columns[0] < 28)
    np.testing.assert_array_equal(
        found.reshape(2, -1)[:, inside], expected.reshape(2, -1)[:, inside]
    )
    np.testing.assert_allclose(found, expected, atol=0.01)


@settings(max_examples=10, deadline=None)
@given(images=IMAGES, down=st.floats(-3, 3, width=32), right=st.floats(-3, 3, width=32))
def test_between_pixels_is_bilinear(images: np.ndarray, down: float, right: float) -> None:
    y, x = np.indices((28, 28), np.float32)
    rows, columns = (np.tile(place.reshape(1, -1), (2, 1)) for place in (y + down, x + right))
    found = np.asarray(sample(images, rows, columns)).reshape(2, -1)
    wide = np.pad(images.astype(np.float64), ((0, 0), (5, 5), (5, 5)))
    above, before = np.floor(rows[0]).astype(int) + 5, np.floor(columns[0]).astype(int) + 5
    lower, later = rows[0] + 5 - above, columns[0] + 5 - before
    expected = sum(
        wide[:, above + i, before + j] * abs(1 - i - lower) * abs(1 - j - later)
        for i in (0, 1)
        for j in (0, 1)
    )
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_shift_moves_by_so_many_pixels() -> None:
    recipe = AugmentRecipe(shift=1.0)
    np.testing.assert_allclose(moved(recipe, 4), np.roll(BAR, -1, axis=0), atol=0.01)
    np.testing.assert_allclose(moved(recipe, 5, -1.0), np.roll(BAR, 1, axis=1), atol=0.01)


def test_a_constant_elastic_field_is_a_shift() -> None:
    """The splines of equal knots add up to the same everywhere but for their unit variance."""
    knots = 0.2
    found = distort(Constant(0.0, normal=knots), BAR[None], AugmentRecipe(elastic=1.0))[0]
    field = knots * spline_fields().sum(axis=0).reshape(28, 28)
    y, x = np.indices((28, 28))
    expected = np.asarray(
        sample(BAR[None], (y + field).reshape(1, -1), (x + field).reshape(1, -1))
    )[0]
    np.testing.assert_allclose(found, expected, atol=0.05)
    assert np.all(center(found) < center(BAR) - knots)


def test_rotation_by_a_right_angle_is_exact() -> None:
    recipe = AugmentRecipe(rotation=90.0)
    np.testing.assert_allclose(moved(recipe, 0), np.rot90(BAR, -1), atol=0.1)
    np.testing.assert_allclose(moved(recipe, 0, -1.0), np.rot90(BAR), atol=0.1)


@pytest.mark.parametrize("angle", [10.0, 30.0])
def test_rotation_turns_clockwise_by_the_angle(angle: float) -> None:
    found = spread(moved(AugmentRecipe(rotation=angle), 0))
    # The direction of the long axis, from the second moments; columns grow as rows fall.
    turned = -0.5 * np.degrees(np.arctan2(2 * found[0, 1], found[0, 0] - found[1, 1]))
    assert turned == pytest.approx(angle, abs=0.5)


def test_scale_stretches_height_and_width_apart() -> None:
    before = np.sqrt(np.diag(spread(BAR)))
    for row, axis in ((1, 0), (2, 1)):
        smaller, larger = (
            np.sqrt(np.diag(spread(moved(AugmentRecipe(scale=0.25), row, sign))))
            for sign in (1.0, -1.0)
        )
        other = 1 - axis
        assert smaller[axis] < before[axis] < larger[axis]
        assert larger[other] == pytest.approx(before[other], rel=0.01)
    assert larger[1] / smaller[1] == pytest.approx(1.25**2, rel=0.1)


def test_shear_slants_and_keeps_the_rows() -> None:
    found = moved(AugmentRecipe(shear=0.25), 3)
    np.testing.assert_allclose(found.sum(axis=1), BAR.sum(axis=1, dtype=float), atol=1)
    slope = spread(found)[0, 1] / spread(found)[0, 0]
    assert slope == pytest.approx(-0.25, abs=0.01)


def test_the_elastic_field_has_unit_variance_and_is_smooth() -> None:
    fields = spline_fields()
    np.testing.assert_allclose((fields**2).sum(axis=0), 1, atol=1e-6)
    drawn = np.random.default_rng(0).normal(size=(200, len(fields))) @ fields
    steps = np.diff(drawn.reshape(200, 28, 28), axis=2)
    assert np.sqrt((steps**2).mean()) < 0.25


def test_affine_fields_are_places_from_the_middle() -> None:
    y, x, one = affine_fields().reshape(3, 28, 28)
    assert (y[0, 5], x[5, 0], y[27, 0], one.min()) == (-MIDDLE, -MIDDLE, MIDDLE, 1)


def test_pen_goes_from_thin_to_thick() -> None:
    recipe = AugmentRecipe(pen=1.0)
    widths = [distort(Constant(share), BAR[None], recipe) for share in (-1, -0.5, 0, 0.5, 1)]
    for thinner, thicker in pairwise(widths):
        assert np.all(thinner <= thicker)
        assert thinner.sum() < thicker.sum()
    np.testing.assert_array_equal(widths[2][0], BAR)
    assert (widths[0] > 0).sum() == 14 * 1
    assert (widths[4] > 0).sum() == 18 * 3 + 2 * 16


def test_blur_contrast_and_noise_one_by_one() -> None:
    images = BAR[None]
    np.testing.assert_allclose(
        distort(Constant(1.0), images, AugmentRecipe(blur=1.0))[0, 10, 8:13],
        [50, 150, 200, 150, 50],
    )
    lighter = distort(Constant(normal=-1.0), images, AugmentRecipe(contrast=0.5))[0]
    darker = distort(Constant(normal=1.0), images, AugmentRecipe(contrast=0.5))[0]
    assert lighter[10, 10] > 200 > darker[10, 10]
    # Paper stays paper, however strong.
    assert lighter[0, 0] == darker[0, 0] == 0
    grain = distort(Constant(1.0, normal=1.0), images, AugmentRecipe(noise=0.1))[0]
    np.testing.assert_allclose(grain, np.clip(BAR + 25.5, 0, 255), atol=0.01)


@settings(max_examples=10, deadline=None)
@given(images=IMAGES, seed=st.integers(0, 2**31 - 1))
def test_everything_at_once_stays_an_image(images: np.ndarray, seed: int) -> None:
    found = distort(JaxDraws(jax.random.key(seed)), images, EVERYTHING)
    assert (found.dtype, found.shape) == (np.float32, (2, 28, 28))
    assert np.isfinite(found).all()
    assert 0 <= found.min() <= found.max() <= 255


@pytest.mark.parametrize("name", ["rotation", "scale", "shear", "shift", "elastic", "pen",
                                  "blur", "contrast", "noise"])  # fmt: skip
def test_each_image_has_its_own_numbers_and_the_key_decides_them(name: str) -> None:
    recipe = AugmentRecipe(**{name: 10.0 if name == "rotation" else 0.9})
    images = np.repeat(BAR[None], 3, axis=0)
    first, same, other = (
        distort(JaxDraws(jax.random.key(seed)), images, recipe) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    everything = np.concatenate([first, other])
    assert len(np.unique(everything.reshape(6, -1), axis=0)) == 6
    assert not np.array_equal(first[0], BAR)


def test_compiled_is_the_same_as_step_by_step() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28), np.uint8)
    key = jax.random.key(3)
    compiled = jax.jit(lambda key, images: augment(JaxDraws(key), images, EVERYTHING))(key, images)
    np.testing.assert_allclose(compiled, distort(JaxDraws(key), images, EVERYTHING), atol=0.1)
