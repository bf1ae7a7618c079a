"""Store: the folder of a job's results, on a disk that all machines share or in object storage.

    part-0000000-1f0c….parquet   readings, a row an input
    _job.json                    with what it was started
    _manifest.json               written last: which parts there are, and how many rows

What begins with `_` or `.` is no data to those who read the folder as one table.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec
import pyarrow
import pyarrow.parquet

from inkdigits.errors import UsageError
from inkdigits.files import cannot_write
from inkdigits.reading.table_file import Row, write_table

JOB_FILE, MANIFEST_FILE = "_job.json", "_manifest.json"
AT_WORK = "_at-work-"
TEMPORARY = ".temporary-"


class Store:
    """The folder `url`, a path or what fsspec opens; every file in it is whole or not there.

    Raises UsageError for a URL that cannot be opened; CannotWrite wherever writing fails.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._system, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise UsageError(
                f"{url!r} cannot be opened: {error}.",
                "Does fsspec know it, and is its package here?",
            ) from error

    def names(self) -> set[str]:
        """Return the names of all files in it, none where there is no such folder."""
        self._system.invalidate_cache()
        try:
            found = self._system.ls(self._root, detail=False)
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise cannot_write(self.url, error) from error
        return {str(path).rstrip("/").rpartition("/")[2] for path in found}

    def read_json(self, name: str) -> dict[str, Any]:
        """Return what a file of JSON holds; raises UsageError for one that is none of ours."""
        try:
            content = json.loads(self._system.cat_file(self._path(name)))
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{self._path(name)!r} cannot be read: {error}.", "Choose another --out."
            ) from error
        return dict(content)

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a file of JSON."""
        with self._written(name) as temporary:
            self._system.pipe_file(temporary, json.dumps(content, indent=1).encode() + b"\n")

    def write_part(self, name: str, rows: Iterable[Row]) -> None:
        """Write readings as Parquet; a part that is there already is replaced."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            write_table(file, rows)
            with self._written(name) as temporary:
                self._system.put_file(str(file), temporary)

    def statuses(self, name: str) -> list[str] | None:
        """Return the status of each row of a part, None where it is no whole file."""
        with suppress(OSError, pyarrow.ArrowException), self._system.open(self._path(name)) as file:
            statuses = pyarrow.parquet.read_table(file, columns=["status"]).column("status")
            return [str(status) for status in statuses.to_pylist()]
        return None

    def mark(self, part: str) -> bool:
        """Note that a part is being read, and return whether that was noted before."""
        path = self._path(AT_WORK + part)
        try:
            if self._system.exists(path):
                return True
            self._system.pipe_file(path, b"")
        except OSError as error:
            raise cannot_write(self.url, error) from error
        return False

    def unmark(self, part: str) -> None:
        """Take that note away again."""
        self.remove(AT_WORK + part)

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        with suppress(OSError):
            self._system.rm_file(self._path(name))

    def remove_leftovers(self, names: Iterable[str], *, marks: bool = False) -> None:
        """Delete the temporary files among `names`, and the notes of parts being read."""
        for name in names:
            if name.startswith(TEMPORARY) or (marks and name.startswith(AT_WORK)):
                self.remove(name)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _written(self, name: str) -> Iterator[str]:
        """Yield the path of a temporary file that becomes `name` when the block succeeds."""
        temporary = f"{TEMPORARY}{secrets.token_hex(8)}"
        try:
            self._system.makedirs(self._root, exist_ok=True)
            yield self._path(temporary)
            self._system.mv(self._path(temporary), self._path(name))
        except OSError as error:
            self.remove(temporary)
            raise cannot_write(self.url, error) from error
