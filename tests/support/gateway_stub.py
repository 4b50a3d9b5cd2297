"""A gateway on loopback: inference in both dialects, streams whose pace a test sets, and Bedrock's rules of ids."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Which ids can be called where, of Bedrock's listings of 2026-08-22: {region: {model id: (on demand, profiles)}}.
CALLABLE: Mapping[str, Mapping[str, tuple[bool, tuple[str, ...]]]] = {
    "us-east-1": {
        "amazon.nova-micro-v1:0": (True, ("us.amazon.nova-micro-v1:0",)),
        "anthropic.claude-haiku-4-5-20251001-v1:0": (
            False,
            ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
        ),
        "anthropic.claude-opus-4-8": (True, ("global.anthropic.claude-opus-4-8", "us.anthropic.claude-opus-4-8")),
        "openai.gpt-oss-120b-1:0": (True, ()),
    },
    "eu-west-1": {
        "amazon.nova-micro-v1:0": (False, ("eu.amazon.nova-micro-v1:0",)),
        "anthropic.claude-haiku-4-5-20251001-v1:0": (
            False,
            ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", "global.anthropic.claude-haiku-4-5-20251001-v1:0"),
        ),
        "anthropic.claude-opus-4-8": (True, ("eu.anthropic.claude-opus-4-8", "global.anthropic.claude-opus-4-8")),
        "openai.gpt-oss-120b-1:0": (True, ()),
    },
}
# What stands before an id where a gateway spells it so.
SPELLING = "bedrock/"
PARTS = ("Hello", " from", " the", " gateway")


def refusal_of(region: str, model: str) -> str | None:
    """Bedrock's message about an id that cannot be called in a region."""
    model = model.removeprefix(SPELLING)
    models = CALLABLE[region]
    if any(model in profiles for _, profiles in models.values()):
        return None
    if model not in models:
        return "The provided model identifier is invalid."
    if models[model][0]:
        return None
    return (
        f"Invocation of model ID {model} with on-demand throughput isn't supported. Retry your request with the "
        "ID or ARN of an inference profile that contains this model."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came; header names in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for given, value in self.headers if given == name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int = 200
    body: bytes = b'{"from":"gateway"}'
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class GatewayStub:
    """Serves in `region` to `keys`, or to all where that is None; keeps what it received.

    `pause` is called before each part of a stream but the first; a stream has chunks, or ends as its connection does.
    `reply` answers every path that is no inference.
    """

    region: str = "eu-west-1"
    keys: set[str] | None = None
    pause: Callable[[], object] = lambda: None
    in_chunks: bool = True
    reply: Callable[[Received], Reply] = lambda received: Reply()
    received: list[Received] = field(default_factory=list)
    port: int = 0

    def reset(self) -> None:
        fresh = GatewayStub()
        self.keys, self.pause, self.in_chunks, self.reply = fresh.keys, fresh.pause, fresh.in_chunks, fresh.reply
        self.received.clear()


@contextmanager
def running_gateway(stub: GatewayStub) -> Iterator[GatewayStub]:
    class Handler(_Handler):
        gateway = stub

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            """nginx closes a connection whose client went away."""

    server = Server(("127.0.0.1", stub.port), Handler)
    stub.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gateway: GatewayStub

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._respond
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _respond(self) -> None:
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        target = self.requestline.split(" ")[1]  # `path` has its leading slashes folded.
        received = Received(method=self.command, target=target, headers=headers, body=self._body())
        self.gateway.received.append(received)
        path = self.path.partition("?")[0]
        if self.gateway.keys is not None and not self.gateway.keys & _keys_in(received):
            self._send(Reply(status=401, body=b'{"error":{"message":"the gateway does not know this key"}}'))
        elif received.method == "POST" and path in ("/v1/messages", "/v1/chat/completions"):
            self._infer(path, json.loads(received.body))
        else:
            self._send(self.gateway.reply(received))

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _infer(self, path: str, asked: dict[str, Any]) -> None:
        is_anthropic = path == "/v1/messages"
        model = asked["model"]
        if (refusal := refusal_of(self.gateway.region, model)) is not None:
            error = {"type": "invalid_request_error", "message": refusal}
            body: dict[str, Any] = {"type": "error", "error": error} if is_anthropic else {"error": error}
            self._send(Reply(status=400, body=json.dumps(body).encode()))
        elif asked.get("stream"):
            self._stream(_anthropic_events(model) if is_anthropic else _openai_events(model))
        else:
            message = _anthropic_message(model) if is_anthropic else _openai_completion(model)
            self._send(Reply(body=json.dumps(message).encode()))

    def _send(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        for name, value in (("content-type", "application/json"), *reply.headers):
            self.send_header(name, value)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _stream(self, events: Iterator[str]) -> None:
        self.send_response_only(200)
        self.send_header("content-type", "text/event-stream")
        in_chunks = self.gateway.in_chunks
        self.send_header(*(("transfer-encoding", "chunked") if in_chunks else ("connection", "close")))
        self.end_headers()
        for number, event in enumerate(events):
            if number:
                self.gateway.pause()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event.encode()) if in_chunks else event.encode())
        if in_chunks:
            self.wfile.write(b"0\r\n\r\n")


def _keys_in(received: Received) -> set[str]:
    bearers = (value.partition(" ")[2] for value in received.values("authorization"))
    return {*received.values("x-api-key"), *bearers}


def _anthropic_message(model: str) -> dict[str, Any]:
    return {
        "id": "msg_stub",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": "".join(PARTS)}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": len(PARTS)},
    }


def _anthropic_events(model: str) -> Iterator[str]:
    """Each part of the text as one piece of the stream; the first opens it, the last closes it."""

    def event(kind: str, **fields: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"

    opening = event("message_start", message=_anthropic_message(model) | {"content": [], "stop_reason": None})
    opening += event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    closing = event("content_block_stop", index=0)
    closing += event(
        "message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 4}
    )
    closing += event("message_stop")
    for part in PARTS:
        delta = event("content_block_delta", index=0, delta={"type": "text_delta", "text": part})
        yield (opening if part is PARTS[0] else "") + delta + (closing if part is PARTS[-1] else "")


def _openai_completion(model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(PARTS)}
    return {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 1_780_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5},
    }


def _openai_events(model: str) -> Iterator[str]:
    for part in PARTS:
        choice = {"index": 0, "delta": {"role": "assistant", "content": part}, "finish_reason": None}
        chunk = _openai_completion(model) | {"object": "chat.completion.chunk", "choices": [choice], "usage": None}
        yield f"data: {json.dumps(chunk)}\n\n" + ("data: [DONE]\n\n" if part is PARTS[-1] else "")
