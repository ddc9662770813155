"""Endpoints: what somebody wishes. What is the case stands in the scheduler's rows."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

from studio.hub.models import Generation, ModelVersion, RuntimeVersion
from studio.projects.models import GENERAL_ACCESS, GENERAL_ACCESS_VALUES, SHARE_ROLES, Project
from studio.seal import Secret


class Endpoint(models.Model):
    """The wish. Its status is computed (`endpoints.rules.status`), never stored.

    `spec_version` grows with every edit (optimistic concurrency); `config_version` only with what needs
    new instances (model, version, runtime, generation, parameters, restart); `route_version` with whatever
    the gateways must learn, and `published_version` is the last of these the broker holds.
    """

    first_value: Secret | None = None  # of the First Key: no column, only in the answer that makes it

    class Desired(models.TextChoices):
        RUNNING = "running"
        STOPPED = "stopped"
        DELETED = "deleted"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="endpoints")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="endpoints")
    name = models.CharField(max_length=63)
    description = models.CharField(max_length=500, blank=True)
    general_access = models.CharField(max_length=13, choices=GENERAL_ACCESS, default="private")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="endpoints")
    runtime_version = models.ForeignKey(RuntimeVersion, on_delete=models.PROTECT, related_name="endpoints")
    generation = models.ForeignKey(Generation, on_delete=models.PROTECT, related_name="endpoints")
    instances = models.PositiveIntegerField(help_text="Wanted while running; kept while stopped")
    rdus = models.PositiveSmallIntegerField(help_text="Per instance, all in one node")
    min_width = models.PositiveSmallIntegerField(
        default=0, help_text="Only nodes at least this wide (SN40L-16)"
    )
    parameters = models.JSONField(default=dict, blank=True)
    drain_seconds = models.PositiveIntegerField(default=300)
    desired = models.CharField(max_length=8, choices=Desired, default=Desired.RUNNING)
    spec_version = models.PositiveIntegerField(default=1)
    config_version = models.PositiveIntegerField(default=1)
    route_version = models.PositiveBigIntegerField(default=1)
    published_version = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "id"]
        permissions = SHARE_ROLES
        constraints = [
            models.UniqueConstraint(
                "project",
                Lower("name"),
                condition=~Q(desired="deleted"),
                name="endpoint_name_once_in_project",
            ),
            models.CheckConstraint(
                condition=Q(desired__in=["running", "stopped", "deleted"]), name="endpoint_desired_known"
            ),
            models.CheckConstraint(
                condition=Q(instances__gte=1, instances__lte=1000), name="endpoint_instances_1_1000"
            ),
            models.CheckConstraint(condition=Q(rdus__gte=1), name="endpoint_needs_rdus"),
            models.CheckConstraint(
                condition=Q(general_access__in=GENERAL_ACCESS_VALUES), name="endpoint_access_known"
            ),
            models.CheckConstraint(
                condition=Q(desired="deleted", deleted_at__isnull=False)
                | (~Q(desired="deleted") & Q(deleted_at__isnull=True)),
                name="endpoint_deleted_has_date",
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(route_version__gt=F("published_version")),
                name="endpoint_unpublished",
            ),
            models.Index(fields=["project", "-created_at", "id"], name="endpoint_of_project"),
            models.Index(fields=["-created_at", "id"], name="endpoint_newest"),
        ]

    def __str__(self) -> str:
        return self.name
