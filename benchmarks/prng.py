"""Two choices in the training loop: how dropout draws its bits, and how an epoch is shuffled.

Philox against Threefry, JAX's default, and one sort by random bits against
`jax.random.permutation`; the compiled epoch of `early-stopping` in all four combinations, and the
two pieces alone. Everything runs in one process, the candidates in turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from inkdigits.models.backend import set_up_keras

# Before JAX and Keras are used: the product's own setting of the engine.
set_up_keras()

import jax  # noqa: E402
from processes import arguments, say  # noqa: E402
from record import Figure, median_figure, ratio_figure, write_record  # noqa: E402

from inkdigits.data.dataset import Examples, split_val  # noqa: E402
from inkdigits.data.source import load_mnist  # noqa: E402
from inkdigits.models.ann import build_ann  # noqa: E402
from inkdigits.training import load_recipe, loop  # noqa: E402
from inkdigits.training.adjustable import numbers_of  # noqa: E402

GENERATORS = ("philox4x32", "threefry2x32")
SHUFFLES: dict[str, Callable[[Any, int], Any]] = {
    "argsort": loop.shuffled,
    "permutation": jax.random.permutation,
}
RECIPE = load_recipe("early-stopping")
Run = Callable[[], Any]


def epoch_run(train: Examples, generator: str, shuffle: str) -> Run:
    """Return one compiled epoch of the recipe, traced with this generator and this shuffle."""
    model = build_ann(RECIPE.model.hidden, RECIPE.model.dropout)
    loop.compile_model(model, RECIPE.training, len(train))
    program = loop.compile_epoch(model, RECIPE.training, len(train))
    numbers = numbers_of(model)
    values = [[v.value for v in group] for group in loop.trained_variables(model)]
    images = jax.numpy.asarray(train.images)
    labels = jax.numpy.asarray(loop.labels_for(RECIPE.training.loss, train.labels))

    def run() -> Any:
        # The program is traced at its first call, so the choices must hold then.
        with jax.default_prng_impl(generator), patch.object(loop, "shuffled", SHUFFLES[shuffle]):
            return program(values, numbers, images, labels, jax.random.key(0))

    return run


def dropout_run(generator: str, n: int) -> Run:
    """Return the masks of both dropout layers for all steps of one epoch."""
    batch, rate = RECIPE.training.batch_size, RECIPE.model.dropout

    def masks(key: Any) -> Any:
        def step(kept: Any, step_key: Any) -> Any:
            for number, units in enumerate(RECIPE.model.hidden):
                layer_key = jax.random.fold_in(step_key, number)
                kept += jax.random.bernoulli(layer_key, 1 - rate, (batch, units)).sum()
            return kept, None

        return jax.lax.scan(step, 0, jax.random.split(key, n // batch))[0]

    program = jax.jit(masks)
    return lambda: program(jax.random.key(0, impl=generator))


def shuffle_run(shuffle: str, n: int) -> Run:
    """Return the drawing of one epoch's order, with the product's generator."""
    program = jax.jit(SHUFFLES[shuffle], static_argnums=1)
    return lambda: program(jax.random.key(0, impl=GENERATORS[0]), n)


def measure(runs: dict[str, Run], repeats: int) -> dict[str, list[float]]:
    """Run the candidates in turn and return the seconds of each; the first round compiles."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(-1, repeats):
        for name, run in runs.items():
            started = time.perf_counter()
            jax.block_until_ready(run())
            if repeat >= 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def candidates() -> dict[str, Run]:
    """Return all that is compared, by name."""
    train, _ = split_val(load_mnist().train, RECIPE.data.val_fraction)
    epochs = {
        f"epoch, {generator}, {shuffle}": epoch_run(train, generator, shuffle)
        for generator in GENERATORS
        for shuffle in SHUFFLES
    }
    masks = {f"dropout masks, {name}": dropout_run(name, len(train)) for name in GENERATORS}
    orders = {f"order, {name}": shuffle_run(name, len(train)) for name in SHUFFLES}
    return epochs | masks | orders


def figures_of(seconds: dict[str, list[float]]) -> list[Figure]:
    """Return the ratios that justify the choices, then the median seconds of everything."""
    ours = seconds["epoch, philox4x32, argsort"]
    pairs = {
        "compiled epoch, Philox / Threefry": (ours, seconds["epoch, threefry2x32, argsort"]),
        "compiled epoch, argsort of bits / `jax.random.permutation`": (
            ours,
            seconds["epoch, philox4x32, permutation"],
        ),
        "dropout's masks of an epoch, Philox / Threefry": (
            seconds["dropout masks, philox4x32"],
            seconds["dropout masks, threefry2x32"],
        ),
        "an epoch's order, argsort of bits / `jax.random.permutation`": (
            seconds["order, argsort"],
            seconds["order, permutation"],
        ),
    }
    ratios = [ratio_figure(what, *pair, at_most=1.0) for what, pair in pairs.items()]
    return ratios + [
        median_figure(name, "seconds", values, in_table=False) for name, values in seconds.items()
    ]


def main() -> None:
    """Measure and write records/prng.json."""
    options = arguments(__doc__, repeats=15).parse_args()
    say("compiling …")
    seconds = measure(candidates(), options.repeats)
    write_record("prng", figures_of(seconds), options.records, n=options.repeats, seeds=[0])


if __name__ == "__main__":
    main()
