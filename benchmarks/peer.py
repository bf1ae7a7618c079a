"""The peer's own Python environment: Keras on TensorFlow, apart from ours.

`.venv-tensorflow` in the repository's root is made at first use. INKDIGITS_PEER_PYTHON names an
interpreter that already has the packages of peer-requirements.txt instead.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from processes import say
from record import ROOT

HERE = Path(__file__).resolve().parent
FOLDER = ROOT / ".venv-tensorflow"
REQUIREMENTS = HERE / "peer-requirements.txt"
# Written last, so that an interrupted installation is not taken for a whole one.
DONE = FOLDER / "installed.txt"
VARIABLE = "INKDIGITS_PEER_PYTHON"

TRAIN = HERE / "peers" / "keras_tensorflow.py"
PREDICT = HERE / "peers" / "keras_predict.py"
THROUGHPUT = HERE / "peers" / "keras_throughput.py"

PACKAGES = ("keras", "tensorflow-cpu", "numpy", "scikit-learn", "matplotlib", "seaborn")
VERSIONS_PROGRAM = """
import json, platform, sys
from importlib import metadata
found = {"python": platform.python_version()} | {n: metadata.version(n) for n in sys.argv[1:]}
print(json.dumps(found))
"""


def peer_python() -> Path:
    """Return the peer's interpreter, installing its environment at first use."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    # Not resolved: the interpreter of a virtual environment is a link.
    python = FOLDER / "bin" / "python"
    if not DONE.is_file() or DONE.read_text(encoding="utf-8") != REQUIREMENTS.read_text("utf-8"):
        install(python)
    return python


def python_with(requirements: Path, folder: Path, variable: str, names: str) -> Path:
    """Return an interpreter that has what `requirements` list, called `names` for people.

    It is the one that the environment `variable` names, else that of the virtual environment
    `folder`, which is made at first use and after a change of the list.
    """
    given = os.environ.get(variable)
    if given:
        return Path(given)
    # Not resolved: the interpreter of a virtual environment is a link.
    python, done = folder / "bin" / "python", folder / "installed.txt"
    wanted = requirements.read_text("utf-8")
    if not done.is_file() or done.read_text("utf-8") != wanted:
        say(f"installing {names} into {folder.name} …")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        # Our constraints: both sides run on the same ONNX Runtime.
        limits = ["-c", str(ROOT / "constraints.txt")]
        pip = [str(python), "-m", "pip", "install", "-qq", *limits, "-r", str(requirements)]
        subprocess.run(pip, check=True)
        done.write_text(wanted, "utf-8")
    return python


def install(python: Path) -> None:
    """Make the environment and install the peer's packages, under our constraints."""
    constraints = ROOT / "constraints.txt"
    limits = ["-c", str(constraints)] if constraints.is_file() else []
    print(f"installing the peer into {FOLDER.name} …", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
    pip = [str(python), "-m", "pip", "install", "-qq", *limits, "-r", str(REQUIREMENTS)]
    subprocess.run(pip, check=True)
    DONE.write_text(REQUIREMENTS.read_text("utf-8"), encoding="utf-8")


def peer_versions(python: Path) -> dict[str, str]:
    """Return the versions of the peer's Python and packages."""
    command = [str(python), "-c", VERSIONS_PROGRAM, *PACKAGES]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    versions: dict[str, str] = json.loads(done.stdout)
    return versions


if __name__ == "__main__":
    print(json.dumps(peer_versions(peer_python()), indent=2))
