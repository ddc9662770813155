"""`snapi tenant` and `snapi user` for administrators: what is sent, what is said, what is asked first."""

import io
import json
import sys
from typing import Any

import pytest

from tests.snapi.conftest import Run
from tests.snapi.fake import FakeStudio

pytestmark = pytest.mark.usefixtures("signed_in")

TENANT: dict[str, Any] = {
    "tenant_id": "4eba9aaa-543f-4f8b-bbc1-30182252f85a", "tenant_name": "research", "role": "OrgAdmin",
    "status": "Active", "time_created": "2023-11-07T13:06:50.209626+00:00", "rdus": [],
}  # fmt: skip
USER: dict[str, Any] = {
    "id": "1205d9db-250a-4e71-b1a8-33fa3ffa05cc", "name": "mila", "status": "Active", "org_admin": False,
    "operator": False, "roles": [{"tenant_id": "x", "tenant_name": "research", "role": "TenantAdmin"}],
    "time_created": "2023-11-07T13:06:50.209626+00:00", "time_last_sign_in": None,
}  # fmt: skip


def test_a_tenant_is_created_renamed_archived_and_opened(studio: FakeStudio, run: Run) -> None:
    studio.answer("POST", "/api/tenants", {"data": TENANT})
    studio.answer("PATCH", "/api/tenants/research", {"data": TENANT | {"tenant_name": "science"}})
    for verb in ("archive", "unarchive"):
        studio.answer("POST", f"/api/tenants/research/{verb}", {"data": TENANT})
    said = [
        run("tenant", "create", "--tenant", "research").out,
        run("tenant", "rename", "-t", "research", "--name", "science").out,
        run("tenant", "archive", "-t", "research", "--yes").out,
        run("tenant", "unarchive", "-t", "research").out,
    ]
    assert said == [
        "Successfully created tenant research.\n",
        "Tenant research is now called science.\n",
        "Tenant research was archived.\n",
        "Tenant research is open again.\n",
    ]
    assert [each.body for each in studio.asked] == [{"name": "research"}, {"name": "science"}, None, None]


def test_a_quota_is_set(studio: FakeStudio, run: Run) -> None:
    rdus = {
        "arch": "SN40L", "total": 8, "available": 4, "widest_free": 4, "held": 4, "guaranteed": 2, "maximum": None,
    }  # fmt: skip
    studio.answer("PATCH", "/api/tenants/research/quota", {"data": TENANT | {"rdus": [rdus]}})
    result = run(
        "tenant", "quota", "-t", "research", "--arch", "SN40L", "--guaranteed", "2", "--maximum", "none"
    )
    assert "| 4    | 2          | no limit |" in result.out
    run("tenant", "quota", "-t", "research", "-a", "SN40L", "--maximum", "9")
    assert [each.body for each in studio.asked] == [
        {"arch": "SN40L", "guaranteed": 2, "unlimited": True},
        {"arch": "SN40L", "maximum": 9},
    ]
    for wrong in ([], ["--maximum", "much"]):
        assert run("tenant", "quota", "-t", "research", "-a", "SN40L", *wrong).code == 2


def test_archived_tenants_are_listed_apart(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/tenants", {"data": [TENANT], "next": None})
    assert "| research " in run("tenant", "list", "--archived").out
    assert studio.asked[0].query == {"archived": "true"}


def test_users_are_listed_with_their_roles(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/users", {"users": [USER], "next": None})
    result = run("user", "list", "--tenant", "research", "--search", "mi")
    assert "| mila                 | Active      | research: TenantAdmin " in result.out
    assert studio.asked[0].query == {"tenant": "research", "search": "mi"}
    studio.answer("GET", "/api/users/mila", USER)
    assert "Roles : research: TenantAdmin\n" in run("user", "info", "-u", "mila").out
    assert json.loads(run("user", "info", "-u", "mila", "--json").out) == USER


def test_a_password_comes_by_standard_input(
    studio: FakeStudio, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.answer("POST", "/api/users", USER)
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\n"))
    result = run("user", "create", "--user", "mila", "--tenant", "research", "--role", "tenantadmin")
    assert result.out == "Successfully created user mila.\n"
    assert studio.asked[0].body == {
        "name": "mila", "password": "correct horse", "tenant": "research", "role": "TenantAdmin",
    }  # fmt: skip


def test_roles_are_given_and_taken(studio: FakeStudio, run: Run) -> None:
    studio.answer("PATCH", "/api/users/mila", USER)
    result = run("user", "role", "-u", "mila", "-t", "research", "--role", "TenantAdmin", "--org-admin")
    assert result.out == "User mila is now: research: TenantAdmin.\n"
    assert studio.asked[0].body == {
        "roles": [{"tenant": "research", "role": "TenantAdmin"}],
        "org_admin": True,
    }
    for wrong in (["-t", "research"], [], ["-t", "research", "--role", "king"]):
        assert run("user", "role", "-u", "mila", *wrong).code == 2
    assert len(studio.asked) == 1


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("tenant archive --tenant research", "/api/tenants/research/archive"),
        ("user reset-password --user mila", "/api/users/mila/password"),
        ("user deactivate --user mila", "/api/users/mila/deactivate"),
    ],
)
def test_a_loss_is_asked_for(studio: FakeStudio, run: Run, command: str, path: str) -> None:
    studio.answer("POST", path, USER | {"data": TENANT})
    assert (run(*command.split()).code, studio.asked) == (2, [])
    assert run(*command.split(), "--yes").code == 0
    assert studio.asked[0].path == path


def test_a_new_password_is_printed_this_once(studio: FakeStudio, run: Run) -> None:
    studio.answer("POST", "/api/users/mila/password", {"name": "mila", "password": "Zk3vXbq0tC9wLr5s"})
    said = run("user", "reset-password", "-u", "mila", "--yes").out
    assert said == "The new password of mila is Zk3vXbq0tC9wLr5s; they set their own with it.\n"


def test_a_deactivated_user_is_let_in_again(studio: FakeStudio, run: Run) -> None:
    studio.answer("POST", "/api/users/mila/reactivate", USER)
    assert run("user", "reactivate", "-u", "mila").out == "User mila can sign in again.\n"
