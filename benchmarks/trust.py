"""Trust in a number: what a target error means, on numbers that no network learnt.

Pages with numbers are made of the end of MNIST's train and read with all looks, as
`--target-error` does. How many of them are read when 1 % of those read may be wrong? One half of
the pages sets the threshold for each target error, the other half tells what comes of it. How far
is a confidence from the share that is right? Printed is what `inkdigits.reading.trust` would be
fitted to anew. With --out the model is written with the curve of error against coverage on all of
them, which `--target-error` goes by.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ocr_sets import MAY_BE_WRONG, share_read
from processes import common_arguments
from record import Figure, mean_figure, write_record
from sklearn.linear_model import LogisticRegression

from inkdigits.artefact.selective import choose
from inkdigits.data.dataset import split_val
from inkdigits.data.source import load_mnist
from inkdigits.evaluation.numbers import expected_error
from inkdigits.files import write_bytes
from inkdigits.models.join import join_networks, split_networks
from inkdigits.models.metadata import line_metadata
from inkdigits.reading.line_engine import LineEngine
from inkdigits.reading.models import BUNDLED_LINE_MODEL
from inkdigits.reading.trust import SHIFT, SLOPE, TINY
from inkdigits.training.careful import Looked, look_at_made, with_careful_curve

VAL = 0.1
SEED = 20
TARGETS = (0.05, 0.02, MAY_BE_WRONG)


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = common_arguments(__doc__)
    parser.add_argument("--model", type=Path, default=BUNDLED_LINE_MODEL, help="default: bundled")
    parser.add_argument("--pages", type=int, default=12_000, help="default: 12,000")
    parser.add_argument("--out", type=Path, help="write the model with its curve here")
    return parser.parse_args()


def refitted(looked: Looked) -> tuple[float, float]:
    """Return the slope and the shift that suit what was read best."""
    trust = looked.trust[looked.read].clip(TINY, 1 - TINY)
    # What is told has the shipped ones in it.
    score = (np.log(trust / (1 - trust)) - SHIFT) / SLOPE
    found = LogisticRegression(C=100).fit(score[:, None], looked.right[looked.read])
    return round(float(found.coef_[0, 0]), 3), round(float(found.intercept_[0]), 3)


def half_of(looked: Looked, first: int) -> Looked:
    """Return every second page, from the `first` on, 0 or 1."""
    return Looked(looked.texts[first::2], looked.labels[first::2], looked.trust[first::2])


def read_at(looked: Looked, others: Looked, target: float) -> tuple[float, float]:
    """Return the share of what was read that is accepted, and the error of that.

    By the threshold that `--target-error` would take for `target` if `others` were val.
    """
    metadata = with_careful_curve(line_metadata(), others)
    threshold = choose(metadata.val_curve, metadata.val_n, target).threshold
    accepted = looked.read & (looked.trust >= threshold)
    return float(accepted.sum() / looked.read.sum()), float(1 - looked.right[accepted].mean())


def figures_of(looked: Looked) -> list[Figure]:
    """Return the share that is accepted at 1 % error, what each target error comes to, and the ECE.

    Of pages on which a number of two digits or more is seen.
    """
    read = looked.read
    share = share_read(looked.right[read].tolist(), looked.trust[read].tolist())
    what = "made numbers of val, accepted when 1 % of those accepted may be wrong"
    figures = [Figure(what, "share", share, [share])]
    error = expected_error(looked.trust[read], looked.right[read])
    figures.append(Figure("made numbers of val, all looks: ECE", "share", error, [error]))
    halves = half_of(looked, 0), half_of(looked, 1)
    for target in TARGETS:
        pairs = [read_at(*pair, target) for pair in (halves, halves[::-1])]
        for at, name in enumerate(("accepted", "error of those accepted")):
            values = [pair[at] for pair in pairs]
            what = f"made numbers of val, {name} with --target-error {target:g}"
            figures.append(mean_figure(what, "share", values))
    return figures


def main() -> None:
    """Look, judge, and write the record."""
    asked = options()
    content = asked.model.read_bytes()
    _, val = split_val(load_mnist().train, VAL)
    looked = look_at_made(content, val, asked.pages, SEED)
    metadata = with_careful_curve(LineEngine(content).metadata, looked)
    slope, shift = refitted(looked)
    print(f"SLOPE, SHIFT = {slope}, {shift}; shipped: {SLOPE}, {SHIFT}")
    write_record(
        "trust",
        figures_of(looked),
        asked.records,
        n=len(looked.texts),
        seeds=[SEED],
        read=int(looked.read.sum()),
        right=int(looked.right.sum()),
        slope=slope,
        shift=shift,
        threshold=choose(metadata.val_curve, metadata.val_n, MAY_BE_WRONG).threshold,
    )
    if asked.out is not None:
        write_bytes(asked.out, join_networks(split_networks(content), metadata))


if __name__ == "__main__":
    main()
