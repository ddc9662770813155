"""The doors of the web process. Predictions are not among them: they belong to the gateway."""

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic.base import RedirectView

from studio import api, assets


@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is asked, so that it stays true while the database is away."""
    return JsonResponse({"status": "ok"})


favicon = login_not_required(RedirectView.as_view(url=static("icons/favicon.svg"), permanent=False))

urlpatterns = [
    path("healthz", healthz),
    path("favicon.ico", favicon),
    path("assets/<slug:version>/<str:name>", assets.asset, name="asset"),
    path("", include("studio.accounts.urls")),  # before the administration, whose sign-in it replaces
    path("admin/", admin.site.urls),
    path("api/", api.urls),
    path("", include("studio.tenants.urls")),
    path("", include("studio.people.urls")),
    path("", include("studio.projects.urls")),
    path("", include("studio.hub.urls")),
    path("", include("endpoints.urls")),
    path("", include("endpoints.moves.urls")),
    path("", include("scheduler.urls")),
    path("", include("apikeys.urls")),
    path("", include("studio.sharing.urls")),
    path("", include("studio.audit.urls")),
    path("", include("studio.standing.urls")),
]
