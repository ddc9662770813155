"""The Model Hub. Every operator sees what the provider ships; models of tenants take an OrgAdmin, as all of theirs."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from scheduler.models import Node
from studio.desk.shown import Shown, linked, sees_content
from studio.hub.models import DeployOption, Generation, MLApp, Model, ModelVersion, Runtime, RuntimeVersion


class Hub(Shown):
    of_tenants = False


class Provided(Hub):
    """`tenant_of`: the way to the model's tenant, null for the provider's."""

    tenant_of = "tenant"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows if sees_content(request) else rows.filter(**{f"{self.tenant_of}__isnull": True})


@admin.register(Generation)
class GenerationAdmin(Hub):
    list_display = ["code", "rank", "device_env"]
    leads_to = [("Nodes", Node, "generation")]


@admin.register(MLApp)
class MLAppAdmin(Hub):
    list_display = ["name", "task", "composite", "id"]
    search_fields = ["name"]
    leads_to = [("Models", Model, "app")]


@admin.register(Model)
class ModelAdmin(Provided):
    list_display = [
        "name",
        linked("app", "ML App"),
        linked("tenant"),
        linked("owner"),
        "is_base",
        "publisher",
    ]
    list_filter = ["is_base", "app"]
    list_select_related = ["app", "tenant", "owner"]
    search_fields = ["name"]
    ids = ["pk", "tenant"]
    leads_to = [("Versions", ModelVersion, "model"), ("Generations", DeployOption, "model")]
    guarded = ["tenant", "owner"]


@admin.register(ModelVersion)
class ModelVersionAdmin(Provided):
    tenant_of = "model__tenant"
    list_display = ["id", linked("model"), "number", "path", "context_length", "created_at"]
    list_select_related = ["model"]
    search_fields = ["model__name", "path"]
    ids = ["pk", "model"]


@admin.register(DeployOption)
class DeployOptionAdmin(Provided):
    tenant_of = "model__tenant"
    list_display = ["id", linked("model"), linked("generation"), "rank", "rdus"]
    list_filter = ["generation"]
    list_select_related = ["model", "generation"]
    search_fields = ["model__name"]
    ids = ["model"]


@admin.register(Runtime)
class RuntimeAdmin(Hub):
    list_display = ["name", "task", "parallel", "start_seconds", "stop_seconds"]
    search_fields = ["name"]
    leads_to = [("Versions", RuntimeVersion, "runtime")]


@admin.register(RuntimeVersion)
class RuntimeVersionAdmin(Hub):
    list_display = ["id", linked("runtime"), "number", "notes", "created_at"]
    list_select_related = ["runtime"]
    ids = ["pk", "runtime"]
