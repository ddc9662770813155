"""Users and Tenant management: the pages of OrgAdmins and TenantAdmins, with their dialogs."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.forms import Form
from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from endpoints import listing
from endpoints import selectors as endpoints
from endpoints.models import Endpoint
from endpoints.views.shown import rows_of
from scheduler import quotas
from scheduler import services as scheduling
from scheduler.rules import check_quota
from studio import htmx
from studio.errors import Invalid
from studio.paging import page as page_of
from studio.people import selectors, services
from studio.people.forms import QuotaForm, RolesForm, TenantForm, UserForm
from studio.people.selectors import Counts
from studio.sharing.selectors import all_tenants_allowed
from studio.tenants import services as making
from studio.tenants.models import Tenant, User
from studio.tenants.rules import Actor, Facts, may, require

METHODS = ["GET", "HEAD", "POST"]
PAGE = 25
SHORT = 20  # endpoints that a confirmation lists


# ----- tenants --------------------------------------------------------------------------------------------


class TenantRow:
    """A tenant with what stands in it and what its menu offers."""

    def __init__(
        self, tenant: Tenant, counts: Counts, standings: Sequence[quotas.Standing], actor: Actor
    ) -> None:
        self.tenant, self.counts = tenant, counts
        self.standings = [
            each for each in standings if each.held or each.guaranteed or each.maximum is not None
        ]
        self.status = "Archived" if tenant.archived_at else "Active"
        self.may_manage = may(actor, "tenant.manage", Facts(tenant=tenant.pk))


@require_safe
def tenants(request: htmx.Request) -> HttpResponse:
    actor = request.actor
    selectors.require_admin(actor)
    found, following = page_of(selectors.administered(actor), request.GET.get("cursor"), PAGE)
    counts, standings = selectors.counts(found), quotas.standings(each.pk for each in found)
    context = {
        "rows": [TenantRow(each, counts[each.pk], standings[each.pk], actor) for each in found],
        "following": following,
        "may_create": actor.is_org_admin,
        "all_tenants": all_tenants_allowed(),
    }
    part = "sharing" if request.htmx.target == "sharing" else "rows"
    return htmx.page(request, "people/tenants.html", context, part=part)


@require_http_methods(METHODS)
def new_tenant(request: htmx.Request) -> HttpResponse:
    require(request.actor, "tenant.manage", Facts(tenant=request.actor.tenant), thing="page")

    def create(form: Form) -> str:
        tenant = making.create_tenant(actor=request.actor, now=request.now, **form.cleaned_data)
        return f"Tenant {tenant.name} was created."

    return _tenant_box(request, "people/tenant-new.html", TenantForm(request.POST or None), create)


@require_http_methods(METHODS)
def edit_tenant(request: htmx.Request, tenant: str) -> HttpResponse:
    found = _tenant(request, tenant)
    form = TenantForm(request.POST or None, initial={"name": found.name})

    def rename(form: Form) -> str:
        now = services.rename_tenant(actor=request.actor, tenant=found, now=request.now, **form.cleaned_data)
        return f"Tenant {now.name} was saved."

    return _tenant_box(request, "people/tenant-edit.html", form, rename, tenant=found)


@require_http_methods(METHODS)
def tenant_quota(request: htmx.Request, tenant: str) -> HttpResponse:
    found = _tenant(request, tenant)
    typed = request.POST if request.method == "POST" else None
    form = QuotaForm(quotas.standings([found.pk])[found.pk], typed)

    def save(form: Form) -> str:
        for generation, limits in form.wanted().items():  # type: ignore[attr-defined]
            _check_at_its_field(generation, limits)
        wanted = form.wanted()  # type: ignore[attr-defined]
        scheduling.set_quotas(actor=request.actor, tenant=found, wanted=wanted, now=request.now)
        return f"The RDU quota of {found.name} was saved."

    return _tenant_box(request, "people/tenant-quota.html", form, save, tenant=found)


def _check_at_its_field(generation: str, limits: tuple[int, int | None]) -> None:
    """The rule's refusal, at the field of this generation."""
    try:
        check_quota(generation, *limits)
    except Invalid as refusal:
        refusal.fields = {f"{name}-{generation}": text for name, text in refusal.fields.items()}
        raise


@require_http_methods(METHODS)
def archive_tenant(request: htmx.Request, tenant: str) -> HttpResponse:
    found = _tenant(request, tenant)

    def archive(form: Form) -> str:
        services.archive_tenant(actor=request.actor, tenant=found, now=request.now)
        return f"Tenant {found.name} was archived."

    context = _what_it_holds(request.actor, found)
    form = Form(request.POST if request.method == "POST" else None)
    return _tenant_box(request, "people/tenant-archive.html", form, archive, tenant=found, **context)


@require_POST
def unarchive_tenant(request: htmx.Request, tenant: str) -> HttpResponse:
    found = _tenant(request, tenant)
    services.unarchive_tenant(actor=request.actor, tenant=found, now=request.now)
    say = f"Tenant {found.name} is open again."
    return htmx.done(request, to=reverse("tenants"), say=say, events=["tenants-changed"])


def _tenant(request: htmx.Request, name: str) -> Tenant:
    found = selectors.tenant_named(request.actor, name)
    require(request.actor, "tenant.manage", Facts(tenant=found.pk), thing="tenant")
    return found


def _what_it_holds(actor: Actor, tenant: Tenant) -> dict[str, Any]:
    """What goes on in it when it is archived."""
    running = endpoints.visible(actor).filter(project__tenant=tenant, desired=Endpoint.Desired.RUNNING)
    count = running.count()
    listed = listing.listed(running.order_by("name", "id")[:SHORT])
    return {
        "counts": selectors.counts([tenant])[tenant.pk],
        "endpoints": rows_of(actor, endpoints.views(listed)),
        "count": count,
        "more": max(0, count - SHORT),
    }


def _tenant_box(
    request: htmx.Request, template: str, form: Form, deed: Callable[[Form], str], **context: Any
) -> HttpResponse:
    back, events = reverse("tenants"), ["tenants-changed"]
    return htmx.box(request, template, form, partial(deed, form), back=back, events=events, **context)


# ----- people ---------------------------------------------------------------------------------------------


class UserRow:
    """A person with what their menu offers."""

    def __init__(self, user: User, actor: Actor) -> None:
        self.user, self.known = user, getattr(user, "known", [])
        self.is_me = user.pk == actor.id
        self.status = "Active" if user.is_active else "Deactivated"
        self.can_edit = selectors.may_change_roles(actor, user)
        self.can_deactivate = selectors.may_deactivate(actor, user)
        self.can_reset_password = selectors.may_reset_password(actor, user)


@require_safe
def users(request: htmx.Request) -> HttpResponse:
    actor = request.actor
    everybody = selectors.users(actor)
    choices = list(selectors.administered(actor))
    wanted, words = request.GET.get("tenant", ""), request.GET.get("search", "").strip()
    tenant = next((each for each in choices if str(each.pk) == wanted), None)
    found, following = page_of(selectors.searched(everybody, words, tenant), request.GET.get("cursor"), PAGE)
    query = {"tenant": str(tenant.pk) if tenant else "", "search": words, "cursor": following or ""}
    context = {
        "rows": [UserRow(each, actor) for each in found],
        "following": urlencode({name: value for name, value in query.items() if value}) if following else "",
        "tenants": choices,
        "tenant": tenant,
        "search": words,
        "is_narrowed": bool(tenant or words),
    }
    asked = request.htmx.trigger == "user-filters"
    return htmx.page(request, "people/users.html", context, part="found" if asked else "rows")


@require_http_methods(METHODS)
@sensitive_post_parameters("password")
@sensitive_variables("form")
def new_user(request: htmx.Request) -> HttpResponse:
    selectors.require_admin(request.actor)
    here = selectors.administered(request.actor).filter(archived_at=None)
    form = UserForm(request.actor, here, request.POST or None, initial={"tenant": request.actor.tenant})

    def create(form: Form) -> str:
        given = form.cleaned_data
        user = making.create_user(
            actor=request.actor,
            name=given["username"],
            password=given["password"],
            tenant=form.tenants[given["tenant"]],  # type: ignore[attr-defined]
            role=given["role"],
            now=request.now,
        )
        return f"User {user.username} was created."

    return _user_box(request, "people/user-new.html", form, create)


@require_http_methods(METHODS)
def edit_user(request: htmx.Request, user: str) -> HttpResponse:
    found = selectors.user_named(request.actor, user)
    there = selectors.administered(request.actor)
    typed = request.POST if request.method == "POST" else None
    form = RolesForm(request.actor, selectors.person(found), there, typed)

    def change(form: Form) -> str:
        services.change_roles(
            actor=request.actor,
            user=found,
            roles=form.roles(),  # type: ignore[attr-defined]
            org_admin=form.org_admin(),  # type: ignore[attr-defined]
            now=request.now,
        )
        return f"The roles of {found.username} were saved."

    return _user_box(request, "people/user-edit.html", form, change, person=found)


@require_http_methods(METHODS)
@sensitive_variables("value")
def reset_password(request: htmx.Request, user: str) -> HttpResponse:
    """Asked first; the value is in the answer to that and nowhere else."""
    found = selectors.user_named(request.actor, user)

    def reset(form: Form) -> HttpResponse:
        value = services.reset_password(actor=request.actor, user=found, now=request.now)
        context = {"person": found, "value": value.reveal(), "back": reverse("users")}
        return htmx.dialog(request, "people/user-password-value.html", context)

    form = Form(request.POST if request.method == "POST" else None)
    return _user_box(request, "people/user-password.html", form, reset, person=found)


@require_http_methods(METHODS)
def deactivate_user(request: htmx.Request, user: str) -> HttpResponse:
    found = selectors.user_named(request.actor, user)

    def deactivate(form: Form) -> str:
        services.deactivate_user(actor=request.actor, user=found, now=request.now)
        return f"User {found.username} was deactivated."

    owned = endpoints.visible(request.actor).filter(owner=found).exclude(desired=Endpoint.Desired.DELETED)
    context = {
        "person": found,
        "owned": owned.count(),
        "running": owned.filter(desired=Endpoint.Desired.RUNNING).count(),
    }
    form = Form(request.POST if request.method == "POST" else None)
    return _user_box(request, "people/user-deactivate.html", form, deactivate, **context)


@require_POST
def reactivate_user(request: htmx.Request, user: str) -> HttpResponse:
    found = selectors.user_named(request.actor, user)
    services.reactivate_user(actor=request.actor, user=found, now=request.now)
    say = f"User {found.username} can sign in again."
    return htmx.done(request, to=reverse("users"), say=say, events=["users-changed"])


def _user_box(
    request: htmx.Request,
    template: str,
    form: Form,
    deed: Callable[[Form], str | HttpResponse],
    **context: Any,
) -> HttpResponse:
    back, events = reverse("users"), ["users-changed"]
    return htmx.box(request, template, form, partial(deed, form), back=back, events=events, **context)
