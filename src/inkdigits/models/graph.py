"""The ONNX graph under construction."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
from onnx import helper

from inkdigits.artefact.metadata import INPUT_NAME


class Graph:
    """The ONNX graph under construction.

    Nodes in order, constants by name, the values that feed the layer at hand, their shape, and the
    latest value. `folded` keeps the rows, columns and channels of values that were flattened, by
    name; `normalized` the kernels that batch normalisation is already part of.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.before: list[str] = []
        self.shape: tuple[int | None, ...] = ()
        self.normalized: set[str] = set()
        self.folded: dict[str, tuple[int, ...]] = {}
        self.value = INPUT_NAME

    def constant(self, name: str, array: Any) -> str:
        """Add or replace a constant and return its name."""
        self.constants[name] = np.asarray(array)
        return name

    def add(self, operator: str, *inputs: str, name: str, **attributes: Any) -> None:
        """Add a node that takes the latest value, then `inputs`; its output becomes the latest."""
        self.join(operator, [self.value, *inputs], [name], **attributes)

    def join(self, operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        """Add a node that takes `inputs`; its first output becomes the latest value.

        A layer that is used again gets a number behind its name.
        """
        name = self.free(outputs[0])
        outputs = [name, *outputs[1:]]
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=name, **attributes))
        self.value = name

    def free(self, name: str) -> str:
        """Return `name`, with a number behind it where an output is called so already."""
        taken = {node.output[0] for node in self.nodes}
        names = (f"{name}.{number}" for number in count(2))
        return name if name not in taken else next(n for n in names if n not in taken)
