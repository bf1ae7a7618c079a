"""Files written whole or not at all, and what identifies them."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from glob import escape
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inkdigits.errors import CannotWrite, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that becomes `path` when the block succeeds.

    The block makes a file there, or a folder, which may replace only an empty one. Readers see the
    old or the new, never a part: the rename is atomic on POSIX.
    The temporary name keeps the suffix, because writers such as Keras choose the format by it.
    Missing parent folders are made. Raises CannotWrite on any OSError; nothing is left behind.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        # Where the parent is a file, even looking for the temporary one fails.
        with suppress(OSError):
            remove(temporary)


def remove(path: Path) -> None:
    """Delete a file or a whole folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_temporaries(path: Path) -> None:
    """Delete the temporary files that a process killed while it wrote `path` left beside it."""
    for torn in path.parent.glob(f".{escape(path.stem)}.*.tmp{escape(path.suffix)}"):
        with suppress(OSError):
            torn.unlink()


def remove_torn(folder: Path) -> None:
    """Delete the temporary files that a killed process left anywhere below `folder`."""
    for path in folder.rglob(".*.tmp*"):
        with suppress(OSError):
            path.unlink()


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write `content` to `path` atomically; `durable` also survives a loss of power (fsync)."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8."""
    write_bytes(path, text.encode())


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as one `.npz` atomically.

    For scratch and state that is written often: not flushed to the disk, since a killed process
    loses nothing by that.
    """
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue(), durable=False)


def make_folder(path: Path) -> Path:
    """Make `path` and its parents and return it; raises CannotWrite where that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def cannot_write(path: Path | str, error: OSError) -> CannotWrite:
    """Return the CannotWrite that tells of `error` at `path`."""
    reason = error.strerror or str(error)
    return CannotWrite(
        f"cannot write {str(path)!r}: {reason}.",
        "Free some space, or choose a place you may write to.",
    )


def open_growing(path: Path) -> FileIO:
    """Open a file to read and write, unbuffered, made where there is none; raises CannotWrite."""
    try:
        return open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)  # noqa: PTH123
    except OSError as error:
        raise cannot_write(path, error) from error


def write_whole(file: FileIO, content: bytes) -> None:
    """Write all of `content`: an unbuffered file may take only a part at a time."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) or 0 :]


def lock(file: int, path: Path, hint: str) -> None:
    """Keep other processes from writing `path`, open as `file`, as long as this one lives.

    Raises UsageError, with `hint`, where another has it already.
    """
    try:
        import fcntl
    except ImportError:  # a system without it has no such lock
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"{str(path)!r} is being written by another process.", hint) from error


def sha256(content: bytes | memoryview) -> str:
    """Return the SHA-256 of `content` as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
