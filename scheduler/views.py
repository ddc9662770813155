"""Resources: nodes with their RDUs and the queue; for operators the boxes to add, close, empty and remove nodes."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.forms import Form
from django.http import HttpResponse
from django.urls import reverse
from django.utils.html import escape
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import trigger_client_event

from endpoints.views.shown import Pool, spans
from scheduler import fleet, selectors, services
from scheduler import resources as reading
from scheduler.fleet import Kind
from scheduler.forms import AssignForm, NodeForm
from scheduler.models import Node
from scheduler.resources import Held, Move, NodeRow, Wait
from scheduler.rules import NODE_STATES, NodeState, answers, join_command
from studio import env, htmx
from studio.errors import Refusal
from studio.paging import kept_page
from studio.tenants import selectors as tenants
from studio.tenants.rules import Actor, Facts, may, require

METHODS = ["GET", "HEAD", "POST"]
PAGE = 25
CELL = '<span class="cell" data-who="{0}" data-tone="{1}" data-state="{2}" title="RDU {4}: {3}"></span>'
Look = tuple[
    str, int | str, str, str
]  # of a cell: who holds it, colour, state of the holder, what a hover says
TONES = 5  # colours of endpoints; more share them


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
    context = {
        "capacity": [Pool(pool) for pool in pools if generation in ("", pool.generation)],
        "rows": [Row(each) for each in rows],
        "filters": _filters(
            generation, state, [pool.generation for pool in pools], _states(kinds, generation)
        ),
        "generation": generation,
        "is_filtered": bool(generation or state),
        "is_first": "cursor" not in request.GET,
        "here": _address(generation, state),
        "following": _address(generation, state, following) if following else "",
        "waits": [Waits(each) for each in queue.waits],
        "more_waits": queue.more,
        "many_generations": len({wait.generation for wait in queue.waits}) > 1,
        "may_manage": may(actor, "node.manage", services.NODE_FACTS),
        "may_assign": _may_assign(actor),
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


# ----- how it is shown ------------------------------------------------------------------------------------


class Row:
    """A node with its RDUs as cells and what its menu offers."""

    def __init__(self, row: NodeRow) -> None:
        self.row, self.node = row, row.node
        self.word = row.node.state.capitalize()
        self.holders = [Holding(each) for each in row.held]
        self.is_ready = row.node.state == NodeState.READY
        self.can_cordon = row.node.intent == NodeState.READY
        self.can_uncordon = row.node.intent == NodeState.CORDONED
        self.can_undrain = row.node.intent == NodeState.DRAINING
        self.can_drain = not self.can_undrain

    @property
    def cells(self) -> SafeString:
        """Drawn here and not in the template: a page has hundreds of them, and they were half its time."""
        looks = dict.fromkeys(range(self.node.width), self._unheld)
        for each in self.holders:
            looks |= dict.fromkeys(each.held.rdus, each.look)
        return mark_safe("".join(CELL.format(*look, index) for index, look in looks.items()))  # noqa: S308

    @property
    def lines(self) -> SafeString:
        """Who holds which RDUs, for the same reason drawn here."""
        return mark_safe("".join([each.line for each in self.holders]))  # noqa: S308 lines are escaped

    @property
    def _unheld(self) -> Look:
        if self.row.is_anothers and self.is_ready:
            return "other", "", "", escape(f"free, kept for {self.row.whose}")
        if self.is_ready:
            return "free", "", "", "free"
        return "out", "", "", f"held by nobody; the node is {self.node.state}"

    @property
    def free(self) -> str:
        """The RDUs that nobody holds."""
        held = {index for each in self.holders for index in each.held.rdus}
        return spans(index for index in range(self.node.width) if index not in held)

    @property
    def meant(self) -> str:
        """What it will be once it answers; "" where it is so already."""
        intent = self.node.intent
        return intent if intent not in (self.node.state, NodeState.READY) else ""


class Holding:
    """An instance on a node in words, and the address of its endpoint's window, "" where that is hidden."""

    def __init__(self, held: Held) -> None:
        self.held, self.holder = held, held.holder
        self.who = "mine" if held.holder.is_mine else "other"
        self.tone = held.holder.tone % TONES if held.holder.is_mine else ""
        self.word = "Live" if held.state == "ready" else held.state.capitalize()
        self.rdus = spans(held.rdus)
        known = held.holder.endpoint
        self.window = htmx.address("endpoint", known) if known else ""

    @property
    def line(self) -> str:
        """Of the list of a node's holders; escaped."""
        name, word = escape(self.holder.name), escape(self.word)
        if not self.window:
            return f"<li><b>{self.rdus}</b><span>{name}</span><small>{word}</small></li>"
        told = f"<small>instance {self.held.ordinal}, {word}</small>"
        return f'<li><b>{self.rdus}</b><a href="{escape(self.window)}">{name}</a>{told}</li>'

    @property
    def look(self) -> Look:
        """Of its RDUs; escaped."""
        number = f", instance {self.held.ordinal}" if self.holder.endpoint else ""
        return self.who, self.tone, self.held.state, escape(f"{self.holder.name}{number}, {self.word}")


class Waits:
    """A line of the queue."""

    def __init__(self, wait: Wait) -> None:
        self.wait = wait
        self.place = "–" if not wait.first else spans(range(wait.first, max(wait.first, wait.last) + 1))


class Outlook:
    """What a drain would do, in numbers and lines."""

    def __init__(self, moves: list[Move]) -> None:
        self.moves = [(Holding(move.held), move) for move in moves]
        self.moving = sum(bool(move.target) for move in moves)
        self.waiting = len(moves) - self.moving


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
