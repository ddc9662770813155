"""The description of the predictions says what the gateway does, no path more and no path less."""

import json

import orjson
import pytest

from endpoints.gateway import openapi, paths
from endpoints.gateway.formats import openai
from endpoints.wire import Route
from tests.gateway.control import ENDPOINT, KEY, PROJECT

PLACES = {"project": PROJECT, "endpoint": ENDPOINT, "model": "Help"}
OPERATIONS = [
    (path, method, told)
    for path, item in openapi.document()["paths"].items()
    for method, told in item.items()
    if method != "parameters"
]


def named(path: str) -> str:
    return path.format(**PLACES)


def refs_in(value: object) -> list[str]:
    if isinstance(value, dict):
        mine = [value["$ref"]] if "$ref" in value else []
        return mine + [ref for part in value.values() for ref in refs_in(part)]
    return [ref for part in value for ref in refs_in(part)] if isinstance(value, list) else []


async def test_it_is_served_without_a_key(world):
    async with world.http.get(world.url + openapi.PATH) as response:
        assert response.status == 200
        assert await response.json() == json.loads(json.dumps(openapi.document()))
    async with world.post(openapi.PATH, {}) as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("path", "method", "told"), OPERATIONS, ids=lambda part: part if isinstance(part, str) else ""
)
def test_each_path_is_the_gateways(path, method, told):
    found = paths.match(named(path))
    assert found is not None
    assert (found.method, found.endpoint) == (method.upper(), ENDPOINT)
    assert found.project == (PROJECT if "{project}" in path else None)
    assert found.model == ("Help" if "{model}" in path else "")
    wanted = [f"#/components/parameters/{name}" for name in PLACES if f"{{{name}}}" in path]
    assert [one["$ref"] for one in openapi.document()["paths"][path]["parameters"]] == wanted


def test_no_path_of_the_gateway_is_missing():
    described = {paths.match(named(path)).dialect.name for path, _, _ in OPERATIONS}
    assert described == {dialect.name for dialect in (*paths.PREDICT.values(), *paths.OPENAI.values())} | {
        "openai_responses"
    }


@pytest.mark.parametrize(
    ("path", "method", "told"), OPERATIONS, ids=lambda part: part if isinstance(part, str) else ""
)
def test_each_example_is_read_and_each_failure_described(path, method, told):
    dialect = paths.match(named(path)).dialect
    if dialect is not openai.MODELS:
        task = "embedding" if dialect.name == "openai_embeddings" else "chat"
        route = Route(
            endpoint=ENDPOINT, project=PROJECT, version=1, model="served", names=["Help"], task=task
        )
        example = told["requestBody"]["content"]["application/json"]["example"]
        assert dialect.read(orjson.dumps(example), route).calls
    assert set(told["responses"]) == {"200", *map(str, openapi.FAILURES)}
    for status, answer in told["responses"].items():
        assert openapi.STAMPS.keys() <= answer["headers"].keys()
        assert ("Retry-After" in answer["headers"]) == (status in {"429", "503"})
    media = told["responses"]["200"]["content"].keys() - {"application/json"}
    assert media <= {dialect.media.decode().partition(";")[0]}


def test_names_are_unique_and_references_lead_somewhere():
    document = openapi.document()
    ids = [told["operationId"] for _, _, told in OPERATIONS]
    assert len(ids) == len(set(ids))
    for ref in set(refs_in(document)):
        found = document
        for part in ref.removeprefix("#/").split("/"):
            found = found[part]


async def test_what_an_endpoint_answers_has_the_fields_that_are_required(world):
    for path, method, told in OPERATIONS:
        if "embeddings" in path:
            continue
        asked = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        headers = {"key": KEY}
        async with world.http.request(
            method, world.url + named(path), json=asked, headers=headers
        ) as response:
            assert response.status == 200, path
            content = told["responses"]["200"]["content"]
            assert response.content_type in content
            if response.content_type == "application/json":
                schema = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
                required = openapi.SCHEMAS[schema].get("required", [])
                assert set(required) <= (await response.json()).keys(), path
