"""Fields of messages in the wire format of Protocol Buffers, as far as event files need them.

A message is its fields, one behind the other (protobuf.dev/programming-guides/encoding).
"""
from __future__ import annotations

import struct
from typing import Sequence

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


def integer(number: int, value: int) -> bytes:
    """`int32`, `int64`, enums and booleans; negative numbers as 64 bits."""
    return _tag(number, _VARINT) + _varint(value)


def double(number: int, value: float) -> bytes:
    return _tag(number, _FIXED64) + struct.pack("<d", value)


def single(number: int, value: float) -> bytes:
    """32 bits; what is too large for them is an infinity."""
    try:
        packed = struct.pack("<f", value)
    except OverflowError:
        packed = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
    return _tag(number, _FIXED32) + packed


def octets(number: int, value: bytes) -> bytes:
    return _tag(number, _LENGTH_DELIMITED) + _varint(len(value)) + value


def text(number: int, value: str) -> bytes:
    return octets(number, value.encode("utf-8", "replace"))


def message(number: int, *fields: bytes) -> bytes:
    return octets(number, b"".join(fields))


def packed_doubles(number: int, values: Sequence[float]) -> bytes:
    return octets(number, struct.pack(f"<{len(values)}d", *values))


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    rest = value & 0xFFFFFFFFFFFFFFFF
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)
