"""Machines on the operators' desk. Of the endpoints on them an operator reads ids, an OrgAdmin names as well."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from scheduler import services
from scheduler.models import Allocation, Control, Demand, Instance, Node, Placement, Quota, Rdu, Sweep
from scheduler.rules import NODE_STATES, STATES, NodeState
from studio.desk.deeds import deed
from studio.desk.shown import Shown, among, linked, sees_content

INTENTS = (NodeState.READY, NodeState.CORDONED, NodeState.DRAINING)


class Machines(Shown):
    of_tenants = False


@admin.display(description="reason")
def reason_code(row: Instance) -> str:
    """The word alone: a sentence may hold a quota's numbers or a server's last words."""
    return str((row.reason or {}).get("code", ""))


@admin.register(Node)
class NodeAdmin(Machines):
    list_display = [
        "name", linked("generation"), "width", "free", "state", "intent", "heard_at", "epoch", "applied_epoch",
        "refusal",
    ]  # fmt: skip
    list_filter = [among("state", NODE_STATES), among("intent", INTENTS), "generation", "virtual"]
    list_select_related = ["generation"]
    search_fields = ["name", "machine", "address"]
    leads_to = [("Instances", Instance, "node"), ("RDUs", Rdu, "node")]
    guarded = ["tenant"]
    actions = [
        deed(
            "cordon", "Cordon: no new instances, what runs stays",
            lambda actor, node, now: services.cordon_node(actor=actor, node=node, now=now),
        ),
        deed(
            "uncordon", "Uncordon or undrain: take instances again",
            lambda actor, node, now: services.uncordon_node(actor=actor, node=node, now=now),
        ),
        deed(
            "drain", "Drain: move everything off",
            lambda actor, node, now: services.drain_node(actor=actor, node=node, now=now),
            loses="Every instance on these nodes gets a replacement elsewhere and ends once that one answers.",
        ),
        deed(
            "remove", "Remove: the machine is dead or empty",
            lambda actor, node, now: services.remove_node(actor=actor, node=node, now=now),
            loses="It is your word that these machines are dead or empty: their instances are over, their RDUs"
            " leave the platform, and their agents must join anew under a new token.",
        ),
    ]  # fmt: skip


@admin.register(Instance)
class InstanceAdmin(Machines):
    list_display = [
        "id", linked("endpoint"), "endpoint_id", "ordinal", "state", linked("node"), "rdus", "attempt", "crashes",
        reason_code, "state_since",
    ]  # fmt: skip
    list_filter = [among("state", STATES), "generation"]
    list_select_related = ["endpoint", "node"]
    ordering = ["pk"]
    search_fields = ["node__name"]
    ids = ["pk", "endpoint"]
    leads_to = [("Allocations", Allocation, "instance")]
    guarded = ["endpoint", "model_version", "parameters", "log_tail", "reason"]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Whoever may read the endpoint's name needs no id of it."""
        columns = super().get_list_display(request)
        return [column for column in columns if column != "endpoint_id" or not sees_content(request)]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = super().get_fields(request, obj)
        return fields if sees_content(request) else ["endpoint_id", reason_code, *fields]


@admin.register(Rdu)
class RduAdmin(Machines):
    list_display = ["id", linked("node"), "index"]
    list_select_related = ["node"]
    ordering = ["pk"]
    search_fields = ["node__name"]
    ids = ["node"]
    leads_to = [("Allocations", Allocation, "rdu")]


@admin.register(Allocation)
class AllocationAdmin(Machines):
    list_display = ["id", linked("rdu", "RDU"), linked("instance"), "allocated_at", "released_at"]
    list_filter = [("released_at", admin.EmptyFieldListFilter)]
    list_select_related = ["rdu__node", "instance"]
    ordering = ["-pk"]
    search_fields = ["rdu__node__name"]
    ids = ["instance"]


@admin.register(Quota)
class QuotaAdmin(Shown):
    list_display = ["id", linked("tenant"), "generation", "guaranteed", "maximum"]
    list_select_related = ["tenant"]
    list_filter = ["generation"]
    ordering = ["pk"]
    search_fields = ["tenant__name"]
    ids = ["tenant"]


@admin.register(Demand)
class DemandAdmin(Machines):
    list_display = ["generation", "count"]


@admin.register(Placement)
class PlacementAdmin(Machines):
    list_display = ["generation", "planned", "fence", "holder", "held_until"]


@admin.register(Sweep)
class SweepAdmin(Machines):
    list_display = ["name", "last"]


@admin.register(Control)
class ControlAdmin(Machines):
    list_display = ["id", "incarnation", "listened_at", "resumed_at"]
