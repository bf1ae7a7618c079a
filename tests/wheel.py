"""Build the wheel, install it without extras into a fresh environment, and read with it.

    python tests/wheel.py

Not a pytest file: it builds an environment of its own, which takes longer than a test should.
Prints one line a step; a step that fails ends it with exit code 1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from inkdigits.data.mnist import at_hand

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("keras", "jax", "tensorflow", "sklearn", "matplotlib", "onnx", "pooch")


def run(*command: str | Path, **options: object) -> str:
    """Run a command and return its output; a failure ends the program with what it printed."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, **options
    )
    if done.returncode != 0:
        sys.exit(f"FAILED {' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def data_name() -> str:
    """MNIST where it is at hand; said aloud where it is not, and an error in CI."""
    if at_hand() is not None:
        return "mnist"
    if os.environ.get("CI"):
        sys.exit("FAILED: MNIST is not at hand")
    print("MNIST is not at hand: training on the offline digits")
    return "digits"


def draw_seven(path: Path) -> None:
    page = np.full((220, 160), 230, np.uint8)
    cv2.polylines(page, [np.array([[40, 50], [120, 50], [75, 180]])], False, 40, 12)
    cv2.imwrite(str(path), page)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        trained = work / "run"
        command = Path(sys.executable).with_name("inkdigits")
        run(
            command,
            "train",
            "quickstart",
            "--data",
            data_name(),
            "--set",
            "training.epochs=2",
            "--out",
            trained,
        )
        print("trained an artefact")
        run(sys.executable, "-m", "build", "--wheel", "--outdir", work / "dist", ROOT)
        wheel = next((work / "dist").glob("*.whl"))
        print(f"built {wheel.name}, {wheel.stat().st_size:,} bytes")
        run(sys.executable, "-m", "venv", work / "venv")
        python = work / "venv" / "bin" / "python"
        run(
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-compile",
            "-c",
            ROOT / "constraints.txt",
            wheel,
        )
        print("installed it without extras")
        check_installation(work, python, trained / "model.onnx")


def check_installation(work: Path, python: Path, artefact: Path) -> None:
    """Read with the trained and with the bundled model, where the training tower is absent."""
    probe = f"import importlib.util as u; print([n for n in {HEAVY} if u.find_spec(n)])"
    found = run(python, "-c", probe, cwd=work).strip()
    if found != "[]":
        sys.exit(f"FAILED: the base install brings {found}")
    image = work / "seven.png"
    draw_seven(image)
    # An empty home: nothing may come from a cache.
    environment = {"PATH": os.environ["PATH"], "HOME": str(work)}
    command = python.with_name("inkdigits")
    for options in (["--model", artefact], []):
        output = run(command, "read", image, "--json", *options, cwd=work, env=environment)
        reading = json.loads(output)
        if (reading["status"], reading["text"]) != ("ok", "7"):
            sys.exit(f"FAILED: read {reading} with {options or 'the bundled model'}")
        print(f"read 7 ({reading['confidence']:.1%}) with {options or 'the bundled model'}")
    run(command, "check", cwd=work, env=environment)


if __name__ == "__main__":
    main()
