"""A gateway on a free port of this process, with fake instances and a real broker."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import openai
import pytest
import uvicorn

from endpoints.gateway.__main__ import Server
from endpoints.gateway.app import Gateway
from endpoints.gateway.protocol import Protocol
from endpoints.gateway.settings import Settings
from endpoints.wire import Route
from tests.gateway import fake
from tests.gateway.control import ENDPOINT, KEY, PROJECT, Control, hello, neighbours
from tests.gateway.web import Web
from tests.support.waiting import eventually_async


@dataclass
class World:
    control: Control
    gateway: Gateway
    url: str
    http: aiohttp.ClientSession
    instances: list[fake.Instance]
    clients: contextlib.AsyncExitStack

    async def publish(self, route: Route) -> None:
        """Published, and taken by the gateway."""
        self.control.publish(route)
        await eventually_async(lambda: self.gateway.table.version(route.endpoint) >= route.version)

    async def openai(self, base: str = f"/v1/{PROJECT}/{ENDPOINT}", key: str = KEY) -> openai.AsyncOpenAI:
        # To read who may vouch for a server takes longer than most of what is asked here, of one without TLS.
        plain = openai.DefaultAsyncHttpxClient(verify=False)
        client = openai.AsyncOpenAI(base_url=self.url + base, api_key=key, max_retries=0, http_client=plain)
        return await self.clients.enter_async_context(client)

    async def change(self, **changes: object) -> None:
        """Publishes the endpoint hello anew."""
        upstreams = [instance.upstream for instance in self.instances]
        version = self.gateway.table.version(ENDPOINT) + 1
        await self.publish(hello(self.control, *upstreams, version=version, **changes))

    def behave(self, behaviour: fake.Behaviour) -> None:
        for instance in self.instances:
            instance.behave = behaviour

    def asked(self) -> list[fake.Seen]:
        return [seen for instance in self.instances for seen in instance.seen]

    def post(self, path: str, body: object, key: str | None = KEY, **more: object):
        headers = {"key": key} if key else {}
        return self.http.post(self.url + path, json=body, headers=headers, **more)


V1 = f"/api/predict/generic/{PROJECT}/{ENDPOINT}"
V1_STREAM = f"/api/predict/generic/stream/{PROJECT}/{ENDPOINT}"
V2 = f"/api/v2/predict/generic/{PROJECT}/{ENDPOINT}"
V2_STREAM = f"/api/v2/predict/generic/stream/{PROJECT}/{ENDPOINT}"
NLP = f"/api/predict/nlp/{PROJECT}/{ENDPOINT}"
NLP_STREAM = f"/api/predict/nlp/stream/{PROJECT}/{ENDPOINT}"
CHAT = f"/v1/{PROJECT}/{ENDPOINT}/chat/completions"
RESPONSES = f"/v1/{PROJECT}/{ENDPOINT}/responses"
EMBEDDINGS = f"/v1/{PROJECT}/{ENDPOINT}/embeddings"


HELD: dict[int, socket.socket] = {}  # ports that nobody else can take, until `serving` uses them


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.asynccontextmanager
async def serving(settings: Settings, *, graceful: bool = False) -> AsyncIterator[Gateway]:
    """As `endpoints.gateway.__main__` does it, in this process; its stop takes a while and is left out."""
    listener = HELD.pop(settings.port)
    async with Gateway.opened(settings) as gateway:
        config = uvicorn.Config(
            gateway, http=Protocol, interface="asgi3", ws="none",
            lifespan="off", access_log=False, log_config=None, proxy_headers=False, timeout_graceful_shutdown=3,
        )  # fmt: skip
        server = Server(config, gateway, settings.stop_seconds)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        await eventually_async(lambda: server.started, what="the gateway listens")
        try:
            yield gateway
        finally:
            if graceful:
                server.should_exit = True
            else:
                _drop(server)
                running.cancel()
            await asyncio.wait([running])


def _drop(server: uvicorn.Server) -> None:
    for listening in server.servers:
        listening.close()
    for connection in list(server.server_state.connections):
        connection.transport.abort()


def settings_for(control: Control, broker_url: str, **changes: object) -> Settings:
    """For `serving`. The port is ours from here on."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    HELD[port] = listener
    told: dict[str, object] = {"host": "127.0.0.1", "port": port, "stop_seconds": 0}
    told |= {"broker_url": broker_url, "rings": control.rings}
    return Settings(**(told | changes))


@pytest.fixture
def control(broker_client) -> Control:
    return Control(broker_client)


@pytest.fixture
async def world(control, broker) -> AsyncIterator[World]:
    """Endpoint hello, Live on the instances `a` and `b`, and its neighbours."""
    settings = settings_for(control, broker.url)
    async with fake.started("a", "b") as instances, serving(settings) as gateway:
        for route in [hello(control, *(one.upstream for one in instances)), *neighbours(control)]:
            control.publish(route)
        control.complete()
        await eventually_async(lambda: gateway.table.complete, what="the route table is complete")
        async with aiohttp.ClientSession() as http, contextlib.AsyncExitStack() as clients:
            yield World(control, gateway, f"http://127.0.0.1:{settings.port}", http, instances, clients)


@pytest.fixture
async def embedder(world) -> World:
    """The endpoint hello with a model that embeds."""
    await world.change(task="embedding")
    return world


@pytest.fixture
async def behind(control, broker, tmp_path) -> AsyncIterator[tuple[Web, str, aiohttp.ClientSession]]:
    site = Web(tmp_path / "web.sock")
    await site.start()
    settings = settings_for(control, broker.url, web_socket=str(site.socket))
    async with serving(settings), aiohttp.ClientSession() as http:
        yield site, f"http://127.0.0.1:{settings.port}", http
    await site.stop()
