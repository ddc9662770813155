"""The Share settings window of an endpoint, a project or a model; and whether all tenants may be meant."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from endpoints import selectors as endpoints
from studio import htmx
from studio.errors import Refusal
from studio.hub import selectors as hub
from studio.projects import selectors as projects
from studio.projects.models import GENERAL_ACCESS
from studio.sharing import grantees, services
from studio.sharing.forms import NONE, Line, ShareForm, wishes_of
from studio.sharing.rules import Grant, Shares, Wish
from studio.sharing.selectors import Shareable, all_tenants_allowed, open_to_all_counts
from studio.tenants.rules import Actor, require

OFFERED = 20  # names of each kind that the field offers while somebody types


@dataclass(frozen=True, slots=True)
class Place:
    """The thing and where its window stands. `event`: what its page hears when it is shared otherwise."""

    thing: Shareable
    word: str
    window: str
    here: str
    event: str


@require_http_methods(["GET", "HEAD", "POST"])
def endpoint(request: htmx.Request, endpoint: UUID) -> HttpResponse:
    found = endpoints.named(request.actor, str(endpoint))
    return _share(request, _place(found, "endpoint", "endpoints-changed"))


@require_http_methods(["GET", "HEAD", "POST"])
def project(request: htmx.Request, project: UUID) -> HttpResponse:
    found = projects.named(request.actor, str(project))
    return _share(request, _place(found, "project", "projects-changed"))


@require_http_methods(["GET", "HEAD", "POST"])
def model(request: htmx.Request, model: UUID) -> HttpResponse:
    found = hub.model_named(request.actor, str(model))
    return _share(request, _place(found, "model", "models-changed"))


@require_POST
def organization(request: htmx.Request) -> HttpResponse:
    """For the page where an OrgAdmin sets it: `all_tenants` is on, or not there.

    What it would take back is asked about first; `sure` is the answer.
    """
    require(request.actor, "sharing.manage", services.ORGANIZATION, thing="organization")
    allowed = "all_tenants" in request.POST
    if not allowed and "sure" not in request.POST and (narrowed := _narrowed()):
        context = {"narrowed": narrowed, "back": reverse("tenants")}
        return htmx.dialog(request, "sharing/narrow.html", context)
    closed = services.allow_all_tenants(actor=request.actor, allowed=allowed, now=request.now)
    say = (
        "Things may be shared with all tenants."
        if allowed
        else "Things are no longer shared with all tenants."
    )
    if closed:
        say += f" {closed} {'is' if closed == 1 else 'are'} now open to everyone in their own tenant."
    return htmx.done(request, to=reverse("tenants"), say=say, events=["organization-changed"])


def _narrowed() -> str:
    """`2 projects, 1 endpoint and 1 model`, "" where nothing is open to all tenants."""
    counts = [(services.KINDS[kind].word, many) for kind, many in open_to_all_counts().items() if many]
    words = [f"{many} {word}{'' if many == 1 else 's'}" for word, many in counts]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _place(thing: Shareable, word: str, event: str) -> Place:
    return Place(
        thing, word, reverse(word, args=[thing.pk]), reverse(f"{word}-share", args=[thing.pk]), event
    )


def _share(request: htmx.Request, place: Place) -> HttpResponse:
    shares = services.shares(actor=request.actor, thing=place.thing)
    if request.method != "POST":
        if htmx.asks_for_names(request):
            return _names(request)
        lines = [Line(grant, grant.role) for grant in shares.grants]
        return _window(request, place, shares, _form(request.actor, place, shares), lines)
    form = _form(request.actor, place, shares, request.POST)
    lines = _lines(request, place, form)
    if "add" in request.POST:
        return _window(request, place, shares, _with_room(request, place, form, shares), lines)
    if form.errors or not _save(request, place, shares, form, lines):
        return _window(request, place, shares, form, lines)
    say = f"Share settings of {place.thing.name} were saved."
    return htmx.done(request, to=place.window, say=say, events=[place.event])


def _names(request: htmx.Request) -> HttpResponse:
    """Who may be meant by what is typed so far."""
    kind, typed = request.GET.get("kind", ""), request.GET.get("name", "")
    return htmx.names(request, grantees.offered(request.actor, kind, typed, OFFERED))


def _lines(request: htmx.Request, place: Place, form: ShareForm) -> list[Line]:
    """The list as it was sent, with the one that is typed below it; who cannot be meant is blamed at the name."""
    roles = {f"{wish.kind}:{wish.grantee}": role for wish, role in wishes_of(request.POST)}
    sent = [wish for wish, _ in wishes_of(request.POST)]
    found = [
        Line(grant, roles.get(f"{grant.kind}:{grant.id}", grant.role))
        for grant in _meant(request.actor, place, form, sent)
    ]
    wish = form.typed if form.is_valid() else None
    if wish is not None:
        there = {(line.grant.kind, line.grant.id) for line in found}
        for grant in _meant(request.actor, place, form, [wish]):
            if (grant.kind, grant.id) in there:
                form.add_error("name", f"{grant.name} is in the list already.")
            else:
                found.append(Line(grant, grant.role))
    return found


def _meant(actor: Actor, place: Place, form: ShareForm, wishes: list[Wish]) -> tuple[Grant, ...]:
    """All, or those that can be meant where one cannot."""
    try:
        return services.check_wishes(actor=actor, thing=place.thing, wishes=wishes)
    except Refusal as refusal:
        if len(wishes) == 1:
            _blame(form, refusal)
            return ()
        return tuple(grant for wish in wishes for grant in _meant(actor, place, form, [wish]))


def _with_room(request: htmx.Request, place: Place, form: ShareForm, shares: Shares) -> ShareForm:
    """After *Add*: the name is in the list now, and its field is empty for the next one."""
    if form.errors:
        return form
    typed = request.POST.copy()
    typed["name"] = ""
    fresh = _form(request.actor, place, shares, typed)
    fresh.fields["name"].widget.attrs["autofocus"] = True
    return fresh


def _save(request: htmx.Request, place: Place, shares: Shares, form: ShareForm, lines: list[Line]) -> bool:
    wishes = [Wish(line.grant.kind, str(line.grant.id), line.role) for line in lines if line.role != NONE]
    try:
        services.share(
            actor=request.actor,
            thing=place.thing,
            general_access=form.cleaned_data["general_access"],
            shared_with=wishes,
            seen=request.POST.get("seen", ""),
        )
    except services.Changed:
        form.add_error(None, _theirs(place, shares))
    except Refusal as refusal:
        _blame(form, refusal)
    else:
        return True
    return False


def _theirs(place: Place, shares: Shares) -> str:
    """Somebody was first: what they said; to save again is to decide for one's own."""
    access = dict(GENERAL_ACCESS)[shares.general_access]
    named = [f"{grant.name} ({grant.role.capitalize()})" for grant in shares.grants]
    said = "; ".join([access, *named])
    return (
        f"Somebody shared this {place.word} otherwise meanwhile: {said}. "
        "Save again to put yours in place of theirs."
    )


def _blame(form: ShareForm, refusal: Refusal) -> None:
    if "shared_with" in refusal.fields:
        form.add_error("name", refusal.sentence)
    else:
        htmx.blame(form, refusal)


def _form(actor: Actor, place: Place, shares: Shares, typed: Any = None) -> ShareForm:
    known = grantees.offered(actor, "", "", OFFERED)
    return ShareForm(shares, known, place.here, all_tenants_allowed(), typed)


def _window(
    request: htmx.Request, place: Place, shares: Shares, form: ShareForm, lines: list[Line]
) -> HttpResponse:
    context = {"place": place, "form": form, "lines": lines, "seen": shares.version, "back": place.window}
    return htmx.dialog(request, "sharing/share.html", context)
