"""The operators' doors: the administration and the commands, for otto and not for owen."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from scheduler.models import Node
from studio.hub.models import Runtime
from tests.support.cast import Cast


def signed_in(user: object) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    ("action", "intent"), [("cordon", "cordoned"), ("drain", "draining"), ("uncordon", "ready")]
)
def test_otto_empties_a_node_and_takes_it_back(cast: Cast, action: str, intent: str) -> None:
    node = cast.node("n1")
    chosen = {"action": action, "_selected_action": [str(node.pk)], "confirmed": "yes"}
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
