from __future__ import annotations

import subprocess
import sys
import threading
import zlib
from contextlib import closing

import numpy as np
import pytest
from pdfs import A_LINE, grey_image, pdf, stream

from inkdigits.errors import UnreadableImage
from inkdigits.imaging import pdf as pdf_room
from inkdigits.imaging.decode import Limits, decode, decode_pages

pytestmark = pytest.mark.filterwarnings("error")


def test_a_page_is_rendered_dark_on_white_at_200_dpi() -> None:
    (page,) = decode_pages(pdf())
    assert page.grey.shape == (200, 400)
    assert page.grey.dtype == np.uint8
    assert (page.number, page.dpi) == (1, 200)
    assert page.grey[-1, 0] == 0  # the line starts at the lower left corner
    assert page.grey[0, 0] == 255
    np.testing.assert_array_equal(decode(pdf()), page.grey)


def test_the_resolution_is_the_callers() -> None:
    (page,) = decode_pages(pdf(), dpi=72)
    assert (page.grey.shape, page.dpi) == ((72, 144), 72)


def test_an_image_is_as_dark_as_it_was_scanned() -> None:
    pixels = np.full((72, 144), 200, np.uint8)
    pixels[20:50, 60:80] = 30
    content = pdf(
        stream(zlib.compress(b"144 0 0 72 0 0 cm /I Do")),
        resources=b"/XObject<</I 5 0 R>>",
        more=(grey_image(144, 72, zlib.compress(pixels.tobytes())),),
    )
    (page,) = decode_pages(content, dpi=72)
    np.testing.assert_allclose(page.grey, pixels, atol=1)


def test_a_turned_page_is_upright() -> None:
    (page,) = decode_pages(pdf(page_entries=b"/Rotate 90"), dpi=72)
    assert page.grey.shape == (144, 72)
    assert page.grey[0, 0] == 0


def test_transparent_ink_is_laid_on_white() -> None:
    content = pdf(
        stream(zlib.compress(b"/G gs 0 0 0 rg 0 0 144 72 re f")),
        resources=b"/ExtGState<</G<</ca 0.5>>>>",
    )
    assert 120 <= decode(content)[50, 50] <= 135


def test_pages_are_rendered_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    popen = subprocess.Popen

    def start(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(pdf_room.subprocess, "Popen", start)
    with closing(decode_pages(pdf(pages=50, box=b"0 0 1440 1440"))) as pages:
        assert started == []
        assert [next(pages).number, next(pages).number] == [1, 2]
        assert started[0].poll() is None  # the pipe is full: the third page waits to be fetched
    assert started[0].poll() is not None


def test_threads_get_their_own_pages() -> None:
    shapes: dict[int, tuple[int, ...]] = {}

    def read(side: int) -> None:
        shapes[side] = decode(pdf(box=b"0 0 %d 72" % side)).shape

    threads = [threading.Thread(target=read, args=(72 * n,)) for n in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shapes == {72 * n: (200, 200 * n) for n in (1, 2, 3, 4)}


ENCRYPTED = b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O(%b)/U(%b)>>/ID[(%b)(%b)]" % (
    b"o" * 32,
    b"u" * 32,
    b"i" * 16,
    b"i" * 16,
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"%PDF-1.7 and no more", "the PDF is damaged.*again"),
        (pdf()[:200], "the PDF is damaged"),
        (pdf(trailer=ENCRYPTED), "encrypted.*Save a copy without"),
        (pdf(pages=0), "no pages|damaged"),
        (pdf(box=b"0 0 1000000000 1000000000"), "too large.*50000000 pixels.*50 dots"),
    ],
)
def test_unusable_pdfs_say_so_in_one_line(content: bytes, message: str) -> None:
    with pytest.raises(UnreadableImage, match=message) as caught:
        decode(content)
    assert "\n" not in str(caught.value)


def test_a_large_page_is_rendered_at_fewer_dots_per_inch() -> None:
    (page,) = decode_pages(pdf(box=b"0 0 720 720"), Limits(max_pixels=1_000_000))
    assert page.dpi is not None
    assert 98 <= page.dpi < 100
    assert page.grey.size <= 1_000_000


def test_the_first_page_of_a_long_document_can_be_had_alone() -> None:
    content = pdf(pages=5)
    limits = Limits(max_pages=4)
    assert decode(content, limits).shape == (200, 400)
    with pytest.raises(UnreadableImage, match=r"5 pages, the limit is 4 pages\. Split it"):
        next(decode_pages(content, limits))


def test_pixels_of_all_pages_are_limited() -> None:
    pages = decode_pages(pdf(pages=3), Limits(max_total_pixels=200_000))
    assert [next(pages).number, next(pages).number] == [1, 2]
    with pytest.raises(UnreadableImage, match=r"up to page 3 have 240000 .*200000 pixels"):
        next(pages)


def test_time_is_limited() -> None:
    endless = pdf(stream(zlib.compress(A_LINE * 2_000_000)))
    with pytest.raises(UnreadableImage, match=r"more than 0.2 seconds, the limit"):
        decode(endless, Limits(max_seconds=0.2))


def test_a_missing_extra_gives_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_room, "find_spec", lambda name: None)
    with pytest.raises(UnreadableImage, match=r'pip install "inkdigits\[pdf\]"'):
        decode(pdf())


def test_the_library_is_never_loaded_here() -> None:
    code = (
        "import sys; from pdfs import pdf; from inkdigits.imaging.decode import decode\n"
        "assert decode(pdf()).shape == (200, 400)\n"
        "assert not [name for name in sys.modules if 'pdfium' in name]"
    )
    path = [entry for entry in sys.path if entry]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
