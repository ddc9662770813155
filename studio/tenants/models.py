"""Tenants, the people in them, and the one key each person has for the management API."""

import uuid

from django.contrib.auth.models import AbstractUser, Group
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now


class Organization(models.Model):
    """Whoever runs this platform. There is one. `all_tenants`: things may be opened to every tenant."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63)
    all_tenants = models.BooleanField("Sharing with all tenants allowed", default=False)

    def __str__(self) -> str:
        return self.name


class Tenant(models.Model):
    """A team with its own users, projects and endpoints. Archived ones keep running what runs.

    `group`: the tenant as somebody to share with, made when something is (`studio.sharing`). It has no members.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="tenants")
    name = models.CharField(max_length=63)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    archived_at = models.DateTimeField(null=True, blank=True)
    group = models.OneToOneField(
        Group, null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="tenant"
    )
    values_once = models.BooleanField("key values are shown once only", default=False)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("name"), name="tenant_name_once")]

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A person. OrgAdmin is a right over every tenant; `is_staff` makes an operator."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    is_org_admin = models.BooleanField("OrgAdmin", default=False)
    default_tenant = models.ForeignKey(
        Tenant, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    notices_read_at = models.DateTimeField(db_default=Now(), editable=False)
    password_is_initial = models.BooleanField("must set a password", default=False)  # an admin chose it

    class Meta:
        ordering = ["username"]
        constraints = [models.UniqueConstraint(Lower("username"), name="username_once")]


class Membership(models.Model):
    """A person in a tenant, with the role they have there."""

    class Role(models.TextChoices):
        MEMBER = "member", "Member"
        TENANT_ADMIN = "tenant_admin", "TenantAdmin"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role, default=Role.MEMBER)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "tenant"], name="membership_once"),
            models.CheckConstraint(
                condition=Q(role__in=["member", "tenant_admin"]), name="membership_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant} as {self.get_role_display()}"


class PlatformKey(models.Model):
    """The key a person uses with snapi and the REST API. Only its digest is kept.

    `pepper` names the one that it was made with, empty where that was not noted yet.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="platform_key")
    digest = models.BinaryField(max_length=32, unique=True)
    pepper = models.CharField(max_length=12, blank=True, editable=False)
    prefix = models.CharField(max_length=8)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.prefix}-•••• of {self.user}"
