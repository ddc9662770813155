"""The operators' doors: the administration and the commands, for otto and not for owen."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from scheduler.models import Node
from studio.hub.models import Runtime
from tests.support.cast import Cast

PAGES = [
    "endpoints_endpoint",
    "scheduler_instance",
    "scheduler_node",
    "apikeys_apikey",
    "audit_event",
    "hub_runtime",
    "tenants_user",
]


def signed_in(user: object) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("page", PAGES)
def test_otto_reads_every_row_and_owen_none(cast: Cast, page: str) -> None:
    at = reverse(f"admin:{page}_changelist")
    assert signed_in(cast.users["otto"]).get(at).status_code == 200
    assert signed_in(cast.users["owen"]).get(at).status_code == 302


@pytest.mark.parametrize(
    ("action", "intent"), [("cordon", "cordoned"), ("drain", "draining"), ("uncordon", "ready")]
)
def test_otto_empties_a_node_and_takes_it_back(cast: Cast, action: str, intent: str) -> None:
    node = cast.node("n1")
    chosen = {"action": action, "_selected_action": [str(node.pk)]}
    signed_in(cast.users["otto"]).post(reverse("admin:scheduler_node_changelist"), chosen)
    node.refresh_from_db()
    assert node.intent == intent


def test_the_command_says_what_it_did_and_what_it_does_not_know(cast: Cast) -> None:
    cast.node("n1")
    printed = StringIO()
    call_command("node", "cordon", "n1", stdout=printed)
    assert printed.getvalue() == "n1 takes no new instances; what runs stays.\n"
    assert Node.objects.get(name="n1").state == "cordoned"
    with pytest.raises(CommandError, match="There is no node 'n9'"):
        call_command("node", "drain", "n9")


def test_a_runtimes_page_says_what_it_serves_and_how_much_at_once(cast: Cast) -> None:
    runtime = Runtime.objects.get()
    Runtime.objects.update(parallel=37)
    at = reverse("admin:hub_runtime_change", args=[runtime.pk])
    page = signed_in(cast.users["otto"]).get(at).content.decode()
    assert "Requests an instance works on at once" in page
    assert "37" in page
    assert "Of the ML Apps it serves" in page


def test_secrets_are_on_no_page_of_the_administration(cast: Cast) -> None:
    node = cast.node("n1")
    page = (
        signed_in(cast.users["otto"])
        .get(reverse("admin:scheduler_node_change", args=[node.pk]))
        .content.decode()
    )
    assert "n1" in page
    assert "Sealed" not in page
