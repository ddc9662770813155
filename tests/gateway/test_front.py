"""The front: every path that is no prediction goes to web, unbuffered, and says so when web is away."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from ipaddress import ip_network

import aiohttp
import pytest

from tests.gateway import fake
from tests.gateway.conftest import V1, serving, settings_for
from tests.gateway.control import hello
from tests.gateway.web import Web
from tests.support.waiting import eventually_async


@pytest.fixture
async def behind_a_proxy(control, broker, tmp_path) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """A front that trusts whoever speaks from this machine, and one more network."""
    site = Web(tmp_path / "web.sock")
    await site.start()
    proxies = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"))
    settings = settings_for(control, broker.url, web_socket=str(site.socket), proxies=proxies)
    async with serving(settings), aiohttp.ClientSession() as http:
        yield f"http://127.0.0.1:{settings.port}", http
    await site.stop()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_everything_is_passed_on(behind, method):
    _, url, http = behind
    async with http.request(method, f"{url}/a%2Fb/ä?q=%20x&q=2", data=b"hello") as response:
        assert response.status == 418
        said = await response.json()
        assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
        assert response.headers["X-Own"] == "1"
        assert "Keep-Alive" not in response.headers
    assert (said["method"], said["body"]) == (method, "hello")
    assert said["path"] == "/a%2Fb/%C3%A4?q=%20x&q=2"


async def test_head_has_no_body(behind):
    _, url, http = behind
    async with http.head(f"{url}/x") as response:
        assert (response.status, await response.read()) == (418, b"")


async def test_the_front_says_itself_who_asks(behind):
    _, url, http = behind
    forged = {
        "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=6.6.6.6", "Connection": "keep-alive, X-Hop", "X-Hop": "1", "Cookie": "s=1",
    }  # fmt: skip
    async with http.get(f"{url}/x", headers=forged) as response:
        headers = (await response.json())["headers"]
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-host"] == headers["host"] == url.removeprefix("http://")
    assert headers["cookie"] == "s=1"
    assert not {"forwarded", "x-hop", "content-type"} & headers.keys()


async def test_a_trusted_proxy_is_believed_and_what_the_client_claimed_before_it_is_not(behind_a_proxy):
    url, http = behind_a_proxy
    said = {"X-Forwarded-For": "6.6.6.6, 192.0.2.7, 10.1.1.1", "X-Forwarded-Proto": "https"}
    async with http.get(f"{url}/x", headers=said) as response:
        headers = (await response.json())["headers"]
    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == ("192.0.2.7", "https")


@pytest.fixture
def https(monkeypatch):
    monkeypatch.setenv("STUDIO_URL", "https://studio.example.com")


async def test_web_hears_that_people_come_by_https_where_the_platform_says_so(https, behind):
    _, url, http = behind
    async with http.get(f"{url}/x", headers={"X-Forwarded-Proto": "http"}) as response:
        assert (await response.json())["headers"]["x-forwarded-proto"] == "https"


async def test_server_sent_events_are_not_buffered(behind):
    site, url, http = behind
    async with http.get(f"{url}/events") as response:
        assert await response.content.readuntil(b"\n\n") == b"data: 1\n\n"
        site.go_on.set()
        assert await response.content.readuntil(b"\n\n") == b"data: 2\n\n"


async def test_a_client_that_leaves_ends_the_request_at_web(behind):
    site, url, http = behind
    async with http.get(f"{url}/events") as response:
        await response.content.readuntil(b"\n\n")
    await asyncio.wait_for(site.gone.wait(), 1)


async def test_a_client_that_leaves_in_an_upload_ends_it_at_web(behind):
    site, url, http = behind

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        await asyncio.Event().wait()

    async def upload() -> None:
        async with http.post(f"{url}/upload", data=endless()) as response:
            await response.read()

    uploading = asyncio.create_task(upload())
    await eventually_async(lambda: site.received == 1000)
    uploading.cancel()
    await asyncio.wait_for(site.gone.wait(), 1)


async def test_a_stop_does_not_wait_for_pages_that_listen(control, broker, tmp_path):
    site = Web(tmp_path / "web.sock")
    await site.start()
    settings = settings_for(control, broker.url, web_socket=str(site.socket), stop_seconds=60)
    async with aiohttp.ClientSession() as http, asyncio.timeout(20):
        async with serving(settings, graceful=True):
            response = await http.get(f"http://127.0.0.1:{settings.port}/events")
            await response.content.readuntil(b"\n\n")
        await asyncio.wait_for(site.gone.wait(), 1)
    await site.stop()


async def test_an_upload_flows_through_in_parts(behind):
    site, url, http = behind
    step = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        await step.wait()
        yield b"y" * 10_000_000

    async def upload() -> str:
        async with http.post(f"{url}/upload", data=parts()) as response:
            return await response.text()

    uploading = asyncio.create_task(upload())
    await eventually_async(
        lambda: site.received == 1000, what="the first part arrives before the second is sent"
    )
    step.set()
    assert await uploading == "10001000"


async def test_an_answer_that_web_breaks_off_is_broken_for_the_client_too(behind):
    _, url, http = behind
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.get(f"{url}/half") as response:
            await response.read()


async def test_when_web_is_away_a_page_says_so_and_predictions_go_on(behind, control, broker):
    site, url, http = behind
    await site.stop()
    async with http.get(f"{url}/projects", headers={"Accept": "text/html"}) as response:
        assert response.status == 503
        assert response.headers["Retry-After"]
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"
        page = await response.text()
    assert "Predictions go on" in page
    assert "http" not in page.replace("http-equiv", "")  # it loads nothing
    async with http.get(f"{url}/api/endpoints", headers={"Accept": "application/json"}) as response:
        assert response.status == 503
        assert "Predictions go on" in json.loads(await response.text())["error"]["message"]
    async with http.get(f"{url}/healthz") as response:
        assert response.status == 200
    async with fake.started("a") as (instance,):
        control.publish(hello(control, instance.upstream))
        control.complete()

        async def answers() -> bool:
            async with http.post(
                url + V1, json={"instances": ["x"]}, headers={"key": "hello-key"}
            ) as response:
                return response.status == 200

        await eventually_async(answers)
    with contextlib.suppress(FileNotFoundError):
        site.socket.unlink()
    await site.start()
    async with http.get(f"{url}/x") as response:
        assert response.status == 418
