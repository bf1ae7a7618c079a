"""Verdict: what was seen becomes the number that is read, or the reason why none is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import Metadata
from inkdigits.artefact.selective import Selection
from inkdigits.reading.constraints import Constraints
from inkdigits.reading.digit import SeenDigit
from inkdigits.reading.number import SeenNumber, digits_of, is_number
from inkdigits.reading.result import Alternative, Box, Digit, Number, Reason
from inkdigits.reading.trust import confidences

NO_DIGIT = 0.5
"""What is more probably no digit than this is none, whatever is known of the number."""
LEAST_NUMBER = 0.15
"""What is a number with less probability than this is none; with more it is read, as unsure."""
LEAST_SEEN = 0.01
"""A text that fulfils the constraints, but has less probability by what was seen, is unsure.

So are three of four cheque amounts that are said to have a digit more than they have; of those of
which the right length is known, one in three hundred.
"""


@dataclass(frozen=True)
class Judge:
    """Decides by a reader's options what was read.

    `digit_model` and `line_model` are what the models say about themselves, the first asked only
    where a digit is judged, `digit_selection` and `line_selection` what was chosen for a target
    error. One who is `careful` trusts a text less on which not all looks agree, and to which
    another number comes near.
    """

    constraints: Constraints | None
    top: int
    careful: bool
    digit_model: Callable[[], Metadata]
    line_model: Metadata | None
    digit_selection: Selection | None
    line_selection: Selection | None

    def of_digit(self, seen: SeenDigit) -> Number | Reason:
        """Return the reading of one digit, or why there is none."""
        if seen.frame is None or seen.probabilities is None:
            return "blank"
        if seen.not_a_digit > self.digit_model().not_a_digit_threshold:
            return "not_a_digit"
        return self._best_digit(seen.probabilities, seen.frame.box)

    def of_single(self, digit: SeenDigit, number: SeenNumber) -> Number | Reason:
        """Return the reading of what may be one digit, by both models: the mean of what they say.

        Each sees what the other overlooks: one frames the ink, the other sees what is around it.
        What they do not agree on is told as unsure.
        """
        if digit.frame is None or digit.probabilities is None:
            return "blank"
        framed = digit.probabilities * (1 - digit.not_a_digit)
        around = np.zeros_like(framed)
        for candidate in number.candidates:
            if is_number(candidate) and len(candidate.text) == 1:
                around[int(candidate.text)] += candidate.probability
        shares, agreed = (framed + around) / np.float32(2), np.minimum(framed, around)
        if shares.max() <= 1 - shares.sum():
            # Where no text fits what is known, it is not the ink that is no digit.
            fits = self.constraints is None or bool(number.candidates)
            return "not_a_digit" if fits or digit.not_a_digit > NO_DIGIT else "unsure"
        found = self._best_digit(shares, digit.frame.box)
        if isinstance(found, Number) and agreed.max() <= 1 - agreed.sum():
            return replace(found, reason="unsure")
        return found

    def _best_digit(self, shares: NDArray[np.float32], box: Box) -> Number | Reason:
        """Return the most probable digit that the constraints accept, by `shares` (10,)."""
        order = np.argsort(-shares, kind="stable").tolist()
        if self.constraints is not None:
            order = [digit for digit in order if self.constraints.accepts(str(digit))]
        if not order:
            return "unsure"
        best, others = order[0], order[1 : self.top]
        confidence = float(shares[best])
        found = Digit(best, confidence, box)
        alternatives = [Alternative(str(digit), float(shares[digit])) for digit in others]
        number = Number(str(best), confidence, box, (found,), tuple(alternatives))
        threshold = threshold_of(self.digit_model(), self.digit_selection)
        if self.constraints is not None:
            threshold = max(threshold, LEAST_NUMBER)
        return number if confidence >= threshold else replace(number, reason="unsure")

    def of_number(self, seen: SeenNumber) -> Number | Reason:
        """Return the reading of one number, or why there is none."""
        if not seen.candidates:
            return "unsure"
        numbers = [candidate for candidate in seen.candidates if is_number(candidate)]
        doubtful = not is_number(seen.candidates[0])
        if doubtful and sum(number.probability for number in numbers) < LEAST_NUMBER:
            return "not_a_digit"
        best, others = numbers[0], numbers[1 : self.top]
        # Trust is calibrated on what is a number; where it may be none, its share is told.
        trust, *rest = (
            confidences(seen.candidates)
            if self.careful and not doubtful
            else [one.conditional for one in numbers]
        )
        alternatives = [
            Alternative(other.text, chance) for other, chance in zip(others, rest, strict=False)
        ]
        number = Number(best.text, trust, seen.box, digits_of(seen, best), tuple(alternatives))
        hardly_seen = self.constraints is not None and best.probability < LEAST_SEEN
        threshold = threshold_of(self.line_model, self.line_selection)
        if doubtful or hardly_seen or trust < threshold:
            return replace(number, reason="unsure")
        return number


def threshold_of(model: Metadata | None, selection: Selection | None) -> float:
    """Return the confidence below which a model's reading is unsure."""
    if selection is not None:
        return selection.threshold
    return model.reject_threshold if model is not None else 0.0
