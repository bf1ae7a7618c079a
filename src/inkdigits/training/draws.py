"""Random arrays for augmentation, from each engine's own source."""

from __future__ import annotations

from typing import Any, Protocol


class Draws(Protocol):
    """A source of random arrays, each call a fresh one."""

    def uniform(self, shape: tuple[int, ...]) -> Any:
        """Return float32 numbers between -1 and 1."""

    def normal(self, shape: tuple[int, ...]) -> Any:
        """Return float32 standard normal numbers."""


class JaxDraws:
    """Random arrays from a JAX key, inside or outside a compiled program.

    Drawn as float32 always, and given as float64 where JAX has it, so that what is computed from
    them is float64, too.
    """

    def __init__(self, key: Any) -> None:
        self._key = key

    def _next(self) -> Any:
        import jax

        self._key, key = jax.random.split(self._key)
        return key

    def uniform(self, shape: tuple[int, ...]) -> Any:
        """Return float32 numbers between -1 and 1."""
        import jax

        drawn = jax.random.uniform(self._next(), shape, "float32", minval=-1.0, maxval=1.0)
        return drawn.astype(float)

    def normal(self, shape: tuple[int, ...]) -> Any:
        """Return float32 standard normal numbers."""
        import jax

        return jax.random.normal(self._next(), shape, "float32").astype(float)


class TensorFlowDraws:
    """Random arrays from two integers, the same for the same ones."""

    def __init__(self, seed: Any) -> None:
        self.seed = seed
        self.calls = 0

    def _next(self) -> Any:
        import tensorflow as tf

        self.calls += 1
        return tf.random.experimental.stateless_fold_in(self.seed, self.calls)

    def uniform(self, shape: tuple[int, ...]) -> Any:
        """Return float32 numbers between -1 and 1."""
        import tensorflow as tf

        return tf.random.stateless_uniform(shape, self._next(), minval=-1.0, maxval=1.0)

    def normal(self, shape: tuple[int, ...]) -> Any:
        """Return float32 standard normal numbers."""
        import tensorflow as tf

        return tf.random.stateless_normal(shape, self._next())
