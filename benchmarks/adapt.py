"""Adapting to real paper: how much better an adapted model reads what it did not see.

Cheques: 300 and 50 of them adapt the bundled model, the others measure it, by the reader's own
answers (`--layout auto`, exact match of the digits, whatever the confidence), beside RapidOCR's on
the same images. Drawings of one source: 50 adapt, the rest measures. Poisoned: the same 300 cheques
with shuffled labels. The folder is given by --paper or INKDIGITS_PAPER; each adapted model is
measured and deleted, and nothing of the images but counts goes into the record.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_engines import Kept, best_answers, rapidocr
from ocr_sets import Answer, Sample, samples_of
from processes import INKDIGITS, common_arguments, emptied, environment, run, say
from record import HAIR, Figure, mean_figure, write_record

from inkdigits.errors import DataUnavailable
from inkdigits.reading.cores import cores
from inkdigits.reading.reader import Reader

MANY, FEW, DRAWINGS = 300, 50, 50
PARTS = ("many", "few", "drawings", "poisoned")
GAIN, MOST_SECONDS, MOST_LOST = 0.08, 240, 0.001


@dataclass(frozen=True)
class Split:
    """One adaptation: how many unseen images are read right before and after, and its report."""

    n: int
    before: int
    after: int
    seconds: float
    report: dict[str, Any]

    @property
    def gain(self) -> float:
        """The difference of the shares."""
        return (self.after - self.before) / self.n

    @property
    def facts(self) -> dict[str, Any]:
        """What the record keeps of it."""
        found = self.report["findings"]
        return {
            "n": self.n,
            "before": self.before,
            "after": self.after,
            "seconds": round(self.seconds, 1),
            "better": found["better"],
            "why": found["why"],
            "held_out": [found["held_out"][key] for key in ("n", "before", "after")],
            "digits": [found["digits"][key] for key in ("n", "before", "after")],
            "curve": [[point["learnt"], point["right"], point["n"]] for point in found["curve"]],
        }


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = common_arguments(__doc__)
    parser.add_argument("--paper", type=Path, default=os.environ.get("INKDIGITS_PAPER"))
    parser.add_argument("--splits", type=int, default=5, help="random splits (default: 5)")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--record", action="store_true", help="write records/adapt*.json")
    return parser.parse_args()


def parted(samples: Sequence[Sample], n: int, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Return `n` samples to learn from, drawn by `seed`, and the others."""
    order = list(samples)
    random.Random(seed).shuffle(order)
    return order[:n], order[n:]


def labelled(samples: Sequence[Sample], folder: Path, poison: int | None = None) -> Path:
    """Put samples into a folder with labels, in another order with `poison` as seed."""
    emptied(folder)
    labels = [str(sample.number) for sample in samples]
    if poison is not None:
        random.Random(poison).shuffle(labels)
    rows = [
        (f"{n:03}{sample.path.suffix}", label)
        for n, (sample, label) in enumerate(zip(samples, labels, strict=True))
    ]
    for sample, (name, _) in zip(samples, rows, strict=True):
        shutil.copyfile(sample.path, folder / name)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "label"), *rows])
    return folder


@contextmanager
def adapted(folder: Path, seed: int) -> Iterator[tuple[Path, float, dict[str, Any]]]:
    """Yield the model that adapting to `folder` gives, its seconds and its report; delete both."""
    model = folder.with_suffix(".onnx")
    model.unlink(missing_ok=True)
    command = [INKDIGITS, "adapt", folder, "-o", model, "--seed", str(seed), "--json"]
    try:
        done = run(command, environment())
        yield model, done.seconds, done.result()
    finally:
        model.unlink(missing_ok=True)
        shutil.rmtree(folder)


def right(model: Path | None, samples: Sequence[Sample]) -> int:
    """Return how many samples a reader reads right; without a model by the bundled ones."""
    reader = Reader(model)

    def is_right(sample: Sample) -> bool:
        reading = reader.read_or_error(sample.path)
        return Answer(reading.text, reading.confidence).digits == sample.number

    with ThreadPoolExecutor(cores()) as pool:
        return sum(pool.map(is_right, samples))


def measure(learnt: list[Sample], rest: list[Sample], folder: Path, seed: int) -> Split:
    """Adapt to `learnt` and read the `rest`."""
    with adapted(labelled(learnt, folder), seed) as (model, seconds, report):
        # A model of single digits reads nothing else, so that the bundled pair is what it replaces.
        split = Split(len(rest), right(None, rest), right(model, rest), seconds, report)
    say(f"{folder.name}, seed {seed}: {split.before} → {split.after} of {split.n}, {seconds:.0f} s")
    return split


def is_kept(learnt: list[Sample], folder: Path, seed: int) -> bool:
    """Return whether the old model stays where the labels are shuffled."""
    with adapted(labelled(learnt, folder, poison=seed), seed) as (_, _, report):
        kept = not report["findings"]["better"]
    say(f"{folder.name}, seed {seed}: {'kept' if kept else 'NOT KEPT'}")
    return kept


def largest_source(folder: Path) -> list[Sample]:
    """Return the samples of the source with the most images in a set."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        kinds = {row["file"]: row["kind"] for row in csv.DictReader(file)}
    most, _ = Counter(kinds.values()).most_common(1)[0]
    known = [one for one in samples_of(folder) if one.number is not None]
    return [one for one in known if kinds[str(one.path.relative_to(folder))] == most]


def many_figures(cheques: list[Sample], splits: list[Split], work: Path) -> list[Figure]:
    """Return the figures of adapting to many cheques, beside RapidOCR."""
    peers = work.parent / "ocr-peers"
    peers.mkdir(parents=True, exist_ok=True)
    _, answers = best_answers(Kept(rapidocr(peers), peers), "cheques", cheques)
    theirs = {
        sample.path: answer.digits == sample.number
        for sample, answer in zip(cheques, answers, strict=True)
    }
    shares = []
    for seed, split in enumerate(splits):
        _, rest = parted(cheques, MANY, seed)
        shares.append(sum(theirs[sample.path] for sample in rest) / split.n)
    ours = [split.after / split.n for split in splits]
    margins = [own - other for own, other in zip(ours, shares, strict=True)]
    lost = [loss_on_digits(split) for split in splits]
    seconds = [split.seconds for split in splits]
    what = f"{MANY} cheques adapt, exact match of the others"
    return [
        mean_figure(f"{what}, bundled", "share", [s.before / s.n for s in splits]),
        mean_figure(f"{what}, adapted", "share", ours),
        mean_figure(f"{what}, RapidOCR", "share", shares),
        mean_figure(f"{what}, gain", "difference", [s.gain for s in splits], above=GAIN - HAIR),
        Figure(
            f"{what}, adapted − RapidOCR, the worst", "difference", min(margins), margins, above=0
        ),
        Figure(
            f"seconds to adapt to {MANY} cheques, the longest",
            "seconds",
            max(seconds),
            seconds,
            at_most=MOST_SECONDS,
        ),
        mean_figure("loss on MNIST's test after it", "difference", lost, at_most=MOST_LOST),
    ]


def loss_on_digits(split: Split) -> float:
    """Return the share of MNIST's test that is read no more."""
    digits = split.report["findings"]["digits"]
    return float((digits["before"] - digits["after"]) / digits["n"])


def main() -> None:
    """Adapt, measure, and write the record when asked to."""
    asked = options()
    if asked.paper is None or not Path(asked.paper).is_dir():
        raise DataUnavailable(
            f"no folder of real images: {asked.paper!r}.", "Give --paper, or set INKDIGITS_PAPER."
        )
    paper, wanted = Path(asked.paper), asked.only.split(",")
    work = (asked.work / "adapt").resolve()
    work.mkdir(parents=True, exist_ok=True)
    cheques = [sample for sample in samples_of(paper / "cheques") if sample.number]
    seeds = range(asked.splits)
    figures: list[Figure] = []
    facts: dict[str, Any] = {}
    if "many" in wanted:
        many = [measure(*parted(cheques, MANY, seed), work / "many", seed) for seed in seeds]
        figures += many_figures(cheques, many, work)
        facts["many"] = [split.facts for split in many]
    if "few" in wanted:
        few = [measure(*parted(cheques, FEW, seed), work / "few", seed) for seed in seeds]
        worse = [float(split.after < split.before) for split in few]
        what = f"{FEW} cheques adapt"
        figures += [
            mean_figure(
                f"{what}, exact match of the others, gain", "difference", [s.gain for s in few]
            ),
            Figure(f"{what}, splits in which it got worse", "count", sum(worse), worse, at_most=0),
        ]
        facts["few"] = [split.facts for split in few]
    if "drawings" in wanted:
        drawings = largest_source(paper / "drawings")
        split = measure(*parted(drawings, DRAWINGS, 0), work / "drawings", 0)
        wrong = split.n - split.after
        what = f"{DRAWINGS} drawings of one source adapt, errors on the {split.n} others"
        figures.append(Figure(what, "count", wrong, [wrong], at_most=(split.n - split.before) / 2))
        facts["drawings"] = split.facts
    if "poisoned" in wanted:
        kept = [
            float(is_kept(parted(cheques, MANY, seed)[0], work / "poisoned", seed))
            for seed in seeds
        ]
        what = "labels shuffled: adaptations that did not keep the old model"
        figures.append(Figure(what, "count", len(kept) - sum(kept), kept, at_most=0))
    if asked.record:
        name = "adapt" if set(wanted) == set(PARTS) else f"adapt-{'-'.join(wanted)}"
        write_record(name, figures, asked.records, seeds=list(seeds), n=len(cheques), **facts)
        return
    for figure in figures:
        print(f"{figure.what}: {figure.value:.4f} {figure.kind} {figure.met}")


if __name__ == "__main__":
    main()
