"""One number, read as a whole: crops of it in, the most probable texts and their digits out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import LINE_STEP, OTHER, Metadata
from inkdigits.artefact.points import without_points
from inkdigits.imaging.arrays import Mask
from inkdigits.imaging.line import (
    HEIGHT,
    LOOKS,
    VIEWS,
    LineCrop,
    Place,
    cut,
    left_in_batch,
    side_by_side,
)
from inkdigits.reading.constraints import Constraints
from inkdigits.reading.ctc import Candidate, align, decode
from inkdigits.reading.result import Box, Digit

STAGES = ((1, 0.8), (len(VIEWS), 0.6), (len(LOOKS), 0.0))
"""In so many views a number is looked at, until its best text has so much probability.

More views of what is surer changed one text of 1,180 (`docs/design-notes.md`).
"""
CAREFUL_STAGES = ((len(LOOKS), 0.0),)
"""In all views at once: what is read wrong for sure in one is doubtful in another."""
FAINT = 50
"""Ink of a crop is brighter than this."""


@runtime_checkable
class LineModel(Protocol):
    """What reading a number needs of a model; `LineEngine` is the real one."""

    metadata: Metadata

    def predict_steps(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 (K N, W / 2, 13) for uint8 (N, 32, W): K opinions of each crop."""


@dataclass(frozen=True)
class SeenNumber:
    """What was seen where one number may stand.

    `crops` are the views of it, `steps` what each network says of each, float32 (T, 12), points
    told by what follows them, the opinions of one crop together; `candidates` the most probable
    texts, best first: "" and those with a sign that is no digit among them, unless constraints rule
    them out.
    """

    crops: tuple[LineCrop, ...]
    steps: tuple[NDArray[np.float32], ...]
    candidates: tuple[Candidate, ...]

    @property
    def box(self) -> Box:
        """The ink's left, top, width, height on the page."""
        return self.crops[0].box

    @property
    def networks(self) -> int:
        """How many networks looked at each crop."""
        return len(self.steps) // len(self.crops)

    def crop_of(self, candidate: Candidate | None) -> int:
        """Return the number of the crop in which a candidate was read best; 0 for none."""
        return candidate.view // self.networks if candidate is not None else 0


NOT_SEEN = SeenNumber((), (), ())
"""What is known of a number that nobody looked at yet."""


def see_numbers(
    places: Sequence[Place | None],
    model: LineModel,
    constraints: Constraints | None = None,
    top: int = 1,
    careful: bool = False,
) -> list[SeenNumber | None]:
    """Look at the one number that was found at each of `places`; None where nothing stands.

    Once, and where that leaves doubts in more ways, and in all where it still does, or whenever one
    is `careful`; the probabilities of what was seen are averaged. As wide ones are looked at
    together, which changes nothing of what is seen.

    `top` is how many candidates are wanted. Raises UsageError as `decode` does.
    """
    found = {index: place for index, place in enumerate(places) if place is not None}
    seen = dict.fromkeys(found, NOT_SEEN)
    doubtful = list(found)
    for views, enough in CAREFUL_STAGES if careful else STAGES:
        crops = [more_crops(found[index], seen[index], views) for index in doubtful]
        for index, new, steps in zip(doubtful, crops, look(crops, model), strict=True):
            seen[index] = with_more(seen[index], new, steps, top, constraints)
        doubtful = [index for index in doubtful if not is_sure(seen[index], enough)]
    return [seen.get(index) for index in range(len(places))]


def more_crops(place: Place, seen: SeenNumber, views: int) -> tuple[LineCrop, ...]:
    """Return the crops that are lacking until a number is seen in so many `views`."""
    return tuple(cut(place, view) for view in LOOKS[len(seen.crops) : views])


def look(
    crops: Sequence[Sequence[LineCrop]], model: LineModel
) -> list[tuple[NDArray[np.float32], ...]]:
    """Return what `model` says of each crop of each number, its points told."""
    batches = [side_by_side([crop.image for crop in own]) for own in crops]
    as_wide: defaultdict[int, list[int]] = defaultdict(list)
    for index, batch in enumerate(batches):
        as_wide[batch.shape[2]].append(index)
    steps: dict[int, tuple[NDArray[np.float32], ...]] = {}
    for lot in as_wide.values():
        said = model.predict_steps(np.concatenate([batches[index] for index in lot]))
        ends = np.cumsum([len(batches[index]) for index in lot])
        networks = len(said) // int(ends[-1])
        for index, own in zip(lot, np.split(said, ends[:-1] * networks), strict=True):
            steps[index] = tuple(without_points(own))
    return [steps[index] for index in range(len(crops))]


def with_more(
    seen: SeenNumber,
    crops: tuple[LineCrop, ...],
    steps: tuple[NDArray[np.float32], ...],
    top: int,
    constraints: Constraints | None,
) -> SeenNumber:
    """Return what is known of a number when more `crops` of it were seen."""
    steps = seen.steps + steps
    return SeenNumber(seen.crops + crops, steps, tuple(decode(steps, top, constraints)))


def is_sure(seen: SeenNumber, enough: float) -> bool:
    """Tell whether the best text of a number has so much probability."""
    return bool(seen.candidates) and seen.candidates[0].probability >= enough


def is_number(candidate: Candidate) -> bool:
    """Return whether a candidate is a whole number: digits, and nothing else."""
    return bool(candidate.text) and OTHER not in candidate.text


def may_be_digit(candidates: Sequence[Candidate]) -> bool:
    """Return whether what was seen is at most one sign long, which is for the digit's model."""
    return not candidates or len(candidates[0].text) <= 1


def digits_of(seen: SeenNumber, candidate: Candidate) -> tuple[Digit, ...]:
    """Return the digits of a candidate from left to right, each with confidence and box."""
    crop = seen.crops[seen.crop_of(candidate)]
    steps = seen.steps[candidate.view]
    offset = left_in_batch(crop.image.shape[1], len(steps) * LINE_STEP)
    spans = align(steps, candidate.text)
    middles = [(span.first + span.last + 1) / 2 * LINE_STEP - offset for span in spans]
    edges = [0.0, *(np.add(middles[1:], middles[:-1]) / 2).tolist(), float(crop.image.shape[1])]
    ink = crop.image > FAINT
    return tuple(
        Digit(int(digit), float(span.confidence), digit_box(crop, ink, left, right))
        for digit, span, left, right in zip(candidate.text, spans, edges, edges[1:], strict=False)
    )


def digit_box(crop: LineCrop, ink: Mask, left: float, right: float) -> Box:
    """Return the box of a crop's `ink` between two of its columns, in pixels of the page."""
    start = int(min(max(left, 0), ink.shape[1] - 1))
    part = np.ascontiguousarray(ink[:, start : max(start + 1, int(right))]).view(np.uint8)
    x, y, wide, high = cv2.boundingRect(part)
    if not wide:
        x, y, wide, high = 0, 0, part.shape[1], HEIGHT
    corners = [(start + column, row) for column in (x, x + wide) for row in (y, y + high)]
    return bounding_box([crop.source_point(*corner) for corner in corners])


def bounding_box(points: Sequence[tuple[float, float]]) -> Box:
    """Return the box around some points, whole pixels, at least 1×1."""
    x, y = zip(*points, strict=True)
    left, top = round(min(x)), round(min(y))
    return left, top, max(1, round(max(x)) - left), max(1, round(max(y)) - top)
