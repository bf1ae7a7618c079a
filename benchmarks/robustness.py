"""Error of a recipe under the 15 MNIST-C-style corruptions, means over seeds.

Runs are those of accuracy.py, trained here where they are missing. For `early-stopping` the means
also become the reference that `inkdigits evaluate --robustness` shows beside every model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from accuracy import accuracy_folder, parse_seeds, trained
from processes import common_arguments, say
from record import ROOT, Figure, mean_figure, write_record

from inkdigits.data.source import load_mnist
from inkdigits.evaluation.corruptions import NAMES
from inkdigits.evaluation.model_file import load_predictor, model_file
from inkdigits.evaluation.robustness import (
    REFERENCE_FILE,
    Robustness,
    measure_robustness,
    recorded_reference,
)
from inkdigits.files import write_text

REFERENCE_RECIPE = "early-stopping"
# The mean error is to be at most this share of the reference's.
BAR = 1 / 3


def figures_of(recipe: str, results: Sequence[Robustness]) -> list[Figure]:
    """Return the mean error, for other recipes also beside the reference, and each corruption's."""
    is_reference = recipe == REFERENCE_RECIPE
    means = [result.mean_error for result in results]
    figures = [
        mean_figure(
            f"`{recipe}`: mean error under 15 MNIST-C-style corruptions",
            "share",
            means,
            in_table=not is_reference,
        )
    ]
    if not is_reference:
        ratios = [mean / recorded_reference().mean_error for mean in means]
        what = f"`{recipe}`: that error against `{REFERENCE_RECIPE}`'s"
        figures.append(mean_figure(what, "ratio", ratios, at_most=BAR))
    for kind in NAMES:
        errors = [result.errors[kind] for result in results]
        figures.append(mean_figure(f"`{recipe}`: {kind}", "share", errors, in_table=False))
    return figures


def write_reference(path: Path, results: Sequence[Robustness], seeds: Sequence[int]) -> None:
    """Write the means over the seeds to `path`, in the form that `recorded_reference` reads."""
    span = f"{seeds[0]}–{seeds[-1]}" if list(seeds) == list(range(seeds[0], seeds[-1] + 1)) else ""
    content = {
        "name": f"{REFERENCE_RECIPE}, mean of seeds {span or ', '.join(map(str, seeds))}",
        "n": results[0].n,
        "seed": results[0].seed,
        "clean_error": round(fmean(result.clean_error for result in results), 6),
        "errors": {
            kind: round(fmean(result.errors[kind] for result in results), 6) for kind in NAMES
        },
        "seeds": list(seeds),
        "data_sha256": load_mnist().sha256,
    }
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    print(f"reference  {path.relative_to(ROOT)}")


def main() -> None:
    """Measure each seed and write records/robustness-RECIPE.json (and the reference)."""
    parser = common_arguments(__doc__)
    parser.add_argument("recipe", nargs="?", default=REFERENCE_RECIPE, help="a recipe's name")
    parser.add_argument("--seeds", default="0-4", type=parse_seeds, help="default: 0-4")
    options = parser.parse_args()
    test = load_mnist().test
    results = []
    for seed in options.seeds:
        folder = trained(options.recipe, seed, accuracy_folder(options.work, options.recipe, seed))
        predict = load_predictor(model_file(folder))
        results.append(measure_robustness(predict, test, f"seed {seed}"))
        say(f"{options.recipe}, seed {seed}: mean error {results[-1].mean_error:.4f}")
    write_record(
        f"robustness-{options.recipe}",
        figures_of(options.recipe, results),
        options.records,
        n=len(results),
        seeds=options.seeds,
        runs=[result.to_dict() for result in results],
    )
    if options.recipe == REFERENCE_RECIPE:
        path = ROOT / "src" / "inkdigits" / "evaluation" / REFERENCE_FILE
        write_reference(path, results, options.seeds)


if __name__ == "__main__":
    main()
