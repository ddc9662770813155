"""Open pages of a real web process, and what is taken from the people before them: read within a second.

The pages have no ticks: whatever is read on them came by the stream. How long it took is printed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.served import served

pytestmark = pytest.mark.timeout(240)

NO_TICKS = "window.setInterval = () => 0"
# `innerText` has what is drawn: a popover that is closed is not read
WAIT_FOR = """([text, is]) => {
  const end = Date.now() + 15000;
  window.read = new Promise((done, failed) => {
    const look = () => {
      if (document.body.innerText.includes(text) === is) done(Date.now());
      else if (Date.now() > end) failed(new Error(`${text} at ${location.pathname}: not ${is}`));
      else setTimeout(look, 10);
    };
    look();
  });
}"""
SIGNED_OUT, GONE, NO_ADMIN = "You are signed out.", "There is no endpoint", "Only an OrgAdmin"


@dataclass
class Office:
    """People before a web process: `page` is a browser in which somebody is signed in, `ask` their platform key."""

    url: str
    told: Any
    open_context: Callable[..., BrowserContext]

    def page(self, name: str, at: str, browser: int = 0) -> Page:
        context = self.open_context()
        session = self.told["sessions"][name][browser]
        context.add_cookies([{"name": "sessionid", "value": session, "url": self.url}])
        page = context.new_page()
        page.add_init_script(NO_TICKS)
        with page.expect_response("**/standing/") as stream:
            page.goto(self.url + at)
        assert stream.value.status == 200
        return page

    def ask(self, name: str, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {self.told['keys'][name]}"}
        answer = httpx.request(
            method, f"{self.url}/api{path}", json=body, headers=headers, timeout=30, verify=False
        )
        assert answer.is_success, answer.text
        return answer.json()

    def read_after(
        self, what: str, act: Callable[[], object], *pages: Page, text: str, gone: bool = False
    ) -> None:
        """Each page shows the text, or shows it no more, once it is done. Prints how long it took."""
        for page in pages:
            page.evaluate(WAIT_FOR, [text, not gone])
        begun = time()
        act()
        answered = time()
        read = [page.evaluate("window.read") / 1000 for page in pages]
        waits = " and ".join(f"{moment - answered:.2f}" for moment in read)
        print(f"{what}: read {waits} s after it was done, which took {answered - begun:.2f} s")

    def share(self, thing: str, *grants: tuple[str, str]) -> Callable[[], object]:
        wish = [{"type": "user", "name": name, "role": role} for name, role in grants]
        path = f"/{thing}s/{self.told[thing]}/share"
        return lambda: self.ask("owen", "PUT", path, {"shared_with": wish})

    def role(self, name: str, role: str) -> Callable[[], object]:
        body = {"roles": [{"tenant": "default", "role": role}]}
        return lambda: self.ask("olga", "PATCH", f"/users/{name}", body)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    log: Path = tmp_path_factory.mktemp("standing") / "web.log"
    with served("tests.browser.standing_world", log=log) as running:
        yield running


@pytest.fixture
def office(open_context: Callable[..., BrowserContext], web: tuple[str, Any]) -> Office:
    return Office(*web, open_context)


def test_what_becomes_of_keys_is_read_in_an_open_window(office: Office) -> None:
    place = f"/endpoints/{office.told['endpoint']}"
    first = office.ask("owen", "GET", f"{place}/apikeys")["api_keys"][0]["id"]
    second = office.ask("owen", "POST", f"{place}/apikeys", {"description": "shop"})["id"]
    owens = office.page("owen", f"{place}/")

    def revoke() -> None:
        office.ask("owen", "POST", f"{place}/apikeys/{second}/revoke")

    def rotate() -> None:
        office.ask("owen", "POST", f"{place}/apikeys/{first}/rotate", {"grace": "none"})

    office.read_after("revoke", revoke, owens, text="Revoked")
    masked = owens.locator("#keys tr", has_text="First Key").locator("code").inner_text()
    office.read_after("rotation", rotate, owens, text=masked, gone=True)


def test_a_share_that_is_taken_back_is_read_with_a_live_part_and_without(office: Office) -> None:
    place, project = f"/endpoints/{office.told['endpoint']}/", f"/projects/{office.told['project']}/"
    office.share("endpoint", ("mila", "editor"))()
    live, plain = office.page("mila", place), office.page("mila", f"{place}edit/", browser=1)
    plain.get_by_label("Description").fill("half a sentence")
    office.read_after("share removal", office.share("endpoint"), live, plain, text=GONE)
    expect(plain.get_by_label("Description")).to_have_value("half a sentence")

    office.share("project", ("mila", "editor"))()
    smaller = office.page("mila", project)
    to_viewer = office.share("project", ("mila", "viewer"))
    office.read_after("a smaller share", to_viewer, smaller, text="New endpoint", gone=True)
    expect(smaller.locator("#changed")).to_be_hidden()


def test_a_role_that_is_lost_is_read_and_takes_nothing_that_was_typed(office: Office) -> None:
    office.role("mila", "TenantAdmin")()
    live, plain = office.page("mila", "/users/"), office.page("mila", "/audit/", browser=1)
    frame, typing = office.page("mila", "/models/", browser=2), office.page("mila", "/users/new/", browser=3)
    typing.get_by_label("User name").fill("nina")
    expect(frame.locator("#side")).to_contain_text("Tenant management")
    lose = office.role("mila", "member")
    frame.evaluate(WAIT_FOR, ["Tenant management", False])
    office.read_after("role loss", lose, live, plain, typing, text=NO_ADMIN)
    frame.evaluate("window.read")
    expect(typing.get_by_label("User name")).to_have_value("nina")


def test_an_open_dialog_stays_and_the_page_says_that_something_changed(office: Office) -> None:
    office.share("project", ("mila", "editor"))()
    page = office.page("mila", f"/projects/{office.told['project']}/")
    page.click("#new-endpoint")
    page.get_by_label("Endpoint name").fill("half a name")
    to_viewer = office.share("project", ("mila", "viewer"))
    office.read_after(
        "a smaller share, in a dialog", to_viewer, page, text="What you may see or do here has changed"
    )
    expect(page.get_by_label("Endpoint name")).to_have_value("half a name")
    page.keyboard.press("Escape")
    expect(page.locator("#new-endpoint")).to_have_count(0)
    expect(page.locator("#changed")).to_be_hidden()


def test_whoever_is_signed_out_elsewhere_or_deactivated_reads_it(office: Office) -> None:
    live, plain = office.page("owen", "/"), office.page("owen", "/models/", browser=1)
    office.read_after(
        "sign-out everywhere", lambda: office.ask("owen", "DELETE", "/sessions"), live, plain, text=SIGNED_OUT
    )

    tina = office.page("tina", "/models/")
    beside = tina.context.new_page()
    beside.goto(f"{office.url}/")
    beside.click("#person")
    leave = beside.get_by_role("button", name="Sign out")
    office.read_after("sign-out in another tab", leave.click, tina, text=SIGNED_OUT)

    live, plain = office.page("oskar", "/"), office.page("oskar", "/models/", browser=1)
    deactivate = lambda: office.ask("olga", "POST", "/users/oskar/deactivate")  # noqa: E731
    office.read_after("deactivation", deactivate, live, plain, text=SIGNED_OUT)
