"""The process that renders the pages of one PDF, with bounded memory and time.

PDFium is made for browsers, which run it in a process that may die: a stream of two kilobytes can
unpack to gigabytes inside it, no call of it can be broken off, and it is not thread safe. So it
never enters the process that reads. This file is run as a script by `pdf`, and imports nothing of
inkdigits.

Standard input: one line of JSON (`folders` to import from, `every`, `dpi`, `max_pixels`,
`max_side`, `max_pages`, `memory`, `seconds`), then the PDF. Standard output: for each page one line
of JSON (`width`, `height`, `dpi`) and its grey pixels; or a line with `error` and `hint`.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any, BinaryIO

POINTS_PER_INCH = 72
AGAIN = "Save or print it to PDF again."
# Below this a handwritten digit has too few pixels to be read.
MIN_DPI = 50


class Refused(Exception):
    """Why a PDF or one of its pages is not rendered, and what to do next."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def main() -> None:
    """Render what standard input holds to standard output."""
    request = json.loads(sys.stdin.buffer.readline())
    content = sys.stdin.buffer.read()
    sys.path.extend(request["folders"])
    import pypdfium2

    confine(request["memory"], request["seconds"])
    try:
        render(pypdfium2, content, request, sys.stdout.buffer)
    except Refused as error:
        write_line(sys.stdout.buffer, {"error": str(error), "hint": error.hint})
    except (pypdfium2.PdfiumError, MemoryError) as error:
        reason = (str(error) or type(error).__name__)[:120].rstrip(".")
        write_line(sys.stdout.buffer, {"error": f"the PDF is damaged: {reason}.", "hint": AGAIN})


def confine(memory: int, seconds: float) -> None:
    """Let this process have no more than so many bytes and seconds of processor, and no files."""
    try:
        import resource
    except ImportError:  # not on Windows; the parent still ends this process in time
        return
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, math.ceil(seconds) + 1),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (soft, hard))


def render(pdfium: Any, content: bytes, request: dict[str, Any], out: BinaryIO) -> None:
    """Write the pages of a PDF to `out`; raises Refused and PDFium's error."""
    document = open_document(pdfium, content)
    n = len(document) if request["every"] else min(1, len(document))
    if n == 0:
        raise Refused("the PDF has no pages.", AGAIN)
    if n > request["max_pages"]:
        limit = request["max_pages"]
        raise Refused(f"the document has {n} pages, the limit is {limit} pages.", "Split it.")
    for index in range(n):
        dpi = dpi_of(document.get_page_size(index), index + 1, request)
        page = document[index]
        bitmap = page.render(scale=dpi / POINTS_PER_INCH, grayscale=True, may_draw_forms=False)
        write_line(
            out, {"width": bitmap.width, "height": bitmap.height, "dpi": round(dpi, 2)}, flush=False
        )
        rows = memoryview(bitmap.buffer).cast("B")
        for top in range(0, bitmap.height * bitmap.stride, bitmap.stride):
            out.write(rows[top : top + bitmap.width])
        out.flush()
        bitmap.close()
        page.close()


def open_document(pdfium: Any, content: bytes) -> Any:
    """Return the document in `content`; raises Refused when it needs a password."""
    try:
        return pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        if "password" not in str(error).lower():
            raise
        raise Refused(
            "the PDF is encrypted and needs a password.", "Save a copy without one."
        ) from error


def dpi_of(size: tuple[float, float], number: int, request: dict[str, Any]) -> float:
    """Return the resolution, at most the wanted one, at which a page of `size` points fits."""
    width, height = (side / POINTS_PER_INCH for side in size)
    shown = f"page {number} of the PDF is {width:.4g} × {height:.4g} inches"
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise Refused(f"{shown}.", AGAIN)
    # Rounding up to whole pixels may add a row and a column.
    fits: float = min(
        math.sqrt(request["max_pixels"] / (width * height)) - 1 / min(width, height),
        (request["max_side"] - 1) / max(width, height),
    )
    dpi: float = min(float(request["dpi"]), fits)
    if dpi < min(MIN_DPI, request["dpi"]):
        limit = request["max_pixels"]
        raise Refused(
            f"{shown}, too large for {limit} pixels, the limit, at {MIN_DPI} dots per inch.",
            "Print it to smaller pages.",
        )
    return dpi


def write_line(out: BinaryIO, content: dict[str, Any], *, flush: bool = True) -> None:
    """Write one line of JSON."""
    out.write(json.dumps(content).encode() + b"\n")
    if flush:
        out.flush()


if __name__ == "__main__":
    main()
