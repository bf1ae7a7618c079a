"""The best fully connected network that a search finds without augmentation, over several seeds.

`inkdigits tune early-stopping` looks at val only; `best.toml`, which it leaves, is then trained
anew with each seed. A search that is whole in the work folder is not run again, one that was broken
off goes on.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from pathlib import Path

from accuracy import parse_seeds, read_result, trained
from processes import INKDIGITS, common_arguments, environment, run, say
from record import HAIR, mean_figure, write_record

TRIALS = 40
BAR = 0.983


def searched(work: Path, trials: int) -> Path:
    """Return the best recipe of the search in `work`, which is run, or continued, first."""
    out = work / "search"
    best = out / "best.toml"
    if best.is_file():
        say("the search is already there")
        return best
    begin = ["--resume", out] if out.exists() else ["early-stopping", "--out", out]
    options = [] if out.exists() else ["--data", "mnist", "--trials", str(trials), "--seed", "0"]
    run([INKDIGITS, "tune", *begin, *options], environment())
    return best


def main() -> None:
    """Search, train the best recipe with each seed, and write records/tune-best.json."""
    parser = common_arguments(__doc__)
    parser.add_argument("--trials", type=int, default=TRIALS, help=f"default: {TRIALS}")
    parser.add_argument("--seeds", default="0-4", type=parse_seeds, help="default: 0-4")
    options = parser.parse_args()
    work = options.work / "tune-best"
    best = searched(work, options.trials)
    folders = {seed: trained(str(best), seed, work / f"seed-{seed}") for seed in options.seeds}
    results = [read_result(folder, seed) for seed, folder in folders.items()]
    what = f"best of {options.trials} trials of the `early-stopping` search, no augmentation"
    figures = [
        mean_figure(
            f"{what}: test accuracy", "share", [one.test for one in results], above=BAR - HAIR
        ),
        mean_figure(f"{what}: val accuracy", "share", [one.val for one in results]),
    ]
    write_record(
        "tune-best",
        figures,
        options.records,
        n=len(results),
        seeds=options.seeds,
        recipe=tomllib.loads(best.read_text(encoding="utf-8")),
        runs=[asdict(one) for one in results],
    )


if __name__ == "__main__":
    main()
