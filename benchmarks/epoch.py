"""One epoch of `early-stopping`: inkdigits against Keras on TensorFlow, in one interleaved run.

An epoch is the time between the ends of two successive ones, so all that happens in between
counts on both sides: training, validation, callbacks, and on ours also the saved state, the
TensorBoard events and the history. The first epoch, which compiles, is left out on both sides.

The peer is `model.fit`, as people write it, fed in the fastest of the usual ways; a second peer is
tuned with `steps_per_execution`. Which ways win is found out first, in the same run.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import peer
from processes import arguments, data_folder, emptied, environment, run, say
from record import Figure, median_figure, ratio_figure, write_record

BAR = 0.28
PLAIN = ("arrays", "arrays, jit_compile=True", "arrays, jit_compile=False", "tf.data")
TUNED = ("arrays, steps_per_execution=32", "tf.data, steps_per_execution=32")
WAYS = PLAIN + TUNED
TIMED_OURS = Path(__file__).with_name("train_timed.py")
# side → repeat → seconds of the epochs after the first
Sides = dict[str, Callable[[int], list[float]]]
Seconds = dict[str, list[list[float]]]


def epochs_of(result: dict[str, Any]) -> list[float]:
    """Return the seconds of each epoch but the first."""
    return [later - earlier for earlier, later in pairwise(result["epoch_ends"])]


def our_epochs(work: Path, epochs: int, seed: int) -> list[float]:
    """Train with inkdigits in a process of its own."""
    command: list[str | Path] = [
        sys.executable,
        TIMED_OURS,
        "--out",
        emptied(work / "epoch" / "ours"),
    ]
    done = run([*command, "--epochs", str(epochs), "--seed", str(seed)], environment())
    return epochs_of(done.result())


def peer_epochs(python: Path, way: str, epochs: int, seed: int) -> list[float]:
    """Train with the peer in a process of its own."""
    command: list[str | Path] = [python, peer.TRAIN, "--data", data_folder(), "--way", way]
    done = run([*command, "--epochs", str(epochs), "--seed", str(seed)])
    return epochs_of(done.result())


def scout(python: Path, ways: Sequence[str], epochs: int) -> dict[str, float]:
    """Return the median epoch of each of the peer's ways in a short training."""
    found = {}
    for way in ways:
        found[way] = statistics.median(peer_epochs(python, way, epochs, seed=0))
        say(f"scouting: {way}: {found[way]:.3f} s")
    return found


def fastest_ways(scouted: Mapping[str, float]) -> dict[str, str]:
    """Return the fastest plain and the fastest tuned way of the peer."""
    kinds = {"plain": PLAIN, "tuned": TUNED}
    return {kind: min(ways, key=scouted.__getitem__) for kind, ways in kinds.items()}


def measure(sides: Sides, repeats: int) -> Seconds:
    """Run the sides in turn, A B C A B C …"""
    seconds: Seconds = {side: [] for side in sides}
    for repeat in range(repeats):
        for side, train in sides.items():
            seconds[side].append(train(repeat))
            median = statistics.median(seconds[side][-1])
            say(f"{side}, repeat {repeat}: {median:.3f} s, {len(seconds[side][-1]) + 1} epochs")
    return seconds


def figures_of(seconds: Seconds, plain: str, tuned: str) -> list[Figure]:
    """Return the ratios of the medians, pair by pair, and the medians themselves."""
    medians = {side: [statistics.median(run) for run in runs] for side, runs in seconds.items()}
    ours = medians["ours"]
    return [
        ratio_figure(
            "an epoch, inkdigits / Keras on TensorFlow (`model.fit`)",
            ours, medians["plain"], at_most=BAR,
        ),
        ratio_figure(
            "the same / `model.fit` tuned with `steps_per_execution=32`", ours, medians["tuned"]
        ),
        median_figure("an epoch of `early-stopping`, inkdigits", "seconds", ours),
        median_figure(f"an epoch, Keras on TensorFlow ({plain})", "seconds", medians["plain"]),
        median_figure(f"an epoch, Keras on TensorFlow ({tuned})", "seconds", medians["tuned"]),
    ]  # fmt: skip


def parse() -> argparse.Namespace:
    """Return the arguments."""
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--epochs", type=int, default=50, help="at most, per training")
    parser.add_argument("--scouting-epochs", type=int, default=5, help="per way of the peer")
    return parser.parse_args()


def main() -> None:
    """Scout, measure, and write records/epoch.json."""
    options = parse()
    python = peer.peer_python()
    scouted = scout(python, WAYS, options.scouting_epochs)
    ways = fastest_ways(scouted)
    sides: Sides = {
        "ours": lambda seed: our_epochs(options.work, options.epochs, seed),
        "plain": lambda seed: peer_epochs(python, ways["plain"], options.epochs, seed),
        "tuned": lambda seed: peer_epochs(python, ways["tuned"], options.epochs, seed),
    }
    seconds = measure(sides, options.repeats)
    write_record(
        "epoch",
        figures_of(seconds, **ways),
        options.records,
        n=options.repeats,
        seeds=list(range(options.repeats)),
        peer={**ways, "versions": peer.peer_versions(python)},
        scouting_median_seconds=scouted,
        epoch_seconds=seconds,
    )


if __name__ == "__main__":
    main()
