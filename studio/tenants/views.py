"""Sign-in, sign-out, the active tenant and the theme."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from studio import htmx
from studio.tenants import selectors
from studio.tenants.forms import SignInForm, ThemeForm

YEAR = 365 * 24 * 3600


class SignIn(LoginView):
    template_name = "tenants/sign-in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    @method_decorator(login_not_required)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A part of a page that asks after its person left is told so, instead of getting this page."""
        if request.htmx and not request.user.is_authenticated:  # type: ignore[attr-defined]
            return htmx.signed_out(request)
        return super().dispatch(request, *args, **kwargs)


class SignOut(LogoutView):
    http_method_names = ["post", "options"]


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
