"""The parser and the single exception handler, in this process and without Keras."""

import errno
import json
from pathlib import Path

import pytest

from inkdigits.cli import main as cli
from inkdigits.cli.main import explain, main
from inkdigits.errors import CannotWrite, ExitCode, InvalidData


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("inkdigits: error: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize("arguments", [["--help"], ["--help", "read"], ["-h", "train"]])
def test_help_lists_every_verb(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert {"read", "serve", "train", "tune", "adapt", "review", "data"} <= listed


def test_debug_stands_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--debug", "data", "--help"], ["data", "--help", "--debug"]):
        assert main(arguments) == 0
        assert "fetch" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["trian"], 2, "Did you mean 'train'?"),
        (["train", "--epochs", "3"], 2, "No such option: --epochs"),
        (["train", "quikstart"], 2, "Did you mean 'quickstart'?"),
        (["train", "quickstart", "--set", "training.epoch=3"], 2, "'training.epochs'"),
        (["train", "quickstart", "--seed", "x"], 2, "'x' is not a valid int"),
        (["train", "quickstart", "--seed", "-1"], 2, "training.seed must be 0 up to 2^31, got -1"),
        (["train", "quickstart", "--resume", "runs/a"], 2, "takes no recipe"),
        (["train", "--resume", "absent"], 2, "is no run folder"),
        (["train", "--out", "/usr"], 2, "not an empty folder. Choose another --out."),
        (["train", "missing.toml"], 2, "cannot read the recipe"),
        (["read"], 2, "Missing argument 'images'"),
        (["read", "x.png", "--layout", "page3"], 2, "unknown layout 'page3'"),
        (["read", "x.png", "--model", "absent.onnx"], 4, "absent.onnx"),
        (["evaluate", "absent.onnx", "--data", "nosuch"], 2, "is no data set"),
        (["data", "explore", "--data", "nosuch"], 2, "is no data set"),
        (["data", "explore", "--indices", "1,two"], 2, "got '1,two'"),
        (["data", "explore", "--indices", "0,1,2,3,4,5,6,7,8,9"], 2, "up to nine"),
        (["data", "verify", "absent"], 5, "no train-images-idx3-ubyte"),
    ],
)
def test_wrong_calls(
    arguments: list[str], code: int, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    assert complaint in error_line(capsys)


def test_an_unreadable_image_has_its_own_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert main(["read", "--json", str(broken), "absent.png"]) == ExitCode.INPUT
    captured = capsys.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    assert [row["status"] for row in rows] == ["error", "error"]
    assert "no such file" in rows[1]["error"]
    assert captured.err.count("inkdigits: error:") == 2


def test_help_and_version_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == ExitCode.DONE
    assert "evaluate" in capsys.readouterr().out
    assert main(["--version"]) == ExitCode.DONE
    assert capsys.readouterr().out.startswith("inkdigits ")


@pytest.mark.parametrize("arguments", [[], ["data"]])
def test_without_arguments_the_help_is_shown_as_written(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Usage: inkdigits")
    assert captured.err.count("\n") > 8


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--list"]) == ExitCode.DONE
    assert len(capsys.readouterr().out.splitlines()) >= 4


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InvalidData("bad.", "Fix."), ExitCode.INPUT, "bad. Fix."),
        (CannotWrite("full."), ExitCode.CANNOT_WRITE, "full."),
        (OSError(errno.ENOSPC, "No space left"), ExitCode.CANNOT_WRITE, "No space left"),
        (ModuleNotFoundError("x", name="keras"), ExitCode.USAGE, 'pip install "inkdigits[train]"'),
        (ModuleNotFoundError("x", name="inkdigits.lost"), ExitCode.FAULT, "unexpected"),
        (PermissionError(errno.EACCES, "no"), ExitCode.FAULT, "unexpected PermissionError"),
        (MemoryError(), ExitCode.FAULT, "out of memory"),
        (RuntimeError("two\nlines"), ExitCode.FAULT, "unexpected RuntimeError: two lines"),
    ],
)
def test_every_exception_has_a_code_and_a_line(
    error: Exception, code: ExitCode, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "discard_stdout", lambda: None)
    found, line = explain(error)
    assert found == code
    assert text in line
    assert "\n" not in line


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidData):
        monkeypatch.setattr(cli, "run", lambda given: (_ for _ in ()).throw(InvalidData("x")))
        main(["data", "verify", "--debug"])


def test_interrupt_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(given: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", stop)
    assert main(["data", "verify"]) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "inkdigits: interrupted.\n"
