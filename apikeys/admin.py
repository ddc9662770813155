"""API keys without their values, for operators who are OrgAdmins."""

from datetime import datetime

from django.contrib import admin

from apikeys import services
from apikeys.models import ApiKey
from endpoints import selectors
from studio.desk.deeds import deed
from studio.desk.shown import Shown, linked
from studio.tenants.rules import Actor


def _revoke(actor: Actor, key: ApiKey, now: datetime) -> None:
    services.revoke_key(actor=actor, key=key, facts=selectors.facts(actor, key.endpoint), now=now)


@admin.register(ApiKey)
class ApiKeyAdmin(Shown):
    list_display = [
        "prefix", "description", linked("endpoint"), linked("owner"), "is_first", "created_at", "expires_at",
        "revoked_at",
    ]  # fmt: skip
    list_filter = ["is_first", ("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["endpoint__project", "owner"]
    ordering = ["pk"]
    search_fields = ["prefix", "description", "endpoint__name"]
    ids = ["pk", "endpoint", "owner"]
    actions = [
        deed("revoke", "Revoke", _revoke, loses="Every gateway refuses these keys within a second, for good.")
    ]
