"""The audit, for operators who are OrgAdmins."""

from django.contrib import admin

from studio.audit.forms import KINDS
from studio.audit.models import Event
from studio.desk.shown import Shown, among
from studio.tenants.rules import Role

ROLES = (*(str(role) for role in Role), "platform")


@admin.register(Event)
class EventAdmin(Shown):
    list_display = ["at", "actor_name", "role", "verb", "thing_type", "thing_name", "address"]
    list_filter = [among("role", ROLES), among("thing_type", (*KINDS, "organization"))]
    ordering = ["-id"]
    search_fields = ["actor_name", "thing_name", "verb", "request_id"]
    ids = ["thing_id", "actor_id", "tenant_id"]

    def lookup_allowed(self, lookup: str, value: str, request: object = None) -> bool:
        return lookup == "thing_id" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]
