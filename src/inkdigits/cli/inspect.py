"""`inkdigits inspect`: one picture of every stage, from the page to the probabilities."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from inkdigits.cli.read import source_of
from inkdigits.errors import UsageError
from inkdigits.files import write_bytes
from inkdigits.reading.inspect import draw_stages
from inkdigits.reading.reader import Reader

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def inspect(image: str, out: Path, model: Path | None) -> None:
    """Draw every stage of reading `image` (`-` is standard input) into the picture `out`.

    Raises UsageError, UnreadableImage, ModelRefused or CannotWrite.
    """
    format_name = FORMATS.get(out.suffix.lower())
    if format_name is None:
        raise UsageError(
            f"cannot tell the picture's format from {str(out)!r}.",
            f"End its name in one of: {', '.join(FORMATS)}.",
        )
    stages = Reader(model).stages(source_of(image), image)
    encoded = io.BytesIO()
    draw_stages(stages).save(encoded, format_name)
    write_bytes(out, encoded.getvalue())
    sys.stdout.write(f"{out}\n")
