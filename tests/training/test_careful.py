"""What made pages tell of an artefact for whole numbers."""

from __future__ import annotations

import numpy as np

from inkdigits.artefact.selective import choose
from inkdigits.data.dataset import Dataset
from inkdigits.models.metadata import line_metadata
from inkdigits.reading.models import BUNDLED_LINE_MODEL
from inkdigits.reading.reader import Reader
from inkdigits.synthesis.numbers import number_pages
from inkdigits.training.careful import Looked, look_at_made, look_at_part, with_careful_curve


def test_it_is_what_a_careful_reader_says_of_the_same_pages(small: Dataset) -> None:
    content = BUNDLED_LINE_MODEL.read_bytes()
    looked = look_at_part(content, small.test, 12, (3, 0))
    pages = number_pages(12, small.test, int(np.random.SeedSequence((3, 0)).generate_state(1)[0]))
    reader = Reader(content, layout="line", target_error=0.3)
    assert looked.labels == [text for _, text in pages]
    assert looked.read.sum() >= 6
    assert 0 < looked.right.sum() <= looked.read.sum()
    for (grey, label), text, trust, right in zip(
        pages, looked.texts, looked.trust, looked.right, strict=True
    ):
        reading = reader.read(grey)
        assert right == (bool(text) and text == label)
        if text:
            (number,) = reading.numbers
            assert (number.text, number.confidence) == (text, trust)
        else:
            assert reading.status == "rejected"
            assert trust == 0


def test_parts_are_the_same_however_they_are_shared_out(small: Dataset) -> None:
    content = BUNDLED_LINE_MODEL.read_bytes()
    alone = look_at_part(content, small.test, 5, (4, 0))
    looked = look_at_made(content, small.test, 5, 4)
    assert (looked.texts, looked.labels) == (alone.texts, alone.labels)
    np.testing.assert_array_equal(looked.trust, alone.trust)


def test_the_curve_counts_what_was_read_alone() -> None:
    looked = Looked(["1", "2", "3", ""], ["1", "2", "4", "5"], np.array([0.9, 0.8, 0.7, 0]))
    metadata = with_careful_curve(line_metadata(), looked)
    assert metadata.val_n == 3
    assert metadata.val_curve[-1] == [0.0, 3, 1]
    chosen = choose(metadata.val_curve, metadata.val_n, 0.01)
    assert (chosen.accepted, chosen.wrong) == (2, 0)
    assert 0.8 > chosen.threshold > 0.7
    nothing = Looked([""], ["5"], np.zeros(1))
    assert with_careful_curve(line_metadata(), nothing) == line_metadata()
