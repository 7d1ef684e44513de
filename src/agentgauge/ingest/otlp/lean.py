"""OTLP's protobuf messages with their attributes left as bytes, which is what makes decoding fast.

Above: `protobuf`. Below: opentelemetry-proto, whose definitions are taken but for that one change. On the wire a
message and a string of bytes look the same. As a message, an attribute costs three objects and five look-ups each time;
as bytes it costs one look-up among the attributes met before in the request, and most of a span's are those of the span
before it. A span's links, which nobody reads, are left as bytes too.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from sys import intern
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from google.protobuf.descriptor_pb2 import DescriptorProto
    from google.protobuf.message import Message

AS_BYTES = frozenset({"attributes", "links"})
"""The fields that are left as bytes."""

_PACKAGE = "opentelemetry.proto"
_REMEMBERED, _SHORT = 4_096, 256
"""How many attributes a request's `Attributes` remembers, and the most bytes of one."""
_KEY, _VALUE, _TEXT, _INTEGER = 0x0A, 0x12, 0x0A, 0x18
"""The tags of a KeyValue's fields, and those of the commonest fields of its AnyValue."""
_ONE_BYTE = 0x80
"""A length below it is one byte."""
_LONGEST_INTEGER = 9
"""The most bytes of an integer that is surely not negative."""


@cache
def request_of(signal: str) -> type[Message]:
    """The class of a signal's Export...ServiceRequest; `signal` is trace, metrics or logs."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    pool = DescriptorPool()
    service = f"collector.{signal}.v1.{signal}_service"
    for name in ("common.v1.common", "resource.v1.resource", f"{signal}.v1.{signal}", service):
        file = FileDescriptorProto()
        import_module(f"{_PACKAGE}.{name}_pb2").DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            _leave_bytes(message)
        pool.AddSerializedFile(file.SerializeToString())
    name = f"{_PACKAGE}.collector.{signal}.v1.Export{signal.title()}ServiceRequest"
    return GetMessageClass(pool.FindMessageTypeByName(name))


def _leave_bytes(message: DescriptorProto) -> None:
    for field in message.field:
        if field.name in AS_BYTES:
            field.type = field.TYPE_BYTES
            field.ClearField("type_name")
    for inner in message.nested_type:
        _leave_bytes(inner)


class Attributes(dict[bytes, tuple[str, Any]]):
    """The attributes met in a request, by their bytes: names and values, which records share."""

    def __init__(self, slowly: Callable[[bytes], tuple[str, Any]]) -> None:
        """`slowly` reads an attribute of any form, and raises Unreadable for one that is none."""
        super().__init__()
        self._slowly = slowly

    def __missing__(self, given: bytes) -> tuple[str, Any]:
        found = _plain(given) or self._slowly(given)
        if len(given) <= _SHORT and len(self) < _REMEMBERED:
            self[given] = found
        return found

    def of(self, given: Iterable[Any]) -> dict[str, Any]:
        """The attributes of a record.

        Raises:
            Unreadable: one is no KeyValue.
        """
        return dict(map(self.__getitem__, given))


def _plain(given: bytes) -> tuple[str, Any] | None:
    """An attribute that is a short string or a small integer, written in the usual order; None for any other."""
    try:
        at = given[1] + 2
        size = given[at + 1]
        if given[0] != _KEY or given[1] >= _ONE_BYTE or given[at] != _VALUE or size != len(given) - at - 2:
            return None
        if size >= _ONE_BYTE:
            return None
        name, kind = intern(given[2:at].decode()), given[at + 2]
        if kind == _TEXT and given[at + 3] == size - 2:
            return name, given[at + 4 :].decode()
        return (name, number) if kind == _INTEGER and (number := _integer(given[at + 3 :])) is not None else None
    except (IndexError, UnicodeDecodeError):
        return None


def _integer(given: bytes) -> int | None:
    """A varint that takes all these bytes; None for one that does not, or may be negative."""
    if not 0 < len(given) <= _LONGEST_INTEGER:
        return None
    number = given[-1]
    if number >= _ONE_BYTE:
        return None
    for byte in given[-2::-1]:
        if byte < _ONE_BYTE:
            return None
        number = number << 7 | byte & 0x7F
    return number
