"""Keras → ONNX for our own layers, written out by hand so that the graph holds nothing else.

Keras's own export on JAX was tried: it wraps each layer in transposes, leaves batch-norm unfused
and pulls in some 25 packages (`docs/design-notes.md`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from inkdigits.artefact.metadata import INPUT_NAME, OUTPUT_NAME, Metadata, to_props
from inkdigits.errors import ModelRefused

# Opset 17 is what every ONNX Runtime since 1.12 and onnxruntime-web read.
OPSET = 17
IR_VERSION = 8


class Graph:
    """The ONNX graph under construction: nodes in order, constants, and the latest value's name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.value = INPUT_NAME

    def constant(self, name: str, array: Any) -> str:
        """Add a constant and return its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, operator: str, *inputs: str, name: str, **attributes: Any) -> None:
        """Add a node that takes the latest value, then `inputs`; its output becomes the latest."""
        node = helper.make_node(operator, [self.value, *inputs], [name], name=name, **attributes)
        self.nodes.append(node)
        self.value = name


def export_onnx(model: keras.Model, metadata: Metadata) -> bytes:
    """Return `model` as an ONNX artefact that describes itself.

    Input `images` uint8 (N, 28, 28); output `probabilities` float32 (N, 10), the temperature of
    `metadata` applied. Raises ModelRefused for a layer that has no translation here.
    """
    graph = Graph()
    graph.add("Cast", name="pixels", to=TensorProto.FLOAT)
    for layer in model.layers:
        translate = TRANSLATIONS.get(type(layer).__name__)
        if translate is None:
            raise ModelRefused(
                f"a {type(layer).__name__} layer cannot be exported to ONNX.",
                f"Layers with a translation: {', '.join(TRANSLATIONS)}.",
            )
        translate(graph, layer)
    finish(graph, metadata.temperature)
    content: bytes = assemble(graph, metadata).SerializeToString()
    return content


def skip(graph: Graph, layer: Any) -> None:
    """Leave out a layer that does nothing outside training."""


def add_rescaling(graph: Graph, layer: Any) -> None:
    """Multiply by the scale, then add the offset where there is one."""
    scale = graph.constant(f"{layer.name}.scale", np.float32(layer.scale))
    graph.add("Mul", scale, name=layer.name)
    if layer.offset:
        offset = graph.constant(f"{layer.name}.offset", np.float32(layer.offset))
        graph.add("Add", offset, name=f"{layer.name}.shifted")


def add_flatten(graph: Graph, layer: Any) -> None:
    """Fold all axes but the first."""
    graph.add("Flatten", name=layer.name, axis=1)


def add_dense(graph: Graph, layer: Any) -> None:
    """Add weights, bias and activation."""
    kernel = graph.constant(f"{layer.name}.kernel", layer.kernel)
    bias = graph.constant(f"{layer.name}.bias", layer.bias)
    graph.add("Gemm", kernel, bias, name=f"{layer.name}.logits")
    activation = layer.activation.__name__
    if activation == "relu":
        graph.add("Relu", name=layer.name)
    elif activation == "softmax":
        graph.add("Softmax", name=layer.name, axis=1)
    elif activation != "linear":
        raise ModelRefused(f"activation {activation!r} cannot be exported to ONNX.")


TRANSLATIONS: dict[str, Callable[[Graph, Any], None]] = {
    "InputLayer": skip,
    "Dropout": skip,
    "Rescaling": add_rescaling,
    "Flatten": add_flatten,
    "Dense": add_dense,
}


def finish(graph: Graph, temperature: float) -> None:
    """Put the temperature before the last softmax and give the output its name."""
    softmax = graph.nodes[-1]
    if softmax.op_type != "Softmax":
        raise ModelRefused(f"the model ends in {softmax.op_type}, not in a softmax.")
    if temperature != 1.0:
        graph.nodes.pop()
        graph.value = softmax.input[0]
        graph.add("Div", graph.constant("temperature", np.float32(temperature)), name="tempered")
        graph.add("Softmax", name=OUTPUT_NAME, axis=1)
    graph.nodes[-1].output[0] = OUTPUT_NAME


def assemble(graph: Graph, metadata: Metadata) -> onnx.ModelProto:
    """Return the checked ONNX model with its metadata."""
    inputs = [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["N", 28, 28])]
    classes = len(metadata.labels)
    outputs = [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["N", classes])]
    body = helper.make_graph(graph.nodes, "inkdigits", inputs, outputs, graph.constants)
    model = helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="inkdigits",
        producer_version=metadata.package_version,
    )
    helper.set_model_props(model, to_props(metadata))
    onnx.checker.check_model(model)
    return model
