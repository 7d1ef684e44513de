"""The APIs we speak: one folder each, holding only what differs. A sixth vendor adds its folder and one line here."""

from __future__ import annotations

from agentgauge.dialects import agentmessage, agentphone, astropods, langfuse, own, truefoundry, voicerun

DIALECTS = (
    own.DIALECT,
    agentmessage.DIALECT,
    agentphone.DIALECT,
    truefoundry.DIALECT,
    voicerun.DIALECT,
    astropods.DIALECT,
    langfuse.DIALECT,
)
