"""A small platform in rows: people, machines, models, endpoints in every state. No process stands behind it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from uuid import UUID

from endpoints import selectors
from endpoints.models import Endpoint
from endpoints.services import Spec, create_endpoint, delete_endpoint, stop_endpoint
from scheduler.models import Instance, Node
from scheduler.placing import place_pending
from scheduler.services import add_node
from studio.hub.models import DeployOption, Generation, MLApp, Model, ModelVersion, Runtime, RuntimeVersion
from studio.projects.models import Project
from studio.projects.services import create_project
from studio.tenants.models import Membership, Tenant, User
from studio.tenants.rules import STUDIO, Actor
from studio.tenants.selectors import actor_of
from studio.tenants.services import create_tenant, create_user, set_powers
from tests.support import rows

PASSWORD = "correct-horse-battery"
NOW = datetime(2026, 11, 7, 9, 30, tzinfo=UTC)
PARALLEL = {
    "name": "model_parallel_rdus",
    "label": "model parallel rdus",
    "description": "RDUs run in parallel per instance",
    "type": "int",
    "default": 1,
    "min": 1,
    "max": 16,
    "user_modifiable": True,
}


class World:
    """The cast: olga OrgAdmin, tina TenantAdmin, owen owner, mila same tenant, oskar other tenant, otto operator."""

    def __init__(self) -> None:
        rows.put("world", self._make)
        self.tenants = {tenant.name: tenant for tenant in Tenant.objects.select_related("organization")}

    def user(self, name: str) -> User:
        return User.objects.get(username=name)

    def actor(self, name: str) -> Actor:
        return actor_of(self.user(name))

    @cached_property
    def project(self) -> Project:
        return Project.objects.get(pk=rows.put("demo", self._make_project))

    def endpoint(
        self, name: str = "hello", *, instances: int = 1, rdus: int = 1, arch: str = "SN40L"
    ) -> Endpoint:
        """Created by owen, its instances still waiting to be looked at."""
        spec = Spec(
            name=name,
            model="Help",
            arch=arch,
            instances=instances,
            parameters={"model_parallel_rdus": rdus},
            description="Answers questions",
        )
        return create_endpoint(actor=self.actor("owen"), project=self.project, spec=spec, now=NOW)

    def placed(self, name: str = "hello", **wish: int | str) -> Endpoint:
        return self._put("placed", name, wish, lambda: self._make_placed(name, wish))

    def live(self, name: str = "hello", **wish: int | str) -> Endpoint:
        return self._put("live", name, wish, lambda: self._make_live(name, wish))

    def everything(self) -> Endpoint:
        """An endpoint in each state, the Live one with instances that wait."""
        crowded = self.live("hello", instances=5, rdus=4)
        coming = self.placed("words", arch="SN30")
        Instance.objects.filter(endpoint=coming).update(
            state="starting", progress={"phase": "loading", "done": 45, "total": 100}
        )
        self.placed("samba", rdus=16)
        broken = self.placed("broken", arch="SN30")
        Instance.objects.filter(endpoint=broken).update(
            state="failed",
            reason={
                "code": "crashed",
                "sentence": "The model server ended with code 1, five times in a row.",
            },
            log_tail=["loading the checkpoint", "error: out of memory"],
        )
        stopped = self.endpoint(
            "a-very-long-endpoint-name-that-somebody-typed-into-the-field-63", arch="SN30"
        )
        stop_endpoint(actor=self.actor("owen"), endpoint=stopped, now=NOW + timedelta(hours=1))
        gone = self.live("gone", arch="SN30")
        delete_endpoint(actor=self.actor("owen"), endpoint=gone, now=NOW + timedelta(hours=2))
        return crowded

    def _make(self) -> None:
        tenants = {name: create_tenant(actor=STUDIO, name=name, now=NOW) for name in ("default", "research")}
        for name, tenant, role in (
            ("olga", "default", "member"),
            ("tina", "default", "tenant_admin"),
            ("owen", "default", "member"),
            ("mila", "default", "member"),
            ("oskar", "research", "member"),
            ("otto", "default", "member"),
        ):
            self._person(name, tenants[tenant], role)
        set_powers(user=self.user("olga"), org_admin=True, operator=False)
        set_powers(user=self.user("otto"), org_admin=False, operator=True)
        self._models()
        for name, generation in (("sn40l-1", "SN40L"), ("sn40l-2", "SN40L"), ("sn30-1", "SN30")):
            add_node(actor=STUDIO, name=name, generation=generation, width=8, virtual=True, now=NOW)
        Node.objects.update(state="ready")

    def _make_project(self) -> UUID:
        project = create_project(
            actor=self.actor("owen"),
            tenant=self.tenants["default"],
            name="demo",
            description="For trying",
            now=NOW,
        )
        return project.pk

    def _put(self, state: str, name: str, wish: dict[str, int | str], make: Callable[[], UUID]) -> Endpoint:
        assert self.project  # it stands there first
        pk = rows.put(f"{name}, {state}: {wish}", make)
        return Endpoint.objects.select_related(*selectors.WITH).get(pk=pk)

    def _make_placed(self, name: str, wish: dict[str, int | str]) -> UUID:
        endpoint = self.endpoint(name, **wish)  # type: ignore[arg-type]
        place_pending(endpoint.generation_id)
        return endpoint.pk

    def _make_live(self, name: str, wish: dict[str, int | str]) -> UUID:
        pk = self._make_placed(name, wish)
        Instance.objects.filter(endpoint=pk, state="placed").update(state="ready", state_since=NOW)
        return pk

    def _person(self, name: str, tenant: Tenant, role: str) -> None:
        create_user(
            actor=STUDIO, name=name, password=PASSWORD, tenant=tenant, role=Membership.Role(role), now=NOW
        )

    def _models(self) -> None:
        for rank, code in enumerate(("SN40L", "SN30", "SN10")):
            Generation.objects.create(code=code, rank=rank)
        runtime = Runtime.objects.create(name="built-in", argv=["serve"], token_file_env="TOKEN_FILE")
        RuntimeVersion.objects.create(runtime=runtime, number=1)
        chat, tone = (MLApp.objects.create(name=name) for name in ("Tiny Chat", "Tone"))
        for name, app, options in (
            ("Help", chat, ("SN40L", "SN30")),
            ("Tiny-Base", chat, ()),
            ("Sentiment", tone, ("SN30",)),
            ("Old-Timer", tone, ("SN10",)),
        ):
            model = Model.objects.create(name=name, app=app, publisher="SambaNova", is_base=not options)
            for number in (1, 2):
                ModelVersion.objects.create(model=model, number=number, path=f"{name}/{number}")
            for rank, code in enumerate(options):
                DeployOption.objects.create(model=model, generation_id=code, rank=rank, params=[PARALLEL])
