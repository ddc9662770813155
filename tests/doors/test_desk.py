"""The operators' desk: who opens which page, what stands on it, what is done from it."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from endpoints.usage.models import UsageDay, UsageGateway, UsageHalfHour, UsageMinute, UsageTwoHours
from scheduler.models import Allocation, Control, Instance, Node, Quota, Rdu, Sweep
from studio import keyring
from studio.audit.models import Event
from studio.desk.shown import Shown, list_of, page_of
from studio.projects.models import Project
from studio.repeats.models import Answered
from studio.sharing.rules import Wish
from studio.sharing.services import share
from studio.tenants.models import Membership, PlatformKey, Tenant, User
from studio.tenants.rules import STUDIO
from studio.tenants.services import new_platform_key
from tests.doors.test_operators import signed_in
from tests.support import rows as kept
from tests.support.cast import Cast, make_model

# Models of ours that have no page, each with the reason.
ABSENT = {
    "accounts.Session": "People see and end their own; whoever is deactivated has none any more.",
    "accounts.Tries": "Digests and counts, which tell an operator nothing.",
    "audit.Chain": "The end of a chain; `manage.py audit verify` reads it.",
    "audit.Ledger": "The seal over all chains; likewise.",
}
OURS = ("studio", "endpoints", "apikeys", "scheduler")
DESK: dict[type[Any], Shown] = {
    model: page for model, page in admin.site._registry.items() if isinstance(page, Shown)
}
MACHINES = sorted((model for model, page in DESK.items() if not page.of_tenants), key=lambda m: m._meta.label)
CONTENT = sorted((model for model, page in DESK.items() if page.of_tenants), key=lambda m: m._meta.label)
# Lists that grow with what people do.
LONG = (
    Endpoint, Instance, Node, Rdu, Allocation, ApiKey, Project, Tenant, User, Membership, PlatformKey, Event,
)  # fmt: skip
NOW = datetime(2026, 11, 7, 9, 30, tzinfo=UTC)


@pytest.fixture
def otto(cast: Cast) -> Client:
    return signed_in(cast.users["otto"])


@pytest.fixture
def olga(cast: Cast) -> Client:
    """OrgAdmin and operator."""
    User.objects.filter(username="olga").update(is_staff=True)
    return signed_in(User.objects.get(username="olga"))


@pytest.fixture
def rows(cast: Cast) -> dict[type[Any], Any]:
    """A row of each model that has a page and of which anything is there."""
    kept.put("desk", lambda: make_rows(cast))
    found = {model: model._default_manager.first() for model in DESK}
    return {model: row for model, row in found.items() if row}


def make_rows(cast: Cast) -> None:
    endpoint = cast.endpoint(name="quarterly figures", description="for the board only")
    node = cast.node("n1")
    instance = Instance.objects.get(endpoint=endpoint)
    Instance.objects.filter(pk=instance.pk).update(
        state="failed",
        node=node,
        log_tail=["a customer's last words"],
        reason={"code": "crash", "sentence": "It said something secret."},
        sealed_token=keyring.seal_value("the-instance-token", "instance"),
    )
    Allocation.objects.create(rdu=node.rdus.get(index=0), instance=instance)
    Control.objects.create(pk=1)
    Quota.objects.create(tenant=cast.tenants["default"], generation_id="SN40L", maximum=8)
    Sweep.objects.create(name="watch", last=NOW)
    new_platform_key(actor=STUDIO, user=cast.users["owen"], now=NOW)
    UsageGateway.objects.create(id="gateway-1", seen_at=NOW)
    key = cast.first_key(endpoint)
    for table in (UsageMinute, UsageHalfHour, UsageTwoHours, UsageDay):
        table.objects.create(endpoint=endpoint, key=key, start=NOW)
    Answered.objects.create(
        user=cast.users["owen"], key="mine", fingerprint=b"f", sealed=b"a sealed answer", created_at=NOW
    )
    own = make_model(
        cast.help.app, "Mine", versions=1, owner=cast.users["owen"], tenant=cast.tenants["default"]
    )
    for thing in (cast.project, endpoint, own):
        wishes = [Wish("user", "oskar", "viewer"), Wish("tenant", "research", "editor")]
        share(actor=cast.olga, thing=thing, shared_with=wishes)


def pages_of(model: type[Any], rows: dict[type[Any], Any]) -> list[str]:
    return [list_of(model), *([page_of(rows[model])] if model in rows else [])]


# ----- every model ----------------------------------------------------------------------------------------


def test_each_model_of_ours_has_a_page_or_a_reason_to_have_none() -> None:
    """A new model: register it in its app's `admin.py` with a page of `studio.desk.shown`, or name it in ABSENT."""
    ours = {model._meta.label: model for model in apps.get_models() if model.__module__.startswith(OURS)}
    assert set(ours) - {model._meta.label for model in DESK} == set(ABSENT)
    assert all(reason.endswith(".") for reason in ABSENT.values())


def test_no_page_is_writable_and_none_is_another_kind() -> None:
    assert [page for page in admin.site._registry.values() if not isinstance(page, Shown)] == []


def test_every_row_has_a_name_to_stand_over_its_page(rows: dict[type[Any], Any]) -> None:
    assert [row for row in rows.values() if " object (" in str(row)] == []


# ----- who ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MACHINES, ids=lambda model: model._meta.label)
def test_otto_opens_every_page_of_machines(
    otto: Client, rows: dict[type[Any], Any], model: type[Any]
) -> None:
    assert [otto.get(at).status_code for at in pages_of(model, rows)] == [200, 200]


@pytest.mark.parametrize("model", CONTENT, ids=lambda model: model._meta.label)
def test_what_belongs_to_tenants_takes_an_org_admin_who_is_an_operator(
    otto: Client, olga: Client, rows: dict[type[Any], Any], model: type[Any]
) -> None:
    for at in pages_of(model, rows):
        assert otto.get(at).status_code == 403
        assert olga.get(at).status_code == 200


def test_machines_are_these_and_no_others() -> None:
    assert [model.__name__ for model in MACHINES] == [
        "DeployOption", "Generation", "MLApp", "Model", "ModelVersion", "Runtime", "RuntimeVersion",
        "Allocation", "Control", "Demand", "Instance", "Node", "Placement", "Rdu", "Sweep", "UsageGateway",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["tina", "owen", "oskar", "olga"])
def test_nobody_else_comes_in(cast: Cast, name: str) -> None:
    """An OrgAdmin who is no operator has the pages, not the desk."""
    client = signed_in(cast.users[name])
    for at in (reverse("admin:index"), list_of(Node), list_of(Endpoint)):
        assert client.get(at).status_code == 302


def test_an_operator_who_lost_the_role_is_out_at_the_next_click(cast: Cast, otto: Client) -> None:
    assert otto.get(list_of(Node)).status_code == 200
    User.objects.filter(username="otto").update(is_staff=False)
    assert otto.get(list_of(Node)).status_code == 302


@pytest.mark.parametrize("model", MACHINES, ids=lambda model: model._meta.label)
def test_no_page_of_machines_tells_otto_what_a_tenant_wrote(
    otto: Client, rows: dict[type[Any], Any], model: type[Any]
) -> None:
    for at in pages_of(model, rows):
        text = otto.get(at).content.decode()
        for word in ("quarterly", "the board", "last words", "something secret", "owen"):
            assert word not in text, f"{word} at {at}"


def test_a_tenants_own_model_is_hidden_from_otto_with_its_versions(
    cast: Cast, otto: Client, olga: Client
) -> None:
    owen = cast.users["owen"]
    cast.help.pk = None
    own = type(cast.help).objects.create(
        app=cast.help.app, name="Board-Tuned", publisher="us", owner=owen, tenant=owen.default_tenant
    )
    own.versions.create(number=1, path="Board-Tuned/1")
    assert otto.get(page_of(own)).status_code == 302  # to the home page: there is no such model
    for model in (type(own), own.versions.model):
        assert "Board-Tuned" not in otto.get(list_of(model)).content.decode()
        assert "Board-Tuned" in olga.get(list_of(model)).content.decode()


# ----- secrets --------------------------------------------------------------------------------------------


def test_secrets_are_on_no_page(olga: Client, rows: dict[type[Any], Any]) -> None:
    User.objects.filter(username="owen").update(password="md5$salt$the-hash")
    key, instance = ApiKey.objects.get(), Instance.objects.get()
    secrets = [
        "the-hash", "the-instance-token", "a sealed answer", keyring.open_value(key.sealed, "api key"),
        *(bytes(each).hex() for each in (key.digest, key.sealed, instance.sealed_token)),
        bytes(PlatformKey.objects.get().digest).hex(),
    ]  # fmt: skip
    for model in DESK:
        for at in pages_of(model, rows):
            text = olga.get(at).content.decode()
            assert not re.search(r"sealed|digest|fingerprint|&lt;memory|b&#x27;", text, re.I), at
            assert [secret for secret in secrets if secret in text] == [], at


# ----- deeds ----------------------------------------------------------------------------------------------


def do(client: Client, name: str, *rows: Any, confirmed: bool = True) -> str:
    asked = {"action": name, "_selected_action": [str(row.pk) for row in rows]}
    answer = client.post(
        list_of(type(rows[0])), asked | ({"confirmed": "yes"} if confirmed else {}), follow=True
    )
    return answer.content.decode()


@pytest.mark.parametrize("action", ["drain", "remove"])
def test_what_loses_something_is_asked_first(cast: Cast, otto: Client, action: str) -> None:
    node = cast.node("n1", heard_at=None)
    asked = do(otto, action, node, confirmed=False)
    assert "n1" in asked
    assert 'name="confirmed"' in asked
    assert not Event.objects.filter(thing_id=node.pk).exists()
    do(otto, action, node)
    said = Event.objects.get(thing_id=node.pk)
    assert (said.verb, said.actor_name, said.role) == (action, "otto", "operator")


def test_cordoning_loses_nothing_and_is_done_at_once(cast: Cast, otto: Client) -> None:
    node = cast.node("n1")
    assert "Done: n1." in do(otto, "cordon", node, confirmed=False)
    assert do(otto, "uncordon", node, confirmed=False)
    node.refresh_from_db()
    assert node.state == "ready"


def test_one_that_is_refused_keeps_no_other_from_it(cast: Cast, otto: Client) -> None:
    gone, here = cast.node("a", state="removed", intent="removed"), cast.node("b")
    said = do(otto, "cordon", gone, here)
    assert "Not done: a. There is no node a." in said
    assert "Done: b." in said


@pytest.mark.parametrize(
    ("action", "desired"), [("stop", "stopped"), ("restart", "running"), ("delete", "deleted")]
)
def test_endpoints_are_stopped_restarted_and_deleted_by_their_services(
    cast: Cast, olga: Client, action: str, desired: str
) -> None:
    endpoint = cast.endpoint()
    do(olga, action, endpoint, confirmed=False)
    assert Event.objects.filter(thing_id=endpoint.pk).count() == 1  # its creation
    do(olga, action, endpoint)
    endpoint.refresh_from_db()
    assert endpoint.desired == desired
    assert Event.objects.filter(thing_id=endpoint.pk, verb=action, role="OrgAdmin").exists()


def test_otto_does_nothing_to_endpoints_and_keys(cast: Cast, otto: Client) -> None:
    endpoint = cast.endpoint()
    key = cast.first_key(endpoint)
    do(otto, "delete", endpoint)
    do(otto, "revoke", key)
    endpoint.refresh_from_db()
    assert endpoint.desired == "running"
    assert ApiKey.objects.filter(revoked_at=None).count() == 1


def test_keys_are_revoked_and_the_first_one_says_why_not(cast: Cast, olga: Client) -> None:
    endpoint = cast.endpoint()
    second = ApiKey.objects.create(
        endpoint=endpoint, owner=cast.users["owen"], description="second", digest=b"d" * 32, prefix="12345678"
    )
    said = do(olga, "revoke", cast.first_key(endpoint), second)
    assert "Not done:" in said
    second.refresh_from_db()
    assert second.revoked_at is not None


def test_more_than_a_hundred_at_once_are_refused(cast: Cast, otto: Client) -> None:
    Node.objects.bulk_create(
        Node(name=f"n{number}", generation_id="SN40L", width=1, free=1, sealed_token=b"")
        for number in range(101)
    )
    asked = {"action": "cordon", "_selected_action": ["1"], "select_across": "1"}
    said = otto.post(list_of(Node), asked, follow=True).content.decode()
    assert "at most 100" in said
    assert not Event.objects.filter(verb="cordon").exists()


# ----- size -----------------------------------------------------------------------------------------------


def test_lists_take_as_many_queries_with_fifty_rows_as_with_one(cast: Cast, olga: Client) -> None:
    def made(first: int, many: int) -> None:
        for number in range(first, first + many):
            endpoint = cast.bare_endpoint(project=cast.project_of("owen"))
            node = cast.node(f"n{number}", width=1)
            row = cast.instance(endpoint, state="ready", node=node)
            Allocation.objects.create(rdu=Rdu.objects.get(node=node), instance=row)
            ApiKey.objects.create(
                endpoint=endpoint, owner=cast.users["owen"], digest=bytes([number]) * 32, prefix="12345678"
            )
            user = User.objects.create(username=f"u{number}", default_tenant=cast.tenants["default"])
            user.memberships.create(tenant=cast.tenants["research"])
            new_platform_key(actor=STUDIO, user=user, now=NOW)  # and an event

    def counts() -> dict[str, int]:
        found = {}
        for model in LONG:
            with CaptureQueriesContext(connection) as asked:
                assert olga.get(list_of(model)).status_code == 200
            found[model.__name__] = len(asked)
        return found

    made(1, 1)
    olga.get(reverse("admin:index"))
    few = counts()
    made(2, 29)
    assert counts() == few
    assert max(few.values()) <= 12


def test_a_typed_id_is_asked_for_by_its_index(cast: Cast, olga: Client) -> None:
    wanted, _ = cast.bare_endpoint(name="one"), cast.bare_endpoint(name="two")
    with CaptureQueriesContext(connection) as asked:
        text = olga.get(list_of(Endpoint), {"q": str(wanted.pk)}).content.decode()
    assert str(wanted.pk) in text
    assert ">two<" not in text
    assert not any("LIKE" in query["sql"] for query in asked)


def test_no_list_counts_all_there_is(cast: Cast, olga: Client) -> None:
    cast.bare_endpoint()
    for model in (Endpoint, Instance, UsageMinute, Event):
        with CaptureQueriesContext(connection) as asked:
            olga.get(list_of(model))
        reading = [query["sql"] for query in asked if "DISTINCT" in query["sql"]]
        assert not reading, "no filter looks for its entries in the rows"
        counting = [query["sql"] for query in asked if "COUNT(" in query["sql"]]
        assert counting
        assert all("LIMIT 10000" in sql for sql in counting), counting


def test_a_list_is_narrowed_to_a_word_and_links_lead_there(cast: Cast, olga: Client) -> None:
    cast.instance(cast.bare_endpoint(), state="failed")
    at = list_of(Instance)
    page = olga.get(at).content.decode()
    assert "?state__exact=failed" in page
    assert "1 instance" in olga.get(f"{at}?state__exact=failed").content.decode()
    assert "Nothing fits what you look for." in olga.get(f"{at}?state__exact=lost").content.decode()
    for role in ("platform", "owner"):
        found = olga.get(f"{list_of(Event)}?role__exact={role}&thing_type__exact=endpoint")
        assert found.status_code == 200


def test_no_filter_lists_rows_that_grow_without_end() -> None:
    """A filter's entries are read whole: they are words of ours, generations or ML Apps."""
    few = {"generation", "app"}
    for page in DESK.values():
        for each in page.list_filter:
            if isinstance(each, type) and issubclass(each, admin.SimpleListFilter):
                continue  # says its entries itself
            name = each if isinstance(each, str) else each[0]
            field = page.model._meta.get_field(name)
            assert not field.is_relation or name in few, f"{page}: {name}"
