"""After a day's work with it, no raw key, token or password lies in a log, the database, the broker or `ps`."""

import re
import sqlite3
from collections.abc import Iterator

import httpx
import pytest
import redis

from tests.support.platform import Platform

UNKNOWN = "11111111-1111-4111-8111-111111111111"
MOST_BYTES = 200_000_000


class Day:
    """What somebody does, with every secret that they meet; `ps` is looked at after each step."""

    def __init__(self, up: Platform) -> None:
        self.up = up
        users = up.first_run["users"]
        self.secrets = {f"password of {name}": user["password"] for name, user in users.items()}
        self.secrets |= {f"platform key of {name}": user["platform_key"] for name, user in users.items()}
        self.secrets |= {"First Key": up.first_run["endpoint"]["api_key"], "a wrong key": UNKNOWN}
        self.lines: set[str] = set()

    def api(self, name: str) -> httpx.Client:
        key = self.up.first_run["users"][name]["platform_key"]
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=f"{self.up.url}/api", headers=headers, timeout=30)

    def work(self) -> None:
        hello = self.up.first_run["endpoint"]
        self.sign_in()
        with self.api("owen") as owen:
            at = f"/endpoints/{hello['id']}/apikeys"
            added = owen.post(at, json={"description": "shop"}).json()
            self.secrets["an added key"] = added["api_key"]
            owen.get(at)
            owen.get(f"{at}/{added['id']}")
            owen.get(f"{at}/{added['api_key']}")  # a value where an id belongs
            for key in (hello["api_key"], added["api_key"], UNKNOWN):
                self.predict(key)
            owen.post(f"{at}/{added['id']}/revoke")
            self.predict(added["api_key"])
            wish = {"endpoint_name": "leaves-no-trace", "project": "demo", "model_checkpoint": "Help"}
            wish |= {"rdu_arch": "SN40L", "instances": 1, "hyperparams": {"model_parallel_rdus": 1}}
            answer = owen.post("/endpoints", json=wish)
            assert answer.status_code == 200, answer.text
            made = answer.json()
            first = made["api_keys"][0]
            self.secrets["a First Key"] = first["api_key"]
            rotated = owen.post(f"/endpoints/{made['id']}/apikeys/{first['id']}/rotate", json={"grace": "1h"})
            self.secrets["its next value"] = rotated.json()["api_key"]
            owen.delete(f"/endpoints/{made['id']}").raise_for_status()
        with self.api("olga") as olga:
            node = {"name": "leaves-no-trace", "arch": "SN30", "rdus": 1}
            headers = {"Idempotency-Key": "leaves-no-trace"}
            joined = olga.post("/nodes", json=node, headers=headers)
            assert joined.status_code == 200, joined.text
            self.secrets["a join token"] = joined.json()["join"]["token"]
            olga.post("/nodes/leaves-no-trace/remove")
            self.newcomer(olga)
        self.look()

    def newcomer(self, olga: httpx.Client) -> None:
        """Three passwords, a platform key and two sessions of somebody who comes and goes."""
        first, own = "the-first-of-three-7", "the-third-of-three-9"
        name = "leaves-no-trace"
        olga.post("/users", json={"name": name, "password": first}).raise_for_status()
        given = olga.post(f"/users/{name}/password").json()["password"]
        self.secrets |= {"a first password": first, "a given password": given, "an own password": own}
        with self.browser() as browser:
            self.send(browser, "/sign-in/", username=name, password=given)
            self.secrets["a session"] = browser.cookies["sessionid"]
            changed = self.send(browser, "/account/password/", old=given, new=own, again=own)
            assert "Dashboard" in changed.text
            told = {"X-CSRFToken": browser.cookies["csrftoken"], "Referer": self.up.url}
            made = browser.post("/api/platform-key", headers=told)
            self.secrets["a new platform key"] = made.json()["platform_key"]
            self.secrets["a later session"] = browser.cookies["sessionid"]
        olga.post(f"/users/{name}/deactivate").raise_for_status()

    def sign_in(self) -> None:
        """With the password, and once with it where the name belongs."""
        password = self.up.first_run["users"]["owen"]["password"]
        with self.browser() as browser:
            for name in (password, "owen"):
                shown = self.send(browser, "/sign-in/", username=name, password=password)
            assert "Dashboard" in shown.text
        self.look()

    def browser(self) -> httpx.Client:
        return httpx.Client(base_url=self.up.url, follow_redirects=True, timeout=30)

    def send(self, browser: httpx.Client, at: str, **typed: str) -> httpx.Response:
        """The form of this page."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get(at).text)
        assert token
        typed["csrfmiddlewaretoken"] = token[1]
        return browser.post(at, data=typed, headers={"Referer": self.up.url})

    def predict(self, key: str) -> None:
        url = self.up.url + self.up.first_run["endpoint"]["url"]
        httpx.post(url, headers={"key": key}, json={"instances": ["Hello"]}, timeout=30)
        self.look()

    def look(self) -> None:
        self.lines |= set(self.up.everything().values())

    def tokens(self) -> None:
        """Those that lie in 0600 files: of nodes, of instances, and the platform's own keys."""
        for path in [*self.up.folder.glob("nodes/**/token*"), *self.up.folder.glob("secrets/*")]:
            if path.is_file() and path.name != "routes_verify":
                for number, value in enumerate(path.read_text().strip().split(",")):  # of a ring
                    self.secrets[f"{path.relative_to(self.up.folder)} {number}"] = value


@pytest.fixture
def day(up: Platform) -> Day:
    day = Day(up)
    day.work()
    day.tokens()
    return day


def places(day: Day) -> Iterator[tuple[str, bytes]]:
    """Where nothing of it may be."""
    folder = day.up.folder
    yield "ps", "\n".join(sorted(day.lines)).encode()
    yield "what `up` printed", day.up.output.encode()
    for path in [*folder.glob("logs/*"), *folder.glob("nodes/**/*log*"), *folder.glob("broker/**/*")]:
        if path.is_file() and path.stat().st_size < MOST_BYTES:
            yield str(path.relative_to(folder)), path.read_bytes()
    with sqlite3.connect(f"file:{folder / 'studio.sqlite3'}?mode=ro", uri=True) as database:
        database.text_factory = lambda raw: raw.decode("utf-8", "replace")
        yield "the database", "\n".join(database.iterdump()).encode()
    yield "the broker", b"\n".join(values(folder))


def values(folder: object) -> Iterator[bytes]:
    with redis.Redis.from_url(f"unix://{folder}/broker/broker.sock") as broker:
        for key in broker.scan_iter():
            yield key
            kind = broker.type(key)
            if kind == b"string":
                yield broker.get(key) or b""
            elif kind == b"hash":
                yield from (part for pair in broker.hgetall(key).items() for part in pair)
            elif kind == b"list":
                yield from broker.lrange(key, 0, -1)
            elif kind == b"set":
                yield from broker.smembers(key)
            elif kind == b"zset":
                yield from broker.zrange(key, 0, -1)


def written(value: str) -> set[bytes]:
    """As it is, and as a UUID's digits without dashes, in bytes and as a dump shows bytes."""
    forms = {value.encode(), value.replace("-", "").encode()} if len(value) == 36 else {value.encode()}
    return forms | {form.hex().encode() for form in forms} | {form.hex().upper().encode() for form in forms}


def test_nothing_secret_is_left_in_logs_database_broker_or_process_list(day: Day) -> None:
    kinds = " ".join(day.secrets)
    assert all(
        kind in kinds
        for kind in ("password", "platform key", "First Key", "join token", "instances/", "session")
    )
    found, sizes = set(), {}
    for place, content in places(day):
        sizes[place] = len(content)
        found |= {
            (place, name) for name, value in day.secrets.items() for form in written(value) if form in content
        }
    assert found == set()
    assert min(sizes[place] for place in ("ps", "the database", "the broker")) > 500, sizes
