"""What may reach ONNX Runtime: plain ONNX of standard operators, all of its data inside the file.

A model file is input like any other. Pickles run code when loaded, and external data makes the
runtime open other files of this machine. The `onnx` package is no part of the base install, so the
file is walked here as protobuf wire format: only field numbers and lengths, no field is decoded
that does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from inkdigits.errors import ModelRefused

MAX_BYTES = 256 * 1024 * 1024
MAX_DEPTH = 64
MAX_FIELDS = 2_000_000
STANDARD_DOMAINS = (b"", b"ai.onnx")
HINT = "Make a model with `inkdigits export RUN -o FILE`."

FOREIGN = {
    b"\x80": "a Python pickle, which runs code when loaded",
    b"PK": "a zip file, as .keras and PyTorch models are",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, as .h5 models are",
}

# Messages of onnx.proto that can hold a tensor or name an operator domain: field → message.
MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 9: "opset", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse",
    },
    "sparse": {1: "tensor", 2: "tensor"},
    "opset": {},
    "tensor": {},
}  # fmt: skip
DOMAIN_FIELD = {"opset": 1, "node": 7, "function": 10}
EXTERNAL_DATA, DATA_LOCATION = 13, 14  # fields of a tensor
OPERATOR_FIELD = 4  # of a node
INTEGER_FIELDS = (3, 8)  # of an attribute: one integer, a list of them
MAX_INTEGER = 1024
"""No attribute needs more: kernels, pads, strides, groups and axes are small, and a pool over a
billion zeros takes all time."""
# What `models/export.py` writes, and the plain matrix product that other exporters write for Gemm.
# None of them loops; how much memory they take together, `Engine` bounds.
OPERATORS = {
    b"Add", b"AveragePool", b"Cast", b"Clip", b"Concat", b"Conv", b"Div", b"Flatten", b"Gather",
    b"Gemm", b"GlobalAveragePool", b"Identity", b"If", b"Less", b"MatMul", b"MaxPool", b"Mul",
    b"NonZero", b"Pad", b"ReduceMax", b"ReduceMin", b"Relu", b"Reshape", b"ScatterND", b"Sigmoid",
    b"Slice", b"Softmax", b"Split", b"Squeeze", b"Sub", b"Transpose",
}  # fmt: skip


VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Protobuf wire types; groups (3, 4) are refused."""


class Field(NamedTuple):
    """One field on the wire: its number, its type, and its payload `content[start:end]`."""

    number: int
    wire: int
    start: int
    end: int


def check_onnx(content: bytes) -> None:
    """Raise ModelRefused unless `content` is a self-contained ONNX model of standard operators."""
    check_kind(content)
    fields_left = MAX_FIELDS
    has_graph = False
    operators: set[bytes] = set()
    pending = [("model", 0, len(content), 0)]
    while pending:
        message, start, end, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise ModelRefused(f"the model is nested more than {MAX_DEPTH} deep.", HINT)
        for field in walk(content, start, end):
            fields_left -= 1
            if fields_left < 0:
                raise ModelRefused(f"the model has more than {MAX_FIELDS} fields.", HINT)
            check_field(content, message, field)
            if (message, field.number) == ("node", OPERATOR_FIELD):
                operators.add(content[field.start : field.end])
            child = MESSAGES[message].get(field.number)
            if child and field.wire == LENGTH:
                has_graph = has_graph or child == "graph"
                pending.append((child, field.start, field.end, depth + 1))
    if not has_graph:
        raise ModelRefused("the file is no ONNX model: it holds no graph.", HINT)
    check_operators(operators)


def check_operators(operators: set[bytes]) -> None:
    """Refuse operators that no model of ours has: a loop runs forever, a fill takes all memory."""
    for operator in sorted(operators - OPERATORS):
        name = operator[:60].decode(errors="backslashreplace")
        raise ModelRefused(f"the model uses {name!r}, an operator that no digit model needs.", HINT)


def check_kind(content: bytes) -> None:
    """Refuse by first bytes and size what is no ONNX model, and say what it is."""
    if not content:
        raise ModelRefused("the model file is empty (0 bytes).", HINT)
    if len(content) > MAX_BYTES:
        raise ModelRefused(f"the model has {len(content)} bytes, the limit is {MAX_BYTES}.", HINT)
    for magic, what in FOREIGN.items():
        if content.startswith(magic):
            raise ModelRefused(f"the model file is {what}; only ONNX is read.", HINT)
    if content[4:8] == b"ORTM":
        raise ModelRefused("the model file is in ORT format; only ONNX is read.", HINT)


def check_field(content: bytes, message: str, field: Field) -> None:
    """Refuse one field of `message` that points outside the file or at a foreign operator."""
    if DOMAIN_FIELD.get(message) == field.number:
        domain = content[field.start : field.end]
        if field.wire != LENGTH or domain not in STANDARD_DOMAINS:
            raise ModelRefused(f"the model uses operators of the domain {domain[:60]!r}.", HINT)
    if message == "attribute" and field.number in INTEGER_FIELDS:
        check_integers(content, field)
    if message != "tensor":
        return
    external = field.number == EXTERNAL_DATA or (
        # Parsers cut the number to 32 bits, so only zero in every byte is surely the default.
        field.number == DATA_LOCATION and any(b & 0x7F for b in content[field.start : field.end])
    )
    if external:
        raise ModelRefused("the model keeps data outside its file.", HINT)


def check_integers(content: bytes, field: Field) -> None:
    """Refuse an attribute with an integer, or a list of them, beyond what any layer needs."""
    position = field.start
    while position < field.end:
        value, position = read_varint(content, position, field.end, longest=10)
        signed = (value + 2**63) % 2**64 - 2**63
        if not -MAX_INTEGER <= signed <= MAX_INTEGER:
            raise ModelRefused(
                f"the model has an attribute of {signed}, the limit is {MAX_INTEGER}.", HINT
            )


def walk(content: bytes, start: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message in `content[start:end]`; raises ModelRefused when torn."""
    position = start
    while position < end:
        tag, begin = read_varint(content, position, end, longest=5)
        number, wire = tag >> 3, tag & 7
        if number == 0 or tag >= 1 << 32 or wire not in (VARINT, FIXED64, LENGTH, FIXED32):
            raise torn(position)
        payload, position = span(content, wire, begin, end)
        yield Field(number, wire, payload, position)


def span(content: bytes, wire: int, begin: int, end: int) -> tuple[int, int]:
    """Return where the payload of a field begins and ends."""
    if wire == VARINT:
        return begin, read_varint(content, begin, end, longest=10)[1]
    if wire == LENGTH:
        length, begin = read_varint(content, begin, end, longest=5)
    else:
        length = 8 if wire == FIXED64 else 4
    if length > end - begin:
        raise torn(begin)
    return begin, begin + length


def read_varint(content: bytes, position: int, end: int, longest: int) -> tuple[int, int]:
    """Return the variable-length integer at `position`, and the position after it."""
    if position < end and content[position] < 0x80:  # as most are
        return content[position], position + 1
    value = 0
    for index in range(min(longest, end - position)):
        byte = content[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise torn(position)


def torn(position: int) -> ModelRefused:
    """Return the ModelRefused for bytes that are no protobuf from `position` on."""
    return ModelRefused(f"the file is no ONNX model, or damaged (at byte {position}).", HINT)
