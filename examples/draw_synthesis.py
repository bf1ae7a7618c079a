"""Draw a contact sheet of the images that training makes: look at them before you train on them.

    python examples/draw_synthesis.py SHEET.png [DATA]

One row for each digit: written by made-up hands, real ones redrawn with another pen, then both
after a trip over paper. Below, what is not a digit. DATA names the real ones, as for training;
without it MNIST, where that can be had.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from inkdigits.data.dataset import Examples
from inkdigits.data.source import load_dataset
from inkdigits.synthesis.framing import frame_ink
from inkdigits.synthesis.hand import new_hand
from inkdigits.synthesis.negatives import negative_inks
from inkdigits.synthesis.paper import through_paper
from inkdigits.synthesis.pen import redraw_ink

COLUMNS = 32
NEGATIVE_ROWS = 8
ZOOM = 2
GAP = 2


def digit_row(label: int, digits: Examples, rng: np.random.Generator) -> list[np.ndarray]:
    """Return a row of images of one digit, a quarter of each make."""
    quarter = COLUMNS // 4
    written = [new_hand(rng).digit(label, rng) for _ in range(2 * quarter)]
    real = rng.choice(np.flatnonzero(digits.labels == label), 2 * quarter)
    redrawn = list(redraw_ink(digits.images[real], rng))
    at_once = [frame_ink(ink) for ink in written[:quarter] + redrawn[:quarter]]
    blank = np.zeros((28, 28), np.uint8)
    paper = through_paper(written[quarter:] + redrawn[quarter:], rng)
    return at_once + [blank if image is None else image for image in paper]


def main(sheet: Path, data: str = "auto") -> None:
    """Write the sheet as one PNG."""
    digits = load_dataset(data).train
    rng = np.random.default_rng(7)
    images = [image for label in range(10) for image in digit_row(label, digits, rng)]
    inks = negative_inks(NEGATIVE_ROWS * COLUMNS, digits, rng)
    images += [frame_ink(ink) for ink in inks]
    tiles = np.pad(np.stack(images), ((0, 0), (GAP, 0), (GAP, 0)), constant_values=90)
    rows = tiles.reshape(-1, COLUMNS, 28 + GAP, 28 + GAP).transpose(0, 2, 1, 3)
    page = rows.reshape(-1, COLUMNS * (28 + GAP))
    size = (page.shape[1] * ZOOM, page.shape[0] * ZOOM)
    cv2.imwrite(str(sheet), cv2.resize(page, size, interpolation=cv2.INTER_NEAREST))
    print(f"{len(images)} made images: {sheet}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3])
