"""A large platform in rows alone: no process stands behind it, and nothing of it went through a service.

Half of the endpoints are the tenant `default`'s, a fifth of these in one project, which holds everything that the
pages are asked for. Of a hundred endpoints 35 hold or wait for RDUs, 12 are deleted, a third of these within the day.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from uuid import UUID, uuid4

from django.db.models import Model as Table

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from scheduler.models import Allocation, Instance, Node, Rdu
from studio.audit.models import Event
from studio.hub.models import DeployOption, Model, ModelVersion, RuntimeVersion
from studio.projects.models import Project
from studio.tenants.models import Tenant, User
from tests.support.cast import Cast, make_cast
from tests.support.usage import counted, write

NODES = 5_000
KEYS = 10_000
BUSY_KEYS = 1_000  # of the one endpoint that has many
BUSY_INSTANCES = 40
BUSY_EVENTS = 1_000
USED_KEYS = 10
TENANTS = 20
PROJECTS_EACH = 50
MODELS = 100
BATCH = 2_000
NAME = "endpoint {:06}"

# Of a hundred endpoints: how many, what is wished, the state of the instance, if there is one.
KINDS = (
    (30, "running", "ready"),
    (2, "running", "starting"),
    (3, "running", "awaiting"),
    (1, "running", "failed"),
    (52, "stopped", "stopped"),
    (4, "deleted", "stopped"),  # today
    (8, "deleted", "stopped"),  # long ago
)
LATELY = 5  # its place in the table above
HOLDING = ("ready", "starting")
TOO_WIDE = 32  # what waits has been looked at and fits nowhere, as it is a second after any change
WAITS = {"code": "too_wide", "rdus": TOO_WIDE, "position": 1, "any_width": 16}


@dataclass(frozen=True)
class Places:
    """What the pages are asked for."""

    project: UUID
    endpoint: UUID
    model: UUID


def fill(endpoints: int, now: datetime | None = None) -> Places:
    """The whole world, into an empty database."""
    now = now or datetime.now(UTC)
    cast = make_cast()
    _models(cast)
    projects = _projects(cast)
    rdus = _nodes()
    rows = list(_endpoints(cast, projects, endpoints, now))
    _write(Endpoint, rows)
    _instances(rows, rdus, now)
    busy = rows[0]
    _keys(busy, rows[1:], now)
    _events(busy, rows, now)
    _usage(busy, now)
    return Places(busy.project_id, busy.pk, cast.help.pk)


def somebody_at_the_desk() -> None:
    """`dora`, who sees all of the administration: made beside a world that an earlier run filled, too."""
    User.objects.get_or_create(username="dora", defaults={"is_staff": True, "is_org_admin": True})


def kept() -> Places | None:
    """Those of the world that an earlier run filled, if there is one."""
    busy = Endpoint.objects.filter(name=NAME.format(0)).select_related("model_version").first()
    return Places(busy.project_id, busy.pk, busy.model_version.model_id) if busy else None


def _write(table: type[Table], rows: Iterable[Table]) -> None:
    left = iter(rows)
    while some := list(islice(left, BATCH)):
        table._default_manager.bulk_create(some)


# ----- what stands there ----------------------------------------------------------------------------------


def _models(cast: Cast) -> None:
    """Besides the cast's own: some of the provider, some that are shared with the tenant, each in two versions."""
    owen, default = cast.users["owen"], cast.tenants["default"]
    models = [
        Model(app=cast.help.app, name=f"Model {number:03}", publisher="SambaNova", architecture="llama",
              **({"tenant": default, "owner": owen, "general_access": "tenant_viewer"} if number % 3 else {}))
        for number in range(MODELS)
    ]  # fmt: skip
    _write(Model, models)
    manifest = [{"path": "model.gguf", "size": 1_000_000, "sha256": "0" * 64}]
    _write(
        ModelVersion,
        [
            ModelVersion(model=model, number=number, path=f"{model.name}/{number}", manifest=manifest)
            for model in models
            for number in (1, 2)
        ],
    )
    _write(DeployOption, [DeployOption(model=model, generation_id="SN40L") for model in models])


def _projects(cast: Cast) -> list[list[Project]]:
    """Those of `default`, the cast's first, and those of each other tenant."""
    organization = cast.tenants["default"].organization
    others = [Tenant(organization=organization, name=f"tenant {number}") for number in range(TENANTS)]
    _write(Tenant, others)
    found = []
    for tenant in (cast.tenants["default"], *others):
        owners = [cast.users[name] for name in ("owen", "mila", "tina")]
        found.append(
            [
                Project(tenant=tenant, owner=owners[number % 3], name=f"project {number:03}")
                for number in range(PROJECTS_EACH)
            ]
        )
    _write(Project, [each for group in found for each in group])
    found[0].insert(0, cast.project)
    return found


def _nodes() -> Iterator[Rdu]:
    """A fifth of them SN30, a fifth sixteen wide, one in a hundred cordoned. Yields RDUs across the fleet."""
    nodes = [
        Node(
            name=f"node-{number:04}",
            generation_id="SN30" if number % 5 == 4 else "SN40L",
            width=16 if number % 5 == 3 else 8,
            free=16 if number % 5 == 3 else 8,
            virtual=True,
            state="cordoned" if number % 100 == 42 else "ready",
            intent="cordoned" if number % 100 == 42 else "ready",
            sealed_token=b"-",
        )
        for number in range(NODES)
    ]
    _write(Node, nodes)
    _write(Rdu, (Rdu(node=node, index=index) for node in nodes for index in range(node.width)))
    rows: list[list[Rdu]] = [[] for _ in nodes]
    places = {node.pk: place for place, node in enumerate(nodes)}
    for rdu in Rdu.objects.order_by("index"):
        rdu.node = nodes[places[rdu.node_id]]
        rows[places[rdu.node_id]].append(rdu)
    return (row[depth] for depth in range(16) for row in rows if depth < len(row))


def _endpoints(
    cast: Cast, projects: Sequence[Sequence[Project]], endpoints: int, now: datetime
) -> Iterator[Endpoint]:
    """The first is the busy one, then one of each kind in turn."""
    version = cast.help.versions.get(number=1)
    runtime = RuntimeVersion.objects.get()
    kinds = [kind for kind, (share, *_) in enumerate(KINDS) for _ in range(share)]
    for number in range(endpoints):
        kind = kinds[number * 37 % 100] if number else 0
        desired = KINDS[kind][1]
        gone = timedelta(hours=number % 23) if kind == LATELY else timedelta(days=30)
        yield Endpoint(
            project=_project_of(projects, number),
            owner=cast.users["owen" if number % 3 else "mila"],
            name=NAME.format(number),
            description="Answers questions",
            general_access="private",
            model_version=version,
            runtime_version=runtime,
            generation_id="SN40L",
            instances=1 if number else BUSY_INSTANCES,
            rdus=1,
            parameters={"model_parallel_rdus": 1},
            desired=desired,
            published_version=1,
            created_at=now - timedelta(seconds=number),
            updated_at=now - timedelta(seconds=number),
            deleted_at=now - gone if desired == "deleted" else None,
        )


def _project_of(projects: Sequence[Sequence[Project]], number: int) -> Project:
    if number % 2:
        group = projects[1 + number // 2 % TENANTS]
        return group[number // 2 // TENANTS % len(group)]
    nth = number // 2
    return projects[0][0] if nth % 5 == 0 else projects[0][1 + nth % (len(projects[0]) - 1)]


# ----- what is the case -----------------------------------------------------------------------------------


def _instances(endpoints: Sequence[Endpoint], rdus: Iterator[Rdu], now: datetime) -> None:
    """One for each endpoint and the busy one's forty; whoever holds RDUs has them one by one across the fleet."""
    states = {"running": {}, "stopped": "stopped", "deleted": "stopped"}
    found: list[Instance] = []
    held: list[Allocation] = []
    kinds = [kind for kind, (share, *_) in enumerate(KINDS) for _ in range(share)]
    for number, endpoint in enumerate(endpoints):
        state = str(states[endpoint.desired] or KINDS[kinds[number * 37 % 100] if number else 0][2])
        for ordinal in range(1, endpoint.instances + 1):
            rdu = next(rdus) if state in HOLDING else None
            instance = _instance(endpoint, ordinal, state, rdu, now)
            found.append(instance)
            if rdu is not None:
                rdu.node.free -= 1
                held.append(Allocation(rdu=rdu, instance=instance, allocated_at=now))
    _write(Instance, found)
    _write(Allocation, held)
    taken = {allocation.rdu.node.pk: allocation.rdu.node for allocation in held}
    Node.objects.bulk_update(taken.values(), ["free"], batch_size=200)


def _instance(endpoint: Endpoint, ordinal: int, state: str, rdu: Rdu | None, now: datetime) -> Instance:
    return Instance(
        endpoint=endpoint,
        ordinal=ordinal,
        state=state,
        state_since=now,
        node=rdu.node if rdu else None,
        generation_id=endpoint.generation_id,
        rdus=TOO_WIDE if state == "awaiting" else 1,
        model_version=endpoint.model_version,
        runtime_version=endpoint.runtime_version,
        config_version=1,
        progress={"phase": "loading", "done": 45, "total": 100} if state == "starting" else None,
        reason=WAITS if state == "awaiting" else None,
        created_at=endpoint.created_at,
        ended_at=now if state == "stopped" else None,
    )


def _keys(busy: Endpoint, others: Sequence[Endpoint], now: datetime) -> None:
    numbers = count()

    def key(endpoint: Endpoint, *, first: bool) -> ApiKey:
        number = next(numbers)
        return ApiKey(
            endpoint=endpoint, owner=endpoint.owner, is_first=first, digest=number.to_bytes(32, "big"),
            sealed=b"-", prefix=f"{number:08x}", description="First Key" if first else f"key {number}",
            created_at=now - timedelta(minutes=number),
        )  # fmt: skip

    rows = [key(busy, first=number == 0) for number in range(BUSY_KEYS)]
    for number in range(KEYS - BUSY_KEYS):
        rows.append(key(others[number % len(others)], first=number < len(others)))
    _write(ApiKey, rows)


def _events(busy: Endpoint, endpoints: Sequence[Endpoint], now: datetime) -> None:
    """Two for each endpoint, oldest first; the busy one's last."""

    def event(endpoint: Endpoint, verb: str) -> Event:
        return Event(
            at=now, tenant_id=endpoint.project.tenant_id, actor_id=endpoint.owner_id, role="owner", verb=verb,
            actor_name=endpoint.owner.username, thing_type="endpoint", thing_id=endpoint.pk,
            thing_name=endpoint.name, request_id=str(uuid4()),
        )  # fmt: skip

    _write(Event, (event(each, verb) for each in reversed(endpoints) for verb in ("create", "edit")))
    _write(Event, (event(busy, "restart") for _ in range(BUSY_EVENTS)))


def _usage(busy: Endpoint, now: datetime) -> None:
    """Ten keys in each minute of the last hour, and twice an hour in the week before."""
    keys = list(busy.api_keys.order_by("prefix")[:USED_KEYS])
    minutes = [now - timedelta(minutes=number) for number in range(60)]
    minutes += [now - timedelta(minutes=30 * number) for number in range(3, 7 * 48)]
    write(*(counted(key, at, requests=3, client=1) for key in keys for at in minutes), now=now)
