"""A form that is sent after the sign-in is over: nothing is done, and the page says why and keeps what was typed."""

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from studio.audit.models import Event

PLACES = {
    "project-new": (),
    "project-edit": ("project",),
    "project-delete": ("project",),
    "endpoint-new": ("project",),
    "endpoint-edit": ("endpoint",),
    "endpoint-stop": ("endpoint",),
    "endpoint-restart": ("endpoint",),
    "endpoint-delete": ("endpoint",),
    "endpoint-restore": ("endpoint",),
    "key-new": ("endpoint",),
    "key-edit": ("endpoint", "key"),
    "key-limits": ("endpoint", "key"),
    "key-rotate": ("endpoint", "key"),
    "key-revoke": ("endpoint", "key"),
    "node-new": (),
    "node-drain": ("node",),
    "node-undrain": ("node",),
    "node-cordon": ("node",),
    "node-uncordon": ("node",),
    "node-remove": ("node",),
    "tenant-new": (),
    "tenant-edit": ("tenant",),
    "user-new": (),
    "user-edit": ("user",),
    "user-password": ("user",),
    "switch-tenant": (),
    "tenant-values": ("tenant",),
    "password": (),
    "sessions-end": (),
    "platform-key": (),
    "notices": (),
}

WORDS = {
    "new", "edit", "delete", "stop", "restart", "restore", "limits", "rotate", "revoke",
    "drain", "undrain", "cordon", "uncordon", "remove", "tenant",
}  # fmt: skip


@pytest.fixture
def addresses(world) -> dict[str, str]:
    endpoint = world.live()
    things = {
        "project": endpoint.project_id,
        "endpoint": endpoint.pk,
        "key": ApiKey.objects.get(is_first=True).pk,
        "node": "sn30-1",
        "tenant": endpoint.project.tenant_id,
        "user": endpoint.owner_id,
    }
    return {door: reverse(door, args=[things[name] for name in names]) for door, names in PLACES.items()}


def test_no_form_acts_for_nobody(addresses):
    events, client = Event.objects.count(), Client()
    for door, address in addresses.items():
        answer = client.post(
            address, {"name": "x"}, headers={"HX-Request": "true", "HX-Current-URL": "/"}, follow=True
        )
        assert (door, answer.status_code, answer.content) == (door, 401, b"")
        assert "signed-out" in answer["HX-Trigger"]
        plain = client.post(address, {"name": "x"})
        assert (door, plain.status_code, plain["Location"].partition("?")[0]) == (door, 302, "/sign-in/")
    assert Event.objects.count() == events
    assert Endpoint.objects.get().desired == "running"


def test_no_form_is_forgotten_here(world):
    """Every address that takes a form, but sign-in, sign-out, the theme, previews and what is outside our pages."""
    named = {name for name in get_resolver().reverse_dict if isinstance(name, str)}
    forms = {name for name in named if name.rpartition("-")[2] in WORDS}
    assert forms - set(PLACES) == set()
