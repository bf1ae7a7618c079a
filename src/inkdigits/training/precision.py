"""The number format in which a network is trained: the recipe's, where the machine has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
from rich.console import Console

CPU_INFO = Path("/proc/cpuinfo")
UNITS = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
"""What Linux calls a processor's instructions for bfloat16: Intel's and AMD's, and Arm's."""


def trained_precision(asked: str) -> str:
    """Return the number format to train in: `asked`, or float32 where bfloat16 would be slower.

    A GPU is taken to be fast in bfloat16, as all since 2020 are. A processor without instructions
    for it emulates them, ten times slower than float32, and XLA's code for CPUs has no use for them
    either (`docs/design-notes.md`). The network that is saved computes in float32 in any case.
    """
    if asked != "bfloat16" or has_accelerator():
        return asked
    serves = keras.backend.backend() == "tensorflow" and bool(UNITS & processor_flags(CPU_INFO))
    return asked if serves else "float32"


def in_precision(model: keras.Model, precision: str) -> keras.Model:
    """Return the built `model` with the same weights, computing in `precision` all through."""
    if precision != "float64":
        return model

    def widened(layer: keras.layers.Layer) -> keras.layers.Layer:
        return type(layer).from_config(layer.get_config() | {"dtype": precision})

    wide = keras.models.clone_model(model, clone_function=widened)
    wide.set_weights(model.get_weights())
    return wide


@contextmanager
def number_format(precision: str) -> Iterator[None]:
    """Let the engine have numbers of `precision` inside the block: JAX has float64 on demand."""
    if precision != "float64" or keras.backend.backend() != "jax":
        yield
        return
    import jax

    with jax.enable_x64(True):
        yield


def tell_precision(asked: str, console: Console) -> None:
    """Say so where the machine trains in another format than the one `asked` for."""
    used = trained_precision(asked)
    if used != asked:
        console.print(f"training in {used}: this machine is slower in {asked}", highlight=False)


def has_accelerator() -> bool:
    """Return whether Keras's engine computes on something else than the processor."""
    if keras.backend.backend() == "jax":
        import jax

        return str(jax.default_backend()) != "cpu"
    return bool(keras.distribution.list_devices("gpu"))


def processor_flags(path: Path) -> frozenset[str]:
    """Return the names of the processor's instructions that a file like /proc/cpuinfo lists.

    None where there is no such file.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    listed = [line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))]
    return frozenset(name for flags in listed for name in flags.split())
