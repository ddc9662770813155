"""The operators' desk is put together here; each app's `admin.py` brings its pages (`studio.desk`)."""

from django.contrib import admin
from django.contrib.auth.models import Group

# Rights come from roles (`studio.tenants.rules`), never from a group of Django's.
admin.site.unregister(Group)
