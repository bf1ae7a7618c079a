"""The OpenAPI document says what the service does, and the service does what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from test_load import service

pytest.importorskip("schemathesis", reason="a developer's package")

# No schema can say which bytes are an image, which text is a pattern, or which length has a
# checksum: what is refused for that is no failure.
BEYOND_A_SCHEMA = "positive_data_acceptance"


def test_odd_requests_are_answered_as_documented(tmp_path: Path) -> None:
    with service("--max-seconds", "5", "--queue", "256") as (_, address):
        command = [
            str(Path(sys.executable).parent / "schemathesis"), "run", f"{address}/openapi.json",
            "--phases", "examples,coverage,fuzzing", "--max-examples", "40", "--seed", "0",
            "--exclude-checks", BEYOND_A_SCHEMA,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "No issues found" in done.stdout, done.stdout[-2000:]
