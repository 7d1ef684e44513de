"""Columns as Python values, for tests that look at what is kept or stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgauge.stores.sqlite.columns import Numbers, Totals

if TYPE_CHECKING:
    from agentgauge.stores.sqlite.columns import AnyColumn


def cells(column: AnyColumn) -> list[Any]:
    """The value of each row, None where it has none."""
    assert not isinstance(column, Totals)
    if isinstance(column, Numbers):
        pairs = zip(column.values.tolist(), column.present().tolist(), strict=True)
        return [value if has else None for value, has in pairs]
    return [column.dictionary[code - 1] if code else None for code in column.codes.tolist()]
