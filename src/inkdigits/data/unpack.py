"""Unpack `.Z`, the format of Unix `compress`, in which UCI keeps its older files."""

from __future__ import annotations

from collections.abc import Iterator

from inkdigits.errors import InvalidData

MAGIC = b"\x1f\x9d"
CLEAR = 256
FIRST_BITS = 9
MAX_BYTES = 100_000_000


def unpack_z(content: bytes, name: str = "the .Z data") -> bytes:
    """Return what `content`, LZW codes as `compress` writes them, holds (T. Welch, 1984).

    Raises InvalidData where it is no such file, damaged, or unpacks to more than MAX_BYTES.
    """
    if content[:2] != MAGIC or len(content) < 3:
        raise InvalidData(f"{name} is no .Z file: it starts with {content[:4].hex() or 'nothing'}.")
    most_bits, with_clear = content[2] & 0x1F, bool(content[2] & 0x80)
    if not FIRST_BITS < most_bits <= 16:
        raise InvalidData(f"{name} has codes of up to {most_bits} bits, not 10 to 16.")
    parts: list[bytes] = []
    size = 0
    for part in decoded(content[3:], most_bits, with_clear, name):
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise InvalidData(f"{name} unpacks to more than {MAX_BYTES:,} bytes.")
    return b"".join(parts)


def decoded(packed: bytes, most_bits: int, with_clear: bool, name: str) -> Iterator[bytes]:
    """Yield the bytes that each code stands for."""
    roots = [bytes([value]) for value in range(256)] + [b""] * with_clear
    table, bits, before = list(roots), FIRST_BITS, b""
    position = started = 0
    while True:
        if len(table) >= 1 << bits and bits < most_bits:
            # Codes come in groups of eight; what is left of a group is skipped.
            position = started = group_end(position, started, bits)
            bits += 1
        if position + bits > 8 * len(packed):
            return
        code = read_bits(packed, position, bits)
        position += bits
        if with_clear and code == CLEAR:
            position = started = group_end(position, started, bits)
            table, bits, before = list(roots), FIRST_BITS, b""
            continue
        if code > len(table) or (code == len(table) and not before):
            raise InvalidData(f"{name} is damaged: code {code} of {len(table)}.", "Fetch it again.")
        part = table[code] if code < len(table) else before + before[:1]
        if before and len(table) < 1 << most_bits:
            table.append(before + part[:1])
        before = part
        yield part


def read_bits(packed: bytes, position: int, bits: int) -> int:
    """Return the `bits` (≤ 16) of `packed` from bit `position` on, the lowest first."""
    three = int.from_bytes(packed[position // 8 : position // 8 + 3], "little")
    return (three >> position % 8) & ((1 << bits) - 1)


def group_end(position: int, started: int, bits: int) -> int:
    """Return where the group of eight codes that `position` lies in ends."""
    group = 8 * bits
    return started + -(-(position - started) // group) * group
