"""Endpoints and what they used, for operators who are OrgAdmins."""

from django.contrib import admin

from apikeys.models import ApiKey
from endpoints import services
from endpoints.models import Endpoint
from scheduler.models import Instance
from studio.desk.deeds import deed
from studio.desk.shown import Shown, linked


@admin.register(Endpoint)
class EndpointAdmin(Shown):
    list_display = [
        "name", linked("project"), linked("model_version", "model"), linked("generation"), "instances", "desired",
        linked("owner"), "route_version", "published_version", "created_at",
    ]  # fmt: skip
    list_filter = ["desired", "generation", "created_at"]
    list_select_related = ["project", "model_version__model", "generation", "owner"]
    ordering = ["-created_at", "id"]  # as its index
    search_fields = ["name", "project__name", "owner__username"]
    ids = ["pk", "project", "owner"]
    leads_to = [("Instances", Instance, "endpoint"), ("API keys", ApiKey, "endpoint")]
    actions = [
        deed(
            "stop", "Stop",
            lambda actor, row, now: services.stop_endpoint(actor=actor, endpoint=row, now=now),
            loses="These endpoints finish what they do, answer nothing more and give their RDUs back.",
        ),
        deed(
            "restart", "Restart",
            lambda actor, row, now: services.restart_endpoint(actor=actor, endpoint=row, now=now),
            loses="All instances of these endpoints are replaced in turn; those that are stopped or failed start.",
        ),
        deed(
            "delete", "Delete",
            lambda actor, row, now: services.delete_endpoint(actor=actor, endpoint=row, now=now),
            loses="These endpoints answer no more and their names are free. They can be restored for 24 hours.",
        ),
    ]  # fmt: skip
