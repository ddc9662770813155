"""Who has been given what: django-guardian's grants, a row for each thing and each user or tenant.

The permission says the role (`viewer`, `editor` of the thing's model); a tenant is given something as its group.
"""

from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from endpoints.models import Endpoint
from studio.hub.models import Model
from studio.projects.models import Project


def _once(grantee: str, thing: str) -> models.UniqueConstraint:
    """One role at a time. Led by the grantee: everything that is asked of these rows begins with them."""
    return models.UniqueConstraint(fields=[grantee, "content_object"], name=f"{thing}_{grantee}_grant_once")


class ProjectUserGrant(UserObjectPermissionBase):
    content_object = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="user_grants")

    class Meta:
        constraints = [_once("user", "project")]


class ProjectTenantGrant(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tenant_grants")

    class Meta:
        constraints = [_once("group", "project")]


class EndpointUserGrant(UserObjectPermissionBase):
    content_object = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="user_grants")

    class Meta:
        constraints = [_once("user", "endpoint")]


class EndpointTenantGrant(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="tenant_grants")

    class Meta:
        constraints = [_once("group", "endpoint")]


class ModelUserGrant(UserObjectPermissionBase):
    content_object = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="user_grants")

    class Meta:
        constraints = [_once("user", "model")]


class ModelTenantGrant(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="tenant_grants")

    class Meta:
        constraints = [_once("group", "model")]
