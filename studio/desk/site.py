"""The administration's site: the operators' desk."""

from django.contrib import admin


class Desk(admin.AdminSite):
    site_header = site_title = "Studio administration"
    index_title = "What needs attention"
