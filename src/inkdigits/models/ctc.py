"""Connectionist temporal classification on the network's own outputs, on every engine."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import LINE_LABELS
from inkdigits.models.line import BLANK

TINY = 1e-7


def ctc_loss(labels: Any, probabilities: Any) -> Any:
    """Return the negative log-likelihood (N,) of labels under the steps (Graves et al., 2006).

    `labels` int (N, L), classes filled up with the blank; `probabilities` (N, T, 13).
    """
    labels = keras.ops.cast(labels, "int32")
    logits = keras.ops.log(keras.ops.cast(probabilities, "float32") + TINY)
    count, steps = keras.ops.shape(logits)[0], keras.ops.shape(logits)[1]
    lengths = keras.ops.sum(keras.ops.cast(labels != BLANK, "int32"), axis=-1)
    return keras.ops.ctc_loss(
        labels,
        logits,
        lengths,
        steps * keras.ops.ones((count,), dtype="int32"),
        mask_index=BLANK,
    )


def greedy_texts(probabilities: NDArray[np.float32]) -> list[str]:
    """Return the best class of each step as text, repeats and blanks left out; (N, T, 13)."""
    best = np.asarray(probabilities).argmax(-1)
    changes = np.ones(best.shape, bool)
    changes[:, 1:] = best[:, 1:] != best[:, :-1]
    kept = changes & (best != BLANK)
    return [
        "".join(LINE_LABELS[n] for n in row[chosen]) for row, chosen in zip(best, kept, strict=True)
    ]
