"""A folder job killed at random moments, interrupted, or out of disk: the same command ends it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

KILLS = 20
# A job that was killed and continued is killed again.
KILLS_EACH = 5
IMAGES = 300
BROKEN = {7: b"", 47: b"nothing", 87: b"\x89PNG\r\n\x1a\n", 299: b"\xff\xd8\xff"}


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small pages, blank and broken ones among them."""
    folder = tmp_path_factory.mktemp("job") / "scans"
    (folder / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(IMAGES):
        page = np.full((64, 48), 225, np.uint8)
        if index % 9:
            start, end = rng.integers(6, 20, 2), rng.integers(25, 60, 2)
            cv2.line(page, start.tolist(), end.tolist(), 50, 5)
        path = folder / ("deep" if index % 3 else "") / f"{index:03}.png"
        if index in BROKEN:
            path.write_bytes(BROKEN[index])
        else:
            cv2.imwrite(str(path), page)
    return folder


@pytest.fixture(scope="module")
def expected(scans: Path) -> tuple[bytes, int]:
    """The output of an unbroken job, and how large its journal was at the end."""
    out = scans.parent / "expected.csv"
    done = subprocess.run(command(out), cwd=scans.parent, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith(f"inkdigits: {IMAGES} images in ")
    done = subprocess.run(
        command(out.with_suffix(".jsonl")), cwd=scans.parent, capture_output=True, text=True
    )
    content = out.read_bytes()
    assert content.count(b"\r\n") == IMAGES + 1
    return content, out.with_suffix(".jsonl").stat().st_size


def command(out: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "inkdigits",
        "read",
        "--layout",
        "digit",
        "scans",
        "--out",
        str(out),
    ]


def finish(out: Path, scans: Path) -> str:
    """Run the same command to its end; return what it says."""
    done = subprocess.run(command(out), cwd=scans.parent, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert os.listdir(out.parent) == [out.name]
    return done.stderr


@contextmanager
def started(out: Path, scans: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the job as a process group of its own, as a shell does."""
    out.parent.mkdir(exist_ok=True)
    with subprocess.Popen(
        command(out),
        cwd=scans.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process


def wait_for_size(path: Path, size: int, process: subprocess.Popen[str]) -> None:
    while process.poll() is None and not (path.exists() and path.stat().st_size >= size):
        time.sleep(0.001)


def planned(rng: random.Random, size: int) -> list[tuple[int, float]]:
    """The kills of one job: so many seconds after its journal has so many bytes, `size` at last."""
    inside = sorted(rng.randrange(1, size) for _ in range(KILLS_EACH - 2))
    return [
        (0, rng.uniform(0, 2)),
        *[(enough, 0.0) for enough in inside],
        (size, rng.uniform(0, 0.02)),
    ]


def killed(out: Path, scans: Path, enough: int, seconds: float) -> int:
    """Start or continue a job and kill it; return how many rows its journal has, all when none."""
    journal = out.with_name("r.csv.part")
    with started(out, scans) as process:
        wait_for_size(journal, enough, process)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    if journal.exists():
        return journal.read_bytes().count(b"\n") - 1
    return IMAGES if out.exists() else -1


def test_twenty_kills_and_every_input_has_exactly_one_row(
    scans: Path, expected: tuple[bytes, int], tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    rng = random.Random(seed)
    content, size = expected
    plans = [planned(rng, size) for _ in range(KILLS // KILLS_EACH)]

    def attempt(number: int) -> tuple[list[int], bool]:
        out = tmp_path / f"job-{number}" / "r.csv"
        rows = [killed(out, scans, *kill) for kill in plans[number]]
        if not out.exists():
            finish(out, scans)
        return rows, out.read_bytes() == content

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(attempt, range(len(plans))))
    assert all(equal for _, equal in results), f"seed {seed}: {plans}, {results}"
    # The kills must really have hit jobs in progress, or this test proves nothing.
    hits = sum(0 < done < IMAGES for rows, _ in results for done in rows)
    assert hits >= KILLS // 3, results


def test_ctrl_c_is_130_and_the_same_command_continues(
    scans: Path, expected: tuple[bytes, int], tmp_path: Path
) -> None:
    content, size = expected
    out = tmp_path / "job" / "r.csv"
    with started(out, scans) as process:
        wait_for_size(out.with_name("r.csv.part"), size // 4, process)
        os.killpg(process.pid, signal.SIGINT)  # as at a terminal: workers hear it too
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130, complaint
    assert complaint.splitlines() == [
        f"inkdigits: what was read is kept in '{out}.part'; the same command continues.",
        "inkdigits: interrupted.",
    ]
    assert os.listdir(out.parent) == ["r.csv.part"]
    assert "were read before" in finish(out, scans)
    assert out.read_bytes() == content


def test_full_disk_is_6_and_the_same_command_continues(
    scans: Path, expected: tuple[bytes, int], tmp_path: Path
) -> None:
    """A limit on file size stands in for a full disk: the write fails in the middle just so."""
    content, size = expected
    out = tmp_path / "job" / "r.csv"
    limited = (
        "import os, resource, sys; limit = int(sys.argv[1]); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)); "
        "os.execv(sys.argv[2], sys.argv[2:])"
    )
    # The journal does not fit; then it does, the output does not.
    for limit in (size // 3, size - 2000):
        done = subprocess.run(
            [sys.executable, "-c", limited, str(limit), *command(out)],
            cwd=scans.parent,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 6, done.stderr
        assert done.stderr.count("inkdigits: error: cannot write") == 1
        assert "the same command continues" in done.stderr
        assert "Traceback" not in done.stderr
        assert os.listdir(out.parent) == ["r.csv.part"]
    finish(out, scans)
    assert out.read_bytes() == content


def test_workers_end_with_a_killed_parent(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "job" / "r.csv"
    with started(out, scans) as process:
        wait_for_size(out.with_name("r.csv.part"), 2000, process)
        process.kill()
        process.wait()
        # All of the group have stderr open: its end is theirs.
        process.communicate(timeout=60)
