"""Every form that makes or changes something: pressed twice it acts once, and each dialog obeys the keyboard alone."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Error, Page, Response, expect

from apikeys.services import add_key
from endpoints import selectors, services
from endpoints.models import Endpoint
from scheduler.models import Instance
from studio.audit.models import Event


@dataclass(frozen=True)
class Form:
    """Where it opens, what is typed into its first field, the button that sends it, and the audit row that follows."""

    at: str
    opener: str
    entry: str
    typed: str
    button: str
    verb: str
    thing: str


# In this order: each finds what the ones before it have left.
FORMS = [
    Form("projects", "New project", "", "first", "Create project", "create", "project"),
    Form("projects", "Actions for demo", "Edit", "letters", "Save", "edit", "project"),
    Form("endpoint", "Add new", "", "till", "Add", "add key", "endpoint"),
    Form("endpoint", "Actions for the key shop", "Edit", "market", "Save", "edit key", "endpoint"),
    Form("endpoint", "Actions for the key market", "Limits", "600", "Save", "limit key", "endpoint"),
    Form("endpoint", "Actions for the key market", "Revoke", "", "Revoke", "revoke key", "endpoint"),
    Form("endpoint", "Actions for hello", "Edit", "Mine", "Edit endpoint", "edit", "endpoint"),
    Form("endpoint", "Actions for hello", "Stop", "", "Continue", "stop", "endpoint"),
    Form("endpoint", "Actions for hello", "Delete", "", "Yes", "delete", "endpoint"),
    Form("project", "Restore hello", "", "", "Restore", "restore", "endpoint"),
    Form("resources", "Add node", "", "sn40l-9", "Add node", "add", "node"),
    Form("resources", "Actions for sn40l-2", "Drain", "", "Drain", "drain", "node"),
    Form("resources", "Actions for sn40l-2", "Remove", "", "Remove", "remove", "node"),
    Form("projects", "Actions for first", "Delete", "", "Yes", "delete", "project"),
]


@pytest.fixture
def windows(site) -> dict[str, str]:
    endpoint = site.world.live()
    owen = site.world.actor("owen")
    facts = selectors.facts(owen, endpoint)
    add_key(actor=owen, endpoint=endpoint, facts=facts, description="shop", now=datetime.now(UTC))
    return {
        "projects": "/projects/",
        "project": f"/projects/{endpoint.project_id}/",
        "endpoint": f"/endpoints/{endpoint.pk}/",
        "resources": "/resources/",
    }


def is_sent(answer: Response) -> bool:
    """The answer to the form, not to a preview of it."""
    return answer.request.method == "POST" and "preview" not in answer.url


def go(page: Page, address: str) -> None:
    """An answer to the form before may just now lead the page elsewhere; then once more."""
    try:
        page.goto(address)
    except Error as error:
        if "ERR_ABORTED" not in str(error):
            raise
        page.goto(address)


def happened(form: Form) -> int:
    return Event.objects.filter(verb=form.verb, thing_type=form.thing).count()


def test_a_form_that_is_sent_with_a_double_click_acts_once(site, windows):
    page = site.page("olga")
    sent: list[str] = []
    page.on(
        "request", lambda it: sent.append(it.url) if it.method == "POST" and "preview" not in it.url else 0
    )
    for form in FORMS:
        go(page, windows[form.at])
        page.get_by_role("button", name=form.opener, exact=True).or_(
            page.get_by_role("link", name=form.opener, exact=True)
        ).first.click()
        if form.entry:
            page.locator(".menu:popover-open").get_by_role("link", name=form.entry, exact=True).click()
        dialog = page.get_by_role("dialog")
        if form.typed:
            dialog.locator(":is(input, textarea):visible").first.fill(form.typed)
        before = happened(form)
        sent.clear()
        with page.expect_response(is_sent):
            dialog.get_by_role("button", name=form.button, exact=True).dblclick()
        assert (happened(form), len(sent)) == (before + 1, 1), form


def test_a_restart_that_is_chosen_twice_restarts_once(site, windows):
    endpoint = Endpoint.objects.get()
    services.stop_endpoint(actor=site.world.actor("owen"), endpoint=endpoint, now=datetime.now(UTC))
    Instance.objects.update(state="stopped", node=None)
    page = site.page("owen", at=windows["endpoint"])
    page.get_by_role("button", name="Actions for hello").click()
    page.get_by_role("link", name="Restart").dblclick()
    expect(page.get_by_text("Endpoint hello is restarting.")).to_be_visible()
    assert Event.objects.filter(verb="restart").count() == 1


@pytest.mark.thorough
def test_every_dialog_by_the_keyboard_alone(site, windows):
    page = site.page("olga")
    for form in FORMS:
        go(page, windows[form.at])
        page.wait_for_load_state("load")
        opener = (
            page.get_by_role("button", name=form.opener, exact=True)
            .or_(page.get_by_role("link", name=form.opener, exact=True))
            .first
        )
        opener.focus()
        page.keyboard.press("Enter")
        if form.entry:
            walk_to(page, "ArrowDown", form.entry)
            page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        if form.typed:
            page.keyboard.press("Control+A")
            page.keyboard.type(form.typed)
        before = happened(form)
        walk_to(page, "Tab", form.button)
        with page.expect_response(is_sent):
            page.keyboard.press("Enter")
        assert happened(form) == before + 1, form


def walk_to(page: Page, key: str, name: str) -> None:
    """By one key, until what has the focus is called so."""
    focused = page.locator(":focus")
    for _ in range(40):  # a date alone has seven stops
        if focused.count() and focused.inner_text().strip() == name:
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} never leads to {name}")
