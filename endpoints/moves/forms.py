"""What people type to move something, or to give it to somebody else."""

from collections.abc import Iterable
from typing import Any

from django import forms

from studio import htmx

HELP = {
    "project": "The name of a project in which you may create; of another tenant, tenant / project.",
    "tenant": "The name of a tenant that you belong to.",
}


class MoveForm(forms.Form):
    """`field`: project or tenant. The only place that there is, is filled in."""

    use_required_attribute = False

    def __init__(self, field: str, known: list[str], here: str, typed: Any = None, **more: Any) -> None:
        super().__init__(typed, **more)
        self.field = field
        self.known = known
        self.fields[field] = forms.CharField(
            label=field.capitalize(),
            help_text=HELP[field],
            initial=known[0] if len(known) == 1 else "",
            widget=forms.TextInput(
                attrs={"class": "input", "autofocus": True, **htmx.asking(here, "places")}
            ),
        )

    @property
    def picked(self) -> forms.BoundField:
        return self[self.field]

    @property
    def wanted(self) -> str:
        return str(self.cleaned_data[self.field])


class TransferForm(forms.Form):
    owner = forms.CharField(
        label="New owner",
        help_text="The name of an active user of its tenant.",
        widget=forms.TextInput(attrs={"class": "input", "autofocus": True}),
    )
    use_required_attribute = False

    def __init__(self, known: Iterable[str], here: str, typed: Any = None, **more: Any) -> None:
        super().__init__(typed, **more)
        self.fields["owner"].widget.attrs |= htmx.asking(here, "colleagues")
        self.known = known
