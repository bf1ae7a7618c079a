"""A second look in ONNX: all members and views see the images that the first is not sure of."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from inkdigits.artefact.metadata import INPUT_NAME
from inkdigits.models.graph import Graph


def look_again(graph: Graph, first: str, mean: str, sure: float, steep: float) -> None:
    """Let the latest value be the logits `first`, and `mean` for images that it is not sure of.

    From `first` to `mean` it goes `steep` times as fast as sureness falls below `sure`. The nodes
    that `first` needs see every image, all of them once more the doubtful ones alone.
    """
    everything = list(graph.nodes)
    graph.nodes = needed_for(first, everything)
    graph.join("Softmax", [first], ["first_shares"], axis=1)
    graph.add("ReduceMax", name="first_surest", axes=[1], keepdims=0)
    limit = graph.constant("sure", np.float32(sure))
    graph.add("Less", limit, name="in_doubt")
    graph.join("ReduceMin", ["first_surest"], ["least_sure"], keepdims=0)
    graph.add("Less", limit, name="any_in_doubt")
    branches = {
        "then_branch": branch(nodes_in_doubt(everything, first, mean), "looked_again"),
        "else_branch": branch([helper.make_node("Identity", [first], ["sure_logits"])]),
    }
    graph.constant("doubtful.axis", np.array([1]))
    graph.constant("doubt.steep", np.float32(steep))
    graph.constant("doubt.least", np.float32(0))
    graph.constant("doubt.most", np.float32(1))
    graph.constant("doubt.column", np.array([-1, 1]))
    graph.join("If", ["any_in_doubt"], ["logits_after_doubt"], **branches)


def nodes_in_doubt(everything: list[Any], first: str, mean: str) -> list[Any]:
    """Return the nodes that put `mean` of the doubtful images in the place of their `first`."""
    made = {node.output[0] for node in everything}
    renamed = {name: f"again/{name}" for name in made} | {INPUT_NAME: "doubtful_images"}
    found = [
        helper.make_node("NonZero", ["in_doubt"], ["doubtful_row"]),
        helper.make_node("Transpose", ["doubtful_row"], ["doubtful"], perm=[1, 0]),
        helper.make_node("Squeeze", ["doubtful", "doubtful.axis"], ["doubtful_places"]),
        helper.make_node("Gather", [INPUT_NAME, "doubtful_places"], ["doubtful_images"], axis=0),
    ]
    for node in everything:
        again = onnx.NodeProto()
        again.CopyFrom(node)
        again.name = f"again/{node.name}"
        again.input[:] = [renamed.get(name, name) for name in node.input]
        again.output[:] = [renamed[name] for name in node.output]
        found.append(again)
    mixed = nodes_of_mix(renamed[first], renamed[mean])
    inputs = [first, "doubtful", mixed[-1].output[0]]
    return [*found, *mixed, helper.make_node("ScatterND", inputs, ["logits_of_all"])]


def nodes_of_mix(first: str, mean: str) -> list[Any]:
    """Return the nodes that mix `first` and `mean` of the doubtful images by how doubtful each is.

    As `models.ensemble.doubting` does it in Keras.
    """
    steps = [
        ("Gather", ["first_surest", "doubtful_places"], "doubtful_surest"),
        ("Sub", ["sure", "doubtful_surest"], "lacking"),
        ("Mul", ["lacking", "doubt.steep"], "doubt_unbounded"),
        ("Clip", ["doubt_unbounded", "doubt.least", "doubt.most"], "doubt_of_each"),
        ("Reshape", ["doubt_of_each", "doubt.column"], "doubt"),
        ("Sub", [mean, first], "change"),
        ("Mul", ["doubt", "change"], "change_in_doubt"),
        ("Add", [first, "change_in_doubt"], "logits_in_doubt"),
    ]
    return [helper.make_node(operator, inputs, [output]) for operator, inputs, output in steps]


def branch(nodes: list[Any], name: str = "was_sure") -> Any:
    """Return the branch of a condition whose last node makes its output, logits (N, C)."""
    output = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, ["N", "C"])
    return helper.make_graph(nodes, name, [], [output])


def needed_for(value: str, nodes: list[Any]) -> list[Any]:
    """Return those of `nodes`, in order, that lead to `value`."""
    wanted, found = {value}, []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            found.append(node)
    return found[::-1]
