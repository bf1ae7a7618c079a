"""A small share of what `benchmarks/fuzz.py` does in full."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"


def fuzz(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--trial", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_mutated_files_are_read_or_refused() -> None:
    done = fuzz("--files", "250", "--seed", "7", "--workers", "1")
    assert done.returncode == 0, done.stdout or done.stderr
    found = json.loads(done.stdout)
    assert found["total"] == sum(found["outcomes"].values()) == 250
    assert set(found["by_format"]) == {"BMP", "GIF", "JPEG", "PDF", "PNG", "TIFF", "WEBP"}
    # A mutation that always ruins the file, or never, would try nothing.
    assert found["outcomes"]["result"] > 25
    assert found["outcomes"]["error 3"] > 25


def test_a_hang_is_seen_and_the_work_goes_on() -> None:
    done = fuzz("--files", "3", "--seconds", "0.01", "--workers", "1")
    assert done.returncode == 1
    assert json.loads(done.stdout)["outcomes"]["hang"] == 3


def test_a_seed_gives_the_same_files() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r})\n"
        "from fuzz_files import mutated, valid_files; import hashlib\n"
        "files = valid_files()\n"
        "print(hashlib.sha256(b''.join(mutated(3, i, files)[1] for i in range(50))).hexdigest())\n"
        "print(len({mutated(3, i, files)[1] for i in range(50)}))"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True) for _ in range(2)]
    assert runs[0].returncode == 0, runs[0].stderr
    assert runs[0].stdout == runs[1].stdout
    assert int(runs[0].stdout.split()[1]) > 45
