from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

from inkdigits.artefact import safety
from inkdigits.artefact.safety import check_onnx
from inkdigits.errors import ModelRefused


def tensor(external: bool = False) -> TensorProto:
    made = numpy_helper.from_array(np.ones(3, np.float32), "weights")
    if external:
        made.data_location = TensorProto.EXTERNAL
        made.external_data.add(key="location", value="/etc/passwd")
    return made


def graph(initializer: TensorProto, nodes: list | None = None) -> object:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])
    nodes = [helper.make_node("Add", ["x", "weights"], ["y"])] if nodes is None else nodes
    return helper.make_graph(nodes, "g", [x], [y], [initializer])


def model(**options: object) -> ModelProto:
    return helper.make_model(
        graph(tensor()), opset_imports=[helper.make_opsetid("", 17)], **options
    )


def with_attribute(attribute: AttributeProto) -> ModelProto:
    made = model()
    made.graph.node[0].attribute.append(attribute)
    return made


def sparse(external: bool) -> object:
    indices = numpy_helper.from_array(np.array([0, 1, 2]), "indices")
    return helper.make_sparse_tensor(tensor(external), indices, [9])


def in_initializer(external: bool) -> ModelProto:
    made = model()
    made.graph.initializer.append(tensor(external))
    return made


def in_sparse_initializer(external: bool) -> ModelProto:
    made = model()
    made.graph.sparse_initializer.append(sparse(external))
    return made


def in_attribute_tensor(external: bool) -> ModelProto:
    return with_attribute(helper.make_attribute("value", tensor(external)))


def in_attribute_tensors(external: bool) -> ModelProto:
    return with_attribute(helper.make_attribute("values", [tensor(), tensor(external)]))


def in_attribute_sparse(external: bool) -> ModelProto:
    return with_attribute(helper.make_attribute("value", sparse(external)))


def in_attribute_sparse_list(external: bool) -> ModelProto:
    return with_attribute(helper.make_attribute("values", [sparse(external)]))


def in_subgraph(external: bool) -> ModelProto:
    inner = helper.make_node("If", ["x"], ["y"], then_branch=graph(tensor(external)))
    return with_attribute(helper.make_attribute("body", graph(tensor(), [inner])))


def in_subgraph_list(external: bool) -> ModelProto:
    return with_attribute(helper.make_attribute("bodies", [graph(tensor(external))]))


def in_function(external: bool) -> ModelProto:
    constant = helper.make_node("Constant", [], ["y"], value=tensor(external))
    opset = [helper.make_opsetid("", 17)]
    made = model()
    made.functions.append(helper.make_function("", "f", [], ["y"], [constant], opset))
    return made


def in_function_default(external: bool) -> ModelProto:
    made = in_function(False)
    made.functions[0].attribute_proto.append(helper.make_attribute("a", tensor(external)))
    return made


def in_training(external: bool) -> ModelProto:
    made = model()
    made.training_info.add().algorithm.CopyFrom(graph(tensor(external)))
    return made


@pytest.fixture
def any_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where data hides is told apart from which operators are allowed."""
    monkeypatch.setattr(safety, "OPERATORS", safety.OPERATORS | {b"Constant"})


PLACES = [
    in_initializer,
    in_sparse_initializer,
    in_attribute_tensor,
    in_attribute_tensors,
    in_attribute_sparse,
    in_attribute_sparse_list,
    in_subgraph,
    in_subgraph_list,
    in_function,
    in_function_default,
    in_training,
]


@pytest.mark.parametrize("name", ["Loop", "Scan", "ConstantOfShape", "RandomNormal", "Über"])
def test_operators_that_no_digit_model_has_are_refused(name: str) -> None:
    node = helper.make_node(name, ["x"], ["y"])
    made = helper.make_model(graph(tensor(), [node]))
    with pytest.raises(ModelRefused, match="an operator that no digit model needs"):
        check_onnx(made.SerializeToString())


@pytest.mark.parametrize(
    "attribute",
    [
        helper.make_attribute("axis", 1025),
        helper.make_attribute("axis", -(2**63)),
        helper.make_attribute("pads", [1, 1, 2**31, 1]),
    ],
)
def test_huge_attributes_are_refused(attribute: AttributeProto) -> None:
    with pytest.raises(ModelRefused, match="the limit is 1024"):
        check_onnx(with_attribute(attribute).SerializeToString())


def test_attributes_of_plain_layers_pass() -> None:
    for attribute in (
        helper.make_attribute("axis", -1),
        helper.make_attribute("group", 1024),
        helper.make_attribute("pads", [2, 2, 2, 2]),
    ):
        check_onnx(with_attribute(attribute).SerializeToString())


def test_a_packed_list_of_integers_is_looked_into() -> None:
    packed = b"\x42\x06" + b"\x02" + varint(2**31)  # field 8 of an attribute, in one piece
    node = b"\x2a" + varint(len(packed)) + packed
    body = b"\x0a" + varint(len(node)) + node
    with pytest.raises(ModelRefused, match=f"an attribute of {2**31}"):
        check_onnx(b"\x3a" + varint(len(body)) + body)


@pytest.mark.usefixtures("any_operator")
@pytest.mark.parametrize("place", PLACES)
def test_external_data_is_refused_wherever_it_hides(place: object) -> None:
    check_onnx(place(False).SerializeToString())
    with pytest.raises(ModelRefused, match="outside its file"):
        check_onnx(place(True).SerializeToString())


@pytest.mark.parametrize("half", ["location", "entry"])
def test_either_half_of_external_data_is_enough(half: str) -> None:
    made = model()
    weights = made.graph.initializer[0]
    if half == "location":
        weights.data_location = TensorProto.EXTERNAL
    else:
        weights.external_data.add(key="location", value="x.bin")
    with pytest.raises(ModelRefused, match="outside its file"):
        check_onnx(made.SerializeToString())


def test_a_location_that_parsers_cut_to_32_bits_is_refused() -> None:
    overlong = b"\x70\x81\x80\x80\x80\x10"  # field 14, the number 2**32 + 1
    weights = b"\x2a" + bytes([len(overlong)]) + overlong
    with pytest.raises(ModelRefused, match="outside its file"):
        check_onnx(b"\x3a" + bytes([len(weights)]) + weights)


def test_merged_graphs_are_both_seen() -> None:
    with pytest.raises(ModelRefused, match="outside its file"):
        check_onnx(in_initializer(True).SerializeToString() + model().SerializeToString())


def test_custom_domains_are_refused() -> None:
    node, imported = model(), model()
    node.graph.node[0].domain = "com.evil"
    imported.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    for made, domain in ((node, "com.evil"), (imported, "com.microsoft")):
        with pytest.raises(ModelRefused, match=domain):
            check_onnx(made.SerializeToString())


def test_the_standard_domain_by_its_long_name_is_fine() -> None:
    made = model()
    made.graph.node[0].domain = "ai.onnx"
    check_onnx(made.SerializeToString())


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (pickle.dumps({"a": 1}), "pickle"),
        (zipped("archive/data.pkl"), "zip"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5"),
        (b"\x20\x00\x00\x00ORTM" + bytes(50), "ORT format"),
        (b"<html>not a model</html>", "no ONNX model"),
        (ModelProto(ir_version=8).SerializeToString(), "no graph"),
    ],
)
def test_other_files_are_named(content: bytes, what: str) -> None:
    with pytest.raises(ModelRefused, match=what):
        check_onnx(content)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    content = model().SerializeToString()
    monkeypatch.setattr(safety, "MAX_FIELDS", 3)
    with pytest.raises(ModelRefused, match="more than 3 fields"):
        check_onnx(content)
    monkeypatch.setattr(safety, "MAX_BYTES", 10)
    with pytest.raises(ModelRefused, match="the limit is 10"):
        check_onnx(content)


def test_a_depth_bomb_is_refused() -> None:
    content = b""
    for _ in range(400):  # graph in attribute in node in graph …
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            content = tag + varint(len(content)) + content
    with pytest.raises(ModelRefused, match="deep"):
        check_onnx(b"\x3a" + varint(len(content)) + content)


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def tensors(message: object) -> list[TensorProto]:
    """Every tensor anywhere in a protobuf message, found by reflection."""
    if isinstance(message, TensorProto):
        return [message]
    found = []
    for field, value in message.ListFields():
        if field.message_type is not None:
            repeated = hasattr(value, "__len__") and not hasattr(value, "ListFields")
            for part in value if repeated else [value]:
                found += tensors(part)
    return found


SEEDS = [place(external).SerializeToString() for place in PLACES for external in (False, True)]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    st.integers(0, 3),
)
def test_what_passes_has_no_external_data_by_onnx_own_parser(
    seed: bytes, changes: list[tuple[float, int]], cut: int
) -> None:
    content = bytearray(seed)
    for place, value in changes:
        content[int(place * len(content))] = value
    content = content[: len(content) - cut]
    try:
        check_onnx(bytes(content))
    except ModelRefused:
        return
    try:
        parsed = ModelProto.FromString(bytes(content))
    except DecodeError:
        return  # ONNX Runtime cannot load it either
    for found in tensors(parsed):
        assert found.data_location == TensorProto.DEFAULT
        assert not found.external_data


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_pass_quietly(content: bytes) -> None:
    try:
        check_onnx(content)
    except ModelRefused as error:
        assert "\n" not in str(error)
