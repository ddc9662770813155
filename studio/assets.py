"""The styles and the scripts of all pages, each as one file with an address of its own for each version.

Small sheets are good to write, and slow to load: every file comes with its head and compresses for itself. So they
come joined, in the order of these lists. A browser keeps what came and does not ask again: what differs has another
address.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

SHEETS = (
    *("tokens", "base", "layout"),
    *("button", "badge", "panel", "table", "form", "dialog", "menu", "notice", "bell", "facts", "copy"),
    *("rdu", "progress", "tabs", "expander", "timeline", "chart", "hub", "audit", "prose", "share"),
)
SCRIPTS = ("live", "standing", "dialogs", "menus", "forms", "notices", "copy")
PARTS = {"studio.css": SHEETS, "studio.js": SCRIPTS}
KINDS = {"studio.css": "text/css; charset=utf-8", "studio.js": "text/javascript; charset=utf-8"}
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Joined:
    content: bytes
    version: str


def sources(name: str) -> list[Path]:
    """The files that one of `PARTS` consists of."""
    kind = name.rpartition(".")[2]
    return [settings.BASE_DIR / "static" / kind / f"{part}.{kind}" for part in PARTS[name]]


@cache
def joined(name: str) -> Joined:
    """One of `PARTS`, as its files were when this process was first asked for it."""
    content = b"\n".join(source.read_bytes() for source in sources(name))
    return Joined(content, sha256(content).hexdigest()[:16])


def address(name: str) -> str:
    return reverse("asset", args=[joined(name).version, name])


@require_safe
@login_not_required
def asset(request: HttpRequest, version: str, name: str) -> HttpResponse:
    """A page from before an update gets what there is now; only what the address names is kept."""
    if name not in PARTS:
        raise Http404
    found = joined(name)
    answer = HttpResponse(found.content, content_type=KINDS[name])
    if version == found.version:
        answer.headers["Cache-Control"] = FOR_EVER
    return answer
