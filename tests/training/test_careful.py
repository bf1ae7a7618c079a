"""What made pages tell of an artefact for whole numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inkdigits.artefact.metadata import from_props, to_props
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
            assert trust == 0
            assert reading.status == "rejected" or len(reading.text) == 1, "one digit is another's"


def test_parts_on_all_cores_stand_together_in_order(
    small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inkdigits.training.careful.PART", 3)
    content = BUNDLED_LINE_MODEL.read_bytes()
    parts = [look_at_part(content, small.test, n, (4, at)) for at, n in enumerate((3, 3, 1))]
    looked = look_at_made(content, small.test, 7, 4)
    assert looked.texts == [text for part in parts for text in part.texts]
    assert looked.labels == [label for part in parts for label in part.labels]
    np.testing.assert_array_equal(looked.trust, np.concatenate([part.trust for part in parts]))
    assert len(set(looked.labels)) > 3
    assert look_at_made(content, small.test, 0, 4).texts == []


def test_the_curve_counts_what_was_read_alone() -> None:
    looked = Looked(["1", "2", "3", ""], ["1", "2", "4", "5"], np.array([0.9, 0.8, 0.7, 0]))
    metadata = with_careful_curve(replace(line_metadata(), format=3), looked)
    assert from_props(to_props(metadata)) == metadata, "it is not taken for an old curve"
    assert metadata.val_n == 3
    assert metadata.val_curve[-1] == [0.0, 3, 1]
    chosen = choose(metadata.val_curve, metadata.val_n, 0.01)
    assert (chosen.accepted, chosen.wrong) == (2, 0)
    assert 0.8 > chosen.threshold > 0.7
    nothing = Looked([""], ["5"], np.zeros(1))
    assert with_careful_curve(line_metadata(), nothing) == line_metadata()
