"""What is drawn over images, and that each stays in its place and tells its digit."""

import numpy as np
import pytest

from inkdigits.models.backend import set_up_keras

set_up_keras()
jax = pytest.importorskip("jax", reason="the draws are JAX's")

from inkdigits.training.clutter import KINDS, clutter, outline, turned_over
from inkdigits.training.draws import JaxDraws

# Eight bars in eight places, so that an image that changed places is found out.
BARS = np.zeros((64, 28, 28), np.float32)
for _number in range(64):
    BARS[_number, 3 * (_number % 8) + 1 : 3 * (_number % 8) + 4, 4:24] = 255


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_changes_images_within_their_range(kind) -> None:
    found = np.asarray(kind(JaxDraws(jax.random.key(0)), BARS))
    assert found.shape == BARS.shape
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 255
    assert np.isfinite(found).all()
    assert (np.abs(found - BARS).max(axis=(1, 2)) > 0).mean() > 0.5
    again = np.asarray(kind(JaxDraws(jax.random.key(0)), BARS))
    assert np.array_equal(found, again)


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind not in (outline, turned_over)], ids=lambda k: k.__name__
)
def test_each_kind_leaves_the_mark_where_it_was(kind) -> None:
    """On average over many draws an image looks most like the one it was made of."""
    found = np.asarray(kind(JaxDraws(jax.random.key(1)), BARS)).reshape(8, 8, -1).mean(axis=0)
    original = BARS[:8].reshape(8, -1)
    likeness = np.corrcoef(found, original)[:8, 8:]
    assert np.array_equal(likeness.argmax(axis=1), np.arange(8))


def test_turned_over_exchanges_ink_and_ground_and_nothing_else() -> None:
    found = np.asarray(turned_over(JaxDraws(jax.random.key(3)), BARS))
    assert np.all((found == BARS) | (found == 255 - BARS))


def test_outline_lies_on_the_border_of_the_stroke() -> None:
    found = np.asarray(outline(JaxDraws(jax.random.key(4)), BARS))
    wide = np.pad(BARS, ((0, 0), (1, 1), (1, 1)))
    near = np.stack([wide[:, r : r + 28, c : c + 28] for r in range(3) for c in range(3)])
    border = near.max(axis=0) != near.min(axis=0)
    assert np.all(border | (found == 0))
    assert np.all((found > 0).sum(axis=(1, 2)) > 20)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_images_keep_their_places_and_the_rest_stays_as_it_is(share: float) -> None:
    found = np.asarray(clutter(JaxDraws(jax.random.key(2)), BARS, share))
    touched = round(share * len(BARS))
    assert found.shape == BARS.shape
    assert np.array_equal(found[touched:], BARS[touched:])
    if touched:
        assert not np.array_equal(found[:touched], BARS[:touched])


def test_a_batch_too_small_for_all_kinds_is_left_alone() -> None:
    assert np.array_equal(clutter(JaxDraws(jax.random.key(0)), BARS[:4], 0.5), BARS[:4])
