"""A person at the management REST API and a client of their endpoints. Insists while the platform is in trouble."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from tests.support.platform import Platform
from tests.support.waiting import eventually

QUESTION = "How do I create an endpoint?"
AWAY = {502, 503, 504}  # the front's words for a web process that is not there
Endpoint = dict[str, Any]

logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request tells nobody anything


class Desk:
    """`owen` of the demo, in the project `demo`."""

    def __init__(self, platform: Platform, person: str = "owen", project: str = "demo") -> None:
        self.platform = platform
        self.project = project
        self.key = platform.first_run["users"][person]["platform_key"]
        self.client = httpx.Client(verify=False)  # plain HTTP on loopback

    # --- managing -------------------------------------------------------------------------------------

    def create(
        self, name: str, *, arch: str = "SN40L", instances: int = 1, rdus: int = 1, model: str = "Help"
    ) -> Endpoint:
        """An answer lost on its way is no answer: asked again, the platform says that it has it already."""
        wish = {
            "endpoint_name": name,
            "project": self.project,
            "model_checkpoint": model,
            "rdu_arch": arch,
            "instances": instances,
            "hyperparams": {"model_parallel_rdus": rdus},
        }
        answer = self._insist("POST", "/endpoints", wish)
        if answer.status_code == 409:
            return self.named(name)
        return _good(answer)

    def named(self, name: str) -> Endpoint:
        return _good(self._insist("GET", f"/endpoints/{name}?project={self.project}"))

    def info(self, endpoint: Endpoint) -> Endpoint:
        return _good(self._insist("GET", f"/endpoints/{endpoint['id']}"))

    def usage(self, endpoint: Endpoint, since: str = "1h") -> dict[str, Any]:
        return _good(self._insist("GET", f"/endpoints/{endpoint['id']}/usage?since={since}"))

    def add_key(self, endpoint: Endpoint, description: str) -> dict[str, Any]:
        path = f"/endpoints/{endpoint['id']}/apikeys"
        return _good(self._insist("POST", path, {"description": description}))

    def revoke(self, endpoint: Endpoint, key: str) -> None:
        _good(self._insist("POST", f"/endpoints/{endpoint['id']}/apikeys/{key}/revoke"))

    def rotate(self, endpoint: Endpoint, key: str, grace: str = "none") -> Any:
        path = f"/endpoints/{endpoint['id']}/apikeys/{key}/rotate"
        return _good(self._insist("POST", path, {"grace": grace}))

    def hello(self) -> Endpoint:
        return self.named("hello")

    def stop(self, endpoint: Endpoint) -> None:
        _good(self._insist("POST", f"/endpoints/{endpoint['id']}/stop"))

    def restart(self, endpoint: Endpoint) -> None:
        _good(self._insist("POST", f"/endpoints/{endpoint['id']}/restart"))

    def delete(self, endpoint: Endpoint) -> None:
        answer = self._insist("DELETE", f"/endpoints/{endpoint['id']}")
        assert answer.status_code in (200, 404, 409), answer.text  # an earlier try was heard

    def status(self, endpoint: Endpoint) -> str:
        return self.info(endpoint)["status"]

    def until(self, endpoint: Endpoint, status: str, seconds: float = 60) -> float:
        """Waits for the status; how long that took."""
        begun = time.monotonic()
        eventually(
            lambda: self._is(endpoint, status),
            timeout=seconds,
            every=0.1,
            what=f"{endpoint['name']} is {status}",
        )
        return time.monotonic() - begun

    def _is(self, endpoint: Endpoint, status: str) -> bool:
        now = self.info(endpoint)
        assert now["status"] == status, f"{now['status']}: {now['status_reason']}"
        return True

    # --- predicting -----------------------------------------------------------------------------------

    def predict(self, endpoint: Endpoint, seconds: float = 20) -> int:
        """The status of one prediction, 0 where nobody answers."""
        try:
            return self.client.post(
                self.platform.url + endpoint["url"].removeprefix(self.platform.url),
                headers={"key": endpoint["api_key"]},
                json={
                    "instances": [QUESTION],
                    "params": {"max_tokens_to_generate": {"type": "int", "value": "4"}},
                },
                timeout=seconds,
            ).status_code
        except httpx.TransportError:
            return 0

    def until_it_answers(self, endpoint: Endpoint, seconds: float = 60) -> None:
        eventually(
            lambda: self.predict(endpoint) == 200,
            timeout=seconds,
            what=f"{endpoint['name']} answers",
            every=0.1,
        )

    @contextlib.contextmanager
    def calling(self, endpoint: Endpoint) -> Iterator[list[int]]:
        """Predictions one after another for as long as the block lasts; yields their statuses as they come."""
        statuses: list[int] = []
        over = threading.Event()

        def call() -> None:
            while not over.wait(0.1):
                statuses.append(self.predict(endpoint))

        caller = threading.Thread(target=call, name="caller", daemon=True)
        caller.start()
        try:
            yield statuses
        finally:
            over.set()
            caller.join(30)

    # --- the way there --------------------------------------------------------------------------------

    def _insist(self, method: str, path: str, body: object = None, seconds: float = 60) -> httpx.Response:
        return eventually(
            lambda: self._ask(method, path, body), timeout=seconds, every=0.2, what=f"{method} {path}"
        )

    def _ask(self, method: str, path: str, body: object) -> httpx.Response | None:
        try:
            answer = self.client.request(
                method, f"{self.platform.url}/api{path}", json=body, timeout=15,
                headers={"Authorization": f"Bearer {self.key}"},
            )  # fmt: skip
        except httpx.TransportError as error:
            raise AssertionError(repr(error)) from error
        assert answer.status_code not in AWAY, answer.text
        return answer


def together(*acts: Callable[[], object]) -> list[threading.Thread]:
    """Begin them all at once; `join` each."""
    threads = [threading.Thread(target=act, daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    return threads


def _good(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()
