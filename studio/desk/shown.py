"""What all pages of the administration share: rows to read, search and follow, and deeds that services do.

Nothing is written from here but through a service. A page shows every field of its row but secrets: bytes are digests
or sealed values without exception, and a password's hash is nobody's to read. An operator who is nothing else opens
pages of machines only; what belongs to tenants takes an OrgAdmin who is an operator too.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join

from studio.tenants.rules import Actor, Facts, may

EVERYWHERE = Facts(tenant=None)
NOBODY = Actor(id=None, name="nobody")
COUNTED = 10_000  # rows of a list; to count further would read them all
# And every BinaryField.
SECRET_FIELD = re.compile(r"(\w+_)?(password|secret|digest|sealed|token|session_key|session_data)")


class Bounded(Paginator):
    """Counts and pages no further than COUNTED rows; whoever looks for one behind them searches."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNTED].count())


class Shown(admin.ModelAdmin):
    """Searchable and linked, never written from here.

    `leads_to`: (label, model, its field that points here) for rows that belong to this one. `ids`: what a typed id
    may be, asked exactly; other words are looked up in `search_fields`. `guarded`: fields that hold something of
    tenants on a page of machines.
    """

    of_tenants = True
    ids: Sequence[str] = ("pk",)
    leads_to: Sequence[tuple[str, type[Model], str]] = ()
    guarded: Sequence[str] = ()
    show_full_result_count = False
    empty_value_display = "–"
    list_per_page = list_max_show_all = 50
    paginator = Bounded
    actions: Sequence[Any] = ()

    # --- who ------------------------------------------------------------------------------------------------

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_open(actor_of(request), of_tenants=self.of_tenants)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # --- what -----------------------------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        hidden = () if sees_content(request) else self.guarded
        fields = [field.name for field in shown_fields(self.model) if field.name not in hidden]
        return fields + (["related"] if self.leads_to else [])

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self.get_fields(request, obj)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        hidden = () if sees_content(request) else self.guarded
        return [column for column in self.list_display if column_name(column) not in hidden]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """An id is asked for by its index; only words are looked for in names."""
        try:
            wanted = UUID(search_term.strip())
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
        matches = models.Q()
        for field in self.ids:
            matches |= models.Q(**{field: wanted})
        return (queryset.filter(matches) if self.ids else queryset.none()), False

    @admin.display(description="leads to")
    def related(self, row: Model) -> str:
        return format_html_join(
            " · ",
            '<a href="{}">{}</a>',
            (
                (f"{list_of(model)}?{field}__{_target(model, field)}__exact={row.pk}", label)
                for label, model, field in self.leads_to
            ),
        )

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The audit is the history."""
        if not sees_content(request):
            raise PermissionDenied
        return HttpResponseRedirect(f"{reverse('admin:audit_event_changelist')}?thing_id={object_id}")


def actor_of(request: HttpRequest) -> Actor:
    """Whoever asks; the sign-in page is drawn for somebody who is nobody yet."""
    return getattr(request, "actor", NOBODY)


def sees_content(request: HttpRequest) -> bool:
    return may_open(actor_of(request), of_tenants=True)


def may_open(actor: Actor, *, of_tenants: bool) -> bool:
    """The desk is the operators'; of them an OrgAdmin sees what belongs to tenants, too."""
    return actor.is_operator and may(actor, "admin.content" if of_tenants else "node.manage", EVERYWHERE)


def shown_fields(model: type[Model]) -> list[Any]:
    """Every column that is no secret."""
    return [
        field
        for field in model._meta.concrete_fields
        if not isinstance(field, models.BinaryField) and not SECRET_FIELD.fullmatch(field.name)
    ]


# ----- filters --------------------------------------------------------------------------------------------


def among(field: str, words: Iterable[str]) -> type[admin.SimpleListFilter]:
    """A filter with these entries. Django's own would read the whole table for what stands in it."""
    entries = tuple((word, word) for word in words)

    class Among(admin.SimpleListFilter):
        title = field.replace("_", " ")
        parameter_name = f"{field}__exact"  # as links from elsewhere say it

        def lookups(self, request: HttpRequest, page: Any) -> Sequence[tuple[str, str]]:
            return entries

        def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
            return rows.filter(**{field: self.value()}) if self.value() else rows

    return Among


# ----- columns --------------------------------------------------------------------------------------------


def linked(field: str, label: str = "") -> Callable[[Any], str]:
    """A column that names another row and leads to it."""

    @admin.display(description=label or field.replace("_", " "), ordering=field)
    def column(row: Any) -> str:
        target = getattr(row, field)
        return link(target) if target is not None else "–"

    column.__name__ = field
    return column


def link(target: Model) -> str:
    return format_html('<a href="{}">{}</a>', page_of(target), str(target))


def page_of(target: Model) -> str:
    meta = target._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[target.pk])


def list_of(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def column_name(column: Any) -> str:
    return column if isinstance(column, str) else str(column.__name__)


def _target(model: type[Model], field: str) -> str:
    remote: Any = model._meta.get_field(field)
    return str(remote.target_field.name)
