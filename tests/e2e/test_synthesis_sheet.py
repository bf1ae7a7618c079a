"""The contact sheet of made images is drawn by a process of its own."""

import subprocess
import sys
from pathlib import Path

import cv2

ROOT = Path(__file__).parents[2]


def test_contact_sheet_is_drawn(tmp_path: Path) -> None:
    script = ROOT / "examples" / "draw_synthesis.py"
    sheet = tmp_path / "sheet.png"
    done = subprocess.run([sys.executable, script, sheet, "digits"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "made images" in done.stdout
    assert cv2.imread(str(sheet)).shape[:2] == (1080, 1920)
