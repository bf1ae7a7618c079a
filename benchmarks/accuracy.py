"""Accuracy of a recipe over seeds, beside the published figure.

Each seed is one `inkdigits train RECIPE --seed N` in a process of its own. Seeds whose run in the
work folder is whole, and was made by the very same recipe, are not run again: empty the folder
after a change of the training code.
"""

from __future__ import annotations

import csv
import json
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from processes import INKDIGITS, common_arguments, environment, run, say
from record import HAIR, Figure, mean_figure, write_record

from inkdigits.errors import DataUnavailable
from inkdigits.training.recipe import load_recipe

SPLITS = ("test", "val", "train")
# As the write-ups of these workflows state them, in 0–1.
PUBLISHED = {
    "early-stopping": {"test": 0.9787, "val": 0.9791, "train": 0.9815},
    "ten-epochs": {"test": 0.9767},
    # "About 99 %" for both; there is no published test figure.
    "checkpointed": {"val": 0.99, "train": 0.99},
}
# The least mean test accuracy that we promise of a recipe of our own.
BARS = {"distorted": 0.9915, "fast": 0.99, "cnn": 0.997, "ensemble": 0.998, "bundled": 0.9965}
# The most that we promise of the model that ships: ECE, and error at 99 % coverage.
CALIBRATION_BARS = {"bundled": {"ece": 0.003, "selective_error_at_99": 0.001}}
# How much less than its teacher a network may read that learns what one says, and its file's size.
BEHIND_TEACHER, MOST_MB = 0.0005, 1.0
# The claim: every digit passes 97 %.
DIGIT_BAR = {"early-stopping": 0.97}


@dataclass(frozen=True)
class SeedResult:
    """What one seed came to; accuracies in 0–1, `digits` the test accuracy of 0 … 9.

    `ece` and `selective_error_at_99`, 0–1, are of the test split, after calibration where the
    recipe has one.
    """

    seed: int
    epochs: int
    seconds: float
    test: float
    val: float
    train: float
    digits: list[float]
    ece: float
    selective_error_at_99: float


def parse_seeds(text: str) -> list[int]:
    """Return the seeds in a text such as `0-9` or `0,3,5-7`."""
    ranges = [part.partition("-") for part in text.split(",")]
    return [seed for first, _, last in ranges for seed in range(int(first), int(last or first) + 1)]


def trained(recipe: str, seed: int, folder: Path, overrides: Sequence[str] = ()) -> Path:
    """Return `folder`, which holds the run of a seed, trained now unless it is there already."""
    if is_whole(folder, recipe, seed, overrides):
        say(f"{recipe}, seed {seed}: already there")
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    changes = [part for override in overrides for part in ("--set", override)]
    command = [INKDIGITS, "train", recipe, "--data", "mnist", "--seed", str(seed), *changes]
    say(run([*command, "--out", folder], environment()).stdout.splitlines()[0])
    return folder


def is_whole(folder: Path, recipe: str, seed: int, overrides: Sequence[str] = ()) -> bool:
    """Return whether `folder` holds this recipe's finished run; report.html is written last."""
    if not (folder / "report.html").is_file():
        return False
    expected = load_recipe(recipe).override([*overrides, 'data.source="mnist"']).with_seed(seed)
    return load_recipe(str(folder / "recipe.toml")) == expected


def accuracy_folder(work: Path, recipe: str, seed: int) -> Path:
    """Return where the run of a recipe's seed lies."""
    return work / "accuracy" / recipe / f"seed-{seed}"


def read_result(folder: Path, seed: int) -> SeedResult:
    """Return the measurements in a run folder."""
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    history = folder / "history.csv"
    # An ensemble has none of its own.
    rows = list(csv.DictReader(history.read_text().splitlines())) if history.is_file() else []
    return SeedResult(
        seed=seed,
        epochs=len(rows),
        seconds=sum(float(row["seconds"]) for row in rows),
        **{split: evaluation[f"{split}_accuracy"] for split in SPLITS},
        digits=[evaluation["per_digit"][str(digit)]["accuracy"] for digit in range(10)],
        ece=evaluation["ece"],
        selective_error_at_99=evaluation["selective_error_at_99"],
    )


def trained_on(folders: Sequence[Path]) -> list[dict[str, str]]:
    """Return where the runs in `folders` were trained, each kind of place once."""
    found = []
    for folder in folders:
        told = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
        place = {key: told[key] for key in ("device", "cpu", "backend", "packages")}
        found += [place] if place not in found else []
    return found


def figures_of(recipe: str, results: Sequence[SeedResult]) -> list[Figure]:
    """Return the accuracy on each split and, where it was published, that of the worst digit."""
    published = PUBLISHED.get(recipe, {})
    figures = [
        mean_figure(
            f"`{recipe}`: {split} accuracy",
            "share",
            [getattr(result, split) for result in results],
            published=published.get(split),
            above=BARS[recipe] - HAIR if recipe in BARS and split == "test" else None,
        )
        for split in SPLITS
    ]
    bars = CALIBRATION_BARS.get(recipe, {})
    for name, told in (("ece", "ECE"), ("selective_error_at_99", "error at 99 % coverage")):
        values = [getattr(result, name) for result in results]
        figure = mean_figure(
            f"`{recipe}`: test {told}", "share", values, at_most=bars.get(name), in_table=bool(bars)
        )
        figures.append(figure)
    if recipe in DIGIT_BAR:
        worst = min(range(10), key=lambda digit: digit_means(results)[digit])
        figures.append(
            mean_figure(
                f"`{recipe}`: test accuracy of the worst digit ({worst})",
                "share",
                [result.digits[worst] for result in results],
                above=DIGIT_BAR[recipe],
            )
        )
    return figures


def teacher_accuracy(recipe: str, overrides: Sequence[str]) -> float | None:
    """Return the test accuracy of the run that a recipe's network learns from, if it has one.

    Asked before hours of training: raises DataUnavailable where the run was not measured.
    """
    teacher = load_recipe(recipe).override(overrides).distillation.teacher
    if not teacher:
        return None
    path = Path(teacher) / "evaluation.json"
    if not path.is_file():
        raise DataUnavailable(f"{teacher!r} is no measured run.", "Train it, or link it there.")
    return float(json.loads(path.read_text(encoding="utf-8"))["test_accuracy"])


def taught_figures(
    recipe: str, teacher: float, results: Sequence[SeedResult], folders: Sequence[Path]
) -> list[Figure]:
    """Return how a network stands beside its teacher, of that accuracy, and its file's size."""
    behind = [teacher - one.test for one in results]
    sizes = [(folder / "model.onnx").stat().st_size / 1e6 for folder in folders]
    return [
        mean_figure(
            f"`{recipe}`: test accuracy, its teacher's − its own", "difference", behind,
            at_most=BEHIND_TEACHER + HAIR,
        ),
        mean_figure(f"`{recipe}`: its artefact", "MB", sizes, at_most=MOST_MB),
    ]  # fmt: skip


def digit_means(results: Sequence[SeedResult]) -> list[float]:
    """Return the mean test accuracy of each digit over the seeds."""
    columns = zip(*(result.digits for result in results), strict=True)
    return [statistics.fmean(column) for column in columns]


def within_one_std(figures: Sequence[Figure]) -> dict[str, bool]:
    """Return, for each published figure, whether it lies within one std of our mean."""
    return {
        figure.what: abs(figure.value - figure.published) <= (figure.std or 0.0)
        for figure in figures
        if figure.published is not None
    }


def main() -> None:
    """Train what is missing and write records/accuracy-RECIPE.json."""
    parser = common_arguments(__doc__)
    parser.add_argument("recipe", help="a recipe's name")
    parser.add_argument("--seeds", default="0-9", type=parse_seeds, help="default: 0-9")
    parser.add_argument(
        "--set", dest="overrides", metavar="KEY=VALUE", action="append", default=[],
        help="override a key of the recipe; repeatable",
    )  # fmt: skip
    options = parser.parse_args()
    teacher = teacher_accuracy(options.recipe, options.overrides)
    folders = {
        seed: trained(
            options.recipe,
            seed,
            accuracy_folder(options.work, options.recipe, seed),
            options.overrides,
        )
        for seed in options.seeds
    }
    results = [read_result(folder, seed) for seed, folder in folders.items()]
    figures = figures_of(options.recipe, results)
    runs = list(folders.values())
    if teacher is not None:
        figures += taught_figures(options.recipe, teacher, results, runs)
    write_record(
        f"accuracy-{options.recipe}",
        figures,
        options.records,
        n=len(results),
        seeds=options.seeds,
        overrides=options.overrides,
        published_within_one_std=within_one_std(figures),
        digit_means=digit_means(results),
        digit_bar=DIGIT_BAR.get(options.recipe),
        trained_on=trained_on(runs),
        runs=[asdict(result) for result in results],
    )


if __name__ == "__main__":
    main()
