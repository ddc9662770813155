"""What people say in the Share settings window. The rules behind it are the services'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

from studio import htmx
from studio.projects.models import GENERAL_ACCESS
from studio.sharing.rules import ROLES, TENANT, USER, Grant, Shares, Wish
from studio.tenants.rules import ALL_TENANTS

NONE = "none"  # as a role: no access any more
KINDS = [(USER, "User"), (TENANT, "Tenant")]
ROLE_CHOICES = [(code, str(role)) for code, role in ROLES.items()]


@dataclass(frozen=True, slots=True)
class Line:
    """A user or tenant of the list with the role that is chosen for them."""

    grant: Grant
    role: str

    CHOICES = [*ROLE_CHOICES, (NONE, "No access")]
    WORDS = dict(KINDS)

    @property
    def key(self) -> str:
        return f"{self.grant.kind}:{self.grant.id}"

    @property
    def kind(self) -> str:
        return self.WORDS[self.grant.kind]


class ShareForm(forms.Form):
    """General access, and one more user or tenant. The list between them is the window's own."""

    general_access = forms.ChoiceField(label="General access")
    kind = forms.ChoiceField(label="Add a", choices=KINDS, required=False)
    name = forms.CharField(label="Name", required=False)
    role = forms.ChoiceField(label="Role", choices=ROLE_CHOICES, required=False)
    use_required_attribute = False  # the service's sentence stands at the field instead

    def __init__(
        self,
        shares: Shares,
        known: list[str],
        here: str,
        all_tenants: bool,
        typed: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(typed, initial={"general_access": shares.general_access})
        offered = [
            (value, label)
            for value, label in GENERAL_ACCESS
            if value != ALL_TENANTS or all_tenants or shares.general_access == ALL_TENANTS
        ]
        access: Any = self.fields["general_access"]
        access.choices = offered
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"
        self.fields["name"].widget.attrs |= htmx.asking(here, "known", include="[name='kind']")
        self.known = known

    @property
    def typed(self) -> Wish | None:
        """The one that is to be added; None while no name is typed."""
        said = self.cleaned_data
        name = said["name"].strip()
        return Wish(said["kind"] or USER, name, said["role"] or "viewer") if name else None


def wishes_of(typed: QueryDict) -> list[tuple[Wish, str]]:
    """The lines of the list as they came: (who, as Viewer if no longer at all; the role that is chosen)."""
    found = []
    for key in typed.getlist("grantee"):
        kind, _, who = key.casefold().partition(":")
        role = typed.get(f"role.{key}", "viewer")
        found.append((Wish(kind, who, "viewer" if role == NONE else role), role))
    return found
