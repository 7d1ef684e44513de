"""Compact JSON schemas: what a model reads about a tool's arguments, and nothing it does not need.

Above: the faces that publish tools. Below: the params models. No titles, no defaults, no anyOf with null: definitions
of all tools together stay below 2,500 tokens (design section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentgauge.core.parse import Params

ANSWER_SCHEMA: dict[str, Any] = {"type": "object"}
"""One loose output schema for all tools; typed values would cost 211 tokens a tool (declaration, "Measured")."""


def input_schema(params: type[Params]) -> dict[str, Any]:
    """The JSON schema of a tool's arguments, compact: what it needs first, then its own words, then the common ones."""
    full = params.model_json_schema()
    required: list[str] = full.get("required", [])
    own = params.__annotations__

    def place(name: str) -> tuple[bool, bool]:
        return name not in required, name not in own

    properties = {name: _compact(full["properties"][name]) for name in sorted(full["properties"], key=place)}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return schema | {"additionalProperties": False}


def _compact(schema: dict[str, Any]) -> dict[str, Any]:
    for option in schema.get("anyOf", ()):
        if option.get("type") != "null":
            return _compact(option | {k: v for k, v in schema.items() if k == "description"})
    kept = {k: v for k, v in schema.items() if k in ("type", "enum", "items", "description")}
    if "const" in schema:
        kept = {"enum": [schema["const"]]} | {k: v for k, v in kept.items() if k == "description"}
    if "enum" in kept:
        kept.pop("type", None)
    if "items" in kept:
        kept["items"] = _compact(kept["items"])
    return kept
