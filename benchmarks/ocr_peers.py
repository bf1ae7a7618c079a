"""Numbers on real images: `inkdigits read` against RapidOCR 3.10 and Tesseract, side by side.

The folder of images is given by --paper or INKDIGITS_PAPER; nothing of it but counts, shares and
seconds goes into the record. Each peer gets the best of its settings, chosen for each set on the
very images it is scored on, everything but digits is ignored in its answers on numbers, and its
answers are kept in the work folder, so that a second run only times. A number is read right when
the text says so, whether or not its reader stands by it. Both sides of the timing read
the same crops in turn, crop by crop, from array to text, with two threads each.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from ocr_engines import TIMED_SETTINGS, Engine, Kept, best_answers, rapidocr, tesseract
from ocr_sets import (
    CONFIDENT,
    Answer,
    Sample,
    Tally,
    load_sets,
    read_as_number,
    shows_numbers,
    tally,
    with_digits,
)
from PIL import Image
from processes import INKDIGITS, arguments
from record import HAIR, Figure, median_figure, ratio_figure, write_record

from inkdigits import __version__
from inkdigits.errors import DataUnavailable
from inkdigits.evaluation.numbers import expected_error
from inkdigits.reading.reader import Layout, Reader

OURS: dict[Layout, str] = {"auto": "inkdigits", "line": "inkdigits --layout line"}
BARS = {"cheques": 0.84, "numbers": 0.91, "marksheet": 0.965, "photos": 0.96, "drawings": 0.95}
READ_AS_NUMBER_BAR = 0.05
SHARE_READ_BAR = 0.55
CAREFUL = 0.01
# Who wants so few errors says so, and the reader looks longer.
ASKED_FOR = f"inkdigits --target-error {CAREFUL}"
TIME_BAR = 0.6
TIMED = "cheques"
THREADS = 2
# Until the other side's threads have gone to sleep: ONNX Runtime's spin for a while.
PAUSE = 0.04


@dataclass(frozen=True)
class Scores:
    """What one reader made of the sets: tallies on numbers, counts on what is no number."""

    version: str
    settings: dict[str, str]
    numbers: dict[str, Tally]
    confident_number: dict[str, int]
    read_as_number: dict[str, int]
    with_digits: dict[str, int]


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--paper", type=Path, default=os.environ.get("INKDIGITS_PAPER"))
    parser.add_argument("--model", type=Path, help="an ONNX artefact (default: the bundled ones)")
    parser.add_argument("--starts", type=int, default=7, help="whole processes (default: 7)")
    parser.add_argument("--record", action="store_true", help="write records/ocr-peers.json")
    parser.add_argument("--peers-only", action="store_true", help="ask the peers, and no more")
    return parser.parse_args()


def score_ours(sets: Mapping[str, list[Sample]], model: Path | None, layout: Layout) -> Scores:
    """Read every image in this process."""
    reader = Reader(model, threads=THREADS, layout=layout)
    answers = {name: answers_of(reader, samples) for name, samples in sets.items()}
    return scores_of(sets, answers, __version__, dict.fromkeys(sets, layout))


def answers_of(reader: Reader, samples: Sequence[Sample]) -> list[Answer]:
    """Return what `reader` says of each sample."""
    readings = [reader.read_or_error(sample.path) for sample in samples]
    return [Answer(one.text, one.confidence, one.status == "ok") for one in readings]


def careful_answers(
    sets: Mapping[str, list[Sample]], model: Path | None
) -> dict[str, list[Answer]]:
    """Return what a reader says of each set who is told that few may be wrong."""
    reader = Reader(model, threads=THREADS, target_error=CAREFUL)
    return {name: answers_of(reader, samples) for name, samples in sets.items()}


def careful_figures(
    sets: Mapping[str, list[Sample]], answers: Mapping[str, list[Answer]]
) -> list[Figure]:
    """Return how many numbers can be read when few may be wrong, and how many are wrong then."""
    figures = []
    for name in filter(shows_numbers, sets):
        counts = tally(sets[name], answers[name])
        what = f"`paper/{name}`, read when 1 % of those read may be wrong, {ASKED_FOR}"
        shown = name == TIMED
        bar = SHARE_READ_BAR - HAIR if shown else None
        share, accepted = counts.share_read, counts.right + counts.wrong
        figures.append(Figure(what, "share", share, [share], above=bar, in_table=shown))
        for word, count in (("accepted", accepted), ("of these wrong", counts.wrong)):
            what = f"`paper/{name}`, {ASKED_FOR}, {word}"
            figures.append(Figure(what, "count", count, [count], in_table=shown))
        error = confidence_error(sets[name], answers[name])
        what = f"`paper/{name}`, {ASKED_FOR}, ECE"
        figures.append(Figure(what, "share", error, [error], in_table=shown))
    others = [name for name in sets if not shows_numbers(name)]
    count = sum(read_as_number(answers[name]) for name in others)
    what = f"no numbers, {ASKED_FOR}, accepted as one"
    return [*figures, Figure(what, "count", count, [count])]


def confidence_error(samples: Sequence[Sample], answers: Sequence[Answer]) -> float:
    """Return the ECE of what was read at all, accepted or not."""
    said = [pair for pair in zip(samples, answers, strict=True) if pair[1].digits]
    right = np.array([answer.digits == sample.number for sample, answer in said])
    return expected_error(np.array([answer.score for _, answer in said]), right)


def score_peer(sets: Mapping[str, list[Sample]], engine: Engine, work: Path) -> Scores:
    """Ask a peer about every image, with its best setting for each set.

    What is no number is read with the setting that suits the numbers of its set, and symbols with
    the one for single drawn digits.
    """
    kept = Kept(engine, work)
    answers, settings = {}, {}
    for name, samples in sets.items():
        if shows_numbers(name):
            settings[name], answers[name] = best_answers(kept, name, samples)
        else:
            settings[name] = settings.get(name.partition(":")[0], settings["drawings"])
            answers[name] = kept.ask_sure(settings[name], samples)
    return scores_of(sets, answers, engine.version, settings)


def scores_of(
    sets: Mapping[str, list[Sample]],
    answers: Mapping[str, list[Answer]],
    version: str,
    settings: dict[str, str],
) -> Scores:
    """Count the answers."""
    numbers = [name for name in sets if shows_numbers(name)]
    others = [name for name in sets if not shows_numbers(name)]
    return Scores(
        version,
        settings,
        {name: tally(sets[name], answers[name]) for name in numbers},
        {name: read_as_number(answers[name], CONFIDENT) for name in others},
        {name: read_as_number(answers[name]) for name in others},
        {name: with_digits(answers[name]) for name in others},
    )


@contextmanager
def answering(command: Sequence[str]) -> Iterator[Callable[[Path], float]]:
    """Run a reader that answers line by line; yield what asks it for its seconds of an image."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        asked, answers = child.stdin, child.stdout
        if asked is None or answers is None:
            raise RuntimeError("the peer has no pipes")

        def ask(path: Path) -> float:
            time.sleep(PAUSE)
            asked.write(f"{path}\n")
            asked.flush()
            return float(json.loads(answers.readline())["seconds"])

        yield ask
        asked.close()


def time_crops(
    samples: Sequence[Sample], engine: Engine, model: Path | None, repeats: int
) -> dict[str, list[float]]:
    """Return each side's median seconds of a crop, repeat by repeat; crop by crop in turn.

    RapidOCR's recogniser reads the crop alone, the fastest of its ways.
    """
    readers: dict[str, Reader] = {
        f"--layout {layout}": Reader(model, threads=THREADS, layout=layout) for layout in OURS
    }
    readers[f"--target-error {CAREFUL}"] = Reader(model, threads=THREADS, target_error=CAREFUL)
    draw = random.Random(0)
    medians: dict[str, list[float]] = {name: [] for name in (*readers, *TIMED_SETTINGS)}
    with ExitStack() as stack:
        peers = {
            name: stack.enter_context(
                answering(engine.started_with(setting, "--threads", str(THREADS)))
            )
            for name, setting in TIMED_SETTINGS.items()
        }
        # The first round, of a few crops, only warms up.
        for crops in (samples[:5], *[samples] * repeats):
            seconds: dict[str, list[float]] = {name: [] for name in medians}
            for sample in crops:
                pixels = pixels_of(sample.path)
                # Each finds the machine as the one before left it: the order is drawn anew.
                for name in draw.sample(list(medians), len(medians)):
                    took = (
                        peers[name](sample.path)
                        if name in peers
                        else one_read(readers[name], pixels)
                    )
                    seconds[name].append(took)
            if crops is samples:
                for name, values in seconds.items():
                    medians[name].append(statistics.median(values))
    return medians


def pixels_of(path: Path) -> np.ndarray:
    """Return an image as an array."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def one_read(reader: Reader, pixels: np.ndarray) -> float:
    """Return the seconds from array to reading."""
    time.sleep(PAUSE)
    started = time.perf_counter()
    reader.read(pixels)
    return time.perf_counter() - started


def time_starts(
    sample: Sample, engines: Sequence[Engine], model: Path | None, starts: int
) -> dict[str, list[float]]:
    """Return the seconds of whole processes, start to first answer, in turn."""
    given = [] if model is None else ["--model", str(model)]
    commands = {"inkdigits": ([INKDIGITS, "read", *given, str(sample.path)], "")}
    for engine in engines:
        commands[engine.name] = (engine.started_with(engine.settings[0]), f"{sample.path}\n")
    if "Tesseract" in commands:
        alone = ["tesseract", str(sample.path), "stdout", "--psm", "7"]
        commands["Tesseract"] = (alone, "")
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for start in range(-1, starts):
        for name, (command, fed) in commands.items():
            began = time.perf_counter()
            subprocess.run(command, input=fed, text=True, check=True, capture_output=True)
            # The first round only warms the disk.
            if start >= 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def show(sets: Mapping[str, list[Sample]], scores: Mapping[str, Scores]) -> None:
    """Print right / wrong / not read of each set, and how many others were read as a number."""
    print(f"{'right % (wrong, not read)':28}" + "".join(f"{name:>26}" for name in scores))
    for name, samples in sets.items():
        cells = [cell(name, of, len(samples)) for of in scores.values()]
        print(f"{f'{name}, {len(samples)}':28}" + "".join(f"{text:>26}" for text in cells))
    shares = [of.numbers[TIMED].share_read for of in scores.values()]
    print(
        f"{TIMED + ' read, 1 % wrong':28}" + "".join(f"{100 * share:>25.1f}%" for share in shares)
    )


def cell(name: str, scores: Scores, n: int) -> str:
    """Return what the table says of a reader on a set."""
    if name in scores.numbers:
        of = scores.numbers[name]
        return f"{100 * of.share:.1f} ({of.wrong}, {of.empty})"
    told, sure = scores.read_as_number[name] / n, scores.confident_number[name] / n
    return f"number: {100 * told:.1f} ({100 * sure:.1f})"


def accuracy_figures(
    sets: Mapping[str, list[Sample]], scores: Mapping[str, Scores]
) -> list[Figure]:
    """Return the shares of all readers; ours with layout `auto` carry the bars."""
    figures = []
    for reader, of in scores.items():
        ours = reader == OURS["auto"]

        def add(what: str, value: float, *, reader: str = reader, **bar: float | None) -> None:
            in_table = reader != OURS["line"]
            what = f"{what}, {reader}"
            figures.append(Figure(what, "share", value, [value], in_table=in_table, **bar))

        for name, counts in of.numbers.items():
            add(
                f"`paper/{name}`, read right",
                counts.share,
                above=BARS[name] - HAIR if ours else None,
            )
        n = sum(len(samples) for name, samples in sets.items() if not shows_numbers(name))
        sure = sum(of.confident_number.values()) / n
        what = f"no numbers, read as one with a confidence of at least {CONFIDENT}"
        add(what, sure, at_most=READ_AS_NUMBER_BAR if ours else None)
        add("no numbers, read as one at any confidence", sum(of.read_as_number.values()) / n)
        add(
            f"`paper/{TIMED}`, read when 1 % of those read may be wrong",
            of.numbers[TIMED].share_read,
        )
    return figures


def time_figures(
    crops: Mapping[str, list[float]], starts: Mapping[str, list[float]]
) -> list[Figure]:
    """Return the ratio of each repeat's medians, and the seconds of each side."""
    figures = [
        ratio_figure(
            f"one cheque crop, warm, `{option}` / {peer}'s recogniser alone",
            crops[option],
            crops[peer],
            at_most=TIME_BAR if peer == "RapidOCR" and option.startswith("--layout") else None,
        )
        for peer in TIMED_SETTINGS
        for option in crops
        if option not in TIMED_SETTINGS
    ]
    for name, values in crops.items():
        figures.append(median_figure(f"one cheque crop, {name}", "seconds", values, in_table=False))
    for name, values in starts.items():
        figures.append(median_figure(f"start to first answer, {name}", "seconds", values))
    return figures


def main() -> None:
    """Compare, print the table, and write the record when asked to."""
    asked = options()
    if asked.paper is None or not Path(asked.paper).is_dir():
        raise DataUnavailable(
            f"no folder of real images: {asked.paper!r}.", "Give --paper, or set INKDIGITS_PAPER."
        )
    sets = load_sets(Path(asked.paper))
    work = (asked.work / "ocr-peers").resolve()
    work.mkdir(parents=True, exist_ok=True)
    engines = [engine for engine in (rapidocr(work), tesseract()) if engine is not None]
    scores: dict[str, Scores] = {}
    if not asked.peers_only:
        scores = {name: score_ours(sets, asked.model, layout) for layout, name in OURS.items()}
    scores |= {engine.name: score_peer(sets, engine, work) for engine in engines}
    show(sets, scores)
    if asked.peers_only:
        return
    careful = careful_figures(sets, careful_answers(sets, asked.model))
    for figure in careful:
        print(f"{figure.what}: {figure.value:.4g}")
    crops = time_crops(sets[TIMED], engines[0], asked.model, asked.repeats)
    starts = time_starts(sets[TIMED][0], engines, asked.model, asked.starts)
    for name, values in (
        crops | {f"start, {name}": values for name, values in starts.items()}
    ).items():
        print(f"{name:28}{1000 * statistics.median(values):>10.2f} ms")
    if asked.record:
        write_record(
            "ocr-peers",
            [*accuracy_figures(sets, scores), *careful, *time_figures(crops, starts)],
            asked.records,
            n=sum(len(samples) for samples in sets.values()),
            seeds=[],
            threads=THREADS,
            repeats=asked.repeats,
            left_out=[] if len(engines) > 1 else ["Tesseract: not installed"],
            counts={name: len(samples) for name, samples in sets.items()},
            model=Reader(asked.model).metadata.recipe,
            readers={name: asdict(of) for name, of in scores.items()},
        )


if __name__ == "__main__":
    main()
