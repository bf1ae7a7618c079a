"""What files and folders on the command line stand for, and where their drawings go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.errors import UsageError
from inkdigits.reading.inputs import SUFFIXES, Input, drawing_paths, find_inputs, page_path


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*arguments: str, without: Path | None = None) -> list[str]:
    return [image.name for image in find_inputs(arguments, without)]


def test_a_folder_is_all_images_below_it_by_path(here: Path) -> None:
    wanted = ["a/2.jpeg", "a/b/1.TIF", "b.png", "c.Pdf", "ä ö.webp"]
    touch(*(here / "scans" / name for name in wanted))
    touch(*(here / "scans" / name for name in ("notes.txt", ".hidden.png", ".git/x.png", "png")))
    assert names("scans") == names("./scans/") == [f"scans/{name}" for name in wanted]


def test_every_documented_suffix_counts(here: Path) -> None:
    touch(*(here / "all" / f"x{suffix}" for suffix in SUFFIXES))
    assert len(names("all")) == len(SUFFIXES) == 9


def test_files_and_folders_together_each_name_once_in_the_order_given(here: Path) -> None:
    touch(here / "scans" / "a.png", here / "scans" / "b.png", here / "odd.name")
    assert names("odd.name", "scans/b.png", "scans", "scans/a.png", "absent") == [
        "odd.name", "scans/b.png", "scans/a.png", "absent",
    ]  # fmt: skip


@pytest.mark.parametrize("arguments", [["empty"], ["empty", "empty"], []])
def test_no_image_is_a_usage_error(here: Path, arguments: list[str]) -> None:
    touch(here / "empty" / "notes.txt")
    with pytest.raises(UsageError, match="no images to read"):
        find_inputs(arguments)


def test_the_empty_name_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="is empty"):
        find_inputs([""])


def test_a_pipe_would_never_end_and_a_broken_link_has_its_row(here: Path) -> None:
    touch(here / "in" / "a.png")
    os.mkfifo(here / "in" / "pipe.png")
    (here / "in" / "lost.png").symlink_to("nowhere")
    (here / "in" / "round").symlink_to(here / "in")
    assert names("in") == ["in/a.png", "in/lost.png"]


def test_the_folder_of_drawings_is_no_input(here: Path) -> None:
    touch(here / "in" / "a.png", here / "in" / "drawn" / "a.png", here / "in" / "b" / "drawn.png")
    assert names("in", without=Path("in/drawn")) == ["in/a.png", "in/b/drawn.png"]
    assert names("in", without=here / "in" / "b" / ".." / "drawn") == ["in/a.png", "in/b/drawn.png"]


def test_no_name_starts_a_formula_and_all_can_be_opened(here: Path) -> None:
    odd = ["=1+1.png", "+1.png", "-x.png", "@SUM(A1).png", "\tx.png", "\rx.png"]
    touch(*(here / name for name in odd))
    found = names(".")
    assert sorted(found) == sorted(f"./{name}" for name in odd)
    assert names(*odd) == [f"./{name}" for name in odd]
    assert all(Path(name).is_file() for name in found)
    assert names("-") == ["-"]


def test_drawings_keep_their_place_below_the_folder(here: Path) -> None:
    touch(here / "s" / "a.png", here / "s" / "b" / "a.JPG", here / "s" / "b" / "c.tif")
    assert drawing_paths(find_inputs(["s"]), Path("out")) == [
        Path("out/a.png"), Path("out/b/a.JPG"), Path("out/b/c.tif.png"),
    ]  # fmt: skip
    touch(here / "t" / "a.png")
    together = drawing_paths(find_inputs(["s", "t", "s/a.png"]), Path("out"))
    assert Path("out/s/a.png") in together
    assert Path("out/t/a.png") in together


@pytest.mark.parametrize(
    ("arguments", "folder"), [(["s"], "s"), (["s/b"], "s/b"), (["a.png"], "."), (["s", "t"], ".")]
)
def test_a_drawing_overwrites_no_input(here: Path, arguments: list[str], folder: str) -> None:
    touch(here / "s" / "b" / "a.png", here / "t" / "a.png", here / "a.png")
    with pytest.raises(UsageError, match="would overwrite the input"):
        drawing_paths(find_inputs(arguments), Path(folder))


@given(
    st.lists(
        st.lists(st.sampled_from(["..", ".", "a", "A", "a-2", "-", "/", "ß", "SS"]), max_size=3),
        max_size=8,
    ),
    st.sampled_from([".png", ".PNG", ".tif", ".tif.png", "", "."]),
)
def test_every_input_has_a_drawing_of_its_own_in_the_folder(
    parts: list[list[str]], suffix: str
) -> None:
    inputs = [Input(f"{n}", "/".join([*found, f"x{suffix}"])) for n, found in enumerate(parts)]
    inputs += [Input("-", "-"), Input("--", "x"), Input("...", "..")]
    paths = drawing_paths(inputs, Path("/out"))
    assert len({str(path).casefold() for path in paths}) == len(inputs)
    for path in paths:
        assert path.suffix.lower() in {".png", ".jpg", ".jpeg"}
        assert path.is_relative_to("/out")
        assert ".." not in path.parts


def test_further_pages_take_no_input_s_place() -> None:
    inputs = [Input("s/a.tif", "a.tif"), Input("s/b", "a.tif.page-2.png")]
    first, other = drawing_paths(inputs, Path("out"))
    assert page_path(first, 1) == first == Path("out/a.tif.png")
    assert page_path(first, 2) == Path("out/a.tif.page-2.png")
    assert other == Path("out/a.tif.page-2-2.png")
