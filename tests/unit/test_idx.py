import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import idx_bytes

from inkdigits.data import idx
from inkdigits.data.idx import parse_idx, read_raw
from inkdigits.errors import DataUnavailable, InvalidData


def test_images_and_labels_come_back(tmp_path: Path) -> None:
    images = np.arange(2 * 28 * 28).reshape(2, 28, 28).astype(np.uint8)
    for name, content in (("plain", idx_bytes(images)), ("z.gz", gzip.compress(idx_bytes(images)))):
        (tmp_path / name).write_bytes(content)
        assert np.array_equal(parse_idx(read_raw(tmp_path / name)), images)
    labels = np.array([3, 1, 4], np.uint8)
    assert np.array_equal(parse_idx(idx_bytes(labels)), labels)


GOOD = idx_bytes(np.zeros((2, 3, 4), np.uint8))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "starts with nothing"),
        (b"\x89PNG\r\n", "starts with 89504e47"),
        (b"\x00\x00\x0d\x01" + GOOD[4:], "type 0x0d"),
        (b"\x00\x00\x08\x02" + GOOD[4:], "2 dimensions"),
        (GOOD[:6], "3 dimensions"),
        (GOOD[:-1], "39 bytes.*asks for 40"),
        (GOOD + b"x", "41 bytes.*asks for 40"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, *[2**32 - 1] * 3), "asks for"),
    ],
)
def test_what_does_not_fit_is_refused(content: bytes, complaint: str) -> None:
    with pytest.raises(InvalidData, match=complaint):
        parse_idx(content, "x")


@given(st.binary(max_size=200))
def test_hostile_bytes_give_an_array_or_invalid_data(content: bytes) -> None:
    for candidate in (content, GOOD[:4] + content):
        try:
            array = parse_idx(candidate)
        except InvalidData:
            continue
        assert array.size == len(candidate) - 4 - 4 * array.ndim


def test_damaged_and_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(GOOD)
    path = tmp_path / "file.gz"
    for content in (packed[:-9], packed[:10] + b"\xff" * 20, packed[:-4] + b"abcd"):
        path.write_bytes(content)
        with pytest.raises(InvalidData, match="damaged gzip"):
            read_raw(path)
    with pytest.raises(DataUnavailable, match="no such file"):
        read_raw(tmp_path / "absent")
    with pytest.raises(DataUnavailable, match="cannot read"):
        read_raw(tmp_path)
    monkeypatch.setattr(idx, "MAX_BYTES", 10)
    path.write_bytes(packed)
    with pytest.raises(InvalidData, match="unpacks to more than 10"):
        read_raw(path)
