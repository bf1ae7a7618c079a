"""Several networks that read whole numbers in one artefact: each tells what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx

from inkdigits.artefact.metadata import (
    INPUT_NAME,
    LINE_LABELS,
    MOST_NETWORKS,
    OUTPUT_NAME,
    Metadata,
    output_name,
)
from inkdigits.artefact.safety import check_onnx
from inkdigits.errors import ModelRefused
from inkdigits.models.export import checked_model
from inkdigits.models.metadata import line_metadata


def join_networks(contents: Sequence[bytes], metadata: Metadata) -> bytes:
    """Return one artefact with the networks of several, 2–4 of one network each.

    They share the input; their outputs are `probabilities`, `probabilities_2`, … Trained apart,
    networks err apart, so that the mean of their readings is better than each (Lakshminarayanan et
    al., 2017, *Deep ensembles*). Raises ModelRefused for too many or unsafe ones, and for another
    kind.
    """
    if not 2 <= len(contents) <= MOST_NETWORKS:
        raise ModelRefused(f"2 to {MOST_NETWORKS} networks can be joined, got {len(contents)}.")
    graphs = [graph_of(content) for content in contents]
    for number, graph in enumerate(graphs[1:], start=2):
        rename(graph, number)
    model = checked_model(
        [node for graph in graphs for node in graph.node],
        graphs[0].input[0],
        [graph.output[0] for graph in graphs],
        [constant for graph in graphs for constant in graph.initializer],
        metadata,
    )
    return bytes(model.SerializeToString())


def split_networks(content: bytes) -> list[bytes]:
    """Return each network of an artefact that reads numbers as an artefact of its own.

    What `join_networks` put together; each keeps its temperature. Raises ModelRefused.
    """
    check_onnx(content)
    graph = onnx.load_model_from_string(content).graph
    return [
        taken_out(graph, number).SerializeToString() for number in range(1, len(graph.output) + 1)
    ]


def taken_out(graph: Any, number: int) -> Any:
    """Return the model of one network of a graph, by the names that it has alone."""

    def belongs(name: str) -> bool:
        others = [at for at in range(2, len(graph.output) + 1) if at != number]
        if number > 1:
            return name.startswith(f"{number}/") or name == output_name(number)
        return not any(name.startswith(f"{at}/") or name == output_name(at) for at in others)

    def alone(name: str) -> str:
        return OUTPUT_NAME if name == output_name(number) else name.removeprefix(f"{number}/")

    nodes = [node for node in graph.node if belongs(node.output[0])]
    constants = [constant for constant in graph.initializer if belongs(constant.name)]
    for constant in constants:
        constant.name = alone(constant.name)
    for node in nodes:
        node.name = alone(node.name)
        node.input[:] = [alone(name) for name in node.input]
        node.output[:] = [alone(name) for name in node.output]
    end = graph.output[number - 1]
    end.name = OUTPUT_NAME
    return checked_model(nodes, graph.input[0], [end], constants, line_metadata())


def graph_of(content: bytes) -> Any:
    """Return the graph of an artefact with one network that reads numbers; raises ModelRefused."""
    check_onnx(content)
    graph = onnx.load_model_from_string(content).graph
    outputs = [output.name for output in graph.output]
    if outputs != [OUTPUT_NAME] or classes_of(graph) != len(LINE_LABELS):
        raise ModelRefused(f"only single networks for whole numbers can be joined, got {outputs}.")
    return graph


def classes_of(graph: Any) -> int:
    """Return into how many classes the graph's output falls."""
    return int(graph.output[0].type.tensor_type.shape.dim[-1].dim_value)


def rename(graph: Any, number: int) -> None:
    """Let all names of a graph begin with its number, but for the shared input and its output."""

    def renamed(name: str) -> str:
        if name in ("", INPUT_NAME):
            return name
        return output_name(number) if name == OUTPUT_NAME else f"{number}/{name}"

    for constant in graph.initializer:
        constant.name = renamed(constant.name)
    for node in graph.node:
        node.name = renamed(node.name)
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
    graph.output[0].name = renamed(graph.output[0].name)
