"""Sign-in, sign-out and one's own account."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from studio import htmx
from studio.accounts import devices, services
from studio.accounts.forms import PasswordForm, SignInForm
from studio.errors import Forbidden, Refusal
from studio.middleware import client_address

METHODS = ["GET", "HEAD", "POST"]


@method_decorator(sensitive_post_parameters(), name="dispatch")
class SignIn(LoginView):
    template_name = "accounts/sign-in.html"
    redirect_authenticated_user = True

    @method_decorator(login_not_required)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A part of a page that asks after its person left is told so, instead of getting this page."""
        if request.htmx and not request.user.is_authenticated:  # type: ignore[attr-defined]
            return htmx.signed_out(request)
        return super().dispatch(request, *args, **kwargs)

    def get_form(self, form_class: Any = None) -> Any:
        return SignInForm(self.request.POST if self.request.method == "POST" else None)

    def form_valid(self, form: Any) -> HttpResponse:
        """The session gets a new key (`login`), so that one which somebody planted opens nothing."""
        try:
            admitted = services.sign_in(
                name=form.cleaned_data["username"],
                password=form.cleaned_data["password"],
                address=client_address(self.request),
                device=self.request.COOKIES.get(devices.COOKIE, ""),
                now=datetime.now(UTC),
            )
        except Refusal as refusal:
            htmx.blame(form, refusal)
            return self.form_invalid(form)
        login(self.request, admitted.user, backend=settings.AUTHENTICATION_BACKENDS[0])
        return _remember(HttpResponseRedirect(self.get_success_url()), admitted.device)


class SignOut(LogoutView):
    http_method_names = ["post", "options"]


@login_not_required
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """The administration has no door of its own: the one with the limits is for all."""
    if request.user.is_authenticated:
        raise Forbidden("Only operators can use the Django admin.")
    return HttpResponseRedirect(f"{reverse('sign-in')}?next={reverse('admin:index')}")


@require_http_methods(METHODS)
@sensitive_post_parameters()
def password(request: htmx.Request) -> HttpResponse:
    form = PasswordForm(request.POST if request.method == "POST" else None)
    back = reverse("dashboard")
    if request.method == "POST" and form.is_valid():
        try:
            user = services.change_password(
                actor=request.actor,
                user=request.user,
                old=form.cleaned_data["old"],
                new=form.cleaned_data["new"],
                now=request.now,
            )
        except Refusal as refusal:
            htmx.blame(form, refusal)
        else:
            update_session_auth_hash(request, user)
            return htmx.done(request, to=back, say="Your password was changed; your other sessions are over.")
    context = {"form": form, "back": back, "must": request.user.password_is_initial}
    return htmx.dialog(request, "accounts/password.html", context)


def _remember(response: HttpResponse, device: str) -> HttpResponse:
    response.set_cookie(
        devices.COOKIE, device, max_age=devices.YEAR, secure=settings.SECURE, httponly=True, samesite="Lax",
        path=reverse("sign-in"),
    )  # fmt: skip
    return response
