"""Every page is asked for, as somebody who is signed in: its queries, and the time of the server's work."""

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from studio.tenants.models import User
from tests.bench.pages.world import Places


@dataclass(frozen=True)
class Page:
    """`door` and its arguments; `part`: as htmx asks; `typed`: a post."""

    name: str
    person: str
    door: str
    arguments: tuple[str, ...] = ()
    query: dict[str, str] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    part: bool = False


@dataclass(frozen=True)
class Figure:
    """In milliseconds: `warm` and `cold` with and without what is kept for two seconds, `least` the shortest of the
    former; `cpu` of the former, the database's included."""

    page: str
    person: str
    queries: int
    warm: float
    least: float
    cold: float
    cpu: float
    bytes: int


def pages_of(places: Places) -> list[Page]:
    """What everybody sees as a member who owns a third of it, as an OrgAdmin and, where it differs, as an operator."""
    project, endpoint, model = str(places.project), str(places.endpoint), str(places.model)
    form = {
        "endpoint_name": "another", "model_checkpoint": model, "parameters_of": f"{model}:",
        "instances": "5", "rdu_arch": "SN40L", "hyperparams.model_parallel_rdus": "4",
    }  # fmt: skip
    found = []
    for person in ("owen", "olga"):
        found += [
            Page("Dashboard", person, "dashboard"),
            Page("Projects", person, "projects"),
            Page("Project", person, "project", (project,)),
            Page("Project, live part", person, "project", (project,), part=True),
            Page("Create endpoint", person, "endpoint-new", (project,), {"use": model}, part=True),
            Page("Create endpoint, preview", person, "endpoint-preview", (project,), typed=form, part=True),
            Page("Select from Model Hub", person, "model-select", (project,), part=True),
            Page("Models", person, "models"),
            Page("Model", person, "model", (model,)),
            Page("Endpoint, API Keys", person, "endpoint", (endpoint,)),
            Page("Endpoint, live part", person, "endpoint", (endpoint,), {"part": "live"}, part=True),
            Page("Endpoint, Instances", person, "endpoint", (endpoint,), {"tab": "instances"}),
            Page("Endpoint, Usage", person, "endpoint", (endpoint,), {"tab": "usage"}),
            Page("Endpoint, Usage of 7 days", person, "endpoint", (endpoint,), {"tab": "usage", "range": "7d"}),
            Page("Endpoint, Events", person, "endpoint", (endpoint,), {"tab": "events"}),
            Page("Edit endpoint", person, "endpoint-edit", (endpoint,), part=True),
            Page("Delete project", person, "project-delete", (project,), part=True),
            Page("Notices, the bell's mark", person, "notices-mark", part=True),
            Page("Notices", person, "notices"),
            Page("Resources", person, "resources"),
        ]  # fmt: skip
    return [
        *found,
        Page("Resources", "otto", "resources"),
        Page("Drain a node", "otto", "node-drain", ("node-0007",), part=True),
        *_desk(endpoint),
    ]


def _desk(endpoint: str) -> list[Page]:
    """The administration: its lists, what is searched for and narrowed in them, and the page of a row."""
    lists = ("endpoints_endpoint", "scheduler_instance", "scheduler_node", "scheduler_rdu", "scheduler_allocation",
             "apikeys_apikey", "audit_event", "tenants_user", "tenants_membership", "usage_usageminute")  # fmt: skip
    found = [Page("Desk", "dora", "admin:index")]
    for each in lists:
        name = each.partition("_")[2].capitalize()
        found.append(Page(f"Desk, {name} list", "dora", f"admin:{each}_changelist"))
    return [
        *found,
        Page("Desk, Endpoint list, page 20", "dora", "admin:endpoints_endpoint_changelist", query={"p": "20"}),
        Page("Desk, Endpoint searched", "dora", "admin:endpoints_endpoint_changelist", query={"q": "000777"}),
        Page("Desk, Endpoint not found", "dora", "admin:endpoints_endpoint_changelist", query={"q": "xyzzy"}),
        Page("Desk, Endpoint stopped", "dora", "admin:endpoints_endpoint_changelist",
             query={"desired__exact": "stopped"}),
        Page("Desk, Endpoint", "dora", "admin:endpoints_endpoint_change", (endpoint,)),
        Page("Desk, Instance failed", "dora", "admin:scheduler_instance_changelist",
             query={"state__exact": "failed"}),
        Page("Desk, Instance searched", "dora", "admin:scheduler_instance_changelist", query={"q": "node-0007"}),
        Page("Desk, Node searched", "dora", "admin:scheduler_node_changelist", query={"q": "node-0007"}),
        Page("Desk, Event searched", "dora", "admin:audit_event_changelist", query={"q": "owen"}),
        Page("Desk, Event not found", "dora", "admin:audit_event_changelist", query={"q": "xyzzy"}),
        Page("Desk, Event of a role", "dora", "admin:audit_event_changelist", query={"role__exact": "operator"}),
        Page("Desk, Apikey searched", "dora", "admin:apikeys_apikey_changelist", query={"q": "xyzzy"}),
    ]  # fmt: skip


@dataclass
class Times:
    """What the rounds gave of a page, in seconds."""

    queries: int
    bytes: int
    warm: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def measure(pages: Sequence[Page], rounds: int, *, explain: bool = False) -> tuple[list[Figure], list[float]]:
    """The figures, and what a fixed piece of work took in each round: a machine's speed changes with its neighbours.

    Round after round over all pages, so that a slow minute is not one page's.
    """
    clients = {name: _signed_in(name) for name in {page.person for page in pages}}
    times = [_first(page, clients[page.person], explain) for page in pages]
    yardstick = []
    for _ in range(rounds):
        yardstick.append(_yardstick())
        for page, found in zip(pages, times, strict=True):
            _round(page, clients[page.person], found)
    return [_figure(page, found) for page, found in zip(pages, times, strict=True)], yardstick


def _yardstick() -> float:
    """Milliseconds of some work of the kind that pages are made of: calls, strings, dicts."""
    begun = time.perf_counter()
    for _ in range(20):
        "".join(map(str, {number: str(number) for number in range(5_000)}.values()))
    return 1000 * (time.perf_counter() - begun)


def _signed_in(person: str) -> Client:
    client = Client(SERVER_NAME="localhost")  # no test environment: it would copy what each template is given
    client.force_login(User.objects.get(username=person), backend="studio.accounts.sessions.People")
    return client


def _first(page: Page, client: Client, explain: bool) -> Times:
    cache.clear()
    with CaptureQueriesContext(connection) as captured:
        size = _ask(page, client)
        queries = list(captured.captured_queries)  # the next request begins a new list
    if explain:
        _explain(page, queries)
    return Times(len(queries), size)


def _round(page: Page, client: Client, found: Times) -> None:
    cache.clear()
    found.cold.append(_timed(page, client)[0])
    seconds, busy = _timed(page, client)
    found.warm.append(seconds)
    found.cpu.append(busy)


def _figure(page: Page, found: Times) -> Figure:
    warm, cold, cpu = (1000 * statistics.median(column) for column in (found.warm, found.cold, found.cpu))
    least = 1000 * min(found.warm)
    return Figure(page.name, page.person, found.queries, warm, least, cold, cpu, found.bytes)


def _timed(page: Page, client: Client) -> tuple[float, float]:
    """Seconds, and seconds of CPU."""
    busy, begun = _busy(), time.perf_counter()
    _ask(page, client)
    return time.perf_counter() - begun, _busy() - busy


def _busy() -> float:
    """CPU seconds of this process, and of the database's that works for it if it is another."""
    if connection.vendor != "postgresql":
        return time.process_time()
    connection.ensure_connection()
    backend = connection.connection.info.backend_pid
    nanoseconds = int(Path(f"/proc/{backend}/schedstat").read_text().split()[0])
    return time.process_time() + nanoseconds / 1e9


def _ask(page: Page, client: Client) -> int:
    """How many bytes came back; a page that did not come is no figure."""
    address = reverse(page.door, args=page.arguments)
    headers = {"HX-Request": "true"} if page.part else {}
    if page.typed:
        answer = client.post(address, page.typed, headers=headers)
    else:
        answer = client.get(address, page.query, headers=headers)
    assert answer.status_code == 200, f"{page.name} as {page.person}: {answer.status_code}"
    return len(answer.content)


def _explain(page: Page, queries: Sequence[dict[str, str]]) -> None:
    for query in queries:
        if float(query["time"]) >= 0.004:
            print(f"\n{page.name} as {page.person}: {query['time']} s\n{query['sql']}", file=sys.stderr)
            if connection.vendor == "sqlite" and query["sql"].startswith("SELECT"):
                with connection.cursor() as cursor:
                    cursor.execute("EXPLAIN QUERY PLAN " + query["sql"])
                    print(*(row[3] for row in cursor.fetchall()), sep="\n", file=sys.stderr)
