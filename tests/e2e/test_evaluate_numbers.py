"""`inkdigits evaluate MODEL --data FOLDER` of whole numbers: the folder that adapt takes, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from adapting import numbers_folder

from inkdigits.cli.main import main
from inkdigits.data.digits import load_offline_digits
from inkdigits.reading.models import BUNDLED_LINE_MODEL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return numbers_folder(tmp_path / "mine", load_offline_digits(), 8)


@pytest.mark.parametrize("between", [",", ";"])
def test_a_folder_of_numbers_is_measured(
    folder: Path, between: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = folder / "labels.csv"
    table.write_text("\ufeff" + table.read_text("utf-8").replace(",", between), "utf-8")
    assert main(["evaluate", str(BUNDLED_LINE_MODEL), "--data", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 8
    assert found["accuracy"] > 0.5


@pytest.mark.parametrize(
    ("text", "told"), [("a;b\n1;2\n", "needs `file` and `label`"), ("", "names no picture")]
)
def test_a_table_that_names_nothing_is_told(
    folder: Path, text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "labels.csv").write_text(text, "utf-8")
    assert main(["evaluate", str(BUNDLED_LINE_MODEL), "--data", str(folder)]) == 3
    assert told in capsys.readouterr().err
