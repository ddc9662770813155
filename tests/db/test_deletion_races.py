"""Two people at once, on PostgreSQL: edits, restores, deletions of projects, and forms that are sent twice."""

import uuid

import pytest

from apikeys.models import ApiKey
from endpoints import services
from endpoints.models import Endpoint
from endpoints.specs import Edit, Spec
from studio.errors import Conflict
from studio.projects.models import Project
from tests.db.test_races import TIMES, now, together
from tests.support.cast import make_cast

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def cast(transactional_db, control_broker):
    return make_cast()


def refused(answers: list[object]) -> list[bool]:
    return sorted(isinstance(answer, Conflict) for answer in answers)


def create(cast, name="hello", token=None, project=None):
    spec = Spec(name=name, model="Help", arch="SN40L")
    where = project or cast.project
    return services.create_endpoint(actor=cast.owen, project=where, spec=spec, token=token, now=now())


def test_of_two_edits_of_one_state_one_is_told(cast):
    endpoint = cast.endpoint()
    for number in range(TIMES):
        endpoint.refresh_from_db()
        edits = [Edit(description=f"{who} {number}", spec_version=endpoint.spec_version) for who in "ab"]
        answers = together(
            *[
                lambda edit=edit: services.update_endpoint(
                    actor=cast.owen, endpoint=endpoint, edit=edit, now=now()
                )
                for edit in edits
            ]
        )
        assert refused(answers) == [False, True]
        assert any(isinstance(answer, services.Changed) for answer in answers)


def test_a_form_sent_three_times_at_once_creates_one(cast):
    for number in range(TIMES):
        token = uuid.uuid4()
        answers = together(*[lambda t=token, n=number: create(cast, f"e{n}", t)] * 3)
        assert {answer.pk for answer in answers} == {token}
    assert Endpoint.objects.count() == ApiKey.objects.count() == TIMES


def test_a_restore_and_a_new_one_never_share_a_name(cast):
    for number in range(TIMES):
        name = f"e{number}"
        gone = services.delete_endpoint(actor=cast.owen, endpoint=create(cast, name), now=now())
        answers = together(
            lambda e=gone: services.restore_endpoint(actor=cast.owen, endpoint=e, now=now()),
            lambda n=name: create(cast, n),
        )
        assert refused(answers) == [False, True]
        assert Endpoint.objects.filter(name=name).exclude(desired="deleted").count() == 1


def test_it_is_restored_by_one_of_two(cast):
    endpoint = cast.endpoint()
    for _ in range(TIMES):
        gone = services.delete_endpoint(actor=cast.owen, endpoint=endpoint, now=now())
        answers = together(
            *[lambda e=gone: services.restore_endpoint(actor=cast.owen, endpoint=e, now=now())] * 2
        )
        assert refused(answers) == [False, True]


def test_nothing_is_left_in_a_project_that_is_deleted_meanwhile(cast):
    for number in range(TIMES):
        project = cast.project_of("owen", name=f"p{number}")
        gone = create(cast, "gone", project=project)
        services.delete_endpoint(actor=cast.owen, endpoint=gone, now=now())
        create(cast, "there", project=project)
        together(
            lambda p=project: services.delete_project(actor=cast.owen, project=p, now=now()),
            lambda p=project: create(cast, "late", project=p),
            lambda e=gone: services.restore_endpoint(actor=cast.owen, endpoint=e, now=now()),
        )
        assert Project.objects.get(pk=project.pk).deleted_at
        assert not Endpoint.objects.filter(project=project).exclude(desired="deleted").exists()
