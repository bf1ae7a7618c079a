"""`inkdigits data` on the real MNIST."""

import json
from pathlib import Path

import pytest

from inkdigits.cli.main import main
from inkdigits.data import mnist
from inkdigits.errors import ExitCode


@pytest.mark.mnist
def test_verify_and_explore(
    mnist_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "verify", str(mnist_folder)]) == ExitCode.DONE
    assert capsys.readouterr().out.count("right") == len(mnist.FILES)
    out = tmp_path / "grid.png"
    arguments = ["data", "explore", "--data", str(mnist_folder), "--out", str(out)]
    assert main([*arguments, "--indices", "0,1,2,3,4,5,6,7,8", "--json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["train"]["n"] == 60_000
    assert found["train"]["value_range"] == [0, 255]
    assert sum(found["test"]["per_digit"]) == 10_000
    assert out.read_bytes().startswith(b"\x89PNG")
    assert main(arguments) == ExitCode.DONE
    assert "train: 60,000 images" in capsys.readouterr().out
