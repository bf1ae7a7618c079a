"""The whole process, from start to a saved and evaluated model: inkdigits against the peer.

Ours is `inkdigits train early-stopping`, which also saves three formats, reloads each in a new
process and draws a report. The peer loads the same files, fits, saves `.keras`, evaluates, and
writes the classification report, the confusion heat map and the curves, as the write-ups do.

Each pair runs back to back, in two variants: `own stop`, where each side stops by its own early
stopping, and `equal epochs`, the same fixed number on both sides. Ours runs twice, with an empty
cache of compiled programs (cold, the headline) and with a filled one (warm). So does the peer,
plain and tuned with `steps_per_execution`, each in the fastest of its usual ways.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import peer
from epoch import WAYS, fastest_ways, scout
from processes import INKDIGITS, arguments, data_folder, emptied, environment, run, say
from record import Figure, median_figure, ratio_figure, write_record

BAR = 0.5
VARIANTS = ("own stop", "equal epochs")
SIDES = ("cold", "plain", "warm", "tuned")


@dataclass(frozen=True)
class Whole:
    """One whole process: wall seconds, epochs trained, test accuracy (0–1)."""

    variant: str
    side: str
    repeat: int
    seconds: float
    epochs: int
    test_accuracy: float


@dataclass(frozen=True)
class Setting:
    """What all processes of this benchmark share."""

    python: Path
    # The peer's way of each of its sides, `plain` and `tuned`.
    ways: Mapping[str, str]
    work: Path
    # Epochs of the equal variant; the own variant has the recipe's 50 and patience 5.
    epochs: int
    own_epochs: int

    def limits(self, variant: str) -> tuple[int, int]:
        """Return the most epochs of a variant, and its patience (0: no early stopping)."""
        return (self.own_epochs, 5) if variant == "own stop" else (self.epochs, 0)


def train_ours(setting: Setting, variant: str, side: str, repeat: int) -> Whole:
    """Run `inkdigits train early-stopping`, its caches emptied before where the side is cold."""
    folder, cache = emptied(setting.work / "ours"), setting.work / "caches" / side
    if side == "cold":
        emptied(cache)
    epochs, patience = setting.limits(variant)
    changes = {"training.epochs": epochs, "training.early_stopping.patience": patience}
    overrides = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    command = [INKDIGITS, "train", "early-stopping", "--data", "mnist", "--seed", str(repeat)]
    done = run(
        [*command, *overrides, "--out", folder],
        environment(XDG_CACHE_HOME=str(cache), **plot_cache(setting.work / "ours-matplotlib")),
    )
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    trained = len((folder / "history.csv").read_text(encoding="utf-8").splitlines()) - 1
    return Whole(variant, side, repeat, done.seconds, trained, evaluation["test_accuracy"])


def train_peer(setting: Setting, variant: str, side: str, repeat: int) -> Whole:
    """Run the peer's script."""
    epochs, patience = setting.limits(variant)
    command: list[str | Path] = [
        setting.python,
        peer.TRAIN,
        "--data",
        data_folder(),
        "--way",
        setting.ways[side],
    ]
    command += ["--out", emptied(setting.work / "peer"), "--seed", str(repeat)]
    done = run(
        [*command, "--epochs", str(epochs), "--patience", str(patience)],
        environment(**plot_cache(setting.work / "peer-matplotlib")),
    )
    result = done.result()
    return Whole(variant, side, repeat, done.seconds, result["epochs"], result["test_accuracy"])


def train(setting: Setting, variant: str, side: str, repeat: int) -> Whole:
    """Run one side."""
    run_side = train_peer if side in setting.ways else train_ours
    return run_side(setting, variant, side, repeat)


def plot_cache(folder: Path) -> dict[str, str]:
    """Return where Matplotlib keeps its list of fonts.

    Kept warm on both sides: the cold cache is to show the cost of compiling, not of fonts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return {"MPLCONFIGDIR": str(folder)}


def warm_up(setting: Setting) -> None:
    """Run each side once, uncounted: byte code, disk, font lists, and the warm cache."""
    emptied(setting.work / "caches" / "warm")
    brief = replace(setting, epochs=1)
    for side in setting.ways:
        train(brief, "equal epochs", side, 0)
    # In full, so that every program of both variants is in the cache.
    for variant in VARIANTS:
        train(setting, variant, "warm", 0)


def measure(setting: Setting, repeats: int) -> list[Whole]:
    """Run the sides in turn, variant by variant, repeat by repeat."""
    found = []
    for repeat in range(repeats):
        for variant, side in product(VARIANTS, SIDES):
            found.append(train(setting, variant, side, repeat))
            last = found[-1]
            told = f"{last.seconds:.1f} s, {last.epochs} epochs, test {last.test_accuracy:.2%}"
            say(f"{variant}, repeat {repeat}, {side}: {told}")
    return found


def figures_of(found: list[Whole], epochs: int) -> list[Figure]:
    """Return the ratios of both variants, cold and warm, and the medians of the seconds."""
    seconds = {
        (variant, side): [w.seconds for w in found if (w.variant, w.side) == (variant, side)]
        for variant in VARIANTS
        for side in SIDES
    }
    told = {"own stop": "each with its own early stopping", "equal epochs": f"{epochs} epochs each"}
    ratios = [
        ratio_figure(
            f"start to saved and evaluated model, inkdigits ({ours} cache) / {theirs} peer, "
            + told[variant],
            seconds[variant, ours],
            seconds[variant, theirs],
            at_most=BAR if theirs == "plain" else None,
        )
        for variant, theirs, ours in product(VARIANTS, ("plain", "tuned"), ("cold", "warm"))
    ]
    return ratios + [
        median_figure(
            f"the whole process, {told[variant]}, {side}", "seconds", values, in_table=False
        )
        for (variant, side), values in seconds.items()
    ]


def parse() -> argparse.Namespace:
    """Return the arguments."""
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--epochs", type=int, default=15, help="of the variant `equal epochs`")
    parser.add_argument("--own-epochs", type=int, default=50, help="at most, of `own stop`")
    parser.add_argument("--scouting-epochs", type=int, default=5, help="per way of the peer")
    return parser.parse_args()


def main() -> None:
    """Warm up, measure, and write records/whole-process.json."""
    options = parse()
    work = (options.work / "whole-process").resolve()
    python = peer.peer_python()
    ways = fastest_ways(scout(python, WAYS, options.scouting_epochs))
    setting = Setting(python, ways, work, options.epochs, options.own_epochs)
    warm_up(setting)
    found = measure(setting, options.repeats)
    write_record(
        "whole-process",
        figures_of(found, options.epochs),
        options.records,
        n=options.repeats,
        seeds=list(range(options.repeats)),
        peer={**ways, "versions": peer.peer_versions(python)},
        runs=[asdict(whole) for whole in found],
    )


if __name__ == "__main__":
    main()
