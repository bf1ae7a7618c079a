"""What a training works with, from its recipe to its console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
from rich.console import Console

from inkdigits.data.dataset import Dataset
from inkdigits.training.checkpoint import State
from inkdigits.training.devices import ONE_DEVICE, Devices
from inkdigits.training.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """A training to carry out: what on which data, where, from which state, shown to whom.

    `devices` share its batches; of their processes the primary alone writes into `folder`.
    """

    recipe: Recipe
    folder: Path
    dataset: Dataset
    state: State | None
    callbacks: Sequence[keras.callbacks.Callback]
    console: Console
    devices: Devices = ONE_DEVICE
