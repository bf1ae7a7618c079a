"""`inkdigits page`: the page as files, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_model import never_sure

from inkdigits.cli import page as verb
from inkdigits.cli.main import main
from inkdigits.reading.models import BUNDLED_LINE_MODEL, BUNDLED_MODEL


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page with a runtime, as `make vendor` leaves it."""
    folder = tmp_path / "page"
    (folder / "vendor").mkdir(parents=True)
    for name in verb.RUNTIME:
        (folder / "vendor" / name).write_bytes(b"runtime")
    (folder / "index.html").write_text((verb.PAGE / "index.html").read_text())
    monkeypatch.setattr(verb, "PAGE", folder)
    return folder


def test_it_holds_all_that_a_static_host_needs(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "site"
    out.mkdir()
    assert main(["page", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out / 'index.html'}\n"
    assert (out / "digit.onnx").read_bytes() == BUNDLED_MODEL.read_bytes()
    assert {path.name for path in (out / "vendor").iterdir()} == set(verb.RUNTIME)
    text = (out / "index.html").read_text()
    assert '<html lang="en" data-local>' in text
    assert "connect-src 'self'" in text


def test_a_model_of_ones_own_goes_with_it_unless_it_reads_whole_numbers(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, model = tmp_path / "site", never_sure(BUNDLED_MODEL, tmp_path / "mine.onnx")
    assert main(["page", "--out", str(out), "--model", str(BUNDLED_LINE_MODEL)]) == 2
    assert "reads whole numbers" in capsys.readouterr().err and not out.exists()
    assert main(["page", "--out", str(out), "--model", str(model)]) == 0
    assert (out / "digit.onnx").read_bytes() == model.read_bytes()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_nothing_is_overwritten(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    out = tmp_path / "site"
    kept = out if kind == "file" else out / "mine.txt"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    assert main(["page", "--out", str(out)]) == 6
    assert kept.read_text() == "mine"
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "--out" in error


def test_without_the_runtime_it_says_how_to_get_it(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "vendor" / verb.RUNTIME[1]).unlink()
    assert main(["page", "--out", str(tmp_path / "site")]) == 2
    error = capsys.readouterr().err
    assert verb.RUNTIME[1] in error and "make vendor" in error and error.count("\n") == 1
    assert not (tmp_path / "site").exists()
