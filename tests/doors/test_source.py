"""Where a change came from is in its audit row, whatever the client claims."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from studio.addresses import trusted_proxies
from studio.audit.models import Event
from studio.tenants.rules import STUDIO
from studio.tenants.services import new_platform_key
from tests.support.cast import NOW, Cast

CLAIM = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6", "X-Request-Id": "request-0001"}


def by_rest(cast: Cast, peer: str, **headers: str) -> None:
    key = new_platform_key(actor=STUDIO, user=cast.users["owen"], now=NOW).reveal()
    client = Client(REMOTE_ADDR=peer, headers={"Authorization": f"Bearer {key}"} | CLAIM | headers)
    answer = client.post("/api/projects", {"name": "new"}, content_type="application/json")
    assert answer.status_code == 200, answer.content


def by_page(cast: Cast, peer: str, **headers: str) -> None:
    client = Client(REMOTE_ADDR=peer, headers=CLAIM | headers)
    client.force_login(cast.users["owen"], backend="studio.accounts.sessions.People")
    assert client.post(reverse("project-new"), {"name": "new"}).status_code == 302


def in_administration(cast: Cast, peer: str, **headers: str) -> None:
    client = Client(REMOTE_ADDR=peer, headers=CLAIM | headers)
    client.force_login(cast.users["otto"], backend="studio.accounts.sessions.People")
    chosen = {"action": "cordon", "_selected_action": [str(cast.node("n1").pk)]}
    assert client.post(reverse("admin:scheduler_node_changelist"), chosen).status_code == 302


@pytest.mark.parametrize("door", [by_rest, by_page, in_administration])
@pytest.mark.parametrize(
    ("peer", "trusted", "forwarded", "found"),
    [
        ("192.0.2.7", "", "6.6.6.6", "192.0.2.7"),
        ("192.0.2.7", "10.0.0.0/8", "6.6.6.6", "192.0.2.7"),
        ("10.0.0.1", "10.0.0.0/8", "6.6.6.6, 192.0.2.7", "192.0.2.7"),
        ("", "", "192.0.2.7", "192.0.2.7"),  # the front, on its socket
    ],
)
def test_the_row_has_the_address_that_a_trusted_peer_saw(
    door: Any,
    peer: str,
    trusted: str,
    forwarded: str,
    found: str,
    cast: Cast,
    settings: Any,
    monkeypatch: Any,
) -> None:
    monkeypatch.setenv("STUDIO_TRUSTED_PROXIES", trusted)
    settings.TRUSTED_PROXIES = trusted_proxies()
    door(cast, peer, **{"X-Forwarded-For": forwarded})
    row = Event.objects.latest("id")
    assert (row.address, row.request_id) == (found, "request-0001")


def test_only_a_trusted_proxy_says_that_the_connection_is_encrypted(client: Client, settings: Any) -> None:
    claim = {"X-Forwarded-Proto": "https"}
    seen = client.get("/healthz", headers=claim, REMOTE_ADDR="192.0.2.7").wsgi_request
    assert not seen.is_secure()
    assert client.get("/healthz", headers=claim, REMOTE_ADDR="").wsgi_request.is_secure()
