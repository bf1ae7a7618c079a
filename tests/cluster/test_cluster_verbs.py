"""`read --cluster` and `tune --cluster` as commands: what they refuse before Ray is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from inkdigits.cli.main import main


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "one.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), np.full((64, 48), 225, np.uint8))
    return path


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cluster", "local"], "Name the folder with --out"),
        (["--cluster", "local", "--out", "out", "--json"], "without --json and --csv"),
        (["--column", "scan", "--out", "out.csv"], "--cluster local"),
        (["--cluster", "127.0.0.1:1", "--out", "out"], "no Ray cluster answers at '127.0.0.1:1'"),
        (["--cluster", "local", "--out", "in"], "is no folder of a reading"),
        (["--cluster", "local", "--out", "out", "--layout", "odd"], "unknown layout 'odd'"),
    ],
)
def test_wrong_calls_are_one_line_at_once(
    page: Path,
    options: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(page.parents[1])
    assert main(["read", "in", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err
    assert captured.err.startswith("inkdigits: error: ")
    assert captured.err.count("\n") == 1


def test_a_job_goes_on_with_the_same_inputs_and_settings_only(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(page.parents[1])
    # Nobody answers, but the job is begun.
    start = ["read", "in", "--cluster", "127.0.0.1:1", "--out", "out"]
    assert main(start) == 2
    assert json.loads(Path("out/_job.json").read_text())["images"] == 1
    capsys.readouterr()
    assert main([*start, "--length", "3"]) == 2
    assert "was begun with other settings: constraints" in capsys.readouterr().err
    (page.parent / "two.png").write_bytes(page.read_bytes())
    assert main(start) == 2
    assert "was begun with other inputs: 1 images then, 2 now" in capsys.readouterr().err
    Path("out/_manifest.json").write_text("{}")
    assert main(start) == 2
    assert "'out' is there already, and nothing is left to continue" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["read", "tune"])
def test_a_missing_ray_is_one_line(page: Path, verb: str) -> None:
    given = {"read": [str(page), "--out", str(page.parents[1] / "out")], "tune": []}[verb]
    code = (
        "import sys\nsys.modules['ray'] = None\nfrom inkdigits.cli.main import main\n"
        f"sys.exit(main([{verb!r}, '--cluster', 'local', *{given!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "'ray' is not installed" in done.stderr
    assert 'pip install "inkdigits[cluster]"' in done.stderr
