"""Guessing: with ids of another tenant's things at every door. What is there and what is not must look the same,
nothing of it may be read, and nothing may happen."""

from typing import Any

import pytest
from django.test import Client

from studio.hub.models import Model
from tests.doors.attacks import walk
from tests.doors.attacks.conftest import CANARY, NOWHERE, Siege

WAYS = (("GET", {}), ("POST", {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}))
# Slots that name what everybody may know; there is nothing to guess.
KNOWN_TO_ALL = {"app", "app_label", "content_type_id", "from_field", "rest", "url"}


def names(slot: str, siege: Siege) -> list[str]:
    """What to try in a slot; of one nobody has thought of, everything."""
    if slot in siege.theirs:
        return [siege.theirs[slot]]
    return [value for value in siege.theirs.values() if value.count("-") == 4]


def guesses(slots: list[str], siege: Siege) -> list[tuple[dict[str, str], str]]:
    """Ways to fill the slots with one of owen's things, the others being oskar's own; and what was guessed."""
    found = []
    for guessed in slots:
        if guessed in KNOWN_TO_ALL:
            continue
        base = {slot: siege.own.get(slot, NOWHERE) for slot in slots}
        found += [(base | {guessed: value}, value) for value in names(guessed, siege)]
        if len(slots) > 1:  # and all of them owen's
            found += [
                ({slot: names(slot, siege)[0] for slot in slots} | {guessed: value}, value)
                for value in names(guessed, siege)
            ]
    return found


def nowhere(filled: dict[str, str], guess: str) -> dict[str, str]:
    return {slot: NOWHERE if value == guess else value for slot, value in filled.items()}


def test_every_page_is_as_if_it_were_not_there(siege: Siege) -> None:
    """Looked at as a page, and sent as htmx sends a form. The administration sends oskar away beforehand."""
    oskar, before, seen = siege.browser("oskar"), walk.rows_now(), 0
    for address in walk.addresses():
        if address.is_api:
            continue
        for filled, guess in guesses(address.slots, siege):
            for method, headers in WAYS[: 1 if address.is_admin else None]:
                there = oskar.generic(method, address.filled(filled), headers=headers)
                not_there = oskar.generic(method, address.filled(nowhere(filled, guess)), headers=headers)
                assert_the_same(f"{method} {address.route}", there, not_there, guess)
                seen += there.status_code == 404
    assert seen > 50  # the walk met closed doors, and not only wrong methods
    assert walk.changes(before, walk.rows_now()) == []


@pytest.mark.parametrize("door", ["key", "session"])
def test_every_operation_of_rest_is_as_if_it_were_not_there(siege: Siege, door: str) -> None:
    oskar = siege.caller("oskar") if door == "key" else siege.browser("oskar")
    before, seen = walk.rows_now(), 0
    for operation in walk.operations():
        body = operation.least_body({"project": siege.own["project"]})
        for filled, guess in guesses(operation.slots, siege):
            there = ask(oskar, operation.method, operation.filled(filled), body)
            not_there = ask(oskar, operation.method, operation.filled(nowhere(filled, guess)), body)
            assert_the_same(str(operation), there, not_there, guess)
            seen += there.status_code == 404
    assert seen > 25
    assert walk.changes(before, walk.rows_now()) == []


def test_names_of_their_things_lead_nowhere_either(siege: Siege) -> None:
    oskar = siege.caller("oskar")
    names_of = {"endpoint": f"{CANARY}-hello", "project": f"{CANARY} demo", "model": f"{CANARY} model"}
    for operation in walk.operations():
        for slot in set(operation.slots) & set(names_of):
            filled = {each: siege.own.get(each, NOWHERE) for each in operation.slots} | {slot: names_of[slot]}
            body = operation.least_body({"project": siege.own["project"]})
            there = ask(oskar, operation.method, operation.filled(filled), body)
            not_there = ask(oskar, operation.method, operation.filled(filled | {slot: "no-such-thing"}), body)
            assert_the_same(str(operation), there, not_there, names_of[slot], "no-such-thing")


@pytest.mark.parametrize("kind", ["project", "endpoint", "model"])
def test_references_in_bodies_and_queries_lead_nowhere(siege: Siege, kind: str) -> None:
    """Whatever a field or a parameter may name: an id of owen's is nobody's."""
    oskar, before, guess = siege.caller("oskar"), owens_rows(siege), siege.theirs[kind]
    known = {"project": siege.own["project"], "model_checkpoint": "Help", "endpoint_name": "guess"}
    for operation in walk.operations():
        if operation.path.endswith("/watch"):
            continue
        at = operation.filled({slot: siege.own[slot] for slot in operation.slots})
        asked = [(f"{at}?{name}={guess}", None) for name in operation.query]
        asked += [
            (at, (operation.least_body(known) or {}) | {name: guess})
            for name, shape in operation.fields.items()
            if shape.get("type") == "string"
        ]
        for path, body in asked:
            answer = ask(oskar, operation.method, path, body)
            assert CANARY not in walk.text_of(answer), (operation, path, body)
            assert answer.status_code < 500, (operation, path, body)
    assert owens_rows(siege) == before


# What pages take besides their address: door → where a guess goes.
ASKED = [
    ("/endpoints/{endpoint}/?tab=usage&key={guess}", "key"),
    ("/endpoints/{endpoint}/?reveal={guess}", "key"),
    ("/projects/{project}/endpoints/new/?use={guess}", "model"),
    ("/projects/{project}/endpoints/new/model/?use={guess}", "model"),
    ("/models/?owner={guess}", "user"),
    ("/models/?app={guess}", "model"),
]


@pytest.mark.parametrize(("address", "kind"), ASKED)
def test_references_in_the_addresses_of_pages_lead_nowhere(siege: Siege, address: str, kind: str) -> None:
    oskar = siege.browser("oskar")
    answers = [oskar.get(address.format(**siege.own, guess=guess)) for guess in (siege.theirs[kind], NOWHERE)]
    said = (siege.theirs[kind], NOWHERE)
    assert walk.told(answers[0], *said) == walk.told(answers[1], *said)
    assert CANARY not in walk.text_of(answers[0])


@pytest.mark.parametrize(("kind", "door"), [("endpoint", "new"), ("key", "keys")])
def test_the_token_of_a_form_takes_over_nothing(siege: Siege, kind: str, door: str) -> None:
    """The id that a form chooses for the thing to be: owen's own does not make his thing oskar's."""
    oskar, before = siege.browser("oskar"), owens_rows(siege)
    where = {
        "endpoint": f"/projects/{siege.own['project']}/endpoints/new/",
        "key": f"/endpoints/{siege.own['endpoint']}/keys/new/",
    }[kind]
    help_ = str(Model.objects.get(name="Help").pk)
    typed = {"token": siege.theirs[kind], "endpoint_name": "mine", "model_checkpoint": help_}
    typed |= {"model_version": "1", "rdu_arch": "SN40L", "instances": "1", "description": "mine"}
    answer = oskar.post(where, typed)
    assert (answer.status_code, CANARY in walk.text_of(answer)) == (302, False)
    assert owens_rows(siege) == before


def assert_the_same(door: str, there: Any, not_there: Any, *said: str) -> None:
    answer = walk.told(there, *said, NOWHERE)
    assert answer[0] >= 300, door
    assert CANARY not in answer[2], door
    assert answer == walk.told(not_there, *said, NOWHERE), door


def ask(client: Client, method: str, path: str, body: Any) -> Any:
    if body is None:
        return client.generic(method, path)
    return client.generic(method, path, client._encode_json(body, "application/json"), "application/json")


def owens_rows(siege: Siege) -> dict[str, Any]:
    """The rows that are owen's things or belong to them."""
    ids = {value for value in siege.theirs.values() if value.count("-") == 4}
    return {
        f"{kind} {pk}": row
        for kind, table in walk.rows_now().items()
        for pk, row in table.items()
        if pk in ids or any(name.endswith("_id") and str(value) in ids for name, value in row.items())
    }
