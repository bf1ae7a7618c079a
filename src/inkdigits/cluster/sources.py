"""Sources: what is named on the command line, as image files and as rows of Parquet files.

A source is a file or a folder on this machine, or a URL that fsspec opens: `s3://bucket/scans`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import pyarrow
import pyarrow.parquet

from inkdigits.cluster.parts import PART_BYTES, File, Rows
from inkdigits.errors import DataUnavailable, InvalidData, UsageError
from inkdigits.imaging.limits import DEFAULT_LIMITS
from inkdigits.reading.inputs import STANDARD_INPUT, SUFFIXES, Input, drawing_paths, find_inputs

TABLE_SUFFIX = ".parquet"
COLUMN = "image"
BYTES_FIELD = "bytes"
"""Of a column of structs, as the datasets of Hugging Face have it."""


def find_sources(
    arguments: Sequence[str], out: str, column: str | None, annotate: Path | None
) -> tuple[list[File], list[Rows]]:
    """Return the image files that `arguments` name, and the row groups of their Parquet files.

    A folder is one of images, found as `find_inputs` does, or one of Parquet files where it has no
    image. `column` is that of the images; `annotate` is a folder for drawings; what lies in `out`
    is no input. Raises UsageError where there is nothing to read, InvalidData for a table without
    such a column, DataUnavailable where a place does not answer.
    """
    if STANDARD_INPUT in arguments:
        raise UsageError(
            "standard input cannot be read with --cluster.", "Name a file, a folder or a URL."
        )
    in_tables = {path: local_tables(path) for path in arguments if not is_url(path)}
    tables = [table for found in in_tables.values() for table in found]
    plain = [path for path, found in in_tables.items() if not found]
    inputs = find_inputs(plain, without=annotate) if plain else []
    files = {image.name: File(image.name, size_of(image.name)) for image in inputs}
    for url in filter(is_url, arguments):
        images, more = listed(url)
        tables += more
        inputs += [Input(name, below(url, name)) for name in images if name not in files]
        files |= images
    tables = [table for table in dict.fromkeys(tables) if not is_within(table, out)]
    if annotate is not None:
        files = with_drawings(files, inputs, tables, annotate)
    rows = [group for table in tables for group in row_groups(table, column)]
    if not files and not rows:
        raise UsageError(
            f"no images to read in {', '.join(map(repr, arguments)) or 'an empty list'}.",
            f"They are files that end in {', '.join(sorted(SUFFIXES))}, or rows of Parquet files.",
        )
    return list(files.values()), rows


def is_url(argument: str) -> bool:
    """Return whether an argument is a URL, not a path."""
    return "://" in argument


def local_tables(path: str) -> list[str]:
    """Return the Parquet files that a path stands for; none where it stands for images."""
    place = Path(path)
    if not place.is_dir():
        return [path] if place.suffix.lower() == TABLE_SUFFIX else []
    if any(is_image(str(file)) for file in place.rglob("*")):
        return []
    return sorted(str(file) for file in place.rglob(f"*{TABLE_SUFFIX}") if is_seen(file.name))


def is_within(name: str, folder: str) -> bool:
    """Return whether a file lies in a folder, both of them paths or both URLs."""
    if is_url(name) or is_url(folder):
        return name.startswith(f"{folder.rstrip('/')}/")
    return Path(name).absolute().is_relative_to(Path(folder).absolute())


def is_seen(name: str) -> bool:
    """Return whether a file is not hidden, as data sets have it."""
    return not name.startswith((".", "_"))


def is_image(name: str) -> bool:
    """Return whether a file is an image, by its name."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def size_of(path: str) -> int:
    """Return the bytes of a file; 0 where there is none, which its row will say."""
    try:
        return Path(path).stat().st_size
    except (OSError, ValueError):
        return 0


def listed(url: str) -> tuple[dict[str, File], list[str]]:
    """Return the images below a URL, sorted, or the Parquet files where there is no image."""
    try:
        system, root = fsspec.core.url_to_fs(url)
        found: dict[str, Any] = system.find(root, detail=True)
    except (ImportError, ValueError) as error:
        raise UsageError(
            f"{url!r} cannot be opened: {error}.", "Does fsspec know it, and is its package here?"
        ) from error
    except OSError as error:
        raise DataUnavailable(f"{url!r} does not answer: {error}.", "Try again later.") from error
    names = sorted(found)
    images = {
        name: File(name, int(found[path].get("size") or 0))
        for path in names
        if is_image(name := system.unstrip_protocol(path))
    }
    tables = [
        system.unstrip_protocol(path)
        for path in names
        if path.endswith(TABLE_SUFFIX) and is_seen(PurePosixPath(path).name)
    ]
    return images, [] if images else tables


def below(url: str, name: str) -> str:
    """Return the path of a file in the place that a URL names."""
    inside = name.removeprefix(url).lstrip("/")
    return inside if name.startswith(url) and inside else PurePosixPath(name).name


def with_drawings(
    files: Mapping[str, File], inputs: Sequence[Input], tables: Sequence[str], folder: Path
) -> dict[str, File]:
    """Return the files, each with the path of its drawing; raises UsageError for rows."""
    if tables:
        raise UsageError(
            f"--annotate draws on image files, not on rows as in {tables[0]!r}.",
            "Leave it out, or read image files.",
        )
    drawings = drawing_paths(inputs, folder.absolute())
    return {
        image.name: replace(files[image.name], drawing=str(drawing))
        for image, drawing in zip(inputs, drawings, strict=True)
    }


def row_groups(table: str, column: str | None) -> list[Rows]:
    """Return the row groups of a Parquet file, in pieces that memory holds.

    Raises InvalidData where it is no such file or has no such column.
    """
    try:
        with fsspec.open(table, "rb") as file, pyarrow.parquet.ParquetFile(file) as parquet:
            name = image_column(table, parquet.schema_arrow, column)
            groups = [parquet.metadata.row_group(i) for i in range(parquet.num_row_groups)]
    except (OSError, pyarrow.ArrowException) as error:
        raise InvalidData(
            f"{table!r} cannot be read as Parquet: {error}.", "Check the file."
        ) from error
    rows, number = [], 0
    for group, told in enumerate(groups):
        step = max(1, PART_BYTES * told.num_rows // max(1, told.total_byte_size))
        for first in range(0, told.num_rows, step):
            count = min(step, told.num_rows - first)
            rows.append(Rows(table, name, group, first, count, number + first))
        number += told.num_rows
    return rows


def image_column(table: str, schema: Any, wanted: str | None) -> str:
    """Return the name of the column with images: bytes, or structs with the field `bytes`."""
    fitting = [field.name for field in schema if holds_bytes(field.type)]
    name = wanted or (COLUMN if COLUMN in fitting or len(fitting) != 1 else fitting[0])
    if name not in fitting:
        raise InvalidData(
            f"{table!r} has no column {name!r} of image files' bytes.",
            f"Choose with --column one of: {', '.join(fitting)}."
            if fitting
            else "None of its columns holds bytes.",
        )
    return name


def holds_bytes(kind: Any) -> bool:
    """Return whether a type of Arrow is one of bytes, or a struct with such a field."""
    types = pyarrow.types
    if types.is_struct(kind):
        place = kind.get_field_index(BYTES_FIELD)
        return place >= 0 and holds_bytes(kind.field(place).type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def is_too_large(file: File) -> bool:
    """Return whether a file has more bytes than a reader takes, so that it is not fetched."""
    return file.size > DEFAULT_LIMITS.max_bytes
