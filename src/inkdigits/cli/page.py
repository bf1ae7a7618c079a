"""`inkdigits page`: the page as plain files, for any static host, read in the browser alone."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from inkdigits.errors import CannotWrite, MissingExtra, UsageError
from inkdigits.files import atomic_path
from inkdigits.reading.models import BUNDLED_MODEL, bundled, sort_model
from inkdigits.serving.page_files import PAGE, PAGE_POLICY, RUNTIME

HEAD = '<html lang="en">\n<head>\n'


def page(out: Path, model: Path | None = None) -> None:
    """Write the page, a model for single digits and what runs it into the folder `out`.

    `model` is an artefact of your own, None for the bundled one.

    The folder is new or empty; it appears whole or not at all. Raises MissingExtra where the
    runtime is not in this installation, ModelRefused for a model that cannot be used, UsageError
    for one that reads whole numbers, and CannotWrite.
    """
    check_runtime()
    source = bundled(BUNDLED_MODEL) if model is None else checked(model)
    check_empty(out)
    with atomic_path(out) as folder:
        shutil.copytree(PAGE, folder)
        shutil.copyfile(source, folder / BUNDLED_MODEL.name)
        index = folder / "index.html"
        index.write_text(for_static_host(index.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{out / 'index.html'}\n")


def checked(model: Path) -> Path:
    """Return the path of a model that reads single digits; raises ModelRefused or UsageError."""
    digit_model, _ = sort_model(model, threads=1)
    if digit_model is None:
        raise UsageError(
            f"{str(model)!r} reads whole numbers, the page by itself single digits.",
            "Name a model for single digits, or leave --model out.",
        )
    return model


def check_runtime() -> None:
    """Raise MissingExtra unless all that runs the model in a browser is here."""
    missing = [name for name in RUNTIME if not (PAGE / "vendor" / name).is_file()]
    if missing:
        raise MissingExtra(
            f"this installation lacks what reads in a browser: {', '.join(missing)}.",
            "Run `make vendor` in a checkout of inkdigits (it needs npm), then this again.",
        )


def check_empty(out: Path) -> None:
    """Raise CannotWrite unless `out` is an empty folder, or nothing yet."""
    try:
        taken = out.exists() and not (out.is_dir() and not any(out.iterdir()))
    except OSError as error:
        raise CannotWrite(f"cannot look into {str(out)!r}: {error.strerror}.") from error
    if taken:
        raise CannotWrite(
            f"{str(out)!r} is not an empty folder, and nothing is overwritten.",
            "Name a new folder with --out.",
        )


def for_static_host(text: str) -> str:
    """Return the page's HTML so that it reads locally, and says itself what it may load.

    A static host sends no such headers as the service does.
    """
    policy = f'<meta http-equiv="Content-Security-Policy" content="{PAGE_POLICY}">\n'
    return text.replace(HEAD, f'<html lang="en" data-local>\n<head>\n{policy}', 1)
