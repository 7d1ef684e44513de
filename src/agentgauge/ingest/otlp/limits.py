"""How much one request may ask us to build: a body within its size can hold thirty million empty messages.

Above: `protobuf` and `json`, before they parse a large body. Below: nothing. Parsed, a message or a value takes up to a
hundred times its bytes; so they are counted first, by what cannot be fooled: in protobuf by walking through the fields,
in JSON by the characters that begin a value. What is not well-formed is left to the parser, which refuses it.

Source: design section 8 (every input has a limit); protobuf.dev, "Encoding".
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from agentgauge.core.errors import TooLarge

Descriptor: TypeAlias = Any
"""A google.protobuf Descriptor, of either of its implementations."""

MOST = 2_000_000
"""The most messages, attributes and repeated numbers of a request, or values of a JSON text. As many as 64 MiB of usual
spans hold in protobuf, and half as much in JSON. Each takes a byte at least, so that a body of no more bytes need not
be counted."""
LONGEST_VARINT = 10
"""In bytes."""
DEEPEST = 200
"""How deep messages are followed, which is deeper than protobuf nests them."""
LATER = "attributes"
"""The fields of bytes that are pairs of a key and a value (see `lean`)."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""A string of a JSON text, or one without an end: so that each byte is looked at once, whatever the text."""
_VARINT, _EIGHT_BYTES, _LENGTH, _GROUP, _GROUP_END, _FOUR_BYTES = range(6)


def refuse_values(body: bytes) -> None:
    """Refuses a JSON text with more than `MOST` values.

    Raises:
        TooLarge: it has.
    """
    if len(body) > MOST and _values(body) > MOST and _values(_STRING.sub(b"", body)) > MOST:
        raise _too_large("values")


def _values(text: bytes) -> int:
    """How many values a JSON text without strings has: one after each of these, at most."""
    return sum(map(text.count, (b"{", b"[", b",")))


def refuse_messages(body: bytes, kind: Descriptor) -> None:
    """Refuses a protobuf message with more than `MOST` messages and repeated values in it.

    Args:
        body: its bytes.
        kind: what it is.

    Raises:
        TooLarge: it has.
    """
    if len(body) > MOST:
        try:
            _walk(body, _form(kind))
        except IndexError:
            return


class _Part(NamedTuple):
    """A field that holds messages, or any number of values."""

    message: Descriptor
    """What the messages are; None for other values."""
    is_counted: bool
    """Whether each is built; of a field that is there once, however often it is written, only one is."""
    bytes_each: int
    """The least bytes of a value, where several values are written together; 0 where they are not."""


@cache
def _form(kind: Descriptor) -> dict[int, _Part]:
    """The fields of a message that are visited, by their tags."""
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

    found: dict[int, _Part] = {}
    for field in kind.fields:
        message = KeyValue.DESCRIPTOR if field.name == LATER else field.message_type
        is_counted = field.default_value == [] or (message is not None and field.containing_oneof is not None)
        if message is not None or is_counted:
            for wire_type in (_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES):
                width = _width(field) if wire_type == _LENGTH else 0
                found[field.number << 3 | wire_type] = _Part(message, is_counted, width)
    return found


def _width(field: Any) -> int:
    """The least bytes of a number in a row of them; 0 for what is never in a row."""
    if field.type in (field.TYPE_MESSAGE, field.TYPE_STRING, field.TYPE_BYTES):
        return 0
    return 8 if field.type in (field.TYPE_FIXED64, field.TYPE_SFIXED64, field.TYPE_DOUBLE) else 1


def _walk(body: bytes, form: dict[int, _Part]) -> None:
    """Visits the fields of a message and of those in it, and counts.

    Raises:
        TooLarge: there are too many.
        IndexError: the message is not well-formed.
    """
    count = at = 0
    end = len(body)
    outer: list[tuple[int, dict[int, _Part]]] = []
    while at < end or outer:
        if at >= end:
            end, form = outer.pop()
            continue
        tag, at = _varint(body, at)
        part, wire_type, size = form.get(tag), tag & 7, 0
        if wire_type == _LENGTH:
            size, at = _varint(body, at)
        elif wire_type == _VARINT:
            _, at = _varint(body, at)
        else:
            at += _SIZES.get(wire_type, 0)
        if part is not None:
            if part.is_counted:
                count += size // part.bytes_each if part.bytes_each else 1
            if count > MOST:
                raise _too_large("messages")
            if part.message is not None and wire_type == _LENGTH and len(outer) < DEEPEST:
                outer.append((end, form))
                end, form = at + size, _form(part.message)
                continue
        at += size


_SIZES = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
"""Of other wire types the content follows as fields, or the message is not well-formed."""


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """A number, and where the next thing begins."""
    number = 0
    for shift in range(0, LONGEST_VARINT * 7, 7):
        byte = body[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise IndexError


def _too_large(what: str) -> TooLarge:
    return TooLarge(f"the body holds more than {MOST:,} {what}.", hint="Send it in several parts.")
