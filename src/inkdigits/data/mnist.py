"""MNIST: four IDX files, found in a folder or fetched from mirrors, always verified.

The images are those of Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten
digits". The original site has answered 403 since 2024, so mirrors serve the files.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from inkdigits.data.dataset import IMAGE_SHAPE, Dataset, Examples
from inkdigits.data.idx import parse_idx, read_raw
from inkdigits.errors import DataUnavailable, InvalidData
from inkdigits.files import cannot_write, sha256

FOLDER_VARIABLE = "INKDIGITS_DATA"
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://azureopendatastorage.blob.core.windows.net/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
# How long all mirrors together may take to answer before the machine counts as offline.
ANSWER_SECONDS = 8.0


class IdxFile(NamedTuple):
    """One of the four files: its name and the SHA-256 of its uncompressed bytes."""

    name: str
    sha256: str


TRAIN_IMAGES = IdxFile(
    "train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
)
TRAIN_LABELS = IdxFile(
    "train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
)
TEST_IMAGES = IdxFile(
    "t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
)
TEST_LABELS = IdxFile(
    "t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
)
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


def find_file(folder: Path, name: str) -> Path | None:
    """Return the path of the IDX file `name` in `folder`, plain or gzipped; None if not there."""
    # Some mirrors and unpackers write "train-images.idx3-ubyte" with a dot.
    spellings = (name, name.replace("-idx", ".idx"))
    candidates = (folder / (spelling + end) for spelling in spellings for end in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def holds_idx(folder: Path) -> bool:
    """Return whether `folder` holds any of the four IDX files."""
    return any(find_file(folder, file.name) for file in FILES)


def load_folder(folder: Path, *, verify: bool = True) -> Dataset:
    """Read the four IDX files in `folder` as a Dataset.

    With `verify` every file must have MNIST's SHA-256 (InvalidData otherwise); without it, any
    set of that format is read and named after its folder. Missing files raise DataUnavailable.
    """
    images, labels, test_images, test_labels = (
        parse_idx(read_verified(folder, file, verify=verify), file.name) for file in FILES
    )
    for array in (images, test_images):
        if array.ndim != 3 or array.shape[1:] != IMAGE_SHAPE:
            raise InvalidData(f"the images in {str(folder)!r} have shape {array.shape}, not 28×28.")
    return Dataset(
        "mnist" if verify else folder.name,
        Examples(images, labels),
        Examples(test_images, test_labels),
        comparable=verify,
    )


def read_verified(folder: Path, file: IdxFile, *, verify: bool = True) -> bytes:
    """Return the uncompressed bytes of `file` in `folder`; InvalidData when the hash differs."""
    path = find_file(folder, file.name)
    if path is None:
        raise DataUnavailable(
            f"no {file.name}[.gz] in {str(folder)!r}.",
            "MNIST is four IDX files; `inkdigits data fetch` gets them.",
        )
    content = read_raw(path)
    found = sha256(content) if verify else file.sha256
    if found != file.sha256:
        raise InvalidData(
            f"{str(path)!r} is not MNIST's file: SHA-256 {found[:12]}…, not {file.sha256[:12]}….",
            "Delete it and run `inkdigits data fetch`.",
        )
    return content


def given_folder() -> Path | None:
    """Return the folder that the environment variable INKDIGITS_DATA names, if it is set."""
    value = os.environ.get(FOLDER_VARIABLE)
    return Path(value) if value else None


def cache_folder() -> Path:
    """Return the folder that fetched files are kept in, following the platform's convention."""
    import pooch

    return Path(pooch.os_cache("inkdigits")) / "mnist"


def at_hand() -> Path | None:
    """Return the folder that already holds all four files: INKDIGITS_DATA, else the cache."""
    folder = given_folder() or cache_folder()
    return folder if all(find_file(folder, file.name) for file in FILES) else None


def fetch(folder: Path | None = None) -> Path:
    """Fetch what is missing of MNIST into `folder` (default: the cache) and return the folder.

    Every file is verified by SHA-256 before it counts; the mirrors are tried in the order in
    which they answer. Raises DataUnavailable when none answers within ANSWER_SECONDS.
    """
    folder = folder or cache_folder()
    missing = [file for file in FILES if not is_verified(folder, file)]
    if not missing:
        return folder
    mirrors = answering(MIRRORS, ANSWER_SECONDS)
    if not mirrors:
        raise DataUnavailable(
            f"no MNIST mirror answered within {ANSWER_SECONDS:.0f} s ({len(MIRRORS)} tried).",
            f"Set {FOLDER_VARIABLE} to a folder that holds the four files, or use --data digits.",
        )
    for file in missing:
        # A mirror that failed once is not asked again: each stall costs seconds.
        mirrors = fetch_file(folder, file, mirrors)
    return folder


def is_verified(folder: Path, file: IdxFile) -> bool:
    """Return whether `folder` already holds `file` with the right bytes."""
    try:
        read_verified(folder, file)
    except (DataUnavailable, InvalidData):
        return False
    return True


def answering(mirrors: Sequence[str], seconds: float) -> list[str]:
    """Return the mirrors that answer a HEAD request within `seconds`, the quickest first.

    All are asked at once in daemon threads: a name server that hangs, which no socket time-out
    covers, then costs `seconds` in all and never blocks the process's exit.
    """
    answers: SimpleQueue[tuple[str, bool]] = SimpleQueue()
    for mirror in mirrors:
        threading.Thread(target=ask, args=(mirror, seconds, answers), daemon=True).start()
    found: list[str] = []
    deadline = time.monotonic() + seconds
    for _ in mirrors:
        try:
            mirror, works = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            break
        if works:
            found.append(mirror)
    return found


def ask(mirror: str, seconds: float, answers: SimpleQueue[tuple[str, bool]]) -> None:
    """Put into `answers` whether `mirror` has the smallest file."""
    import requests

    try:
        response = requests.head(f"{mirror}{TEST_LABELS.name}.gz", timeout=seconds)
        answers.put((mirror, response.ok))
    except requests.RequestException:
        answers.put((mirror, False))


def fetch_file(folder: Path, file: IdxFile, mirrors: Sequence[str]) -> list[str]:
    """Fetch and verify one file from the first of `mirrors` that delivers the right bytes.

    Returns the mirrors that are still worth asking. Raises DataUnavailable when none delivers.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    target = find_file(folder, file.name)
    if target is not None:
        target.unlink()
    reasons = []
    name = f"{file.name}.gz"
    for number, mirror in enumerate(mirrors):
        try:
            # The packed bytes differ between mirrors, so the hash is that of the unpacked ones.
            pooch.retrieve(
                mirror + name,
                known_hash=None,
                fname=name,
                path=folder,
                downloader=pooch.HTTPDownloader(
                    timeout=ANSWER_SECONDS, progressbar=sys.stderr.isatty()
                ),
            )
            read_verified(folder, file)
        except (requests.RequestException, InvalidData) as error:
            (folder / name).unlink(missing_ok=True)
            reasons.append(f"{mirror}: {error}")
        except OSError as error:
            raise cannot_write(folder / name, error) from error
        else:
            return list(mirrors[number:])
    raise DataUnavailable(f"no mirror delivered {file.name}: {'; '.join(reasons)}", "Try again.")
