"""The permission table: every role and action against the words of the design, and printed for reading.

`docs/permissions.txt` is the table of the code. Where it differs the test writes `docs/permissions.txt.new`
and fails: a changed right is a diff somebody has looked at.
"""

from dataclasses import replace
from itertools import product
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from studio.errors import Forbidden, NotFound
from studio.tenants import rules
from studio.tenants.rules import (
    PERMISSIONS,
    Actor,
    Facts,
    Role,
    Verdict,
    leading_role,
    may,
    require,
    share_of,
)

PRINTED = Path(__file__).parents[2] / "docs" / "permissions.txt"

DEFAULT, RESEARCH = uuid4(), uuid4()
OWEN, OTHER = uuid4(), uuid4()
ROLES = (*rules._ORDER, Role.OPERATOR)

# What permissions.md says, role by role: y may, 3 is told "403", 4 hears "404".
#                     OrgAdmin TenantAdmin owner Editor Viewer member stranger operator
DESIGN = {
    "tenant.see":       "y y y 4 4 y 4 4",
    "tenant.manage":    "y 3 3 3 3 3 4 4",
    "user.manage":      "y y 3 3 3 3 4 4",
    "project.create":   "y y y y y y 4 4",
    "project.see":      "y y y y y 4 4 4",
    "project.edit":     "y y y y 3 4 4 4",
    "project.delete":   "y y y 3 3 4 4 4",
    "project.share":    "y y y 3 3 4 4 4",
    "endpoint.create":  "y y y y 3 4 4 4",
    "endpoint.see":     "y y y y y 4 4 4",
    "endpoint.run":     "y y y y 3 4 4 4",
    "endpoint.delete":  "y y y 3 3 4 4 4",
    "key.manage":       "y y y 3 3 4 4 4",
    "key.list":         "y y y y y 4 4 4",
    "model.see":        "y y y y y 4 4 4",
    "model.edit":       "y y y y 3 4 4 4",
    "model.manage":     "y y y 3 3 4 4 4",
    "resources.see":    "y y y y y y y y",
    "node.manage":      "y 3 3 3 3 3 3 y",
    "audit.tenant":     "y y 3 3 3 3 4 4",
    "audit.all":        "y 3 3 3 3 3 3 3",
    "platform_key.own": "y y y y y y y y",
    "organization.manage": "y 3 3 3 3 3 3 3",
    "admin.content":    "y 3 3 3 3 3 3 3",
    "sharing.manage":   "y 3 3 3 3 3 3 3",
}  # fmt: skip
WORDS = {"y": Verdict.YES, "3": Verdict.NO, "4": Verdict.HIDDEN}


def somebody(role: Role) -> tuple[Actor, Facts]:
    """An actor with this role alone towards a thing of the tenant `default`."""
    facts = Facts(tenant=DEFAULT, owners=frozenset({OTHER}))
    at_home, away = {DEFAULT: "member"}, {RESEARCH: "member"}
    people = {
        Role.ORG_ADMIN: (Actor(OWEN, "olga", is_org_admin=True), facts),
        Role.TENANT_ADMIN: (Actor(OWEN, "tina", tenants={DEFAULT: "tenant_admin"}), facts),
        Role.OWNER: (Actor(OWEN, "owen", tenants=at_home), Facts(DEFAULT, frozenset({OWEN}))),
        Role.EDITOR: (Actor(OWEN, "oskar", tenants=away), Facts(DEFAULT, frozenset({OTHER}), Role.EDITOR)),
        Role.VIEWER: (Actor(OWEN, "oskar", tenants=away), Facts(DEFAULT, frozenset({OTHER}), Role.VIEWER)),
        Role.MEMBER: (Actor(OWEN, "mila", tenants=at_home), facts),
        Role.STRANGER: (Actor(OWEN, "oskar", tenants=away), facts),
        Role.OPERATOR: (Actor(OWEN, "otto", is_operator=True, tenants=away), facts),
    }
    return people[role]


def verdict(actor: Actor, action: str, facts: Facts) -> Verdict:
    try:
        require(actor, action, facts)
    except NotFound:
        return Verdict.HIDDEN
    except Forbidden:
        return Verdict.NO
    return Verdict.YES


def table() -> str:
    """The code's table as people read it."""
    shown = {Verdict.YES: "yes", Verdict.NO: "403", Verdict.HIDDEN: "404"}
    head = f"{'action':<18}" + "".join(f"{role:<13}" for role in ROLES)
    lines = [
        f"{action:<18}" + "".join(f"{shown[row[role]]:<13}" for role in ROLES)
        for action, row in PERMISSIONS.items()
    ]
    return "\n".join(line.rstrip() for line in [head, *lines]) + "\n"


@pytest.mark.parametrize("action", list(PERMISSIONS))
def test_each_role_may_what_the_design_says(action):
    for role, word in zip(ROLES, DESIGN[action].split(), strict=True):
        actor, facts = somebody(role)
        assert verdict(actor, action, facts) is WORDS[word], role
        assert may(actor, action, facts) is (WORDS[word] is Verdict.YES), role


def test_the_design_names_every_action():
    assert set(DESIGN) == set(PERMISSIONS)


def test_the_printed_table_is_the_one_that_runs():
    new = PRINTED.with_suffix(".txt.new")
    if not PRINTED.exists() or PRINTED.read_text() != table():
        new.write_text(table())
        pytest.fail(f"The rights have changed; read {new.name} and move it over {PRINTED.name}.")
    new.unlink(missing_ok=True)


def test_every_403_has_its_sentence():
    with_403 = {action for action, row in PERMISSIONS.items() if Verdict.NO in row.values()}
    assert with_403 == set(rules.REFUSALS)
    assert all(sentence.endswith(".") for sentence in rules.REFUSALS.values())


@pytest.mark.parametrize("extra", ["is_org_admin", "is_operator"])
def test_another_role_never_takes_a_right_away(extra):
    for action, role in product(PERMISSIONS, ROLES):
        actor, facts = somebody(role)
        if may(actor, action, facts):
            assert may(replace(actor, **{extra: True}), action, facts), (action, role)


def test_an_operator_sees_no_tenants_content_and_may_manage_nodes():
    otto, facts = somebody(Role.OPERATOR)
    assert verdict(otto, "endpoint.see", facts) is Verdict.HIDDEN
    assert verdict(otto, "node.manage", Facts(tenant=None)) is Verdict.YES


def test_a_tenant_admin_is_nobody_elsewhere():
    tina = Actor(OWEN, "tina", tenants={DEFAULT: "tenant_admin"})
    assert verdict(tina, "endpoint.see", Facts(tenant=RESEARCH)) is Verdict.HIDDEN
    assert verdict(tina, "user.manage", Facts(tenant=RESEARCH)) is Verdict.HIDDEN


def test_everybody_sees_a_model_of_the_provider_and_nobody_but_olga_changes_it():
    provided = Facts(tenant=None, provided=True)
    for role in (Role.MEMBER, Role.STRANGER, Role.OPERATOR):
        actor, _ = somebody(role)
        assert verdict(actor, "model.see", provided) is Verdict.YES
        assert verdict(actor, "model.manage", provided) is Verdict.NO


@pytest.mark.parametrize(
    ("accesses", "at_home", "elsewhere"),
    [
        (("private",), None, None),
        (("tenant_viewer",), Role.VIEWER, None),
        (("tenant_editor",), Role.EDITOR, None),
        (("all_viewer",), Role.VIEWER, Role.VIEWER),
        (("private", "tenant_editor"), Role.EDITOR, None),
        (("all_viewer", "tenant_editor"), Role.EDITOR, Role.VIEWER),
    ],
)
def test_general_access_gives_the_best_of_thing_and_project(accesses, at_home, elsewhere):
    mila = Actor(OWEN, "mila", tenants={DEFAULT: "member"})
    oskar = Actor(OTHER, "oskar", tenants={RESEARCH: "member"})
    assert share_of(mila, DEFAULT, *accesses) is at_home
    assert share_of(oskar, DEFAULT, *accesses) is elsewhere


def test_the_audit_names_the_strongest_role():
    assert leading_role(*somebody(Role.OWNER)) == "owner"
    assert leading_role(*somebody(Role.STRANGER)) == "stranger"
    assert leading_role(*somebody(Role.OPERATOR)) == "operator"
    assert leading_role(rules.STUDIO, Facts(tenant=None)) == "platform"
    assert isinstance(OWEN, UUID)


# --- names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["hello", " hello ", "A-1 b_c", "x" * 63])
def test_a_plain_name_is_taken_without_outer_spaces(typed):
    assert rules.clean_name("name", typed) == typed.strip()


@pytest.mark.parametrize("typed", ["", "   ", "x" * 64, "häh", "a/b", "a\nb", "a\x00", "<b>", "naïve"])
def test_any_other_name_is_refused_at_its_field(typed):
    with pytest.raises(rules.invalid_field("", "").__class__) as refusal:
        rules.clean_name("endpoint_name", typed)
    assert set(refusal.value.fields) == {"endpoint_name"}


def test_free_text_has_a_length_and_no_control_characters():
    assert rules.clean_text("description", " two\nlines ", 20) == "two\nlines"
    for typed in ("x" * 21, "bell\x07", "nul\x00"):
        with pytest.raises(rules.invalid_field("", "").__class__):
            rules.clean_text("description", typed, 20)
