"""The other readers, RapidOCR and Tesseract: installed, asked once, and their answers kept.

RapidOCR gets an environment of its own in the work folder; INKDIGITS_OCR_PYTHON names an
interpreter that has it already. Tesseract comes from Debian.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ocr_sets import Answer, Sample
from peer import VERSIONS_PROGRAM, python_with
from processes import say

from inkdigits.files import sha256, write_text

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "rapidocr-requirements.txt"
RAPIDOCR_READER = HERE / "peers" / "rapidocr_reader.py"
TESSERACT_READER = HERE / "peers" / "tesseract_reader.py"
VARIABLE = "INKDIGITS_OCR_PYTHON"

RAPIDOCR_SETTINGS = ("crop", "bordered", "padded", "detected")
# The usual way on a crop, which is also the most accurate on cheques, and a faster one.
TIMED_SETTINGS = {"RapidOCR": "crop", "RapidOCR, narrow": "narrow"}
TESSERACT_SETTINGS = tuple(
    f"psm {psm}, {height} px" for psm in (7, 8, 10, 13) for height in (32, 48)
)
DEBIAN_PACKAGES = ("tesseract-ocr", "tesseract-ocr-eng")

# Every setting is tried on so many images of a set; those that are not within MARGIN of the best
# are given up, the others read the whole set, and the best of them counts.
TRIED_ON = 25
MARGIN = 0.05


@dataclass(frozen=True)
class Engine:
    """A reader with its version, its settings and the command that starts it."""

    name: str
    version: str
    settings: tuple[str, ...]
    command: tuple[str, ...]
    # Below it nobody takes an answer for sure: what the engine's own pipeline drops.
    least_score: float = 0.0

    def started_with(self, setting: str, *more: str) -> list[str]:
        """Return the command for a setting."""
        return [*self.command, "--setting", setting, *more]


def rapidocr(work: Path) -> Engine:
    """Return RapidOCR, installed at first use."""
    python = rapidocr_python(work)
    command = [str(python), "-c", VERSIONS_PROGRAM, "rapidocr", "onnxruntime"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    version = f"{found['rapidocr']}, onnxruntime {found['onnxruntime']}"
    started = (str(python), str(RAPIDOCR_READER))
    return Engine("RapidOCR", version, RAPIDOCR_SETTINGS, started, least_score=0.5)


def rapidocr_python(work: Path) -> Path:
    """Return the interpreter that has RapidOCR, making its environment at first use."""
    return python_with(REQUIREMENTS, work / "venv-rapidocr", VARIABLE, "RapidOCR")


def tesseract() -> Engine | None:
    """Return Tesseract, installed from Debian where that may be done; None when it is not there."""
    if shutil.which("tesseract") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        say("installing Tesseract …")
        quietly = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        subprocess.run(["apt-get", "update", "-qq"], check=False, stdout=subprocess.DEVNULL)
        subprocess.run([*quietly, *DEBIAN_PACKAGES], check=False, stdout=subprocess.DEVNULL)
    if shutil.which("tesseract") is None:
        say(f"Tesseract is left out. Install it: apt-get install {' '.join(DEBIAN_PACKAGES)}")
        return None
    done = subprocess.run(["tesseract", "--version"], check=True, capture_output=True, text=True)
    version = (done.stdout or done.stderr).split()[1]
    started = (sys.executable, str(TESSERACT_READER))
    return Engine("Tesseract", version, TESSERACT_SETTINGS, started)


class Kept:
    """The answers of an engine by setting and image, kept in a file of the work folder.

    The file is named by engine, version and the script that asks it: a change of any asks anew.
    """

    def __init__(self, engine: Engine, work: Path) -> None:
        self.engine = engine
        script = sha256(Path(engine.command[-1]).read_bytes())[:8]
        version = engine.version.replace(", ", "-").replace(" ", "-")
        self.path = work / f"{engine.name.lower()}-{version}-{script}.json"
        self.answers: dict[str, dict[str, tuple[str, float]]] = {}
        if self.path.is_file():
            self.answers = json.loads(self.path.read_text("utf-8"))

    def ask(self, setting: str, samples: Sequence[Sample]) -> list[Answer]:
        """Return the answers to `samples`, asking for those that are not there yet."""
        known = self.answers.setdefault(setting, {})
        keys = [sha256(sample.path.read_bytes()) for sample in samples]
        new = {key: sample for key, sample in zip(keys, samples, strict=True) if key not in known}
        if new:
            paths = [str(sample.path) for sample in new.values()]
            lines = run_over(self.engine.started_with(setting), paths)
            for key, line in zip(new, lines, strict=True):
                answer = json.loads(line)
                known[key] = (answer["text"], answer["score"])
            write_text(self.path, json.dumps(self.answers))
        return [Answer(*known[key]) for key in keys]

    def ask_sure(self, setting: str, samples: Sequence[Sample]) -> list[Answer]:
        """Like `ask`, and the engine does not stand by what its own pipeline drops."""
        least = self.engine.least_score
        return [replace(a, sure=a.score >= least) for a in self.ask(setting, samples)]


def run_over(command: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Return the line that a reader prints for each path; a failure stops the benchmark."""
    done = subprocess.run(
        command, input="\n".join(paths) + "\n", capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{command[1]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout.splitlines()


def best_answers(kept: Kept, name: str, samples: Sequence[Sample]) -> tuple[str, list[Answer]]:
    """Return the engine's best setting for a set of numbers, and its answers with it."""
    tried = samples[:: max(1, len(samples) // TRIED_ON)]
    trial = {s: right(tried, kept.ask(s, tried)) / len(tried) for s in kept.engine.settings}
    worth = [s for s, share in trial.items() if share >= max(trial.values()) - MARGIN]
    answers = {setting: kept.ask(setting, samples) for setting in worth}
    best = max(worth, key=lambda setting: right(samples, answers[setting]))
    say(f"{kept.engine.name}, {name}: {best}")
    return best, answers[best]


def right(samples: Sequence[Sample], answers: Sequence[Answer]) -> int:
    """Return how many answers are right, whatever their score."""
    return sum(a.digits == sample.number for sample, a in zip(samples, answers, strict=True))
