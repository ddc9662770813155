"""Who has been given what, for operators who are OrgAdmins."""

from django.contrib import admin

from studio.desk.shown import Shown, linked
from studio.sharing.models import (
    EndpointTenantGrant,
    EndpointUserGrant,
    ModelTenantGrant,
    ModelUserGrant,
    ProjectTenantGrant,
    ProjectUserGrant,
)


@admin.register(ProjectUserGrant, EndpointUserGrant, ModelUserGrant)
class UserGrantAdmin(Shown):
    list_display = ["id", linked("content_object"), linked("user"), "permission"]
    list_select_related = ["content_object", "user", "permission__content_type"]
    ordering = ["pk"]
    search_fields = ["content_object__name", "user__username"]
    ids = ["content_object", "user"]


@admin.register(ProjectTenantGrant, EndpointTenantGrant, ModelTenantGrant)
class TenantGrantAdmin(Shown):
    list_display = ["id", linked("content_object"), "group", "permission"]
    list_select_related = ["content_object", "group", "permission__content_type"]
    ordering = ["pk"]
    search_fields = ["content_object__name", "group__tenant__name"]
    ids = ["content_object"]
