"""How endpoints, instances, RDUs and events are shown: words and pictures, no rules."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from endpoints import rules, selectors
from endpoints.models import Endpoint
from endpoints.selectors import EndpointView, InstanceView
from scheduler.pictures import NodePicture
from scheduler.rules import COMING
from scheduler.selectors import Capacity, Preview
from studio.audit.models import Event
from studio.sharing.selectors import was_given
from studio.tenants.rules import Actor, may


def rows_of(actor: Actor, views: Iterable[EndpointView]) -> list["Row"]:
    return [Row(view, actor) for view in views]


def tally_of(view: EndpointView) -> str:
    """`15 of 40`, or what *Instances* says while nothing is wished."""
    return view.tally.rpartition(" ")[0] or str(view.instances_now)


class Row:
    """An endpoint with what its menu offers this actor."""

    def __init__(self, view: EndpointView, actor: Actor) -> None:
        self.view, self.endpoint, self.status = view, view.endpoint, view.status
        facts = selectors.facts(actor, view.endpoint)
        self.was_given = was_given(actor, facts, self.endpoint.pk, self.endpoint.project_id)
        running, may_run = (
            self.endpoint.desired == Endpoint.Desired.RUNNING,
            may(actor, "endpoint.run", facts),
        )
        self.can_edit = may_run
        self.can_stop = may_run and running
        self.can_restart = may_run and (not running or self.status == rules.FAILED)
        self.can_delete = may(actor, "endpoint.delete", facts)
        self.can_share = self.can_delete
        self.may_read_keys = may(actor, "key.manage", facts)
        self.is_leaving = self.endpoint.desired == Endpoint.Desired.DELETED  # it has no window any more
        if self.is_leaving:
            self.can_edit = self.can_stop = self.can_restart = self.can_share = self.can_delete = False

    @property
    def has_menu(self) -> bool:
        return self.can_edit or self.can_stop or self.can_restart or self.can_share or self.can_delete

    @property
    def instances(self) -> str:
        return tally_of(self.view)

    @property
    def state(self) -> str:
        """The top bar of Details: `Live · 15 of 40 instances · 25 awaiting RDU`."""
        waiting = len(self.view.waiting)
        parts = (
            self.status,
            self.view.tally,
            f"{waiting} awaiting RDU" if waiting and self.view.ready else "",
        )
        return " · ".join(part for part in parts if part)

    @property
    def all_lines(self) -> list["Line"]:
        return [Line(each) for each in self.view.instances]

    @property
    def lines(self) -> list["Line"]:
        """The instances on their way to Live."""
        return [Line(each) for each in self.view.instances if each.state in COMING]

    @property
    def stuck(self) -> list["Line"]:
        """Those that wait for RDUs, failed, or are out of reach, each with its reason."""
        return [Line(each) for each in self.view.instances if each.state in ("awaiting", "failed", "lost")]

    @property
    def urls(self) -> list[tuple[str, str]]:
        return [
            ("Predict URL", self.view.predict_url),
            ("Streaming prediction URL", self.view.stream_url),
            ("OpenAI base URL", self.view.openai_url),
        ]


class Line:
    """An instance: its state in a word, and how far it has come."""

    STEPS = ("placed", "starting", "warming", "live")
    WORDS = {"awaiting": "Awaiting RDU", "ready": "Live"}

    def __init__(self, instance: InstanceView) -> None:
        self.instance = instance

    @property
    def word(self) -> str:
        return self.WORDS.get(self.instance.state, self.instance.state.capitalize())

    @property
    def percent(self) -> int | None:
        progress = self.instance.progress or {}
        total = progress.get("total") or 0
        return min(100, int(100 * (progress.get("done") or 0) / total)) if total else None

    @property
    def steps(self) -> list[dict[str, str]]:
        at = self.STEPS.index(self.instance.state)
        phase = (self.instance.progress or {}).get("phase") or "loading"
        loading = phase if self.percent is None or at != 1 else f"{phase} {self.percent} %"
        words = (f"placed on {self.instance.node}", loading, "warming", "live")
        kinds = ["done" if number < at else "now" if number == at else "todo" for number in range(4)]
        icons = {"done": "check", "now": "starting", "todo": "todo"}
        return [
            {"kind": kind, "icon": icons[kind], "word": word} for kind, word in zip(kinds, words, strict=True)
        ]

    @property
    def rdus(self) -> str:
        return spans(self.instance.rdus)


@dataclass(frozen=True, slots=True)
class Pool:
    """A generation's RDUs as a stacked bar, in percent of all there are."""

    capacity: Capacity

    @property
    def whole(self) -> int:
        return self.capacity.mine + self.capacity.others + self.capacity.out + self.capacity.free

    @property
    def parts(self) -> list[dict[str, Any]]:
        found, x = [], 0.0
        for who in ("mine", "others", "out"):
            width = 100 * getattr(self.capacity, who) / (self.whole or 1)
            gap = 0 if x + width > 99.9 else 0.3
            if width:
                found.append({"who": who, "x": f"{x:.2f}", "width": f"{max(0.2, width - gap):.2f}"})
            x += width
        return found


class Outlook:
    """A preview in words and pictures: where instances land, and which would wait."""

    NODES, REASONS = 6, 3

    def __init__(self, preview: Preview) -> None:
        self.preview = preview
        landing = [node for node in preview.nodes if node.lands]
        nodes = landing or (preview.nodes if preview.waits else [])
        self.nodes = [Landing(node, preview.rdus) for node in nodes[: self.NODES]]
        self.more = max(0, len(landing) - self.NODES)

    @property
    def start(self) -> str:
        waiting = {number for number, _ in self.preview.waits}
        numbers = range(self.preview.kept + 1, self.preview.instances + 1)
        return spans(number for number in numbers if number not in waiting)

    @property
    def wait(self) -> str:
        return spans(number for number, _ in self.preview.waits)

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """(instances, sentence), those with the same reason together."""
        found: dict[str, list[int]] = {}
        for number, sentence in self.preview.waits:
            found.setdefault(sentence, []).append(number)
        return [(spans(numbers), sentence) for sentence, numbers in found.items()][: self.REASONS]


class Landing:
    """A node of the preview; each RDU that would be taken carries the number of its instance."""

    def __init__(self, node: NodePicture, rdus: int) -> None:
        self.node, self.lands = node, spans(node.lands)
        takers = iter([number for number in node.lands for _ in range(rdus)])
        self.cells = [(cell.use, next(takers, "") if cell.use == "here" else "") for cell in node.cells]


def spans(numbers: Iterable[int]) -> str:
    """`1–3 and 5` for 1, 2, 3, 5."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [
        f"{a}" if a == b else f"{a} and {b}" if b == a + 1 and len(runs) == 1 else f"{a}–{b}" for a, b in runs
    ]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


@dataclass(frozen=True, slots=True)
class Happening:
    """An audit row as a sentence: `owen stopped endpoint hello`."""

    event: Event

    DEEDS = {
        "create": "created",
        "edit": "edited",
        "share": "changed who may see or edit",
        "roles": "changed the roles of",
        "new password": "set a new password of",
        "stop": "stopped",
        "restart": "restarted",
        "delete": "deleted",
        "restore": "restored",
        "add key": "added an API key to",
        "edit key": "described an API key of",
        "limit key": "set the limits of an API key of",
        "revoke key": "revoked an API key of",
        "show key": "looked at an API key of",
        "rotate key": "gave a new value to the First Key of",
        "show once": "set how API keys are shown in",
        "forget keys": "forgot the API keys of",
        "add": "added",
        "remove": "removed",
        "cordon": "cordoned",
        "uncordon": "uncordoned",
        "drain": "drained",
        "assign": "assigned",
        "repair": "repaired",
        "import": "imported",
        "rename": "renamed",
        "archive": "archived",
        "unarchive": "opened again",
        "quota": "set the RDU quota of",
        "sign in": "signed in as",
        "end session": "ended a session of",
        "sign out everywhere": "ended all sessions of",
        "change password": "changed the password of",
        "deactivate": "deactivated",
        "reactivate": "activated again",
        "rotate keys": "renewed the platform's own keys of",
        "platform key": "generated the platform API key of",
        "powers": "set the powers of",
        "move": "moved",
        "move here": "moved here",
        "transfer": "gave another owner to",
    }

    @property
    def deed(self) -> str:
        whom = next(iter(self.event.changes), "") if self.event.verb in ("give role", "take role") else ""
        if whom:
            return (
                f"gave {whom} a role in" if self.event.verb == "give role" else f"took the role of {whom} in"
            )
        return self.DEEDS.get(self.event.verb, self.event.verb)
