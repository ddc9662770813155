"""The Audit page: for admins, with filters, details and a download."""

import json
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.management import CommandError, call_command
from django.urls import reverse

from endpoints import services
from endpoints.models import Endpoint
from endpoints.specs import Edit
from studio.audit import selectors, views
from studio.audit.models import Event
from tests.doors.gui.conftest import World
from tests.doors.gui.labels import Labels
from tests.support.cast import NOW


@pytest.fixture
def endpoint(world: World) -> Endpoint:
    endpoint = world.live()
    services.update_endpoint(
        actor=world.actor("owen"), endpoint=endpoint, edit=Edit(description="<b>new</b>"), now=NOW
    )
    services.stop_endpoint(actor=world.actor("tina"), endpoint=endpoint, now=NOW)
    return endpoint


@pytest.mark.parametrize(
    ("name", "status"), [("olga", 200), ("tina", 200), ("owen", 403), ("oskar", 403), ("otto", 403)]
)
@pytest.mark.parametrize("door", ["audit", "audit-export"])
def test_it_is_for_admins(person: Any, name: str, status: int, door: str) -> None:
    response = person(name).client.get(reverse(door))
    assert response.status_code == status
    menu = Labels(person(name).get("dashboard").html)
    assert menu.has("control", "Audit") == (status == 200)


def test_it_says_who_did_what_and_old_and_new(person: Any, endpoint: Endpoint) -> None:
    page = person("tina").get("audit")
    assert "owen owner edited endpoint hello" in page.text
    assert "<ins>&lt;b&gt;new&lt;/b&gt;</ins>" in page.html
    assert "<b>new</b>" not in page.html
    assert "<del>running</del> → <ins>stopped</ins>" in page.html


def test_the_ids_can_be_copied(person: Any, endpoint: Endpoint) -> None:
    person("owen").post("endpoint-restart", endpoint)
    event = Event.objects.get(verb="restart")
    page = person("tina").get("audit", verb="restart")
    assert f'data-copy="{endpoint.pk}" aria-label="Copy the ID"' in page.html
    assert event.request_id
    assert f'data-copy="{event.request_id}" aria-label="Copy the request"' in page.html


@pytest.mark.parametrize(
    ("narrowed", "there", "absent"),
    [
        ({"person": "tina"}, "stopped endpoint hello", "edited endpoint hello"),
        ({"verb": "edit"}, "edited endpoint hello", "stopped endpoint hello"),
        ({"thing": "nothing"}, "Nothing that was done fits these filters.", "hello"),
        ({"kind": "node"}, "Nothing found", "hello"),
        ({"kind": "nonsense"}, "stopped endpoint hello", "Nothing found"),
        ({"until": "2020-01-01"}, "Nothing found", "hello"),
        ({"since": "2020-01-01"}, "stopped endpoint hello", "Nothing found"),
    ],
)
def test_its_filters_narrow_it(
    person: Any, endpoint: Endpoint, narrowed: dict[str, str], there: str, absent: str
) -> None:
    text = person("tina").get("audit", part=True, **narrowed).text
    assert there in text
    assert absent not in text


def test_its_pages_keep_the_filters(person: Any, endpoint: Endpoint, monkeypatch: Any) -> None:
    monkeypatch.setattr(views, "PAGE", 1)
    page = person("olga").get("audit", thing="hello")
    assert 'href="?thing=hello&amp;cursor=' in page.html


@pytest.mark.django_db(transaction=True)  # between two batches it holds no connection
def test_the_download_is_json_lines_of_what_is_shown(
    person: Any, endpoint: Endpoint, monkeypatch: Any
) -> None:
    monkeypatch.setattr(selectors, "AT_ONCE", 1)
    response = person("tina").client.get(reverse("audit-export"), {"thing": "hello"})
    assert response.headers["Content-Type"].startswith("application/x-ndjson")
    assert response.headers["Content-Disposition"].startswith('attachment; filename="audit-')
    assert response.is_async, "else the server would read all of it before it sends anything"

    async def read() -> list[bytes]:
        return [part async for part in response]

    lines = [json.loads(line) for line in b"".join(async_to_sync(read)()).splitlines()]
    tenant = endpoint.project.tenant_id
    rows = Event.objects.filter(thing_name="hello", tenant_id=tenant).order_by("-id")
    assert [line["id"] for line in lines] == list(rows.values_list("pk", flat=True))
    assert lines[0]["changes"] == {"desired": ["running", "stopped"]}


def test_the_command_prints_the_same(endpoint: Endpoint) -> None:
    printed = StringIO()
    call_command("audit", "export", "--tenant", "default", "--verb", "stop", stdout=printed)
    (line,) = [json.loads(line) for line in printed.getvalue().splitlines()]
    assert (line["actor"], line["thing_name"]) == ("tina", "hello")
    with pytest.raises(CommandError):
        call_command("audit", "export", "--since", "soon")


def test_the_project_and_the_model_have_their_events(owen: Any, world: World, endpoint: Endpoint) -> None:
    for door, thing in (("project", world.project), ("model", endpoint.model_version.model)):
        page = owen.get(door, thing)
        assert Labels(page.html).has("heading", "Events")
