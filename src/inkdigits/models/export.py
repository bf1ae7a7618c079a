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

from inkdigits.artefact.metadata import (
    INPUT_NAME,
    LINE_LABELS,
    NOT_A_DIGIT_NAME,
    OUTPUT_NAME,
    Metadata,
    to_props,
)
from inkdigits.errors import ModelRefused
from inkdigits.imaging.line import HEIGHT
from inkdigits.models.doubt import look_again
from inkdigits.models.ensemble import looks_of
from inkdigits.models.graph import Graph
from inkdigits.models.half import HALF, is_half, with_normalization

# Opset 17 is what every ONNX Runtime since 1.12 and onnxruntime-web read.
OPSET = 17
IR_VERSION = 8
CHANNEL_SHAPES = ((28, 28, 1), (HEIGHT, -1, 1))
STEPS_SHAPE = (-1, len(LINE_LABELS))
SQUEEZED = "squeezed"
# The layers for which the order of flattened channels does not matter or is put right.
AFTER_FOLDING = ("Dense", "Dropout")
WORTH_IT = 256
"""A constant of fewer numbers is stored as it is."""
FREE = 64
"""Stands for a width that is not fixed."""


def export_onnx(model: keras.Model, metadata: Metadata) -> bytes:
    """Return `model` as an ONNX artefact that describes itself.

    Input `images` uint8 (N, 28, 28); output `probabilities` float32 (N, 10), the temperature of
    `metadata` applied. A model with an eleventh class gets the output `not_a_digit` float32 (N,),
    too. The whole-number network takes crops (N, 32, W) and gives (N, W / 2, 13). Raises
    ModelRefused for a layer that has no translation here.
    """
    looks = looks_of(model)
    graph = Graph()
    graph.add("Cast", name="pixels", to=TensorProto.FLOAT)
    values = {id(tensor): "pixels" for tensor in model.inputs}
    for node in nodes_of(model if looks is None else keras.Model(model.inputs, looks[:2])):
        layer, tensors = node.operation, node.input_tensors
        translate = TRANSLATIONS.get(type(layer).__name__)
        if translate is None:
            raise ModelRefused(
                f"a {type(layer).__name__} layer cannot be exported to ONNX.",
                f"Layers with a translation: {', '.join(TRANSLATIONS)}.",
            )
        graph.before = [values[id(tensor)] for tensor in tensors]
        graph.value, graph.shape = graph.before[0], tensors[0].shape
        if graph.folded.keys() & set(graph.before) and type(layer).__name__ not in AFTER_FOLDING:
            raise ModelRefused(
                f"a {type(layer).__name__} after flattened channels cannot be exported to ONNX.",
                "Let a Dense layer follow, which the export can put into ONNX's order.",
            )
        translate(graph, layer)
        values[id(node.outputs[0])] = graph.value
    # Steps of a number, or the classes of one digit.
    if len(model.output_shape) == 3:
        ends = finish_steps(graph, metadata)
    elif looks is None:
        drop_softmax(graph)
        ends = finish(graph, metadata, model.output_shape[-1])
    else:
        first, mean, sure, steep = looks
        look_again(graph, values[id(first)], values[id(mean)], sure, steep)
        ends = finish(graph, metadata, model.output_shape[-1])
    content: bytes = assemble(graph, metadata, *ends).SerializeToString()
    return content


def nodes_of(model: keras.Model) -> list[Any]:
    """Return each use of a layer, those first that others wait for; the inputs are left out."""
    by_depth = getattr(model, "_functional", model)._nodes_by_depth
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    return [node for node in nodes if not node.is_input]


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
    """Fold all axes but the first; ONNX has channels first, Keras last."""
    graph.add("Flatten", name=layer.name, axis=1)
    if len(graph.shape) > 3:
        graph.folded[graph.value] = tuple(int(side or 0) for side in graph.shape[1:])


def add_reshape(graph: Graph, layer: Any) -> None:
    """Give images their one channel, which ONNX wants before rows and columns; or end in steps."""
    if tuple(layer.target_shape) == STEPS_SHAPE:
        graph.add("Squeeze", graph.constant(f"{layer.name}.rows", np.array([2])), name=SQUEEZED)
        graph.add("Transpose", name=layer.name, perm=[0, 2, 1])
        return
    if tuple(layer.target_shape) not in CHANNEL_SHAPES:
        raise ModelRefused(f"a reshape to {layer.target_shape} cannot be exported to ONNX.")
    rows, columns, _ = layer.target_shape
    # 0: as many as there are.
    shape = graph.constant(f"{layer.name}.shape", np.array([0, 1, rows, columns], np.int64))
    graph.add("Reshape", shape, name=layer.name)


def add_convolution(graph: Graph, layer: Any) -> None:
    """Add a convolution with Keras's `same` padding, uneven where the stride is 2, or with none."""
    kernel = np.transpose(np.asarray(layer.kernel), (3, 2, 0, 1))
    bias = np.asarray(layer.bias) if layer.use_bias else np.zeros(layer.filters, np.float32)
    if layer.groups != 1 or layer.data_format != "channels_last":
        raise ModelRefused("only plain convolutions can be exported to ONNX.")
    pads = [
        padding_of(layer.padding, *sizes)
        for sizes in zip(
            graph.shape[1:3],
            layer.strides,
            layer.kernel_size,
            layer.dilation_rate,
            strict=True,
        )
    ]
    names = f"{layer.name}.kernel", f"{layer.name}.bias"
    if names[0] not in graph.normalized:
        graph.constant(names[0], kernel)
        graph.constant(names[1], bias)
    graph.add(
        "Conv",
        *names,
        name=layer.name,
        kernel_shape=list(layer.kernel_size),
        dilations=list(layer.dilation_rate),
        strides=list(layer.strides),
        pads=[pad // 2 for pad in pads] + [pad - pad // 2 for pad in pads],
    )
    add_activation(graph, layer, f"{layer.name}.activated")


def padding_of(padding: str, size: int | None, stride: int, side: int, dilation: int) -> int:
    """Return how many rows or columns of zeros a convolution puts around its input in all."""
    if padding == "valid":
        return 0
    # A width that is not fixed is a multiple of all strides.
    known = size or FREE
    return max(0, (-(-known // stride) - 1) * stride + (side - 1) * dilation + 1 - known)


def fold_normalization(graph: Graph, layer: Any) -> None:
    """Fold batch normalisation into the convolution before: in use it is a scale and a shift."""
    # Not always the latest node: the layers of an ensemble's members take turns.
    node = next(node for node in reversed(graph.nodes) if node.output[0] == graph.value)
    if node.op_type != "Conv":
        raise ModelRefused(f"batch normalisation after {node.op_type} cannot be exported to ONNX.")
    if not (layer.center and layer.scale):
        raise ModelRefused("batch normalisation needs scale and centre to be exported to ONNX.")
    if node.input[1] in graph.normalized:
        return
    graph.normalized.add(node.input[1])
    kernel, bias = (graph.constants[name] for name in node.input[1:])
    kernel, bias = with_normalization(np.moveaxis(kernel, 0, -1), bias, layer)
    graph.constant(node.input[1], np.moveaxis(kernel, -1, 0))
    graph.constant(node.input[2], bias)


def add_pooling(graph: Graph, layer: Any) -> None:
    """Average each channel over the image."""
    graph.add("GlobalAveragePool", name=f"{layer.name}.pooled")
    graph.add("Flatten", name=layer.name, axis=1)


def add_padding(graph: Graph, layer: Any) -> None:
    """Put zeros around each image."""
    add_margins(graph, layer, layer.padding, 1)


def add_cropping(graph: Graph, layer: Any) -> None:
    """Cut the margins of each image off: ONNX takes that as padding below zero."""
    add_margins(graph, layer, layer.cropping, -1)


def add_margins(graph: Graph, layer: Any, margins: Any, sign: int) -> None:
    """Add margins around rows and columns, or take them away where `sign` is -1."""
    (above, below), (left, right) = margins
    pads = sign * np.array([0, 0, above, left, 0, 0, below, right], np.int64)
    graph.add("Pad", graph.constant(f"{layer.name}.pads", pads), name=layer.name)


def add_relu(graph: Graph, layer: Any) -> None:
    """Add a plain ReLU."""
    if layer.max_value is not None or layer.negative_slope or layer.threshold:
        raise ModelRefused("a ReLU with a bound or a slope cannot be exported to ONNX.")
    graph.add("Relu", name=layer.name)


def add_dense(graph: Graph, layer: Any) -> None:
    """Add weights, bias and activation."""
    kernel = np.asarray(layer.kernel)
    if graph.value in graph.folded:
        places = kernel.reshape(*graph.folded[graph.value], layer.units)
        kernel = places.transpose(2, 0, 1, 3).reshape(kernel.shape)
    inputs = [graph.constant(f"{layer.name}.kernel", kernel)]
    if layer.use_bias:
        inputs.append(graph.constant(f"{layer.name}.bias", layer.bias))
    graph.add("Gemm", *inputs, name=f"{layer.name}.logits")
    add_activation(graph, layer, layer.name)


def add_activation(graph: Graph, layer: Any, name: str) -> None:
    """Add the activation that is part of a layer."""
    activation = layer.activation.__name__
    if activation == "relu":
        graph.add("Relu", name=name)
    elif activation == "softmax":
        graph.add("Softmax", name=name, axis=1)
    elif activation != "linear":
        raise ModelRefused(f"activation {activation!r} cannot be exported to ONNX.")


def add_sum(graph: Graph, layer: Any) -> None:
    """Add the outputs of two layers."""
    graph.join("Add", graph.before, [layer.name])


def add_concatenation(graph: Graph, layer: Any) -> None:
    """Put the outputs of several layers side by side."""
    graph.join("Concat", graph.before, [layer.name], axis=1)


TRANSLATIONS: dict[str, Callable[[Graph, Any], None]] = {
    "Dropout": skip,
    "Rescaling": add_rescaling,
    "Flatten": add_flatten,
    "Reshape": add_reshape,
    "Conv2D": add_convolution,
    "BatchNormalization": fold_normalization,
    "ReLU": add_relu,
    "ZeroPadding2D": add_padding,
    "Cropping2D": add_cropping,
    "GlobalAveragePooling2D": add_pooling,
    "Dense": add_dense,
    "Concatenate": add_concatenation,
    "Add": add_sum,
}


def drop_softmax(graph: Graph) -> None:
    """Take the last softmax away, so that the latest value is its logits."""
    softmax = graph.nodes.pop()
    if softmax.op_type != "Softmax":
        raise ModelRefused(f"the model ends in {softmax.op_type}, not in a softmax.")
    graph.value = softmax.input[0]


def finish(graph: Graph, metadata: Metadata, classes: int) -> tuple[Any, list[Any]]:
    """Make probabilities of the latest logits (N, `classes`), at the temperature of `metadata`.

    Return input and outputs.
    """
    digits = len(metadata.labels)
    if metadata.temperature != 1.0:
        temperature = graph.constant("temperature", np.float32(metadata.temperature))
        graph.add("Div", temperature, name="tempered")
    outputs = [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["N", digits])]
    if classes == digits + 1:
        outputs.append(helper.make_tensor_value_info(NOT_A_DIGIT_NAME, TensorProto.FLOAT, ["N"]))
        logits = graph.value
        graph.add("Softmax", name="shares", axis=1)
        parts = graph.constant("classes", np.array([digits, 1], np.int64))
        graph.join("Split", [graph.value, parts], ["digit_shares", "other_share"], axis=1)
        flat = graph.constant("flat", np.array([-1], np.int64))
        graph.join("Reshape", ["other_share", flat], [NOT_A_DIGIT_NAME])
        graph.join("Split", [logits, parts], ["digit_logits", "other_logit"], axis=1)
    graph.add("Softmax", name=OUTPUT_NAME, axis=1)
    return helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["N", 28, 28]), outputs


def finish_steps(graph: Graph, metadata: Metadata) -> tuple[Any, list[Any]]:
    """Put the temperature into the last convolution, name the output; return input and outputs."""
    convolution, softmax, _, last = graph.nodes[-4:]
    if (convolution.op_type, softmax.op_type) != ("Conv", "Softmax"):
        raise ModelRefused(f"the model's steps come from {softmax.op_type}, not from a softmax.")
    for name in convolution.input[1:]:
        graph.constant(name, graph.constants[name] / np.float32(metadata.temperature))
    last.output[0] = OUTPUT_NAME
    classes = len(metadata.labels)
    wide = helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["N", HEIGHT, "W"])
    return wide, [
        helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["N", "T", classes])
    ]


def assemble(graph: Graph, metadata: Metadata, start: Any, ends: list[Any]) -> onnx.ModelProto:
    """Return the checked ONNX model with its metadata.

    Weights that a float16 holds exactly are stored as such, and cast when the file is opened.
    """
    constants, casts = [], []
    for name, array in graph.constants.items():
        if not fits_half(array):
            constants.append(numpy_helper.from_array(array, name))
            continue
        stored = f"{name}{HALF}"
        constants.append(numpy_helper.from_array(array.astype(np.float16), stored))
        casts.append(
            helper.make_node("Cast", [stored], [name], f"{name}.cast", to=TensorProto.FLOAT)
        )
    return checked_model([*casts, *graph.nodes], start, ends, constants, metadata)


def fits_half(array: Any) -> bool:
    """Return whether a constant is large, and stored as float16 without loss."""
    return array.size >= WORTH_IT and is_half(array)


def checked_model(
    nodes: list[Any], start: Any, ends: list[Any], constants: list[Any], metadata: Metadata
) -> onnx.ModelProto:
    """Return the ONNX model of these nodes and constants, with its metadata."""
    body = helper.make_graph(nodes, "inkdigits", [start], ends, constants)
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
