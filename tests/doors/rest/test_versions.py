"""`spec_version`: what was changed meanwhile is left alone, by every verb that takes it."""

import pytest

from tests.doors.rest.conftest import Answer, Rest, error_of

pytestmark = pytest.mark.usefixtures("hub", "demo")

HELLO = "/api/endpoints/hello"
WISH = {"project": "demo", "endpoint_name": "hello", "model_checkpoint": "Help", "rdu_arch": "SN40L"}


def ask(rest: Rest, verb: str, version: int) -> Answer:
    if verb == "plan":
        return rest.owen.post(f"{HELLO}/plan", {"instances": 3, "spec_version": version})
    if verb == "delete":
        return rest.owen.delete(HELLO, spec_version=version)
    return rest.owen.post(f"{HELLO}/{verb}", spec_version=version)


@pytest.mark.parametrize("verb", ["stop", "restart", "delete", "plan"])
def test_whoever_saw_an_older_state_is_refused(rest: Rest, verb: str) -> None:
    old = rest.owen.post("/api/endpoints", WISH).json["spec_version"]
    changed = rest.owen.patch(HELLO, {"description": "by somebody else"}).json
    refused = ask(rest, verb, old)
    assert error_of(refused)[:2] == (409, "conflict")
    assert rest.owen.get(HELLO).json["spec_version"] == changed["spec_version"]
    assert ask(rest, verb, changed["spec_version"]).status == 200
