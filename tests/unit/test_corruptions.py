"""The MNIST-C-style corruptions: each does what its name says, as severely as stated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import drawn_digits

from inkdigits.errors import InvalidData, UsageError
from inkdigits.evaluation.corruptions import NAMES, corrupt

BAR = np.zeros((1, 28, 28), np.uint8)
BAR[0, 6:22, 12:16] = 255
BARS = np.repeat(BAR, 60, axis=0)


def middles(images):
    """Centre of mass, rows and columns, of each image."""
    ink = images.astype(float)
    total = ink.sum(axis=(1, 2))
    rows, columns = np.mgrid[:28, :28]
    return (ink * rows).sum(axis=(1, 2)) / total, (ink * columns).sum(axis=(1, 2)) / total


def slants(images):
    """How many columns the ink leans a row, by least squares."""
    ink = images.astype(float)
    rows, columns = np.mgrid[:28, :28] - 13.5
    return (ink * rows * columns).sum(axis=(1, 2)) / (ink * rows**2).sum(axis=(1, 2))


def test_there_are_the_fifteen_of_mnist_c():
    assert len(NAMES) == 15
    assert NAMES[0] == "shot_noise"
    assert NAMES[-1] == "canny_edges"


@pytest.mark.parametrize("name", NAMES)
def test_every_corruption_keeps_shape_and_input_and_repeats_itself(name):
    images = drawn_digits(40).images
    before = images.copy()
    first = corrupt(images, name, seed=3)
    assert first.dtype == np.uint8
    assert first.shape == images.shape
    assert (images == before).all()
    assert (first != images).any(axis=(1, 2)).all()
    assert (corrupt(images, name, seed=3) == first).all()
    assert corrupt(images[:0], name).shape == (0, 28, 28)


RANDOM = [name for name in NAMES if name not in ("scale", "brightness", "stripe", "canny_edges")]


@pytest.mark.parametrize("name", RANDOM)
def test_another_seed_draws_anew(name):
    images = drawn_digits(20).images
    assert (corrupt(images, name, seed=0) != corrupt(images, name, seed=1)).any()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=5, deadline=None)
@given(n=st.integers(1, 3), seed=st.integers(0, 2**31), level=st.sampled_from([0, 1, 128, 255]))
def test_flat_images_of_any_level_survive(name, n, seed, level):
    flat = np.full((n, 28, 28), level, np.uint8)
    assert corrupt(flat, name, seed).shape == flat.shape


def test_blank_paper_stays_blank_where_only_ink_is_touched():
    blank = np.zeros((5, 28, 28), np.uint8)
    for name in ("shot_noise", "glass_blur", "motion_blur", "shear", "rotate", "canny_edges"):
        assert not corrupt(blank, name).any(), name


def test_wrong_names_and_images_are_refused():
    with pytest.raises(UsageError, match=r"no corruption 'frost'.*shot_noise"):
        corrupt(BARS, "frost")
    with pytest.raises(InvalidData, match=r"got float64 \(60, 28, 28\)"):
        corrupt(BARS.astype(float), "fog")
    with pytest.raises(InvalidData, match=r"got uint8 \(60, 784\)"):
        corrupt(BARS.reshape(60, 784), "fog")


def test_shot_noise_is_poisson_of_three_photons():
    noisy = corrupt(np.full((50, 28, 28), 128, np.uint8), "shot_noise")
    assert set(np.unique(noisy)) == {0, 85, 170, 255}
    assert (noisy == 0).mean() == pytest.approx(np.exp(-3 * 128 / 255), abs=0.01)


def test_impulses_hit_seventeen_per_cent_at_even_odds():
    noisy = corrupt(np.full((50, 28, 28), 128, np.uint8), "impulse_noise")
    assert (noisy == 0).mean() == pytest.approx(0.085, abs=0.006)
    assert (noisy == 255).mean() == pytest.approx(0.085, abs=0.006)
    assert ((noisy == 0) | (noisy == 255) | (noisy == 128)).all()


def test_translation_moves_three_pixels_along_each_diagonal():
    rows, columns = middles(corrupt(BARS, "translate"))
    moved = {(round(r - 13.5), round(c - 13.5)) for r, c in zip(rows, columns, strict=True)}
    assert moved == {(-3, -3), (-3, 3), (3, -3), (3, 3)}


def test_scaling_shrinks_about_the_middle():
    small = corrupt(BARS, "scale")
    assert np.all(np.array(middles(small)) == pytest.approx(13.5, abs=0.01))
    assert small.sum(dtype=float) / BARS.sum(dtype=float) == pytest.approx(0.49, abs=0.02)


@pytest.mark.parametrize("name", ["shear", "rotate"])
def test_shear_and_rotation_lean_to_both_sides(name):
    leaning = slants(corrupt(BARS, name))
    # tan 0.4 for a rotated line; a bar of this width leans a little less.
    assert np.abs(leaning) == pytest.approx(0.4, abs=0.03)
    assert len(set(np.sign(leaning))) == 2
    assert np.all(np.array(middles(corrupt(BARS, name))) == pytest.approx(13.5, abs=0.05))


def test_rotation_lowers_a_bar_and_shear_does_not():
    turned, slanted = corrupt(BARS, "rotate"), corrupt(BARS, "shear")
    before = BARS.sum(axis=2, dtype=float)
    assert slanted.sum(axis=2, dtype=float) == pytest.approx(before, rel=0.02)
    assert turned[:, 6].sum(axis=1, dtype=float).max() < before.max() / 2


def test_brightness_lifts_background_and_ink():
    bright = corrupt(np.array([0, 100, 200], np.uint8)[:, None, None] + BAR * 0, "brightness")
    assert [int(image[0, 0]) for image in bright] == [128, 228, 255]


def test_stripes_invert_the_outer_quarters_only():
    images = drawn_digits(10).images
    striped = corrupt(images, "stripe")
    assert (striped[:, :, 7:21] == images[:, :, 7:21]).all()
    assert (striped[:, :, :7] == 255 - images[:, :, :7]).all()
    assert (striped[:, :, 21:] == 255 - images[:, :, 21:]).all()


def test_blurs_keep_the_ink_and_spread_it():
    for name in ("glass_blur", "motion_blur"):
        blurred = corrupt(BARS, name)
        assert blurred.sum(dtype=float) == pytest.approx(BARS.sum(dtype=float), rel=0.02), name
        assert (blurred > 0).sum() > 1.3 * (BARS > 0).sum(), name


def test_fog_pales_the_ink_to_a_quarter_over_a_smooth_cloud():
    foggy = corrupt(BARS, "fog").astype(float)
    contrast = foggy[:, 13, 13] - foggy[:, 13, 9]
    assert contrast == pytest.approx(255 / 4, abs=25)
    cloud = np.delete(foggy, np.s_[11:17], axis=2)
    assert np.abs(np.diff(cloud, axis=1)).mean() < 3


def test_spatter_hides_some_ink_and_dirties_some_paper():
    spattered = corrupt(np.repeat(BARS, 5, axis=0), "spatter")
    ink, paper = spattered[:, 6:22, 12:16], spattered[:, :, :11]
    assert 0.05 < (ink < 128).mean() < 0.35
    assert 0.05 < (paper > 40).mean() < 0.35
    assert paper.max() == 63


def test_lines_are_drawn_across_and_only_add_ink():
    blank = np.zeros((50, 28, 28), np.uint8)
    dotted, zigzag = corrupt(blank, "dotted_line"), corrupt(blank, "zigzag")
    inked = dotted.any(axis=1)
    assert (inked == (np.arange(28) // 2 % 2 == 1)).all()
    assert (zigzag.any(axis=(0, 1)) == ((np.arange(28) >= 2) & (np.arange(28) < 25))).all()
    for name in ("dotted_line", "zigzag"):
        assert (corrupt(BARS, name) >= BARS).all()


def test_canny_leaves_the_outline():
    edges = corrupt(BAR, "canny_edges")[0]
    assert set(np.unique(edges)) == {0, 255}
    assert not edges[9:19, 13:15].any()
    assert edges[9:19].any(axis=1).all()
