"""From a data name or a folder to a Dataset."""

from __future__ import annotations

import warnings
from pathlib import Path

from inkdigits.data import mnist
from inkdigits.data.dataset import Dataset
from inkdigits.data.digits import load_offline_digits
from inkdigits.data.folder import load_image_folder
from inkdigits.errors import DataUnavailable, UsageError

NAMES = ("auto", "mnist", "digits")


class OfflineDigitsWarning(UserWarning):
    """MNIST is not at hand, so the offline digits stand in for it."""


def load_dataset(source: str = "auto") -> Dataset:
    """Return the Dataset that `source` names.

    `mnist`: INKDIGITS_DATA, the cache, or a mirror, always verified. `digits`: scikit-learn's
    1,797 digits. `auto`: MNIST or, where no mirror answers, the digits with an
    OfflineDigitsWarning. Anything else is a folder: of IDX files, or of labelled images.
    Raises DataUnavailable, InvalidData, or UsageError for a name that is neither.
    """
    if source == "digits":
        return load_offline_digits()
    if source == "mnist":
        return load_mnist()
    if source == "auto":
        return load_auto()
    folder = Path(source)
    if folder.is_dir():
        return load_folder(folder)
    found = "is a file, not a folder" if folder.exists() else "is no data set and no folder"
    raise UsageError(
        f"{source!r} {found}.", f"Use one of {', '.join(NAMES)}, or the path of a folder."
    )


def load_mnist() -> Dataset:
    """Return MNIST from INKDIGITS_DATA if that is set, else from the cache, fetched if need be."""
    return mnist.load_folder(mnist.given_folder() or mnist.fetch())


def load_auto() -> Dataset:
    """Return MNIST, or the offline digits with a warning where it cannot be had."""
    # A folder that was named must be right: silently training on other data would be worse.
    if mnist.given_folder() is not None:
        return load_mnist()
    try:
        return load_mnist()
    except DataUnavailable as error:
        warnings.warn(
            f"{error.message} The 1,797 offline digits stand in for MNIST: "
            "the score does not compare with MNIST's.",
            OfflineDigitsWarning,
            stacklevel=2,
        )
        return load_offline_digits()


def load_folder(folder: Path) -> Dataset:
    """Return the Dataset in `folder`: MNIST's own four files, another IDX set, or images."""
    if not mnist.holds_idx(folder):
        return load_image_folder(folder)
    # One right file among wrong ones makes it a damaged MNIST, not a set of one's own.
    # The small files first: where they are right, the large ones are not hashed twice.
    is_mnist = any(mnist.is_verified(folder, file) for file in reversed(mnist.FILES))
    return mnist.load_folder(folder, verify=is_mnist)
