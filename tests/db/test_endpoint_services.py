"""What people do with endpoints: who may, what is refused, what moves, and that it is written down."""

from datetime import UTC, datetime

import pytest

from apikeys.models import ApiKey
from endpoints import selectors, services
from endpoints.models import Endpoint
from endpoints.services import Edit, Spec
from scheduler.models import Instance
from studio.audit.models import Event
from studio.errors import Conflict, Forbidden, Invalid, NotFound
from studio.projects.models import Project
from tests.support.cast import NOW, view_of

VERBS = ["update", "stop", "restart", "delete"]


def do(verb: str, actor, endpoint, **edit):
    facts = {"edit": Edit(**(edit or {"description": "other words"}))} if verb == "update" else {}
    service = getattr(services, f"{verb}_endpoint")
    return service(actor=actor, endpoint=endpoint, now=NOW, **facts)


def update(cast, endpoint, **edit):
    return do("update", cast.owen, endpoint, **edit)


def states(endpoint) -> list[tuple[int, str, int]]:
    rows = Instance.objects.filter(endpoint=endpoint).order_by("config_version", "ordinal")
    return list(rows.values_list("ordinal", "state", "config_version"))


def shared(cast, access: str) -> Endpoint:
    endpoint = cast.endpoint()
    Project.objects.update(general_access=access)
    return Endpoint.objects.select_related("project").get(pk=endpoint.pk)


# --- create ---------------------------------------------------------------------------------------------------


def test_owen_gets_an_endpoint_with_its_first_key_and_waiting_instances(cast):
    hello = cast.endpoint(name="hello", instances=2, parameters={"model_parallel_rdus": "4"})
    assert (hello.rdus, hello.parameters["model_parallel_rdus"], hello.config_version) == (4, 4, 1)
    assert hello.model_version.number == 2, "the newest one"
    assert states(hello) == [(1, "awaiting", 1), (2, "awaiting", 1)]
    key = cast.first_key(hello)
    assert (key.description, key.owner) == ("First Key", cast.users["owen"])
    event = Event.objects.get(thing_id=hello.pk)
    assert (event.verb, event.actor_name, event.role, event.thing_name) == (
        "create",
        "owen",
        "owner",
        "hello",
    )
    assert view_of(hello).status == "Setting Up"


@pytest.mark.parametrize(
    ("field", "spec"),
    [
        ("endpoint_name", {"name": "  "}),
        ("endpoint_name", {"name": "x" * 64}),
        ("endpoint_name", {"name": "a/b"}),
        ("description", {"description": "x" * 501}),
        ("model_checkpoint", {"model": ""}),
        ("model_checkpoint", {"model": "Tiny-Base"}),
        ("model_version", {"model_version": 9}),
        ("model_version", {"model_version": "newest"}),
        ("ml_app", {"app": "Vision"}),
        ("rdu_arch", {"arch": "TPU"}),
        ("instances", {"instances": -1}),
        ("instances", {"instances": 10**9}),
        ("instances", {"instances": "many"}),
        ("hyperparams.speed", {"parameters": {"speed": 1}}),
        ("hyperparams.model_parallel_rdus", {"parameters": {"model_parallel_rdus": 0}}),
        ("hyperparams.model_parallel_rdus", {"parameters": {"model_parallel_rdus": 10**9}}),
        ("hyperparams.max_tokens_to_generate", {"parameters": {"max_tokens_to_generate": "a"}}),
    ],
)
def test_bad_input_is_refused_at_its_field_and_nothing_is_half_done(cast, field, spec):
    before = Event.objects.count()
    with pytest.raises(Invalid) as refusal:
        cast.endpoint(**spec)
    assert set(refusal.value.fields) == {field}
    assert refusal.value.sentence.endswith(".")
    assert (Endpoint.objects.count(), ApiKey.objects.count(), Instance.objects.count()) == (0, 0, 0)
    assert Event.objects.count() == before


def test_an_unknown_model_is_not_found(cast):
    with pytest.raises(NotFound) as refusal:
        cast.endpoint(model="Sesame")
    assert set(refusal.value.fields) == {"model_checkpoint"}


def test_a_name_is_taken_once_in_a_project_whatever_its_case(cast):
    hello = cast.endpoint(name="hello")
    with pytest.raises(Conflict) as refusal:
        cast.endpoint(name="HELLO")
    assert set(refusal.value.fields) == {"endpoint_name"}
    cast.endpoint(name="hello", project=cast.project_of("owen"))
    do("delete", cast.owen, hello)
    assert cast.endpoint(name="Hello").name == "Hello"


def test_without_a_generation_the_first_with_room_is_taken(cast):
    cast.node("sn30-1", generation_id="SN30")
    assert cast.endpoint(arch="").generation_id == "SN30"
    cast.node("sn40l-1")
    assert cast.endpoint(arch="").generation_id == "SN40L"


def test_no_instances_means_stopped_and_more_start_it(cast):
    hello = cast.endpoint(instances=0)
    assert (hello.desired, hello.instances, states(hello)) == ("stopped", 1, [])
    update(cast, hello, instances=2)
    assert states(hello) == [(1, "awaiting", 1), (2, "awaiting", 1)]
    stopped = update(cast, hello, instances=0)
    assert (stopped.desired, stopped.instances, view_of(hello).status) == ("stopped", 2, "Stopped")


def test_a_width_can_be_asked_for(cast):
    assert cast.endpoint(arch="sn40l-16").min_width == 16


# --- who may --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_oskar_of_another_tenant_finds_nothing(cast, verb):
    endpoint = cast.endpoint()
    with pytest.raises(NotFound):
        do(verb, cast.oskar, endpoint)
    with pytest.raises(NotFound):
        cast.endpoint(by="oskar")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", ["mila", "otto"])
def test_a_member_without_a_grant_and_an_operator_find_nothing(cast, verb, name):
    with pytest.raises(NotFound):
        do(verb, getattr(cast, name), cast.endpoint())


@pytest.mark.parametrize("verb", VERBS)
def test_a_viewer_is_told_why_not(cast, verb):
    with pytest.raises(Forbidden) as refusal:
        do(verb, cast.mila, shared(cast, "tenant_viewer"))
    assert refusal.value.sentence.endswith(".")


def test_an_editor_runs_it_but_does_not_delete_it(cast):
    endpoint = shared(cast, "tenant_editor")
    for verb in ("update", "stop", "restart"):
        do(verb, cast.mila, endpoint)
    with pytest.raises(Forbidden):
        do("delete", cast.mila, endpoint)


@pytest.mark.parametrize("name", ["olga", "tina", "owen"])
def test_admins_and_the_owner_do_it_all(cast, name):
    endpoint = cast.endpoint()
    for verb in VERBS:
        do(verb, getattr(cast, name), endpoint)
    roles = {"olga": "OrgAdmin", "tina": "TenantAdmin", "owen": "owner"}
    assert set(Event.objects.exclude(verb="create").values_list("role", flat=True)) == {roles[name]}


def test_who_sees_which_endpoints(cast):
    private = cast.endpoint()
    open_to_all = cast.bare_endpoint(general_access="all_viewer")
    tenants = cast.bare_endpoint(general_access="tenant_viewer")
    seen = {
        name: set(selectors.visible(getattr(cast, name)))
        for name in ("olga", "tina", "owen", "mila", "oskar", "otto")
    }
    assert seen["olga"] == seen["tina"] == seen["owen"] == {private, open_to_all, tenants}
    assert seen["mila"] == seen["otto"] == {open_to_all, tenants}
    assert seen["oskar"] == {open_to_all}


# --- edit -----------------------------------------------------------------------------------------------------


def test_words_touch_nothing_that_runs(cast):
    hello = cast.endpoint(instances=2)
    before = states(hello)
    edited = update(cast, hello, description="answers questions")
    assert (edited.description, edited.config_version, edited.spec_version) == ("answers questions", 1, 2)
    assert states(hello) == before
    event = Event.objects.get(verb="edit")
    assert event.changes == {"description": ["", "answers questions"]}


def test_more_and_fewer_touch_only_the_difference(cast):
    hello = cast.endpoint(instances=2)
    update(cast, hello, instances=3)
    assert states(hello) == [(1, "awaiting", 1), (2, "awaiting", 1), (3, "awaiting", 1)]
    update(cast, hello, instances=1)
    assert states(hello) == [(1, "awaiting", 1), (2, "stopped", 1), (3, "stopped", 1)]


@pytest.mark.parametrize(
    "edit", [{"model_version": 1}, {"arch": "SN30"}, {"parameters": {"model_parallel_rdus": 2}}]
)
def test_model_generation_and_parameters_roll(cast, edit):
    hello = cast.endpoint()
    edited = update(cast, hello, **edit)
    assert edited.config_version == 2
    assert states(hello) == [(1, "stopped", 1), (1, "awaiting", 2)]
    row = Instance.objects.get(state="awaiting")
    assert (row.model_version, row.generation, row.rdus) == (
        edited.model_version, edited.generation, edited.rdus,
    )  # fmt: skip


def test_an_edit_of_nothing_is_no_edit(cast):
    hello = cast.endpoint()
    same = update(cast, hello, description="", instances=1, model_version=2, arch="sn40l")
    assert same.spec_version == 1
    assert not Event.objects.filter(verb="edit").exists()


def test_the_same_model_said_by_name_keeps_version_and_parameters(cast):
    hello = cast.endpoint(model_version=1, parameters={"model_parallel_rdus": 4})
    same = update(cast, hello, model="Help", instances=2)
    assert (same.config_version, same.model_version.number, same.rdus) == (1, 1, 4)


def test_who_edits_what_somebody_changed_meanwhile_is_told(cast):
    hello = cast.endpoint()
    update(cast, hello, description="mine")
    with pytest.raises(Conflict, match="meanwhile"):
        update(cast, hello, description="theirs", spec_version=1)
    assert update(cast, hello, description="then theirs", spec_version=2).spec_version == 3


def test_another_model_must_be_of_the_same_ml_app(cast):
    from studio.hub.models import DeployOption, MLApp
    from tests.support.cast import make_model

    other = make_model(MLApp.objects.create(name="Embedding"), "Words", versions=1)
    DeployOption.objects.create(model=other, generation_id="SN40L")
    with pytest.raises(Invalid) as refusal:
        update(cast, cast.endpoint(), model="Words")
    assert set(refusal.value.fields) == {"model_checkpoint"}


@pytest.mark.parametrize("edit", [{"instances": -1}, {"model_version": 9}, {"parameters": {"speed": 1}}])
def test_a_bad_edit_changes_nothing(cast, edit):
    hello = cast.endpoint()
    with pytest.raises(Invalid):
        update(cast, hello, description="words", **edit)
    hello.refresh_from_db()
    assert (hello.description, hello.spec_version) == ("", 1)


# --- stop, restart, delete --------------------------------------------------------------------------------------


def test_stop_ends_everything_and_keeps_the_wish(cast):
    hello = cast.endpoint(instances=2)
    stopped = do("stop", cast.owen, hello)
    assert (stopped.desired, stopped.instances) == ("stopped", 2)
    assert {state for _, state, _ in states(hello)} == {"stopped"}
    assert view_of(hello).status == "Stopped"
    assert do("stop", cast.owen, hello).spec_version == stopped.spec_version, "twice is fine"
    assert Event.objects.filter(verb="stop").count() == 1


def test_restart_starts_anew_what_was_stopped(cast):
    hello = cast.endpoint()
    do("stop", cast.owen, hello)
    do("restart", cast.owen, hello)
    assert states(hello) == [(1, "stopped", 1), (1, "awaiting", 2)]


def test_restart_replaces_what_failed(cast):
    hello = cast.endpoint()
    Instance.objects.update(state="failed", reason={"code": "crash", "sentence": "It crashed."})
    assert (view_of(hello).status, view_of(hello).reason) == ("Failed", "It crashed.")
    do("restart", cast.owen, hello)
    assert states(hello) == [(1, "stopped", 1), (1, "awaiting", 2)]


def test_what_is_deleted_is_gone_for_people_and_stays_as_a_row(cast):
    hello = cast.endpoint()
    do("delete", cast.owen, hello)
    assert not selectors.visible(cast.owen).exists()
    with pytest.raises(NotFound):
        selectors.named(cast.owen, str(hello.pk))
    assert Endpoint.objects.get().deleted_at == NOW
    for verb in VERBS:
        with pytest.raises(Conflict):
            do(verb, cast.owen, hello)


def test_a_deleted_endpoint_is_seen_while_something_of_it_runs_except_on_lost_nodes(cast):
    hello = cast.endpoint()
    node = cast.node()
    Instance.objects.update(state="ready", node=node)
    do("delete", cast.owen, hello)
    assert [view.status for view in selectors.views(selectors.visible(cast.owen))] == ["Deleting"]
    type(node).objects.update(state="lost")
    assert not selectors.visible(cast.owen).exists()


# --- written down -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_a_change_and_its_audit_row_stand_or_fall_together(cast, verb, monkeypatch):
    endpoint = cast.endpoint()
    before = (states(endpoint), Event.objects.count())

    def broken(*args, **kwargs):
        raise RuntimeError("the audit cannot be written")

    monkeypatch.setattr(services, "record", broken)
    with pytest.raises(RuntimeError):
        do(verb, cast.owen, endpoint)
    endpoint.refresh_from_db()
    assert (endpoint.desired, endpoint.spec_version, endpoint.description) == ("running", 1, "")
    assert (states(endpoint), Event.objects.count()) == before


@pytest.mark.parametrize("verb", VERBS)
def test_each_change_is_one_audit_row_with_who_and_from_where(cast, verb):
    from dataclasses import replace

    endpoint = cast.endpoint()
    actor = replace(cast.owen, address="10.1.2.3", request_id="r-1")
    do(verb, actor, endpoint)
    event = Event.objects.exclude(verb="create").get()
    assert (event.actor_id, event.address, event.request_id) == (actor.id, "10.1.2.3", "r-1")
    assert event.tenant_id == cast.tenants["default"].pk


def test_concurrent_creation_of_one_name_is_a_conflict_not_a_crash(cast, monkeypatch):
    """The check saw a free name, the database knew better."""
    cast.endpoint(name="hello")
    spec = Spec(name="hello", model="Help", arch="SN40L")
    monkeypatch.setattr(services, "_check_name_free", lambda *facts: None)
    with pytest.raises(Exception, match=r"(?i)unique"):
        services.create_endpoint(actor=cast.owen, project=cast.project, spec=spec, now=datetime.now(UTC))
