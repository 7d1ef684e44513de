"""Langfuse: the traces that Astropods shows, asked where they are kept (contract `astropods` 5.3).

Only a source: it has no tools and no endpoints of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.core.operation import Dialect

if TYPE_CHECKING:
    from agentgauge.core.upstream import Upstream


def _upstream() -> Upstream:
    from agentgauge.dialects.langfuse.upstream import UPSTREAM

    return UPSTREAM


DIALECT = Dialect(name="langfuse", tools=(), upstream=_upstream)
