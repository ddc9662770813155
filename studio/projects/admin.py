"""Projects, for operators who are OrgAdmins."""

from django.contrib import admin

from endpoints.models import Endpoint
from studio.desk.shown import Shown, linked
from studio.projects.models import Project


@admin.register(Project)
class ProjectAdmin(Shown):
    list_display = ["name", linked("tenant"), linked("owner"), "general_access", "created_at", "deleted_at"]
    list_filter = ["general_access", ("deleted_at", admin.EmptyFieldListFilter)]
    list_select_related = ["tenant", "owner"]
    ordering = ["pk"]
    search_fields = ["name", "tenant__name", "owner__username"]
    ids = ["pk", "tenant", "owner"]
    leads_to = [("Endpoints", Endpoint, "project")]
