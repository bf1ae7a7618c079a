import os
from pathlib import Path

import pytest

from inkdigits.errors import CannotWrite, ExitCode
from inkdigits.files import atomic_path, make_folder, remove_torn, sha256, write_bytes, write_text


def test_write_replaces_whole_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.json"
    write_text(target, "old and long")
    write_text(target, "new")
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == ["file.json"]


def test_failure_inside_the_block_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "model.keras"
    write_bytes(target, b"old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.keras"]


def test_temporary_name_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "model.keras") as temporary:
        assert temporary.suffix == ".keras"
        assert temporary.parent == tmp_path
        temporary.touch()


@pytest.mark.parametrize("parent_is", ["file", "missing-below-file"])
def test_parent_that_is_a_file_cannot_be_written(tmp_path: Path, parent_is: str) -> None:
    blocker = tmp_path / "blocker"
    blocker.write_text("x")
    target = blocker / "a.txt" if parent_is == "file" else blocker / "b" / "a.txt"
    with pytest.raises(CannotWrite) as caught:
        write_text(target, "content")
    assert caught.value.exit_code == ExitCode.CANNOT_WRITE
    assert repr(str(target)) in str(caught.value)
    with pytest.raises(CannotWrite):
        make_folder(blocker / "folder")


def test_full_disk_is_cannot_write() -> None:
    # /dev/full answers every write with "no space left on device".
    with pytest.raises(CannotWrite, match="No space left"), atomic_path(Path("/tmp/never")) as _:
        with open("/dev/full", "wb", buffering=0) as file:
            file.write(b"x")
    assert not Path("/tmp/never").exists()


def test_only_torn_files_are_removed(tmp_path: Path) -> None:
    torn = tmp_path / "checkpoints" / ".epoch-003.ab12cd34.tmp.keras"
    write_text(torn, "half")
    write_text(tmp_path / "checkpoints" / "epoch-002.keras", "whole")
    write_text(tmp_path / ".hidden", "mine")
    remove_torn(tmp_path)
    kept = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert kept == [".hidden", "epoch-002.keras"]


def test_sha256_of_nothing() -> None:
    assert sha256(b"").startswith("e3b0c44298fc1c149afbf4c8996fb924")
