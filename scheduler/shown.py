"""How nodes, who holds their RDUs, and the queue are shown: words and pictures, no rules.

The tables are drawn here and not in a template: a page has hundreds of cells, and they were half its time.
"""

from collections.abc import Iterable
from html import escape

from django.utils.safestring import SafeString, mark_safe

from endpoints.views.shown import spans
from scheduler.resources import Held, Move, NodeRow, Wait
from scheduler.rules import NodeState
from studio import htmx
from studio.templatetags.drawn import badge, deed, entry, kebab, moment

TONES = 5  # colours of endpoints; more share them

# ----- tables ---------------------------------------------------------------------------------------------


def table_of_nodes(rows: Iterable[NodeRow], *, may_manage: bool, may_assign: bool) -> SafeString:
    """The rows of the table of nodes."""
    return mark_safe("".join([_node_line(Row(each), may_manage, may_assign) for each in rows]))  # noqa: S308


def table_of_waits(waits: Iterable[Wait], *, many_generations: bool) -> SafeString:
    """The rows of the table of what waits."""
    return mark_safe("".join([_wait_line(each, many_generations) for each in waits]))  # noqa: S308


def _node_line(row: "Row", may_manage: bool, may_assign: bool) -> str:
    node = row.node
    menu = f'<td class="menu-cell">{row.menu(may_assign)}</td>' if may_manage else ""
    return (
        f"<tr><td><div>{row.name(may_manage)}</div></td>"
        f'<td data-label="RDUs">{row.rack}</td>'
        f'<td data-label="Generation">{escape(node.generation_id)}</td>'
        f'<td data-label="State"><div>{row.state(may_manage)}</div></td>'
        f'<td data-label="Use"><span class="keep">{row.row.used} / {node.width}</span></td>{menu}</tr>'
    )


def _wait_line(wait: Wait, many_generations: bool) -> str:
    place = spans(range(wait.first, max(wait.first, wait.last) + 1)) if wait.first else "–"
    name = escape(wait.holder.name)
    if wait.holder.endpoint:
        window = escape(htmx.address("endpoint", wait.holder.endpoint))
        who = f'<span class="name"><a href="{window}">{name}</a></span>'
    else:
        who = f'<span class="keep">{name}</span>'
    many = f'<small class="keep">{wait.instances} instances</small>' if wait.instances > 1 else ""
    generation = f'<td data-label="Generation">{escape(wait.generation)}</td>' if many_generations else ""
    return (
        f'<tr><td data-label="Position"><span class="keep">{place}</span></td>'
        f'<td data-label="Endpoint"><div>{who}{many}</div></td>{generation}'
        f'<td data-label="Needs"><span class="keep">{wait.rdus} in a node</span></td>'
        f'<td data-label="Since">{moment(wait.since)}</td>'
        f'<td data-label="Why">{escape(wait.sentence)}</td></tr>'
    )


# ----- nodes ----------------------------------------------------------------------------------------------


class Row:
    """A node with its RDUs as cells and what its menu offers."""

    def __init__(self, row: NodeRow) -> None:
        self.row, self.node = row, row.node
        self.word = row.node.state.capitalize()
        self.holders = [Holding(each) for each in row.held]
        self.is_ready = row.node.state == NodeState.READY

    def name(self, may_manage: bool) -> str:
        node = self.node
        parts = [f"<strong>{escape(node.name)}</strong>"]
        if node.virtual:
            parts.append(' <span class="virtual">virtual</span>')
        if node.tenant_id:
            parts.append(f"<small>kept for {escape(self.row.whose)}</small>")
        if may_manage and node.machine:
            place = ", ".join([each for each in (node.machine, node.address) if each])
            parts.append(f"<small>{escape(place)}</small>")
        return "".join(parts)

    @property
    def rack(self) -> str:
        """The RDUs as a button of cells, which opens a list of who holds them."""
        node, lines = self.node, "".join([each.line for each in self.holders])
        if self._free:
            lines += (
                f"<li><b>{self._free}</b><span>{'free' if self.is_ready else 'held by nobody'}</span></li>"
            )
        name = escape(node.name)
        return (
            f'<button class="rack" type="button" id="rack-{node.pk}" popovertarget="rdus-{node.pk}"'
            f' aria-label="{self.row.used} of {node.width} RDUs of {name} held: by whom">{self._cells}</button>'
            f'<div class="menu holders" id="rdus-{node.pk}" popover data-side="start"><h2>RDUs of {name}</h2>'
            f"<ul>{lines}</ul></div>"
        )

    def state(self, may_manage: bool) -> str:
        """With since when it is so, what it will be once it answers, and what operators should know."""
        node = self.node
        parts: list[str] = [badge(self.word)]
        if not self.is_ready:
            parts.append(f"<small>since {moment(node.state_since)}</small>")
        if node.intent not in (node.state, NodeState.READY):
            parts.append(f"<small>will be {node.intent} when it answers</small>")
        if may_manage and node.refusal:
            parts.append(f'<small class="wrong">{escape(node.refusal)}</small>')
        if may_manage and node.intruder:
            parts.append('<small class="wrong">A second agent claims this name and is ignored.</small>')
        return "".join(parts)

    def menu(self, may_assign: bool) -> str:
        name, intent = self.node.name, self.node.intent
        entries = [
            deed("Cordon", "node-cordon", name) if intent == NodeState.READY else "",
            deed("Uncordon", "node-uncordon", name) if intent == NodeState.CORDONED else "",
            deed("Undrain", "node-undrain", name)
            if intent == NodeState.DRAINING
            else entry("Drain", "node-drain", name),
            entry("Assign", "node-assign", name) if may_assign else "",
            entry("Remove", "node-remove", name, kind="danger"),
        ]
        button = kebab(self.node.pk, name)
        return f'{button}<div class="menu" id="menu-{self.node.pk}" popover>{"".join(entries)}</div>'

    @property
    def _cells(self) -> str:
        looks = dict.fromkeys(range(self.node.width), self._unheld)
        for each in self.holders:
            looks |= dict.fromkeys(each.held.rdus, each.look)
        return "".join([f"{before}{index}{after}" for index, (before, after) in looks.items()])

    @property
    def _unheld(self) -> "Look":
        if self.row.is_anothers and self.is_ready:
            return _look("other", "", "", f"free, kept for {self.row.whose}")
        if self.is_ready:
            return FREE
        return _look("out", "", "", f"held by nobody; the node is {self.node.state}")

    @property
    def _free(self) -> str:
        """The RDUs that nobody holds."""
        held = {index for each in self.holders for index in each.held.rdus}
        return spans(index for index in range(self.node.width) if index not in held)


Look = tuple[str, str]  # of a cell: what stands before and after its number


def _look(who: str, tone: int | str, state: str, said: str) -> Look:
    """Who holds it, their colour, the state of the holder, what a hover says."""
    marks = f'data-who="{who}" data-tone="{tone}" data-state="{state}"'
    return f'<span class="cell" {marks} title="RDU ', f': {escape(said)}"></span>'


FREE = _look("free", "", "", "free")


class Holding:
    """An instance on a node in words, and the address of its endpoint's window, "" where that is hidden."""

    def __init__(self, held: Held) -> None:
        self.held, self.holder = held, held.holder
        self.word = "Live" if held.state == "ready" else held.state.capitalize()
        self.rdus = spans(held.rdus)

    @property
    def line(self) -> str:
        """Of the list of a node's holders; escaped."""
        name, word, known = escape(self.holder.name), escape(self.word), self.holder.endpoint
        if not known:
            return f"<li><b>{self.rdus}</b><span>{name}</span><small>{word}</small></li>"
        window = escape(htmx.address("endpoint", known))
        told = f"<small>instance {self.held.ordinal}, {word}</small>"
        return f'<li><b>{self.rdus}</b><a href="{window}">{name}</a>{told}</li>'

    @property
    def look(self) -> Look:
        """Of its RDUs."""
        number = f", instance {self.held.ordinal}" if self.holder.endpoint else ""
        who, tone = ("mine", self.holder.tone % TONES) if self.holder.is_mine else ("other", "")
        return _look(who, tone, self.held.state, f"{self.holder.name}{number}, {self.word}")


class Outlook:
    """What a drain would do, in numbers and lines."""

    def __init__(self, moves: list[Move]) -> None:
        self.moves = [(Holding(move.held), move) for move in moves]
        self.moving = sum(bool(move.target) for move in moves)
        self.waiting = len(moves) - self.moving
