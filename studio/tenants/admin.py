"""Tenants and people, for operators who are OrgAdmins."""

from django.contrib import admin

from endpoints.models import Endpoint
from studio.desk.shown import Shown, linked
from studio.projects.models import Project
from studio.tenants.models import Membership, Organization, PlatformKey, Tenant, User


@admin.register(Organization)
class OrganizationAdmin(Shown):
    list_display = ["name", "id"]


@admin.register(Tenant)
class TenantAdmin(Shown):
    list_display = ["name", "created_at", "archived_at"]
    list_filter = [("archived_at", admin.EmptyFieldListFilter)]
    search_fields = ["name"]
    leads_to = [("Projects", Project, "tenant"), ("Members", Membership, "tenant")]


@admin.register(User)
class UserAdmin(Shown):
    list_display = [
        "username",
        "is_org_admin",
        "is_staff",
        "is_active",
        linked("default_tenant"),
        "last_login",
    ]
    list_filter = ["is_org_admin", "is_staff", "is_active"]
    list_select_related = ["default_tenant"]
    search_fields = ["username"]
    leads_to = [
        ("Memberships", Membership, "user"),
        ("Projects", Project, "owner"),
        ("Endpoints", Endpoint, "owner"),
    ]


@admin.register(Membership)
class MembershipAdmin(Shown):
    list_display = ["id", linked("user"), linked("tenant"), "role"]
    list_filter = ["role"]
    list_select_related = ["user", "tenant"]
    ordering = ["pk"]
    search_fields = ["user__username", "tenant__name"]
    ids = ["user", "tenant"]


@admin.register(PlatformKey)
class PlatformKeyAdmin(Shown):
    list_display = ["prefix", linked("user"), "created_at", "last_used_at"]
    list_select_related = ["user"]
    ordering = ["pk"]
    search_fields = ["user__username", "prefix"]
