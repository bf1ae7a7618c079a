"""The costs of one core that `scaling` starts from, measured: images, their files, trials."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import optuna
import pyarrow
import pyarrow.parquet
from folder import SEED
from processes import environment, run, say

from inkdigits.cluster.fetch import fetch_file, fetch_rows
from inkdigits.cluster.parts import File, Rows
from inkdigits.data.dataset import split_val
from inkdigits.data.source import load_mnist
from inkdigits.imaging.decode import decode
from inkdigits.models.backend import set_up_keras
from inkdigits.reading.reader import Reader
from inkdigits.reading.table_file import write_table
from inkdigits.search.study import distribution
from inkdigits.search.trial import Bench
from inkdigits.synthesis.numbers import write_numbers
from inkdigits.training import load_recipe
from inkdigits.training.material import gather_material

IMAGES, ROUNDS = 100, 3
TRIALS = 10_000
READ_ONCE = """
import cv2, numpy, ray.data
from inkdigits.cluster.part_reader import Order, PartReader
from inkdigits.reading.settings import ReaderSettings
page = numpy.full((100, 300), 225, numpy.uint8)
cv2.putText(page, "47", (90, 70), 0, 2, 40, 5)
PartReader(Order(ReaderSettings(), None, ".", "/tmp"))._reader.read(page)
rss = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(int(rss.split()[1]) / 1024)
"""


@dataclass(frozen=True)
class Kind:
    """A kind of image: its bytes, and the seconds of one core to decode it and to read it all.

    `reads` are the seconds of single images; decoding is part of them.
    """

    name: str
    size: float
    decode: float
    read: float
    reads: Sequence[float]


@dataclass(frozen=True)
class Costs:
    """Seconds of one core: for an image's file, for its row of a table, for its row of results."""

    file: float
    table_row: float
    result_row: float
    result_bytes: float
    reader_mib: float


def seconds_each(work: Callable[[Any], Any], items: Sequence[Any]) -> list[float]:
    """Return for each item the least of a few times that `work` takes over it."""
    best = [float("inf")] * len(items)
    for _ in range(ROUNDS):
        for place, item in enumerate(items):
            started = time.process_time()
            work(item)
            best[place] = min(best[place], time.process_time() - started)
    return best


def kinds() -> list[tuple[str, str, list[bytes]]]:
    """Return kinds of images, each with its layout and files: digits, crops, photos of crops."""
    split = load_mnist()
    digits = [png(255 - image) for image in split.test.images[:IMAGES]]
    greys = [grey for grey, _ in write_numbers(IMAGES, split.train, np.random.default_rng(SEED))]
    photos = [jpeg(cv2.resize(grey, (1600, 400))) for grey in greys[: IMAGES // 3]]
    return [
        ("digit, 28 × 28 PNG", "digit", digits),
        ("number, crop as PNG", "auto", [png(grey) for grey in greys]),
        ("number, 1600 × 400 JPEG", "line", photos),
    ]


def png(grey: Any) -> bytes:
    """Return an image as a PNG file."""
    return bytes(cv2.imencode(".png", grey)[1])


def jpeg(grey: Any) -> bytes:
    """Return an image as a JPEG file."""
    return bytes(cv2.imencode(".jpg", grey)[1])


def measure_kind(name: str, layout: str, files: list[bytes]) -> Kind:
    """Measure one kind on one core."""
    reader = Reader(threads=1, layout=layout)
    reader.read(files[0])
    reads = seconds_each(lambda file: reader.read_or_error(file, "x.png"), files)
    decodes = seconds_each(decode, files)
    size = statistics.fmean(map(len, files))
    kind = Kind(name, size, statistics.fmean(decodes), statistics.fmean(reads), reads)
    say(f"{name}: {size:.0f} bytes, decode {kind.decode:.2e} s, read {kind.read:.2e} s")
    return kind


def measure_costs(files: list[bytes]) -> Costs:
    """Measure what surrounds the reading of crops."""
    reader = Reader(threads=1)
    rows = [
        reader.read_or_error(file, f"scans/{n:06}.png").to_dict() for n, file in enumerate(files)
    ]
    many = rows * (5_000 // len(rows))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number, file in enumerate(files):
            (folder / f"{number}.png").write_bytes(file)
        urls = [File((folder / f"{n}.png").as_uri(), len(file)) for n, file in enumerate(files)]
        table = folder / "images.parquet"
        pyarrow.parquet.write_table(pyarrow.table({"image": files}), table)
        group = Rows(str(table), "image", 0, 0, len(files), 0)
        [of_rows] = seconds_each(lambda rows: list(fetch_rows(rows)), [group])
        out = folder / "out.parquet"
        write_table(out, rows)
        size = out.stat().st_size / len(rows)
        [of_results] = seconds_each(lambda rows: write_table(out, rows), [many])
        return Costs(
            statistics.fmean(seconds_each(fetch_file, urls)),
            of_rows / len(files),
            of_results / len(many),
            size,
            reader_mib(),
        )


def reader_mib() -> float:
    """Return the memory in MiB of a process that reads on a cluster, when it has read once."""
    return float(run([sys.executable, "-c", READ_ONCE], environment()).result())


@dataclass(frozen=True)
class Search:
    """Seconds of one core: a first epoch, with its compilation, one more, and a proposal.

    `proposal` is by how many trials the sampler has seen.
    """

    first_epoch: float
    epoch: float
    proposal: dict[int, float]


def measure_search() -> Search:
    """Measure epochs of `early-stopping` on MNIST, and what the sampler takes to propose."""
    set_up_keras()
    changes = ("training.epochs=4", "training.early_stopping.patience=0")
    recipe = load_recipe("early-stopping").override(changes)
    train, val = split_val(load_mnist().train, recipe.data.val_fraction)
    bench = Bench(gather_material(recipe, train), val)
    ends = [time.process_time()]

    def note(_epoch: int, _loss: float) -> bool:
        ends.append(time.process_time())
        return False

    bench.run(recipe, note)
    first, *others = [after - before for before, after in pairwise(ends)]
    proposals = {n: seconds_of_a_proposal(recipe.axes(), n) for n in (100, 1_000, TRIALS)}
    return Search(first, statistics.median(others), proposals)


def seconds_of_a_proposal(axes: Sequence[Any], n: int) -> float:
    """Return what one more proposal takes when `n` trials have ended."""
    space = {axis.key: distribution(axis) for axis in axes}
    random = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=SEED))
    trials = []
    for number in range(n):
        trial = random.ask(space)
        trials.append(
            optuna.trial.create_trial(
                params=trial.params, distributions=space, value=float(number % 97)
            )
        )
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=SEED))
    study.add_trials(trials)
    started = time.process_time()
    study.ask(space)
    return time.process_time() - started
