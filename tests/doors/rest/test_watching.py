"""Instances, events and the stream for watchers: what becomes of an endpoint, for whoever may see it."""

import asyncio
import gc
import json
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.test import AsyncClient

from endpoints import watching
from scheduler.models import Instance, Node
from studio.audit.models import Event
from studio.projects.models import Project
from studio.sharing.models import EndpointUserGrant
from studio.tenants.models import Membership, User
from tests.doors.rest.conftest import Rest, error_of

pytestmark = pytest.mark.usefixtures("hub", "demo")

WISH = {
    "project": "demo",
    "endpoint_name": "hello",
    "model_checkpoint": "Help",
    "rdu_arch": "SN40L",
    "instances": 2,
}


@pytest.fixture
def hello(rest: Rest) -> dict[str, Any]:
    return rest.owen.made("/api/endpoints", WISH)


# Instances


def test_instances_say_how_far_they_are_and_why_they_wait(rest: Rest, hello: dict[str, Any]) -> None:
    node = Node.objects.get()
    progress = {"phase": "loading", "done": 45, "total": 100}
    Instance.objects.filter(ordinal=1).update(state="starting", node=node, progress=progress)
    reason = {"code": "none_free", "rdus": 1, "total": 8, "position": 3}
    Instance.objects.filter(ordinal=2).update(reason=reason)
    first, second = rest.owen.get("/api/endpoints/hello/instances", project="demo").json["instances"]
    facts = {
        "instance": 1,
        "state": "starting",
        "node": "sn40l-1",
        "phase": "loading",
        "percent": 45,
        "reason": None,
    }
    assert {name: first[name] for name in facts} == facts
    assert (second["reason"], second["position"], second["node"]) == ("none_free", 3, None)
    assert second["sentence"] == rest.owen.get("/api/endpoints/hello").json["waiting"][0]["sentence"]


def test_the_last_lines_of_a_failed_one(rest: Rest, hello: dict[str, Any]) -> None:
    Instance.objects.filter(ordinal=1).update(state="failed", log_tail=["one", "two"], crashes=3)
    first = rest.owen.get("/api/endpoints/hello/instances").json["instances"][0]
    assert (first["state"], first["log_tail"], first["crashes"]) == ("failed", ["one", "two"], 3)


# Events


def test_events_of_an_endpoint_come_in_pages_newest_first(rest: Rest, hello: dict[str, Any]) -> None:
    rest.tina.post("/api/endpoints/hello/stop")
    rest.owen.post("/api/endpoints/hello/restart")
    first = rest.owen.get("/api/endpoints/hello/events", limit=2).json
    rest_of_it = rest.owen.get("/api/endpoints/hello/events", cursor=first["next"]).json
    deeds = [(each["actor"], each["verb"]) for each in first["events"] + rest_of_it["events"]]
    assert deeds[:2] == [("owen", "restart"), ("tina", "stop")]
    assert ("owen", "create") in deeds[2:]
    assert rest_of_it["next"] is None


def test_events_of_the_tenant_are_of_what_one_sees(rest: Rest, hello: dict[str, Any]) -> None:
    assert {each["thing_name"] for each in rest.owen.get("/api/events").json["events"]} >= {"hello"}
    for who in ("mila", "oskar", "otto"):
        assert getattr(rest, who).get("/api/events").json == {"events": [], "next": None}


@pytest.mark.parametrize("part", ["instances", "events", "watch"])
@pytest.mark.parametrize("who", ["mila", "oskar", "otto"])
def test_whoever_may_not_know_of_it_gets_404(rest: Rest, hello: dict[str, Any], part: str, who: str) -> None:
    for name in ("hello", hello["id"]):
        assert error_of(getattr(rest, who).get(f"/api/endpoints/{name}/{part}"))[:2] == (404, "not_found")


# The stream

# Between its looks a watcher gives its connection back, which the transaction of a test would not outlive.
between_requests = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(watching, "WATCH_SECONDS", WATCHED_ON)


WATCHED_ON = 0.5  # seconds after the last act, however long the acts took
Frame = tuple[str, Any, str]


def watched(key: str, acts: Sequence[Callable[[], object]] = (), last: str = "") -> list[Frame]:
    """(kind, data, id) of each frame; after each one the next act is done."""
    heard: list[Frame] = []
    left = list(acts)

    async def listen() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        if left:
            watching.WATCH_SECONDS = math.inf
        headers = {"Authorization": f"Bearer {key}"} | ({"Last-Event-ID": last} if last else {})
        response = await AsyncClient().get("/api/endpoints/hello/watch", headers=headers)
        assert (response.status_code, response["Content-Encoding"]) == (200, "identity")
        async for chunk in response:
            heard.append(frame_of(chunk.decode()))
            if left:
                await sync_to_async(left.pop(0))()
                if not left:
                    watching.WATCH_SECONDS = loop.time() - began + WATCHED_ON

    async_to_sync(listen)()
    assert not left
    return heard


def frame_of(text: str) -> Frame:
    assert text.endswith("\n\n")
    if text.startswith(":"):
        return ("", text, "")
    fields = dict(line.split(": ", 1) for line in text.splitlines() if line)
    return fields["event"], json.loads(fields["data"]), fields.get("id", "")


@between_requests
def test_a_watcher_hears_the_state_at_once_and_each_change_once(rest: Rest, hello: dict[str, Any]) -> None:
    def become_ready() -> None:
        Instance.objects.update(state="ready", node=Node.objects.get(), port=1)

    heard = watched(rest.keys["owen"], [become_ready])
    assert [kind for kind, _, _ in heard] == ["endpoint", "endpoint"]
    first, second = (data for _, data, _ in heard)
    assert (first["endpoint"]["status"], second["endpoint"]["status"]) == ("SettingUp", "Live")
    assert [each["state"] for each in second["instances"]] == ["ready", "ready"]
    assert hello["api_key"] not in str(heard), "keys are masked"


@between_requests
def test_a_watcher_hears_what_others_do_and_the_end(rest: Rest, hello: dict[str, Any]) -> None:
    acts = [
        lambda: rest.tina.post("/api/endpoints/hello/stop"),
        lambda: rest.tina.delete("/api/endpoints/hello"),
    ]
    heard = watched(rest.keys["owen"], acts)
    assert [data["verb"] for kind, data, _ in heard if kind == "event"] == ["stop", "delete"]
    assert heard[-1][0] == "gone"


@between_requests
def test_whoever_comes_back_hears_what_was_missed(rest: Rest, hello: dict[str, Any]) -> None:
    seen = Event.objects.order_by("-id").first().pk
    rest.tina.post("/api/endpoints/hello/stop")
    heard = watched(rest.keys["owen"], last=str(seen))
    assert [(kind, data.get("verb")) for kind, data, _ in heard] == [("event", "stop"), ("endpoint", None)]
    assert int(heard[0][2]) > seen
    assert [kind for kind, _, _ in watched(rest.keys["owen"])] == ["endpoint"], "a new one begins now"


@between_requests
@pytest.mark.parametrize("last", ["nonsense", "-1", "9" * 30, "²"])
@between_requests
def test_a_last_id_that_is_none_begins_now(rest: Rest, hello: dict[str, Any], last: str) -> None:
    answer = watched(rest.keys["owen"], last=last.encode().decode("latin-1"))
    assert [kind for kind, _, _ in answer] == ["endpoint"]


@between_requests
def test_who_loses_sight_of_it_hears_that_it_is_gone(rest: Rest, hello: dict[str, Any]) -> None:
    Project.objects.update(general_access="tenant_viewer")
    heard = watched(rest.keys["mila"], [lambda: Project.objects.update(general_access="private")])
    assert [kind for kind, _, _ in heard] == ["endpoint", "gone"]


def lose_the_membership() -> None:
    Membership.objects.filter(user__username="mila").delete()


def be_deactivated() -> None:
    User.objects.filter(username="mila").update(is_active=False)


@between_requests
@pytest.mark.parametrize("loss", [lose_the_membership, be_deactivated])
def test_who_may_no_longer_see_it_hears_no_more_of_it(
    rest: Rest, hello: dict[str, Any], loss: Callable[[], None]
) -> None:
    """Not only when the stream begins anew: within one."""
    Project.objects.update(general_access="tenant_viewer")
    heard = watched(rest.keys["mila"], [loss])
    assert [kind for kind, _, _ in heard] == ["endpoint", "gone"]


@between_requests
def test_who_was_given_it_hears_no_more_once_that_is_taken_back(rest: Rest, hello: dict[str, Any]) -> None:
    """What was read about somebody holds for one look."""
    address = f"/api/endpoints/{hello['id']}/share"
    mila = {"type": "user", "name": "mila", "role": "viewer"}
    assert rest.owen.put(address, {"shared_with": [mila]}).status == 200
    heard = watched(rest.keys["mila"], [lambda: EndpointUserGrant.objects.all().delete()])
    assert [kind for kind, _, _ in heard] == ["endpoint", "gone"]


@between_requests
@pytest.mark.parametrize("loss", [{"is_org_admin": False}, {"is_active": False}])
def test_who_is_less_by_now_hears_that_it_is_gone(
    rest: Rest, hello: dict[str, Any], loss: dict[str, bool]
) -> None:
    olga = rest.people["olga"]
    heard = watched(rest.keys["olga"], [lambda: User.objects.filter(pk=olga.pk).update(**loss)])
    assert [kind for kind, _, _ in heard] == ["endpoint", "gone"]


@between_requests
def test_whose_platform_key_was_replaced_hears_no_more(rest: Rest, hello: dict[str, Any]) -> None:
    heard = watched(rest.keys["owen"], [lambda: rest.owen.post("/api/platform-key")])
    assert [kind for kind, _, _ in heard] == ["endpoint", "gone"]


@between_requests
def test_silence_is_broken_by_a_comment(
    rest: Rest, hello: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SILENT_SECONDS", 0.1)
    heard = watched(rest.keys["owen"])
    assert heard[0][0] == "endpoint"
    assert ("", ": still watching\n\n", "") in heard


@between_requests
def test_only_so_many_watch_at_once_and_a_place_comes_free(
    rest: Rest, hello: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "WATCHERS", threading.BoundedSemaphore(1))
    watched(rest.keys["owen"])
    gc.collect()
    watching.WATCHERS.acquire()
    assert error_of(rest.owen.get("/api/endpoints/hello/watch"))[:2] == (429, "limited")
    watching.WATCHERS.release()
    watched(rest.keys["owen"])
