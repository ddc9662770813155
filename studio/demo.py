"""The demo of the first run: two tenants, six people, three nodes of virtual RDUs, and an endpoint to ask.

Killed half-way, the next start completes it: every step looks for what is there already. The passwords are
chosen first and kept in a draft, since a digest does not give them back; the draft also says that this
platform's people are the demo's, so that nothing is ever added to a platform that somebody made otherwise.
"""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from apikeys.models import ApiKey
from apikeys.services import show_key
from endpoints import selectors as endpoints
from endpoints.models import Endpoint
from endpoints.services import Spec, create_endpoint
from scheduler.agent import disk
from scheduler.models import Node
from scheduler.services import add_node
from studio import keyring
from studio.hub.services import import_catalogue
from studio.projects.models import Project
from studio.projects.services import create_project
from studio.supervisor import first_run
from studio.supervisor.folder import Folder
from studio.tenants import services as tenants
from studio.tenants.models import Membership, Tenant, User
from studio.tenants.rules import STUDIO, Actor
from studio.tenants.selectors import actor_of


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    tenant: str
    role: str  # as first-run.json says it

    @property
    def membership(self) -> str:
        is_admin = self.role == "TenantAdmin"
        return Membership.Role.TENANT_ADMIN if is_admin else Membership.Role.MEMBER


TENANTS = ("default", "research")
PEOPLE = (
    Person("olga", "default", "OrgAdmin"),
    Person("tina", "default", "TenantAdmin"),
    Person("owen", "default", "member"),
    Person("mila", "default", "member"),
    Person("oskar", "research", "member"),
    Person("otto", "default", "operator"),
)
NODES = (("sn40l-1", "SN40L"), ("sn40l-2", "SN40L"), ("sn30-1", "SN30"))
WIDTH = 8


def complete(folder: Folder, url: str, *, now: datetime) -> bool:
    """Make what is missing of the demo and write `first-run.json` last. False where the demo has no place."""
    draft = folder.root / "first-run.draft.json"
    passwords = disk.read_json(str(draft))
    if passwords is None:
        if User.objects.exists():
            return False
        passwords = {person.name: tenants.random_password() for person in PEOPLE}
        disk.write_json(str(draft), passwords)
    import_catalogue(store=settings.CHECKPOINT_STORE, now=now)
    for name in TENANTS:
        if not Tenant.objects.filter(name=name).exists():
            tenants.create_tenant(actor=STUDIO, name=name, now=now)
    users = {person.name: _person(person, passwords[person.name], now) for person in PEOPLE}
    for name, generation in NODES:
        _node(folder, name, generation, now)
    first_run.write(folder, {"url": url, "users": users, **_hello(url, now)})
    draft.unlink()
    return True


def _person(person: Person, password: str, now: datetime) -> dict[str, str]:
    """A platform key is shown once only, so each attempt at the demo makes a new one."""
    user = User.objects.filter(username=person.name).first() or tenants.create_user(
        actor=STUDIO,
        name=person.name,
        password=password,
        tenant=Tenant.objects.get(name=person.tenant),
        role=person.membership,
        now=now,
    )
    powers = (person.role == "OrgAdmin", person.role == "operator")
    if (user.is_org_admin, user.is_staff) != powers:
        tenants.set_powers(user=user, org_admin=powers[0], operator=powers[1])
    key = tenants.new_platform_key(actor=STUDIO, user=user, now=now)
    return {
        "password": password,
        "platform_key": key.reveal(),
        "role": person.role,
        "tenant": person.tenant,
    }


def _node(folder: Folder, name: str, generation: str, now: datetime) -> None:
    """The node, and its join token where the supervisor finds it."""
    node = Node.objects.filter(name=name).first()
    if node:
        token = keyring.open_value(node.sealed_token, "join")
    else:
        _, made = add_node(actor=STUDIO, name=name, generation=generation, width=WIDTH, virtual=True, now=now)
        token = made.reveal()
    (folder.nodes / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    disk.write(str(folder.nodes / name / "token"), f"{token}\n".encode())


def _hello(url: str, now: datetime) -> dict[str, dict[str, str]]:
    """Owen's project and the endpoint in it, as `first-run.json` says them."""
    owen = User.objects.get(username="owen")
    actor = actor_of(owen)
    project = _project(actor, owen, now)
    endpoint = _endpoint(actor, project, now)
    first_key = ApiKey.objects.get(endpoint=endpoint, is_first=True)
    key = show_key(actor=actor, key=first_key, facts=endpoints.facts(actor, endpoint), now=now)
    return {
        "project": {"id": str(project.pk), "name": project.name},
        "endpoint": {
            "id": str(endpoint.pk),
            "name": endpoint.name,
            "url": endpoints.view(endpoint).predict_path,
            "api_key": key.reveal(),
        },
    }


def _project(actor: Actor, owen: User, now: datetime) -> Project:
    tenant = Tenant.objects.get(name="default")
    found = Project.objects.filter(tenant=tenant, owner=owen, name="demo", deleted_at=None).first()
    return found or create_project(actor=actor, tenant=tenant, name="demo", now=now)


def _endpoint(actor: Actor, project: Project, now: datetime) -> Endpoint:
    found = Endpoint.objects.filter(project=project, name="hello", deleted_at=None).first()
    spec = Spec(name="hello", model="Help", model_version=1, arch="SN40L", instances=1)
    return found or create_endpoint(actor=actor, project=project, spec=spec, now=now)
