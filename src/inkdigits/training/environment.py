"""Where and with what a run was made: the evidence that travels with its numbers."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import Any

from inkdigits.data.dataset import Dataset

PACKAGES = ("inkdigits", "keras", "jax", "tensorflow", "numpy", "onnx", "onnxruntime")


def describe_environment(backend: str, dataset: Dataset, seed: int) -> dict[str, Any]:
    """Return backend, device, versions, machine, data and command, JSON-ready."""
    return {
        "command": " ".join(["inkdigits", *sys.argv[1:]]),
        "seed": seed,
        "data": {
            "name": dataset.name,
            "sha256": dataset.sha256,
            "train": len(dataset.train),
            "test": len(dataset.test),
        },
        "comparable": dataset.comparable,
        "backend": backend,
        "device": device_name(backend),
        "python": platform.python_version(),
        "packages": versions(),
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cpu_count": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
    }


def versions() -> dict[str, str]:
    """Return the versions of the packages that shape a result, those that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def device_name(backend: str) -> str:
    """Return what the training runs on, as JAX names it; `cpu` on other backends."""
    if backend != "jax":
        return "cpu"
    import jax

    return str(jax.devices()[0].device_kind)


def cpu_name() -> str:
    """Return the processor's model name, from /proc/cpuinfo where there is one."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
