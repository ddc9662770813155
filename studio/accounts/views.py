"""Sign-in, sign-out and one's own account."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import trigger_client_event

from studio import htmx
from studio.accounts import devices, selectors, services, sessions
from studio.accounts.forms import PasswordForm, SignInForm
from studio.accounts.models import Session
from studio.accounts.rules import browser_in_words
from studio.errors import Forbidden, Refusal
from studio.middleware import client_address
from studio.tenants import selectors as tenants
from studio.tenants import services as tenant_services

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
        now = datetime.now(UTC)
        try:
            admitted = services.sign_in(
                name=form.cleaned_data["username"],
                password=form.cleaned_data["password"],
                address=client_address(self.request),
                device=self.request.COOKIES.get(devices.COOKIE, ""),
                now=now,
            )
        except Refusal as refusal:
            htmx.blame(form, refusal)
            form.ask_for_the_password()
            return self.form_invalid(form)
        services.make_room(user=admitted.user, now=now)
        login(self.request, admitted.user, backend=settings.AUTHENTICATION_BACKENDS[0])
        agent = self.request.headers.get("User-Agent", "")
        sessions.begin(self.request.session, address=client_address(self.request), agent=agent, now=now)  # type: ignore[arg-type]
        return _remember(HttpResponseRedirect(self.get_success_url()), admitted.device)


class SignOut(LogoutView):
    http_method_names = ["post", "options"]


@login_not_required
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """The administration has no door of its own: the one with the limits is for all."""
    if request.user.is_authenticated:
        raise Forbidden("Only operators can use the Django admin.")
    return HttpResponseRedirect(f"{reverse('sign-in')}?next={reverse('admin:index')}")


class SessionRow:
    """A session in words; `here` is the one that asks."""

    def __init__(self, session: Session, here: UUID | None) -> None:
        self.session, self.here = session, session.id == here
        self.browser = browser_in_words(session.agent)


@require_safe
def account(request: htmx.Request) -> HttpResponse:
    here = sessions.id_of(request.session)
    rows = [SessionRow(each, here) for each in selectors.sessions_of(request.user.pk, request.now)]
    key = tenants.platform_key_of(request.actor.id)
    context = {"sessions": rows, "key": key, "masked": f"{key.prefix}-••••" if key else ""}
    part = "key" if request.GET.get("part") == "key" else "sessions"
    return htmx.page(request, "accounts/account.html", context, part=part)


@require_http_methods(METHODS)
@sensitive_variables("value")
def platform_key(request: htmx.Request) -> HttpResponse:
    """Asked first, as the old key stops working; the value is in the answer to that and nowhere else."""
    back = reverse("account")
    if request.method != "POST":
        context = {"key": tenants.platform_key_of(request.actor.id), "back": back}
        return htmx.dialog(request, "accounts/platform-key.html", context)
    value = tenant_services.new_platform_key(actor=request.actor, user=request.user, now=request.now)
    answer = htmx.dialog(request, "accounts/platform-key-value.html", {"value": value.reveal(), "back": back})
    return trigger_client_event(answer, "key-changed")


@require_POST
def end_session(request: htmx.Request, session: UUID) -> HttpResponse:
    found = selectors.session_named(request.actor, str(session), request.now)
    services.end_session(actor=request.actor, session=found)
    if found.id == sessions.id_of(request.session):
        return _away(request)
    say = f"{browser_in_words(found.agent)} was signed out."
    return htmx.done(request, to=reverse("account"), say=say, events=["sessions-changed"])


@require_http_methods(METHODS)
def end_sessions(request: htmx.Request) -> HttpResponse:
    if request.method != "POST":
        return htmx.dialog(request, "accounts/end-sessions.html", {"back": reverse("account")})
    services.end_sessions(actor=request.actor)
    return _away(request)


def _away(request: htmx.Request) -> HttpResponse:
    logout(request)
    return htmx.elsewhere(request, reverse("sign-in"))


@require_http_methods(METHODS)
@sensitive_post_parameters()
def password(request: htmx.Request) -> HttpResponse:
    form = PasswordForm(request.POST if request.method == "POST" else None)
    must = request.user.password_is_initial
    back = reverse("dashboard" if must else "account")
    if request.method == "POST" and form.is_valid():
        try:
            user = services.change_password(
                actor=request.actor,
                user=request.user,
                old=form.cleaned_data["old"],
                new=form.cleaned_data["new"],
                session=sessions.id_of(request.session),
                now=request.now,
            )
        except Refusal as refusal:
            htmx.blame(form, refusal)
        else:
            update_session_auth_hash(request, user)
            return htmx.done(request, to=back, say="Your password was changed; your other sessions are over.")
    context = {"form": form, "back": back}
    if must:
        return htmx.page(request, "accounts/password-first.html", context)
    return htmx.dialog(request, "accounts/password.html", context)


def _remember(response: HttpResponse, device: str) -> HttpResponse:
    response.set_cookie(
        devices.COOKIE, device, max_age=devices.YEAR, secure=settings.SECURE, httponly=True, samesite="Lax",
        path=reverse("sign-in"),
    )  # fmt: skip
    return response
