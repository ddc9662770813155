"""What was used, for operators who are OrgAdmins; and the gateways that counted it, for every operator."""

from django.contrib import admin

from endpoints.usage.models import UsageDay, UsageGateway, UsageHalfHour, UsageMinute, UsageTwoHours
from studio.desk.shown import Shown, linked


@admin.register(UsageMinute, UsageHalfHour, UsageTwoHours, UsageDay)
class UsageAdmin(Shown):
    list_display = [
        "start",
        linked("endpoint"),
        linked("key"),
        "requests",
        "prompt_tokens",
        "completion_tokens",
    ]
    list_select_related = ["endpoint", "key"]
    ordering = ["-start", "pk"]
    search_fields = ["endpoint__name", "key__prefix"]
    ids = ["endpoint", "key"]


@admin.register(UsageGateway)
class GatewayAdmin(Shown):
    of_tenants = False
    list_display = ["id", "number", "seen_at"]
    ordering = ["-seen_at", "pk"]
    search_fields = ["id"]
    ids = []
