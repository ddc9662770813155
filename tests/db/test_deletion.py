"""Deleting is undone for a day; projects go with their endpoints; a form that is sent twice creates one."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from apikeys import services as keys
from apikeys.models import ApiKey
from endpoints import routing, selectors, services
from endpoints.models import Endpoint
from scheduler.models import Instance
from studio.audit.models import Event
from studio.errors import Conflict, Forbidden, NotFound
from studio.projects import services as projects
from studio.projects.models import Project
from tests.db.test_routing import standing
from tests.support.cast import NOW, view_of

DAY = timedelta(hours=24)
LATE = NOW + DAY
FORGOTTEN = LATE + timedelta(hours=1)


@pytest.fixture
def gone(cast) -> Endpoint:
    hello = cast.endpoint(name="hello", instances=2, parameters={"model_parallel_rdus": 2})
    return services.delete_endpoint(actor=cast.owen, endpoint=hello, now=NOW)


def restore(cast, endpoint, *, by="owen", now=NOW, name="") -> Endpoint:
    return services.restore_endpoint(actor=getattr(cast, by), endpoint=endpoint, name=name, now=now)


# --- restore ----------------------------------------------------------------------------------------------------


def test_it_comes_back_stopped_with_its_keys_and_settings(cast, gone):
    back = restore(cast, gone, now=NOW + DAY - timedelta(seconds=1))
    assert (back.name, back.desired, back.deleted_at) == ("hello", "stopped", None)
    assert (back.instances, back.rdus, back.general_access) == (2, 2, "private")
    assert back.spec_version == gone.spec_version + 1
    assert view_of(back).status == "Stopped"
    key, facts = cast.first_key(back), selectors.facts(cast.owen, back)
    assert keys.show_key(actor=cast.owen, key=key, facts=facts, now=NOW).reveal().startswith(key.prefix)
    event = Event.objects.get(verb="restore")
    assert (event.actor_name, event.thing_id) == ("owen", back.pk)
    assert event.changes == {"desired": ["deleted", "stopped"]}
    services.restart_endpoint(actor=cast.owen, endpoint=back, now=NOW)
    assert Instance.objects.filter(endpoint=back, state="awaiting").count() == 2


def test_what_still_runs_ends_first(cast):
    hello = cast.endpoint()
    Instance.objects.update(state="ready", node=cast.node())
    gone = services.delete_endpoint(actor=cast.owen, endpoint=hello, now=NOW)
    assert view_of(restore(cast, gone)).status == "Stopping"


def test_its_day_is_over(cast, gone):
    with pytest.raises(Conflict, match="more than 24 hours ago"):
        restore(cast, gone, now=LATE)


def test_a_taken_name_is_refused_with_the_remedy(cast, gone):
    cast.endpoint(name="HELLO")
    with pytest.raises(Conflict) as refusal:
        restore(cast, gone)
    assert refusal.value.fields == {"endpoint_name": "This name is taken."}
    assert refusal.value.sentence.endswith("; restore it under another name.")
    assert restore(cast, gone, name="hello 2").name == "hello 2"
    assert Event.objects.get(verb="restore").changes["name"] == ["hello", "hello 2"]


def test_it_is_restored_once(cast, gone):
    restore(cast, gone)
    with pytest.raises(Conflict, match="is not deleted"):
        restore(cast, gone)


def test_who_restores(cast, gone):
    for name in ("oskar", "mila", "otto"):
        with pytest.raises(NotFound):
            restore(cast, gone, by=name)
    Project.objects.update(general_access="tenant_editor")
    gone.project.refresh_from_db()
    with pytest.raises(Forbidden):
        restore(cast, gone, by="mila")
    assert Endpoint.objects.get().desired == "deleted"
    assert restore(cast, gone, by="tina").desired == "stopped"


def test_who_sees_what_was_deleted(cast, gone):
    for name, seen in (("owen", True), ("tina", True), ("olga", True), ("mila", False), ("oskar", False)):
        actor = getattr(cast, name)
        assert selectors.recently_deleted(actor, NOW, cast.project).exists() == seen
        assert selectors.recently_deleted(actor, NOW).exists() == seen
    assert not selectors.recently_deleted(cast.owen, LATE, cast.project).exists()


def test_two_of_one_name_are_told_apart_by_their_ids(cast, gone):
    again = cast.endpoint(name="hello")
    services.delete_endpoint(actor=cast.owen, endpoint=again, now=NOW)
    with pytest.raises(NotFound, match="There are several of deleted endpoint 'hello'"):
        selectors.deleted_named(cast.owen, "hello", NOW)
    assert selectors.deleted_named(cast.owen, str(gone.pk), NOW) == gone


def test_gateways_refuse_it_while_deleted_and_know_it_again_after(cast, control_broker):
    hello = cast.endpoint(name="hello")
    digest = bytes(cast.first_key(hello).digest)
    routing.publish([hello.pk])
    gone = services.delete_endpoint(actor=cast.owen, endpoint=hello, now=NOW)
    routing.publish([hello.pk])
    tombstone = standing(control_broker, hello)
    assert (tombstone.deleted, tombstone.keys) == (True, [])
    restore(cast, gone)
    routing.publish([hello.pk])
    route = standing(control_broker, hello)
    assert (route.deleted, route.status, [key.digest for key in route.keys]) == (False, "Stopped", [digest])
    assert route.version > tombstone.version


# --- the sweep --------------------------------------------------------------------------------------------------


def values_left() -> int:
    return ApiKey.objects.filter(sealed__isnull=False).count()


def test_after_a_day_the_values_of_its_keys_go(cast, gone):
    cast.endpoint(name="other")
    assert services.forget_deleted(now=FORGOTTEN) == 0
    assert values_left() == 2
    assert services.forget_deleted(now=FORGOTTEN + timedelta(seconds=1)) == 1
    assert values_left() == 1
    assert services.forget_deleted(now=FORGOTTEN + timedelta(seconds=1)) == 0, "once is enough"


def test_the_sweep_spares_what_was_restored(cast, gone):
    restore(cast, gone)
    services.forget_deleted(now=LATE + DAY)
    services._forget(gone.pk, LATE + DAY)
    assert values_left() == 1


# --- projects ---------------------------------------------------------------------------------------------------


def test_a_project_takes_its_endpoints_along(cast):
    hello, words = cast.endpoint(name="hello"), cast.endpoint(name="words")
    services.delete_endpoint(actor=cast.owen, endpoint=words, now=NOW)
    gone = services.delete_project(actor=cast.owen, project=cast.project, now=NOW)
    assert [each.pk for each in gone] == [hello.pk]
    assert not Instance.objects.exclude(state="stopped").exists()
    event = Event.objects.get(verb="delete", thing_type="project")
    assert (event.thing_name, event.changes) == (
        "demo",
        {"deleted": [False, True], "endpoints": [["hello"], []]},
    )
    for endpoint in (hello, words):
        with pytest.raises(Conflict, match="Project demo is deleted"):
            restore(cast, Endpoint.objects.select_related("project").get(pk=endpoint.pk))
    assert not selectors.recently_deleted(cast.owen, NOW, cast.project).exists()
    with pytest.raises(NotFound):
        selectors.deleted_named(cast.owen, str(hello.pk), NOW)


def test_its_name_is_free_and_nothing_comes_into_it_any_more(cast):
    services.delete_project(actor=cast.owen, project=cast.project, now=NOW)
    with pytest.raises(Conflict, match="Project demo is deleted"):
        cast.endpoint(name="late")
    with pytest.raises(Conflict, match="Project demo is deleted"):
        services.delete_project(actor=cast.owen, project=cast.project, now=NOW)
    with pytest.raises(Conflict, match="Project demo is deleted"):
        projects.edit_project(actor=cast.owen, project=cast.project, name="x", now=NOW)
    projects.create_project(actor=cast.owen, tenant=cast.tenants["default"], name="demo", now=NOW)


def test_who_deletes_a_project(cast):
    hello = cast.endpoint()
    for name in ("oskar", "mila", "otto"):
        with pytest.raises(NotFound):
            services.delete_project(actor=getattr(cast, name), project=cast.project, now=NOW)
    cast.project.general_access = "tenant_editor"
    with pytest.raises(Forbidden):
        services.delete_project(actor=cast.mila, project=cast.project, now=NOW)
    hello.refresh_from_db()
    assert (hello.desired, Project.objects.get().deleted_at) == ("running", None)


def test_a_project_is_deleted_whole_or_not_at_all(cast, monkeypatch):
    cast.endpoint()

    def broken(**facts):
        raise RuntimeError("not now")

    monkeypatch.setattr(services, "close_project", broken)
    with pytest.raises(RuntimeError):
        services.delete_project(actor=cast.owen, project=cast.project, now=NOW)
    assert Endpoint.objects.get().desired == "running"


def test_an_edit_of_a_project_that_was_changed_since_is_refused(cast):
    seen = cast.project.updated_at.astimezone(UTC).isoformat(timespec="microseconds")
    edited = projects.edit_project(actor=cast.tina, project=cast.project, description="theirs", now=NOW)
    assert (edited.name, edited.description) == ("demo", "theirs")
    with pytest.raises(projects.Changed):
        projects.edit_project(actor=cast.owen, project=cast.project, name="mine", seen=seen, now=NOW)


# --- sent twice -------------------------------------------------------------------------------------------------


def create(cast, token, name="hello", by="owen"):
    return services.create_endpoint(
        actor=getattr(cast, by),
        project=cast.project,
        spec=services.Spec(name=name, model="Help", arch="SN40L"),
        token=token,
        now=datetime.now(UTC),
    )


def test_one_form_creates_one_endpoint(cast):
    token = uuid.uuid4()
    first = create(cast, token)
    assert first.pk == token
    assert create(cast, token) == first
    assert (Endpoint.objects.count(), ApiKey.objects.count()) == (1, 1)


def test_the_form_of_another_wish_creates_another(cast):
    """The Back button brings the old form; what is typed into it is new."""
    token = uuid.uuid4()
    assert create(cast, token) != create(cast, token, name="words")


def test_somebody_elses_id_is_no_way_to_their_endpoint(cast):
    hello = create(cast, uuid.uuid4())
    theirs = services.create_endpoint(
        actor=cast.tina,
        project=cast.project_of("tina"),
        spec=services.Spec(name="hello", model="Help", arch="SN40L"),
        token=hello.pk,
        now=NOW,
    )
    assert theirs.pk != hello.pk


def test_what_was_deleted_is_not_answered(cast):
    token = uuid.uuid4()
    services.delete_endpoint(actor=cast.owen, endpoint=create(cast, token), now=NOW)
    assert create(cast, token).pk != token
