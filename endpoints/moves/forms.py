"""What people type to move something, or to give it to somebody else."""

from collections.abc import Iterable
from typing import Any

from django import forms

from studio import htmx
from studio.projects.models import Project
from studio.tenants.models import Tenant


class MoveForm(forms.Form):
    """`field`: project or tenant; the things that can be chosen are in `there`, by id."""

    use_required_attribute = False

    def __init__(
        self, field: str, there: Iterable[Project] | Iterable[Tenant], typed: Any = None, **more: Any
    ) -> None:
        super().__init__(typed, **more)
        self.field = field
        self.there: dict[str, Project | Tenant] = {str(each.pk): each for each in there}
        self.fields[field] = forms.ChoiceField(
            label=field.capitalize(),
            choices=[(pk, each.name) for pk, each in self.there.items()],
            widget=forms.Select(attrs={"class": "input", "autofocus": True}),
        )

    @property
    def picked(self) -> forms.BoundField:
        return self[self.field]

    @property
    def chosen(self) -> Project | Tenant:
        return self.there[self.cleaned_data[self.field]]


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
