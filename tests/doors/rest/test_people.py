"""Tenants and users through the management API, as each person of the cast meets it."""

import pytest

from studio.tenants.models import Membership, Tenant, User
from tests.doors.rest.conftest import Rest, error_of

OTHERS = ("owen", "mila", "oskar", "otto")


def test_a_tenant_from_its_creation_to_its_archive(rest: Rest) -> None:
    made = rest.olga.post("/api/tenants", {"name": "science"}).json["data"]
    assert (made["tenant_name"], made["status"], made["role"]) == ("science", "Active", "OrgAdmin")
    assert rest.olga.patch("/api/tenants/science", {"name": "arts"}).json["data"]["tenant_name"] == "arts"
    assert rest.olga.post("/api/tenants/arts/archive").json["data"]["status"] == "Archived"
    names = [each["tenant_name"] for each in rest.olga.get("/api/tenants").json["data"]]
    archived = [each["tenant_name"] for each in rest.olga.get("/api/tenants", archived="true").json["data"]]
    assert (names, archived) == (["default", "research"], ["arts"])
    assert error_of(rest.olga.in_tenant("arts").get("/api/projects"))[0] == 404
    assert rest.olga.get("/api/tenants/arts").json["data"]["status"] == "Archived"
    assert rest.olga.post("/api/tenants/arts/unarchive").json["data"]["status"] == "Active"


def test_a_create_is_repeated_under_its_key(rest: Rest) -> None:
    for _ in range(2):
        answer = rest.olga.saying(idempotency_key="1").post("/api/tenants", {"name": "science"})
        assert answer.json["data"]["tenant_name"] == "science"
    assert Tenant.objects.filter(name="science").count() == 1
    assert error_of(rest.olga.post("/api/tenants", {"name": "SCIENCE"})) == (
        409,
        "conflict",
        {"name": "This name is taken."},
    )


@pytest.mark.parametrize(("who", "status"), [("tina", 403), ("owen", 403), ("otto", 403), ("oskar", 404)])
def test_only_an_org_admin_manages_tenants(rest: Rest, who: str, status: int) -> None:
    caller = getattr(rest, who)
    assert error_of(caller.patch("/api/tenants/default", {"name": "x"}))[0] == status
    for verb in ("archive", "unarchive"):
        assert error_of(caller.post(f"/api/tenants/default/{verb}"))[0] == status
    assert error_of(caller.post("/api/tenants", {"name": "x"}))[0] == 403
    assert rest.olga.get("/api/tenants").json["data"][0]["tenant_name"] == "default"


@pytest.mark.usefixtures("hub")
def test_a_quota_is_changed_and_told(rest: Rest) -> None:
    def quota(**wish: object) -> tuple[object, object, object]:
        answer = rest.olga.patch("/api/tenants/research/quota", {"arch": "sn40l", **wish})
        (row,) = answer.json["data"]["rdus"]
        return row["held"], row["guaranteed"], row["maximum"]

    assert quota(guaranteed=2, maximum=8) == (0, 2, 8)
    assert quota(maximum=4) == (0, 2, 4)
    assert quota(unlimited=True) == (0, 2, None)
    refused = rest.olga.patch("/api/tenants/research/quota", {"arch": "SN40L", "maximum": 1})
    assert error_of(refused) == (400, "invalid", {"guaranteed": refused.json["message"]})
    assert error_of(rest.olga.patch("/api/tenants/research/quota", {"arch": "X"}))[0] == 400
    assert error_of(rest.tina.patch("/api/tenants/default/quota", {"arch": "SN40L"}))[0] == 403
    assert error_of(rest.tina.patch("/api/tenants/research/quota", {"arch": "SN40L"}))[0] == 404


def test_users_of_whom_one_administers(rest: Rest) -> None:
    def names(who: str, **query: str) -> list[str]:
        return [each["name"] for each in getattr(rest, who).get("/api/users", **query).json["users"]]

    assert names("olga") == ["mila", "olga", "oskar", "otto", "owen", "tina"]
    assert names("tina") == ["mila", "olga", "otto", "owen", "tina"]
    assert names("olga", tenant="research") == ["oskar"]
    assert names("olga", search="ow") == ["owen"]
    for who in OTHERS:
        assert error_of(getattr(rest, who).get("/api/users"))[0] == 403
        assert error_of(getattr(rest, who).get("/api/users/owen"))[0] == 403
    assert error_of(rest.tina.get("/api/users/oskar"))[0] == 404
    assert rest.tina.get(f"/api/users/{rest.people['owen'].pk}").json["name"] == "owen"


def test_a_user_from_creation_to_deactivation(rest: Rest) -> None:
    new = {"name": "nina", "password": "correct-horse-battery"}
    made = rest.tina.post("/api/users", new).json
    assert [(each["tenant_name"], each["role"]) for each in made["roles"]] == [("default", "member")]
    assert "password" not in made
    risen = {"roles": [{"tenant": "research", "role": "TenantAdmin"}, {"tenant": "default", "role": "none"}]}
    told = rest.olga.patch("/api/users/nina", risen).json
    assert [(each["tenant_name"], each["role"]) for each in told["roles"]] == [("research", "TenantAdmin")]
    assert rest.olga.post("/api/users/nina/deactivate").json["status"] == "Deactivated"
    assert rest.olga.post("/api/users/nina/reactivate").json["status"] == "Active"


def test_a_new_password_is_in_the_answer_alone(rest: Rest) -> None:
    told = rest.tina.post("/api/users/mila/password").json
    assert told["name"] == "mila"
    assert User.objects.get(username="mila").check_password(told["password"])
    assert told["password"] not in str(rest.olga.get("/api/audit").json)
    assert error_of(rest.tina.post("/api/users/olga/password"))[0] == 403
    assert error_of(rest.tina.post("/api/users/tina/password"))[0] == 409
    assert error_of(rest.tina.post("/api/users/oskar/password"))[0] == 404


def test_whom_one_put_out_of_the_own_tenant_is_shown_once_more(rest: Rest) -> None:
    out = {"roles": [{"tenant": "default", "role": "none"}]}
    assert rest.tina.patch("/api/users/mila", out).json["roles"] == []
    assert error_of(rest.tina.get("/api/users/mila"))[0] == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"roles": [{"tenant": "default", "role": "TenantAdmin"}]}, 403),
        ({"roles": [{"tenant": "research", "role": "member"}]}, 404),
        ({"org_admin": True}, 403),
        ({"operator": True}, 400),
        ({"is_staff": True, "password": "x"}, 400),
        ({"roles": [{"tenant": "default", "role": "king"}]}, 400),
    ],
)
def test_a_tenant_admin_makes_no_administrators(rest: Rest, body: dict[str, object], status: int) -> None:
    assert error_of(rest.tina.patch("/api/users/mila", body))[0] == status
    assert Membership.objects.get(user__username="mila").role == "member"
    assert User.objects.filter(is_org_admin=True).count() == 1


def test_a_role_that_is_lost_is_lost_at_the_next_request(rest: Rest) -> None:
    assert rest.tina.get("/api/users").status == 200
    rest.olga.patch("/api/users/tina", {"roles": [{"tenant": "default", "role": "member"}]})
    assert error_of(rest.tina.get("/api/users"))[0] == 403
    assert rest.tina.in_tenant("default").get("/api/projects").status == 200
    rest.olga.patch("/api/users/tina", {"roles": [{"tenant": "default", "role": "none"}]})
    assert error_of(rest.tina.in_tenant("default").get("/api/projects"))[0] == 404


def test_a_deactivated_persons_key_is_refused_at_the_next_request(rest: Rest) -> None:
    assert rest.owen.get("/api/projects").status == 200
    rest.tina.post("/api/users/owen/deactivate")
    assert error_of(rest.owen.get("/api/projects"))[0] == 401
    rest.tina.post("/api/users/owen/reactivate")
    assert error_of(rest.owen.get("/api/projects"))[0] == 401
