"""Resources: nodes with their RDUs and the queue; for operators the boxes to add, close, empty and remove nodes."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.forms import Form
from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import trigger_client_event

from endpoints.views.shown import Pool
from scheduler import fleet, selectors, services
from scheduler import resources as reading
from scheduler.fleet import Kind
from scheduler.forms import AssignForm, NodeForm
from scheduler.models import Node
from scheduler.resources import NodeRow
from scheduler.rules import NODE_STATES, answers, join_command
from scheduler.shown import Outlook, Row, table_of_nodes, table_of_waits
from studio import env, htmx
from studio.errors import Refusal
from studio.paging import kept_page
from studio.tenants import selectors as tenants
from studio.tenants.rules import Actor, Facts, may, require

METHODS = ["GET", "HEAD", "POST"]
PAGE = 25


@require_safe
def resources(request: htmx.Request) -> HttpResponse:
    actor = request.actor
    require(actor, "resources.see", services.NODE_FACTS)
    kinds = fleet.kinds()
    pools = selectors.capacities_of(actor, kinds)
    generation = _chosen(request, "generation", [pool.generation for pool in pools])
    state = _chosen(request, "state", NODE_STATES)
    cursor = request.GET.get("cursor")
    nodes, following = kept_page(reading.found_nodes, cursor, PAGE, generation or None, state or None)
    rows, queue = reading.overview(actor, nodes, generation)
    many_generations = len({wait.generation for wait in queue.waits}) > 1
    may_manage = may(actor, "node.manage", services.NODE_FACTS)
    context = {
        "capacity": [Pool(pool) for pool in pools if generation in ("", pool.generation)],
        "rows": table_of_nodes(rows, may_manage=may_manage, may_assign=_may_assign(actor)),
        "filters": _filters(
            generation, state, [pool.generation for pool in pools], _states(kinds, generation)
        ),
        "generation": generation,
        "is_filtered": bool(generation or state),
        "is_first": "cursor" not in request.GET,
        "here": _address(generation, state),
        "following": _address(generation, state, following) if following else "",
        "waits": table_of_waits(queue.waits, many_generations=many_generations),
        "more_waits": queue.more,
        "many_generations": many_generations,
        "may_manage": may_manage,
    }
    return htmx.page(request, "scheduler/resources.html", context, part="live")


def _chosen(request: htmx.Request, name: str, known: Any) -> str:
    """What the address asks for, "" for what there is not."""
    wanted = request.GET.get(name, "")
    return wanted if wanted in known else ""


def _address(generation: str, state: str, cursor: str | None = None) -> str:
    wanted = {"generation": generation, "state": state, "cursor": cursor}
    query = urlencode({name: value for name, value in wanted.items() if value})
    return f"{reverse('resources')}?{query}" if query else reverse("resources")


def _states(kinds: Iterable[Kind], generation: str) -> Counter[str]:
    """State → how many nodes are in it."""
    counts: Counter[str] = Counter()
    for kind in kinds:
        if generation in ("", kind.generation):
            counts[kind.state] += kind.count
    return counts


def _filters(
    generation: str, state: str, generations: list[str], counts: Counter[str]
) -> list[dict[str, Any]]:
    """Links by generation, and by state with how many nodes are in it."""
    kinds = [{"word": "All", "to": _address("", state), "on": not generation}]
    kinds += [{"word": code, "to": _address(code, state), "on": code == generation} for code in generations]
    words = [{"word": "All", "to": _address(generation, ""), "on": not state, "count": sum(counts.values())}]
    words += [
        {
            "word": each.capitalize(),
            "to": _address(generation, each),
            "on": each == state,
            "count": counts[each],
        }
        for each in NODE_STATES
        if counts[each] or each == state
    ]
    return [{"name": "Generation", "links": kinds}, {"name": "State", "links": words}]


# ----- adding a node --------------------------------------------------------------------------------------


@require_http_methods(METHODS)
@sensitive_variables("token")
def new_node(request: htmx.Request) -> HttpResponse:
    require(request.actor, "node.manage", services.NODE_FACTS)
    form = NodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            node, token = services.add_node(actor=request.actor, now=request.now, **form.cleaned_data)
        except Refusal as refusal:
            htmx.blame(form, refusal)
        else:
            return _joining(request, node, token.reveal())
    return htmx.dialog(request, "scheduler/new.html", {"form": form, "back": reverse("resources")})


def _joining(request: htmx.Request, node: Node, token: str) -> HttpResponse:
    """How its agent joins, with the token: never again, so this is no redirect."""
    context = {
        "node": node,
        "token": token,
        "command": join_command(node.name, node.address, env.broker_url()),
        "one_machine": settings.SQLITE,
        "back": reverse("resources"),
    }
    return trigger_client_event(htmx.dialog(request, "scheduler/joining.html", context), "nodes-changed")


# ----- what is done to a node -----------------------------------------------------------------------------


@require_http_methods(METHODS)
def cordon(request: htmx.Request, node: str) -> HttpResponse:
    return _deed(request, node, "Cordon", services.cordon_node, "takes no new instances; what runs stays")


@require_http_methods(METHODS)
def uncordon(request: htmx.Request, node: str) -> HttpResponse:
    return _deed(request, node, "Uncordon", services.uncordon_node, "takes instances again")


@require_http_methods(METHODS)
def undrain(request: htmx.Request, node: str) -> HttpResponse:
    return _deed(request, node, "Undrain", services.uncordon_node, "is not emptied any more")


@require_http_methods(METHODS)
def drain(request: htmx.Request, node: str) -> HttpResponse:
    return _deed(request, node, "Drain", services.drain_node, "is being emptied", _drain_context)


@require_http_methods(METHODS)
def remove(request: htmx.Request, node: str) -> HttpResponse:
    return _deed(request, node, "Remove", services.remove_node, "was removed", _remove_context)


@require_http_methods(METHODS)
def assign(request: htmx.Request, node: str) -> HttpResponse:
    actor = request.actor
    require(actor, "tenant.manage", Facts(tenant=actor.tenant), thing="node")
    found = selectors.node_named(node)
    typed = request.POST if request.method == "POST" else None
    form = AssignForm(tenants.visible(actor).order_by("name"), typed, initial={"tenant": found.tenant_id})
    back = reverse("resources")
    if request.method == "POST" and form.is_valid():
        try:
            services.assign_node(actor=actor, node=found, tenant=form.chosen, now=request.now)
        except Refusal as refusal:
            htmx.blame(form, refusal)
        else:
            whose = f"kept for {form.chosen.name}" if form.chosen else "shared by all tenants"
            say = f"Node {found.name} is {whose}."
            return htmx.done(request, to=back, say=say, events=["nodes-changed"])
    (row,) = reading.node_rows(actor, [found])
    return htmx.dialog(request, "scheduler/assign.html", {"row": Row(row), "form": form, "back": back})


def _may_assign(actor: Actor) -> bool:
    return may(actor, "tenant.manage", Facts(tenant=actor.tenant))


def _drain_context(request: htmx.Request, row: NodeRow) -> dict[str, Any]:
    return {"outlook": Outlook(reading.moves(request.actor, row))}


def _remove_context(request: htmx.Request, row: NodeRow) -> dict[str, Any]:
    node = row.node
    return {"answers": answers(node.state, node.heard_at, request.now), "running": reading.running(node.pk)}


def _deed(
    request: htmx.Request,
    name: str,
    deed: str,
    service: Callable[..., Node],
    outcome: str,
    context_of: Callable[[htmx.Request, NodeRow], dict[str, Any]] | None = None,
) -> HttpResponse:
    """The box that asks, or what it does. `context_of`: what a box of its own shows."""
    require(request.actor, "node.manage", services.NODE_FACTS)
    node = selectors.node_named(name)
    form, back = Form(request.POST if request.method == "POST" else None), reverse("resources")
    if request.method == "POST":
        form.is_valid()
        try:
            service(actor=request.actor, node=node, now=request.now)
        except Refusal as refusal:
            htmx.blame(form, refusal)
        else:
            return htmx.done(request, to=back, say=f"Node {node.name} {outcome}.", events=["nodes-changed"])
    (row,) = reading.node_rows(request.actor, [node])
    context = {"row": Row(row), "form": form, "deed": deed, "outcome": outcome, "back": back}
    if context_of is None:
        return htmx.dialog(request, "scheduler/take.html", context)
    context |= context_of(request, row)
    return htmx.dialog(request, f"scheduler/{deed.lower()}.html", context)
