"""Projects: where a tenant's endpoints stand."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from studio.tenants.models import Tenant

GENERAL_ACCESS = [
    ("private", "Private"),
    ("tenant_viewer", "Everyone in this tenant can view"),
    ("tenant_editor", "Everyone in this tenant can edit"),
    ("all_viewer", "All tenants can view"),
]
SHARE_ROLES = (("viewer", "Viewer"), ("editor", "Editor"))  # what a grant of `studio.sharing` gives
GENERAL_ACCESS_VALUES = [value for value, _ in GENERAL_ACCESS]


class Project(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="projects")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="projects")
    name = models.CharField(max_length=63)
    description = models.CharField(max_length=500, blank=True)
    general_access = models.CharField(max_length=13, choices=GENERAL_ACCESS, default="private")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "id"]
        permissions = SHARE_ROLES
        constraints = [
            models.UniqueConstraint(
                "tenant",
                Lower("name"),
                condition=Q(deleted_at__isnull=True),
                name="project_name_once_in_tenant",
            ),
            models.CheckConstraint(
                condition=Q(general_access__in=GENERAL_ACCESS_VALUES), name="project_access_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name
