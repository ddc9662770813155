"""Whatever is sent to a running gateway: an answer in time, in the documented shape, with nobody else's data in it."""

import asyncio
import base64
import json
import logging
import re
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endpoints.gateway import openapi
from endpoints.gateway.app import Gateway
from endpoints.gateway.formats import call as calls
from tests.gateway import fake, fuzzed, raw
from tests.gateway.conftest import serving, settings_for
from tests.gateway.fuzzed import FORMATS, NAMES, SERVING, Request
from tests.gateway.raw import Answer
from tests.gateway.well_formed import STREAMS, WELL_FORMED, are_embeddings, is_v2, last_of_v2
from tests.support.effort import examples
from tests.support.waiting import eventually_async

CALM = settings(
    max_examples=examples(10),
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
    deadline=None,
)
SAID = re.compile(r"said-of-(\w+) to ([^;]*);")
STREAMED = {"text/event-stream; charset=utf-8", "application/x-ndjson; charset=utf-8"}
PLAIN = json.dumps({"instances": ["x"]}).encode()


@dataclass
class Target:
    gateway: Gateway
    port: int
    instances: list[fake.Instance]

    def is_idle(self) -> bool:
        fleet = self.gateway.upstreams.fleet
        busy = [instance for instance in self.instances if fleet.under_way(instance.id)]
        return not busy and not fleet.waiting_in_all()

    async def answers_plainly(self) -> bool:
        (path,) = fuzzed.paths_of("v1", NAMES["hello"])
        headers = [(b"key", fuzzed.key_of("hello").encode()), (b"content-length", b"%d" % len(PLAIN))]
        heard = await raw.ask(self.port, raw.request("POST", path, headers, PLAIN))
        return heard.answers[0].status == 200


@pytest.fixture
async def target(control, broker, caplog) -> AsyncIterator[Target]:
    """Two endpoints that chat, one that embeds, each with a key and an instance of its own, and a stopped one.

    In the end nothing is left under way, a plain request is answered, and the log knows of no fault.
    """
    told = settings_for(control, broker.url)
    names = [f"instance-of-{name}" for name in SERVING]
    async with fake.started(*names) as instances, serving(told) as gateway:
        for name, instance in zip(SERVING, instances, strict=True):
            instance.behave = fuzzed.says_who_asked(name)
        for route in fuzzed.routes(control, instances):
            control.publish(route)
        control.complete()
        await eventually_async(lambda: gateway.table.complete, what="the route table is complete")
        with structlog.testing.capture_logs() as log:
            aimed = Target(gateway, told.port, instances)
            yield aimed
            await eventually_async(aimed.is_idle, what="nothing is under way")
            assert await aimed.answers_plainly()
    assert [entry for entry in log if entry["log_level"] in {"error", "critical"}] == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("form", FORMATS)
@CALM
@given(data=st.data())
async def test_any_requests_at_once_get_their_own_answers(target, form, data):
    asked = data.draw(st.lists(fuzzed.requests(form), min_size=1, max_size=3))
    heard = await asyncio.gather(*(raw.ask(target.port, one.raw, bodiless=one.bodiless) for one in asked))
    for one, listener in zip(asked, heard, strict=True):
        check(one, listener.answers[0])


@CALM
@given(asked=st.lists(fuzzed.lookups(), min_size=1, max_size=3))
async def test_any_look_at_models_finds_those_of_the_keys_endpoint(target, asked):
    heard = await asyncio.gather(*(raw.ask(target.port, one.raw, bodiless=one.bodiless) for one in asked))
    for one, listener in zip(asked, heard, strict=True):
        check(one, listener.answers[0])


def check(asked: Request, answer: Answer) -> None:
    assert answer.complete
    assert answer.status == 200 or answer.status in openapi.FAILURES
    assert answer.status != 500
    holds_nothing_of_others(asked, answer)
    if asked.bodiless:
        return
    if answer.status != 200:
        is_refusal(answer)
    elif answer.headers["content-type"] in STREAMED:
        last_of(asked, answer.body.decode())
    else:
        is_whole(asked, answer)


def holds_nothing_of_others(asked: Request, answer: Answer) -> None:
    said = answer.everything()
    strangers = [word for name in NAMES if name not in asked.keys for word in fuzzed.words_of(name)]
    assert not [word for word in [*strangers, fake.TOKEN, "127.0.0.1"] if word in said]
    told_to = {id for _, id in SAID.findall(said)}
    assert told_to <= {answer.headers.get("x-request-id")}
    assert answer.status == 200 or not told_to


def is_refusal(answer: Answer) -> None:
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert isinstance(error["code"], str)
    assert isinstance(error["message"], str)
    assert isinstance(error["details"], dict)
    assert error.keys() - {"code", "message", "details"} in (set(), {"type", "param"})


def kind_of(asked: Request) -> str:
    return asked.form.removesuffix(" stream")


def ids_of(body: Any) -> list[str]:
    items = body["items"] if body.get("items") is not None else [{}]
    return [str(index if item.get("id") is None else item["id"]) for index, item in enumerate(items)]


def is_whole(asked: Request, answer: Answer) -> None:
    told = answer.json()
    own = fuzzed.number_of(answer.headers["x-request-id"])
    assert {vector[-1] for vector in vectors_of(asked, told)} <= {own}
    if asked.form == "models":
        assert all(one["object"] == "model" for one in told.get("data", [told]))
    elif asked.form == "v2":
        is_v2(told, ids_of(json.loads(asked.content)))
    elif asked.form == "embeddings":
        are_embeddings(told, len(calls.inputs(json.loads(asked.content)["input"])))
    else:
        WELL_FORMED[kind_of(asked)](told)


def vectors_of(asked: Request, told: Any) -> list[list[float]]:
    """Every embedding in an answer."""
    match kind_of(asked):
        case "v1" | "v1 chat":
            found = told["predictions"]
        case "v2":
            found = [item["value"] for item in told["items"]]
        case "nlp":
            found = told["data"]
        case "embeddings":
            packed = [one["embedding"] for one in told["data"]]
            return [unpacked(one) if isinstance(one, str) else one for one in packed]
        case _:
            return []
    return [one for one in found if isinstance(one, list)]


def unpacked(text: str) -> list[float]:
    return [number for (number,) in struct.iter_unpack("<f", base64.b64decode(text))]


def last_of(asked: Request, text: str) -> None:
    """A fuzzed request's stream ends well: the instances are well."""
    if asked.form == "v2 stream":
        last = last_of_v2(text, ids_of(json.loads(asked.content)))
    else:
        last = STREAMS[kind_of(asked)](text)
    assert "error" not in last
