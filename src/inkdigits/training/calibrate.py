"""What val says about a trained model, for its artefact: calibration and where to decline."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import Metadata
from inkdigits.artefact.selective import risk_coverage
from inkdigits.data.dataset import CLASSES, Examples
from inkdigits.evaluation.calibration import fit_temperature, with_temperature
from inkdigits.models.predict import among_digits, make_class_predictor

# So many digits of val may be taken for none: half of what a user is promised at most.
LOST_DIGITS = 0.005


def calibrate(metadata: Metadata, model: keras.Model, val: Examples) -> Metadata:
    """Return `metadata` with what the model's answers on `val` tell.

    The temperature (Guo et al., 2017), the curve of error against coverage after it and, for a
    model with an eleventh class, the probability above which an image is taken for no digit: the
    one that loses LOST_DIGITS of val.
    """
    classes = make_class_predictor(model)(val.images)
    digits = among_digits(classes)
    temperature = fit_temperature(digits, val.labels.astype(np.int64))
    probabilities = with_temperature(digits, temperature)
    right = probabilities.argmax(axis=1) == val.labels
    metadata = replace(
        metadata,
        temperature=temperature,
        val_curve=risk_coverage(probabilities.max(axis=1), right),
        val_n=len(val),
    )
    if classes.shape[1] == CLASSES:
        return metadata
    not_a_digit = with_temperature(classes, temperature)[:, CLASSES]
    return replace(metadata, not_a_digit_threshold=rejection_threshold(not_a_digit))


def rejection_threshold(not_a_digit: NDArray[np.float64]) -> float:
    """Return the threshold above which LOST_DIGITS of these digits' probabilities lie, 0.05–0.95.

    Val holds none of the sloppy digits of real paper, so that a threshold far below one half would
    reject those for a gain that only val's clean ones can show.
    """
    most = np.quantile(not_a_digit, 1 - LOST_DIGITS, method="higher")
    return float(np.clip(most, 0.05, 0.95))
