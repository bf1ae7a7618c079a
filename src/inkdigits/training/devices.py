"""The devices that share a training's batches, in one process or in several.

Data-parallel by JAX's own sharding: every device holds all weights and all images, takes its part
of each batch, and XLA exchanges the sums over the batch. Order, distortion and dropout are drawn
as for one device, so that the result is the same but for the order of additions. Processors add in
float64, where that order does not show: their number must not decide about a ReLU.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inkdigits.errors import UsageError
from inkdigits.training.recipe import Recipe

AXIS = "batch"
KINDS = ("ann", "cnn")


@dataclass(frozen=True)
class Group:
    """Several processes that train together: the primary's HOST:PORT, how many, and which this is.

    Process 0 is the primary, the only one that writes.
    """

    coordinator: str
    processes: int
    process: int

    def __post_init__(self) -> None:
        host, _, port = self.coordinator.rpartition(":")
        if not host or not port.isdigit():
            raise UsageError(f"--coordinator must be HOST:PORT, got {self.coordinator!r}.")
        if self.processes < 1:
            raise UsageError(f"--processes must be 1 or more, got {self.processes}.")
        if not 0 <= self.process < self.processes:
            raise UsageError(f"--process must be 0–{self.processes - 1}, got {self.process}.")


@dataclass(frozen=True)
class Devices:
    """A mesh of devices along the batch; without one, the engine's single default device.

    `exact` asks for a result that does not depend on how many there are.
    """

    mesh: Any = None
    exact: bool = False

    @property
    def primary(self) -> bool:
        """Whether this process is the one that writes."""
        if self.mesh is None:
            return True
        import jax

        return bool(jax.process_index() == 0)

    @property
    def count(self) -> int:
        """How many devices share a batch."""
        return 1 if self.mesh is None else int(self.mesh.devices.size)

    def everywhere(self, values: Any) -> Any:
        """Return `values`, arrays in any nesting, on every device."""
        import jax

        if self.mesh is None:
            return jax.tree.map(jax.numpy.asarray, values)
        return jax.tree.map(self._copied, values)

    def _copied(self, value: Any) -> Any:
        """Return one array, the same in every process, on every device."""
        import jax

        whole = self._sharding()
        if jax.process_count() == 1:
            return jax.device_put(value, whole)
        if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            words = self._copied(jax.random.key_data(value))
            return jax.random.wrap_key_data(words, impl=jax.random.key_impl(value))
        own = np.asarray(value)
        return jax.make_array_from_callback(own.shape, whole, lambda part: own[part])

    def here(self, values: Any) -> Any:
        """Return this process's own copy of `values` that are on every device."""
        import jax

        if self.mesh is None:
            return values
        return jax.tree.map(lambda value: value.addressable_data(0), values)

    def shared_out(self, values: Any) -> Any:
        """Let each device have its part of `values` along their first axis; for traced ones."""
        return self._constrained(values, AXIS)

    def on_each(self, values: Any) -> Any:
        """Let each device have all of `values`; for traced ones."""
        return self._constrained(values)

    def agree(self, logs: dict[str, float]) -> dict[str, float]:
        """Return the primary's `logs`, so that all processes stop after the same epoch."""
        if self.mesh is None:
            return logs
        from jax.experimental import multihost_utils

        numbers = np.array(list(logs.values()), np.float64 if self.exact else np.float32)
        told = multihost_utils.broadcast_one_to_all(numbers)
        return dict(zip(logs, np.asarray(told).tolist(), strict=True))

    def _constrained(self, values: Any, *axes: str) -> Any:
        if self.mesh is None:
            return values
        import jax

        return jax.lax.with_sharding_constraint(values, self._sharding(*axes))

    def _sharding(self, *axes: str) -> Any:
        from jax.sharding import NamedSharding, PartitionSpec

        return NamedSharding(self.mesh, PartitionSpec(*axes))


ONE_DEVICE = Devices()


def quieten() -> None:
    """Keep XLA from telling that its older partitioner is going to leave; before JAX's import."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send to stderr what the engine's own code prints, as Gloo does when processes have met."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def find_devices(count: int, group: Group | None = None) -> Devices:
    """Return the first `count` devices of each process, after joining the `group`, if there is one.

    Raises UsageError where there are fewer, or below another engine than JAX.
    """
    if os.environ["KERAS_BACKEND"] != "jax":
        raise UsageError(f"--devices needs KERAS_BACKEND=jax, got {os.environ['KERAS_BACKEND']!r}.")
    import jax
    from jax.experimental import multihost_utils
    from jax.sharding import Mesh

    if group is not None:
        with stdout_to_stderr():
            jax.distributed.initialize(group.coordinator, group.processes, group.process)
            # The processes meet at their first exchange.
            multihost_utils.sync_global_devices("start")
    here = jax.local_devices()
    if not 1 <= count <= len(here):
        raise UsageError(
            f"--devices must be 1–{len(here)}, which JAX sees here ({here[0].platform}), "
            f"got {count}.",
            "On a CPU, XLA_FLAGS=--xla_force_host_platform_device_count=N makes N virtual ones.",
        )
    # Graphics processors are made for float32: in float64 many take sixty times as long.
    exact = here[0].platform == "cpu"
    if count == 1 and group is None:
        return Devices(exact=exact)
    # XLA's new partitioner does not know one operation of Philox (JAX 0.10, mulhi).
    jax.config.update("jax_use_shardy_partitioner", False)
    chosen = [
        device
        for process in range(jax.process_count())
        for device in [d for d in jax.devices() if d.process_index == process][:count]
    ]
    return Devices(Mesh(np.array(chosen), (AXIS,)), exact)


def settled(recipe: Recipe, devices: Devices) -> Recipe:
    """Return `recipe` as `devices` train it: in float64 where they are to be exact.

    Raises UsageError unless its batches can be shared equally among them.
    """
    require_even(recipe, devices)
    if not devices.exact:
        return recipe
    return replace(recipe, model=replace(recipe.model, precision="float64"))


def require_even(recipe: Recipe, devices: Devices) -> None:
    """Raise UsageError unless the recipe's batches can be shared equally among `devices`."""
    if devices == ONE_DEVICE:
        return
    if recipe.model.kind not in KINDS:
        raise UsageError(
            f"--devices is for an ann or a cnn, got a recipe of {recipe.model.kind!r}."
        )
    size = recipe.training.batch_size
    if size % devices.count:
        raise UsageError(
            f"training.batch_size must be a multiple of the {devices.count} devices, got {size}."
        )
