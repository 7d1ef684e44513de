"""A model that costs nothing: it answers as OpenAI, Anthropic and Gemini do, always the same, on this machine.

Where tools are offered it first calls one and then, given the result, answers in words; else it answers at once. Every
reply says 1,500 input tokens, 1,024 of them read from the cache, and 25 output tokens; ids are new each time.

    python examples/fake_model.py        prints its address and serves until Ctrl-C
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

Body = dict[str, Any]

INPUT, CACHED, OUTPUT = 1_500, 1_024, 25
WORDS = "It is sunny in Paris."
ARGUMENTS = {"city": "Paris"}
RESULTS = ('"role": "tool"', '"function_call_output"', '"tool_result"', '"functionResponse"')
"""What a request contains, on one wire or another, that brings back the result of a tool."""


def calls_tool(body: Body) -> bool:
    """Whether the reply is to call a tool."""
    text = json.dumps(body)
    return bool(body.get("tools")) and not any(mark in text for mark in RESULTS)


def chat_completion(body: Body) -> Body:
    """OpenAI's Chat Completions."""
    message: Body = {"role": "assistant", "content": WORDS}
    if calls_tool(body):
        function = {"name": body["tools"][0]["function"]["name"], "arguments": json.dumps(ARGUMENTS)}
        message = {"role": "assistant", "content": None}
        message["tool_calls"] = [{"id": f"call_{uuid4().hex}", "type": "function", "function": function}]
    reason = "tool_calls" if "tool_calls" in message else "stop"
    return {
        "id": f"chatcmpl-{uuid4().hex}",
        "object": "chat.completion",
        "created": 1_780_000_000,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
        "usage": {
            "prompt_tokens": INPUT,
            "completion_tokens": OUTPUT,
            "total_tokens": INPUT + OUTPUT,
            "prompt_tokens_details": {"cached_tokens": CACHED},
        },
    }


def response(body: Body) -> Body:
    """OpenAI's Responses."""
    words: Body = {"type": "output_text", "text": WORDS, "annotations": []}
    item: Body = {"type": "message", "id": f"msg_{uuid4().hex}", "role": "assistant", "content": [words]}
    if calls_tool(body):
        item = {"type": "function_call", "id": f"fc_{uuid4().hex}", "call_id": f"call_{uuid4().hex}"}
        item |= {"name": body["tools"][0]["name"], "arguments": json.dumps(ARGUMENTS)}
    return {
        "id": f"resp_{uuid4().hex}",
        "object": "response",
        "created_at": 1_780_000_000,
        "status": "completed",
        "model": body["model"],
        "output": [item | {"status": "completed"}],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": body.get("tools", []),
        "usage": {
            "input_tokens": INPUT,
            "input_tokens_details": {"cached_tokens": CACHED, "cache_write_tokens": 0},
            "output_tokens": OUTPUT,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": INPUT + OUTPUT,
        },
    }


def message(body: Body) -> Body:
    """Anthropic's Messages, whose input does not include what was read from the cache."""
    content: Body = {"type": "text", "text": WORDS}
    if calls_tool(body):
        content = {"type": "tool_use", "id": f"toolu_{uuid4().hex}", "name": body["tools"][0]["name"]}
        content["input"] = ARGUMENTS
    return {
        "id": f"msg_{uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [content],
        "stop_reason": "tool_use" if content["type"] == "tool_use" else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": INPUT - CACHED,
            "cache_read_input_tokens": CACHED,
            "cache_creation_input_tokens": 0,
            "output_tokens": OUTPUT,
        },
    }


def generated_content(body: Body) -> Body:
    """Gemini's generateContent."""
    part: Body = {"text": WORDS}
    if calls_tool(body):
        part = {"functionCall": {"name": body["tools"][0]["functionDeclarations"][0]["name"], "args": ARGUMENTS}}
    return {
        "responseId": uuid4().hex,
        "modelVersion": "gemini-2.5-flash",
        "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": INPUT,
            "cachedContentTokenCount": CACHED,
            "candidatesTokenCount": OUTPUT,
            "totalTokenCount": INPUT + OUTPUT,
        },
    }


REPLIES: dict[str, Callable[[Body], Body]] = {
    "/chat/completions": chat_completion,
    "/responses": response,
    "/messages": message,
    ":generateContent": generated_content,
}


class Handler(BaseHTTPRequestHandler):
    """Answers a POST by the end of its path."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.partition("?")[0]
        reply = next((make for end, make in REPLIES.items() if path.endswith(end)), None)
        said = json.dumps(reply(body) if reply else {"error": {"message": f"no such path: {path}"}}).encode()
        self.send_response(200 if reply else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def serving() -> Generator[str]:
    """Its address, for as long as it serves."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


if __name__ == "__main__":
    with serving() as url:
        print(url)
        threading.Event().wait()
