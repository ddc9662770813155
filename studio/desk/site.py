"""The administration's site: the operators' desk, with what needs attention on its home page."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse

from studio.desk.attention import matters


class Desk(admin.AdminSite):
    site_header = site_title = "Studio administration"
    index_title = "What needs attention"
    index_template = "admin/attention.html"

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        found = {"matters": matters(datetime.now(UTC))}
        return super().index(request, {**found, **(extra_context or {})})
