"""What the database refuses, whatever the code does: each constraint has a row that violates it."""

from datetime import UTC, datetime
from functools import partial

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError, transaction
from django.db.models import CheckConstraint, UniqueConstraint

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from endpoints.usage.models import TABLES as USAGE
from endpoints.usage.models import Usage
from scheduler.models import Allocation, Control, Instance, Node, Quota, Rdu
from studio.accounts.models import Session, Tries
from studio.audit.models import Event, Ledger
from studio.hub.models import DeployOption, Generation, MLApp, Model, ModelVersion, Runtime, RuntimeVersion
from studio.projects.models import Project
from studio.repeats.models import Answered
from studio.sharing.selectors import TABLES, Shareable
from studio.tenants.models import Membership, Organization, Tenant, User

NOW = datetime(2024, 1, 2, tzinfo=UTC)
OURS = ("studio", "endpoints", "apikeys", "scheduler")  # whatever an app is called: its package


class World:
    """One good row of everything; each entry of VIOLATIONS breaks one rule of it."""

    def __init__(self, cast) -> None:
        self.cast = cast
        self.owen = cast.users["owen"]
        self.tenant = cast.tenants["default"]
        self.endpoint = cast.bare_endpoint(name="hello")
        self.node = cast.node("sn40l-1", 2)
        self.rdu = self.node.rdus.first()
        self.instance = cast.instance(self.endpoint, state="ready", node=self.node, port=9001)
        self.key = self.add_key(b"1", is_first=True, description="First Key")
        self.other_key = self.add_key(b"2")

    def add_key(self, digest: bytes, **facts) -> ApiKey:
        return ApiKey.objects.create(
            endpoint=self.endpoint, owner=self.owen, digest=digest, prefix="12345678", **facts
        )

    def add_event(self, **facts) -> Event:
        told = {
            "actor_name": "owen",
            "role": "owner",
            "verb": "edit",
            "thing_type": "tenant",
            "thing_name": "x",
        }
        ids = {"thing_id": self.tenant.pk, "tenant_id": self.tenant.pk}
        return Event.objects.create(**told | ids | facts)

    def change(self, row, **facts) -> None:
        type(row).objects.filter(pk=row.pk).update(**facts)

    def own_model(self, name: str) -> Model:
        return Model.objects.create(
            app=self.cast.help.app, name=name, publisher="owen", owner=self.owen, tenant=self.tenant
        )

    def limit(self, guaranteed: int = 0) -> Quota:
        return Quota.objects.create(
            tenant=self.tenant, generation_id="SN40L", guaranteed=guaranteed, maximum=8
        )

    def hold(self) -> Allocation:
        return Allocation.objects.create(rdu=self.rdu, instance=self.instance)

    def give(self, kind: type[Shareable], to: str) -> None:
        """As Editor to whom it is given as Viewer already, who would have two roles then."""
        thing = {Project: self.cast.project, Endpoint: self.endpoint, Model: self.cast.help}[kind]
        group, _ = Group.objects.get_or_create(name="a tenant")
        table = TABLES[kind][to == "group"]
        for role in ("viewer", "editor"):
            permission = Permission.objects.get(codename=role, content_type__model=kind.__name__.lower())
            who = {"group": group} if to == "group" else {"user": self.owen}
            table.objects.create(content_object=thing, permission=permission, **who)

    def use(self, table: type[Usage], **counts: int) -> None:
        table.objects.create(endpoint=self.endpoint, key=self.key, start=NOW, **counts)

    def answer(self) -> None:
        Answered.objects.create(user=self.owen, key="k", fingerprint=b"f", created_at=NOW)

    def sign_in(self, **facts) -> None:
        times = {"signed_in_at": NOW, "last_seen_at": NOW, "expire_date": NOW}
        Session.objects.create(**{"digest": "d", "user": self.owen} | times | facts)

    def tries(self, **facts) -> None:
        Tries.objects.create(**{"digest": b"d", "last_at": NOW, "blocked_until": NOW} | facts)

    def replace_it(self) -> Instance:
        return self.cast.instance(self.endpoint, ordinal=2, replaces=self.instance)


def twice(act):
    def both(world: World) -> None:
        act(world)
        act(world)

    return both


VIOLATIONS = {
    "tenant_name_once": lambda w: Tenant.objects.create(
        organization=Organization.objects.get(), name="DEFAULT"
    ),
    "username_once": lambda w: User.objects.create(username="OWEN"),
    "membership_once": lambda w: Membership.objects.create(user=w.owen, tenant=w.tenant),
    "membership_role_known": lambda w: Membership.objects.filter(user=w.owen).update(role="king"),
    "project_name_once_in_tenant": lambda w: Project.objects.create(
        tenant=w.tenant, owner=w.owen, name="DEMO"
    ),
    "project_access_known": lambda w: w.change(w.cast.project, general_access="everybody"),
    "model_name_once_of_provider": lambda w: Model.objects.create(
        app=w.cast.help.app, name="HELP", publisher="x"
    ),
    "model_name_once_in_tenant": lambda w: (w.own_model("mine"), w.own_model("MINE")),
    "model_owner_has_tenant": lambda w: w.change(w.cast.help, owner=w.owen),
    "model_access_known": lambda w: w.change(w.cast.help, general_access="everybody"),
    "version_number_once": lambda w: ModelVersion.objects.create(model=w.cast.help, number=1),
    "version_number_from_one": lambda w: ModelVersion.objects.create(model=w.cast.help, number=0),
    "deploy_option_once": lambda w: DeployOption.objects.create(model=w.cast.help, generation_id="SN40L"),
    "deploy_option_needs_rdus": lambda w: DeployOption.objects.update(rdus=0),
    "runtime_checks_a_token": lambda w: Runtime.objects.update(token_env="", token_file_env=""),
    "runtime_task_known": lambda w: Runtime.objects.update(task="singing"),
    "runtime_version_once": lambda w: RuntimeVersion.objects.create(runtime=Runtime.objects.get(), number=1),
    "endpoint_name_once_in_project": lambda w: w.cast.bare_endpoint(name="HELLO"),
    "endpoint_desired_known": lambda w: w.change(w.endpoint, desired="dreaming"),
    "endpoint_instances_1_1000": lambda w: w.change(w.endpoint, instances=1001),
    "endpoint_needs_rdus": lambda w: w.change(w.endpoint, rdus=0),
    "endpoint_access_known": lambda w: w.change(w.endpoint, general_access="everybody"),
    "endpoint_deleted_has_date": lambda w: w.change(w.endpoint, desired="deleted"),
    "first_key_once": lambda w: w.add_key(b"3", is_first=True, description="First Key"),
    "first_key_never_revoked": lambda w: w.change(w.key, revoked_at=NOW),
    "first_key_never_expires": lambda w: w.change(w.key, expires_at=NOW),
    "first_key_keeps_its_description": lambda w: w.change(w.key, description="mine"),
    "revoked_key_has_no_value": lambda w: w.change(w.other_key, revoked_at=NOW, sealed=b"value"),
    "old_value_of_first_key_ends": lambda w: w.change(w.key, old_digest=b"3"),
    "key_limits_positive": lambda w: w.change(w.other_key, tokens_per_day=0),
    "node_free_within_width": lambda w: w.change(w.node, free=3),
    "node_state_known": lambda w: w.change(w.node, state="asleep"),
    "node_intent_known": lambda w: w.change(w.node, intent="lost"),
    "node_has_rdus": lambda w: w.change(w.node, width=0, free=0),
    "rdu_index_once": lambda w: Rdu.objects.create(node=w.node, index=0),
    "quota_once": twice(World.limit),
    "quota_guaranteed_within_maximum": lambda w: w.limit(guaranteed=9),
    "instance_state_known": lambda w: w.change(w.instance, state="dreaming"),
    "instance_at_work_has_node": lambda w: w.change(w.instance, node=None),
    "instance_idle_has_no_port": lambda w: w.change(w.instance, state="stopped"),
    "instance_needs_rdus": lambda w: w.change(w.instance, rdus=0),
    "instance_replaced_once": twice(World.replace_it),
    "rdu_held_once": twice(World.hold),
    "event_sealed_has_place": lambda w: w.add_event(position=1, seal=None),
    "event_place_once": twice(lambda w: w.add_event(position=1, seal=b"s")),
    "event_place_once_of_platform": twice(lambda w: w.add_event(position=1, seal=b"s", tenant_id=None)),
    "event_mark_once": twice(lambda w: w.add_event(mark=b"m")),
    "ledger_is_one_row": lambda w: Ledger.objects.create(pk=2),
    **{
        f"{kind.__name__.lower()}_{to}_grant_once": partial(World.give, kind=kind, to=to)
        for kind in (Project, Endpoint, Model)
        for to in ("user", "group")
    },
    **{f"{each.__name__.lower()}_once": twice(partial(World.use, table=each)) for each in USAGE.values()},
    **{
        f"{each.__name__.lower()}_errors_are_requests": partial(
            World.use, table=each, requests=1, errors_gone=1, errors_client=1
        )
        for each in USAGE.values()
    },
    "idempotency_key_once": twice(World.answer),
    "control_is_one_row": lambda w: Control.objects.create(pk=2),
}
MORE = {
    "endpoint_instances_1_1000 below": lambda w: w.change(w.endpoint, instances=0),
    "old_value_of_first_key_ends of another key": lambda w: w.change(
        w.other_key, old_digest=b"3", old_until=NOW
    ),
    "key_limits_positive above": lambda w: w.change(w.key, parallel=10**12 + 1),
    "key_limits_positive for each": lambda w: w.change(w.key, tokens_per_day=1, requests_per_minute=-1),
    "node_free_within_width below": lambda w: w.change(w.node, free=-1),
    "a digest stands once": lambda w: w.add_key(b"1"),
    "a session's digest stands once": twice(World.sign_in),
    "a counter of tries stands once": twice(World.tries),
    "no less than no try failed": lambda w: w.tries(failures=-1),
    "a node's name stands once": lambda w: w.cast.node("sn40l-1"),
    "a model in use stays": lambda w: w.cast.help.delete(),
    "a generation in use stays": lambda w: Generation.objects.get(pk="SN40L").delete(),
    "an app in use stays": lambda w: MLApp.objects.get().delete(),
    "a project with endpoints stays": lambda w: w.cast.project.delete(),
    "a node with instances stays": lambda w: w.node.delete(),
}


@pytest.mark.parametrize("name", [*VIOLATIONS, *MORE])
def test_the_database_refuses(name, cast):
    world = World(cast)
    with pytest.raises(IntegrityError), transaction.atomic():
        (VIOLATIONS | MORE)[name](world)


def test_every_constraint_of_every_model_is_tried():
    declared = {
        constraint.name
        for app in apps.get_app_configs()
        if app.name.partition(".")[0] in OURS
        for model in app.get_models()
        for constraint in model._meta.constraints
        if isinstance(constraint, CheckConstraint | UniqueConstraint)
    }
    assert declared == set(VIOLATIONS)


def test_what_is_gone_frees_its_name_and_its_place(cast):
    world = World(cast)
    world.change(world.endpoint, desired="deleted", deleted_at=NOW)
    cast.bare_endpoint(name="hello")
    held = world.hold()
    world.change(held, released_at=NOW)
    world.hold()
    replacement = world.replace_it()
    world.change(replacement, state="stopped")
    world.replace_it()
    Project.objects.filter(pk=cast.project.pk).update(deleted_at=NOW)
    Project.objects.create(tenant=world.tenant, owner=world.owen, name="demo")
    assert Endpoint.objects.count() == 2
    assert Node.objects.count() == 1
