"""The six datasources and their columns, as data: wire name, our field, which operators a filter takes.

Source: contract `truefoundry` 3.3 (and its page, which gives the narrow set all STRING_* operators) and design section
3: a column's wire name is its field's lowerCamelCase, with the exceptions below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agentgauge.core.query import ARRAYS, EQUALITY, MEMBERSHIP, NULL, ORDER, STRINGS, Filter

FULL = EQUALITY | MEMBERSHIP | STRINGS
NARROW = MEMBERSHIP | STRINGS
NUMERIC = EQUALITY | MEMBERSHIP | ORDER | NULL
EQUAL = frozenset({"EQUAL"})
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a datasource. `operators` is empty where it cannot be filtered."""

    field: str
    operators: frozenset[str] = NONE


@dataclass(frozen=True, slots=True)
class Datasource:
    """One datasource: the dataset behind it, the columns it groups and aggregates by, and those it filters by."""

    dataset: str
    columns: Mapping[str, Column]
    """Columns for groupBy and aggregations."""
    filters: Mapping[str, Column]
    implied: tuple[Filter, ...] = ()
    """Conditions that always hold."""
    response: Mapping[str, str] = field(default_factory=dict[str, str])
    """Response key of a groupBy entry, where it differs."""
    unknown_filter: str = "Unknown filter field: {}"


_SUBJECT_FILTERS = {
    "userEmail": Column("user", FULL),
    "virtualAccount": Column("virtual_account", FULL),
    "conversationID": Column("conversation_id", FULL),
    "team": Column("team", ARRAYS),
}
_SUBJECT_COLUMNS = {
    "userEmail": Column("user"),
    "virtualaccount": Column("virtual_account"),
    "conversationID": Column("conversation_id"),
    "team": Column("team"),
}
_RESPONSE = {
    "userEmail": "createdBySubjectSlug",
    "virtualaccount": "createdBySubjectSlug",
    "virtualModel": "virtualModelName",
}


def _columns(**names: str) -> dict[str, Column]:
    return {wire: Column(name) for wire, name in names.items()} | _SUBJECT_COLUMNS


def _filters(**columns: tuple[str, frozenset[str]]) -> dict[str, Column]:
    return {wire: Column(name, operators) for wire, (name, operators) in columns.items()} | _SUBJECT_FILTERS


_OUTCOME = {"isFailure": "is_failure", "httpStatusCode": "http_status", "latencyMs": "latency_ms"}
_MODEL_COLUMNS = _columns(
    modelName="model_name",
    virtualModel="virtual_model_name",
    providerModelName="provider_model_name",
    provider="provider",
    requestType="request_type",
    providerAccountType="provider_account_type",
    errorCode="error_code",
    costInUSD="cost_usd",
    inputTokens="input_tokens",
    outputTokens="output_tokens",
    interTokenLatencyMs="inter_token_latency_ms",
    timeToFirstTokenMs="time_to_first_token_ms",
    timePerOutputTokenLatencyMs="time_per_output_token_ms",
    cacheReadInputTokens="cache_read_tokens",
    cacheWriteTokens="cache_write_tokens",
    reasoningTokens="reasoning_tokens",
    **_OUTCOME,
)
_MODEL_FILTERS = _filters(
    modelName=("model_name", FULL),
    requestType=("request_type", FULL),
    providerModelName=("provider_model_name", FULL),
    errorCode=("error_code", FULL),
    virtualModelName=("virtual_model_name", FULL | NULL),
    providerAccountType=("provider_account_type", EQUALITY | MEMBERSHIP),
    traceId=("trace_id", EQUAL),
    inputTokens=("input_tokens", NUMERIC),
    outputTokens=("output_tokens", NUMERIC),
    latencyMs=("latency_ms", NUMERIC),
    costInUSD=("cost_usd", NUMERIC),
    httpStatusCode=("http_status", NUMERIC),
    isFailure=("is_failure", EQUAL),
)
_CACHE_COLUMNS = _columns(
    cacheLookupStatus="cache_status",
    cacheType="cache_type",
    cacheNamespace="cache_namespace",
    cacheLookupLatencyMs="cache_lookup_latency_ms",
    potentialCostSavings="potential_cost_savings",
)
_CACHE_FILTERS = _filters(
    cacheType=("cache_type", MEMBERSHIP),
    cacheNamespace=("cache_namespace", NARROW),
    cacheLookupStatus=("cache_status", FULL),
    cacheReadInputTokens=("cache_read_tokens", NUMERIC),
    cacheWriteTokens=("cache_write_tokens", NUMERIC),
    cacheLookupLatencyMs=("cache_lookup_latency_ms", NUMERIC),
    isFailure=("is_failure", EQUAL | NULL),
)

DATASOURCES: dict[str, Datasource] = {
    "agentMetrics": Datasource(
        "requests",
        _columns(
            agentName="agent_name",
            agentFramework="agent_framework",
            agentServerType="agent_server_type",
            errorType="error_type",
            inputTokens="input_tokens",
            outputTokens="output_tokens",
            costInUSD="cost_usd",
            **_OUTCOME,
        ),
        _filters(
            agentName=("agent_name", NARROW),
            agentFramework=("agent_framework", NARROW),
            agentServerType=("agent_server_type", NARROW),
            isFailure=("is_failure", EQUAL),
            httpStatusCode=("http_status", NUMERIC),
            latencyMs=("latency_ms", NUMERIC),
        ),
        response=_RESPONSE,
    ),
    "modelMetrics": Datasource("model_calls", _MODEL_COLUMNS, _MODEL_FILTERS, response=_RESPONSE),
    "cacheMetrics": Datasource(
        "model_calls",
        _MODEL_COLUMNS | _CACHE_COLUMNS,
        _MODEL_FILTERS | _CACHE_FILTERS,
        implied=(Filter("cache_status", "IS_NULL", False),),
        response=_RESPONSE,
    ),
    "mcpMetrics": Datasource(
        "tool_calls",
        _columns(
            mcpServerName="mcp_server_name", method="method", toolName="tool_name", errorCode="error_code", **_OUTCOME
        ),
        _filters(
            mcpServerName=("mcp_server_name", NARROW),
            method=("method", NARROW),
            toolName=("tool_name", NARROW),
            isFailure=("is_failure", EQUAL),
            httpStatusCode=("http_status", NUMERIC),
            latencyMs=("latency_ms", NUMERIC),
        ),
        response=_RESPONSE,
    ),
    "guardrailMetrics": Datasource(
        "guardrail_checks",
        _columns(
            guardrailName="guardrail_name",
            appliedOnEntityScope="applied_on_entity_scope",
            guardrailResult="result",
            latencyMs="latency_ms",
        ),
        _filters(
            guardrailName=("guardrail_name", NARROW),
            appliedOnEntityScope=("applied_on_entity_scope", NARROW),
            guardrailResult=("result", NARROW),
            latencyMs=("latency_ms", NUMERIC),
        ),
        response=_RESPONSE,
    ),
    "configMetrics": Datasource(
        "routing_decisions",
        _columns(
            configType="config_type",
            status="status",
            loadbalanceRuleId="loadbalance_rule_id",
            ratelimitRuleId="ratelimit_rule_id",
            budgetRuleId="budget_rule_id",
            requestedModel="requested_model",
            targetModel="target_model",
            loadbalanceTargetAttemptCount="loadbalance_target_attempt_count",
        ),
        _filters(
            loadbalanceRuleId=("loadbalance_rule_id", MEMBERSHIP),
            ratelimitRuleId=("ratelimit_rule_id", MEMBERSHIP),
            budgetRuleId=("budget_rule_id", MEMBERSHIP),
            requestedModel=("requested_model", MEMBERSHIP),
            targetModel=("target_model", MEMBERSHIP),
        ),
        response=_RESPONSE,
        unknown_filter="Unsupported gateway config filter name: {}",
    ),
}
