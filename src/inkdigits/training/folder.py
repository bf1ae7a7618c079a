"""Where a run lives: a new folder for a training, or the folder of an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from inkdigits.errors import UsageError
from inkdigits.files import atomic_path, write_text

RUNS_FOLDER = Path("runs")
RECIPE_FILE = "recipe.toml"
ENVIRONMENT_FILE = "environment.json"


def require_run(folder: Path) -> None:
    """Raise UsageError unless `folder` is a run folder."""
    if not (folder / ENVIRONMENT_FILE).is_file():
        raise UsageError(
            f"{str(folder)!r} is no run folder: it has no {ENVIRONMENT_FILE}.",
            "Start a training with `inkdigits train RECIPE`.",
        )


def require_free(folder: Path) -> None:
    """Raise UsageError unless `folder` is new or an empty folder."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    is_run = (folder / ENVIRONMENT_FILE).is_file()
    other = f", or continue it with --resume {folder}" if is_run else ""
    raise UsageError(
        f"{str(folder)!r} already exists and is not an empty folder.",
        f"Choose another --out{other}.",
    )


def new_folder(folder: Path, contents: Mapping[str, str], *, numbered: bool) -> Path:
    """Make a run folder that holds `contents` (file name → text) from its first moment on.

    `numbered` takes the next free of `folder`, `folder-2` …; otherwise `folder` must be new or
    empty. It is filled under another name and renamed, so that a kill leaves a whole run or none.
    """
    if numbered:
        folder = free_name(folder)
    require_free(folder)
    with atomic_path(folder) as temporary:
        for name, text in contents.items():
            write_text(temporary / name, text)
    return folder


def free_name(folder: Path) -> Path:
    """Return `folder`, or the first of `folder-2`, `folder-3` … that does not exist."""
    number = 2
    free = folder
    while free.exists():
        free = folder.with_name(f"{folder.name}-{number}")
        number += 1
    return free
