"""What needs attention, for the home page of the desk: a handful of queries at any size, each with its way out."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import redis
from django.conf import settings
from django.db.models import Count, F, Min, Q
from django.urls import reverse

from endpoints.models import Endpoint
from scheduler.models import Demand, Instance, Node, Sweep
from scheduler.rules import InstanceState, NodeState, counted
from studio import enqueue
from studio.doctor.looking import made_at
from studio.doctor.rules import check_sweeps

NAMED = 5
NODES_LOOKED_AT = 500  # nodes that are not as they should be; more of them are one sentence as well
JOINS_WITHIN = timedelta(minutes=15)
LOW_SHARE, LOW_BYTES = 0.05, 2 * 1024**3

WHY_WAITING = {
    "": "nobody has looked at them yet",
    "new": "nobody has looked at them yet",
    "no_nodes": "there is no node of this generation",
    "reserved": "every node is assigned to another tenant",
    "too_wide": "no node is wide enough",
    "unusable": "no node takes instances now",
    "none_free": "too few RDUs are free",
    "fragmented": "not enough RDUs are free together",
    "quota": "their tenant's quota is reached",
    "held": "RDUs are kept for an older request",
    "behind": "they stand behind an older request",
}


@dataclass(frozen=True, slots=True)
class Matter:
    """Something to look at: what is the case, what to do, and the page to do it from."""

    code: str
    sentence: str
    remedy: str
    link: str


def matters(now: datetime) -> list[Matter]:
    return [*_broker(), *_sweeps(now), *_nodes(now), *_failing(), *_waiting(), *_behind(), *_disks()]


def _broker() -> Iterator[Matter]:
    try:
        enqueue.broker().ping()
    except redis.RedisError as error:
        yield Matter(
            "broker",
            f"The broker does not answer ({type(error).__name__}).",
            "Running endpoints answer on; nothing changes until it is back. See its log, and STUDIO_BROKER_URL.",
            "",
        )


def _sweeps(now: datetime) -> Iterator[Matter]:
    for finding in check_sweeps(dict(Sweep.objects.values_list("name", "last")), made_at(now), now):
        yield Matter("sweep", finding.sentence, finding.remedy, reverse("admin:scheduler_sweep_changelist"))


def _nodes(now: datetime) -> Iterator[Matter]:
    odd = (
        Q(state__in=[NodeState.SUSPECT, NodeState.LOST, NodeState.RETURNING])
        | ~Q(refusal="")
        | ~Q(intruder="")
    )
    late = Q(state=NodeState.JOINING, created_at__lt=now - JOINS_WITHIN)
    rows = Node.objects.exclude(state=NodeState.REMOVED).filter(odd | late | Q(wished_epoch__lt=F("epoch")))
    found = list(rows.order_by("name")[:NODES_LOOKED_AT])
    at = reverse("admin:scheduler_node_changelist")
    for state, remedy in NODE_REMEDIES.items():
        names = [node.name for node in found if node.state == state]
        if names:
            yield Matter(
                f"node-{state}", f"{_named(names, 'node')}: {state}.", remedy, f"{at}?state__exact={state}"
            )
    for node in [node for node in found if node.refusal][:NAMED]:
        yield Matter(
            "node-refused", f"The agent of {node.name} may not join. {node.refusal}",
            "Mend what the sentence says, then start its agent again.", f"{at}?q={node.name}",
        )  # fmt: skip
    for node in [node for node in found if node.intruder][:NAMED]:
        yield Matter(
            "node-intruder", f"A second agent claims to be {node.name} and is refused.",
            "Stop the agent that runs with a copy of the token, or add a node of its own for it.",
            f"{at}?q={node.name}",
        )  # fmt: skip
    untold = [node.name for node in found if node.wished_epoch < node.epoch]
    if untold:
        yield Matter(
            "node-untold", f"{_named(untold, 'node')}: the newest wish is not written yet.",
            "Gone within seconds where control works; else run manage.py doctor.", at,
        )  # fmt: skip


NODE_REMEDIES = {
    NodeState.LOST: "See whether the machine runs and its agent reaches the broker. If it is gone for good, remove it:"
    " only then its RDUs are free.",
    NodeState.SUSPECT: "Silent for some seconds. See its agent's log if it does not come back by itself.",
    NodeState.RETURNING: "It is back and tidies up. If that lasts, its agent's log names a process that does not end.",
    NodeState.JOINING: "Added a while ago and not heard yet. Start its agent with the join token, or remove it.",
}


def _failing() -> Iterator[Matter]:
    rows = Instance.objects.filter(state=InstanceState.FAILED)
    many = rows.aggregate(instances=Count("pk"), endpoints=Count("endpoint", distinct=True))
    if many["instances"]:
        yield Matter(
            "failing",
            f"{counted(many['endpoints'], 'endpoint')} with {counted(many['instances'], 'instance')} that failed.",
            "The reason stands at each instance. Restart its endpoint once that is mended.",
            f"{reverse('admin:scheduler_instance_changelist')}?state__exact=failed",
        )


def _waiting() -> Iterator[Matter]:
    """By generation and reason, the longest wait first."""
    rows = Instance.objects.filter(state=InstanceState.AWAITING).order_by()
    groups = rows.values_list("generation_id", "reason__code").annotate(
        many=Count("pk"), since=Min("created_at")
    )
    for generation, code, many, since in sorted(groups, key=lambda group: group[3]):
        why = WHY_WAITING.get(code or "", str(code))
        yield Matter(
            "waiting",
            f"{counted(many, 'instance')} on {generation} {'waits' if many == 1 else 'wait'}: {why}"
            f" (the oldest since {since:%d %b, %Y, %H:%M} UTC).",
            "Add, uncordon or free nodes of this generation; Resources shows the queue.",
            f"{reverse('admin:scheduler_instance_changelist')}?state__exact=awaiting"
            f"&generation__code__exact={generation}",
        )


def _behind() -> Iterator[Matter]:
    unpublished = Endpoint.objects.filter(route_version__gt=F("published_version")).count()
    if unpublished:
        yield Matter(
            "routes", f"{counted(unpublished, 'endpoint')} changed, and the gateways have not been told yet.",
            "Gone within seconds where web or control reaches the broker; else run manage.py doctor.", "",
        )  # fmt: skip
    unplanned = Demand.objects.exclude(count=F("generation__placement__planned"))
    names = list(unplanned.order_by("pk").values_list("pk", flat=True)[:NAMED])
    if names:
        yield Matter(
            "plan", f"{', '.join(names)}: there is something to plan.",
            "Gone within seconds where a control worker takes the queue placement; else run manage.py doctor.",
            reverse("admin:scheduler_demand_changelist"),
        )  # fmt: skip


def _disks() -> Iterator[Matter]:
    """Of this machine: where checkpoints are read from and the platform's data lies."""
    for what, folder in (("checkpoint store", settings.CHECKPOINT_STORE), ("data folder", settings.DATA_DIR)):
        sizes = disk(folder)
        if sizes and (sizes[1] < LOW_BYTES or sizes[1] < LOW_SHARE * sizes[0]):
            yield Matter(
                "disk", f"The disk of the {what} has {sizes[1] / 1024**3:.1f} GiB left of {sizes[0] / 1024**3:.1f}.",
                "Free some of it: a full disk stops the database, the logs and new checkpoints.", "",
            )  # fmt: skip


def disk(folder: Path) -> tuple[int, int] | None:
    """(all, free) bytes; None where the folder is not on this machine."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.total, usage.free


def _named(names: Iterable[str], thing: str) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return f"{counted(len(listed), thing)} ({', '.join(listed[:NAMED])}{more})"
