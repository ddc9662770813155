"""A revoked key at three gateways with real control: refused within a second, and never taken again.

The broker is frozen, comes back as it was before the revocation, and comes back empty.
"""

import contextlib
import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
import redis

from endpoints import wire
from tests.support.desk import QUESTION, Desk, Endpoint
from tests.support.gateways import Beside, beside
from tests.support.platform import Platform
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(240)

SOON = 1.0
RINGS = ("key_pepper", "routes_seal", "routes_sign")  # which gateways read


@dataclass
class Key:
    """Asked for with it at each of the gateways."""

    id: str
    value: str
    path: str
    gateways: Sequence[str]
    client: httpx.Client = field(default_factory=partial(httpx.Client, verify=False))

    def status_at(self, gateway: str) -> int:
        body = {"instances": [QUESTION], "params": {"max_tokens_to_generate": 1}}
        return self.client.post(
            gateway + self.path, headers={"key": self.value}, json=body, timeout=20
        ).status_code

    def statuses(self) -> set[int]:
        return {self.status_at(gateway) for gateway in self.gateways}

    def until(self, status: int, what: str, seconds: float = 30) -> float:
        """How long it took until all gateways answer so."""
        begun = time.monotonic()
        eventually(lambda: self.statuses() == {status}, timeout=seconds, what=what)
        return time.monotonic() - begun

    @contextlib.contextmanager
    def watched(self) -> Iterator[Counter[int]]:
        """Asked all the time; yields how often each status came, 0 for no answer."""
        seen: Counter[int] = Counter()
        over = threading.Event()

        def ask() -> None:
            asking = Key(self.id, self.value, self.path, self.gateways)
            while not over.wait(0.02):
                for gateway in asking.gateways:
                    try:
                        seen[asking.status_at(gateway)] += 1
                    except httpx.TransportError:
                        seen[0] += 1

        asker = threading.Thread(target=ask, daemon=True)
        asker.start()
        try:
            yield seen
        finally:
            over.set()
            asker.join(30)


@pytest.fixture
def desk(up: Platform) -> Desk:
    return Desk(up)


@pytest.fixture(scope="module")
def beside_it(up: Platform) -> Iterator[list[Beside]]:
    with beside(up, "second", "third") as made:
        yield made


@pytest.fixture
def all_three(up: Platform, beside_it: list[Beside]) -> list[str]:
    return [up.url, *(each.url for each in beside_it)]


def a_key(desk: Desk, endpoint: Endpoint, gateways: Sequence[str]) -> Key:
    """Live at all of them."""
    made = desk.add_key(endpoint, "to be revoked")
    key = Key(made["id"], made["api_key"], endpoint["url"].removeprefix(desk.platform.url), gateways)
    key.until(200, "the key is taken everywhere")
    return key


def test_a_revoked_key_is_refused_by_all_within_a_second(desk: Desk, all_three: list[str]) -> None:
    hello = desk.info(desk.hello())
    key = a_key(desk, hello, all_three)
    desk.revoke(hello, key.id)
    seconds = key.until(401, "it is refused everywhere", SOON)
    print(f"refused by three gateways {seconds:.2f} s after the revocation")


def test_a_rotated_value_is_refused_by_all_within_a_second_unless_it_has_time(
    desk: Desk, all_three: list[str]
) -> None:
    rotated = desk.create("rotated")
    desk.until(rotated, "Live")
    rotated = desk.info(rotated)
    first, path = rotated["api_keys"][0]["id"], rotated["url"].removeprefix(desk.platform.url)
    old = Key(first, rotated["api_key"], path, all_three)
    old.until(200, "the First Key is taken everywhere")
    second = Key(first, desk.rotate(rotated, first, "1h")["api_key"], path, all_three)
    second.until(200, "its new value is taken everywhere", SOON)
    assert old.statuses() == {200}, "and the old one still is"
    third = Key(first, desk.rotate(rotated, first)["api_key"], path, all_three)
    seconds = max(old.until(401, "what was replaced first", SOON), second.until(401, "and then", SOON))
    third.until(200, "the newest value is taken everywhere", SOON)
    print(f"refused by three gateways {seconds:.2f} s after the rotation")
    desk.delete(rotated)


def test_the_platforms_own_keys_are_replaced_while_three_gateways_answer(
    up: Platform, desk: Desk, all_three: list[str]
) -> None:
    hello = desk.info(desk.hello())
    key, files = a_key(desk, hello, all_three), [up.folder / "secrets" / name for name in RINGS]
    with key.watched() as seen:
        assert rotate(up).count("stands in front of 1") == len(RINGS)
        added = a_key(desk, hello, all_three)
        for user in up.first_run["users"].values():  # a platform key's digest is made anew as it is used
            headers = {"Authorization": f"Bearer {user['platform_key']}"}
            assert httpx.get(f"{up.url}/api/endpoints", headers=headers, verify=False).status_code == 200
        for file in files:  # the ten minutes are over
            os.utime(file, times=(time.time() - 700,) * 2)
        assert rotate(up, "--finish").count("1 older were taken out") == len(RINGS)
        assert not any("," in file.read_text() for file in files)
        desk.revoke(hello, added.id)
        added.until(401, "what is published after the rotation is taken", SOON)
        asked = seen.total()
        eventually(lambda: seen.total() >= asked + 30, timeout=30, what="it is asked on")
    assert set(seen) == {200}, seen
    desk.revoke(hello, key.id)


def rotate(up: Platform, *words: str) -> str:
    only = [word for name in RINGS for word in ("--only", name)]
    done = up.manage("rotate-keys", *only, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_key_revoked_while_the_broker_stands_still_is_refused_within_a_second_of_its_return(
    up: Platform, desk: Desk, all_three: list[str]
) -> None:
    hello = desk.info(desk.hello())
    key = a_key(desk, hello, all_three)
    broker = psutil.Process(up.pid_of("broker"))
    broker.suspend()
    try:
        desk.revoke(hello, key.id)
        assert key.statuses() == {200}, "predictions go on with what is known"
    finally:
        broker.resume()
    seconds = key.until(401, "it is refused everywhere", SOON)
    print(f"refused by three gateways {seconds:.2f} s after the broker's return")


@pytest.mark.parametrize("comes_back", ["a second old", pytest.param("empty", marks=pytest.mark.soak)])
def test_a_broker_that_forgot_brings_nothing_back(
    comes_back: str, up: Platform, desk: Desk, all_three: list[str]
) -> None:
    """Nor for a gateway that starts just then, and knows only what the broker says."""
    hello, gone = desk.info(desk.hello()), desk.create(f"gone {comes_back}")
    desk.until(gone, "Live")
    gone = desk.info(gone)
    key, deleted = a_key(desk, hello, all_three), a_key(desk, gone, all_three)
    file, kept = up.folder / "broker" / "appendonlydir", up.folder / "kept"
    shutil.copytree(file, kept)
    desk.revoke(hello, key.id)
    desk.delete(gone)
    key.until(401, "the key is refused everywhere")
    deleted.until(404, "the endpoint is gone everywhere")
    newcomer = Beside(up, "newcomer")
    with key.watched() as of_key, deleted.watched() as of_deleted:
        with frozen(up, "web", "control"):  # nobody publishes
            replace_broker(up, kept if comes_back == "a second old" else None)
            assert broker_says_complete(up) == (comes_back == "a second old")
            newcomer.launch()
            eventually(lambda: newcomer.health("/healthz") == 200, timeout=30, what="the newcomer runs")
            late = Key(key.id, key.value, key.path, [newcomer.url])
            late_deleted = Key(deleted.id, deleted.value, deleted.path, [newcomer.url])
            late.until(503, "the newcomer waits for a table")
            asked = of_key.total()
            eventually(lambda: of_key.total() >= asked + 30, timeout=30, what="the others are asked on")
            assert late.statuses() == late_deleted.statuses() == {503}
        with late.watched() as at_newcomer, late_deleted.watched() as deleted_at_newcomer:
            late.until(401, "the newcomer has its table")
            until_settled(desk, hello)
    newcomer.stop()
    shutil.rmtree(kept)
    assert set(of_key) == {401}, of_key
    assert set(of_deleted) <= {401, 404}, of_deleted
    assert set(at_newcomer) <= {401, 503}, at_newcomer
    assert set(deleted_at_newcomer) <= {401, 404, 503}, deleted_at_newcomer


def until_settled(desk: Desk, endpoint: Endpoint) -> None:
    """A change that comes after the trouble has reached the gateways."""
    value = desk.add_key(endpoint, "afterwards")["api_key"]
    path = endpoint["url"].removeprefix(desk.platform.url)
    Key("", value, path, [desk.platform.url]).until(200, "a new key is taken")


def broker_says_complete(up: Platform) -> bool:
    """Whether it holds the marker, of whatever run; asked until the broker is there."""

    def says() -> list[bool]:
        try:
            with redis.Redis(unix_socket_path=str(up.folder / "broker" / "broker.sock")) as broker:
                return [bool(broker.exists(wire.MARKER))]
        except redis.RedisError:
            return []

    return eventually(says, timeout=30, what="the broker is started again")[0]


def replace_broker(up: Platform, content: Path | None) -> None:
    """Killed, and started again by the supervisor with this content, or with none."""
    file = up.folder / "broker" / "appendonlydir"
    with frozen(up, "supervisor"):
        broker = psutil.Process(up.pid_of("broker"))
        broker.kill()
        eventually(lambda: broker.status() == psutil.STATUS_ZOMBIE, what="the broker is dead")
        shutil.rmtree(file)
        if content is not None:
            shutil.copytree(content, file)


@contextlib.contextmanager
def frozen(up: Platform, *names: str) -> Iterator[None]:
    pids = [up.pid_of(name) for name in names]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
