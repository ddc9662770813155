"""More fields than were asked for: whatever a form or a body brings along, nobody becomes owner, admin or another
tenant's by it, and no key, date or state is chosen from outside."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import transaction
from django.test import Client
from django.urls import resolve

from studio.hub.models import Model
from tests.doors.attacks import walk
from tests.doors.attacks.conftest import Siege

POISON = "66666666-6666-4666-8666-666666666666"
LONG_AGO = "1999-09-09T09:09:09+00:00"
FLAGS = (
    "is_org_admin",
    "is_staff",
    "is_superuser",
    "is_active",
    "is_first",
    "is_base",
    "virtual",
    "provided",
)
DATES = ("created_at", "updated_at", "revoked_at", "deleted_at", "archived_at", "last_used_at", "date_joined")
TEXTS = (
    "digest",
    "sealed",
    "sealed_token",
    "password",
    "prefix",
    "status",
    "state",
    "desired",
    "agent",
    "intent",
)


OWENS = ("projects/", "endpoints/", "models/")  # what he is tried at is not tried again as olga


def extras(siege: Siege) -> dict[str, Any]:
    """Field → what an attacker would like it to be: oskar as the owner, his tenant, a key of his choice."""
    oskar, research = siege.own["user"], siege.own["tenant"]
    people = dict.fromkeys(("owner", "owner_id", "user", "user_id", "actor", "actor_id"), oskar)
    tenants = dict.fromkeys(("tenant", "tenant_id", "default_tenant", "organization"), research)
    ids = dict.fromkeys(
        ("id", "pk", "project_id", "endpoint_id", "model_version_id", "runtime_version"), POISON
    )
    flags = dict.fromkeys(FLAGS, "true")
    dates = dict.fromkeys(DATES, LONG_AGO)
    texts = dict.fromkeys(TEXTS, "poison")
    grants = {
        "role": "tenant_admin",
        "general_access": "all_viewer",
        "route_version": "999999",
        "rdus": "999999",
    }
    return people | tenants | ids | flags | dates | texts | grants


def test_rest_names_every_field_that_it_does_not_take(siege: Siege) -> None:
    owen, before = siege.caller("owen"), walk.rows_now()
    for operation in walk.writes():
        if operation.body is None:
            continue
        at = operation.filled(siege.theirs)
        wrong = {name: value for name, value in extras(siege).items() if name not in operation.fields}
        answer = owen.generic(
            operation.method, at, owen._encode_json(wrong, "application/json"), "application/json"
        )
        assert answer.status_code == 400, operation
        assert wrong.keys() <= answer.json()["fields"].keys(), operation
    assert walk.changes(before, walk.rows_now()) == []


def test_rest_names_fields_inside_of_fields_too(siege: Siege) -> None:
    owen, before, seen = siege.caller("owen"), walk.rows_now(), 0
    for operation in walk.writes():
        for name, shape in operation.fields.items():
            if "properties" not in shape:
                continue
            body = (operation.least_body({}) or {}) | {name: {"owner": siege.own["user"]}}
            content = owen._encode_json(body, "application/json")
            answer = owen.generic(
                operation.method, operation.filled(siege.theirs), content, "application/json"
            )
            assert (answer.status_code, [*answer.json()["fields"]]) == (400, [name]), operation
            seen += 1
    assert seen
    assert walk.changes(before, walk.rows_now()) == []


# Fields that a form cannot do without, and what owen, or olga for the machines, writes there.
MEANT = {"user-deactivate": "is_active", "user-password": "password"}  # what a form is there to change
TYPED = {"name": "typed", "endpoint_name": "typed", "instances": "1", "generation": "SN40L", "width": "8"}


@pytest.mark.parametrize("person", ["owen", "olga"])
def test_no_form_takes_more_than_it_shows(siege: Siege, person: str) -> None:
    """Each is sent with all of it, and what that did is undone for the next."""
    browser, before, done = siege.browser(person), walk.rows_now(), set()
    for at, form in forms(siege, browser, person):
        surplus = {name: value for name, value in extras(siege).items() if name not in form.fields}
        kept = deepcopy(browser.cookies)
        with transaction.atomic():
            answer = browser.post(at, surplus | form.fields)
            assert answer.status_code < 400, at
            assert_untouched(before, walk.rows_now(), siege, MEANT.get(resolve(at).url_name or "", ""))
            transaction.set_rollback(True)
        browser.cookies = kept
        done |= {resolve(at).url_name} if answer.status_code == 302 else set()
    needed = {
        "owen": {"project-new", "endpoint-new", "key-new", "key-edit", "endpoint-stop", "project-delete"}
    }
    assert needed.get(person, {"node-cordon", "node-drain"}) <= done


def forms(siege: Siege, browser: Client, person: str) -> Iterator[tuple[str, walk.Form]]:
    """Every form that stands at its own address, filled in as far as we know how."""
    help_ = str(Model.objects.get(name="Help").pk)
    known = TYPED | {"model_checkpoint": help_, "model_version": "1", "rdu_arch": "SN40L"}
    for address in walk.pages():
        if person == "olga" and address.route.startswith(OWENS):
            continue
        at = address.filled({slot: siege.theirs.get(slot, POISON) for slot in address.slots})
        for form in walk.forms_in(walk.text_of(browser.get(at))):
            if urlsplit(form.action).path == at:
                form.fields |= {name: value for name, value in known.items() if name in form.fields}
                yield at, form


def assert_untouched(before: Any, after: Any, siege: Siege, meant: str = "") -> None:
    """Nothing belongs to oskar or his tenant that did not, no date is long ago, no poison stands anywhere.

    `meant`: the one flag that the form is there to change.
    """
    for kind, table in after.items():
        for pk, row in table.items():
            was, said = before.get(kind, {}).get(pk), f"{pk} {row}"
            if row == was:
                continue
            for word in (
                POISON,
                "poison",
                "1999-09-09",
                "datetime(1999",
                siege.own["user"],
                siege.own["tenant"],
            ):
                assert word not in said, (kind, row)
            for name in {
                *FLAGS,
                "owner_id",
                "created_at",
                "digest",
                "password",
                "general_access",
            } & row.keys() - {meant}:
                assert was is None or row[name] == was[name], (kind, name)
