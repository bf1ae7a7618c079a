"""A search over `early-stopping`: `inkdigits tune` against Optuna over Keras on TensorFlow.

Whole processes, in turn. inkdigits searches first, with an empty compilation cache; the peer then
trains the very parameters that were proposed, enqueued in Optuna, by `model.fit` with its fastest
setting of `jit_compile` (scouted on one epoch). Neither side prunes or stops early, so that both
train as many epochs of as large networks.
"""

from __future__ import annotations

import csv
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import peer
from processes import INKDIGITS, arguments, data_folder, emptied, environment, run, say
from record import mean_figure, median_figure, ratio_figure, write_record

BAR = 0.4
TRIALS, EPOCHS = 40, 10
JITS = ("auto", "on", "off")
WHOLE = ("model.hidden.depth", "model.hidden.width", "training.batch_size")
OUTCOME = ("trial", "ended", "epochs", "seconds", "val_loss", "val_accuracy")


@dataclass(frozen=True)
class Pair:
    """Both sides of one search: wall seconds, and the val loss of each trial."""

    seed: int
    ours: float
    theirs: float
    our_losses: list[float]
    their_losses: list[float]


def search(work: Path, trials: int, epochs: int, seed: int) -> tuple[float, Path]:
    """Run `inkdigits tune`; return its seconds and its table of trials."""
    out, cache = emptied(work / "ours"), emptied(work / "cache")
    fixed = {"training.epochs": epochs, "training.early_stopping.patience": 0}
    overrides = [part for key, value in fixed.items() for part in ("--set", f"{key}={value}")]
    command = [INKDIGITS, "tune", "early-stopping", "--data", "mnist", "--no-pruning"]
    command += ["--trials", str(trials), "--seed", str(seed), *overrides, "--out", str(out)]
    done = run(command, environment(XDG_CACHE_HOME=str(cache)))
    return done.seconds, out / "trials.csv"


def read_trials(table: Path) -> tuple[list[dict[str, Any]], list[float]]:
    """Return the parameters and the val loss of each trial."""
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    parameters = [
        {key: typed(key, text) for key, text in row.items() if key not in OUTCOME} for row in rows
    ]
    return parameters, [float(row["val_loss"]) for row in rows]


def typed(key: str, text: str) -> Any:
    """Return a value of the table as what it was."""
    if key == "training.schedule":
        return text
    return int(text) if key in WHOLE else float(text)


def peer_search(python: Path, trials: Path, epochs: int, jit: str) -> tuple[float, list[float]]:
    """Run the peer; return its seconds and its val losses."""
    script = peer.TRAIN.with_name("keras_tune.py")
    command: list[str | Path] = [python, script, "--data", data_folder(), "--trials", trials]
    done = run([*command, "--epochs", str(epochs), "--jit", jit])
    return done.seconds, done.result()["val_losses"]


def scout(python: Path, work: Path) -> str:
    """Return the peer's fastest setting of `jit_compile`, by one trial of one epoch each."""
    trial = {"model.hidden.width": 256, "model.hidden.depth": 2, "model.dropout": 0.3}
    rest = {
        "training.batch_size": 128,
        "training.learning_rate": 0.001,
        "training.weight_decay": 0.01,
    }
    file = emptied(work / "scout") / "trials.json"
    file.write_text(json.dumps([trial | rest | {"training.schedule": "constant"}]), "utf-8")
    seconds = {jit: peer_search(python, file, 1, jit)[0] for jit in JITS}
    say(f"scouting jit_compile: {seconds}")
    return min(seconds, key=seconds.__getitem__)


def measure(python: Path, work: Path, trials: int, epochs: int, seed: int, jit: str) -> Pair:
    """Run one search on both sides."""
    ours, table = search(work, trials, epochs, seed)
    say(f"inkdigits, seed {seed}: {ours:.0f} s")
    parameters, our_losses = read_trials(table)
    file = work / "trials.json"
    file.write_text(json.dumps(parameters), encoding="utf-8")
    theirs, their_losses = peer_search(python, file, epochs, jit)
    say(f"Optuna and Keras on TensorFlow, seed {seed}: {theirs:.0f} s")
    return Pair(seed, ours, theirs, our_losses, their_losses)


def main() -> None:
    """Measure and write records/tune.json."""
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--trials", type=int, default=TRIALS, help=f"default: {TRIALS}")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"a trial, default: {EPOCHS}")
    parser.add_argument("--jit", choices=JITS, help="of the peer; default: scouted")
    options = parser.parse_args()
    python, work = peer.peer_python(), options.work / "tune"
    jit = options.jit or scout(python, work)
    pairs = [
        measure(python, work, options.trials, options.epochs, seed, jit)
        for seed in range(options.repeats)
    ]
    what = f"{options.trials} trials of the `early-stopping` search, {options.epochs} epochs each"
    ours, theirs = [pair.ours for pair in pairs], [pair.theirs for pair in pairs]
    gaps = [
        statistics.median(pair.our_losses) - statistics.median(pair.their_losses) for pair in pairs
    ]
    figures = [
        ratio_figure(
            f"{what}, `inkdigits tune` / Optuna over Keras on TensorFlow",
            ours, theirs, at_most=BAR,
        ),
        median_figure(f"{what}, `inkdigits tune`", "seconds", ours),
        median_figure(f"{what}, Optuna over Keras on TensorFlow", "seconds", theirs),
        mean_figure("median val loss of the trials, ours - theirs", "count", gaps, in_table=False),
    ]  # fmt: skip
    write_record(
        "tune",
        figures,
        options.records,
        n=len(pairs),
        seeds=[pair.seed for pair in pairs],
        peer={"jit_compile": jit, "versions": peer.peer_versions(python)},
        pairs=[asdict(pair) for pair in pairs],
    )


if __name__ == "__main__":
    main()
