"""Inputs: what a list of files and folders on the command line stands for."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from inkdigits.errors import UsageError

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".pdf"))
OF_A_PAGE = re.compile(r"\.page-\d+$", re.IGNORECASE)
STANDARD_INPUT = "-"
KEPT_FORMATS = frozenset((".png", ".jpg", ".jpeg"))
"""Drawings keep these; a drawing of `page.tif` is `page.tif.png`."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula."""


@dataclass(frozen=True, slots=True)
class Input:
    """One image: `name` is its path as the user would give it, `below` its path in its folder."""

    name: str
    below: str


def find_inputs(arguments: Iterable[str], without: Path | None = None) -> list[Input]:
    """Return the images that `arguments` name: files as they are, folders with all below them.

    Files of a folder count by their suffix (`SUFFIXES`), are sorted by their path in it, and are
    left out when they, or a folder on the way, are hidden. Folders behind links are not entered.
    The folder `without`, and what lies below it, is no input. Each name comes once. Raises
    UsageError when there is no image at all or an argument is empty.
    """
    given = list(arguments)
    found: dict[str, Input] = {}
    for argument in given:
        if not argument:
            raise UsageError("the name of an image is empty.", "Is a variable unset in your shell?")
        path = Path(argument)
        if path.is_dir():
            prefix = path.name if len(given) > 1 else ""
            for below in sorted(images_below(path, without)):
                image = Input(harmless(str(path / below)), str(Path(prefix) / below))
                found.setdefault(image.name, image)
        else:
            image = Input(harmless(argument), path.name)
            found.setdefault(image.name, image)
    if not found:
        raise UsageError(
            f"no images to read in {', '.join(map(repr, given)) or 'an empty list'}.",
            f"A folder's images are the files that end in {', '.join(sorted(SUFFIXES))}.",
        )
    return list(found.values())


def images_below(folder: Path, without: Path | None) -> Iterator[str]:
    """Yield the paths, relative to `folder`, of its images, in no order."""
    excluded = None if without is None else without.resolve()
    for place, folders, files in os.walk(folder, onerror=tell):
        here = Path(place)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and (excluded is None or (here / name).resolve() != excluded)
        ]
        for name in files:
            path = here / name
            if path.suffix.lower() in SUFFIXES and not name.startswith(".") and is_openable(path):
                yield str(path.relative_to(folder))


def is_openable(path: Path) -> bool:
    """Return whether opening `path` ends: not so for a pipe, whose writer may never come.

    A link to nowhere counts: that it cannot be read is said in its row.
    """
    return path.is_file() or not path.exists()


def tell(error: OSError) -> None:
    """Warn of a folder that cannot be listed; the others are read."""
    warnings.warn(
        f"cannot look into the folder {error.filename!r}: {error.strerror}; "
        "what is in it is left out.",
        stacklevel=2,
    )


def harmless(name: str) -> str:
    """Return `name` as no formula of a spreadsheet: `./=1+1.png` is the same file as `=1+1.png`."""
    if name == STANDARD_INPUT or not name.startswith(FORMULA_STARTS):
        return name
    return f"./{name}"


def drawing_paths(inputs: Iterable[Input], folder: Path) -> list[Path]:
    """Return for each input its own path below `folder`, PNG or JPEG, no two the same.

    The paths differ by more than case. Raises UsageError when one of them is an input.
    """
    inputs = list(inputs)
    sources = {Path(image.name).resolve() for image in inputs}
    used: set[str] = set()
    paths = []
    for image in inputs:
        path = unused(folder / inside(image.below), used)
        used.add(str(path).casefold())
        if path.resolve() in sources:
            raise UsageError(
                f"the drawing of {image.name!r} would overwrite the input {str(path)!r}.",
                "Choose another folder for --annotate.",
            )
        paths.append(path)
    return paths


def inside(below: str) -> Path:
    """Return a relative path that stays inside its folder, with a suffix that we write."""
    parts = [part for part in Path(below).parts if part not in {"..", Path(below).anchor}]
    path = Path(*parts) if parts and below != STANDARD_INPUT else Path("standard-input.png")
    return path if path.suffix.lower() in KEPT_FORMATS else path.with_name(f"{path.name}.png")


def page_path(drawing: Path, page: int) -> Path:
    """Return where the drawing of a page goes, `a.page-2.png`; of the first it is `a.png`."""
    return (
        drawing if page == 1 else drawing.with_name(f"{drawing.stem}.page-{page}{drawing.suffix}")
    )


def unused(path: Path, used: set[str]) -> Path:
    """Return `path`, or the first of `path-2`, `path-3`, … that is neither used nor a page's."""
    tried, number = path, 1
    while str(tried).casefold() in used or OF_A_PAGE.search(tried.stem):
        number += 1
        tried = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return tried
