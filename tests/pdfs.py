"""Small PDF files, written here object by object."""

from __future__ import annotations

import zlib

A_LINE = b"0 0 m 300 300 l 5 w S"


def stream(content: bytes, entries: bytes = b"/Filter/FlateDecode") -> bytes:
    """A stream object; `content` is written as it is."""
    return b"<<%b/Length %d>>\nstream\n%b\nendstream" % (entries, len(content), content)


def pdf(
    drawing: bytes | None = None,
    *,
    pages: int = 1,
    box: bytes = b"0 0 144 72",
    page_entries: bytes = b"",
    resources: bytes = b"",
    more: tuple[bytes, ...] = (),
    trailer: bytes = b"",
) -> bytes:
    """A PDF whose pages all show the object `drawing`; `more` are objects from 5 on."""
    drawing = stream(zlib.compress(A_LINE)) if drawing is None else drawing
    page = (
        b"<</Type/Page/Parent 2 0 R/MediaBox[%b]/Contents 3 0 R/Resources<<%b>>%b>>"
        % (box, resources, page_entries)
    )  # fmt: skip
    first = 5 + len(more)
    kids = b" ".join(b"%d 0 R" % number for number in range(first, first + pages))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%b]>>" % (pages, kids),
        drawing,
        b"null",
        *more,
        *[page] * pages,
    ]
    return assembled(objects, trailer)


def assembled(objects: list[bytes], trailer: bytes) -> bytes:
    """The file of these objects, numbered from 1, with its table of places."""
    content, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    n = len(objects) + 1
    content_end = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n%b" % (n, table)
    content += b"trailer<</Size %d/Root 1 0 R%b>>\n" % (n, trailer)
    return content + b"startxref\n%d\n%%%%EOF" % content_end


def grey_image(width: int, height: int, packed: bytes) -> bytes:
    """An image object of 8-bit grey pixels, deflated."""
    entries = b"/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray"
    return stream(packed, entries % (width, height) + b"/BitsPerComponent 8/Filter/FlateDecode")
