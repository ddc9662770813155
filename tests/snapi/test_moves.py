"""`snapi … move` and `transfer`: what is sent and what is said."""

from typing import Any

import pytest

from tests.snapi.conftest import Run
from tests.snapi.fake import FakeStudio

pytestmark = pytest.mark.usefixtures("signed_in")

BELONGS: dict[str, Any] = {
    "id": "x", "name": "hello", "owner": "mila", "project_id": "y", "project_name": "other", "tenant_id": "z",
    "tenant_name": "research",
}  # fmt: skip
COMMANDS = [
    ("endpoint move -e hello --to other", "endpoints/hello/move", {"project": "other"},
     "Endpoint hello was moved to project other."),
    ("project move -p hello --tenant research", "projects/hello/move", {"tenant": "research"},
     "Project hello was moved to tenant research."),
    ("endpoint transfer -e hello --owner mila", "endpoints/hello/transfer", {"owner": "mila"},
     "Endpoint hello belongs to mila."),
    ("project transfer -p hello --owner mila", "projects/hello/transfer", {"owner": "mila"},
     "Project hello belongs to mila."),
    ("model transfer -m hello --owner mila", "models/hello/transfer", {"owner": "mila"},
     "Model hello belongs to mila."),
]  # fmt: skip


@pytest.mark.parametrize(("command", "path", "body", "said"), COMMANDS)
def test_what_is_sent_and_said(
    studio: FakeStudio, run: Run, command: str, path: str, body: dict[str, str], said: str
) -> None:
    studio.answer("POST", f"/api/{path}", BELONGS)
    assert run(*command.split()).out == f"{said}\n"
    assert studio.asked[0].body == body
