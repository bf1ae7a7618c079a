"""What each part of a recipe is worth: the same recipe with one thing changed at a time, on val.

The test split is not looked at: these are the figures that recipes are decided by. Each variant is
`inkdigits train RECIPE --set …` over a few seeds; runs that are whole are not repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from accuracy import SeedResult, parse_seeds, read_result, trained
from processes import common_arguments, say
from record import Figure, mean_figure, write_record

AFFINE = ("rotation", "scale", "shear", "shift")
AS_IT_IS = "as it is"


def without(*kinds: str) -> list[str]:
    """Return the overrides that switch kinds of augmentation off."""
    return [f"training.augment.{kind}=0.0" for kind in kinds]


VARIANTS: dict[str, dict[str, list[str]]] = {
    "distorted": {
        AS_IT_IS: [],
        "no augmentation": without(*AFFINE, "elastic"),
        "no elastic field": without("elastic"),
        "no affine map": without(*AFFINE),
        "no rotation": without("rotation"),
        "no scaling": without("scale"),
        "no shear": without("shear"),
        "no shift": without("shift"),
        "half the elastic field": ["training.augment.elastic=0.5"],
        "constant learning rate": ['training.schedule="constant"'],
        "dropout 0.3": ["model.dropout=0.3"],
        "weight decay 0.01": ["training.weight_decay=0.01"],
        "twice as wide": ["model.hidden=[256,128]"],
    },
    "cnn": {
        AS_IT_IS: [],
        "AdamW at its own best rate and batch": [
            'training.optimizer="adam"',
            "training.learning_rate=0.003",
            "training.batch_size=128",
        ],
        "features averaged over the image": ["model.pooled=true"],
        "no dropout": ["model.dropout=0.0"],
        "no augmentation": without(*AFFINE, "elastic"),
        "no elastic field": without("elastic"),
        "no affine map": without(*AFFINE),
        "half as wide": ["model.filters=[16,32,64]"],
        "constant learning rate": ['training.schedule="constant"'],
    },
}


@dataclass(frozen=True)
class Variant:
    """A changed recipe and what its seeds came to."""

    name: str
    overrides: Sequence[str]
    results: Sequence[SeedResult]


def train_variant(
    recipe: str, name: str, overrides: Sequence[str], seeds: Sequence[int], work: Path
) -> Variant:
    """Train the seeds of a variant that are not there yet."""
    results = []
    for seed in seeds:
        folder = work / "ablation" / recipe / name.replace(" ", "-") / f"seed-{seed}"
        results.append(read_result(trained(recipe, seed, folder, overrides), seed))
        say(f"{recipe}, {name}, seed {seed}: val {results[-1].val:.2%}")
    return Variant(name, overrides, results)


def figures_of(recipe: str, epochs: int, variants: Sequence[Variant]) -> list[Figure]:
    """Return the val accuracy of each variant."""
    return [
        mean_figure(
            f"`{recipe}`, {epochs} epochs, {variant.name}: val accuracy",
            "share",
            [result.val for result in variant.results],
        )
        for variant in variants
    ]


def main() -> None:
    """Train what is missing and write records/ablation-RECIPE.json."""
    parser = common_arguments(__doc__)
    parser.add_argument("recipe", choices=sorted(VARIANTS))
    parser.add_argument("--seeds", default="0-2", type=parse_seeds, help="default: 0-2")
    parser.add_argument("--epochs", type=int, default=30, help="of every variant; default: 30")
    options = parser.parse_args()
    length = f"training.epochs={options.epochs}"
    variants = [
        train_variant(options.recipe, name, [*overrides, length], options.seeds, options.work)
        for name, overrides in VARIANTS[options.recipe].items()
    ]
    write_record(
        f"ablation-{options.recipe}",
        figures_of(options.recipe, options.epochs, variants),
        options.records,
        page="docs/results.md",
        n=len(options.seeds),
        seeds=options.seeds,
        variants={
            variant.name: {
                "overrides": list(variant.overrides),
                "runs": [{"seed": r.seed, "val": r.val} for r in variant.results],
            }
            for variant in variants
        },
    )


if __name__ == "__main__":
    main()
