"""Imports are architecture: what the reading tower loads, and what it can do without."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import inkdigits

HEAVY = ("keras", "jax", "tensorflow", "torch", "sklearn", "matplotlib", "onnx", "pooch")


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_package_import_is_lazy() -> None:
    names = loaded_after("import inkdigits, inkdigits.cli.main")
    assert not names & {*HEAVY, "numpy", "cv2", "PIL", "onnxruntime", "rich"}


def test_recipes_are_read_without_keras() -> None:
    names = loaded_after("from inkdigits.training import load_recipe; load_recipe('quickstart')")
    assert not names & set(HEAVY)


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "quickstart", "--set", "training.epoch=3"],
        ["train", "--out", "/usr"],
        ["train", "--list"],
        ["train", "--process", "1"],
        ["tune", "quickstart"],
        ["tune", "--set", "search.model.dropout.high=2.0"],
        ["tune", "--trials", "0"],
        ["tune", "--resume", "absent"],
        ["data", "verify", "absent"],
    ],
)
def test_what_needs_no_keras_is_told_without_it(arguments: list[str]) -> None:
    names = loaded_after(f"from inkdigits.cli.main import main; main({arguments!r})")
    assert not names & {"keras", "jax", "sklearn", "matplotlib", "optuna"}


def test_all_is_sorted_and_complete() -> None:
    assert inkdigits.__all__ == sorted(inkdigits.__all__)
    assert dir(inkdigits) == inkdigits.__all__
    for name in inkdigits.__all__:
        assert getattr(inkdigits, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = inkdigits.nonsense


def test_reads_where_the_training_tower_cannot_be_imported(tmp_path: Path) -> None:
    page = np.full((200, 140), 225, np.uint8)
    cv2.line(page, (70, 30), (70, 170), 50, 12)
    cv2.imwrite(str(tmp_path / "one.png"), page)
    blocked = "\n".join(f"sys.modules[{name!r}] = None" for name in HEAVY)
    code = (
        f"import sys\n{blocked}\nfrom inkdigits.cli.main import main\n"
        f"sys.exit(main(['read', {str(tmp_path / 'one.png')!r}, '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["text"] == "1"
    assert done.stderr == ""


def test_training_says_which_extra_it_needs() -> None:
    code = (
        "import sys\nsys.modules['keras'] = None\nsys.modules['jax'] = None\n"
        "from inkdigits.cli.main import main\nsys.exit(main(['train', 'quickstart']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert 'pip install "inkdigits[train]"' in done.stderr
    assert done.stderr.count("\n") == 1


def test_read_keeps_its_libraries_on_one_thread_unless_the_user_says_otherwise() -> None:
    code = (
        "from inkdigits.cli.main import main; main(['read', 'absent.png']); "
        "import cv2, os; print(cv2.getNumThreads(), os.environ['OPENBLAS_NUM_THREADS'])"
    )
    for given, told in (({}, "1 1"), ({"OPENBLAS_NUM_THREADS": "2"}, "1 2")):
        env = {key: value for key, value in os.environ.items() if "THREADS" not in key}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={**env, **given}
        )
        assert done.stdout.splitlines()[-1] == told, done.stderr
