"""The shortest honest road to 99 %: `inkdigits train fast` against the classic recipe's peer.

Both are timed as whole processes, from start to a saved and evaluated model. Ours saves three
formats, reloads each and draws a report; the peer is plain Keras + TensorFlow with the classic
network and early stopping, which ends near 97.87 %. Ours runs twice, with an empty cache of
compiled programs (cold, the headline) and with a filled one (warm).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import peer
from epoch import WAYS, fastest_ways, scout
from processes import INKDIGITS, arguments, emptied, environment, run, say
from record import Figure, mean_figure, median_figure, ratio_figure, write_record
from whole_process import Setting, Whole, plot_cache, train_peer

BAR = 1.0
ACCURACY_BAR = 0.99


@dataclass(frozen=True)
class Round:
    """One round: ours cold, the peer, ours warm, back to back."""

    cold: Whole
    peer: Whole
    warm: Whole


def train_fast(work: Path, side: str, seed: int) -> Whole:
    """Run `inkdigits train fast`, its cache of programs emptied before where the side is cold."""
    folder, cache = emptied(work / "ours"), work / "caches" / side
    if side == "cold":
        emptied(cache)
    command = [INKDIGITS, "train", "fast", "--data", "mnist", "--seed", str(seed), "--out", folder]
    caches = {"XDG_CACHE_HOME": str(cache), **plot_cache(work / "ours-matplotlib")}
    done = run(command, environment(**caches))
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    epochs = len((folder / "history.csv").read_text(encoding="utf-8").splitlines()) - 1
    return Whole("own stop", side, seed, done.seconds, epochs, evaluation["test_accuracy"])


def measure(work: Path, setting: Setting, repeats: int) -> list[Round]:
    """Run the rounds; seed 0 … of ours, and of the peer."""
    train_fast(work, "warm", 0)
    rounds = []
    for seed in range(repeats):
        cold = train_fast(work, "cold", seed)
        other = train_peer(setting, "own stop", "plain", seed)
        rounds.append(Round(cold, other, train_fast(work, "warm", seed)))
        for whole in (rounds[-1].cold, rounds[-1].peer, rounds[-1].warm):
            told = f"{whole.seconds:.1f} s, {whole.epochs} epochs, test {whole.test_accuracy:.2%}"
            say(f"seed {seed}, {whole.side}: {told}")
    return rounds


def figures_of(rounds: list[Round]) -> list[Figure]:
    """Return the ratios, the accuracies of both sides, and the medians of the seconds."""
    peer_seconds = [each.peer.seconds for each in rounds]
    seconds = {side: [getattr(each, side).seconds for each in rounds] for side in ("cold", "warm")}
    start = "start to saved and evaluated model, `fast`"
    return [
        *(
            ratio_figure(
                f"{start} ({side} cache) / classic recipe in Keras + TensorFlow",
                values,
                peer_seconds,
                at_most=BAR,
            )
            for side, values in seconds.items()
        ),
        mean_figure(
            "`fast`: test accuracy of those runs",
            "share",
            [each.cold.test_accuracy for each in rounds],
            above=ACCURACY_BAR,
        ),
        mean_figure(
            "classic recipe in Keras + TensorFlow: test accuracy of those runs",
            "share",
            [each.peer.test_accuracy for each in rounds],
        ),
        *(
            median_figure(f"`fast`, whole process, {side}", "seconds", values, in_table=False)
            for side, values in {**seconds, "peer": peer_seconds}.items()
        ),
    ]


def main() -> None:
    """Warm up, measure, and write records/fast.json."""
    options = arguments(__doc__, repeats=5).parse_args()
    work = (options.work / "fast").resolve()
    python = peer.peer_python()
    ways = fastest_ways(scout(python, WAYS, 5))
    rounds = measure(work, Setting(python, ways, work, 15, 50), options.repeats)
    write_record(
        "fast",
        figures_of(rounds),
        options.records,
        n=options.repeats,
        seeds=list(range(options.repeats)),
        peer={**ways, "versions": peer.peer_versions(python)},
        runs=[asdict(each) for each in rounds],
    )


if __name__ == "__main__":
    main()
