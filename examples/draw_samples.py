"""Draw a few test digits the way people meet them: dark ink on light paper, at odd sizes.

    python examples/draw_samples.py RUN

They come from the data set that the run folder RUN was trained on, and lie in RUN/samples.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np

from inkdigits.data.source import load_dataset

SIZES = (90, 140, 200, 260, 330, 420)


def on_paper(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a 28×28 digit as a grey photo-like page of size × size pixels."""
    ink = cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
    shade = np.linspace(235, 190, size)[None, :] + rng.normal(0, 3, (size, size))
    page = shade * (1 - 0.8 * np.clip(ink, 0, 1))
    return np.clip(page, 0, 255).astype(np.uint8)


def main(run: Path) -> None:
    """Write six samples as PNG; their names do not give the digit away."""
    folder = run / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    data = json.loads((run / "environment.json").read_text())["data"]["name"]
    test = load_dataset(data).test
    rng = np.random.default_rng(7)
    chosen = rng.choice(len(test), len(SIZES), replace=False)
    for number, (index, size) in enumerate(zip(chosen, SIZES, strict=True), start=1):
        page = on_paper(test.images[index], size, rng)
        cv2.imwrite(str(folder / f"sample-{number}.png"), page)
    print(f"{len(SIZES)} test digits drawn on paper: {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
