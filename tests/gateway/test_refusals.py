"""Who is refused, with which status and which words."""

import asyncio
import json
from dataclasses import dataclass, field

import openai
import pytest

from tests.gateway.conftest import CHAT, V1, V1_STREAM, V2
from tests.gateway.control import (
    DELETED,
    DELETED_KEY,
    ENDPOINT,
    KEY,
    OTHER_KEY,
    PROJECT,
    STOPPED,
    STOPPED_KEY,
)
from tests.gateway.fake import TOKEN

UNKNOWN = "99999999-9999-9999-9999-999999999999"
V1_BODY = {"instances": ["x"]}
CHAT_BODY = {"messages": [{"role": "user", "content": "x"}]}
COMPLETIONS = f"/v1/{PROJECT}/{ENDPOINT}/completions"
STOPPED_V1 = f"/api/predict/generic/{PROJECT}/{STOPPED}"
DELETED_V1 = f"/api/predict/generic/{PROJECT}/{DELETED}"


@dataclass
class Case:
    name: str
    status: int
    says: str
    path: str = V1
    body: object = field(default_factory=lambda: V1_BODY)
    key: str | None = KEY
    method: str = "POST"
    param: str | None = None


CASES = [
    Case("no key", 401, "carries no key", key=None),
    Case("unknown key", 401, "not known", key="nobody"),
    Case("no key on the openai path", 401, "carries no key", path=CHAT, key=None),
    Case("key of another endpoint", 403, "another endpoint", key=OTHER_KEY),
    Case("other project", 404, "no such endpoint", path=f"/api/predict/generic/{UNKNOWN}/{ENDPOINT}"),
    Case("no such endpoint", 404, "no such endpoint", path=f"/v1/{UNKNOWN}/chat/completions", body=CHAT_BODY),
    Case("deleted endpoint", 404, "no such endpoint", path=DELETED_V1, key=DELETED_KEY),
    Case("deleted endpoint, some key", 404, "no such endpoint", path=DELETED_V1, key=KEY),
    Case("unknown path", 404, "nothing at", path=f"/v1/{ENDPOINT}/images", body=CHAT_BODY),
    Case("wrong method", 405, "POST only", method="GET", body=None),
    Case("stopped", 503, "is Stopped. It was stopped by owen.", path=STOPPED_V1, key=STOPPED_KEY),
    Case("no JSON", 400, "not JSON", body=b"{"),
    Case("no object", 400, "must be a JSON object", body=b"[]"),
    Case("not a number JSON knows", 400, "not JSON", body=b'{"instances": [NaN]}'),
    Case("instances missing", 400, "list of strings", body={}, param="instances"),
    Case("instances empty", 400, "list of strings", body={"instances": []}, param="instances"),
    Case("instance of the wrong kind", 400, "must be a string", body={"instances": ["a", 1]}, param="instances[1]"),
    Case("stream without instance", 400, "must be a string", path=V1_STREAM, body={}, param="instance"),
    Case("params of the wrong kind", 400, "object", body=V1_BODY | {"params": []}, param="params"),
    Case("temperature", 400, "between 0 and 1", body=V1_BODY | {"params": {"temperature": 2}}, param="temperature"),
    Case(
        "unknown expert", 400, "Help, help-1",
        body=V1_BODY | {"params": {"select_expert": "gpt-4"}}, param="select_expert",
    ),
    Case(
        "prompt that is no JSON", 400, "messages",
        body=V1_BODY | {"params": {"process_prompt": True}}, param="instances[0]",
    ),
    Case("items missing", 400, "items must be", path=V2, body={}, param="items"),
    Case(
        "double id", 400, "twice", path=V2,
        body={"items": [{"id": "a", "value": "x"}, {"id": "a", "value": "x"}]}, param="items[1].id",
    ),
    Case(
        "id with a hash", 400, "without '#'", path=V2,
        body={"items": [{"id": "a#1", "value": "x"}]}, param="items[0].id",
    ),
    Case("messages missing", 400, "at least one message", path=CHAT, body={}, param="messages"),
    Case(
        "openai temperature", 400, "between 0 and 2",
        path=CHAT, body=CHAT_BODY | {"temperature": 2.1}, param="temperature",
    ),
    *[
        Case(f"{name} of the wrong kind", 400, name, path=CHAT, body=CHAT_BODY | {name: value}, param=name)
        for name, value in {
            "top_p": "x", "max_tokens": 1.5, "n": True, "seed": [], "stop": [1], "stream_options": [],
            "response_format": [],
        }.items()
    ],
    Case(
        "usage of the wrong kind", 400, "include_usage",
        path=CHAT, body=CHAT_BODY | {"stream_options": {"include_usage": 1}}, param="stream_options",
    ),
    Case("prompt of two kinds", 400, "list of tokens", path=COMPLETIONS, body={"prompt": ["x", 1]}, param="prompt"),
    Case(
        "tool calls of the wrong kind", 400, "list of objects",
        path=CHAT, body={"messages": [{"role": "user", "tool_calls": [1]}]}, param="messages[0].tool_calls",
    ),
    Case("stream of the wrong kind", 400, "true or false", path=CHAT, body=CHAT_BODY | {"stream": "x"}, param="stream"),
    Case(
        "message without a role", 400, "role must be a string",
        path=CHAT, body={"messages": [{"content": "x"}]}, param="messages[0].role",
    ),
    Case("tool without a name", 400, "function", path=CHAT, body=CHAT_BODY | {"tools": [{}]}, param="tools[0]"),
    Case("unknown model", 404, "Help, help-1", path=CHAT, body=CHAT_BODY | {"model": "gpt-4"}, param="model"),
    Case("model of the wrong kind", 400, "string", path=CHAT, body=CHAT_BODY | {"model": 4}, param="model"),
    Case(
        "too deep", 400, "nested",
        path=CHAT, body=b'{"messages":[{"role":"user"}],"x":' + b"[" * 300 + b"]" * 300 + b"}",
    ),
    Case("too large", 413, "32 MiB", body=b"x" * (33 * 2**20)),
]  # fmt: skip


async def test_each_refusal_has_its_status_and_says_why(world, subtests):
    for case in CASES:
        with subtests.test(case.name):
            await is_refused(world, case)


async def is_refused(world, case: Case) -> None:
    content = case.body if isinstance(case.body, bytes | None) else json.dumps(case.body)
    headers = {"key": case.key} if case.key else {}
    async with world.http.request(
        case.method, world.url + case.path, data=content, headers=headers
    ) as response:
        assert response.status == case.status
        text = await response.text()
        answered = dict(response.headers)
    error = json.loads(text)["error"]
    assert case.says in error["message"]
    assert isinstance(error["code"], str)
    if case.path.startswith("/api"):
        assert error.keys() == {"code", "message", "details"}
        assert error["details"].get("param") == case.param
    else:
        assert error.keys() == {"code", "message", "details", "type", "param"}
        assert error["param"] == case.param
    assert ("Retry-After" in {name.title() for name in answered}) == (case.status == 503)
    assert not any(secret in text + str(answered) for secret in (TOKEN, KEY, "nobody"))


async def test_the_real_client_raises_its_own_errors(world):
    messages = CHAT_BODY["messages"]
    for key, expected in (("nobody", openai.AuthenticationError), (OTHER_KEY, openai.PermissionDeniedError)):
        client = await world.openai(key=key)
        with pytest.raises(expected):
            await client.chat.completions.create(model="Help", messages=messages)


async def test_a_sane_request_id_is_kept_and_another_replaced(world):
    for said, kept in (("abc-123", True), ("a b", False), ("x" * 500, False)):
        async with world.http.get(world.url + V1, headers={"x-request-id": said}) as response:
            assert (response.headers["x-request-id"] == said) is kept


async def test_before_the_first_complete_table_nobody_is_called_unknown(world):
    world.gateway.table.complete = False
    async with world.post(V1, V1_BODY) as response:
        assert response.status == 503
    async with world.http.get(world.url + "/readyz") as response:
        assert response.status == 503


async def test_healthz_and_readyz(world):
    for path in ("/healthz", "/readyz"):
        async with world.http.get(world.url + path) as response:
            assert response.status == 200
            said = await response.json()
            assert said["status"] == "ok"
    assert said["behind_seconds"] < 1
    assert said == said | {"broker": "connected", "complete": True, "fresh": True, "routes": 4}


async def test_a_table_that_cannot_be_compared_is_ready_and_says_that_it_is_not_fresh(world):
    stuck = asyncio.Event()

    async def never(_: object) -> None:
        stuck.set()
        await asyncio.Event().wait()

    world.gateway.follower._poll = never
    await stuck.wait()
    world.gateway.follower._polled_at -= 60
    async with world.http.get(world.url + "/readyz") as response:
        assert response.status == 200
        said = await response.json()
    assert (said["fresh"], said["behind_seconds"] > 59) == (False, True)


async def test_without_web_other_paths_are_not_served(world):
    async with world.http.get(world.url + "/projects") as response:
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "no_path"
