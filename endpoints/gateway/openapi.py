"""The description of all prediction paths, as OpenAPI 3.1. The management API describes itself elsewhere."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from endpoints.gateway.openapi_bodies import SCHEMAS, Json, either, ref, thing

PATH = "/api/predict/openapi.json"
NDJSON = "application/x-ndjson"
EVENTS = "text/event-stream"
JSON = "application/json"
BASES = ("/v1/{project}/{endpoint}", "/openai/v1/{project}/{endpoint}", "/v1/{endpoint}")

# What each status other than 200 means, and the code of an example.
FAILURES = {
    400: ("The body or one of its parameters is wrong, or the model does not do this.", "invalid_request"),
    401: ("No key, an unknown one, or one that was revoked or replaced or has expired.", "unknown_key"),
    403: ("The key belongs to another endpoint, or may not use this model.", "other_endpoint"),
    404: ("No such endpoint in this project, or no such model at this endpoint.", "no_endpoint"),
    405: ("Another method than the path has.", "wrong_method"),
    408: ("Path and headers did not come in time.", "slow_head"),
    413: ("The body is larger than the limit of the gateway.", "too_large"),
    422: ("The instance does not take the body, or one of its parameters.", "instance_refused"),
    429: ("A limit of the key is reached, or all instances are busy and so is the queue.", "limit_reached"),
    431: ("Path and headers are larger than the limit of the gateway.", "head_too_large"),
    500: ("The instance failed, or the gateway, whose log then says why.", "instance_failed"),
    501: ("The instance does not do this.", "instance_failed"),
    502: ("The instance failed, or answered what makes no sense.", "instance_failed"),
    503: ("The endpoint is not Live, or none of its instances answers just now.", "not_live"),
    504: ("No complete answer within the deadline of the endpoint.", "deadline"),
}
WAITS = {429, 503}
STAMPS = {
    "x-request-id": ("The request's id: the client's own where it sent one.", "string"),
    "x-studio-instance": ("The instances that answered.", "string"),
    "x-studio-queue-ms": ("Milliseconds spent waiting for a free instance.", "number"),
    "x-studio-upstream-ms": ("Milliseconds until the instance's answer, or its first byte.", "number"),
    "x-studio-gateway-ms": ("Milliseconds spent in the gateway itself.", "number"),
}


@dataclass(frozen=True)
class Operation:
    """One kind of prediction. `asked` and `told` are schemas with an example; so is a line or event of a `stream`."""

    id: str
    tag: str
    summary: str
    asked: tuple[str, Any] | None = None
    told: tuple[str, Any] | None = None
    stream: tuple[str, str, str] | None = None  # media type, schema, example as text
    error: str = "Error"


VALUE = {
    "completion": "one two three",
    "prompt": "Count.",
    "stop_reason": "end_of_text",
    "total_tokens_count": 10,
}
FIRST = '{"stream_token":"one","is_last_response":false}'
HEAD = {"id": "x-1", "object": "chat.completion", "created": 1, "model": "Help", "system_fingerprint": ""}
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
ASK = [{"role": "user", "content": "Count."}]
TEXT_CHOICE = {"index": 0, "text": "one", "finish_reason": "stop"}
MESSAGE = {"role": "assistant", "content": "one two three"}
OUTPUT = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": []}
DELTA = '{"type":"response.output_text.delta","sequence_number":4,"delta":"one"}'


def _chunk(choices: str) -> str:
    head = '"id":"x-1","object":"chat.completion.chunk","created":1,"model":"Help","system_fingerprint":""'
    return f'data: {{{head},"choices":[{choices}],"usage":null}}\n\ndata: [DONE]\n\n'


KEYED: dict[str, Operation] = {
    "/api/predict/generic/{project}/{endpoint}": Operation(
        "predict_v1", "generic v1", "Complete texts, or embed them",
        ("V1Request", {"instances": ["Count."], "params": {"do_sample": {"type": "bool", "value": "False"}}}),
        ("V1Answer", {"status": {"complete": True, "exitCode": 0}, "predictions": [VALUE]}),
    ),
    "/api/predict/generic/stream/{project}/{endpoint}": Operation(
        "stream_v1", "generic v1", "Complete one text as a stream of lines",
        ("V1StreamRequest", {"instance": "Count."}),
        stream=(NDJSON, "V1Line", f'{{"result":{{"responses":[{FIRST}]}}}}\n'),
    ),
    "/api/v2/predict/generic/{project}/{endpoint}": Operation(
        "predict_v2", "generic v2", "Complete items, or embed them",
        ("V2Request", {"items": [{"id": "item0", "value": "Count."}], "params": {"do_sample": False}}),
        ("V2Answer", {"items": [{"id": "item0", "partial": False, "value": VALUE, "params": {}, "status": None}]}),
    ),
    "/api/v2/predict/generic/stream/{project}/{endpoint}": Operation(
        "stream_v2", "generic v2", "Complete items as one stream of lines",
        ("V2Request", {"items": [{"id": "item0", "value": "Count."}]}),
        stream=(NDJSON, "V2Line", f'{{"result":{{"items":[{{"id":"item0","value":{FIRST}}}]}}}}\n'),
    ),
    "/api/predict/nlp/{project}/{endpoint}": Operation(
        "predict_nlp", "NLP", "Complete texts, or embed them, for older clients",
        ("NLPRequest", {"inputs": ["Count."]}),
        ("NLPAnswer", {"data": [{"completion": "one two three"}]}),
    ),
    "/api/predict/nlp/stream/{project}/{endpoint}": Operation(
        "stream_nlp", "NLP", "Complete one text as events; a failure is an `error_event`",
        ("NLPRequest", {"inputs": "Count."}),
        stream=(EVENTS, "Token", f"data: {FIRST}\n\n"),
    ),
}  # fmt: skip
OPENAI: dict[str, Operation] = {
    "chat/completions": Operation(
        "chat", "OpenAI", "Answer a chat",
        ("ChatRequest", {"model": "Help", "messages": ASK}),
        ("ChatAnswer", HEAD | {"choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}], "usage": USAGE}),
        (EVENTS, "ChatChunk", _chunk('{"index":0,"delta":{"content":"one"},"finish_reason":"stop"}')),
        "OpenAIError",
    ),
    "completions": Operation(
        "complete", "OpenAI", "Complete a text",
        ("CompletionsRequest", {"model": "Help", "prompt": "Count."}),
        ("CompletionsAnswer", HEAD | {"choices": [TEXT_CHOICE], "usage": USAGE}),
        (EVENTS, "CompletionsChunk", _chunk('{"index":0,"text":"one","finish_reason":"stop"}')),
        "OpenAIError",
    ),
    "embeddings": Operation(
        "embed", "OpenAI", "Embed texts, at an endpoint with an embedding model",
        ("EmbeddingsRequest", {"model": "Help", "input": ["Count."]}),
        ("EmbeddingsAnswer", {
            "object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}],
            "model": "Help", "usage": {"prompt_tokens": 2, "total_tokens": 2},
        }),
        error="OpenAIError",
    ),
    "responses": Operation(
        "respond", "OpenAI", "Answer input; nothing is stored",
        ("ResponsesRequest", {"model": "Help", "input": "Count."}),
        ("ResponsesAnswer", {
            "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "Help",
            "output": [OUTPUT], "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
        }),
        (EVENTS, "ResponsesEvent", f"event: response.output_text.delta\ndata: {DELTA}\n\n"),
        "OpenAIError",
    ),
    "models": Operation(
        "list_models", "OpenAI", "The names that may be said as model",
        told=("Models", {"object": "list", "data": [{"id": "Help", "object": "model"}]}),
        error="OpenAIError",
    ),
    "models/{model}": Operation(
        "find_model", "OpenAI", "One of these names",
        told=("Model", {"id": "Help", "object": "model"}),
        error="OpenAIError",
    ),
}  # fmt: skip


@cache
def document() -> Json:
    """All of it; the same at every call."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Studio predictions",
            "version": "1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"key": []}],
        "paths": dict(_paths()),
        "components": {
            "schemas": SCHEMAS,
            "headers": {name: _header(*told) for name, told in STAMPS.items()}
            | {"Retry-After": _header("Seconds until another try makes sense.", "integer")},
            "parameters": {name: _parameter(name) for name in ("project", "endpoint", "model")},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "key"},
            },
        },
    }


def _paths() -> list[tuple[str, Json]]:
    found = [(path, _path(path, operation, "")) for path, operation in KEYED.items()]
    for number, base in enumerate(BASES):
        for tail, operation in OPENAI.items():
            path = f"{base}/{tail}"
            found.append((path, _path(path, operation, f"_{number + 1}")))
    return found


def _path(path: str, operation: Operation, suffix: str) -> Json:
    names = [name for name in ("project", "endpoint", "model") if f"{{{name}}}" in path]
    told: Json = {
        "operationId": operation.id + suffix,
        "tags": [operation.tag],
        "summary": operation.summary,
        "responses": {"200": _success(operation)}
        | {str(status): _failure(operation, status) for status in FAILURES},
    }
    if operation.asked is not None:
        schema, example = operation.asked
        content = {JSON: {"schema": ref(schema), "example": example}}
        told["requestBody"] = {"required": True, "content": content}
        told["parameters"] = [_options()]
    parameters = [{"$ref": f"#/components/parameters/{name}"} for name in names]
    return {"parameters": parameters, ("get" if operation.asked is None else "post"): told}


def _success(operation: Operation) -> Json:
    content: Json = {}
    sentence = "The answer."
    if operation.told is not None:
        schema, example = operation.told
        content[JSON] = {"schema": ref(schema), "example": example}
    if operation.stream is not None:
        media, schema, text = operation.stream
        content[media] = {"schema": _of_stream(media, schema, operation.error), "example": text}
        unit = "line" if media == NDJSON else "event's data"
        sentence = (
            f"A stream: each {unit} is JSON like `{schema}`; a failure in it is an error in the same form."
        )
        if operation.told is not None:
            sentence = f"The answer; with `stream` true a stream: each {unit} is JSON like `{schema}`."
    return {"description": sentence, "headers": _headers(STAMPS), "content": content}


def _of_stream(media: str, schema: str, error: str) -> Json:
    """Of lines OpenAPI 3.1 can say no more than that they are text; of events, what each looks like."""
    if media == NDJSON:
        return {"type": "string", "x-each": ref(schema)}
    told = {"type": "string", "contentMediaType": JSON, "contentSchema": either(ref(schema), ref(error))}
    return thing("data", event={"type": "string"}, data=either({"const": "[DONE]"}, told))


def _failure(operation: Operation, status: int) -> Json:
    sentence, code = FAILURES[status]
    error: Json = {"code": code, "message": sentence, "details": {}}
    if operation.error == "OpenAIError":
        error |= {"type": "server_error" if status >= 500 else "invalid_request_error", "param": None}
    names = [*STAMPS, "Retry-After"] if status in WAITS else list(STAMPS)
    content = {JSON: {"schema": ref(operation.error), "example": {"error": error}}}
    return {"description": sentence, "headers": _headers(names), "content": content}


def _headers(names: Any) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header(description: str, kind: str) -> Json:
    return {"description": description, "schema": {"type": kind}}


def _options() -> Json:
    return {
        "name": "ss-sn-options", "in": "header", "required": False, "schema": {"type": "string"},
        "description": "Accepted; values that mean nothing here are ignored.",
    }  # fmt: skip


def _parameter(name: str) -> Json:
    schema = {"type": "string"} if name == "model" else {"type": "string", "format": "uuid"}
    return {"name": name, "in": "path", "required": True, "schema": schema}
