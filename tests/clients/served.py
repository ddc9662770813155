"""What the clients are let loose on: endpoints of a running platform, made through the REST API."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.platform import Platform
from tests.support.waiting import eventually

LIVE_SECONDS = 60


@dataclass(frozen=True)
class Wanted:
    """An endpoint; `part` is the first word of the variables by which a script hears of it."""

    part: str
    name: str
    app: str
    model: str


WANTED = (
    Wanted("CHAT", "clients chat", "Tiny Chat", "Help"),
    Wanted("EMBEDDING", "clients embeddings", "Tiny Embeddings", "Tiny-Embed"),
)


def variables(up: Platform) -> dict[str, str]:
    """Environment variables for the scripts. `<part>_MISSING` says why there is no such endpoint."""
    told = {"URL": up.url, "OTHER_KEY": up.first_run["endpoint"]["api_key"]}
    with _management(up) as management:
        for wanted in WANTED:
            told |= {f"{wanted.part}_{name}": value for name, value in _made(management, wanted).items()}
    return told


def _management(up: Platform) -> httpx.Client:
    key = up.first_run["users"]["owen"]["platform_key"]
    return httpx.Client(base_url=f"{up.url}/api", headers={"Authorization": f"Bearer {key}"}, timeout=30)


def _made(management: httpx.Client, wanted: Wanted) -> dict[str, str]:
    found = management.get(f"/models/{wanted.model}")
    if found.status_code == 404:
        return {"MISSING": f"the Model Hub has no model {wanted.model} of the ML App {wanted.app}"}
    wish = {"project": "demo", "endpoint_name": wanted.name, "model_checkpoint": wanted.model}
    created = management.post("/endpoints", json=wish)
    assert created.status_code == 200, created.text
    endpoint = eventually(
        lambda: _if_live(management, created.json()["id"]),
        timeout=LIVE_SECONDS,
        what=f"{wanted.name} is Live",
    )
    assert endpoint["ml_app"] == wanted.app, endpoint
    return {
        "PROJECT": endpoint["project_id"],
        "ENDPOINT": endpoint["id"],
        "KEY": endpoint["api_key"],
        "MODEL": endpoint["model_name"],
    }


def _if_live(management: httpx.Client, id: str) -> dict[str, Any] | None:
    endpoint = management.get(f"/endpoints/{id}").json()
    assert endpoint["status"] == "Live", endpoint["status_reason"] or endpoint["status"]
    return endpoint
