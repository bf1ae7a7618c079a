"""`inkdigits inspect`: one picture of every stage, from the page to what was read on it."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import cast

from inkdigits.cli.read import source_of
from inkdigits.errors import UsageError
from inkdigits.files import write_bytes
from inkdigits.reading.constraints import Constraints
from inkdigits.reading.inspect import draw_stages
from inkdigits.reading.reader import Layout, Reader

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def inspect(
    image: str,
    out: Path,
    model: Path | None,
    layout: str = "auto",
    constraints: Constraints | None = None,
) -> None:
    """Draw every stage of reading `image` (`-` is standard input) into the picture `out`.

    `layout` and `constraints` are those of `Reader`. Raises UsageError, UnreadableImage,
    ModelRefused or CannotWrite.
    """
    format_name = FORMATS.get(out.suffix.lower())
    if format_name is None:
        raise UsageError(
            f"cannot tell the picture's format from {str(out)!r}.",
            f"End its name in one of: {', '.join(FORMATS)}.",
        )
    # The reader refuses a layout that it does not know.
    reader = Reader(model, layout=cast(Layout, layout), constraints=constraints)
    stages = reader.stages(source_of(image), image)
    encoded = io.BytesIO()
    draw_stages(stages).save(encoded, format_name)
    write_bytes(out, encoded.getvalue())
    sys.stdout.write(f"{out}\n")
