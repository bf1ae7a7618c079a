"""The numbers that a line network learns from: made ahead, in parts, on all cores.

Making them takes longer than an epoch, so that a resumed training finds the parts that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import Examples
from inkdigits.errors import InvalidData
from inkdigits.files import write_arrays
from inkdigits.imaging.line import HEIGHT
from inkdigits.synthesis.numbers import number_examples
from inkdigits.synthesis.pool import making_pool

Crop = NDArray[np.uint8]
PART = 2000
"""Numbers of one part: some ten seconds' work."""


@dataclass(frozen=True)
class Numbers:
    """Crops uint8 (32, W) of their own widths, and what each says, "" for no number.

    `parts` are the files that hold the same numbers, where there are such.
    """

    images: list[Crop]
    texts: list[str]
    parts: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Order:
    """Numbers to be made: so many, of these digits, by this seed, into this folder.

    Each file there holds a `part` of them.
    """

    n: int
    digits: Examples
    seed: int
    folder: Path
    part: int = PART


def make_numbers(order: Order, say: Callable[[int], None]) -> Numbers:
    """Return the numbers of `order`; `say` is told how many are there, as they come.

    What the folder already holds is not made again. Raises InvalidData for a damaged part.
    """
    sizes = [min(order.part, order.n - start) for start in range(0, order.n, order.part)]
    paths = [order.folder / f"{number:04d}.npz" for number in range(len(sizes))]
    missing = [number for number, path in enumerate(paths) if not path.is_file()]
    done = order.n - sum(sizes[number] for number in missing)
    if missing:
        with making_pool() as pool:
            tasks = {
                pool.submit(
                    write_part, paths[number], sizes[number], order.digits, order.seed, number
                ): sizes[number]
                for number in missing
            }
            for task in as_completed(tasks):
                task.result()
                done += tasks[task]
                say(done)
    return read_parts(paths)


def write_part(path: Path, n: int, digits: Examples, seed: int, number: int) -> None:
    """Make `n` numbers, seeded by the part's number, and write them."""
    images, texts = number_examples(
        n, digits, int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    )
    write_numbers(path, Numbers(images, texts))


def write_numbers(path: Path, numbers: Numbers) -> None:
    """Write numbers as arrays, without pickles: crops side by side, texts as bytes."""
    images = numbers.images or [np.zeros((HEIGHT, 0), np.uint8)]
    arrays: dict[str, NDArray[Any]] = {
        "pixels": np.concatenate(images, axis=1),
        "widths": np.array([image.shape[1] for image in numbers.images], np.int32),
        "texts": np.frombuffer("\n".join(numbers.texts).encode(), np.uint8),
    }
    write_arrays(path, arrays)


def read_parts(paths: Sequence[Path]) -> Numbers:
    """Read parts as one; raises InvalidData when one is damaged."""
    parts = [read_part(path) for path in paths]
    return Numbers(
        [image for part in parts for image in part.images],
        [text for part in parts for text in part.texts],
        tuple(paths),
    )


def read_part(path: Path) -> Numbers:
    """Read what `write_numbers` wrote; raises InvalidData when it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as opened:
            ends = np.cumsum(opened["widths"])[:-1]
            images = np.split(opened["pixels"], ends, axis=1)
            texts = opened["texts"].tobytes().decode().split("\n")
    except (OSError, ValueError, LookupError, EOFError) as error:
        raise InvalidData(f"{str(path)!r} cannot be read: {error}.", "Delete it.") from error
    if len(images) != len(texts):
        raise InvalidData(f"{str(path)!r} holds {len(images)} numbers, {len(texts)} texts.")
    return Numbers([np.ascontiguousarray(image) for image in images], texts)


def longest(texts: Sequence[str]) -> int:
    """Return the length of the longest text, at least 1."""
    return max((len(text) for text in texts), default=1) or 1
