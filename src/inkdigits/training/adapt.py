"""Adapting a model to labelled images of one's own, and measuring honestly whether it helped.

The images are parted in three. A network is taught on two parts and measured on the third, three
times; each image is so read by a network that did not learn from it. What is written is the mean of
the three networks (Wortsman et al., 2022, *Model soups*), which has seen all of them.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from inkdigits import __version__
from inkdigits.artefact.metadata import LINE_LABELS, Metadata
from inkdigits.data.source import load_dataset
from inkdigits.errors import CannotWrite, InvalidData, ModelRefused, UsageError
from inkdigits.files import lock, make_folder, open_growing, sha256, write_bytes, write_text
from inkdigits.models.backend import set_up_keras
from inkdigits.reading.models import BUNDLED_LINE_MODEL, BUNDLED_MODEL
from inkdigits.reading.session import Session, read_model
from inkdigits.training.adapt_data import (
    FEWEST,
    Sample,
    data_sha256,
    keeps_sources,
    load_samples,
    parted,
)
from inkdigits.training.adapt_digit import DigitLearner
from inkdigits.training.adapt_lessons import PARTS, Found, Learner, Work, learn_and_measure
from inkdigits.training.adapt_line import LineLearner
from inkdigits.training.adapt_report import Report
from inkdigits.training.run import quiet_console

WAY = 4
"""How lessons are given: what another way has left is not continued."""


def adapt(
    folder: Path,
    out: Path,
    model: Path | None = None,
    *,
    seed: int = 0,
    console: Console | None = None,
) -> Report:
    """Adapt `model`, by default a bundled one, to the labelled images in `folder`; return a Report.

    `out` becomes the new model where it is better than the old one, and otherwise, if there is no
    such file yet, a copy of the old one; another model that is there stays. Broken off, the same
    call continues to the same result; what it needs for that lies in `OUT.adapting` meanwhile.
    Raises InvalidData for fewer than 20 images or one that is unusable, ModelRefused, UsageError,
    DataUnavailable, CannotWrite, also where `out` is there and no model.
    """
    started = time.perf_counter()
    require_model(out)
    samples = load_samples(folder)
    parent = model or bundled_for(samples)
    content = read_model(parent)
    kind = kind_of(content, parent, samples)
    dataset = load_dataset("auto")
    set_up_keras()
    kinds: dict[str, type[Learner]] = {"line": LineLearner, "digit": DigitLearner}
    learner = kinds[kind](parent, samples, seed)
    require_ink(learner.samples, samples, folder)
    parts = parted(learner.samples, PARTS, seed)
    plan: dict[str, Any] = {
        "parent": sha256(content),
        "data": data_sha256(samples),
        "beside": dataset.sha256,
        "seed": seed,
        "version": __version__,
        "way": WAY,
        "parts": sha256(parts.tobytes()),
    }
    with work_folder(out, plan) as place:
        work = Work(learner, parts, place, console or quiet_console())
        if not keeps_sources(learner.samples, parts):
            work.say("too few pages to part the images by them: what is measured may flatter")
        found = learn_and_measure(work, content, dataset)
        if found.findings.better:
            told = origin_of(found, folder, plan)
            write_bytes(out, learner.artefact(found.weights, told))
        elif not out.exists():
            write_bytes(out, content)
    kept = out if out.read_bytes() == content or found.findings.better else parent
    shutil.rmtree(place, ignore_errors=True)
    return Report(
        model=kept,
        kind=kind,
        findings=found.findings,
        left_out=len(samples) - len(learner.samples),
        seconds=round(time.perf_counter() - started, 1),
        parent_sha256=plan["parent"],
        data_sha256=plan["data"],
    )


def origin_of(found: Found, folder: Path, plan: dict[str, Any]) -> Metadata:
    """Return what the new artefact says of itself: also from what it came, and how it did."""
    return replace(
        found.metadata,
        data_name=folder.resolve().name,
        data_sha256=plan["data"],
        parent_sha256=plan["parent"],
        scores=found.findings.scores,
    )


def require_model(out: Path) -> None:
    """Raise CannotWrite where `out` is there and no model: it would be told only after minutes."""
    if out.is_dir():
        raise CannotWrite(f"{str(out)!r} is a folder.", "Name a file, as in -o mine.onnx.")
    if not out.exists():
        return
    try:
        Session(out, 1)
    except ModelRefused as error:
        raise CannotWrite(
            f"{str(out)!r} is there already, and no model.", "Name another file."
        ) from error


def require_ink(seen: Sequence[Sample], samples: Sequence[Sample], folder: Path) -> None:
    """Raise InvalidData where too few of the images show anything."""
    if len(seen) < FEWEST:
        raise InvalidData(
            f"{len(seen)} of {len(samples)} images in {str(folder)!r} show ink; "
            f"adapting needs {FEWEST} or more."
        )


def bundled_for(samples: Sequence[Sample]) -> Path:
    """Return the bundled model for such labels: of single digits, or of whole numbers."""
    return BUNDLED_MODEL if all(len(one.text) == 1 for one in samples) else BUNDLED_LINE_MODEL


def kind_of(content: bytes, parent: Path, samples: Sequence[Sample]) -> str:
    """Return `line` or `digit`; raises UsageError where a digit model is to learn numbers."""
    if Session(content, 1).metadata.labels == LINE_LABELS:
        return "line"
    long = next((one for one in samples if len(one.text) > 1), None)
    if long is not None:
        raise UsageError(
            f"{str(parent)!r} reads single digits, {long.path.name!r} is labelled {long.text!r}.",
            "Leave --model out, or name a model of whole numbers.",
        )
    return "digit"


@contextmanager
def work_folder(out: Path, plan: dict[str, Any]) -> Iterator[Path]:
    """Yield the folder beside `out` that a broken adaptation continues from.

    What another plan left there is removed. Raises UsageError where another process works in it.
    """
    folder = make_folder(out.with_name(f"{out.name}.adapting"))
    with open_growing(folder / "lock") as file:
        lock(file.fileno(), out, "Wait for it, or name another file.")
        path, text = folder / "plan.json", json.dumps(plan, sort_keys=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            for old in folder.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
            write_text(path, text)
        yield folder
