"""The active tenant and the theme."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from studio import htmx
from studio.tenants import selectors
from studio.tenants.forms import ThemeForm

YEAR = 365 * 24 * 3600


@require_POST
def switch_tenant(request: htmx.Request) -> HttpResponse:
    """Everything else starts from the Dashboard: what was open may not exist in the other tenant."""
    tenant = selectors.tenant_named(request.actor, request.POST.get("tenant", ""))
    return _remember(redirect("dashboard"), "tenant", str(tenant.pk))


@require_POST
def choose_theme(request: htmx.Request) -> HttpResponse:
    form = ThemeForm(request.POST)
    back = HttpResponseRedirect(_safe(request, request.POST.get("next", "")))
    return _remember(back, "theme", form.cleaned_data["theme"]) if form.is_valid() else back


def _remember(response: HttpResponse, name: str, value: str) -> HttpResponse:
    response.set_cookie(name, value, max_age=YEAR, secure=settings.SECURE, httponly=True, samesite="Lax")
    return response


def _safe(request: HttpRequest, address: str) -> str:
    ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    return address if ours else "/"
