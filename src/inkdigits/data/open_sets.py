"""Two open sets of real digits in European and Turkish hands, beside MNIST's American ones.

Semeion: 1,593 digits of some 80 people (Semeion Research Center, UCI data set 178, 1994), 16×16.
Optdigits: 2,880 digits of 30 people (E. Alpaydin, C. Kaynak, UCI data set 80, 1998), the training
and validation parts of the 32×32 bitmaps; the test part is what scikit-learn carries as 8×8. Both
CC BY 4.0.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import CLASSES, Examples
from inkdigits.data.unpack import unpack_z
from inkdigits.errors import DataUnavailable, InvalidData
from inkdigits.files import cannot_write, sha256
from inkdigits.imaging.arrays import as_float32
from inkdigits.imaging.frame import bounding_box, centre, shrink

FOLDER_VARIABLE = "INKDIGITS_OPEN_SETS"
ADDRESS = "https://archive.ics.uci.edu/ml/machine-learning-databases/"
ANSWER_SECONDS = 15.0

ENLARGED = 96
"""Side in pixels that a bitmap is enlarged to before framing, so that its steps vanish."""

MOST_INK = 0.75
"""A bitmap whose ink fills more of its own box than this is a bar stretched into a block."""

Bitmaps = NDArray[np.bool_]
Labels = NDArray[np.uint8]


class OpenSet(NamedTuple):
    """One set: its name, UCI's folder and files of it, how they are read, and its digests.

    `digests` are those that `digest` gives for sets of `size` examples; `side` is a bitmap's.
    """

    name: str
    folder: str
    files: tuple[str, ...]
    parse: Callable[[str], tuple[Bitmaps, Labels]]
    size: int
    side: int
    digests: tuple[str, ...]


def load_semeion() -> Examples:
    """Return the digits of Semeion, framed; see `load_open_set`."""
    return load_open_set(SEMEION)


def load_optdigits() -> Examples:
    """Return the digits of optdigits, framed; see `load_open_set`."""
    return load_open_set(OPTDIGITS)


def load_open_set(source: OpenSet) -> Examples:
    """Return `source` framed as MNIST is: from INKDIGITS_OPEN_SETS, the cache, or UCI.

    Both sets were stretched to fill their bitmaps; a 1 that became a block by it is left out.
    The folder may hold `NAME.npz` (x uint8 (N, side, side), ink > 0; y (N,)) or UCI's own files.
    Raises DataUnavailable when it is nowhere to be had, InvalidData when it is not that set.
    """
    bitmaps, labels = read_open_set(source, given_folder() or fetch(source))
    kept = np.array([ink_share(bitmap) <= MOST_INK for bitmap in bitmaps])
    return Examples(np.stack([frame_bitmap(bitmap) for bitmap in bitmaps[kept]]), labels[kept])


def ink_share(bitmap: Bitmaps) -> float:
    """Return how much of its own box the ink of a bitmap fills, 0–1."""
    rows, columns = np.flatnonzero(bitmap.any(axis=1)), np.flatnonzero(bitmap.any(axis=0))
    if not len(rows):
        return 0.0
    return float(bitmap[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean())


def given_folder() -> Path | None:
    """Return the folder that the environment variable INKDIGITS_OPEN_SETS names, if it is set."""
    value = os.environ.get(FOLDER_VARIABLE)
    return Path(value) if value else None


def cache_folder() -> Path:
    """Return the folder that fetched files are kept in, following the platform's convention."""
    import pooch

    return Path(pooch.os_cache("inkdigits")) / "open-sets"


def read_open_set(source: OpenSet, folder: Path) -> tuple[Bitmaps, Labels]:
    """Return the bitmaps, bool (N, side, side), and labels, uint8 (N,), of `source` in `folder`."""
    archive = folder / f"{source.name}.npz"
    if archive.is_file():
        bitmaps, labels = read_npz(archive)
    else:
        parts = [source.parse(read_text(find(folder, name))) for name in source.files]
        bitmaps = np.concatenate([part[0] for part in parts])
        labels = np.concatenate([part[1] for part in parts])
    check(source, bitmaps, labels)
    return bitmaps, labels


def check(source: OpenSet, bitmaps: Bitmaps, labels: Labels) -> None:
    """Raise InvalidData unless these are the bitmaps and labels of `source`."""
    # A set with more examples than the one whose digest is known cannot be told by it.
    right = bitmaps.shape[1:] == (source.side, source.side) and len(bitmaps) >= source.size
    if right and len(bitmaps) == source.size:
        right = digest(bitmaps, labels) in source.digests
    if not right:
        raise InvalidData(
            f"these are not the {source.size:,} digits of {source.name}: {bitmaps.shape}, "
            f"digest {digest(bitmaps, labels)[:12]}….",
            f"Delete the files and fetch them again from {ADDRESS}{source.folder}/.",
        )


def digest(bitmaps: Bitmaps, labels: Labels) -> str:
    """Return a SHA-256 of the examples that does not depend on their order."""
    packed = np.packbits(bitmaps.reshape(len(bitmaps), -1), axis=1)
    return sha256(b"".join(sorted(row.tobytes() for row in np.c_[packed, labels])))


def read_npz(path: Path) -> tuple[Bitmaps, Labels]:
    """Return the bitmaps and labels of a NumPy archive of `x` and `y`; InvalidData otherwise."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x, y = np.asarray(arrays["x"]), np.asarray(arrays["y"])
    except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
        raise InvalidData(f"{str(path)!r} is no archive of x and y: {error}.") from error
    if x.ndim != 3 or y.shape != x.shape[:1] or not np.isin(y, np.arange(CLASSES)).all():
        raise InvalidData(f"{str(path)!r} holds x {x.shape} and y {y.shape}, or labels not 0–9.")
    return x > 0, y.astype(np.uint8)


def find(folder: Path, name: str) -> Path:
    """Return the path of UCI's file `name` in `folder`, packed or not; raises DataUnavailable."""
    for candidate in (folder / name, folder / name.removesuffix(".Z")):
        if candidate.is_file():
            return candidate
    raise DataUnavailable(
        f"no {name} in {str(folder)!r}.",
        f"Set {FOLDER_VARIABLE} to a folder that holds UCI's files or NAME.npz.",
    )


def read_text(path: Path) -> str:
    """Return the text of `path`, unpacked where it ends in .Z."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataUnavailable(f"cannot read {str(path)!r}: {error.strerror}.") from error
    return (unpack_z(content, path.name) if path.suffix == ".Z" else content).decode("latin-1")


def parse_semeion(text: str) -> tuple[Bitmaps, Labels]:
    """Parse `semeion.data`: a line an example, 256 pixels of 0 or 1, then ten flags, one set."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    for number, row in enumerate(rows, start=1):
        if len(row) != 266 or not {*map(float_or_nan, row)} <= {0.0, 1.0}:
            raise InvalidData(f"semeion.data line {number} is not 266 zeros and ones.")
    values = np.array(rows, np.float64).reshape(len(rows), 266) > 0
    if not (values[:, 256:].sum(axis=1) == 1).all():
        raise InvalidData("semeion.data has a line that names not exactly one digit.")
    return values[:, :256].reshape(-1, 16, 16), values[:, 256:].argmax(axis=1).astype(np.uint8)


def float_or_nan(word: str) -> float:
    """Return `word` as a number; not a number where it is none."""
    try:
        return float(word)
    except ValueError:
        return float("nan")


def parse_optdigits(text: str) -> tuple[Bitmaps, Labels]:
    """Parse `optdigits-orig.*`: a header, then for each example 32 lines of bits and its digit."""
    found = re.findall(r"((?:[01]{32}\s*\n){32})\s*(\d)\s*(?:\n|$)", text.replace("\r", ""))
    lines = len(re.findall(r"(?m)^\s*[01]{32}\s*$", text))
    if not found or lines != 32 * len(found):
        raise InvalidData(
            f"optdigits-orig has {lines} lines of bits but {len(found)} digits of 32 lines."
        )
    bits = "".join("".join(example.split()) for example, _ in found)
    bitmaps = (np.frombuffer(bits.encode(), np.uint8) == ord("1")).reshape(-1, 32, 32)
    return bitmaps, np.array([int(label) for _, label in found], np.uint8)


def frame_bitmap(bitmap: Bitmaps) -> NDArray[np.uint8]:
    """Return a bitmap, bool (side, side), as smooth strokes framed in uint8 (28, 28)."""
    scale = ENLARGED // bitmap.shape[0]
    padded = np.pad(bitmap.astype(np.float32), 2)
    size = (padded.shape[1] * scale, padded.shape[0] * scale)
    smooth = cv2.resize(padded, size, interpolation=cv2.INTER_CUBIC)
    smooth = cv2.GaussianBlur(smooth, (0, 0), 0.6 * scale)
    # The steps of the bitmap are blurred away; steepening the slope gives the stroke its edge.
    ink = as_float32(np.clip(4 * (smooth - 0.45) + 0.5, 0, 1))
    mask = ink > 0.5
    if not mask.any():
        return centre(np.zeros((1, 1), np.float32))
    left, top, width, height = bounding_box(mask)
    part = np.s_[top : top + height, left : left + width]
    return centre(shrink(ink[part], mask[part]))


def fetch(source: OpenSet, folder: Path | None = None) -> Path:
    """Fetch UCI's files of `source` into `folder` (default: the cache) and return the folder.

    What is there already is not fetched again. Raises DataUnavailable when UCI does not answer.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    folder = folder or cache_folder()
    loader = pooch.HTTPDownloader(timeout=ANSWER_SECONDS, progressbar=sys.stderr.isatty())
    for name in source.files:
        address = f"{ADDRESS}{source.folder}/{name}"
        try:
            # The arrays are verified after parsing, where their digest is known.
            pooch.retrieve(address, known_hash=None, fname=name, path=folder, downloader=loader)
        except requests.RequestException as error:
            raise DataUnavailable(
                f"{address} cannot be fetched: {type(error).__name__}.",
                f"Set {FOLDER_VARIABLE} to a folder that holds the files, or try again.",
            ) from error
        except OSError as error:
            raise cannot_write(folder / name, error) from error
    return folder


SEMEION = OpenSet(
    name="semeion",
    folder="semeion",
    files=("semeion.data",),
    parse=parse_semeion,
    size=1593,
    side=16,
    digests=("64b2b4b8ec08f079f70fbc92ef70c588db0c486b219a36cfae89bc0b90131e73",),
)
# UCI's files hold 2,880; the digest known is of a copy that lacks one of them.
OPTDIGITS = OpenSet(
    name="optdigits",
    folder="optdigits",
    files=("optdigits-orig.tra.Z", "optdigits-orig.cv.Z"),
    parse=parse_optdigits,
    size=2879,
    side=32,
    digests=("d5b71d7bd3ee4107d9bc95d7c23e2d0b7ef76449571813dc79111a03512f357e",),
)
