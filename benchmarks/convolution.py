"""Why a convolutional network is trained step by step on a CPU: a step of it in two ways, on JAX.

`single`: each step is a compiled program. `looped`: the steps are inside one compiled loop, as
those of dense networks are. In turn, in one process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from processes import arguments, say
from record import Figure, median_figure, ratio_figure, write_record

from inkdigits.models.backend import set_up_keras
from inkdigits.models.cnn import build_cnn
from inkdigits.training.adjustable import numbers_of
from inkdigits.training.loop import compile_model, make_step, trained_variables
from inkdigits.training.recipe import load_recipe

STEPS = 2
BATCH = 128
Run = Callable[[], Any]


def make_runs() -> dict[str, Run]:
    """Return both ways to run STEPS steps of the network, compiled and warm."""
    recipe = load_recipe("cnn").training
    model = build_cnn((32, 64), (3, 2))
    compile_model(model, recipe, BATCH * STEPS)
    step = make_step(model, recipe)
    images = jnp.asarray(np.random.default_rng(0).integers(0, 256, (BATCH, 28, 28), np.uint8))
    labels = jnp.arange(BATCH, dtype=jnp.int32) % 10
    order, counts = jnp.arange(BATCH), jnp.ones(BATCH)
    keys = jax.random.split(jax.random.key(0), STEPS)
    numbers = numbers_of(model)
    values = [[v.value for v in group] for group in trained_variables(model)]
    start = (values, jnp.float32(0), jnp.float32(0))

    def one(carry: Any, key: Any) -> Any:
        return step(carry, numbers, images, labels, order, counts, key)

    compiled = jax.jit(one)
    loop = jax.jit(lambda carry: jax.lax.scan(lambda c, k: (one(c, k), None), carry, keys)[0])

    def single() -> Any:
        carry = start
        for key in keys:
            carry = compiled(carry, key)
        return jax.block_until_ready(carry)

    def looped() -> Any:
        return jax.block_until_ready(loop(start))

    runs = {"single": single, "looped": looped}
    for run in runs.values():
        run()
    return runs


def measure(repeats: int) -> dict[str, list[float]]:
    """Return the seconds of one step in each way."""
    runs = make_runs()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[name].append((time.perf_counter() - started) / STEPS)
            say(f"{name}: {seconds[name][-1]:.3f} s a step")
    return seconds


def figures_of(seconds: dict[str, list[float]]) -> list[Figure]:
    """Return the ratio of the two ways, and the seconds of ours."""
    return [
        ratio_figure(
            "a step of a convolutional network on JAX, by itself / inside one compiled loop",
            seconds["single"],
            seconds["looped"],
            at_most=1.0,
        ),
        median_figure("such a step by itself", "seconds", seconds["single"]),
    ]


def main() -> None:
    """Measure and write records/convolution.json."""
    options = arguments(__doc__, repeats=5).parse_args()
    set_up_keras()
    seconds = measure(options.repeats)
    write_record(
        "convolution",
        figures_of(seconds),
        options.records,
        page="docs/results.md",
        n=options.repeats,
        seeds=[],
    )


if __name__ == "__main__":
    main()
