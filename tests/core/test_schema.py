"""What a model reads about a tool's arguments: all of what it needs, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import pytest
from pydantic import Field

from agentgauge.app import all_tools
from agentgauge.core.parse import Common, Words
from agentgauge.core.schema import input_schema

if TYPE_CHECKING:
    from agentgauge.core.operation import Tool


class Asked(Common):
    """Arguments of a tool that does not exist."""

    way: Literal["a", "b"]
    names: Words | None = Field(None, description="some")
    only: Literal["x"] | None = None


def test_a_schema_has_types_enums_and_descriptions_and_nothing_else() -> None:
    properties = input_schema(Asked)["properties"]
    assert properties["way"] == {"enum": ["a", "b"]}
    assert properties["names"] == {"type": "array", "items": {"type": "string"}, "description": "some"}
    assert properties["only"] == {"enum": ["x"]}


def test_what_is_needed_comes_first_and_the_common_words_last() -> None:
    assert list(input_schema(Asked)["properties"]) == ["way", "names", "only", "budget", "source"]
    assert input_schema(Asked)["required"] == ["way"]


@pytest.mark.parametrize("tool", all_tools(), ids=lambda tool: tool.name)
def test_every_tool_refuses_other_words_in_a_schema_without_unions(tool: Tool[Any]) -> None:
    schema = input_schema(tool.params)
    text = json.dumps(schema)
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(tool.params.model_fields)
    assert not any(word in text for word in ("anyOf", "$ref", "$defs", '"title"', '"null"', '"default"'))
