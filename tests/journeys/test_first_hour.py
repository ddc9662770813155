"""What a newcomer does in the first hour, with a real browser and real clients on the running platform."""

import time
from typing import Any

import httpx
import openai
import pytest
from playwright.sync_api import Page, expect

from tests.support.platform import Platform

ASKED = "How do I create an endpoint?"
LIVE_MS = 20_000  # generous: the machine is shared with the rest of the run; the figure is printed


@pytest.fixture
def owen(page: Page, up: Platform) -> Page:
    """A page on which owen has signed in with the keyboard alone."""
    page.goto(f"{up.url}/")
    page.keyboard.type("owen")
    page.keyboard.press("Tab")
    page.keyboard.type(up.first_run["users"]["owen"]["password"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible(timeout=LIVE_MS)
    return page


@pytest.fixture
def management(up: Platform) -> httpx.Client:
    key = up.first_run["users"]["owen"]["platform_key"]
    return httpx.Client(base_url=f"{up.url}/api", headers={"Authorization": f"Bearer {key}"}, timeout=30)


def open_create_window(page: Page, up: Platform, name: str, *, rdus: int = 1, instances: int = 1) -> None:
    page.goto(f"{up.url}/projects/{up.first_run['project']['id']}/")
    page.get_by_role("link", name="New endpoint").click()
    window = page.locator("#dialog")
    window.get_by_label("Endpoint name").fill(name)
    window.get_by_label("ML App").select_option(label="Tiny Chat")
    window.get_by_label("Select model").select_option(label="Help")
    expect(window.locator("#part-statement")).to_contain_text(
        "RDU in a single node for each instance", timeout=15_000
    )
    window.get_by_label("RDU generation").select_option(value="SN40L")
    if instances != 1:
        window.get_by_label("Number of instances").fill(str(instances))
        window.get_by_label("Number of instances").press("Tab")
    if rdus != 1:
        window.get_by_text("Model Parameters").click()
        window.get_by_label("model parallel rdus").fill(str(rdus))
        window.get_by_label("model parallel rdus").press("Tab")


def say_yes(page: Page, entry: str, button: str) -> None:
    """An entry of the endpoint's menu and the answer to its alert."""
    page.locator(".head-actions summary, .head-actions [popovertarget]").first.click()
    page.get_by_role("link", name=entry, exact=True).click()
    page.locator("#dialog").get_by_role("button", name=button, exact=True).click()


def test_owen_creates_an_endpoint_by_hand_and_sees_it_go_live_stop_restart_and_leave(
    owen: Page, up: Platform
) -> None:
    open_create_window(owen, up, "by hand")
    owen.locator("#dialog").get_by_role("button", name="Add an endpoint").click()
    begun = time.monotonic()
    row = owen.get_by_role("row", name="by hand")
    expect(row).to_contain_text("Live", timeout=LIVE_MS)
    print(f"created by hand, Live after {time.monotonic() - begun:.1f} s")

    row.get_by_role("link", name="by hand").first.click()
    expect(owen.get_by_role("heading", name="by hand", exact=True)).to_be_visible()
    say_yes(owen, "Stop", "Continue")
    expect(owen.locator("#live")).to_contain_text("Stopped", timeout=LIVE_MS)
    owen.locator(".head-actions summary, .head-actions [popovertarget]").first.click()
    owen.get_by_text("Restart", exact=True).first.click()
    restart = owen.locator("#dialog").get_by_role("button", name="Restart", exact=True)
    if restart.is_visible():
        restart.click()
    expect(owen.locator("#live")).to_contain_text("1 of 1 instance", timeout=LIVE_MS)
    say_yes(owen, "Delete", "Yes")
    gone = owen.get_by_role("region", name="Recently deleted")
    expect(gone.get_by_role("row", name="by hand")).to_be_visible(timeout=LIVE_MS)
    expect(owen.get_by_role("row", name="by hand")).to_have_count(1, timeout=LIVE_MS)


def test_an_instance_wider_than_any_node_is_warned_of_and_waits_with_the_true_reason(
    owen: Page, up: Platform, management: httpx.Client
) -> None:
    open_create_window(owen, up, "too wide", rdus=16)
    window = owen.locator("#dialog")
    expect(window).to_contain_text("Insufficient RDUs in a single node", timeout=LIVE_MS)
    expect(window).to_contain_text("Awaiting RDU")
    window.get_by_role("button", name="Add an endpoint").click()
    row = owen.get_by_role("row", name="too wide")
    expect(row).to_contain_text("Awaiting RDU", timeout=LIVE_MS)
    row.get_by_role("link", name="too wide").first.click()
    expect(owen.locator("#live")).to_contain_text("No SN40L node is wide enough", timeout=LIVE_MS)
    deleted(management, up, "too wide")


def test_curl_and_the_openai_package_are_answered_by_the_right_model(up: Platform) -> None:
    endpoint, project = up.first_run["endpoint"], up.first_run["project"]
    predicted = httpx.post(
        up.url + endpoint["url"],
        headers={"key": endpoint["api_key"]},
        json={"instances": [ASKED]},
        timeout=30,
    )
    assert predicted.status_code == 200
    assert (
        "Create endpoint" in predicted.json()["predictions"][0]["completion"]
        or "endpoint" in (predicted.json()["predictions"][0]["completion"])
    )
    for base in (f"/v1/{project['id']}/{endpoint['id']}", f"/v1/{endpoint['id']}"):
        client = openai.OpenAI(base_url=up.url + base, api_key=endpoint["api_key"], max_retries=0)
        messages: Any = [{"role": "user", "content": ASKED}]
        whole = client.chat.completions.create(model="Help", messages=messages)
        assert whole.model == "Help"
        assert whole.choices[0].message.content
        stream = client.chat.completions.create(model="Help", messages=messages, stream=True)
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        assert streamed == whole.choices[0].message.content
        assert next(model.id for model in client.models.list()) == "Help"
        with pytest.raises(openai.NotFoundError, match="Help"):
            client.chat.completions.create(model="Other", messages=messages)


def test_a_wrong_key_is_401_a_key_of_another_endpoint_403_and_a_stopped_endpoint_503(
    up: Platform, management: httpx.Client
) -> None:
    hello, project = up.first_run["endpoint"], up.first_run["project"]
    wish = {
        "project": project["id"],
        "endpoint_name": "other",
        "model_checkpoint": "Help",
        "rdu_arch": "SN30",
    }
    made = management.post("/endpoints", json=wish | {"instances": 1})
    assert made.status_code == 200, made.text
    other = management.get(f"/endpoints/{made.json()['id']}").json()
    try:
        body = {"instances": [ASKED]}
        assert asked(up, hello["url"], "11111111-1111-4111-8111-111111111111", body).status_code == 401
        assert asked(up, hello["url"], other["api_key"], body).status_code == 403
        management.post(f"/endpoints/{other['id']}/stop")
        refused = asked(up, other["url"], other["api_key"], body)
        assert refused.status_code == 503
        assert "Stop" in refused.json()["error"]["message"]
    finally:
        deleted(management, up, "other")


def asked(up: Platform, path: str, key: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(up.url + path, headers={"key": key}, json=body, timeout=30)


def deleted(management: httpx.Client, up: Platform, name: str) -> None:
    params = {"project": up.first_run["project"]["id"]}
    assert management.delete(f"/endpoints/{name}", params=params).status_code == 200
