"""Kept statements: they give what their querysets give, and build their SQL once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.models import Model, QuerySet

from endpoints import selectors as endpoints
from endpoints.models import Endpoint
from scheduler.models import Instance
from studio.hub.models import Model as HubModel
from studio.hub.models import ModelVersion
from studio.projects import selectors as projects
from studio.sharing import services as sharing
from studio.sharing.rules import Wish
from studio.sharing.selectors import ASKED_BY
from studio.statements import MOST_KEPT, WORD, bring, bring_all, filled, places, statement
from studio.tenants.models import User
from studio.tenants.rules import Actor
from tests.support.cast import NOW, PEOPLE, Cast, make_model

Rows = QuerySet[Any, Any]


def plain(pk: UUID) -> Rows:
    found = Endpoint.objects.filter(pk=pk).select_related("project__tenant", "owner")
    return found.only("name", "project__name", "project__tenant__name", "owner__username")


@statement()
def with_everything(pk: UUID) -> Rows:
    return plain(pk).prefetch_related("api_keys")


@statement()
def of_endpoints(pks: list[UUID]) -> Rows:
    return (
        Instance.objects.filter(endpoint__in=pks)
        .order_by("endpoint_id", "ordinal")
        .values("pk", "endpoint_id")
    )


def test_rows_come_as_the_queryset_gives_them(cast: Cast) -> None:
    for found in (cast.endpoint(), cast.endpoint()):
        (row,) = with_everything(found.pk)
        same = plain(found.pk).get()
        assert row.get_deferred_fields() == same.get_deferred_fields()
        assert (row, row.project, row.owner.username) == (same, same.project, same.owner.username)
        assert list(row.api_keys.all()) == list(same.api_keys.all()) != []
    assert with_everything(uuid4()) == []


@pytest.mark.parametrize("many", [0, 1, 2, 3, 5])
def test_a_list_has_as_many_values_as_it_has(cast: Cast, many: int) -> None:
    made = [cast.endpoint(instances=2).pk for _ in range(5)][:many]
    rows = of_endpoints(made)
    assert [row["endpoint_id"] for row in rows] == [pk for pk in sorted(made) for _ in range(2)]


def test_sql_is_built_once_for_each_shape() -> None:
    built = []

    @statement()
    def people(ids: list[UUID], active: bool, tenant: UUID | None) -> Rows:
        built.append(len(ids))
        return User.objects.filter(pk__in=ids, is_active=active, default_tenant=tenant)

    for many in (1, 1, 2, 3, 4, 4):
        people([uuid4() for _ in range(many)], active=True, tenant=uuid4())
    assert built == [1, 1, 2, 2, 4, 4]  # each time twice, to see that it is the same
    people([uuid4()], False, uuid4())
    people([uuid4()], active=False, tenant=None)
    assert built[6:] == [1, 1, 1, 1]


@pytest.mark.parametrize("many", range(1, 40))
def test_places_are_filled_with_the_last_value(many: int) -> None:
    values = list(range(many))
    assert len(filled(values)) == places(many) < 2 * many
    assert set(filled(values)) == set(values)
    assert filled(values)[:many] == values


def test_values_of_each_type_find_their_places(cast: Cast) -> None:
    @statement()
    def named(name: str, since: datetime) -> Rows:
        return User.objects.filter(username=name, date_joined__gte=since)

    owen = cast.users["owen"]
    assert named("owen", owen.date_joined) == [owen]
    assert named("owen", owen.date_joined + timedelta(microseconds=1)) == []
    assert named("mila", owen.date_joined - timedelta(days=1)) == [cast.users["mila"]]
    assert named("o%", owen.date_joined) == []


def test_whole_numbers_are_values_and_words_are_not(cast: Cast) -> None:
    @statement(most=WORD)
    def wide(rdus: int, most: int | None) -> Rows:
        return Instance.objects.filter(rdus__gte=rdus, endpoint=endpoint.pk).order_by("-ordinal")[:most]

    endpoint = cast.endpoint(instances=3)
    rdus = endpoint.rdus
    assert [row.ordinal for row in wide(rdus, 2)] == [3, 2]
    assert [row.ordinal for row in wide(rdus, None)] == [3, 2, 1]
    assert wide(rdus + 1, 2) == []
    assert [row.ordinal for row in wide.queryset(rdus, None).filter(ordinal__lt=3)] == [2, 1]
    assert wide.order == ["-ordinal"]


def test_of_too_many_shapes_the_oldest_is_forgotten(cast: Cast) -> None:
    built = []

    @statement(most=WORD)
    def people(most: int) -> Rows:
        built.append(most)
        return User.objects.order_by("pk")[:most]

    for most in (*range(1, MOST_KEPT + 2), MOST_KEPT, 1):
        assert len(people(most)) == min(most, len(PEOPLE))
    assert built[-2:] == [1, 1]
    assert len(built) == 2 * (MOST_KEPT + 2)


@pytest.mark.parametrize("constant", ["50 %", "it's", "%s", "a\\b", '"', "owen"])
def test_what_is_no_value_stands_in_the_sql_as_it_is(cast: Cast, constant: str) -> None:
    @statement()
    def with_name(name: str) -> Rows:
        return User.objects.filter(username=name, first_name=constant, is_active=True)

    User.objects.filter(username="owen").update(first_name=constant)
    assert with_name("owen") == [cast.users["owen"]]
    assert with_name("mila") == []


def late(now: datetime) -> Rows:
    return User.objects.filter(date_joined__gt=now - timedelta(days=1))


def like(name: str) -> Rows:
    return User.objects.filter(username__contains=name)


def unused(name: str) -> Rows:
    return User.objects.all()


@pytest.mark.django_db
@pytest.mark.parametrize(("build", "value"), [(late, NOW), (like, "owen"), (unused, "owen")])
def test_a_value_that_does_not_come_as_it_is_is_refused(build: Callable[[Any], Rows], value: Any) -> None:
    with pytest.raises(TypeError, match="does not come into the SQL as it is"):
        statement()(build)(value)


@pytest.mark.django_db
def test_sql_that_is_not_the_same_twice_is_refused() -> None:
    calls = iter(range(9))

    @statement()
    def restless(name: str) -> Rows:
        return User.objects.filter(username=name, first_name=str(next(calls)))

    with pytest.raises(TypeError, match="depends on more than the shape"):
        restless("owen")


@pytest.mark.django_db
@pytest.mark.parametrize("value", [1.5, ("a",), object()])
def test_what_is_no_value_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="takes no"):
        statement()(unused)(value)


def test_another_thread_asks_by_its_own_connection(cast: Cast) -> None:
    with_everything(uuid4())

    def ask() -> list[Model]:
        try:
            return with_everything(uuid4())
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(ask).result() == []


# ----- by an actor ----------------------------------------------------------------------------------------


@statement(actor=ASKED_BY)
def listed(actor: Actor) -> Rows:
    return endpoints.in_tenant(actor)


@statement(actor=ASKED_BY)
def creatable(actor: Actor) -> Rows:
    return projects.creatable(actor)


def test_everybody_gets_their_own(cast: Cast) -> None:
    own = [cast.bare_endpoint(project=cast.project_of(name), owner=cast.users[name]) for name in PEOPLE]
    wishes = [
        Wish("user", "mila", "editor"),
        Wish("user", "oskar", "viewer"),
        Wish("tenant", "research", "viewer"),
    ]
    for thing, number in ((own[0], 1), (own[1], 2), (own[2], 3), (own[5].project, 2), (cast.project, 1)):
        sharing.share(actor=cast.olga, thing=thing, shared_with=wishes[:number])
    for name in PEOPLE:
        assert listed(getattr(cast, name)) == list(endpoints.in_tenant(getattr(cast, name))), name
        assert creatable(getattr(cast, name)) == list(projects.creatable(getattr(cast, name))), name
    assert len({len(listed(getattr(cast, name))) for name in PEOPLE}) > 2


def test_people_of_the_same_standing_share_a_statement(cast: Cast) -> None:
    assert ASKED_BY.shape(cast.owen) == ASKED_BY.shape(cast.mila) != ASKED_BY.shape(cast.tina)
    sharing.share(actor=cast.olga, thing=cast.project, shared_with=[Wish("user", "mila", "editor")])
    assert ASKED_BY.shape(cast.owen) != ASKED_BY.shape(cast.mila)


@pytest.mark.parametrize("name", PEOPLE)
def test_a_stand_in_has_the_shape_it_was_made_of(cast: Cast, name: str) -> None:
    sharing.share(actor=cast.olga, thing=cast.project, shared_with=[Wish("tenant", "research", "editor")])
    shape = ASKED_BY.shape(getattr(cast, name))
    stand_in = ASKED_BY.stand_in(shape)
    assert ASKED_BY.shape(stand_in) == shape
    assert len(ASKED_BY.values(stand_in, shape)) == len(ASKED_BY.values(getattr(cast, name), shape))


# ----- what rows share ------------------------------------------------------------------------------------


@statement()
def owners(pks: list[UUID]) -> Rows:
    return User.objects.filter(pk__in=pks).only("username")


def test_rows_that_share_something_share_one_object(cast: Cast) -> None:
    made = [cast.bare_endpoint(owner=cast.users[name]) for name in ("owen", "mila", "owen")]
    rows = list(Endpoint.objects.filter(pk__in=[each.pk for each in made]).order_by("created_at", "name"))
    bring(rows, "owner", owners)
    assert {row.pk: row.owner.username for row in rows} == {row.pk: row.owner.username for row in made}
    assert len({id(row.owner) for row in rows}) == 2


def test_what_is_related_to_nothing_stays_so(cast: Cast) -> None:
    waiting = Instance.objects.filter(endpoint=cast.endpoint().pk)
    rows = list(waiting)
    assert [row.node_id for row in rows] == [None]
    bring(rows, "node", lambda pks: pytest.fail("nothing to ask for") if pks else [])
    bring([], "node", owners)
    assert [row.node for row in rows] == [None]


@statement()
def versions_of(models: list[UUID]) -> Rows:
    return ModelVersion.objects.filter(model__in=models).order_by("-number")


def test_what_is_related_comes_as_django_prefetches_it(cast: Cast, django_assert_num_queries: Any) -> None:
    made = [
        cast.help,
        make_model(cast.help.app, "Two", versions=2),
        make_model(cast.help.app, "None", versions=0),
    ]
    wanted = {model.pk: list(model.versions.order_by("-number")) for model in made}
    rows = list(HubModel.objects.filter(pk__in=wanted))
    with django_assert_num_queries(1):
        bring_all(rows, "versions", versions_of)
    with django_assert_num_queries(0):
        assert {row.pk: list(row.versions.all()) for row in rows} == wanted
        assert all(version.model is row for row in rows for version in row.versions.all())
    with pytest.raises(TypeError, match="ask their model"):
        rows[0].versions.filter(number=1)
