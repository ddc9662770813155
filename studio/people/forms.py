"""What administrators type about tenants and people. The rules behind it are the services'."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import forms

from scheduler.quotas import Standing
from studio.people.rules import MAKES_ADMINS, MEMBER, TENANT_ADMIN, Person, is_changeable
from studio.tenants.models import Tenant
from studio.tenants.rules import Actor

ROLES = [(MEMBER, "Member"), (TENANT_ADMIN, "TenantAdmin")]
NONE = ("", "Not in this tenant")


def _text(**attrs: Any) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "input", "autocomplete": "off", "spellcheck": "false", **attrs})


def _select() -> forms.Select:
    return forms.Select(attrs={"class": "input"})


class TenantForm(forms.Form):
    name = forms.CharField(label="Tenant name", widget=_text(autofocus=True))
    use_required_attribute = False  # the service's sentence stands at the field instead


class UserForm(forms.Form):
    """The New user box."""

    username = forms.CharField(label="User name", widget=_text(autofocus=True))
    password = forms.CharField(
        label="Password",
        help_text="For the first sign-in; hand it over on a safe way.",
        strip=False,
        widget=forms.PasswordInput(attrs={"class": "input", "autocomplete": "new-password"}),
    )
    tenant = forms.ChoiceField(label="Tenant", widget=_select())
    role = forms.ChoiceField(label="Role", widget=_select())
    use_required_attribute = False

    def __init__(self, actor: Actor, tenants: Iterable[Tenant], *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.tenants = {str(each.pk): each for each in tenants}
        choices = [(pk, each.name) for pk, each in self.tenants.items()]
        self.fields["tenant"].choices = choices  # type: ignore[attr-defined]
        self.fields["role"].choices = ROLES if actor.is_org_admin else ROLES[:1]  # type: ignore[attr-defined]


class RolesForm(forms.Form):
    """The Edit roles box: a field for each tenant that the actor administers, and OrgAdmin for whom may give it.

    Closed where the actor may not change the role.
    """

    use_required_attribute = False

    def __init__(
        self, actor: Actor, person: Person, tenants: Iterable[Tenant], *args: Any, **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self.tenants = [each for each in tenants if not each.archived_at or each.pk in person.roles]
        for tenant in self.tenants:
            role = person.roles.get(tenant.pk, "")
            offered = ROLES if actor.is_org_admin or role == TENANT_ADMIN else ROLES[:1]
            closed = not is_changeable(actor, tenant.pk, role)
            self.fields[_field(tenant.pk)] = forms.ChoiceField(
                label=tenant.name,
                required=False,
                initial=role,
                disabled=closed,
                help_text=MAKES_ADMINS if closed else "",
                choices=[NONE, *offered],
                widget=_select(),
            )
        if actor.is_org_admin:
            self.fields["org_admin"] = forms.BooleanField(
                label="OrgAdmin: may do everything in every tenant",
                required=False,
                initial=person.is_org_admin,
            )

    @property
    def of_tenants(self) -> list[forms.BoundField]:
        return [self[_field(tenant.pk)] for tenant in self.tenants]

    def roles(self) -> dict[UUID, str]:
        """What was changed here: what somebody else changed meanwhile stays theirs."""
        wanted = {tenant.pk: self.cleaned_data[_field(tenant.pk)] for tenant in self.tenants}
        return {pk: role for pk, role in wanted.items() if _field(pk) in self.changed_data}

    def org_admin(self) -> bool | None:
        return self.cleaned_data["org_admin"] if "org_admin" in self.changed_data else None


class QuotaForm(forms.Form):
    """The RDU quota box: two fields for each generation."""

    use_required_attribute = False

    def __init__(self, standings: Iterable[Standing], *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.standings = list(standings)
        for each in self.standings:
            for word, label, value in (
                ("guaranteed", "Guaranteed", each.guaranteed),
                ("maximum", "Maximum", each.maximum),
            ):
                self.fields[f"{word}-{each.generation}"] = forms.IntegerField(
                    label=label,
                    required=False,
                    initial=value,
                    error_messages={"invalid": "Enter a whole number."},
                    widget=_text(inputmode="numeric", placeholder="no limit" if word == "maximum" else "0"),
                )

    @property
    def rows(self) -> list[tuple[Standing, forms.BoundField, forms.BoundField]]:
        return [
            (each, self[f"guaranteed-{each.generation}"], self[f"maximum-{each.generation}"])
            for each in self.standings
        ]

    def wanted(self) -> dict[str, tuple[int, int | None]]:
        """Of the generations that were changed here; an empty maximum is no limit."""
        found = {}
        for each in self.standings:
            names = f"guaranteed-{each.generation}", f"maximum-{each.generation}"
            if set(names) & set(self.changed_data):
                found[each.generation] = (
                    self.cleaned_data[names[0]] or 0,
                    self.cleaned_data[names[1]],
                )
        return found


def _field(tenant: UUID) -> str:
    return f"tenant-{tenant}"
