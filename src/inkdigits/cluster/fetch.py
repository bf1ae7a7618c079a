"""Fetch: the bytes of a part's images, from disk, object storage or a column of a table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, chdir, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pyarrow
import pyarrow.parquet

from inkdigits.cluster.parts import File, Part, Rows
from inkdigits.cluster.sources import BYTES_FIELD, is_too_large, is_url
from inkdigits.errors import DataUnavailable, UnreadableImage
from inkdigits.imaging.decode import cannot_open, read_source
from inkdigits.imaging.limits import too_many_bytes

AT_ONCE = 16
"""Requests to object storage: each takes its time, and none of it is ours."""
TRIES, WAIT_SECONDS = 4, 1.0
FOR_GOOD = (FileNotFoundError, PermissionError, IsADirectoryError)
"""What is so however often one asks; anything else may be the network's fault."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An input: its name, and its bytes or why there are none; and where its drawing goes."""

    name: str
    content: bytes | None
    error: str = ""
    drawing: str | None = None


def fetch(part: Part, folder: str) -> list[Fetched]:
    """Return the inputs of a part, in their order; paths start from `folder`.

    Raises DataUnavailable where storage does not answer.
    """
    if isinstance(part.inputs, Rows):
        with inside(folder):
            return list(fetch_rows(part.inputs))
    with inside(folder):
        here = {file.name: fetch_file(file) for file in part.inputs if not is_url(file.name)}
    away = [file for file in part.inputs if is_url(file.name)]
    if away:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            here |= zip((file.name for file in away), pool.map(fetch_file, away), strict=True)
    return [here[file.name] for file in part.inputs]


def inside(folder: str) -> AbstractContextManager[None]:
    """Return what makes paths start from `folder`, where this machine has it."""
    return chdir(folder) if Path(folder).is_dir() else nullcontext()


def fetch_file(file: File) -> Fetched:
    """Return one image file; one that cannot be read says why."""
    try:
        content = fetch_url(file) if is_url(file.name) else read_source(Path(file.name))
    except UnreadableImage as error:
        return Fetched(file.name, None, str(error))
    return Fetched(file.name, content, drawing=file.drawing)


def fetch_url(file: File) -> bytes:
    """Return what a URL holds; raises UnreadableImage, and DataUnavailable after a few tries."""
    if is_too_large(file):
        raise too_many_bytes()
    for wait in range(TRIES):
        time.sleep(wait * WAIT_SECONDS)
        try:
            system, path = fsspec.core.url_to_fs(file.name)
            return bytes(system.cat_file(path))
        except FOR_GOOD as error:
            raise cannot_open(file.name, error) from error
        except OSError as error:
            last = error
    raise DataUnavailable(
        f"{file.name!r} could not be fetched in {TRIES} tries: {last}.",
        "The same command continues.",
    ) from last


def fetch_rows(rows: Rows) -> Iterator[Fetched]:
    """Yield the images in a part of a table, each named `FILE.parquet#ROW`, counted from 0."""
    try:
        with fsspec.open(rows.file, "rb") as file, pyarrow.parquet.ParquetFile(file) as parquet:
            table = parquet.read_row_group(rows.group, columns=[rows.column])
    except (OSError, pyarrow.ArrowException) as error:
        raise DataUnavailable(
            f"{rows.file!r} cannot be read any more: {error}.", "The same command continues."
        ) from error
    cells = table.column(rows.column).slice(rows.first, rows.count)
    for row, cell in enumerate(cells, start=rows.number):
        name = f"{rows.file}#{row}"
        content = bytes_in(cell.as_py())
        yield Fetched(name, content, "" if content is not None else f"{name!r} holds no image.")


def bytes_in(cell: Any) -> bytes | None:
    """Return the bytes in a cell, or in the struct that it is."""
    content = cell.get(BYTES_FIELD) if isinstance(cell, dict) else cell
    return content if isinstance(content, bytes) else None
