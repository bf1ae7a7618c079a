"""The IDX format of the MNIST files, read with every bound checked."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import DataUnavailable, InvalidData

GZIP_MAGIC = b"\x1f\x8b"
UINT8_TYPE = 0x08
# Ten times MNIST's training images; a file that unpacks to more is no data set of this kind.
MAX_BYTES = 500_000_000


def read_raw(path: Path) -> bytes:
    """Return the uncompressed bytes of the IDX file `path`, gzipped or not.

    Raises DataUnavailable when it is not there, InvalidData when it is torn or unpacks to
    more than MAX_BYTES.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP_MAGIC
        with gzip.open(path) if packed else path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise DataUnavailable(
            f"no such file: {str(path)!r}.", "Run `inkdigits data fetch`, or name its folder."
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidData(
            f"{str(path)!r} is a damaged gzip file: {error}.", "Delete it and fetch it again."
        ) from error
    except OSError as error:
        raise DataUnavailable(f"cannot read {str(path)!r}: {error.strerror or error}.") from error
    if len(content) > MAX_BYTES:
        raise InvalidData(f"{str(path)!r} unpacks to more than {MAX_BYTES:,} bytes.")
    return content


def parse_idx(content: bytes, name: str = "IDX data") -> NDArray[np.uint8]:
    """Return the uint8 array that `content` holds; shape as the header says.

    The format: two zero bytes, a type byte (0x08 = uint8), the number of dimensions, then each
    dimension as a big-endian uint32, then the values (http://yann.lecun.com/exdb/mnist).
    Raises InvalidData when the magic, the type, or the length does not fit.
    """
    if len(content) < 4 or content[:2] != b"\x00\x00":
        raise InvalidData(f"{name} is not IDX: it starts with {content[:4].hex() or 'nothing'}.")
    kind, dimensions = content[2], content[3]
    if kind != UINT8_TYPE:
        raise InvalidData(f"{name} has IDX type 0x{kind:02x}; only uint8 (0x08) is read.")
    header = 4 + 4 * dimensions
    if dimensions not in (1, 3) or len(content) < header:
        raise InvalidData(f"{name} has {dimensions} dimensions; labels have 1, images 3.")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    expected = header + math.prod(shape)
    if len(content) != expected:
        raise InvalidData(
            f"{name} has {len(content):,} bytes, its header {shape} asks for {expected:,}.",
            "The file is truncated or damaged; fetch it again.",
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
