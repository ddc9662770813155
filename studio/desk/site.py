"""The administration's site: the operators' desk in the frame of all pages, with what needs attention at its home."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse

from studio.desk.attention import matters
from studio.htmx import Frame


class Desk(admin.AdminSite):
    site_header = site_title = "Studio administration"
    index_title = "What needs attention"
    index_template = "admin/attention.html"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "frame": Frame(request)}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        found = {"matters": matters(datetime.now(UTC))}
        return super().index(request, {**found, **(extra_context or {})})
