"""The operators' desk. Services own the writes, so what they own is shown here and not edited."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from endpoints.usage.models import UsageDay, UsageGateway
from scheduler import services
from scheduler.models import Allocation, Instance, Node, Placement, Sweep
from studio.audit.models import Event
from studio.errors import Refusal
from studio.hub.models import DeployOption, Generation, MLApp, Model, ModelVersion, Runtime, RuntimeVersion
from studio.projects.models import Project
from studio.tenants.models import Membership, PlatformKey, Tenant, User

admin.site.site_header = admin.site.site_title = "Studio administration"
admin.site.index_title = "What there is"


class Shown(admin.ModelAdmin):
    """Searchable and linked, never written from here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Endpoint)
class EndpointAdmin(Shown):
    list_display = [
        "name",
        "project",
        "model_version",
        "generation",
        "instances",
        "desired",
        "owner",
        "created_at",
    ]
    list_filter = ["desired", "generation"]
    search_fields = ["name", "id", "project__name", "owner__username"]
    list_select_related = ["project", "model_version__model", "generation", "owner"]


@admin.register(Instance)
class InstanceAdmin(Shown):
    list_display = ["endpoint", "ordinal", "state", "node", "rdus", "attempt", "crashes", "state_since"]
    list_filter = ["state", "generation", "node"]
    search_fields = ["id", "endpoint__name", "node__name"]
    list_select_related = ["endpoint", "node"]
    exclude = ["sealed_token"]


@admin.register(Node)
class NodeAdmin(Shown):
    actions = ["cordon", "uncordon", "drain", "remove"]
    list_display = [
        "name",
        "generation",
        "width",
        "free",
        "state",
        "intent",
        "heard_at",
        "epoch",
        "applied_epoch",
    ]
    list_filter = ["state", "generation", "virtual"]
    search_fields = ["name", "machine", "address"]
    exclude = ["sealed_token"]

    @admin.action(description="Cordon: no new instances, what runs stays")
    def cordon(self, request: HttpRequest, nodes: QuerySet[Node]) -> None:
        self._each(request, nodes, services.cordon_node)

    @admin.action(description="Uncordon: take instances again")
    def uncordon(self, request: HttpRequest, nodes: QuerySet[Node]) -> None:
        self._each(request, nodes, services.uncordon_node)

    @admin.action(description="Drain: move everything off")
    def drain(self, request: HttpRequest, nodes: QuerySet[Node]) -> None:
        self._each(request, nodes, services.drain_node)

    @admin.action(description="Remove: the machine is dead or empty")
    def remove(self, request: HttpRequest, nodes: QuerySet[Node]) -> None:
        self._each(request, nodes, services.remove_node)

    def _each(self, request: HttpRequest, nodes: QuerySet[Node], service: Callable[..., Node]) -> None:
        """One at a time: what one is refused does not keep the others from it."""
        for node in nodes:
            try:
                service(actor=request.actor, node=node, now=request.now)  # type: ignore[attr-defined]
            except Refusal as refusal:
                messages.error(request, f"{node.name}: {refusal.sentence}")
            else:
                messages.success(request, f"{node.name}: done.")


@admin.register(ApiKey)
class ApiKeyAdmin(Shown):
    list_display = ["prefix", "description", "endpoint", "owner", "is_first", "created_at", "revoked_at"]
    search_fields = ["prefix", "description", "endpoint__name"]
    list_select_related = ["endpoint", "owner"]
    exclude = ["digest", "sealed"]


@admin.register(PlatformKey)
class PlatformKeyAdmin(Shown):
    list_display = ["user", "prefix", "created_at", "last_used_at"]
    search_fields = ["user__username", "prefix"]
    exclude = ["digest"]


@admin.register(Event)
class EventAdmin(Shown):
    list_display = ["at", "actor_name", "role", "verb", "thing_type", "thing_name", "address"]
    list_filter = ["verb", "thing_type"]
    search_fields = ["actor_name", "thing_name", "thing_id", "request_id"]


@admin.register(User)
class UserAdmin(Shown):
    list_display = ["username", "is_org_admin", "is_staff", "is_active", "default_tenant", "last_login"]
    search_fields = ["username"]
    exclude = ["password"]


@admin.register(Model)
class ModelAdmin(Shown):
    list_display = ["name", "app", "tenant", "owner", "is_base", "publisher"]
    list_filter = ["app", "is_base"]
    search_fields = ["name", "id"]


admin.site.register(
    [
        Allocation, DeployOption, Generation, Membership, MLApp, ModelVersion,
        Placement, Project, Runtime, RuntimeVersion, Sweep, Tenant, UsageDay, UsageGateway,
    ],
    Shown,
)  # fmt: skip
