"""The open sets: UCI's formats from hand-made text, the fetch against a server on this machine."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkdigits.data import open_sets
from inkdigits.data.open_sets import OPTDIGITS, SEMEION, OpenSet
from inkdigits.data.unpack import MAGIC, unpack_z
from inkdigits.errors import DataUnavailable, InputError, InvalidData


def pack_z(content: bytes, most_bits: int = 16, clear_at: int = 0) -> bytes:
    """Pack as `compress` does; after `clear_at` codes, if given, start a new table."""
    bits, table, out, group, count = 9, {bytes([v]): v for v in range(256)}, bytearray(), [], 0

    def flush() -> None:
        if group:
            number = sum(code << bits * place for place, code in enumerate(group))
            length = bits if len(group) == 8 else -(-len(group) * bits // 8)
            out.extend(number.to_bytes(length, "little"))
            group.clear()

    def put(code: int) -> None:
        group.append(code)
        if len(group) == 8:
            flush()

    def pad() -> None:
        if group:
            group.extend([0] * (8 - len(group)))
            flush()

    free, known = 257, b""
    for value in content:
        longer = known + bytes([value])
        if longer in table:
            known = longer
            continue
        put(table[known])
        count += 1
        if count == clear_at:
            put(256)
            pad()
            bits, free, table = 9, 257, {bytes([v]): v for v in range(256)}
        else:
            # The codes widen as soon as the next entry needs it, at the end of a group.
            if free >= 1 << bits and bits < most_bits:
                pad()
                bits += 1
            if free < 1 << most_bits:
                table[longer] = free
                free += 1
        known = bytes([value])
    if known:
        put(table[known])
    flush()
    return MAGIC + bytes([0x80 | most_bits]) + bytes(out)


def semeion_text(bitmaps: np.ndarray, labels: np.ndarray) -> str:
    lines = []
    for bitmap, label in zip(bitmaps, labels, strict=True):
        pixels = " ".join(f"{value:.4f}" for value in bitmap.ravel())
        lines.append(f"{pixels} {' '.join(str(int(d == label)) for d in range(10))} \n")
    return "".join(lines)


def optdigits_text(bitmaps: np.ndarray, labels: np.ndarray) -> str:
    header = "\n\n\nnentries 2\nwid = 32\nbits 101\n\n"
    lines = ["".join("01"[int(v)] for v in row) + "\n" for bitmap in bitmaps for row in bitmap]
    parts = ["".join(lines[32 * n : 32 * n + 32]) + f" {label}\n" for n, label in enumerate(labels)]
    return header + "".join(parts)


def bitmaps(side: int, n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(side)
    return rng.random((n, side, side)) < 0.4, np.arange(n, dtype=np.uint8)


def small(source: OpenSet, n: int = 6) -> OpenSet:
    """`source` as if it had only these `n` hand-made examples."""
    return source._replace(size=n, digests=(open_sets.digest(*bitmaps(source.side, n)),))


@pytest.mark.parametrize(
    ("parse", "write", "side"),
    [
        (open_sets.parse_semeion, semeion_text, 16),
        (open_sets.parse_optdigits, optdigits_text, 32),
    ],
)
def test_uci_text_is_parsed(parse, write, side) -> None:
    expected, labels = bitmaps(side)
    for text in (write(expected, labels), write(expected, labels).replace("\n", "\r\n")):
        found, found_labels = parse(text)
        assert np.array_equal(found, expected)
        assert np.array_equal(found_labels, labels)


@pytest.mark.parametrize(
    "text",
    ["0 1 2\n", f"{'0 ' * 266}\n", f"{'x ' * 266}\n", f"{'0 ' * 256}{'1 ' * 10}\n"],
)
def test_damaged_semeion_is_refused(text: str) -> None:
    with pytest.raises(InvalidData, match=r"semeion\.data"):
        open_sets.parse_semeion(text)


def test_damaged_optdigits_is_refused() -> None:
    whole = optdigits_text(*bitmaps(32))
    for text in ("", whole[:-600], whole.replace(" 0\n", "")):
        with pytest.raises(InvalidData, match="lines of bits"):
            open_sets.parse_optdigits(text)


@pytest.mark.parametrize(("most_bits", "clear_at"), [(10, 0), (12, 0), (16, 0), (16, 700), (16, 5)])
def test_z_files_are_unpacked_as_gzip_does(most_bits: int, clear_at: int) -> None:
    rng = np.random.default_rng(1)
    content = bytes(rng.choice(list(b"01\n"), 9000).tolist() + rng.integers(0, 256, 3000).tolist())
    packed = pack_z(content, most_bits, clear_at)
    assert unpack_z(packed) == content
    if shutil.which("gzip"):
        done = subprocess.run(["gzip", "-dc"], input=packed, capture_output=True, check=True)
        assert done.stdout == content


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_hostile_z_bytes_unpack_or_are_refused(content: bytes) -> None:
    for packed in (content, MAGIC + content, MAGIC + b"\x90" + content):
        try:
            unpack_z(packed)
        except InputError as error:
            assert "\n" not in str(error)


def test_npz_and_uci_files_are_one_set(tmp_path: Path) -> None:
    x, y = bitmaps(32)
    np.savez(tmp_path / "optdigits.npz", x=x.astype(np.uint8) * 255, y=y.astype(np.int64))
    from_npz = open_sets.read_open_set(small(OPTDIGITS), tmp_path)
    (tmp_path / "optdigits.npz").unlink()
    (tmp_path / "optdigits-orig.tra").write_text(optdigits_text(x[:4], y[:4]))
    packed = pack_z(optdigits_text(x[4:], y[4:]).encode())
    (tmp_path / "optdigits-orig.cv.Z").write_bytes(packed)
    from_uci = open_sets.read_open_set(small(OPTDIGITS), tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(from_npz, from_uci, strict=True))


def test_another_set_of_that_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(open_sets.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(DataUnavailable, match=r"no semeion\.data"):
        open_sets.load_semeion()
    x, y = bitmaps(16)
    np.savez(tmp_path / "semeion.npz", x=x, y=y)
    with pytest.raises(InvalidData, match="not the 1,593 digits of semeion"):
        open_sets.load_semeion()
    np.savez(tmp_path / "semeion.npz", x=x, y=y + 90)
    with pytest.raises(InvalidData, match="labels not 0–9"):
        open_sets.load_semeion()
    (tmp_path / "semeion.npz").write_bytes(b"PK no archive")
    with pytest.raises(InvalidData, match="no archive of x and y"):
        open_sets.load_semeion()


@contextmanager
def server(files: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Serve `files` by path; yields the address and the list of paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/", asked
    finally:
        running.shutdown()
        running.server_close()


def test_fetched_once_then_read_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(open_sets.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(open_sets, "cache_folder", lambda: tmp_path)
    body = semeion_text(*bitmaps(16)).encode()
    with server({"/semeion/semeion.data": body}) as (address, asked):
        monkeypatch.setattr(open_sets, "ADDRESS", address)
        first = open_sets.load_open_set(small(SEMEION))
        again = open_sets.load_open_set(small(SEMEION))
        assert asked == ["/semeion/semeion.data"]
    monkeypatch.setattr(open_sets, "ADDRESS", "http://127.0.0.1:9/")
    with pytest.raises(DataUnavailable, match="cannot be fetched") as caught:
        open_sets.load_optdigits()
    assert open_sets.FOLDER_VARIABLE in caught.value.hint
    assert np.array_equal(first.images, again.images)
    assert first.labels.tolist() == list(range(6))


def test_bitmaps_become_smooth_framed_strokes() -> None:
    bitmap = np.zeros((16, 16), bool)
    for row in range(16):
        bitmap[row, 10 - row // 2 : 13 - row // 3] = True
    image = open_sets.frame_bitmap(bitmap)
    rows, columns = np.nonzero(image)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    assert len(np.unique(image)) > 20, "shades along the edge, not steps"
    assert not open_sets.frame_bitmap(np.zeros((16, 16), bool)).any()


def test_a_bar_stretched_into_a_block_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = bitmaps(16)
    x[1] = True
    np.savez(tmp_path / "semeion.npz", x=x, y=y)
    monkeypatch.setenv(open_sets.FOLDER_VARIABLE, str(tmp_path))
    source = SEMEION._replace(size=6, digests=(open_sets.digest(x, y),))
    assert open_sets.load_open_set(source).labels.tolist() == [0, 2, 3, 4, 5]
