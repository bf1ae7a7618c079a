"""The labelled images that an adaptation learns from, and how they are parted to measure it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.folder import labelled_texts, read_file
from inkdigits.errors import InputError, InvalidData
from inkdigits.files import sha256
from inkdigits.imaging.arrays import Grey
from inkdigits.imaging.decode import decode

FEWEST = 20
"""Images that an adaptation needs, at least."""
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Sample:
    """One labelled image: where it lies, what identifies its bytes, the number that it shows.

    `source` is what it was cut from, if anything.
    """

    path: Path
    sha256: str
    text: str
    source: str = ""

    def page(self) -> Grey:
        """Return the page, uint8 (h, w), decoded anew: photos are too large to keep them all."""
        return page_of(self.path, read_file(self.path))


def load_samples(folder: Path) -> list[Sample]:
    """Return the labelled images of `folder`, each once, in the order of their SHA-256.

    Raises InvalidData for what is no labelled image, two labels of one image, or fewer than 20.
    """
    if not folder.is_dir():
        raise InvalidData(f"{str(folder)!r} is no folder.", "Name a folder of labelled images.")
    found: dict[str, Sample] = {}
    for path, text, source in labelled_texts(folder):
        content = read_file(path)
        name = sha256(content)
        known = found.get(name)
        if known is None:
            page_of(path, content)
            found[name] = Sample(path, name, text, source)
        elif known.text != text:
            raise InvalidData(
                f"{known.path.name!r} and {path.name!r} are the same image, labelled "
                f"{known.text!r} and {text!r}.",
                "Correct one label.",
            )
    if len(found) < FEWEST:
        raise InvalidData(
            f"{str(folder)!r} has {len(found)} labelled images; adapting needs {FEWEST} or more.",
            f"Put images into {folder.name}/0 … {folder.name}/9, or beside a labels.csv.",
        )
    return [found[name] for name in sorted(found)]


def page_of(path: Path, content: bytes) -> Grey:
    """Return the page that an image file shows; raises InvalidData when it is none."""
    try:
        return decode(content)
    except InputError as error:
        raise InvalidData(f"{str(path)!r}: {error.message}", error.hint) from error


def data_sha256(samples: Sequence[Sample]) -> str:
    """Return what identifies images and labels together, whatever they are called."""
    return sha256("\n".join(f"{one.sha256} {one.text}" for one in samples).encode())


def parted(samples: Sequence[Sample], parts: int, seed: int) -> Places:
    """Return the part, 0 … `parts` − 1, of each sample, drawn by `seed`.

    What was cut from one source, a page say, falls into one part, or it would be measured by a
    network that knows the page. The parts are as large as that allows; where a few sources hold
    nearly everything, samples count by themselves.
    """
    sources = [one.source or one.sha256 for one in samples]
    by_source = as_even(sources, parts, seed)
    if np.bincount(by_source, minlength=parts).min() * parts * 2 >= len(samples):
        return by_source
    return as_even([one.sha256 for one in samples], parts, seed)


def as_even(names: Sequence[str], parts: int, seed: int) -> Places:
    """Return a part for each name, the same for the same names: always the emptiest so far."""
    rng = np.random.default_rng(seed)
    known, place, count = np.unique(names, return_inverse=True, return_counts=True)
    part_of, filled = np.empty(len(known), np.intp), np.zeros(parts, np.intp)
    drawn = rng.permutation(len(known))
    # The largest first: they fit nowhere later.
    for at in drawn[np.argsort(-count[drawn], kind="stable")]:
        part_of[at] = filled.argmin()
        filled[part_of[at]] += count[at]
    return part_of[place]


def keeps_sources(samples: Sequence[Sample], part: Places) -> bool:
    """Return whether what was cut from one source is in one `part` (N,)."""
    pairs = {(one.source, int(at)) for one, at in zip(samples, part, strict=True) if one.source}
    return len(pairs) == len({source for source, _ in pairs})
